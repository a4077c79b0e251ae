"""Streams of inputs whose distribution changes over time.

A drift schedule gives the distribution at each step. `fill_schedule` draws an image for each step, independently and
with replacement, so the distribution at every step is known exactly: it is uniform over the images that the schedule
allows. A stream holds indices into tables of predictions, one table per condition.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from l2h import checks
from l2h.data.corruptions import CLEAN, CORRUPTIONS, SEVERITIES, UNSEEN
from l2h.problem import Predictions

LABEL_SHIFT_STEP = 0.08  # increase of P(Y = 1) above 1/2 per degree of severity
UNSEEN_STEP = 0.12  # share of the unseen class per degree of severity
DRIFT_KINDS = (*CORRUPTIONS, "label shift", "unseen class")


class DriftSchedule(NamedTuple):
    """How the distribution changes over T steps."""

    condition: np.ndarray  # (T,) names of conditions
    positive_share: np.ndarray  # (T,) P(Y = 1); NaN where the schedule does not set it
    unseen_share: np.ndarray  # (T,) share of the class that is absent from the training data
    change_point: int  # the first step whose distribution differs from that of step 0; T if none does


class Stream(NamedTuple):
    """A sampled stream: the input at step t is row `image[t]` of the table of `condition[t]`."""

    condition: np.ndarray  # (T,) names of conditions
    image: np.ndarray  # (T,) indices of images of that condition
    change_point: int  # as in `DriftSchedule`


def drift_schedule(kind: str | None, *, length: int, severity: int = 5, gradual: bool = False) -> DriftSchedule:
    """A schedule that starts with clean images and changes in the middle, suddenly or gradually.

    Args:
        kind: a name in `DRIFT_KINDS`, or None for no change.
        length: T >= 8 steps.
        severity: final degree, 1 to 5. Degree s of a label shift is P(Y = 1) = 0.5 + 0.08 s; degree s of an unseen
            class is a share of 0.12 s.
        gradual: False changes to the final degree at step T / 2; True increases by one degree at a time from T / 4 to
            3 T / 4.

    Returns:
        The schedule.

    Raises:
        ValueError: if kind or severity does not exist, or length < 8.

    >>> drift_schedule("noise", length=8, severity=2).condition.tolist()
    ['clean', 'clean', 'clean', 'clean', 'noise 2', 'noise 2', 'noise 2', 'noise 2']
    >>> drift_schedule("label shift", length=8, severity=2, gradual=True).positive_share.tolist()
    [nan, nan, 0.58, 0.58, 0.66, 0.66, 0.66, 0.66]
    """
    checks.one_of((None, *DRIFT_KINDS), kind=kind)
    checks.one_of(SEVERITIES, severity=severity)
    checks.at_least(8, length=length)
    degree = np.zeros(length, dtype=int)
    if kind is not None:
        start, stop = (length // 4, 3 * length // 4) if gradual else (length // 2, length // 2)
        rising = np.arange(stop - start) * severity // max(1, stop - start) + 1
        degree[start:] = np.append(rising, np.full(length - stop, severity))
    condition, positive = np.full(length, CLEAN, dtype=object), np.full(length, np.nan)
    share = np.zeros(length)
    changed = degree >= 1
    if kind in CORRUPTIONS:
        condition[changed] = [f"{kind} {step_degree}" for step_degree in degree[changed]]
    elif kind == "label shift":
        positive[changed] = 0.5 + LABEL_SHIFT_STEP * degree[changed]
    else:
        share = UNSEEN_STEP * degree
    return DriftSchedule(condition.astype(str), positive, share, int(np.argmax(changed)) if changed.any() else length)


def fill_schedule(schedule: DriftSchedule, labels: Mapping[str, np.ndarray], *, seed: int) -> Stream:
    """Draw an image for each step of a schedule.

    Args:
        schedule: of T steps.
        labels: condition -> (n,) labels -1/+1 of the images in its table.
        seed: of the draw.

    Returns:
        The stream of T steps.

    Raises:
        KeyError: if a condition of the schedule has no table.

    >>> y = np.array([-1, -1, 1])
    >>> stream = fill_schedule(drift_schedule("label shift", length=4000), {"clean": y, "unseen": y}, seed=0)
    >>> round(float((stream.image[2000:] == 2).mean()), 2)
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
    """An autocorrelated stream: each step repeats the previous image or shows the image drawn for that step.

    Each step has the same marginal distribution as before, but neighbouring steps are dependent: n inputs show about
    n / dwell_time images. At the change point the image is always replaced.

    Args:
        stream: T steps, drawn independently.
        dwell_time: mean number of consecutive inputs with the same image, >= 1; 1 leaves the stream unchanged.
        seed: of the dwell times.

    Returns:
        The stream of T steps.

    Raises:
        ValueError: if dwell_time < 1.

    >>> independent = fill_schedule(drift_schedule(None, length=8), {"clean": np.ones(100)}, seed=0)
    >>> with_dwell_time(independent, dwell_time=1e9, seed=0).image.tolist() == [int(independent.image[0])] * 8
    True
    """
    checks.at_least(1, dwell_time=dwell_time)
    # The generator that drew the images has the seed alone; this one must be independent of it.
    renewed = np.random.default_rng([seed, 2]).random(len(stream.image)) < 1 / dwell_time
    renewed[0] = True
    renewed[stream.change_point : stream.change_point + 1] = True
    last = np.maximum.accumulate(np.where(renewed, np.arange(len(renewed)), 0))
    return Stream(stream.condition[last], stream.image[last], stream.change_point)


