r"""Calibrated choices of alpha, decided without exponentials.

By convexity the surrogate's minimiser asks exactly where its slope at r = 0 is positive,

.. math:: F'(0) = \alpha p - \beta c_1 \sqrt{\mu(1-\mu)} - c_e,

and a square root is a variable that is >= 0 and whose square is known: all that follows is algebra.
"""

import z3
from z3 import And, Implies, Or

from companion.proofs.bayes import ASK_COST, VALID_COSTS, VALID_MU, c1, ce, mu, p
from companion.proofs.prover import Certificate, prove

alpha, beta, other_alpha, p_t, u = z3.Reals("alpha beta other p_t u")
root_mu, root_t, root_u = z3.Reals("root_mu root_t root_u")


def is_root(root: z3.ArithRef, square: z3.ArithRef) -> z3.BoolRef:
    """Root is the square root of the term.

    >>> from companion.proofs.bayes import mu
    >>> is_root(root_mu, mu * (1 - mu))
    And(root_mu >= 0, root_mu*root_mu == mu*(1 - mu))
    """
    return And(root >= 0, root * root == square)


SLOPE_AT_ZERO = alpha * p - beta * c1 * root_mu - ce
ASK_GAIN = p - ASK_COST
DOMAIN = [*VALID_COSTS, beta > 0, *VALID_MU, p >= 0, p <= 1, is_root(root_mu, mu * (1 - mu))]
DETERMINISTIC_CLIENT = Or(p == mu, p == 1 - mu)
ASK_THRESHOLD = [  # p_t, without its quotients, and the single alpha of a deterministic client
    p_t > 0,
    p_t < 1,
    z3.If(c1 + 2 * ce >= 1, p_t * (1 + c1) == c1 + ce, p_t * (1 - c1) == ce),
    is_root(root_t, p_t * (1 - p_t)),
]
SINGLE_ALPHA = alpha * p_t == beta * c1 * root_t + ce
RELEASED_FORMULA = [2 * p * alpha == beta * (ce + 2 * root_u), is_root(root_u, (p - ce) * (c1 - p + ce)), p > 0]
INNER_RANGE = [ce <= p, 2 * (p - ce) <= c1]
CALIBRATED = And(Implies(ASK_GAIN > 0, SLOPE_AT_ZERO > 0), Implies(ASK_GAIN < 0, SLOPE_AT_ZERO < 0))
EXACTLY_CALIBRATED = And((ASK_GAIN > 0) == (SLOPE_AT_ZERO > 0), (ASK_GAIN < 0) == (SLOPE_AT_ZERO < 0))


def calibrated_alphas() -> dict[str, Certificate]:
    r"""Two choices of alpha that depend on x are calibrated; no constant is, if p does not depend on mu.

    .. math:: \alpha(\mu) = \frac{\beta c_1 \sqrt{\mu(1-\mu)} + c_e}{c_1\mu + c_e}, \qquad
        \alpha(p) = \frac{c_e + \beta\sqrt{(p - c_e)(c_1 - p + c_e)}}{p} \text{ between } c_e \text{ and } c_e + c_1/2

    Returns:
        Certificates "alpha-from-mu", "alpha-from-p" and "no-single-alpha" (at c1 = 1, ce = 0.15, beta = 2).

    >>> [certificate.verdict for certificate in calibrated_alphas().values()]
    ['proved', 'proved', 'proved']
    """
    below = And(p < ce, alpha == 1)
    inside = And(ce <= p, 2 * (p - ce) <= c1, u * c1 == p - ce, alpha * p == ce + beta * c1 * root_u)
    above = And(2 * (p - ce) > c1, alpha * (c1 + 2 * ce) == beta * c1 + 2 * ce)
    from_p = [*DOMAIN, c1 > 0, p > 0, Or(below, inside, above), is_root(root_u, u * (1 - u))]
    return {
        "alpha-from-mu": prove(
            "alpha(mu) is calibrated for every p where c1 mu + ce > 0",
            EXACTLY_CALIBRATED,
            assumptions=[*DOMAIN, ASK_COST > 0, alpha * ASK_COST == beta * c1 * root_mu + ce],
        ),
        "alpha-from-p": prove(
            "alpha(p), clamped, is calibrated for every mu where p > 0", CALIBRATED, assumptions=from_p
        ),
        "no-single-alpha": _no_single_alpha(),
    }


