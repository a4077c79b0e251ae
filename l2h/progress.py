"""What a sweep says while it runs: how many runs are done, running and failed, the time left, and how to resume."""

import logging
import time
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from l2h.runs import ExperimentConfig
from l2h.store import Store

logger = logging.getLogger("l2h.sweep")

AT_MOST_EVERY = 1.0  # seconds between lines while many runs end


class Failure(NamedTuple):
    """A run that failed, and why."""

    config: ExperimentConfig
    error: BaseException


class Progress(NamedTuple):
    """What is known of a sweep under way."""

    started: float
    total: int
    left: dict[ExperimentConfig, None]  # neither made nor failed
    seconds: dict[tuple[str, ...], list[float]]  # that the runs made took, by kind
    failures: list[Failure]
    told: list[float]  # when lines were written


def begin(missing: Sequence[ExperimentConfig]) -> Progress:
    """Nothing is done yet.

    >>> len(begin([ExperimentConfig("random")]).left)
    1
    """
    return Progress(time.monotonic(), len(missing), dict.fromkeys(missing), {}, [], [])


def done(progress: Progress, config: ExperimentConfig, seconds: float) -> None:
    """Note that a run was made."""
    progress.seconds.setdefault(_kind(config), []).append(seconds)
    del progress.left[config]


def failed(progress: Progress, config: ExperimentConfig, error: BaseException) -> None:
    """Note that a run failed, and show its configuration and its traceback."""
    logger.error("failed: %s", config, exc_info=error)
    progress.failures.append(Failure(config, error))
    del progress.left[config]


def tell(progress: Progress, running: int) -> None:
    """Write a line of progress, unless one was written just now and there is more to do."""
    now = time.monotonic()
    if progress.left and progress.told and now - progress.told[-1] < AT_MOST_EVERY:
        return
    progress.told.append(now)
    logger.info(
        "%d of %d runs done, %d running, %d failed; %s elapsed, %s",
        *(_made(progress), progress.total, running, len(progress.failures)),
        *(_minutes(now - progress.started), time_left(progress, running)),
    )


def time_left(progress: Progress, running: int) -> str:
    """What is left if each run takes as long as those of its kind took so far, or else as all did.

    Args:
        progress: of the sweep.
        running: how many runs are made at once.

    Returns:
        A phrase.

    >>> time_left(begin([ExperimentConfig("random")]), running=1)
    'time left not known yet'
    """
    of_all = [seconds for several in progress.seconds.values() for seconds in several]
    if not of_all:
        return "time left not known yet"
    kinds = Counter(map(_kind, progress.left))
    known = {kind: progress.seconds.get(kind, of_all) for kind in kinds}
    left = sum(count * sum(known[kind]) / len(known[kind]) for kind, count in kinds.items())
    return f"about {_minutes(left / max(1, running))} left"


def how_to_resume(progress: Progress, store: Store) -> str:
    """How many runs were made, where they are, and what makes the others."""
    kept = f"{_made(progress)} of {progress.total} runs were made and are kept in {store.folder}"
    return f"{kept}; the same sweep makes the others"


def refuse_failures(progress: Progress, store: Store) -> None:
    """Raise if runs failed.

    Raises:
        RuntimeError: with their number, the first one and how to resume.
    """
    if not progress.failures:
        return
    config, error = progress.failures[0]
    waiting = f", {len(progress.left)} that need them were not begun" if progress.left else ""
    raise RuntimeError(
        f"{len(progress.failures)} of {progress.total} runs failed{waiting}; {how_to_resume(progress, store)}. "
        f"The first that failed: {config}: {error!r}"
    ) from error


def _made(progress: Progress) -> int:
    return progress.total - len(progress.left) - len(progress.failures)


def _kind(config: ExperimentConfig) -> tuple[str, ...]:
    """Runs of one kind take about as long."""
    if config.method == "client":
        return (config.method, config.client)
    return (config.method, config.recipe, config.network)


def _minutes(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
