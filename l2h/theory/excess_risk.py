"""From excess surrogate risk to excess risk: three proved bounds, and a computed lower envelope for comparison."""

from typing import Any, NamedTuple

import numpy as np

from l2h import checks
from l2h.problem import Costs
from l2h.theory.bayes import CLIENT_KINDS, PROBABILITY_TOLERANCE
from l2h.theory.calibration import alpha_deterministic
from l2h.theory.conditional_risk import minimiser, partial_min_risk
from l2h.theory.regret import AlphaRule, concave_hull


def _curvature_bound(alpha: float, costs: Costs, beta: float) -> float:
    """2 K (1 + c1 + ce), where F'' <= K F and F(0) <= 1 + c1 + ce; by lemma 1, H >= F'(0)^2 divided by it."""
    return 2 * max(1, beta**2 / 4, alpha**2) * (1 + costs.c1 + costs.ce)


def excess_risk_bound_mu(excess: Any, *, costs: Costs, beta: float) -> np.ndarray:
    r"""Upper bound of the excess risk with alpha(mu), for any client.

    .. math:: R - R^* \leq \sqrt{(2c_1 + 1/k)(R_S - R_S^*)}, \quad
              k = \frac{\min(1, a^2, 4a^2/\beta^2)}{2(1 + c_1 + c_e)}, \quad
              a = \min\Big(1, \frac{\beta c_1 + 2c_e}{c_1 + 2c_e}\Big)

    For beta = 2 the factor is 2(1 + 2 c1 + ce). With alpha recalibrated for bounded scores the bound holds for
    beta >= 1, and fails for small beta (at 0.1 by a factor of 1.2 for c1 = ce = 1).

    Args:
        excess: R_S - R_S^*, any shape, >= 0.
        costs: c1 and ce, not both 0.
        beta: calibration parameter > 0.

    Returns:
        Bounds on R - R^*, of the same shape.

    Raises:
        ValueError: if an excess is negative, beta not positive, or c1 = ce = 0.

    >>> excess_risk_bound_mu(np.array([0.02]), costs=Costs(c1=1.0, ce=0.0), beta=2.0) ** 2 / 0.02
    array([6.])

    Source: derived in the chapter on the surrogate, theorem A.
    """
    excess = np.asarray(excess, dtype=float)
    checks.at_least(0, excess=excess.min())
    checks.positive(beta=beta)
    checks.positive(**{"c1 + ce": costs.c1 + costs.ce})
    min_alpha = min(1.0, (beta * costs.c1 + 2 * costs.ce) / (costs.c1 + 2 * costs.ce))
    k = min(1.0, min_alpha**2, 4 * min_alpha**2 / beta**2) / (2 * (1 + costs.c1 + costs.ce))
    return np.sqrt((2 * costs.c1 + 1 / k) * excess)


def max_calibrated_alpha(*, costs: Costs, beta: float) -> float:
    r"""The supremum of g, hence of both calibrated alphas.

    .. math:: \sup_u g(u), \text{ attained at }
              \sqrt{\frac{u}{1 - u}} = \frac{-c_e + \sqrt{c_e^2 + \beta^2 c_e(c_1 + c_e)}}{\beta(c_1 + c_e)}

    Args:
        costs: c1 and ce > 0.
        beta: calibration parameter > 0.

    Returns:
        sup g >= 1.

    Raises:
        ValueError: if ce or beta is not positive (for ce = 0 < c1 the supremum is infinite).

    >>> round(max_calibrated_alpha(costs=Costs(c1=1.0, ce=0.15), beta=2.0), 4)
    3.0119

    Source: derived in the chapter on the surrogate.
    """
    checks.positive(ce=costs.ce, beta=beta)
    c1, ce = costs.c1, costs.ce
    w = (np.sqrt(ce**2 + beta**2 * ce * (c1 + ce)) - ce) / (beta * (c1 + ce))
    return float((beta * c1 * w + ce * (1 + w**2)) / (c1 * w**2 + ce * (1 + w**2)))