def _no_single_alpha() -> Certificate:
    """Whatever alpha, one of two points is decided wrongly: near p = T, mu = 1/10 needs 3 and mu = 1/5 needs 19/7."""

    def wrong(error: z3.ArithRef, best_error: str, root: str) -> z3.BoolRef:
        best, cost = z3.RealVal(best_error), z3.RealVal("3/20")
        slope, gain = alpha * error - 2 * z3.RealVal(root) - cost, error - best - cost
        return And(best <= error, error <= 1 - best, Or(And(gain > 0, slope < 0), And(gain < 0, slope > 0)))

    near_tenth = z3.If(alpha <= 1, z3.RealVal("1/2"), (z3.RealVal("1/4") + z3.RealVal("3/4") / alpha) / 2)
    near_fifth = (z3.RealVal("7/20") + z3.RealVal("19/20") / alpha) / 2
    return prove(
        "Every constant alpha > 0 decides some admissible (p, mu) wrongly; independent or free client, "
        "c1 = 1, ce = 0.15, beta = 2",
        Or(wrong(near_tenth, "1/10", "3/10"), wrong(near_fifth, "1/5", "2/5")),
        assumptions=[alpha > 0],
    )


def single_alpha() -> dict[str, Certificate]:
    r"""For a deterministic client exactly one constant alpha is calibrated.

    .. math:: \alpha = \beta c_1 \sqrt{(1 - p_t)/p_t} + c_e/p_t

    In u = sqrt((1 - p)/p) the client asks iff alpha > beta c1 u + ce (1 + u^2), which increases with u: a larger alpha
    asks at some p < p_t, a smaller one keeps at some p > p_t.

    Returns:
        Certificates "single-alpha", "single-alpha-not-larger", "single-alpha-not-smaller", "single-alpha-tie" (c1 = 1,
        ce = 0: every alpha >= beta) and "single-alpha-released" (the released formula at p_t, beta = 2).

    >>> {certificate.verdict for certificate in single_alpha().values()}
    {'proved'}
    """
    step = z3.Real("step")

    def asks_above(odds: z3.ArithRef) -> z3.ArithRef:
        return beta * c1 * odds + ce * (1 + odds * odds)

    near = [*VALID_COSTS, beta > 0, c1 + ce > 0, u > 0, alpha == asks_above(u), step > 0, step <= 1]
    released = [p == p_t, *RELEASED_FORMULA, other_alpha * p_t == beta * c1 * root_t + ce]
    close = 2 * step * (beta * c1 + ce * (2 * u + 1))
    return {
        "single-alpha": prove(
            "The single alpha is calibrated for a deterministic client with 0 < p_t < 1",
            CALIBRATED,
            assumptions=[*DOMAIN, DETERMINISTIC_CLIENT, *ASK_THRESHOLD, SINGLE_ALPHA],
        ),
        "single-alpha-not-larger": prove(
            "Every larger alpha asks at some p < p_t; c1 + ce > 0",
            asks_above(u + step) < other_alpha,
            assumptions=[*near, other_alpha > alpha, close <= other_alpha - alpha],
        ),
        "single-alpha-not-smaller": prove(
            "Every smaller alpha keeps at some p > p_t; c1 + ce > 0",
            asks_above(u - step) > other_alpha,
            assumptions=[*near, step < u, other_alpha < alpha, close <= alpha - other_alpha],
        ),
        "single-alpha-tie": prove(
            "At c1 = 1, ce = 0 every alpha >= beta is calibrated for a deterministic client",
            CALIBRATED,
            assumptions=[*DOMAIN, DETERMINISTIC_CLIENT, c1 == 1, ce == 0, alpha >= beta],
        ),
        "single-alpha-released": prove(
            "At beta = 2 the released formula at p = p_t is the single alpha; c1 > 0",
            alpha == other_alpha,
            assumptions=[*VALID_COSTS, c1 > 0, beta == 2, *ASK_THRESHOLD, *released],
        ),
    }


