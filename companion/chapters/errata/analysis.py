"""Analysis of the errata: the counterexamples that are computed, and checks of the repairs."""

from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd

from l2h.problem import Costs
from l2h.theory import generalization
from l2h.theory.bayes import ask_threshold, ever_optimal
from l2h.theory.calibration import RELEASED_P, alpha_deterministic, alpha_from_mu, alpha_from_p, alpha_released
from l2h.theory.conditional_risk import minimiser, partial_min_risk
from l2h.theory.excess_risk import excess_risk_bound_mu, excess_risk_bound_p, lower_envelope
from l2h.theory.rademacher_exact import distinct_threshold_complexity
from l2h.theory.regret import effective_threshold, pointwise_regret, worst_excess_risk

AlphaFormula = Callable[..., Any]  # of p or of mu, with costs= and beta=
RELEASED_BETA = 2.0  # the released notebook's; the items on beta vary it
MU_GRID, P_GRID = (axis.ravel() for axis in np.meshgrid(np.linspace(0, 0.5, 201), np.linspace(0, 1, 201)))
P_DETERMINISTIC = np.linspace(0, 1, 20001)
NEGLIGIBLE = 1e-9  # a regret below is rounding error
STAGE_DISTRIBUTIONS = {  # name -> (mass, P(M≠Y), P(e≠Y)) of two kinds of x
    "the best server": [("0.9", "0.15", "0.15"), ("0.1", "0.9", "0.1")],
    "a limited server": [("0.9", "0.05", "0.4"), ("0.1", "0.9", "0.1")],
}
DOMAIN_COUNTEREXAMPLES = {  # name -> costs, p, mu
    "free client": (Costs(1.0, 0.01), 1.0, 0.2),
    "deterministic client": (Costs(0.5, 0.1), 0.55, 0.45),
}


def stage_weight_risks(c1: Fraction, ce: Fraction) -> pd.DataFrame:
    """The risks of the rejector with the correct and with the released weight of asking, and of never asking.

    >>> float(stage_weight_risks(Fraction(1), Fraction("0.2")).loc["a limited server", "released"])
    0.57
    """
    rules: dict[str, Callable[[Fraction, Fraction], bool]] = {
        "correct": lambda p, error: p > ce + c1 * error,
        "released": lambda p, error: p > ce - c1 * error,
        "never ask": lambda p, error: False,
    }
    rows = {}
    for name, kinds in STAGE_DISTRIBUTIONS.items():
        exact = [tuple(map(Fraction, kind)) for kind in kinds]
        rows[name] = {
            rule: float(sum(mass * (c1 * error + ce if asks(p, error) else p) for mass, p, error in exact))
            for rule, asks in rules.items()
        }
    return pd.DataFrame(rows).T.rename_axis("risk")


def constant_p_table(ce_values: Iterable[float]) -> pd.DataFrame:
    """For each ce at c1 = 1, alpha at the released constant, its threshold and Bayes' on p, and its worst excess risk.

    >>> round(float(constant_p_table([0.18]).loc[0.18, "Bayes: p >"]), 6)
    0.59
    """
    rows = {}
    for ce in ce_values:
        costs = Costs(1.0, ce)
        alpha = float(alpha_released(RELEASED_P, costs=costs, beta=RELEASED_BETA))
        worst = worst_excess_risk(
            alpha, client_risk=RELEASED_P, costs=costs, beta=RELEASED_BETA, client="deterministic"
        )
        rows[ce] = {
            "alpha": alpha,
            "asks where p >": effective_threshold(alpha, costs=costs, beta=RELEASED_BETA),
            "Bayes: p >": ask_threshold(costs),
            "worst excess risk": worst.excess,
        }
    return pd.DataFrame(rows).T.rename_axis("ce")


def constant_p_excess_risk(costs: Costs) -> tuple[float, float]:
    """The excess risk of two points at the released constant, and the largest regret at the repaired constant."""
    eta, p = np.array([[1, 0.85], [0, 0.85]])
    mass = np.array([1 - RELEASED_P / 0.85, RELEASED_P / 0.85])
    released, repaired = (
        alpha_released(value, costs=costs, beta=RELEASED_BETA) for value in (RELEASED_P, ask_threshold(costs))
    )
    excess = mass @ pointwise_regret(eta, p, costs=costs, alpha=released, beta=RELEASED_BETA)
    remaining = pointwise_regret(
        P_DETERMINISTIC, P_DETERMINISTIC, costs=costs, alpha=repaired, beta=RELEASED_BETA
    ).max()
    return float(excess), float(remaining)


