"""The algebraic steps of the excess-risk theorems 4A, 4B and 4C, proved for all reals."""

import z3
from z3 import And, Implies

from companion.proofs.bayes import VALID_COSTS, c1, ce, p
from companion.proofs.calibration import SINGLE_ALPHA, alpha, beta, is_root, p_t, root_mu, root_t, root_u
from companion.proofs.prover import Certificate, prove

a, b, chord, k, label_regret, decision_regret, root_p = z3.Reals("a b chord k label regret root_p")
HALF = z3.RealVal("1/2")
DETERMINISTIC_SLOPE = alpha * p - beta * c1 * root_p - ce  # of a deterministic client, mu (1 - mu) = p (1 - p)
GAIN_BELOW, GAIN_ABOVE = p - c1 * p - ce, p - c1 * (1 - p) - ce  # p <= 1/2, p >= 1/2
ROOT_CONSTRAINTS = [is_root(root_p, p * (1 - p)), is_root(root_t, p_t * (1 - p_t))]
LARGE_COSTS, HIGH_THRESHOLD = (
    [*VALID_COSTS, beta > 0, c1 + 2 * ce > 1, ce < 1],
    [p_t > HALF, p_t < 1, p_t * (1 + c1) == c1 + ce],
)
SLOPE_FACTOR_RANGE = [k >= 0, k <= 1, k * (1 + c1) <= alpha]


def excess_risk_sums() -> dict[str, Certificate]:
    r"""The inequalities by which theorems 4A and 4B combine the two kinds of regret.

    .. math:: \frac{l^2}{2c_1} + k g^2 \geq \frac{(l + g)^2}{2c_1 + 1/k}, \qquad
        \sqrt{a(1-a)} - \sqrt{b(1-b)} \geq (a - b)^2 \;(b \leq a)

    Returns:
        Certificates "transfer-sum" (4A) and "transfer-root" (4B).

    >>> [certificate.verdict for certificate in excess_risk_sums().values()]
    ['proved', 'proved']
    """
    difference = (root_u - root_mu) * (root_u + root_mu) == (a - b) * (1 - a - b)
    pair = [b >= 0, b <= a, a <= HALF, is_root(root_u, a * (1 - a)), is_root(root_mu, b * (1 - b))]
    return {
        "transfer-sum": prove(
            "4A: (a l^2 + k g^2)(a + k) >= a k (l + g)^2 for a, k > 0",
            (a * label_regret * label_regret + k * decision_regret * decision_regret) * (a + k)
            >= a * k * (label_regret + decision_regret) ** 2,
            assumptions=[a > 0, k > 0],
        ),
        "transfer-root": prove(
            "4B: sqrt(a(1-a)) - sqrt(b(1-b)) >= (a - b)^2 for 0 <= b <= a <= 1/2",
            root_u - root_mu >= (a - b) ** 2,
            assumptions=[*pair, difference, root_u <= HALF, root_mu <= root_u],  # the last three follow from the pair
        ),
    }


