"""Analysis of chapter 04: loss surfaces, the released formula and constant, envelopes, and learning curves."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from companion.chapters.ch04_surrogate.gradient_descent import LearningCurve, learning_curve
from companion.claims.evidence import Evidence
from l2h.evaluation.intervals import Interval, format_interval, pointwise_t_intervals, power_law_exponent
from l2h.losses.surrogate import surrogate_loss
from l2h.losses.zero_one import generalized_zero_one_loss
from l2h.problem import Costs
from l2h.theory.bayes import ask_threshold, bayes_rejector, server_error
from l2h.theory.calibration import RELEASED_P, alpha_deterministic, alpha_from_mu, alpha_released
from l2h.theory.conditional_risk import minimiser, partial_min_risk, slope_at_zero
from l2h.theory.distributions import Distribution
from l2h.theory.excess_risk import (
    excess_risk_bound_deterministic,
    excess_risk_bound_mu,
    excess_risk_bound_p,
    lower_envelope,
)
from l2h.theory.regret import (
    AlphaRule,
    alpha_rules,
    effective_threshold,
    expected_regret,
    pointwise_regret,
    worst_excess_risk,
)

BETA = 2.0  # in all computations of the chapter, unless they vary it
GRID_POINTS = 41
RELEASED_RULE = "released at 0.18"
FAILURES_OF_RELEASED = {  # case -> p, mu, c1, ce, beta
    "β < 2": (0.7, 0.14, 1.0, 0.3, 1.0),
    "β > 2": (0.5, 9 / 34, 1.0, 0.3, 4.0),
    "p > ce + c1/2, free client": (1.0, 0.2, 1.0, 0.01, 2.0),
    "c1 < 1, deterministic": (0.55, 0.45, 0.5, 0.1, 2.0),
    "the same, larger": (0.75, 0.25, 0.7, 0.05, 2.0),
    "c1 = 1, ce = 0, deterministic": (0.7, 0.3, 1.0, 0.0, 2.0),
}
THEOREMS = {  # name -> rule for alpha, its bound, and the kind of client
    "4A": ("from mu", excess_risk_bound_mu, "free"),
    "4B": ("from p", excess_risk_bound_p, "free"),
    "4C": ("single", excess_risk_bound_deterministic, "deterministic"),
}


def constant_rule(alpha: float) -> AlphaRule:
    """The rule that gives the same alpha for every mu and p."""
    return lambda mu, p: alpha


def loss_surfaces(costs: Costs) -> tuple[Tensor, Tensor, Tensor]:
    """The surrogate and the generalized 0-1 loss of an example on which the client errs, at alpha = beta = 2.

    Args:
        costs: c1 and ce.

    Returns:
        (k,) scores of r and of e in [-1, 1], and the two losses, (k, k) each.
    """
    scores, labels = torch.linspace(-1, 1, GRID_POINTS), torch.ones(GRID_POINTS**2)
    r, e = (axis.ravel() for axis in torch.meshgrid(scores, scores, indexing="xy"))
    surrogate = surrogate_loss(r, e, -labels, labels, costs=costs, alpha=2.0, beta=BETA)
    zero_one = generalized_zero_one_loss(r, e, -labels, labels, costs=costs)
    return scores, surrogate.reshape(GRID_POINTS, -1), zero_one.reshape(GRID_POINTS, -1)


def logit_losses(costs: Costs) -> tuple[Tensor, dict[str, Tensor], float]:
    """The surrogate at e = 0 along the logit of r, at alpha = beta = 2, for a client that errs and one that does not.

    Args:
        costs: c1 and ce.

    Returns:
        (k,) logits, name -> (k,) losses, and the logit from which on exp(alpha r(z)) is concave.
    """
    logits = torch.linspace(-6, 6, 121)
    r, labels = 2 * torch.sigmoid(logits) - 1, torch.ones(121)
    losses = {
        f"m {sign} y": surrogate_loss(r, 0 * r, m * labels, labels, costs=costs, alpha=2.0, beta=BETA)
        for sign, m in (("≠", -1), ("=", 1))
    }
    return logits, losses, float(2 * np.arctanh((np.sqrt(5) - 1) / 2))


def ask_boundaries(mu: np.ndarray, costs: Costs) -> dict[str, np.ndarray]:
    """For each choice of alpha, the p from which on the surrogate's minimiser asks, by mu."""
    cost = costs.c1 * mu + costs.ce
    ask_slope = alpha_from_mu(mu, costs=costs, beta=BETA) * cost  # F'(0) = alpha p - ask_slope
    rules = alpha_rules(costs=costs, beta=BETA)
    boundaries = {"$\\alpha(\\mu)$ and $\\alpha(p)$": cost}
    for name in ("single", RELEASED_RULE):
        alpha = rules[name](np.zeros(1), np.zeros(1))
        boundaries[f"$\\alpha$ = {alpha:.3f}, {name}"] = ask_slope / alpha
    return boundaries