def excess_risk_bound_p(excess: Any, *, costs: Costs, beta: float) -> np.ndarray:
    r"""Upper bound of the excess risk with alpha(p), for any client; for a free client the fourth root is attained.

    .. math:: R - R^* \leq \Big(\frac{8}{k_4} (R_S - R_S^*)\Big)^{1/4}, \quad
              k_4 = \frac{k'^2}{2K(1 + c_1 + c_e)}, \quad K = \max\Big(1, \frac{\beta^2}{4}, (\sup g)^2\Big), \\
              k' = \min\Big(\frac{\min(1, \beta)}{c_e + c_1/2}, \frac{\beta}{2c_1},
              \frac{\beta c_1/2 + c_e}{2c_e + c_1}\Big)

    The term beta/(2 c1) keeps k_4 <= 1/(2 c1^3), so the bound covers a wrong label, too.

    Args:
        excess: R_S - R_S^*, any shape, >= 0.
        costs: c1 and ce > 0.
        beta: calibration parameter > 0.

    Returns:
        Bounds on R - R^*, of the same shape.

    Raises:
        ValueError: if an excess is negative, or ce or beta is not positive.

    >>> bool(excess_risk_bound_p(1e-4, costs=Costs(c1=1.0, ce=0.15), beta=2.0) > 0.1)
    True

    Source: derived in the chapter on the surrogate, theorem B.
    """
    excess = np.asarray(excess, dtype=float)
    checks.at_least(0, excess=excess.min())
    alpha = max_calibrated_alpha(costs=costs, beta=beta)
    c1, ce = costs.c1, costs.ce
    slopes = [min(1.0, beta) / (ce + c1 / 2), (beta * c1 / 2 + ce) / (2 * ce + c1)]
    min_slope = min([*slopes, beta / (2 * c1)]) if c1 > 0 else min(slopes)
    k4 = min_slope**2 / _curvature_bound(alpha, costs, beta)
    return (8 / k4 * excess) ** 0.25


def excess_risk_bound_deterministic(excess: Any, *, costs: Costs, beta: float) -> np.ndarray:
    r"""Upper bound of the excess risk with the single alpha of a deterministic client.

    .. math:: R - R^* \leq \sqrt{(2c_1 + 1/k_C)(R_S - R_S^*)}, \quad
              k_C = \frac{k^2}{2\max(1, \beta^2/4, \alpha^2)(1 + c_1 + c_e)}, \quad
              k = \min\Big(1, \frac{\alpha}{1 + c_1}\Big)

    Here `|F'(0)| >= k |p - c1 mu - ce|`: both sides vanish at p_t only, and F'(0) has slope >= alpha for p >= 1/2.

    Args:
        excess: R_S - R_S^*, any shape, >= 0.
        costs: c1 and ce < 1; with ce = 0, c1 >= 1.
        beta: calibration parameter > 0.

    Returns:
        Bounds on R - R^*, of the same shape.

    Raises:
        ValueError: if an excess is negative, ce >= 1, ce = 0 with c1 < 1, or beta is not positive.

    >>> bool(excess_risk_bound_deterministic(1e-4, costs=Costs(c1=1.0, ce=0.15), beta=2.0) < 0.1)
    True

    Source: derived in the chapter on the surrogate, theorem C.
    """
    excess = np.asarray(excess, dtype=float)
    checks.at_least(0, excess=excess.min())
    c1, ce = costs.c1, costs.ce
    if ce >= 1 or (ce == 0 and c1 < 1):
        raise ValueError(f"expected ce < 1, and ce > 0 or c1 >= 1, got {costs}")
    alpha = alpha_deterministic(costs=costs, beta=beta)
    k = min(1.0, alpha / (1 + c1))
    return np.sqrt((2 * c1 + _curvature_bound(alpha, costs, beta) / k**2) * excess)


class Envelope(NamedTuple):
    """A convex increasing curve through the origin: the smallest excess surrogate risk for each regret."""

    regret: np.ndarray  # (k,) increasing from 0
    excess: np.ndarray  # (k,) increasing from 0


