"""Computations of chapters in several processes, where they are no runs of `l2h.experiments.sweep`."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def map_in_processes(function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    """The results of a function for several items, in their order.

    Args:
        function: that can be pickled; its results must not depend on the process.
        items: its arguments.

    Returns:
        One result per item, computed in as many processes as L2H_WORKERS says, by default one per core; in this process
        where one would do.

    Raises:
        ValueError: if L2H_WORKERS is not a whole number >= 1.

    >>> map_in_processes(abs, [-2])
    [2]
    """
    text = os.environ.get("L2H_WORKERS") or str(os.cpu_count() or 1)
    if not text.isdecimal() or int(text) < 1:
        raise ValueError(f"expected L2H_WORKERS to be a whole number >= 1, got {text!r}")
    workers = min(int(text), len(items))
    if workers <= 1:
        return [function(item) for item in items]
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        return list(pool.map(function, items))
