"""Thresholds of a rejector, chosen on validation data: for the smallest loss, or for a budget with a guarantee."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from scipy.special import bdtr

from l2h import checks
from l2h.evaluation.curves import loss_curve
from l2h.problem import Costs, Predictions, asks

NEVER_ASK_THRESHOLD = -float(np.finfo(float).max)  # r minus this threshold is finite and above 0
SCORE_MARGIN = 2e-4  # of a score that would be kept above the largest one that asks, relative to it where it exceeds 1


def min_loss_threshold(predictions: Predictions, *, costs: Costs) -> float:
    """The threshold with the smallest system loss; of several, the one with the largest coverage.

    Args:
        predictions: on the validation split.
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
    """Test predictions with the threshold of smallest validation loss, seed by seed.

    The costs may differ from those of the training.

    Args:
        validation_predictions: on the validation split, one per seed.
        test_predictions: of the same systems on the test split.
        costs: c1 and ce.

    Returns:
        The test predictions with their thresholds subtracted from r.
    """
    pairs = zip(validation_predictions, test_predictions, strict=True)
    return [with_threshold(test, min_loss_threshold(validation, costs=costs)) for validation, test in pairs]


def tables_tuned_on_validation(tables: Mapping[str, Predictions], *, costs: Costs) -> dict[str, Predictions]:
    """All predictions of one system with the threshold of smallest loss on its validation predictions.

    Args:
        tables: split or condition -> predictions; "validation" among them.
        costs: c1 and ce.

    Returns:
        The same tables with the threshold subtracted from r.

    Raises:
        KeyError: if there is no validation table.
    """
    threshold = min_loss_threshold(tables["validation"], costs=costs)
    return {name: with_threshold(predictions, threshold) for name, predictions in tables.items()}


def retuned(predictions: Predictions, *, n_labels: int, costs: Costs, seed: int = 0) -> tuple[Predictions, Predictions]:
    """A system before and after its threshold is re-tuned on a few labelled examples, evaluated on the other examples.

    Args:
        predictions: on n examples of one distribution.
        n_labels: number of labelled examples, drawn at random; from 1 to n - 1.
        costs: c1 and ce.
        seed: of the draw.

    Returns:
        The predictions on the n - n_labels other examples: unchanged, and with the re-tuned threshold.

    Raises:
        ValueError: if there are not that many examples.

    >>> one = np.ones(4)
    >>> before, after = retuned(Predictions(-one, one, one, one), n_labels=2, costs=Costs(1.0, 0.25))
    >>> len(before.y), float(before.r[0]), float(after.r[0])
    (2, 1.0, 0.0)
    """
    checks.at_least(1, n_labels=n_labels, others=len(predictions.y) - n_labels)
    order = np.random.default_rng(seed).permutation(len(predictions.y))
    labelled, others = (
        Predictions(*(getattr(predictions, name)[np.sort(indices)] for name in "mrey"))
        for indices in (order[:n_labels], order[n_labels:])
    )
    return others, with_threshold(others, min_loss_threshold(labelled, costs=costs))


def threshold_between(r: np.ndarray, threshold: float) -> float:
    """A threshold that makes the same decisions on given scores, and is far from all of them.

    A threshold that is the score of an example itself, as the one with the smallest loss is, decides that example by
    the last binary digit, in which two implementations of one rejector differ.

    Args:
        r: (n,) scores, which count as float32.
        threshold: t of asks(r - t).

    Returns:
        The middle of the largest score that asks and the smallest that keeps, as float32 represents it. Where all keep,
        the threshold takes the place of the former; where all ask, the latter is a little above the largest score.

    Raises:
        ValueError: if a score is not finite, or no number of float32 makes the same decisions.

    >>> threshold_between(np.array([0.25, 0.5, 1.0]), 0.5)
    0.75
    """
    checks.one_dimensional(r=r)
    checks.finite(r=r)
    asked = asks(np.asarray(r, float) - threshold)
    scores, largest = np.asarray(r, np.float32), float(np.finfo(np.float32).max)
    low = float(scores[asked].max()) if asked.any() else max(threshold, -largest)
    above = min(low + SCORE_MARGIN * max(1.0, abs(low)), largest)
    high = above if asked.all() else float(scores[~asked].min())
    for between in np.array([(low + high) / 2, low], np.float32):  # the second where the two are neighbours
        if (asks(scores - between) == asked).all():
            return float(between)
    raise ValueError(f"expected a number of float32 between the scores {low} and {high}, got none")


