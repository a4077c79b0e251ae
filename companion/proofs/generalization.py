"""The algebra of Theorem 1: range and shape of the loss, its constants, and where the stated deviation suffices."""

import z3
from z3 import And, Implies, Or

from companion.proofs.bayes import VALID_COSTS, c1, ce
from companion.proofs.losses import VALID_CLIENT_ERROR, VALID_LABELS, client_error, y
from companion.proofs.prover import Certificate, prove

b, e, r = z3.Reals("b e r")
SIGN_DOMAIN = [VALID_LABELS, VALID_CLIENT_ERROR, Or(r == 1, r == -1), Or(e == 1, e == -1)]
SIGN_LOSS = z3.If(r > 0, client_error, ce + z3.If(e != y, c1, 0))
LARGEST_LOSS = z3.If(c1 + ce >= 1, c1 + ce, 1)
COMPLEXITY_FACTOR = z3.If(1 - ce >= c1 + ce, 1 - ce, c1 + ce)  # of the rejectors' complexity, corrected


def symbolic_abs(t: z3.ArithRef) -> z3.ArithRef:
    """The absolute value of a term.

    >>> z3.simplify(symbolic_abs(z3.RealVal(-2)))
    2
    """
    return z3.If(t >= 0, t, -t)


def loss_range() -> dict[str, Certificate]:
    r"""The stated deviation takes the loss to be at most c1 + ce; a kept error costs 1.

    .. math:: 0 \leq L \leq \max(1, c_1 + c_e)

    Returns:
        Certificates "theorem-1-range-stated" (refuted), "theorem-1-range" and "theorem-1-range-large-costs".

    >>> [certificate.verdict for certificate in loss_range().values()]
    ['refuted', 'proved', 'proved']
    """
    stated = c1 + ce >= SIGN_LOSS
    example = {"c1": "1/20", "ce": "1/20", "r": 1, "e": 1, "y": 1, "error": 1}
    return {
        "theorem-1-range-stated": prove(
            "L <= c1 + ce", stated, assumptions=[*VALID_COSTS, *SIGN_DOMAIN], example=example
        ),
        "theorem-1-range": prove(
            "0 <= L <= max(1, c1 + ce)",
            And(SIGN_LOSS >= 0, SIGN_LOSS <= LARGEST_LOSS),
            assumptions=[*VALID_COSTS, *SIGN_DOMAIN],
        ),
        "theorem-1-range-large-costs": prove(
            "L <= c1 + ce where c1 + ce >= 1", stated, assumptions=[*VALID_COSTS, *SIGN_DOMAIN, c1 + ce >= 1]
        ),
    }


def complexity_constants() -> dict[str, Certificate]:
    r"""How the loss depends on r and e, and the constants that follow.

    .. math:: L = \text{const} + r \Big(\frac{B}{2} - \frac{c_1}{4} - \frac{c_e}{2}\Big) - \frac{c_1}{4} ye
        + \frac{c_1}{4} y (er), \quad er = |e + r| - 1

    Returns:
        Certificates "theorem-1-linear", "theorem-1-product", "theorem-1-constant" (twice the complexity of the losses),
        "theorem-1-looser" (the stated constant is up to 3 times the corrected one) and "theorem-1-looser-c1".

    >>> {certificate.verdict for certificate in complexity_constants().values()}
    {'proved'}
    """
    constant = client_error / 2 + ce / 2 + c1 / 4
    linear = constant + r * (client_error / 2 - c1 / 4 - ce / 2) - c1 / 4 * y * e + c1 / 4 * y * e * r
    correct_slope, error_slope = symbolic_abs(z3.RealVal("1/2") - c1 / 4 - ce / 2), c1 / 4 + ce / 2
    slope = z3.If(correct_slope >= error_slope, correct_slope, error_slope)
    stated = 1 + c1 + ce
    return {
        "theorem-1-linear": prove(
            "L is this polynomial in r, e, y and B", linear == SIGN_LOSS, assumptions=[*VALID_COSTS, *SIGN_DOMAIN]
        ),
        "theorem-1-product": prove(
            "er = |e + r| - 1 for e, r in {-1, +1}", symbolic_abs(e + r) - 1 == e * r, assumptions=SIGN_DOMAIN
        ),
        "theorem-1-constant": prove(
            "2 max_B |B/2 - c1/4 - ce/2| + c1/2 = max(1 - ce, c1 + ce)",
            2 * slope + c1 / 2 == COMPLEXITY_FACTOR,
            assumptions=VALID_COSTS,
        ),
        "theorem-1-looser": prove(
            "max(1 - ce, c1 + ce) <= 1 + c1 + ce <= 3 max(1 - ce, c1 + ce)",
            And(stated >= COMPLEXITY_FACTOR, stated <= 3 * COMPLEXITY_FACTOR),
            assumptions=VALID_COSTS,
        ),
        "theorem-1-looser-c1": prove(
            "1 + c1 + ce <= 2 max(1 - ce, c1 + ce) where c1 >= 1",
            stated <= 2 * COMPLEXITY_FACTOR,
            assumptions=[*VALID_COSTS, c1 >= 1],
        ),
    }


