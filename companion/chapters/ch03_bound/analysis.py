"""Analysis of chapter 03: loss classes, gaps against penalties, violation rates, memorization, and excess risk."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from companion.chapters.ch03_bound import generalization_gap, violation_rates
from companion.chapters.ch03_bound.erm import Threshold, best_thresholds
from companion.chapters.ch03_bound.generalization_gap import LINEAR_BALL, Setting
from companion.chapters.ch03_bound.memorization import memorizing_network
from companion.chapters.ch03_bound.violation_rates import (
    BOUND_FORMS,
    COUNTEREXAMPLES,
    MARGIN_FORMS,
    BoundForm,
    ViolationRate,
    exact_violation_probability,
)
from companion.claims.evidence import Evidence
from l2h.data.dataset import Dataset, scale_pixels
from l2h.evaluation.intervals import Interval, z_interval
from l2h.losses.zero_one import generalized_zero_one_loss
from l2h.models import networks
from l2h.problem import Costs
from l2h.theory.distributions import Distribution
from l2h.theory.generalization import theorem1_corrected, theorem1_stated
from l2h.theory.rademacher import exact_finite_complexity, linear_family, monte_carlo_complexity, stump_family
from l2h.theory.rademacher_exact import distinct_threshold_complexity

SAMPLE_SIZE = 6  # of the enumerated loss classes: 2^6 sign vectors
MEAN_GAP, QUANTILE_GAP = "mean gap", "95 % quantile of the gap"
CURVES = (MEAN_GAP, QUANTILE_GAP, *BOUND_FORMS, *MARGIN_FORMS)
MIDDLE_GRID = tuple(  # c1 + ce in [1/3, 1), share of c1 in it, n, delta and p
    product((0.3334, 0.4, 0.5, 0.7, 0.9), (0, 0.5, 1), (1, 2, 5, 20, 100), (0.5, 0.1, 0.01, 0.001), (0.2, 0.5, 0.8))
)


def loss_class_bounds(n_families: int, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Twice the enumerated complexity of random loss classes on six points, and the bound of the proof.

    Args:
        n_families: number of random pairs of families, each of two to six rejectors and servers.
        generator: of NumPy.

    Returns:
        Twice the complexities and their bounds, (n_families,) each.

    >>> doubled, bounds = loss_class_bounds(3, np.random.default_rng(0))
    >>> bool((doubled <= bounds + 1e-12).all())
    True
    """
    doubled, bounds = [], []
    for _ in range(n_families):
        r, e = (generator.choice([-1, 1], (generator.integers(2, 7), SAMPLE_SIZE)) for _ in "re")
        m, y = generator.choice([-1, 1], (2, SAMPLE_SIZE))
        costs = Costs(*generator.uniform(0, 2, 2))
        losses = [generalized_zero_one_loss(r_i, e_j, m, y, costs=costs) for r_i, e_j in product(r, e)]
        complexities = (exact_finite_complexity(family).value for family in (r, e))
        bounds.append(theorem1_corrected(*complexities, costs=costs, n=SAMPLE_SIZE, delta=1.0).complexity)
        doubled.append(2 * exact_finite_complexity(losses).value)
    return np.array(doubled), np.array(bounds)


def family_complexity(family: str, n: int, generator: np.random.Generator) -> float:
    """The empirical Rademacher complexity of a family on n random points: exact for thresholds, else by simulation."""
    if "thresholds" in family:
        return distinct_threshold_complexity(n, two_sided="two" in family).value
    x, angle = generator.random((n, generalization_gap.N_FEATURES)), generator.uniform(0, 2 * np.pi, n)
    circle = np.column_stack([np.cos(angle), np.sin(angle)])
    sampled = stump_family(x) if family == "stumps" else linear_family(circle, norm=2)
    return monte_carlo_complexity(sampled, n_samples=4000, delta=0.01, seed=0).value


class GapCurves(NamedTuple):
    """Generalization gaps and penalties of a family, by name and sample size."""

    measured: dict[str, np.ndarray]
    spread: tuple[np.ndarray, np.ndarray]  # 5 % and 95 % quantiles of the gap
    penalties: dict[str, np.ndarray]

    def slopes(self, sizes: np.ndarray) -> dict[str, float]:
        """The slopes of all curves against the sample sizes, on logarithmic axes."""
        return {name: log_log_slope(sizes, values) for name, values in (self.measured | self.penalties).items()}


