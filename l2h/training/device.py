"""The compute device: the CPU or the accelerator that the user requests, and its support of bfloat16."""

import os

import torch

from l2h import checks


def accelerator_name() -> str:
    """The kind of device in L2H_ACCELERATOR, such as "cuda"; empty for the CPU.

    A result depends on the device by rounding errors, which may also differ between two runs on an accelerator.

    >>> accelerator_name()
    ''
    """
    name = os.environ.get("L2H_ACCELERATOR", "")
    return "" if name == "cpu" else name


def requested_accelerator() -> torch.device | None:
    """The requested accelerator, or None for the CPU.

    Raises:
        ValueError: if this machine does not have it.
    """
    if not accelerator_name():
        return None
    available = torch.accelerator.current_accelerator(check_available=True)
    checks.one_of(("cpu", *([available.type] if available else [])), L2H_ACCELERATOR=accelerator_name())
    return available


def has_bfloat16() -> bool:
    """Whether the compute device has instructions for bfloat16; without them it is slower than float32.

    >>> isinstance(has_bfloat16(), bool)
    True
    """
    capabilities = torch.cpu.get_capabilities().items()
    return bool(accelerator_name()) or any(supported is True for name, supported in capabilities if "bf16" in name)