def released_formula_table() -> pd.DataFrame:
    """Cases in which the released formula for alpha leads to another decision than the Bayes rule, or to a tie."""
    rows = {}
    for name, (p, mu, c1, ce, beta) in FAILURES_OF_RELEASED.items():
        costs = Costs(c1, ce)
        alpha = float(alpha_released(p, costs=costs, beta=beta))
        case: dict[str, Any] = {"eta": mu, "p": p, "costs": costs, "alpha": alpha, "beta": beta}
        rows[name] = {"p": p, "μ": mu, "c1": c1, "ce": ce, "β": beta, "α released": alpha}
        rows[name] |= {
            "F'(0)": float(slope_at_zero(**case)),
            "p − T": p - c1 * mu - ce,
            "regret": float(pointwise_regret(**case)),
        }
    return pd.DataFrame(rows).T.astype(float)


def released_constant_table(ce_grid: Iterable[float], distribution: Distribution) -> pd.DataFrame:
    """Thresholds and excess risks of the released constant p = 0.18 at c1 = 1, by ce.

    Args:
        ce_grid: costs of asking in [0, 0.18].
        distribution: with a deterministic client whose error rate is 0.18.

    Returns:
        A row per ce.
    """
    rows = {}
    for ce in ce_grid:
        setting: dict[str, Any] = {"costs": Costs(1.0, ce), "beta": BETA}
        alpha = float(alpha_released(RELEASED_P, **setting))
        threshold = effective_threshold(alpha, **setting)
        p = np.union1d(np.linspace(0, 1, 10_001), [threshold - 1e-12, threshold + 1e-12])
        row = {"α": alpha, "asks above p": threshold, "Bayes above": ask_threshold(setting["costs"])}
        row["largest regret"] = pointwise_regret(p, p, alpha=alpha, **setting).max()
        for client in ("deterministic", "free"):
            worst = worst_excess_risk(alpha, client_risk=RELEASED_P, client=client, **setting)
            row[f"worst excess, {client}"] = worst.excess
        rows[ce] = row | {"excess, normal classes": expected_regret(constant_rule(alpha), distribution, **setting)}
    return pd.DataFrame(rows).T.rename_axis("ce")


def two_point_example() -> pd.DataFrame:
    """The released constant and the single alpha on a client with error rate 0.18 that errs at one of two points."""
    costs, p, mass = Costs(1.0, 0.18), np.array([0.0, 0.85]), np.array([1 - 0.18 / 0.85, 0.18 / 0.85])
    bayes_risk = mass @ np.minimum(p, server_error(p) + costs.ce)
    rows = {}
    for name, alpha in {RELEASED_RULE: 1.0, "single": alpha_deterministic(costs=costs, beta=BETA)}.items():
        setting: dict[str, Any] = {"costs": costs, "alpha": alpha, "beta": BETA}
        excess = mass @ pointwise_regret(p, p, **setting)
        best = minimiser(p[1], p[1], **setting)
        rows[name] = {
            "α": alpha,
            "F'(0) at x2": slope_at_zero(p[1], p[1], **setting),
            "r at x2": best.r,
            "e at x2": best.e,
            "risk": bayes_risk + excess,
            "Bayes risk": bayes_risk,
            "excess": excess,
        }
    return pd.DataFrame(rows, dtype=float).T


def ask_thresholds(ce_grid: Iterable[float]) -> dict[str, list[float]]:
    """The p above which the Bayes rule and the released constant ask, for a deterministic client at c1 = 1, by ce."""
    thresholds: dict[str, list[float]] = {"Bayes": [], RELEASED_RULE: []}
    for ce in ce_grid:
        costs = Costs(1.0, ce)
        alpha = float(alpha_released(RELEASED_P, costs=costs, beta=BETA))
        thresholds["Bayes"].append(ask_threshold(costs))
        thresholds[RELEASED_RULE].append(effective_threshold(alpha, costs=costs, beta=BETA))
    return thresholds


def coverage_and_accuracy(distribution: Distribution, threshold: float) -> tuple[float, float]:
    """Coverage and accuracy of the system that keeps where p <= threshold, with the best server."""

    def margin(x: np.ndarray) -> np.ndarray:
        return threshold - distribution.p(x)

    coverage = distribution.expectation(lambda x: 1.0 * (margin(x) >= 0), (margin,))
    return coverage, 1 - distribution.risk(margin, costs=Costs(1.0, 0.0))