def log_log_slope(sizes: np.ndarray, values: np.ndarray) -> float:
    """The least-squares slope of log values against log sizes.

    >>> round(log_log_slope(np.array([1, 100]), np.array([1.0, 0.1])), 6)
    -0.5
    """
    return float(np.polyfit(np.log(sizes), np.log(values), 1)[0])


def gap_curves(
    family: str, *, costs: Costs, delta: float, sizes: np.ndarray, n_samples: int, generator: np.random.Generator
) -> GapCurves:
    """Generalization gaps on many samples of each size, and the penalties of the bounds that apply.

    Args:
        family: one of `generalization_gap.FAMILIES`.
        costs: c1 and ce.
        delta: probability of failure of the bounds.
        sizes: (k,) sample sizes.
        n_samples: samples of each size.
        generator: of the points on which complexities are simulated.

    Returns:
        GapCurves of (k,) arrays.
    """
    settings = [Setting(family, costs, n, delta) for n in sizes]
    gaps = [
        generalization_gap.sample_gaps(setting, n_samples, np.random.default_rng(setting.n)).gap for setting in settings
    ]
    low, high = np.quantile(gaps, (0.05, 0.95), axis=1)
    complexity = np.array([family_complexity(family, n, generator) for n in sizes])
    forms: Mapping[str, BoundForm] = MARGIN_FORMS if family == LINEAR_BALL else BOUND_FORMS
    penalties = {
        name: form(complexity, complexity, costs=costs, n=sizes, delta=delta).total for name, form in forms.items()
    }
    return GapCurves({MEAN_GAP: np.mean(gaps, axis=1), QUANTILE_GAP: high}, (low, high), penalties)


RatesByFamily = dict[tuple[str, str], dict[str, ViolationRate]]


def rates_by_family(cost_pairs: Mapping[str, Costs], *, n_samples: int) -> RatesByFamily:
    """Violation rates of all bounds at n = 100 and delta = 0.05, by name of the costs and family."""
    return {
        (name, family): violation_rates.violation_rates(Setting(family, costs, n=100, delta=0.05), n_samples=n_samples)
        for (name, costs), family in product(cost_pairs.items(), generalization_gap.FAMILIES)
    }


def violation_table(rates: RatesByFamily, cost_pairs: Mapping[str, Costs]) -> pd.DataFrame:
    """Violation rates of all families, and exact violation probabilities of one pair (r, e).

    Args:
        rates: as `rates_by_family` returns them.
        cost_pairs: name -> costs.

    Returns:
        A row per costs and family. "upper end" is the largest upper confidence limit of all forms but the stated one.
    """
    rows: dict[tuple[str, str], dict[str, float]] = {}
    for key, by_form in rates.items():
        rows[key] = {form: measured.rate for form, measured in by_form.items()}
        rows[key]["upper end"] = max(measured.high for form, measured in by_form.items() if form != "stated")
    for name, costs in cost_pairs.items():
        setting = Setting("constant", costs, n=100, delta=0.05)
        rows[name, "one pair, exact"] = {form: exact_violation_probability(setting, form=form) for form in BOUND_FORMS}
    return pd.DataFrame(rows).T.sort_index(kind="stable", level=0, sort_remaining=False)


def worst_rate(rates: RatesByFamily, families: Iterable[str], form: str) -> Evidence:
    """The violation rate with the largest upper limit, over families and costs."""
    measured = [by_form[form] for (_, family), by_form in rates.items() if family in families]
    worst = max(measured, key=_upper_limit)
    return Evidence(worst.rate, worst.low, worst.high, n=worst.n_samples)


def _upper_limit(rate: ViolationRate) -> float:
    return rate.high


def counterexample_table() -> pd.DataFrame:
    """Exact violation probabilities of all forms in the counterexamples to the stated form."""
    rows = {}
    for name, setting in COUNTEREXAMPLES.items():
        costs, n, delta = setting.costs, setting.n, setting.delta
        deviation = theorem1_stated(0, 0, costs=costs, n=n, delta=delta).deviation
        rows[name] = {"n": n, "c1 + ce": costs.c1 + costs.ce, "deviation": deviation, "allowed": delta}
        rows[name] |= {f"{form} fails": exact_violation_probability(setting, form=form) for form in BOUND_FORMS}
    return pd.DataFrame(rows).T


