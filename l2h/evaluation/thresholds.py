"""Thresholds of a rejector, tuned on validation data: for least loss, for a coverage, for a budget with a guarantee."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from mapie.risk_control import control_fwer
from mapie.risk_control.methods import compute_hoeffding_bentkus_p_value

from l2h import checks
from l2h.evaluation.curves import accuracy_coverage_curve, loss_curve
from l2h.problem import Costs, Predictions, asks

COUNT_TOLERANCE = 1e-12
NEVER_ASK_THRESHOLD = -float(np.finfo(float).max)  # r - NOTHING stays finite, and is above 0


def coverage_threshold(predictions: Predictions, coverage: float) -> float:
    """The largest threshold that keeps at least a wanted share; choose it on validation data.

    Tied examples are kept together or not at all, so that more than the wanted share may be kept. The
    threshold is itself a score (or lies below all of them), so that it survives rounding to float32.

    Args:
        predictions: of the validation part.
        coverage: share to keep, in [0, 1]; 0 gives the largest score, which keeps nothing here.

    Returns:
        t such that r > t keeps; use it with `with_threshold`.

    Raises:
        ValueError: if the share is outside [0, 1].

    >>> p = Predictions(m=np.ones(4), r=np.array([0.1, 0.2, 0.2, 0.4]), e=np.ones(4), y=np.ones(4))
    >>> [coverage_threshold(p, share) for share in (0, 0.25, 0.5)]
    [0.4, 0.2, 0.1]
    """
    checks.probabilities(wanted=coverage)
    curve = accuracy_coverage_curve(predictions)
    # 1 - 0.7 is a little more than 0.3, and 3 of 10 are to be enough for it
    return float(curve.threshold[np.searchsorted(curve.coverage, coverage - 1e-12)])


def min_loss_threshold(predictions: Predictions, *, costs: Costs) -> float:
    """The threshold of least system loss, of several the one that keeps most; choose it on validation data.

    Args:
        predictions: of the validation part.
        costs: c1 and ce.

    Returns:
        t such that r > t keeps; use it with `with_threshold`.

    >>> p = Predictions(m=np.array([1, 1]), r=np.array([0.5, 0.1]), e=np.array([1.0, -1.0]), y=np.array([1, -1]))
    >>> min_loss_threshold(p, costs=Costs(c1=1.0, ce=0.25))
    0.1
    """
    curve = loss_curve(predictions, costs=costs)
    return float(curve.threshold[::-1][np.argmin(curve.loss[::-1])])


def with_threshold(predictions: Predictions, threshold: float) -> Predictions:
    """The same predictions with r - threshold for r, so that the sign rule keeps where r > threshold."""
    return replace(predictions, r=predictions.r - threshold)


def tuned_on_validation(
    validation_predictions: Sequence[Predictions], test_predictions: Sequence[Predictions], *, costs: Costs
) -> list[Predictions]:
    """One training for other costs: the threshold of least loss on validation data, seed by seed.

    Args:
        validation_predictions: predictions on the validation part, one per seed.
        test_predictions: of the same systems on the test part.
        costs: c1 and ce.

    Returns:
        The given predictions, shifted.
    """
    pairs = zip(validation_predictions, test_predictions, strict=True)
    return [with_threshold(test, min_loss_threshold(validation, costs=costs)) for validation, test in pairs]


def tables_tuned_on_validation(tables: Mapping[str, Predictions], *, costs: Costs) -> dict[str, Predictions]:
    """The tables of a system whose scores are shifted by its threshold of least loss on validation images.

    Args:
        tables: part or condition -> predictions; "validation" among them.
        costs: c1 and ce.

    Returns:
        The same tables, in which the sign rule is the tuned threshold.

    Raises:
        KeyError: if there is no validation part.
    """
    threshold = min_loss_threshold(tables["validation"], costs=costs)
    return {where: with_threshold(predictions, threshold) for where, predictions in tables.items()}


def retuned(predictions: Predictions, *, n_labels: int, costs: Costs, seed: int = 0) -> tuple[Predictions, Predictions]:
    """A system before and after its threshold was set anew on a few labelled examples, judged on the others.

    Args:
        predictions: on n examples of one distribution.
        n_labels: how many of them, drawn at random, are labelled; from 1 to n - 1.
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
    checks.at_least(1, labels=n_labels, others=len(predictions.y) - n_labels)
    order = np.random.default_rng(seed).permutation(len(predictions.y))
    labelled, others = (
        Predictions(*(getattr(predictions, name)[np.sort(indices)] for name in "mrey"))
        for indices in (order[:n_labels], order[n_labels:])
    )
    return others, with_threshold(others, min_loss_threshold(labelled, costs=costs))


