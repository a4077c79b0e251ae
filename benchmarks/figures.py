"""The output of every benchmark: one line of JSON per figure, with a baseline measured in the same run."""

import json
import platform
from pathlib import Path
from typing import NamedTuple

import torch


class Figure(NamedTuple):
    """A measured value and its baseline."""

    name: str
    value: float
    unit: str
    ratio_to: str  # the baseline, in words
    own_value: float
    baseline_value: float


def line(figure: Figure) -> str:
    """The figure as one line of JSON, with the machine that measured it."""
    rounded = {key: round(part, 4) if isinstance(part, float) else part for key, part in figure._asdict().items()}
    return json.dumps({**rounded, "machine": machine()})


def machine() -> str:
    """Processor, threads in use, and version of torch."""
    info = Path("/proc/cpuinfo")
    names = [row.split(":")[1].strip() for row in info.read_text().splitlines() if row.startswith("model name")]
    name = names[0] if names else platform.processor()
    return f"{name}, {torch.get_num_threads()} threads, torch {torch.__version__}"
