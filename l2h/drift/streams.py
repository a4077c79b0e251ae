"""Streams: what arrives at each step, as places in tables that hold every image under every condition.

A plan says how the distribution changes over time; `fill_schedule` fills it with images, independently and with replacement,
so that at every step the distribution is known exactly: it is uniform over the images that the plan allows.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from l2h import checks
from l2h.data.corruptions import CLEAN, CORRUPTIONS, SEVERITIES, UNSEEN
from l2h.problem import Predictions

LABEL_SHIFT_STEP = 0.08  # label shift: how far P(Y = 1) moves from 1/2 per degree of severity
UNSEEN_STEP = 0.12  # share of the class never seen per degree of severity
DRIFT_KINDS = (*CORRUPTIONS, "label shift", "unseen class")


class DriftSchedule(NamedTuple):
    """How the distribution changes over T steps."""

    condition: np.ndarray  # (T,) names of conditions
    positive_share: np.ndarray  # (T,) P(Y = 1); NaN leaves the labels as they come
    unseen_share: np.ndarray  # (T,) share of the class never seen
    change_point: int  # the first step whose distribution differs from that of step 0; T if none does


class Stream(NamedTuple):
    """A plan, filled: at step t comes image `place[t]` of the table of `condition[t]`."""

    condition: np.ndarray  # (T,) names of conditions
    image: np.ndarray  # (T,) places among the images of that condition
    change_point: int  # as in `DriftSchedule`


def drift_schedule(kind: str | None, *, length: int, severity: int = 5, gradual: bool = False) -> DriftSchedule:
    """A stream that is clean at first and changes in the middle, at once or by degrees.

    Args:
        kind: a name in `DRIFT_KINDS`, or None for a stream that never changes.
        length: T >= 8 steps.
        severity: 1 to 5, the degree that is reached. Degree s of a label shift is P(Y = 1) = 0.5 + 0.08 s, degree s
            of an unseen class a share 0.12 s of it.
        gradual: False jumps there at step T / 2; True climbs one degree at a time from T / 4 to 3 T / 4.

    Returns:
        The plan.

    Raises:
        ValueError: if kind or severity does not exist, or length < 8.

    >>> drift_schedule("noise", length=8, severity=2).condition.tolist()
    ['clean', 'clean', 'clean', 'clean', 'noise 2', 'noise 2', 'noise 2', 'noise 2']
    >>> drift_schedule("label shift", length=8, severity=2, gradual=True).positive.tolist()
    [nan, nan, 0.58, 0.58, 0.66, 0.66, 0.66, 0.66]
    """
    checks.one_of((None, *DRIFT_KINDS), kind=kind)
    checks.one_of(SEVERITIES, severity=severity)
    checks.at_least(8, length=length)
    degree = np.zeros(length, dtype=int)
    if kind is not None:
        start, stop = (length // 4, 3 * length // 4) if gradual else (length // 2, length // 2)
        climbing = np.arange(stop - start) * severity // max(1, stop - start) + 1
        degree[start:] = np.append(climbing, np.full(length - stop, severity))
    condition, positive = np.full(length, CLEAN, dtype=object), np.full(length, np.nan)
    share = np.zeros(length)
    changed = degree >= 1
    if kind in CORRUPTIONS:
        condition[changed] = [f"{kind} {degree_reached}" for degree_reached in degree[changed]]
    elif kind == "label shift":
        positive[changed] = 0.5 + LABEL_SHIFT_STEP * degree[changed]
    else:
        share = UNSEEN_STEP * degree
    return DriftSchedule(condition.astype(str), positive, share, int(np.argmax(changed)) if changed.any() else length)


def fill_schedule(schedule: DriftSchedule, labels: Mapping[str, np.ndarray], *, seed: int) -> Stream:
    """Fill a plan with images.

    Args:
        schedule: T steps.
        labels: condition -> (n,) labels -1/+1 of the images that its table holds.
        seed: of the choice.

    Returns:
        The course of T steps.

    Raises:
        KeyError: if a condition of the plan has no table.

    >>> y = np.array([-1, -1, 1])
    >>> course = fill_schedule(drift_schedule("label shift", length=4000), {"clean": y, "unseen": y}, seed=0)
    >>> round(float((course.place[2000:] == 2).sum() / 2000), 2)
    0.9
    """
    generator = np.random.default_rng(seed)
    length = len(schedule.condition)
    uniform, is_unseen, is_positive = generator.random((3, length))
    condition = np.where(is_unseen < schedule.unseen_share, UNSEEN, schedule.condition)
    wanted_label = np.where(
        np.isnan(schedule.positive_share), 0, np.where(is_positive < schedule.positive_share, 1, -1)
    )
    image = np.zeros(length, dtype=int)
    for name in np.unique(condition):
        for label in (-1, 0, 1):
            here = (condition == name) & (wanted_label == label)
            candidates = np.flatnonzero((labels[str(name)] == label) | (label == 0))
            image[here] = candidates[(uniform[here] * len(candidates)).astype(int)]
    return Stream(condition, image, schedule.change_point)


def with_dwell_time(stream: Stream, *, dwell_time: float, seed: int) -> Stream:
    """A course whose images stay in view: at every step the last one remains, or the one planned for the step comes.

    Which image comes at a step has the distribution of the plan as before, but neighbours are no longer independent:
    n inputs show about n / stay images. What is in view when the distribution changes goes at once.

    Args:
        stream: T steps, drawn independently.
        dwell_time: inputs for which an image remains on average, >= 1; 1 leaves the course as it is.
        seed: of the times.

    Returns:
        The course of T steps.

    Raises:
        ValueError: if stay < 1.

    >>> drawn = fill_schedule(drift_schedule(None, length=8), {"clean": np.ones(100)}, seed=0)
    >>> with_dwell_time(drawn, stay=1e9, seed=0).place.tolist() == [int(drawn.place[0])] * 8
    True
    """
    checks.at_least(1, stay=dwell_time)
    renewed = np.random.default_rng([seed, 2]).random(len(stream.image)) < 1 / dwell_time  # not what drew the images
    renewed[0] = True
    renewed[stream.change_point : stream.change_point + 1] = True
    last = np.maximum.accumulate(np.where(renewed, np.arange(len(renewed)), 0))
    return Stream(stream.condition[last], stream.image[last], stream.change_point)


def device_label_shares(n_devices: int, *, concentration: float, seed: int) -> np.ndarray:
    r"""The label distributions of many devices: the share of label +1 on each.

    .. math:: \pi_d \sim \mathrm{Dirichlet}(a, a)

    Small concentrations a give devices that see one class almost only, large ones devices that are alike.

    Args:
        n_devices: of devices, >= 1.
        concentration: a > 0.
        seed: of the draw.

    Returns:
        (number,) shares of label +1.

    Raises:
        ValueError: if number < 1 or the concentration is not positive.

    >>> device_label_shares(3, concentration=1e6, seed=0).round(2)
    array([0.5, 0.5, 0.5])

    Source: the split of Hsu, Qi and Brown, arXiv 1909.06335, for two classes.
    """
    checks.at_least(1, number=n_devices)
    checks.positive(concentration=concentration)
    return np.random.default_rng(seed).dirichlet([concentration, concentration], size=n_devices)[:, 1]


def device_schedule(positive_share: float, *, length: int) -> DriftSchedule:
    """The stream of one device: clean images, a share `positive_share` of them of label +1, and no change.

    Raises:
        ValueError: if the share is not in [0, 1] or length < 1.
    """
    checks.probabilities(positive=positive_share)
    checks.at_least(1, length=length)
    return DriftSchedule(np.full(length, CLEAN), np.full(length, float(positive_share)), np.zeros(length), length)


def predictions_along(tables: Mapping[str, Predictions], stream: Stream) -> Predictions:
    """A system's predictions along a course.

    Args:
        tables: condition -> predictions on all of its images.
        stream: T steps.

    Returns:
        The predictions on T examples, in the order of time.

    Raises:
        KeyError: if a condition of the course has no table.

    >>> table = Predictions(m=np.array([1, -1]), r=np.array([0.5, -0.5]), e=np.array([1.0, 1.0]), y=np.array([1, 1]))
    >>> predictions_along({"clean": table}, Stream(np.array(["clean"] * 3), np.array([1, 0, 1]), 3)).r
    array([-0.5,  0.5, -0.5])
    """
    length = len(stream.image)
    kinds = {"m": int, "r": float, "e": float, "y": int}
    columns: dict[str, Any] = {name: np.zeros(length, dtype=kind) for name, kind in kinds.items()}
    for condition in np.unique(stream.condition):
        here = stream.condition == condition
        for name, column in columns.items():
            column[here] = getattr(tables[str(condition)], name)[stream.image[here]]
    return Predictions(**columns)


def sample_stream(
    tables: Mapping[str, Predictions],
    kind: str | None,
    *,
    length: int,
    severity: int = 4,
    gradual: bool = False,
    seed: int = 0,
) -> Stream:
    """Which images come in a stream of some kind; `predictions_along` gives what a system says about them.

    Args:
        tables: condition -> predictions on all of its images, of any system.
        kind: as in `streams.drift_schedule`.
        length: as in `streams.drift_schedule`.
        severity: as in `streams.drift_schedule`.
        gradual: as in `streams.drift_schedule`.
        seed: of the images that are drawn.

    Returns:
        The course, the same for all systems that were shown the same images.

    Raises:
        ValueError: as `streams.drift_schedule`.
        KeyError: if a condition has no table.
    """
    schedule = drift_schedule(kind, length=length, severity=severity, gradual=gradual)
    labels = {condition: table.y for condition, table in tables.items()}
    return fill_schedule(schedule, labels, seed=seed)