def stated_deviation() -> dict[str, Certificate]:
    r"""Where the stated deviation is enough although c = c1 + ce < 1.

    .. math:: (1 + c)\rho_R + c_1\rho_E + 3ct - 2t\sqrt{(1 + c + c_1)((1 + c)\rho_R + c_1\rho_E)} \geq
        \max(1 - c_e, c)\rho_R + c_1\rho_E + t

    with t = sqrt(ln(2/delta)/2n), rho the expected complexities: the left-hand side is a lower bound of the stated
    penalty, by the lower tail of a self-bounding function, the right-hand side an upper bound of the largest gap.

    Returns:
        Certificates "theorem-1-left", "theorem-1-middle-r" and "-e" (small t and Rad(E)), "theorem-1-one-server" and
        "theorem-1-cubic" (one server, c >= 0.856: every n and delta).

    >>> {certificate.verdict for certificate in stated_deviation().values()}
    {'proved'}
    """
    c, t, rad_r, rad_e, root = z3.Reals("c t rad_r rad_e root")
    domain = [*VALID_COSTS, c == c1 + ce, 3 * c > 1, c < 1, t > 0, rad_r >= 0, rad_e >= 0, root >= 0]
    total_factor, slack = 1 + c + c1, 3 * c - 1
    # the root of the sum is at most the sum of the roots, and each of these is at most half of the slack
    rejector_terms = [root**2 == total_factor * (1 + c) * rad_r, 2 * t * (1 + c) * total_factor <= c * slack]
    server_terms = [root**2 == total_factor * c1 * rad_e, 16 * c1 * total_factor * rad_e <= slack**2]
    one_server = [root**2 == (1 + c) ** 2 * rad_r, t * (1 + c) ** 2 <= c * slack]
    small_t, small_e = "t <= c(3c - 1)/(2(1 + c)(1 + c + c1))", "Rad(E) <= (3c - 1)^2/(16 c1 (1 + c + c1))"
    return {
        "theorem-1-left": prove(
            "1 + c - max(1 - ce, c) >= c for c < 1", 1 + c - COMPLEXITY_FACTOR >= c, assumptions=domain
        ),
        "theorem-1-middle-r": prove(
            f"c Rad(R) + (3c - 1)t/2 >= 2t sqrt((1 + c + c1)(1 + c) Rad(R)) for 1/3 < c < 1 and {small_t}",
            c * rad_r + slack * t / 2 >= 2 * t * root,
            assumptions=[*domain, *rejector_terms],
        ),
        "theorem-1-middle-e": prove(
            f"(3c - 1)t/2 >= 2t sqrt((1 + c + c1) c1 Rad(E)) for 1/3 < c < 1 and {small_e}",
            slack * t / 2 >= 2 * t * root,
            assumptions=[*domain, *server_terms],
        ),
        "theorem-1-one-server": prove(
            "With one server: c Rad(R) + (3c - 1)t >= 2t(1 + c) sqrt(Rad(R)) for 1/3 < c < 1, t <= c(3c - 1)/(1 + c)^2",
            c * rad_r + slack * t >= 2 * t * root,
            assumptions=[*domain, *one_server],
        ),
        "theorem-1-cubic": prove(
            "With one server and 0.856 <= c < 1 a larger t makes the penalty at least 1",
            Implies(t * (1 + c) ** 2 > c * slack, 3 * c * t >= 1),
            assumptions=[*domain, c >= z3.RealVal("0.856")],
        ),
    }
