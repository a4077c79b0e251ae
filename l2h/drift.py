"""What a system does on a stream whose distribution changes, and which of its promises break.

A stream is `Predictions` in the order of time, put together from tables: what one system said about every image
under every condition.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from scipy.special import expit
from scipy.stats import binomtest, ks_2samp

from l2h import bounds, checks, shift_bounds, streams, walks
from l2h.bootstrap import Interval
from l2h.curves import shifted, threshold_for_loss
from l2h.evaluate import by_class, calibration_error, in_windows, loss_by_example, system_loss
from l2h.problem import Costs, Predictions, asks, server_label
from l2h.streams import Course

BINS = 5  # of a window's calibration error: more would measure its few examples, not the probabilities
RIDGE = 1e-3  # keeps the error curve finite where no error was seen yet


def along(tables: Mapping[str, Predictions], course: Course) -> Predictions:
    """A system's predictions along a course.

    Args:
        tables: condition -> predictions on all of its images.
        course: T steps.

    Returns:
        The predictions on T examples, in the order of time.

    Raises:
        KeyError: if a condition of the course has no table.

    >>> table = Predictions(m=np.array([1, -1]), r=np.array([0.5, -0.5]), e=np.array([1.0, 1.0]), y=np.array([1, 1]))
    >>> along({"clean": table}, Course(np.array(["clean"] * 3), np.array([1, 0, 1]), 3)).r
    array([-0.5,  0.5, -0.5])
    """
    length = len(course.place)
    kinds = {"m": int, "r": float, "e": float, "y": int}
    columns: dict[str, Any] = {name: np.zeros(length, dtype=kind) for name, kind in kinds.items()}
    for condition in np.unique(course.condition):
        here = course.condition == condition
        for name, column in columns.items():
            column[here] = getattr(tables[str(condition)], name)[course.place[here]]
    return Predictions(**columns)


def tuned(said: Mapping[str, Predictions], *, costs: Costs) -> dict[str, Predictions]:
    """The tables of a system whose scores are shifted by its threshold of least loss on validation images.

    Args:
        said: part or condition -> predictions; "validation" among them.
        costs: c1 and ce.

    Returns:
        The same tables, in which the sign rule is the tuned threshold.

    Raises:
        KeyError: if there is no validation part.
    """
    threshold = threshold_for_loss(said["validation"], costs=costs)
    return {where: shifted(predictions, threshold) for where, predictions in said.items()}


def retuned(predictions: Predictions, *, labels: int, costs: Costs, seed: int = 0) -> tuple[Predictions, Predictions]:
    """A system before and after its threshold was set anew on a few labelled examples, judged on the others.

    Args:
        predictions: on n examples of one distribution.
        labels: how many of them, drawn at random, are labelled; from 1 to n - 1.
        costs: c1 and ce.
        seed: of the draw.

    Returns:
        The predictions on the n - labels other examples: as they are, and with the threshold set anew.

    Raises:
        ValueError: if there are not that many examples.

    >>> one = np.ones(4)
    >>> as_it_was, anew = retuned(Predictions(-one, one, one, one), labels=2, costs=Costs(1.0, 0.25))
    >>> len(as_it_was.y), float(as_it_was.r[0]), float(anew.r[0])
    (2, 1.0, 0.0)
    """
    checks.at_least(1, labels=labels, others=len(predictions.y) - labels)
    order = np.random.default_rng(seed).permutation(len(predictions.y))
    few, others = (
        Predictions(*(getattr(predictions, name)[np.sort(part)] for name in "mrey"))
        for part in (order[:labels], order[labels:])
    )
    return others, shifted(others, threshold_for_loss(few, costs=costs))


def course_of(
    tables: Mapping[str, Predictions],
    kind: str | None,
    *,
    length: int,
    severity: int = 4,
    gradual: bool = False,
    seed: int = 0,
) -> Course:
    """Which images come in a stream of some kind; `along` gives what a system says about them.

    Args:
        tables: condition -> predictions on all of its images, of any system.
        kind: as in `streams.plan`.
        length: as in `streams.plan`.
        severity: as in `streams.plan`.
        gradual: as in `streams.plan`.
        seed: of the images that are drawn.

    Returns:
        The course, the same for all systems that were shown the same images.

    Raises:
        ValueError: as `streams.plan`.
        KeyError: if a condition has no table.
    """
    planned = streams.plan(kind, length=length, severity=severity, gradual=gradual)
    labels = {condition: table.y for condition, table in tables.items()}
    return streams.draw(planned, labels, seed=seed)


def threshold_grid(r: np.ndarray, number: int) -> np.ndarray:
    """Thresholds on r, fixed by held-out scores: "always keep", quantiles, "always ask".

    Args:
        r: (n,) scores of held-out examples.
        number: of thresholds, >= 3.

    Returns:
        (number,) rising thresholds t; r > t keeps. The first lies below and the last above every score in reach.

    Raises:
        ValueError: if number < 3 or a score is not finite.

    >>> threshold_grid(np.array([0.0, 0.5, 1.0]), 5)
    array([-2. ,  0. ,  0.5,  1. ,  3. ])
    """
    checks.vectors(r=r)
    checks.finite(r=r)
    r = 1.0 * r  # the span of integers need not fit into their type
    checks.at_least(3, number=number)
    inner = np.quantile(r, np.linspace(0, 1, number - 2))
    reach = 1 + np.ptp(r)
    return np.concatenate([[inner[0] - reach], inner, [inner[-1] + reach]])


def losses_at(predictions: Predictions, thresholds: np.ndarray, *, costs: Costs) -> np.ndarray:
    """The loss of each example at each of N thresholds, (N, n)."""
    return np.stack([loss_by_example(shifted(predictions, t), costs=costs) for t in thresholds])


def risks(predictions: Predictions, thresholds: np.ndarray, *, costs: Costs) -> np.ndarray:
    """System loss at each of N thresholds, (N,).

    >>> p = Predictions(m=np.array([1, 1]), r=np.array([0.5, 0.1]), e=np.array([1.0, 1.0]), y=np.array([1, -1]))
    >>> risks(p, np.array([-1.0, 0.2, 1.0]), costs=Costs(c1=1.0, ce=0.25))
    array([0.5  , 0.625, 0.75 ])
    """
    return np.array([system_loss(shifted(predictions, t), costs=costs) for t in thresholds])


class ErrorCurve(NamedTuple):
    """The client's error probability as a logistic function of r: p(r) = 1 / (1 + exp(-(intercept + slope r)))."""

    intercept: float
    slope: float

    def at(self, r: Any) -> np.ndarray:
        """p(r), of the shape of r."""
        return expit(self.intercept + self.slope * np.asarray(r, dtype=float))