def threshold_grid(r: np.ndarray, n_thresholds: int) -> np.ndarray:
    """Thresholds on r, fixed by held-out scores: "always keep", quantiles, "always ask".

    Args:
        r: (n,) scores of held-out examples.
        n_thresholds: of thresholds, >= 3.

    Returns:
        (number,) rising thresholds t; r > t keeps. The first lies below and the last above every score in reach.

    Raises:
        ValueError: if number < 3 or a score is not finite.

    >>> threshold_grid(np.array([0.0, 0.5, 1.0]), 5)
    array([-2. ,  0. ,  0.5,  1. ,  3. ])
    """
    checks.one_dimensional(r=r)
    checks.finite(r=r)
    r = 1.0 * r  # the span of integers need not fit into their type
    checks.at_least(3, number=n_thresholds)
    inner = np.quantile(r, np.linspace(0, 1, n_thresholds - 2))
    reach = 1 + np.ptp(r)
    return np.concatenate([[inner[0] - reach], inner, [inner[-1] + reach]])


class ControlledThreshold(NamedTuple):
    """A threshold on r, and how it was found."""

    threshold: float  # r > threshold keeps; use it with `thresholds.with_threshold`
    budget: float  # at most this share of future inputs is sent ...
    confidence: float  # ... with at least this probability over the draw of the validation part
    offload_rate: float  # share of the validation part that is sent


def budget_threshold(r: np.ndarray, *, budget: float, confidence: float = 0.95) -> ControlledThreshold:
    r"""The largest threshold that keeps the offload rate within a budget, with a guarantee.

    .. math:: P\big(P(r(X) \leq t \mid \text{validation part}) \leq b\big) \geq 1 - \delta

    Each score of the validation part is a candidate t. The hypothesis "t sends more than b" is rejected where so few
    of the n inputs lie at or below t that a binomial variable with n and b would be no larger with probability delta
    at most. The candidates are tested from the lowest on, until one is not rejected: the offload rate grows
    with t, so that no price is paid for their number, nor for having taken them from the data.

    Args:
        r: (n,) scores of the validation part, on which the rejector was not trained.
        budget: the share that may be sent, in (0, 1).
        confidence: 1 - delta, in (0, 1).

    Returns:
        `ControlledThreshold`; where no candidate passes, a threshold below all numbers, which sends nothing.

    Raises:
        ValueError: if there is no score, a score is not finite, or an option is out of range.

    >>> promise = budget_threshold(np.arange(100.0), budget=0.25)
    >>> promise.threshold, promise.sent
    (16.0, 0.17)

    Source: Angelopoulos, Bates, Candès, Jordan and Lei, Learn then test, Annals of Applied Statistics 19, 2025
    (arXiv 2110.01052); its procedure as MAPIE has it.
    """
    r = np.asarray(r, dtype=float)
    checks.one_dimensional(r=r)
    checks.at_least(1, examples=len(r))
    checks.finite(r=r)
    for name, value in {"budget": budget, "confidence": confidence}.items():
        checks.positive(**{name: value, f"1 - {name}": 1 - value})
    candidates, counts = np.unique(r, return_counts=True)
    offload_rates = np.cumsum(counts) / len(r)  # (G,) rising with the candidate
    shares = offload_rates * (
        1 - COUNT_TOLERANCE
    )  # the library rounds n * share up to a count, and n * (k / n) may exceed k
    p_values = compute_hoeffding_bentkus_p_value(shares, len(r), budget, binary=True)[:, 0]
    rejected = control_fwer(p_values, 1 - confidence, fwer_method="fixed_sequence")
    threshold = float(candidates[rejected[-1]] if len(rejected) else NEVER_ASK_THRESHOLD)
    return ControlledThreshold(threshold, budget, confidence, offload_rate=float(asks(r - threshold).sum() / len(r)))