def _regret_and_excess(
    mu: np.ndarray, p: np.ndarray, alpha_rule: AlphaRule, costs: Costs, beta: float, bounded: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Regret and smallest excess of a wrong decision and of a wrong label while asking, at each (mu, p)."""
    setting = {"p": p, "costs": costs, "alpha": alpha_rule(mu, p), "beta": beta, "bounded": bounded}
    best = minimiser(mu, **setting).r
    min_risk = partial_min_risk(best, eta=mu, **setting)
    gain = p - costs.c1 * mu - costs.ce
    nearest_wrong_r = np.where(gain > 0, np.maximum(best, 0), np.minimum(best, 0))  # the best r of the wrong decision
    decision_excess = partial_min_risk(nearest_wrong_r, eta=mu, **setting) - min_risk
    wrong_label_r = np.minimum(minimiser(0.5, **setting).r, 0)  # best with a wrong label: e = 0, as if eta = 1/2
    label_excess = partial_min_risk(wrong_label_r, eta=0.5, **setting) - min_risk
    regrets = np.concatenate([np.abs(gain), costs.c1 * (1 - 2 * mu) + np.maximum(-gain, 0)])
    regrets[regrets < PROBABILITY_TOLERANCE] = 0
    return regrets, np.maximum(np.concatenate([decision_excess, label_excess]), 0)


def lower_envelope(
    alpha_rule: AlphaRule, *, costs: Costs, beta: float, client: str, grid_size: int = 201, bounded: bool = False
) -> Envelope:
    r"""The smallest excess surrogate risk for each excess risk, computed on a grid of (mu, p).

    .. math:: \psi = \text{convex hull of } \theta \mapsto
              \min\{W(r, e) - \min W : \text{regret of } (r, e) \text{ at } (\mu, p) \geq \theta\}

    By Jensen R_S - R_S^* >= psi(R - R^*). The grid samples (mu, p), so the curve lies on or above the exact
    envelope, and approaches it as the grid is refined.

    Args:
        alpha_rule: (mu, p) -> alpha > 0, both (n,).
        costs: c1 and ce, not both 0.
        beta: calibration parameter > 0.
        client: "deterministic", "independent" or "free".
        grid_size: number of values of mu and of p.
        bounded: whether r and e are confined to [-1, 1]; the rule is then one for bounded scores.

    Returns:
        Envelope(regret, excess); interpolate linearly.

    Raises:
        ValueError: if the client is unknown or an argument leaves its range.

    >>> from l2h.theory.calibration import alpha_from_mu
    >>> costs = Costs(c1=1.0, ce=0.15)
    >>> envelope = lower_envelope(lambda mu, p: alpha_from_mu(mu, costs=costs, beta=2.0), costs=costs, beta=2.0,
    ...                           client="free", grid_size=21)
    >>> bool((envelope.regret <= excess_risk_bound_mu(envelope.excess, costs=costs, beta=2.0)).all())
    True

    Source: derived in the chapter on the surrogate; compare Bartlett, Jordan and McAuliffe (2006).
    """
    checks.one_of(CLIENT_KINDS, client=client)
    checks.positive(**{"c1 + ce": costs.c1 + costs.ce})
    checks.at_least(2, grid_size=grid_size)
    p = np.linspace(0, 1, grid_size)
    if client == "deterministic":
        mu = np.minimum(p, 1 - p)
    else:
        share, p = (axis.ravel() for axis in np.meshgrid(np.linspace(0, 1, grid_size), p))
        mu = share * (0.5 if client == "free" else np.minimum(p, 1 - p))
    regrets, excesses = (
        np.append(0.0, values) for values in _regret_and_excess(mu, p, alpha_rule, costs, beta, bounded)
    )
    order = np.lexsort((excesses, -regrets))  # only points without a larger regret at less excess matter
    order = order[excesses[order] == np.minimum.accumulate(excesses[order])]
    hull = order[concave_hull(regrets[order], -excesses[order])]
    return Envelope(regrets[hull], excesses[hull])
