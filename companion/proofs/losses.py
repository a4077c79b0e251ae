"""The surrogate's and the margin loss's inequalities, and the weights of the multi-class loss, proved for all reals.

An exponential is a variable of which only this is known: it is positive, and at least 1 where its exponent is >= 0.
"""

import z3
from z3 import And, Implies, Or

from companion.proofs.bayes import VALID_COSTS, c1, ce, p
from companion.proofs.prover import Certificate, prove

alpha, beta, e, r, y, client_error, server_error_rate = z3.Reals("alpha beta e r y error of_e")
server_exponential, ask_exponential, keep_exponential = z3.Reals(
    "served asked kept"
)  # the three exponentials of the surrogate
VALID_LABELS = Or(y == 1, y == -1)
SERVER_WRONG = z3.If(e >= 0, y == -1, y == 1)  # the server's label, convention C2
ZERO_ONE_LOSS = z3.If(r > 0, client_error, ce + z3.If(SERVER_WRONG, c1, 0))
VALID_CLIENT_ERROR = Or(client_error == 0, client_error == 1)  # 1[m != y]


def exponential_facts(value: z3.ArithRef, exponent: z3.ArithRef) -> z3.BoolRef:
    """The properties of value = exp(exponent) that the proofs use.

    >>> exponential_facts(z3.Real("E"), z3.Real("t"))
    And(E > 0, Implies(t >= 0, E >= 1))
    """
    return And(value > 0, Implies(exponent >= 0, value >= 1))


def upper_bound() -> dict[str, Certificate]:
    r"""The surrogate is at least the generalized 0-1 loss for all alpha, beta >= 0, case by case.

    .. math:: L \leq c_1 e^{\frac{\beta}{2}(-ey - r)} + c_e e^{-r} + 1[m \neq y] e^{\alpha r}

    Returns:
        Certificates "upper-bound-..." for kept errors and right answers, wrong and right servers.

    >>> {certificate.verdict for certificate in upper_bound().values()}
    {'proved'}

    Source: arXiv 2409.16253, the surrogate loss is an upper bound.
    """
    surrogate = c1 * server_exponential + ce * ask_exponential + client_error * keep_exponential
    exponentials = [
        exponential_facts(server_exponential, beta / 2 * (-e * y - r)),
        exponential_facts(ask_exponential, -r),
        exponential_facts(keep_exponential, alpha * r),
    ]
    domain = [*VALID_COSTS, alpha >= 0, beta >= 0, VALID_LABELS, VALID_CLIENT_ERROR, *exponentials]
    cases = {
        "kept-error": ("r > 0 and m != y", [r > 0, client_error == 1]),
        "kept-right": ("r > 0 and m = y", [r > 0, client_error == 0]),
        "asked-error": ("r <= 0 and a wrong server", [r <= 0, SERVER_WRONG]),
        "asked-right": ("r <= 0 and a right server", [r <= 0, z3.Not(SERVER_WRONG)]),
    }
    return {
        f"upper-bound-{name}": prove(
            f"L <= L_S for all alpha, beta >= 0 where {description}",
            surrogate >= ZERO_ONE_LOSS,
            assumptions=domain + case,
        )
        for name, (description, case) in cases.items()
    }


def convexity() -> dict[str, Certificate]:
    r"""The surrogate is jointly convex in (r, e) for all alpha and beta, and where strictly.

    .. math:: \nabla^2 L_S = \tfrac{\beta^2}{4} c_1 A \begin{pmatrix} 1 & y \\ y & 1 \end{pmatrix}
        + (c_e B + \alpha^2 1[m \neq y] C) \begin{pmatrix} 1 & 0 \\ 0 & 0 \end{pmatrix}

    with A, B, C the exponentials, all positive.

    Returns:
        Certificates "convex" and "strictly-convex" (iff c1 beta != 0, and ce > 0 or alpha 1[m != y] != 0).

    >>> [certificate.verdict for certificate in convexity().values()]
    ['proved', 'proved']
    """
    second_derivative_e = beta**2 / 4 * c1 * server_exponential
    second_derivative_r = second_derivative_e + ce * ask_exponential + alpha**2 * client_error * keep_exponential
    determinant = second_derivative_r * second_derivative_e - (y * second_derivative_e) ** 2
    domain = [
        *VALID_COSTS,
        VALID_LABELS,
        VALID_CLIENT_ERROR,
        server_exponential > 0,
        ask_exponential > 0,
        keep_exponential > 0,
    ]
    strict = And(c1 * beta != 0, Or(ce > 0, alpha * client_error != 0))
    return {
        "convex": prove(
            "The surrogate's Hessian in (r, e) is positive semidefinite for all alpha, beta",
            And(second_derivative_r >= 0, second_derivative_e >= 0, determinant >= 0),
            assumptions=domain,
        ),
        "strictly-convex": prove(
            "It is positive definite iff c1 beta != 0 and (ce > 0 or m != y with alpha != 0)",
            And(second_derivative_r > 0, determinant > 0) == strict,
            assumptions=domain,
        ),
    }


