"""Statements with exponentials on whole boxes, proved by interval arithmetic."""

import math
from typing import Any

from companion.proofs.counterexamples import exp, half_min_server_term
from companion.proofs.prover import Certificate, enclosing_interval, interval_context, prove_positive


def interval_max(a: Any, b: Any) -> Any:
    """The larger of two intervals' numbers.

    >>> from companion.proofs.prover import enclosing_interval
    >>> interval_max(enclosing_interval(-1, 2), enclosing_interval(0, 1)) == enclosing_interval(0, 2)
    True
    """
    return interval_context.mpf([max(a.a, b.a), max(a.b, b.b)])


def interval_min(a: Any, b: Any) -> Any:
    """The smaller of two intervals' numbers.

    >>> from companion.proofs.prover import enclosing_interval
    >>> interval_min(enclosing_interval(-1, 2), enclosing_interval(0, 1)) == enclosing_interval(-1, 1)
    True
    """
    return -interval_max(-a, -b)


def excess_envelope() -> dict[str, Certificate]:
    r"""A certified lower envelope of the surrogate excess, above what theorem 4A proves.

    .. math:: F(0) - \min F \geq 0.37\,(p - T)^2 \text{ where } |p - T| \geq 0.05 \quad
        \Big(\text{4A: } \frac{(p - T)^2}{2(1 + c_1 + c_e)} = 0.2326\,(p - T)^2\Big)

    At beta = 2 the reduced surrogate is F(r) = a e^{-r} + p e^{alpha r} with a = c1 s + ce = alpha T; on each piece any
    one r bounds min F from above.

    Returns:
        Certificate "envelope" for alpha(mu), c1 = 1, ce = 0.15, beta = 2.

    >>> excess_envelope()["envelope"].verdict
    'proved'
    """
    ce = enclosing_interval("0.15")

    def excess_margin(mu: Any, p: Any) -> Any:
        ask_slope, cost = 2 * half_min_server_term(mu) + ce, mu + ce
        alpha, distance = ask_slope / cost, p - cost
        middle = [float(number.mid) for number in (cost, p, alpha)]
        r = math.log(middle[0] / max(middle[1], 1e-9)) / (1 + middle[2])
        excess = ask_slope * (1 - exp(interval_context.mpf(-r))) + p * (1 - exp(alpha * r))
        near = enclosing_interval("0.05") - abs(distance)
        return interval_max(near, excess - enclosing_interval("0.37") * distance**2)

    statement = "F(0) - min F >= 0.37 (p - T)^2 where |p - T| >= 0.05; alpha(mu), c1 = 1, ce = 0.15, beta = 2"
    return {"envelope": prove_positive(statement, excess_margin, {"mu": (0, "1/2"), "p": (0, 1)}, max_boxes=50_000)}


def logistic_distribution() -> dict[str, Certificate]:
    r"""No constant alpha is right on the distribution T3 for small ce; at ce = 0.15 one is, within 10^-4.

    .. math:: \eta(x) = \frac{1}{1 + e^{-4x}}, \quad p(x) = 0.05 + \frac{0.55}{1 + e^{-12(x - 0.2)}}, \quad -1 < x < 1

    The surrogate asks at x iff alpha exceeds a number f(x). At x = -1 the Bayes rule asks, at x = 0.19 it keeps, and
    f(-1) > f(0.19).

    Returns:
        Certificates "logistic-no-constant" (ce in [0, 0.0319]), "logistic-keeps" and "logistic-asks" (ce = 0.15), for
        c1 = 1 and beta = 2.

    >>> {certificate.verdict for certificate in logistic_distribution().values()}
    {'proved'}
    """

    def terms_at(x: Any, ce: Any) -> tuple[Any, Any, Any]:
        odds = exp(4 * abs(x))
        p = enclosing_interval("0.05") + enclosing_interval("0.55") / (1 + exp(-12 * (x - enclosing_interval("0.2"))))
        ask_slope = 2 / (exp(2 * abs(x)) + exp(-2 * abs(x))) + ce  # 2 sqrt(mu (1 - mu)) + ce
        return p, p - 1 / (1 + odds) - ce, ask_slope

    def no_constant(ce: Any) -> Any:
        (p_ask, gain, pull_ask), (p_keep, loss, pull_keep) = (
            terms_at(enclosing_interval(x), ce) for x in ("-1", "0.19")
        )
        return interval_min(interval_min(gain, -loss), pull_ask / p_ask - pull_keep / p_keep)

    def agrees(x: Any, sign: int) -> Any:
        p, gain, ask_slope = terms_at(x, enclosing_interval("0.15"))
        return interval_min(sign * gain, sign * (enclosing_interval("2.49114") * p - ask_slope))

    rules_text = "at alpha = 2.49114 and ce = 0.15 both the Bayes rule and the surrogate"
    return {
        "logistic-no-constant": prove_positive(
            "No constant alpha is right everywhere on T3 for any ce in [0, 0.0319]", no_constant, {"ce": (0, "0.0319")}
        ),
        "logistic-keeps": prove_positive(
            f"On T3 {rules_text} keep for x <= 0.25605", lambda x: agrees(x, -1), {"x": (-1, "0.25605")}
        ),
        "logistic-asks": prove_positive(
            f"On T3 {rules_text} ask for x >= 0.2561", lambda x: agrees(x, 1), {"x": ("0.2561", 1)}
        ),
    }