def device_label_shares(n_devices: int, *, concentration: float, seed: int) -> np.ndarray:
    r"""The label distributions of several devices: the share of label +1 on each.

    .. math:: \pi_d \sim \mathrm{Dirichlet}(a, a)

    For a small concentration a most devices see almost only one class; for a large one all devices are similar.

    Args:
        n_devices: number of devices, >= 1.
        concentration: a > 0.
        seed: of the draw.

    Returns:
        (n_devices,) shares of label +1.

    Raises:
        ValueError: if n_devices < 1 or the concentration is not positive.

    >>> device_label_shares(3, concentration=1e6, seed=0).round(2)
    array([0.5, 0.5, 0.5])

    Source: the split of Hsu, Qi and Brown, arXiv 1909.06335, for two classes.
    """
    checks.at_least(1, n_devices=n_devices)
    checks.positive(concentration=concentration)
    return np.random.default_rng(seed).dirichlet([concentration, concentration], size=n_devices)[:, 1]


def device_schedule(positive_share: float, *, length: int) -> DriftSchedule:
    """The schedule of one device: clean images with a constant share `positive_share` of label +1.

    Raises:
        ValueError: if the share is not in [0, 1] or length < 1.
    """
    checks.probabilities(positive_share=positive_share)
    checks.at_least(1, length=length)
    return DriftSchedule(np.full(length, CLEAN), np.full(length, float(positive_share)), np.zeros(length), length)


def predictions_along(tables: Mapping[str, Predictions], stream: Stream) -> Predictions:
    """The predictions of a system along a stream.

    Args:
        tables: condition -> predictions on all images of that condition.
        stream: of T steps.

    Returns:
        The predictions on T examples, in the order of time.

    Raises:
        KeyError: if a condition of the stream has no table.

    >>> table = Predictions(m=np.array([1, -1]), r=np.array([0.5, -0.5]), e=np.array([1.0, 1.0]), y=np.array([1, 1]))
    >>> predictions_along({"clean": table}, Stream(np.array(["clean"] * 3), np.array([1, 0, 1]), 3)).r
    array([-0.5,  0.5, -0.5])
    """
    columns = {
        name: values_along({condition: getattr(table, name) for condition, table in tables.items()}, stream)
        for name in "mrey"
    }
    return Predictions(columns["m"].astype(int), columns["r"], columns["e"], columns["y"].astype(int))


def values_along(tables: Mapping[str, np.ndarray], stream: Stream) -> np.ndarray:
    """Values of images along a stream, as float64.

    Args:
        tables: condition -> (n, ...) values of all images of that condition.
        stream: of T steps.

    Returns:
        (T, ...) values, in the order of time.

    Raises:
        KeyError: if a condition of the stream has no table.
    """
    values = np.zeros((len(stream.image), *tables[str(stream.condition[0])].shape[1:]))
    for condition in set(stream.condition.tolist()):
        here = stream.condition == condition
        values[here] = tables[condition][stream.image[here]]
    return values


def sample_stream(
    tables: Mapping[str, Predictions],
    kind: str | None,
    *,
    length: int,
    severity: int = 4,
    gradual: bool = False,
    seed: int = 0,
) -> Stream:
    """A stream of a given kind of drift; `predictions_along` gives the predictions of a system on it.

    Args:
        tables: condition -> predictions of any system on all images of that condition; only the labels are used.
        kind: as in `drift_schedule`.
        length: as in `drift_schedule`.
        severity: as in `drift_schedule`.
        gradual: as in `drift_schedule`.
        seed: of the draw of the images.

    Returns:
        The stream; it is the same for all systems with tables of the same images.

    Raises:
        ValueError: as `drift_schedule`.
        KeyError: if a condition has no table.
    """
    schedule = drift_schedule(kind, length=length, severity=severity, gradual=gradual)
    labels = {condition: table.y for condition, table in tables.items()}
    return fill_schedule(schedule, labels, seed=seed)