def released_alpha() -> dict[str, Certificate]:
    r"""The released formula: right at beta = 2 inside its domain, wrong elsewhere, with counterexamples.

    .. math:: \alpha = \frac{\beta}{2p} \Big(c_e + 2\sqrt{(p - c_e)(c_1 - p + c_e)}\Big)

    Returns:
        Certificates "released-equals", "released-deterministic" and "released-flat" (the slope is 0 at c1 = 1, ce = 0).

    >>> [certificate.verdict for certificate in released_alpha().values()]
    ['proved', 'proved', 'proved']
    """
    inner = [*DOMAIN, *RELEASED_FORMULA, *INNER_RANGE, other_alpha * p == ce + beta * root_u]
    deterministic = [*DOMAIN, *RELEASED_FORMULA, DETERMINISTIC_CLIENT, beta == 2]
    return {
        "released-equals": prove(
            "The released formula is alpha(p) iff beta = 2 or ce = 0; p between ce and ce + c1/2",
            (alpha == other_alpha) == Or(beta == 2, ce == 0),
            assumptions=inner,
        ),
        "released-deterministic": prove(
            "The released formula with the true p(x) is calibrated wherever it is real; beta = 2, deterministic "
            "client, c1 >= 1 but not c1 = 1 with ce = 0",
            EXACTLY_CALIBRATED,
            assumptions=[*deterministic, c1 >= 1, Or(c1 > 1, ce > 0)],
        ),
        "released-flat": prove(
            "The released formula with the true p(x) leaves the slope at 0 for every p at c1 = 1, ce = 0, beta = 2; "
            "deterministic client",
            SLOPE_AT_ZERO == 0,
            assumptions=[*deterministic, c1 == 1, ce == 0],
        ),
    }


def released_failures() -> dict[str, Certificate]:
    """Cases in which the released formula decides wrongly, with rational square roots.

    Returns:
        Certificates "released-beta-1", "released-beta-4", "released-upper-range", "released-small-c1" (with the true
        p(x)) and "released-constant" (with p = 0.18), all refuted.

    >>> released_failures()["released-small-c1"].counterexample["p"]
    Fraction(1, 2)
    """
    p_0 = z3.Real("p_0")
    constant = [2 * p_0 * alpha == beta * (ce + 2 * root_u), is_root(root_u, (p_0 - ce) * (c1 - p_0 + ce))]
    true_p = "The released formula with the true p(x) is calibrated"
    claims = {
        "released-beta-1": (
            f"{true_p} at beta = 1; p between ce and ce + c1/2",
            [*RELEASED_FORMULA, beta == 1, *INNER_RANGE],
            dict(p="1/2", mu="1/10", c1=1, ce="3/10", beta=1, alpha="11/10", root_mu="3/10", root_u="2/5"),
        ),
        "released-beta-4": (
            f"{true_p} at beta = 4; p between ce and ce + c1/2",
            [*RELEASED_FORMULA, beta == 4, *INNER_RANGE],
            dict(p="1/2", mu="9/34", c1=1, ce="3/10", beta=4, alpha="22/5", root_mu="15/34", root_u="2/5"),
        ),
        "released-upper-range": (
            f"{true_p} wherever it is real; beta = 2, free client",
            [*RELEASED_FORMULA, beta == 2],
            dict(p=1, mu="1/5", c1=1, ce="1/10", beta=2, alpha="7/10", root_mu="2/5", root_u="3/10"),
        ),
        "released-small-c1": (
            f"{true_p} wherever it is real; beta = 2, deterministic client, c1 < 1",
            [*RELEASED_FORMULA, beta == 2, DETERMINISTIC_CLIENT, c1 < 1],
            dict(p="1/2", mu="1/2", c1="2/5", ce="1/10", beta=2, alpha="1/5", root_mu="1/2", root_u=0),
        ),
        "released-constant": (
            "The released formula at p = 0.18 is calibrated; c1 = 1, ce = 0.18, beta = 2, deterministic client",
            [*constant, p_0 == z3.RealVal("9/50"), beta == 2, c1 == 1, ce == p_0, DETERMINISTIC_CLIENT],
            dict(p="4/5", mu="1/5", c1=1, ce="9/50", beta=2, alpha=1, root_mu="2/5", root_u=0, p_0="9/50"),
        ),
    }
    return {
        name: prove(statement, CALIBRATED, assumptions=[*DOMAIN, *assumptions], example=example)
        for name, (statement, assumptions, example) in claims.items()
    }