def error_curve(r: np.ndarray, wrong: np.ndarray, *, weight: np.ndarray | None = None) -> ErrorCurve:
    r"""The error probability as a logistic function of a score, by maximum likelihood with a slight ridge.

    .. math:: \min_{a, b} \sum_i w_i \log(1 + e^{-z_i (a + b r_i)}) + \frac{\rho}{2} (a^2 + b^2), \quad z_i = \pm 1

    Args:
        r: (n,) scores.
        wrong: (n,) whether the client was wrong, or any other event.
        weight: (n,) weights >= 0, such as inverse probabilities of having been asked; by default 1.

    Returns:
        The curve.

    Raises:
        ValueError: if shapes differ, there is no example, a score is not finite, an event is not 0 or 1, or a weight is
            negative.

    >>> curve = error_curve(np.array([-1.0, -1.0, 1.0, 1.0] * 50), np.array([1, 1, 1, 0] * 50))
    >>> bool(curve.at(-1.0) > 0.98), round(float(curve.at(1.0)), 2)
    (True, 0.5)

    Source: Platt scaling (Platt 1999), here of errors on r.
    """
    weight = np.ones(len(r)) if weight is None else weight
    checks.vectors(r=r, wrong=wrong, weight=weight)
    checks.events(wrong=wrong)
    checks.finite(r=r, weight=weight)
    checks.at_least(0, weight=weight.min(initial=0.0))
    if len(r) == 0:
        raise ValueError("expected at least one example, got none")
    design = np.stack([np.ones(len(r)), r])  # (2, n)
    coefficients, objective = np.zeros(2), np.inf
    for _ in range(50):  # Newton's method, damped
        p = expit(coefficients @ design)
        gradient = design @ (weight * (p - wrong)) + RIDGE * coefficients
        curvature = (design * (weight * p * (1 - p))) @ design.T + RIDGE * np.eye(2)
        step = np.linalg.solve(curvature, gradient)
        coefficients, before = _downhill(coefficients, step, design, wrong, weight), objective
        objective = _objective(coefficients, design, wrong, weight)
        if before - objective < 1e-10 * (1 + abs(objective)):
            break
    return ErrorCurve(float(coefficients[0]), float(coefficients[1]))


def _objective(coefficients: np.ndarray, design: np.ndarray, wrong: np.ndarray, weight: np.ndarray) -> float:
    z = coefficients @ design
    return float(weight @ (np.logaddexp(0, z) - wrong * z) + RIDGE / 2 * coefficients @ coefficients)