def systems_by_cost(distribution: Distribution, ce_grid: Sequence[float]) -> dict[str, dict[str, tuple[float, float]]]:
    """Coverage and accuracy with the Bayes rule and with the released constant, by rule and by ce as text."""
    systems: dict[str, dict[str, tuple[float, float]]] = {}
    for rule, thresholds in ask_thresholds(ce_grid).items():
        points = [coverage_and_accuracy(distribution, threshold) for threshold in thresholds]
        systems[rule] = dict(zip([f"{ce:g}" for ce in ce_grid], points, strict=True))
    return systems


class BoundComparison(NamedTuple):
    """A proved bound of the excess risk beside the computed envelope."""

    proved: np.ndarray  # at the given excess surrogate risks
    computed: np.ndarray
    max_violation: float  # the largest regret of the envelope minus the bound at its excess


def compare_bound(theorem: str, excess: np.ndarray, costs: Costs, grid_size: int) -> BoundComparison:
    """The bound of a theorem and the computed envelope at given excess surrogate risks.

    Args:
        theorem: a key of `THEOREMS`.
        excess: (k,) excess surrogate risks.
        costs: c1 and ce.
        grid_size: of the computed envelope.

    Returns:
        BoundComparison.
    """
    choice, bound, client = THEOREMS[theorem]
    rule = alpha_rules(costs=costs, beta=BETA)[choice]
    envelope = lower_envelope(rule, costs=costs, beta=BETA, client=client, grid_size=grid_size)
    violations = envelope.regret - bound(envelope.excess, costs=costs, beta=BETA)
    return BoundComparison(
        bound(excess, costs=costs, beta=BETA),
        np.interp(excess, envelope.excess, envelope.regret),
        float(violations[1:].max()),  # the first is 0
    )


