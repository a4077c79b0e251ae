"""Analysis of the page on choosing the costs: simulated scores, losses at thresholds, and simulated budgets."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy.stats import binomtest

from companion.claims.evidence import Evidence
from l2h.evaluation.metrics import accuracy, offload_rate, reference_losses, system_loss
from l2h.evaluation.thresholds import budget_threshold, with_threshold
from l2h.plotting.style import REFERENCE_STYLES
from l2h.pricing import reference_losses_from_rates
from l2h.problem import Costs, Predictions

VALIDATION_SIZE = 500  # scores of each simulated validation split


def independent_reference_losses(
    ce: Sequence[float], client_error: float, server_error: float
) -> dict[str, np.ndarray]:
    """The reference losses at c1 = 1 for a client and a server whose errors are independent.

    Args:
        ce: (k,) costs of asking.
        client_error: share of images on which the client errs.
        server_error: share of images on which the server errs.

    Returns:
        Name of a reference loss -> (k,) losses.
    """
    rates = {"client_error": client_error, "server_error": server_error, "both_wrong": client_error * server_error}
    losses = np.transpose([reference_losses_from_rates(Costs(c1=1.0, ce=cost), **rates) for cost in ce])
    return dict(zip(REFERENCE_STYLES, losses, strict=True))


def possible_gain(losses: Mapping[str, np.ndarray]) -> np.ndarray:
    """The loss of random offloading at the best rate minus the loss of the oracle, at each cost."""
    return losses["random, best rate"] - losses["oracle"]


def simulated_scores(n: int, generator: np.random.Generator) -> Predictions:
    """Predictions of a system on n simulated images, in place of a reader's own columns.

    Args:
        n: number of images.
        generator: of random numbers.
    """
    y, difficulty = generator.choice([-1, 1], n), generator.random(n)
    m = np.where(generator.random(n) < 0.4 * difficulty, -y, y)
    e = np.where(generator.random(n) < 0.06, -y, y).astype(float)
    return Predictions(m=m, r=0.5 - difficulty + generator.normal(0, 0.2, n), e=e, y=y)


def threshold_row(predictions: Predictions, threshold: float, costs: Costs) -> dict[str, float]:
    """Offload rate, accuracy and loss at a threshold, beside the reference losses.

    Args:
        predictions: on new images.
        threshold: t such that r > t keeps.
        costs: c1 and ce.
    """
    moved = with_threshold(predictions, threshold)
    return {
        "c1": costs.c1,
        "ce": costs.ce,
        "threshold": threshold,
        "offload rate, new images": offload_rate(moved),
        "accuracy": accuracy(moved),
        "loss": system_loss(moved, costs=costs),
        **reference_losses(predictions, costs=costs)._asdict(),
    }


def budget_row(validation: Predictions, new: Predictions, threshold: float) -> dict[str, float]:
    """Offload rates on validation and new images, and the accuracy on new images, at a threshold.

    Args:
        validation: predictions on validation images.
        new: predictions on new images.
        threshold: t such that r > t keeps.
    """
    moved = with_threshold(new, threshold)
    return {
        "threshold": threshold,
        "offload rate, validation images": offload_rate(with_threshold(validation, threshold)),
        "offload rate, new images": offload_rate(moved),
        "accuracy": accuracy(moved),
    }


def simulate_budgets(budgets: Sequence[float], *, n_samples: int) -> dict[str, np.ndarray]:
    """Offload rates on new inputs of thresholds from simulated validation splits, with and without a margin.

    Scores are uniform on [0, 1], so a threshold is its own offload rate.

    Args:
        budgets: k largest allowed offload rates.
        n_samples: simulated validation splits for each budget.

    Returns:
        "with a guarantee" and "no margin" -> (k, n_samples) rates.
    """
    generator = np.random.default_rng(0)
    with_guarantee, no_margin = [], []
    for budget in budgets:
        samples = generator.random((n_samples, VALIDATION_SIZE))
        with_guarantee.append([budget_threshold(scores, budget=budget).threshold for scores in samples])
        no_margin.append(np.quantile(samples, budget, axis=1))
    return {"with a guarantee": np.array(with_guarantee), "no margin": np.array(no_margin)}


def violations(rates: Mapping[str, np.ndarray], budgets: Sequence[float]) -> pd.DataFrame:
    """How many thresholds exceed their budget, one row per budget.

    Args:
        rates: of `simulate_budgets`.
        budgets: k largest allowed offload rates.
    """
    limits = np.array(budgets)[:, None]
    counts = {name: (values > limits).sum(axis=1) for name, values in rates.items()}
    return pd.DataFrame(counts, index=budgets).rename_axis("budget")


def percentile_ranges(rates: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The 5th percentile, the median and the 95th percentile of the rates of each budget: name -> (3, k)."""
    return {name: np.quantile(values, [0.05, 0.5, 0.95], axis=1) for name, values in rates.items()}


def violation_evidence(count: int, n_samples: int) -> Evidence:
    """Evidence, with the exact 95 % interval, on the probability that a threshold exceeds its budget.

    Args:
        count: thresholds that exceed their budget.
        n_samples: simulated thresholds.
    """
    limits = binomtest(int(count), n_samples).proportion_ci(0.95, method="exact")
    return Evidence(count / n_samples, limits.low, limits.high, n=n_samples)