def _downhill(
    start: np.ndarray, step: np.ndarray, design: np.ndarray, wrong: np.ndarray, weight: np.ndarray
) -> np.ndarray:
    """The full Newton step, or half of it, or a quarter, ...: the first that does not climb."""
    here = _objective(start, design, wrong, weight)
    for halvings in range(30):
        there = start - step / 2**halvings
        if _objective(there, design, wrong, weight) <= here:
            return there
    return start


class Watch(NamedTuple):
    """What an observer with all labels would see in consecutive windows of a stream, (k,) each."""

    step: np.ndarray  # the middle of the window
    offload: np.ndarray  # share sent
    loss: np.ndarray  # system loss
    stated_error: np.ndarray  # the client's error probability, as held-out data stated it
    actual_error: np.ndarray  # the client's error rate
    calibration: np.ndarray  # expected calibration error of the stated probabilities, in BINS bins
    distance: np.ndarray  # Kolmogorov-Smirnov distance of the window's r from held-out r
    p_value: np.ndarray  # of the two-sample test that both come from one distribution


def watch(stream: Predictions, reference: Predictions, *, width: int, costs: Costs) -> Watch:
    """What a fixed system does over time, and which assumptions still hold.

    Args:
        stream: predictions on T examples in the order of time.
        reference: predictions on held-out examples from before: its error curve is what the system states.
        width: examples per window, from 1 to T.
        costs: c1 and ce.

    Returns:
        One number of each kind per window.

    Raises:
        ValueError: if the width is out of range.
    """
    stated = error_curve(reference.r, reference.m != reference.y).at(stream.r)
    loss = in_windows(loss_by_example(stream, costs=costs), width)
    wrong = stream.m != stream.y
    windows, claimed, happened = (v[: len(loss) * width].reshape(-1, width) for v in (stream.r, stated, wrong))
    tests = [ks_2samp(window, reference.r, method="asymp") for window in windows]
    return Watch(
        step=(np.arange(len(loss)) + 0.5) * width,
        offload=in_windows(asks(stream.r), width),
        loss=loss,
        stated_error=in_windows(stated, width),
        actual_error=in_windows(wrong, width),
        calibration=np.array([calibration_error(*w, bins=BINS) for w in zip(claimed, happened, strict=True)]),
        distance=np.array([float(test.statistic) for test in tests]),
        p_value=np.array([float(test.pvalue) for test in tests]),
    )


def guarantee(sample: Predictions, *, costs: Costs, delta: float) -> float:
    """What the corrected Theorem 1 adds to the loss on a sample, for all thresholds on r and the server as it is.

    Args:
        sample: predictions on n examples that nothing was trained on.
        costs: c1 and ce.
        delta: probability of failure.

    Returns:
        The penalty; a single server has complexity 0, thresholds have that of the n scores, ties and all.
    """
    rad_r = walks.exact_thresholds(sample.r).value
    return float(bounds.corrected(rad_r, 0.0, costs=costs, n=len(sample.y), delta=delta).total)


def promised(sample: Predictions, *, costs: Costs, delta: float) -> float:
    """What the corrected Theorem 1 promises of the sign rule: the loss on a sample plus the `guarantee`."""
    return system_loss(sample, costs=costs) + guarantee(sample, costs=costs, delta=delta)


class Separation(NamedTuple):
    """How far a changed distribution is from the first one, for thresholds on r and the server as it is."""

    labelled: float  # discrepancy of the losses
    label_free: float  # the same with the server's labels in place of the true ones
    joint_error: float  # the server's error rates under both distributions, together


def separation(before: Predictions, after: Predictions, thresholds: np.ndarray, *, costs: Costs) -> Separation:
    """The discrepancies between two distributions, each given by all of its examples.

    Args:
        before: predictions on all examples of P.
        after: predictions on all examples of Q.
        thresholds: (N,) on r.
        costs: c1 and ce.

    Returns:
        What the two bounds of `shift_bounds.transferred` need.
    """
    pair = (before, after)
    labelled = shift_bounds.discrepancy(*(risks(p, thresholds, costs=costs) for p in pair))
    unlabelled = (Predictions(p.m, p.r, p.e, server_label(p.e)) for p in pair)
    label_free = shift_bounds.discrepancy(*(risks(p, thresholds, costs=costs) for p in unlabelled))
    errors = (system_loss(replace(p, r=-np.ones(len(p.r))), costs=Costs(1.0, 0.0)) for p in pair)  # asks always
    return Separation(labelled, label_free, sum(errors))