def largest_regret(
    formula: AlphaFormula, costs: Costs, *, beta: float = RELEASED_BETA, where: Any = slice(None)
) -> tuple[float, dict[str, Any]]:
    """The largest regret of alpha(p) on a grid of mu and p, and the point where it occurs.

    Args:
        formula: for alpha as a function of p.
        costs: c1 and ce.
        beta: of the surrogate.
        where: the part of the grid that counts; all of it by default.

    Returns:
        The regret, and the p, mu and beta that break calibration.
    """
    mu, p = MU_GRID[where], P_GRID[where]
    regret = pointwise_regret(mu, p, costs=costs, alpha=formula(p, costs=costs, beta=beta), beta=beta)
    index = regret.argmax()
    return regret[index], {"p": p[index].round(4), "mu": mu[index].round(4), "beta": beta}


def released_beta_table(costs: Costs, betas: Iterable[float]) -> pd.DataFrame:
    """For each beta, the largest regrets of the released and of the repaired formula, where ce <= p <= ce + c1/2."""
    p = P_GRID
    where = (p >= costs.ce) & (p <= costs.ce + costs.c1 / 2)
    rows: dict[float, dict[str, Any]] = {}
    for beta in betas:
        released, point = largest_regret(alpha_released, costs, beta=beta, where=where)
        repaired, _ = largest_regret(alpha_from_p, costs, beta=beta, where=where)
        rows[beta] = {"released": released, "repaired": repaired, "at": point if released > NEGLIGIBLE else "–"}
    return pd.DataFrame(rows).T.rename_axis("beta")


def released_domain_table() -> pd.DataFrame:
    """Regrets of the released and the clamped formula where the root is real, and the clamped one's largest regret."""
    formulas: dict[str, AlphaFormula] = {"released": alpha_released, "clamped": alpha_from_p}
    rows: dict[str, dict[str, Any]] = {}
    for name, (costs, p, mu) in DOMAIN_COUNTEREXAMPLES.items():
        rows[name] = {"costs": costs, "p": p, "mu": mu}
        for label, formula in formulas.items():
            alpha = formula(p, costs=costs, beta=RELEASED_BETA)
            rows[name][label] = float(pointwise_regret(mu, p, costs=costs, alpha=alpha, beta=RELEASED_BETA))
        rows[name]["clamped, at worst"], _ = largest_regret(alpha_from_p, costs)
    return pd.DataFrame(rows).T


def stage_switching_risks(ce: Fraction) -> pd.Series:
    """Exact risks at c1 = 1 of the pair trained stage by stage, of the best pair, and of the client alone.

    The input is uniform on [0, 1]; its pieces end at 0.45, 0.75 and 1. The servers are sign(±(t - x)) for all t.

    >>> stage_switching_risks(Fraction("0.15"))["least risk"]
    Fraction(7, 80)
    """
    edges = np.array([Fraction(edge) for edge in ("0", "0.45", "0.75", "1")], dtype=object)
    masses, likelier_label, client = np.diff(edges), np.array([1, -1, 1]), np.array([1, -1, -1])

    error_rates = np.array([Fraction("0.95"), Fraction("0.05")], dtype=object)  # of a wrong and of the likelier label

    def errors(labels: np.ndarray) -> np.ndarray:
        return error_rates[(labels == likelier_label).astype(int)]

    servers = []  # (error, risk) of each; both are linear in t between the edges
    for side in (1, -1):
        for t in edges:
            server_errors = errors(np.array([side if end <= t else -side for end in edges[1:]]))
            servers.append((masses @ server_errors, masses @ np.minimum(errors(client), server_errors + ce)))
    return pd.Series(
        {
            "least error first": min(servers)[1],
            "least risk": min(risk for _, risk in servers),
            "client alone": masses @ errors(client),
        }
    )


def least_excess_table(costs: Costs, regrets: Iterable[float]) -> pd.DataFrame:
    """The least excess surrogate risk of a wrong decision at mu = 1/2, by regret, with alpha(p) and with alpha(mu)."""
    rows: dict[float, dict[str, float]] = {}
    for regret in regrets:
        p = costs.ce + costs.c1 / 2 - regret
        choices: dict[str, tuple[AlphaFormula, float]] = {
            "alpha(p)": (alpha_from_p, p),
            "alpha(mu)": (alpha_from_mu, 0.5),
        }
        row = {}
        for name, (formula, argument) in choices.items():
            alpha = formula(argument, costs=costs, beta=RELEASED_BETA)
            case: dict[str, Any] = {"eta": 0.5, "p": p, "costs": costs, "alpha": alpha, "beta": RELEASED_BETA}
            row[name] = float(partial_min_risk(0.0, **case) - partial_min_risk(minimiser(**case).r, **case))
        rows[regret] = row
    return pd.DataFrame(rows).T.rename_axis("regret")


def regret_to_bound_p(costs: Costs) -> float:
    """The largest quotient of regret and bound for alpha(p) and a free client."""

    def rule(mu: Any, p: Any) -> Any:
        return alpha_from_p(p, costs=costs, beta=RELEASED_BETA)

    envelope = lower_envelope(rule, costs=costs, beta=RELEASED_BETA, client="free")
    return float(
        (envelope.regret[1:] / excess_risk_bound_p(envelope.excess[1:], costs=costs, beta=RELEASED_BETA)).max()
    )


