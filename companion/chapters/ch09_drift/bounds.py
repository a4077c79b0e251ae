"""Bounds for a changed distribution, and their empirical checks."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from l2h import checks
from l2h.evaluation.intervals import Interval, proportion_interval
from l2h.evaluation.metrics import loss_per_example, split_by_class, system_loss
from l2h.evaluation.thresholds import with_threshold
from l2h.problem import Costs, Predictions, server_label
from l2h.theory import generalization, rademacher_exact


def losses_at_thresholds(predictions: Predictions, thresholds: np.ndarray, *, costs: Costs) -> np.ndarray:
    """The loss of each example at each of N thresholds, (N, n)."""
    return np.stack([loss_per_example(with_threshold(predictions, t), costs=costs) for t in thresholds])


def risks_at_thresholds(predictions: Predictions, thresholds: np.ndarray, *, costs: Costs) -> np.ndarray:
    """System loss at each of N thresholds, (N,).

    >>> p = Predictions(m=np.array([1, 1]), r=np.array([0.5, 0.1]), e=np.array([1.0, 1.0]), y=np.array([1, -1]))
    >>> risks_at_thresholds(p, np.array([-1.0, 0.2, 1.0]), costs=Costs(c1=1.0, ce=0.25))
    array([0.5  , 0.625, 0.75 ])
    """
    return np.array([system_loss(with_threshold(predictions, t), costs=costs) for t in thresholds])


def generalization_penalty(sample: Predictions, *, costs: Costs, delta: float) -> float:
    """The penalty of the corrected Theorem 1 for all thresholds on r and one fixed server.

    Args:
        sample: predictions on n examples that nothing was trained on.
        costs: c1 and ce.
        delta: probability of failure.

    Returns:
        The penalty; a single server has complexity 0, thresholds have the complexity of the n scores, with their ties.
    """
    rad_r = rademacher_exact.exact_threshold_complexity(sample.r).value
    return float(generalization.theorem1_corrected(rad_r, 0.0, costs=costs, n=len(sample.y), delta=delta).total)


def risk_bound(sample: Predictions, *, costs: Costs, delta: float) -> float:
    """The corrected Theorem 1 for the sign rule: the loss on a sample plus the `generalization_penalty`."""
    return system_loss(sample, costs=costs) + generalization_penalty(sample, costs=costs, delta=delta)


class Discrepancies(NamedTuple):
    """Distances of a changed distribution from the first one, for thresholds on r and one fixed server."""

    labelled: float  # discrepancy of the losses
    label_free: float  # the same with the server's labels in place of the true ones
    joint_error: float  # the server's error rates under both distributions, together


def measure_discrepancies(
    before: Predictions, after: Predictions, thresholds: np.ndarray, *, costs: Costs
) -> Discrepancies:
    """The discrepancies between two distributions, P (`before`) and Q (`after`), each given by all of its examples."""
    pair = (before, after)
    labelled = generalization.discrepancy(*(risks_at_thresholds(p, thresholds, costs=costs) for p in pair))
    unlabelled = (Predictions(p.m, p.r, p.e, server_label(p.e)) for p in pair)
    label_free = generalization.discrepancy(*(risks_at_thresholds(p, thresholds, costs=costs) for p in unlabelled))
    errors = (system_loss(replace(p, r=-np.ones(len(p.r))), costs=Costs(1.0, 0.0)) for p in pair)  # asks always
    return Discrepancies(labelled, label_free, sum(errors))


def max_nonlinearity(predictions: Predictions, *, costs: Costs) -> float:
    r"""The largest distance of the expected loss under label shifts from a straight line in the share of label +1.

    .. math:: \max_\pi \Big| \frac{1}{n} \sum_i \frac{q_\pi(y_i)}{p(y_i)} L_i - (1 - \pi) R_- - \pi R_+ \Big|

    Args:
        predictions: on examples of both labels.
        costs: c1 and ce.

    Returns:
        The largest distance over 101 shares from 0 to 1.

    Raises:
        ValueError: if a label is missing.

    >>> one = np.ones(3)
    >>> max_nonlinearity(Predictions(one, one, one, np.array([1, -1, -1])), costs=Costs()) < 1e-12
    True
    """
    plus, loss = (predictions.y == 1).astype(int), loss_per_example(predictions, costs=costs)
    share = plus.mean()
    class_losses = [system_loss(part, costs=costs) for part in split_by_class(predictions).values()]
    distances = []
    for pi in np.linspace(0, 1, 101):
        weights = generalization.label_shift_weights([1 - share, share], [1 - pi, pi])[plus]
        distances.append(abs((weights * loss).mean() - (1 - pi) * class_losses[0] - pi * class_losses[-1]))
    return float(max(distances))


class ShiftLosses(NamedTuple):
    """The losses of one system under k distributions, and the terms that the bounds add for them."""

    loss: np.ndarray  # (k,) of the sign rule
    labelled: np.ndarray  # (k,) the discrepancy
    label_free: np.ndarray  # (k,) the discrepancy with the server's labels, and max(1, c1) times the joint error


def losses_under_shift(tables: Sequence[Predictions], thresholds: np.ndarray, *, costs: Costs) -> ShiftLosses:
    """The losses of a system under several distributions, and the distances of each from the first.

    Args:
        tables: k predictions, each on all examples of a distribution; the bound is for the first.
        thresholds: (N,) on r.
        costs: c1 and ce.

    Returns:
        `ShiftLosses`.
    """
    discrepancies = [measure_discrepancies(tables[0], table, thresholds, costs=costs) for table in tables]
    return ShiftLosses(
        np.array([system_loss(table, costs=costs) for table in tables]),
        np.array([discrepancy.labelled for discrepancy in discrepancies]),
        np.array(
            [discrepancy.label_free + max(1, costs.c1) * discrepancy.joint_error for discrepancy in discrepancies]
        ),
    )


def worst_generalization_gaps(
    losses: np.ndarray, target_risks: np.ndarray, *, weights: np.ndarray, sample_size: int, n_samples: int, seed: int
) -> np.ndarray:
    r"""The target risk minus the weighted empirical risk of a sample, at the worst of N thresholds.

    .. math:: \max_k \Big(R_k - \frac{1}{n} \sum_{i \in S} w_i L_{k,i}\Big), \quad |S| = n

    Args:
        losses: (N, m) of all examples of the distribution that is sampled, `losses_at_thresholds`.
        target_risks: (N,) risks R_k under the target distribution.
        weights: (m,) w; 1 without importance weighting.
        sample_size: n examples per sample, drawn with replacement.
        n_samples: samples.
        seed: of the samples.

    Returns:
        (n_samples,) gaps; a bound fails on a sample where its penalty is smaller.

    Raises:
        ValueError: if shapes do not match, or a number is below 1.

    >>> worst_generalization_gaps(np.ones((2, 5)), np.array([1.0, 1.5]), weights=np.ones(5),
    ...     sample_size=3, n_samples=2, seed=0)
    array([0.5, 0.5])
    """
    if losses.shape != (len(target_risks), len(weights)):
        raise ValueError(f"expected losses of shape {(len(target_risks), len(weights))}, got {losses.shape}")
    checks.at_least(1, sample_size=sample_size, n_samples=n_samples)
    indices = np.random.default_rng(seed).integers(losses.shape[1], size=(n_samples, sample_size))
    empirical = np.stack([(losses * weights)[:, sample].sum(axis=1) / sample_size for sample in indices])
    return (target_risks - empirical).max(axis=1)


class BoundCheck(NamedTuple):
    """The violations of a bound on samples."""

    violation_rate: Interval  # share of the samples on which it fails at some threshold, exact 95 % limits
    required_penalty: float  # the penalty that fails on a share delta of the samples
    penalty: float  # of the bound


def check_bound(gaps: np.ndarray, *, penalty: float, delta: float) -> BoundCheck:
    """The violation rate of a penalty on samples.

    Args:
        gaps: (n_samples,) `worst_generalization_gaps`.
        penalty: of the bound.
        delta: probability of failure that the bound allows.

    Returns:
        The share of violations with the interval of Clopper and Pearson, and how tight the penalty is.

    Raises:
        ValueError: if there is no sample, or delta is no probability.

    >>> round(check_bound(np.linspace(0, 1, 101), penalty=2.0, delta=0.05).required_penalty, 3)
    0.95
    """
    checks.at_least(1, n_samples=len(gaps))
    checks.probabilities(delta=delta)
    n_violations = int((gaps > penalty).sum())
    share = proportion_interval(n_violations, len(gaps))
    return BoundCheck(share, float(np.quantile(gaps, 1 - delta)), float(penalty))


def check_shift_bounds(
    tables: Mapping[str, Predictions],
    thresholds: np.ndarray,
    *,
    changed: str,
    positive_share: float,
    costs: Costs,
    sample_size: int,
    n_samples: int,
    delta: float = 0.05,
) -> dict[str, BoundCheck]:
    """Try the three bounds of the chapter, and two that ignore the change, on samples of the clean images.

    Args:
        tables: condition -> predictions; P is uniform over the images of "clean".
        thresholds: (N,) on r.
        changed: the condition whose images make up Q for the discrepancies.
        positive_share: of label +1 under the label shift.
        costs: c1 and ce.
        sample_size: n.
        n_samples: samples.
        delta: probability of failure that the bounds allow.

    Returns:
        Name of the bound -> `BoundCheck`.
    """
    clean = tables["clean"]
    plus, losses = clean.y == 1, losses_at_thresholds(clean, thresholds, costs=costs)
    before, after = [1 - plus.mean(), plus.mean()], [1 - positive_share, positive_share]
    weights = generalization.label_shift_weights(before, after)[plus.astype(int)]
    unweighted = np.ones(len(plus))
    changed_risks = risks_at_thresholds(tables[changed], thresholds, costs=costs)
    shifted_risks = (losses * weights).mean(axis=1)
    distance = losses_under_shift([clean, tables[changed]], thresholds, costs=costs)
    complexity = rademacher_exact.distinct_threshold_complexity(sample_size).value
    iid = float(generalization.theorem1_corrected(complexity, 0.0, costs=costs, n=sample_size, delta=delta).total)
    options: dict[str, Any] = {"costs": costs, "n_pairs": len(thresholds), "n": sample_size, "delta": delta}
    unweighted_penalty = generalization.importance_weighted_penalty(before, before, **options)
    weighted_penalty = generalization.importance_weighted_penalty(before, after, **options)
    cases = {
        f"{changed.split()[0]}, no added term": (changed_risks, unweighted, iid),
        "discrepancy": (changed_risks, unweighted, iid + distance.labelled[1]),
        "label-free": (changed_risks, unweighted, iid + distance.label_free[1]),
        "label shift, no weights": (shifted_risks, unweighted, unweighted_penalty),
        "importance weights": (shifted_risks, weights, weighted_penalty),
    }
    return {
        name: check_bound(
            worst_generalization_gaps(
                losses, risks, weights=case_weights, sample_size=sample_size, n_samples=n_samples, seed=0
            ),
            penalty=penalty,
            delta=delta,
        )
        for name, (risks, case_weights, penalty) in cases.items()
    }