def margin_loss_range() -> dict[str, Certificate]:
    r"""The margin loss lies between the generalized 0-1 loss and 1 + c1 + ce.

    .. math:: L \leq 1[m \neq y] \Phi(r/\rho) + c_e \Phi(-r/\rho) + c_1 \Phi(-(ey + r)/(2\rho)) \leq 1 + c_1 + c_e

    Returns:
        Certificate "margin-loss".

    >>> margin_loss_range()["margin-loss"].verdict
    'proved'
    """
    rho = z3.Real("rho")

    def ramp(t: z3.ArithRef) -> z3.ArithRef:
        return z3.If(t <= -1, 0, z3.If(t >= 0, 1, 1 + t))

    loss = client_error * ramp(r / rho) + ce * ramp(-r / rho) + c1 * ramp(-(e * y + r) / (2 * rho))
    statement = "L <= L_rho <= 1 + c1 + ce for every rho > 0"
    domain = [*VALID_COSTS, rho > 0, VALID_LABELS, VALID_CLIENT_ERROR]
    return {"margin-loss": prove(statement, And(loss >= ZERO_ONE_LOSS, loss <= 1 + c1 + ce), assumptions=domain)}


def stage_weight_signs() -> dict[str, Certificate]:
    r"""The weight of asking in the multi-class loss: its sign, and where its minimiser asks.

    .. math:: w = 1 - c_e - c_1 1[e \neq y], \qquad E[w|x] > 1 - p \iff p > c_e + c_1 P(e \neq Y|x)

    Returns:
        Certificates "stage-weight" (>= 0 iff c1 + ce <= 1), "stage-weight-any-costs" (refuted) and "stage-rule".

    >>> [certificate.verdict for certificate in stage_weight_signs().values()]
    ['proved', 'refuted', 'proved']
    """
    weight = 1 - ce - c1 * server_error_rate  # server_error_rate is 1[e != y]; in the rule it is the mean given x
    domain = [*VALID_COSTS, server_error_rate >= 0, server_error_rate <= 1]
    min_weight = z3.substitute(weight, (server_error_rate, z3.RealVal(1)))
    return {
        "stage-weight": prove(
            "The weight is >= 0 for right and wrong servers iff c1 + ce <= 1",
            And((min_weight >= 0) == (c1 + ce <= 1), Implies(c1 + ce <= 1, weight >= 0)),
            assumptions=domain,
        ),
        "stage-weight-any-costs": prove(
            "The weight is >= 0 whatever the costs",
            weight >= 0,
            assumptions=[*domain, Or(server_error_rate == 0, server_error_rate == 1)],
            example={"c1": 1, "ce": "3/20", "of_e": 1},
        ),
        "stage-rule": prove(
            "The mean weight exceeds 1 - p iff p > ce + c1 P(e != Y|x)",
            (weight > 1 - p) == (p > ce + c1 * server_error_rate),
            assumptions=[*domain, p >= 0, p <= 1],
        ),
    }


def released_stage_weight() -> dict[str, Certificate]:
    r"""The weight in the released code has the sign of the server's error reversed, so the rejector asks too often.

    .. math:: w = 1 - c_e + c_1 1[e \neq y]: \quad \text{asks iff } p > c_e - c_1 P(e \neq Y|x)

    Returns:
        Certificates "released-weight" (refuted), "released-weight-asks", "released-weight-wrong" (exactly where) and
        "released-weight-excess" (what it costs there).

    >>> {name: str(number) for name, number in released_stage_weight()["released-weight"].counterexample.items()}
    {'p': '1/10', 'of_e': '1/2', 'c1': '1', 'ce': '1/5'}
    """
    domain = [*VALID_COSTS, server_error_rate >= 0, server_error_rate <= 1, p >= 0, p <= 1]
    released, correct = 1 - ce + c1 * server_error_rate > 1 - p, p > ce + c1 * server_error_rate
    excess = c1 * server_error_rate + ce - p
    return {
        "released-weight": prove(
            "The released weight asks exactly where the correct one asks",
            released == correct,
            assumptions=domain,
            example={"p": "1/10", "of_e": "1/2", "c1": 1, "ce": "1/5"},
        ),
        "released-weight-asks": prove(
            "The released weight asks iff p > ce - c1 P(e != Y|x)",
            released == (p > ce - c1 * server_error_rate),
            assumptions=domain,
        ),
        "released-weight-wrong": prove(
            "It differs from the correct rule iff ce - c1 P(e != Y|x) < p <= ce + c1 P(e != Y|x), and then it asks",
            (released != correct) == And(released, p > ce - c1 * server_error_rate, p <= ce + c1 * server_error_rate),
            assumptions=domain,
        ),
        "released-weight-excess": prove(
            "Where it differs, the excess risk c1 P + ce - p lies in [0, 2 c1 P)",
            Implies(released != correct, And(excess >= 0, excess < 2 * c1 * server_error_rate)),
            assumptions=domain,
        ),
    }