def single_pair_violations(cost_sums: np.ndarray, sizes: Sequence[int]) -> dict[str, list[float]]:
    """The exact probability that the stated form fails for one pair at delta = 0.05, by n and c1 + ce."""
    return {
        f"n = {n}": [
            exact_violation_probability(Setting("constant", Costs(total / 2, total / 2), n, 0.05))
            for total in cost_sums
        ]
        for n in sizes
    }


def search_violations(family: str) -> tuple[dict[str, float], float]:
    """Search for violations of the stated form with c1 + ce in [1/3, 1), on `MIDDLE_GRID`.

    Args:
        family: "constant" or "constants".

    Returns:
        A row of a table: number of cases, of violations, and the largest probability in units of delta. And the
        largest probability minus delta.
    """
    settings = [
        Setting(family, Costs(total * share, total * (1 - share)), n, delta, p)
        for total, share, n, delta, p in MIDDLE_GRID
    ]
    probabilities = np.array([exact_violation_probability(setting) for setting in settings])
    allowed = np.array([setting.delta for setting in settings])
    row = {
        "cases": len(settings),
        "failures": np.count_nonzero(probabilities > allowed),
        "most of delta": max(probabilities / allowed),
    }
    return row, float(max(probabilities - allowed))


def training_images(dataset: Dataset, *, limit: int) -> Tensor:
    """The distinct training images of a data set, scaled, in double precision; all of them for a limit of 0."""
    parts = (dataset.client, dataset.train, dataset.calibration, dataset.validation)
    images = torch.unique(torch.cat([part.x for part in parts]), dim=0)
    return scale_pixels(images[: limit or None]).double()


def realised_share(images: Tensor, labels: np.ndarray, *, units: int, seed: int) -> float:
    """The share of given labels that the experiment's rejector realises with constructed weights.

    Args:
        images: (n, 3, 32, 32) scaled images.
        labels: (n,) in {-1, +1}.
        units: hidden units of the network.
        seed: of the directions left free by the construction.

    Returns:
        The share in [0, 1].
    """
    generator = np.random.default_rng(seed)
    weights = memorizing_network(images.flatten(1).numpy(), labels, units=units, generator=generator)
    arrays = (weights.w1, weights.b1, weights.w2[None], np.array([weights.b2]))
    network = networks.mlp(units).double()
    network.load_state_dict(dict(zip(network.state_dict(), map(torch.from_numpy, arrays), strict=True)))
    with torch.no_grad():
        return np.count_nonzero(np.sign(network(images).numpy()) == labels) / len(labels)


def empirical_minimisers(
    distribution: Distribution, sizes: Sequence[int], *, n_samples: int, costs: Costs
) -> tuple[np.ndarray, np.ndarray]:
    """Risk and empirical risk of the empirical minimiser over pairs of thresholds.

    Args:
        distribution: on a line.
        sizes: k sample sizes.
        n_samples: samples of each size.
        costs: c1 and ce.

    Returns:
        Risks and empirical risks, (k, n_samples) each.
    """
    risks, empirical_risks = np.empty((2, len(sizes), n_samples))
    for index, sample in product(range(len(sizes)), range(n_samples)):
        x, y, m = distribution.sample(sizes[index], np.random.default_rng((sizes[index], sample)))
        pair = best_thresholds(x, m, y, costs=costs)
        risks[index, sample] = distribution.risk(pair.r.scores, pair.e.scores, costs=costs)
        empirical_risks[index, sample] = pair.empirical_risk
    return risks, empirical_risks


def z_bands(values: np.ndarray) -> Interval:
    """The mean of each row with its z interval."""
    return Interval(*np.transpose([z_interval(row) for row in values]))


def approximation_error(distribution: Distribution, *, costs: Costs) -> float:
    """Excess risk of the best threshold rejector with the best server, over 601 thresholds of either direction."""
    thresholds = [Threshold(cut, direction) for direction, cut in product((-1, 1), np.linspace(-3, 3, 601))]
    risks = [distribution.risk(threshold.scores, costs=costs) for threshold in thresholds]
    return float(min(risks) - distribution.bayes_risk(costs))


def penalty_slope(sizes: np.ndarray, *, two_sided: bool) -> float:
    """The slope of the corrected penalty for thresholds against n, on logarithmic axes, at c1 = 1 and ce = 0.15."""
    complexity = np.array([distinct_threshold_complexity(n, two_sided=two_sided).value for n in sizes])
    penalty = theorem1_corrected(complexity, complexity, costs=Costs(1.0, 0.15), n=sizes, delta=0.05)
    return log_log_slope(sizes, penalty.total)