def wrong_decision_excess(regrets: np.ndarray, costs: Costs) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Excess surrogate risk of r = 0 at mu = 1/2, where asking is wrong, and its leading term.

    Args:
        regrets: (k,) regrets t > 0.
        costs: c1 = 1 and ce.

    Returns:
        Rule for alpha -> (k,) excess surrogate risks, and -> (k,) leading terms of the proposition.
    """
    p, rules = costs.ce + 0.5 - regrets, alpha_rules(costs=costs, beta=BETA)
    measured = {}
    for name in ("from mu", "from p"):
        setting: dict[str, Any] = {
            "eta": 0.5,
            "p": p,
            "costs": costs,
            "alpha": rules[name](np.array(0.5), p),
            "beta": BETA,
        }
        measured[name] = partial_min_risk(0.0, **setting) - partial_min_risk(minimiser(**setting).r, **setting)
    alpha_1 = (BETA + 2 * costs.ce) / (1 + 2 * costs.ce)
    curvature = BETA**2 / 4 + costs.ce + alpha_1 * (BETA / 2 + costs.ce)
    factors = {"from mu": alpha_1**2 / (2 * curvature), "from p": BETA**2 / (2 * curvature)}
    limits = {"from mu": factors["from mu"] * regrets**2, "from p": factors["from p"] * regrets**4}
    return measured, limits


def bounded_score_regrets(costs: Costs) -> pd.DataFrame:
    """The largest regret over a grid of (mu, p): without bounds on the scores, with bounds, and recalibrated."""
    mu, p = np.linspace(0, 0.5, 251)[:, None], np.linspace(0, 1, 1001)[None, :]
    plain_rules = alpha_rules(costs=costs, beta=BETA)
    recalibrated_rules = alpha_rules(costs=costs, beta=BETA, bounded=True)
    rows: dict[str, dict[str, float]] = {"from mu": {}, "from p": {}}
    for name, row in rows.items():
        for case, rules, bounded in (
            ("unbounded scores", plain_rules, False),
            ("bounded scores", plain_rules, True),
            ("bounded, recalibrated", recalibrated_rules, True),
        ):
            setting: dict[str, Any] = {"costs": costs, "alpha": rules[name](mu, p), "beta": BETA, "bounded": bounded}
            row[case] = pointwise_regret(mu, p, **setting).max()
    return pd.DataFrame(rows).T.rename_axis("largest regret, any client")


class Learning(NamedTuple):
    """Learning curves of all rules on one distribution."""

    excess: dict[str, np.ndarray]  # rule -> (sizes, seeds)
    limits: dict[str, float]  # rule -> excess risk of the surrogate's minimiser
    approximation_error: np.ndarray  # (sizes,) mean excess of the best tables

    def bands(self) -> dict[str, Interval]:
        """The mean excess of each rule with t intervals over seeds."""
        return {rule: pointwise_t_intervals(values.T) for rule, values in self.excess.items()}

    def final(self, rule: str) -> Interval:
        """Mean excess at the largest sample size, with its limits."""
        estimate, low, high = (float(limit[0]) for limit in pointwise_t_intervals(self.excess[rule][-1][:, None]))
        return Interval(estimate, low, high)

    def slope(self, rule: str, sample_sizes: Sequence[int]) -> Interval | None:
        """The exponent of the excess in n; None if the excess reaches 0, which has no logarithm."""
        values = self.excess[rule]
        if np.sort(values)[:, :-1].sum(axis=1).min() <= 1e-9:
            return None
        return power_law_exponent(sample_sizes, values.T)


def learn(distribution: Distribution, *, sample_sizes: Sequence[int], n_seeds: int, costs: Costs) -> Learning:
    """Gradient descent on a distribution with every rule for alpha, and the limits of the rules."""
    rules = alpha_rules(costs=costs, beta=BETA)
    curve: LearningCurve = learning_curve(
        distribution, rules, sample_sizes=sample_sizes, n_seeds=n_seeds, costs=costs, beta=BETA
    )
    return Learning(
        dict(zip(rules, curve.excess, strict=True)),
        {name: expected_regret(rule, distribution, costs=costs, beta=BETA) for name, rule in rules.items()},
        pointwise_t_intervals(curve.approximation_error.T).estimate,
    )


def learning_table(learned: Mapping[str, Learning], sample_sizes: Sequence[int]) -> pd.DataFrame:
    """Excess at the largest sample size, its limit, and the fitted slope, by distribution and rule."""
    rows = {}
    for name, learning in learned.items():
        for rule in learning.excess:
            slope = learning.slope(rule, sample_sizes)
            rows[name, rule] = {
                "excess at the largest n": format_interval(learning.final(rule), digits=5),
                "limit": round(max(learning.limits[rule], 0), 5),
                "slope": "not fitted" if slope is None else format_interval(slope, digits=2),
            }
    return pd.DataFrame(rows).T


def final_evidence(learned: Mapping[str, Learning], names: Iterable[str], rule: str) -> dict[str, Evidence]:
    """The mean excess of a rule at the largest sample size, by distribution."""
    evidence = {}
    for name in names:
        excess = learned[name].final(rule)
        n_seeds = learned[name].excess[rule].shape[1]
        evidence[name] = Evidence(excess.estimate, excess.low, excess.high, seeds=n_seeds)
    return evidence


def rate_evidence(
    learned: Mapping[str, Learning], expected: Mapping[str, float], sample_sizes: Sequence[int]
) -> dict[str, Evidence]:
    """Fitted slope with alpha(mu) minus the expected slope, by distribution."""
    evidence = {}
    for name, power in expected.items():
        slope = learned[name].slope("from mu", sample_sizes)
        if slope is None:
            evidence[name] = Evidence.absent("too few seeds for a slope")
        else:
            estimate, low, high = (limit - power for limit in slope)
            evidence[name] = Evidence(estimate, low, high, seeds=learned[name].excess["from mu"].shape[1])
    return evidence


def mu_at_bayes_switch(distribution: Distribution, costs: Costs) -> float:
    """The mu at which the Bayes rule of a distribution on [-1, 1] switches between keeping and asking."""
    x = np.linspace(-1, 1, 20_001)
    mu, p = server_error(distribution.eta(x)), distribution.p(x)
    return mu[np.abs(bayes_rejector(mu, p, costs=costs)).argmin()]


def regret_map(distribution: Distribution, alphas: np.ndarray, betas: np.ndarray, costs: Costs) -> np.ndarray:
    """Excess risk of the surrogate's minimiser for constant alpha and beta, (alphas, betas)."""
    regrets = [
        expected_regret(constant_rule(alpha), distribution, costs=costs, beta=beta)
        for alpha in alphas
        for beta in betas
    ]
    return np.reshape(regrets, (len(alphas), len(betas)))


def worst_regret_of_single_alpha(ce_grid: Iterable[float]) -> float:
    """The largest regret of the single alpha for deterministic clients at c1 = 1, over a grid of p and all ce."""
    p, regrets = np.linspace(0, 1, 20_001), []
    for ce in ce_grid:
        costs = Costs(1.0, ce)
        alpha = alpha_deterministic(costs=costs, beta=BETA)
        regrets.append(pointwise_regret(p, p, costs=costs, alpha=alpha, beta=BETA).max())
    return float(max(regrets))


def regrets_on(distribution: Distribution, costs: Costs) -> dict[str, float]:
    """The excess risk of the released constant and of the single alpha on a distribution."""
    rules = alpha_rules(costs=costs, beta=BETA)
    return {
        name: expected_regret(rules[rule], distribution, costs=costs, beta=BETA)
        for name, rule in (("released constant", RELEASED_RULE), ("calibrated", "single"))
    }