def off_the_line(predictions: Predictions, *, costs: Costs) -> float:
    r"""How far the expected loss under label shifts is from a straight line in the share of label +1, at most.

    .. math:: \max_\pi \Big| \frac{1}{n} \sum_i \frac{q_\pi(y_i)}{p(y_i)} L_i - (1 - \pi) R_- - \pi R_+ \Big|

    Args:
        predictions: on examples of both labels.
        costs: c1 and ce.

    Returns:
        The largest distance over 101 shares from 0 to 1.

    Raises:
        ValueError: if a label is missing.

    >>> one = np.ones(3)
    >>> off_the_line(Predictions(one, one, one, np.array([1, -1, -1])), costs=Costs()) < 1e-12
    True
    """
    plus, loss = (predictions.y == 1).astype(int), loss_by_example(predictions, costs=costs)
    share, each = plus.sum() / len(plus), [system_loss(part, costs=costs) for part in by_class(predictions).values()]
    distances = []
    for pi in np.linspace(0, 1, 101):
        weights = shift_bounds.label_weights([1 - share, share], [1 - pi, pi])[plus]
        distances.append(abs(weights @ loss / len(loss) - (1 - pi) * each[0] - pi * each[-1]))
    return float(max(distances))


class UnderShift(NamedTuple):
    """One system under k distributions: what it loses, and what the bounds add to the promise for the first."""

    loss: np.ndarray  # (k,) of the sign rule
    labelled: np.ndarray  # (k,) the discrepancy
    label_free: np.ndarray  # (k,) the discrepancy with the server's labels, and max(1, c1) times the joint error


def under_shift(tables: Sequence[Predictions], thresholds: np.ndarray, *, costs: Costs) -> UnderShift:
    """What a system loses under several distributions, and how far each is from the first.

    Args:
        tables: k predictions, each on all examples of a distribution; the first is the one of the promise.
        thresholds: (N,) on r.
        costs: c1 and ce.

    Returns:
        One number of each kind per distribution.
    """
    apart = [separation(tables[0], table, thresholds, costs=costs) for table in tables]
    return UnderShift(
        np.array([system_loss(table, costs=costs) for table in tables]),
        np.array([one.labelled for one in apart]),
        np.array([one.label_free + max(1, costs.c1) * one.joint_error for one in apart]),
    )


def worst_gaps(
    losses: np.ndarray, target: np.ndarray, *, weights: np.ndarray, size: int, draws: int, seed: int
) -> np.ndarray:
    r"""How far a target risk lies above the weighted empirical risk of a sample, at the worst of N thresholds.

    .. math:: \max_k \Big(R_k - \frac{1}{n} \sum_{i \in S} w_i L_{k,i}\Big), \quad |S| = n

    Args:
        losses: (N, m) of all examples of the distribution that is sampled, `losses_at`.
        target: (N,) risks R_k under the distribution that is asked about.
        weights: (m,) w; 1 without importance weighting.
        size: n examples per sample, drawn with replacement.
        draws: samples.
        seed: of the samples.

    Returns:
        (draws,) gaps: a bound fails on a sample where its penalty is smaller.

    Raises:
        ValueError: if shapes do not match, or a number is below 1.

    >>> worst_gaps(np.ones((2, 5)), np.array([1.0, 1.5]), weights=np.ones(5), size=3, draws=2, seed=0)
    array([0.5, 0.5])
    """
    if losses.shape != (len(target), len(weights)):
        raise ValueError(f"expected losses of shape {(len(target), len(weights))}, got {losses.shape}")
    checks.at_least(1, size=size, draws=draws)
    chosen = np.random.default_rng(seed).integers(losses.shape[1], size=(draws, size))
    empirical = np.stack([(losses * weights)[:, sample].sum(axis=1) / size for sample in chosen])  # (draws, N)
    return (target - empirical).max(axis=1)


class Tried(NamedTuple):
    """How a bound did on samples."""

    fails: Interval  # share of the samples on which it fails at some threshold, with its exact 95 % limits
    needed: float  # the penalty that would have failed on a share delta of them
    penalty: float  # the one it has


def tried(gaps: np.ndarray, *, penalty: float, delta: float) -> Tried:
    """How often a penalty is too small for the gaps of samples.

    Args:
        gaps: (draws,) `worst_gaps`.
        penalty: of the bound.
        delta: probability of failure that the bound allows.

    Returns:
        The share of failures with the interval of Clopper and Pearson, and how tight the penalty is.

    Raises:
        ValueError: if there is no sample, or delta is no probability.

    >>> round(tried(np.linspace(0, 1, 101), penalty=2.0, delta=0.05).needed, 3)
    0.95
    """
    checks.at_least(1, draws=len(gaps))
    checks.probabilities(delta=delta)
    fails = int((gaps > penalty).sum())
    limits = binomtest(fails, len(gaps)).proportion_ci(0.95, method="exact")
    share = Interval(fails / len(gaps), float(limits.low), float(limits.high))
    return Tried(share, float(np.quantile(gaps, 1 - delta)), float(penalty))