def excess_risk_large_costs() -> dict[str, Certificate]:
    r"""Theorem 4C where c1 + 2ce > 1, so that p_t > 1/2: the slope is a fixed part of the gain.

    .. math:: |F'(0)| \geq k |p - c_1 \min(p, 1 - p) - c_e|, \quad
        k = \min\Big(1, \frac{\alpha}{1 + c_1}\Big) \leq \frac{\beta c_1 + 2 c_e - \alpha}{c_1 + 2 c_e - 1}

    for a deterministic client with its single alpha: sqrt(p(1 - p)) lies above its chords and falls beyond 1/2.

    Returns:
        Certificates "transfer-high-..." for the chords, for the factor at p = 1/2 and for each region of p.

    >>> {certificate.verdict for certificate in excess_risk_large_costs().values()}
    {'proved'}
    """
    low, high = root_p >= p, (p_t - HALF) * root_p >= HALF * (p_t - p) + root_t * (p - HALF)
    chord_line = (alpha / 2 - beta * c1 / 2 - ce) * (p_t - p)  # the line from F'(0) at 1/2 to 0 at p_t, times p_t - 1/2
    kink = k * (c1 + 2 * ce - 1) <= beta * c1 + 2 * ce - alpha  # |slope| >= k |gain| at p = 1/2
    between, beyond = And(p >= HALF, p < p_t), p >= p_t
    beyond_t = [*LARGE_COSTS, beyond, p <= 1, *HIGH_THRESHOLD, root_t >= 0, SINGLE_ALPHA, root_p >= 0, root_p <= root_t]
    return {
        "transfer-high-chords": prove(
            "4C: sqrt(p(1-p)) lies above its chords on [0, 1/2] and [1/2, p_t], and falls from p_t on; p_t >= 1/2",
            And(Implies(p <= HALF, low), Implies(between, high), Implies(beyond, root_p <= root_t)),
            assumptions=[*ROOT_CONSTRAINTS, p >= 0, p <= 1, p_t >= HALF, p_t <= 1],
        ),
        "transfer-high-kink": prove(
            "4C: alpha/(1 + c1) <= (beta c1 + 2ce - alpha)/(c1 + 2ce - 1), the quotient of slope and gain at p = 1/2",
            (beta * c1 + 2 * ce - alpha) * (1 + c1) >= alpha * (c1 + 2 * ce - 1),
            assumptions=[*LARGE_COSTS, *HIGH_THRESHOLD, is_root(root_t, p_t * (1 - p_t)), SINGLE_ALPHA],
        ),
        "transfer-high-1": prove(
            "4C: F'(0) <= k (gain) <= 0 for p <= 1/2 where c1 + 2ce > 1",
            And(k * GAIN_BELOW >= DETERMINISTIC_SLOPE, GAIN_BELOW <= 0),
            assumptions=[*LARGE_COSTS, p >= 0, p <= HALF, low, k >= 0, k <= 1, kink],
        ),
        "transfer-high-line": prove(
            "4C: F'(0) is at most the line through its values at 1/2 and p_t, on [1/2, p_t]",
            chord_line >= DETERMINISTIC_SLOPE * (p_t - HALF),
            assumptions=[*LARGE_COSTS, between, p_t < 1, root_t >= 0, SINGLE_ALPHA, high],
        ),
        "transfer-high-2": prove(
            "4C: F'(0) <= k (gain) <= 0 on [1/2, p_t] where c1 + 2ce > 1",
            And(chord <= k * GAIN_ABOVE, GAIN_ABOVE <= 0),
            assumptions=[*LARGE_COSTS, between, *HIGH_THRESHOLD, chord * (p_t - HALF) <= chord_line, kink, k >= 0],
        ),
        "transfer-high-3": prove(
            "4C: F'(0) >= k (gain) >= 0 for p >= p_t where c1 + 2ce > 1",
            And(k * GAIN_ABOVE <= DETERMINISTIC_SLOPE, GAIN_ABOVE >= 0),
            assumptions=[*beyond_t, k >= 0, k * (1 + c1) <= alpha],
        ),
    }


def excess_risk_small_costs() -> dict[str, Certificate]:
    r"""Theorem 4C where c1 + 2ce <= 1 and ce > 0, so that p_t <= 1/2: the same with k = min(1, alpha / (1 + c1)).

    The ray from 0 through (p_t, sqrt(p_t(1 - p_t))) lies below sqrt(p(1 - p)) up to p_t and above it beyond.

    Returns:
        Certificates "transfer-low-..." for the ray and for each region of p.

    >>> {certificate.verdict for certificate in excess_risk_small_costs().values()}
    {'proved'}
    """
    below, above = root_p * p_t >= root_t * p, root_p * p_t <= root_t * p
    domain = [
        *VALID_COSTS, beta > 0, ce > 0, c1 < 1, p_t > 0, p_t <= HALF, p_t * (1 - c1) == ce,
        SINGLE_ALPHA, *SLOPE_FACTOR_RANGE,
    ]  # fmt: skip
    upper = [p >= HALF, p <= 1, root_p <= HALF]
    at_half = HALF * (alpha - beta * c1) - ce  # the slope at p = 1/2
    return {
        "transfer-low-ray": prove(
            "4C: sqrt(p(1-p)) is above its ray through p_t up to p_t, below it beyond, and at most 1/2; p_t <= 1/2",
            And(Implies(p <= p_t, below), Implies(p >= p_t, above), root_p <= HALF),
            assumptions=[*ROOT_CONSTRAINTS, p >= 0, p <= 1, p_t > 0, p_t <= HALF],
        ),
        "transfer-low-1": prove(
            "4C: F'(0) <= k (gain) <= 0 for p <= p_t where c1 + 2ce <= 1",
            And(k * GAIN_BELOW >= DETERMINISTIC_SLOPE, GAIN_BELOW <= 0),
            assumptions=[*domain, p >= 0, p <= p_t, below],
        ),
        "transfer-low-2": prove(
            "4C: F'(0) >= gain >= k (gain) >= 0 on [p_t, 1/2] where c1 + 2ce <= 1",
            And(GAIN_BELOW <= DETERMINISTIC_SLOPE, GAIN_BELOW >= 0),
            assumptions=[*domain, p >= p_t, p <= HALF, above],
        ),
        "transfer-low-3": prove(
            "4C: F'(0) >= k (gain) >= 0 for p >= 1/2 where c1 + 2ce <= 1, given F'(0) >= gain at 1/2",
            And(k * GAIN_ABOVE <= DETERMINISTIC_SLOPE, GAIN_ABOVE >= 0),
            assumptions=[
                *VALID_COSTS,
                beta > 0,
                c1 + 2 * ce <= 1,
                *upper,
                at_half >= HALF * (1 - c1) - ce,
                *SLOPE_FACTOR_RANGE,
            ],
        ),
    }