def threshold_grid(r: np.ndarray, n_thresholds: int) -> np.ndarray:
    """A grid of thresholds on r from held-out scores: "always keep", quantiles, "always ask".

    Args:
        r: (n,) scores of held-out examples.
        n_thresholds: number of thresholds, >= 3.

    Returns:
        (n_thresholds,) rising thresholds t; r > t keeps. The first lies below all held-out scores and the last above
        them, each by 1 plus their range.

    Raises:
        ValueError: if n_thresholds < 3 or a score is not finite.

    >>> threshold_grid(np.array([0.0, 0.5, 1.0]), 5)
    array([-2. ,  0. ,  0.5,  1. ,  3. ])
    """
    checks.one_dimensional(r=r)
    checks.finite(r=r)
    r = 1.0 * r  # the range of small integers may overflow their type
    checks.at_least(3, n_thresholds=n_thresholds)
    inner = np.quantile(r, np.linspace(0, 1, n_thresholds - 2))
    margin = 1 + np.ptp(r)
    return np.concatenate([[inner[0] - margin], inner, [inner[-1] + margin]])


class ControlledThreshold(NamedTuple):
    """A threshold on r that controls the offload rate, with its guarantee."""

    threshold: float  # r > threshold keeps; use it with `with_threshold`
    budget: float  # the offload rate on future inputs is at most this ...
    confidence: float  # ... with at least this probability over the draw of the validation split
    offload_rate: float  # on the validation split


def budget_threshold(r: np.ndarray, *, budget: float, confidence: float = 0.95) -> ControlledThreshold:
    r"""The largest threshold whose offload rate is within a budget, with a high-probability guarantee.

    .. math:: P\big(P(r(X) \leq t \mid \text{validation split}) \leq b\big) \geq 1 - \delta

    Each score of the validation split is a candidate t. The hypothesis "the offload rate of t exceeds b" has the
    p-value P(Bin(n, b) <= k) if k of the n scores are at most t. The candidates are tested in rising order until the
    first p-value above delta. The offload rate increases with t, so this fixed-sequence testing needs no multiplicity
    correction, even though the candidates come from the data.

    Args:
        r: (n,) scores on the validation split, on which the rejector was not trained.
        budget: largest offload rate b, in (0, 1).
        confidence: 1 - delta, in (0, 1).

    Returns:
        `ControlledThreshold`; a threshold below all numbers, which never asks, if no candidate passes.

    Raises:
        ValueError: if there is no score, a score is not finite, or an option is out of range.

    >>> controlled = budget_threshold(np.arange(100.0), budget=0.25)
    >>> controlled.threshold, controlled.offload_rate
    (16.0, 0.17)

    Source: Angelopoulos, Bates, Candès, Jordan and Lei, Learn then test, Annals of Applied Statistics 19, 2025
    (arXiv 2110.01052).
    """
    r = np.asarray(r, dtype=float)
    checks.one_dimensional(r=r)
    checks.at_least(1, examples=len(r))
    checks.finite(r=r)
    for name, value in {"budget": budget, "confidence": confidence}.items():
        checks.positive(**{name: value, f"1 - {name}": 1 - value})
    candidates, counts = np.unique(r, return_counts=True)
    p_values = bdtr(np.cumsum(counts), len(r), budget)  # (G,) rising, so those at most delta come first
    n_passed = int((p_values <= 1 - confidence).sum())
    threshold = float(candidates[n_passed - 1]) if n_passed else NEVER_ASK_THRESHOLD
    return ControlledThreshold(threshold, budget, confidence, offload_rate=float(asks(r - threshold).mean()))