def regret_to_bound_mu(beta: float, costs: Costs) -> float:
    """The largest quotient of regret and bound for alpha(mu), a free client and bounded scores."""

    def rule(mu: Any, p: Any) -> Any:
        return alpha_from_mu(mu, costs=costs, beta=beta, bounded=True)

    envelope = lower_envelope(rule, costs=costs, beta=beta, client="free", grid_size=101, bounded=True)
    return float((envelope.regret[1:] / excess_risk_bound_mu(envelope.excess[1:], costs=costs, beta=beta)).max())


def keep_gain_table(ce_values: Iterable[float]) -> pd.DataFrame:
    """For each ce at c1 = 1, the largest gain of keeping for a deterministic client, and whether it is ever positive.

    >>> float(keep_gain_table([0.0]).loc[0.0, "largest gain of keeping"])
    0.0
    """
    rows = {}
    for ce in ce_values:
        gains = np.minimum(P_DETERMINISTIC, 1 - P_DETERMINISTIC) + ce - P_DETERMINISTIC
        strictly = ever_optimal(Costs(1.0, ce), client="deterministic").keep
        rows[ce] = {"largest gain of keeping": gains.max(), "keeping ever strictly better": strictly}
    return pd.DataFrame(rows).T.rename_axis("ce")


def bounded_scores_table(costs: Costs) -> pd.DataFrame:
    """For bounded scores, the largest regret of each choice of alpha and the point where it occurs."""
    choices: dict[str, tuple[AlphaFormula, np.ndarray]] = {
        "alpha(p)": (alpha_from_p, P_GRID),
        "alpha(mu)": (alpha_from_mu, MU_GRID),
    }
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for name, (formula, argument) in choices.items():
        for bounded, label in ((False, "for any scores"), (True, "for bounded scores")):
            alpha: Any = formula(argument, costs=costs, beta=RELEASED_BETA, bounded=bounded)
            regret = pointwise_regret(MU_GRID, P_GRID, costs=costs, alpha=alpha, beta=RELEASED_BETA, bounded=True)
            point = [axis[regret.argmax()].round(4) if regret.max() > NEGLIGIBLE else "–" for axis in (P_GRID, MU_GRID)]
            rows[name, label] = {"largest regret": regret.max().round(12), "p": point[0], "mu": point[1]}
    alpha = alpha_deterministic(costs=costs, beta=RELEASED_BETA)
    regret = pointwise_regret(
        P_DETERMINISTIC, P_DETERMINISTIC, costs=costs, alpha=alpha, beta=RELEASED_BETA, bounded=True
    )
    rows["single alpha", "for any scores"] = {"largest regret": regret.max(), "p": "–", "mu": "–"}
    return pd.DataFrame(rows).T


def threshold_penalty(n: int, costs: Costs) -> float:
    """The penalty of the corrected Theorem 1 for thresholds on n distinct inputs, at delta = 0.05."""
    complexity = distinct_threshold_complexity(n).value
    return float(generalization.theorem1_corrected(complexity, complexity, costs=costs, n=n, delta=0.05).total)


def margin_bound_at_sample(scale: float, *, costs: Costs, n: int, delta: float) -> float:
    """The margin bound at rho = scale for the rejector of `score_counterexample`, which asks at the whole sample."""
    ramp = generalization.margin_loss(*np.array([[-scale], [1.0], [1.0], [1.0]]), costs=costs, rho=scale)[0]
    return float(ramp + generalization.margin_bound(scale, 0.0, costs=costs, n=n, delta=delta, rho=scale).total)


def has_real_alpha(formula: Callable[[Costs], Any], ce: float) -> bool:
    """Whether a formula for alpha has a finite real value at c1 = 1 and ce."""
    try:
        return bool(np.isfinite(formula(Costs(1.0, ce))))
    except ValueError:
        return False


def missing_alphas() -> tuple[float, float]:
    """The share of ce = 0, 0.01, ..., 0.99 without a real alpha, negative, for the released and the single one.

    >>> missing_alphas()
    (-0.81, 0.0)
    """
    formulas: tuple[Callable[[Costs], Any], ...] = (
        lambda costs: alpha_released(RELEASED_P, costs=costs, beta=RELEASED_BETA),
        lambda costs: alpha_deterministic(costs=costs, beta=RELEASED_BETA),
    )
    released, single = (
        float(np.sum([has_real_alpha(formula, ce / 100) for ce in range(100)]) / 100 - 1) for formula in formulas
    )
    return released, single


def dropped_term_excess(values: Sequence[float]) -> float:
    """The largest 2 c1³ k4, less 1, for c1, ce and beta in values; <= 0 where the term 1/(2c1³) never decides."""
    largest = 0.0
    for c1 in values:
        for ce in values:
            for beta in values:
                k4 = 8 / excess_risk_bound_p(1.0, costs=Costs(c1, ce), beta=beta) ** 4
                largest = max(largest, float(2 * c1**3 * k4))
    return largest - 1
