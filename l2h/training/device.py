"""What computes: the CPU, or an accelerator that the user asks for, and what it can do."""

import os

import torch

from l2h import checks


def accelerator_name() -> str:
    """The kind of device that L2H_ACCELERATOR asks for, such as "cuda"; empty for the CPU.

    A result depends on it by rounding alone, but bitwise it does, and it is not the same in every run.

    >>> accelerator_name()
    ''
    """
    name = os.environ.get("L2H_ACCELERATOR", "")
    return "" if name == "cpu" else name


def requested_accelerator() -> torch.device | None:
    """The accelerator that is asked for.

    Raises:
        ValueError: if it is not there.
    """
    if not accelerator_name():
        return None
    available = torch.accelerator.current_accelerator(check_available=True)
    checks.one_of(("cpu", *([available.type] if available else [])), L2H_ACCELERATOR=accelerator_name())
    return available


def has_bfloat16() -> bool:
    """Whether what computes has instructions for bfloat16: without them it would be slower than float32.

    >>> isinstance(has_bfloat16(), bool)
    True
    """
    capabilities = torch.cpu.get_capabilities().items()
    return bool(accelerator_name()) or any(supported is True for name, supported in capabilities if "bf16" in name)
