"""The Bayes rules and where each action is ever optimal, proved for all reals."""

import z3
from z3 import And, Implies, Or

from companion.proofs.prover import Certificate, prove
from l2h.theory.bayes import CLIENT_KINDS

c1, ce, eta, mu, p = z3.Reals("c1 ce eta mu p")
VALID_COSTS = [c1 >= 0, ce >= 0]
VALID_MU = [mu >= 0, 2 * mu <= 1]
ASK_COST = c1 * mu + ce  # T


def symbolic_min(a: z3.ArithRef, b: z3.ArithRef) -> z3.ArithRef:
    """The smaller of two terms.

    >>> z3.simplify(symbolic_min(z3.RealVal(2), z3.RealVal(1)))
    1
    """
    return z3.If(a <= b, a, b)


def admissibility_condition(client: str, p: z3.ArithRef, mu: z3.ArithRef) -> z3.BoolRef:
    """The values of p = P(M≠Y|x) that a client of this kind may have where the best server errs with probability mu.

    >>> admissibility_condition("independent", p, mu)
    And(mu <= p, p <= 1 - mu)
    """
    return {
        "deterministic": Or(p == mu, p == 1 - mu),
        "independent": And(mu <= p, p <= 1 - mu),
        "free": And(p >= 0, p <= 1),
    }[client]


def bayes_rules() -> dict[str, Certificate]:
    r"""The Bayes rule for each kind of client is at least as good as every decision, randomised ones included.

    .. math:: q\, p + (1 - q)(c_1 P(\text{label} \neq Y | x) + c_e) \geq \min(p, c_1 \mu + c_e)

    for keeping with probability q and answering +1 with any probability, with equality only where q is the Bayes
    decision or p = T.

    Returns:
        Certificates "bayes-rule-deterministic", "-independent" and "-free".

    >>> [certificate.verdict for certificate in bayes_rules().values()]
    ['proved', 'proved', 'proved']

    Source: arXiv 2409.16253, the Bayes rules.
    """
    keep, up = z3.Reals("keep up")
    risk = keep * p + (1 - keep) * (c1 * (up * (1 - eta) + (1 - up) * eta) + ce)
    rule_risk = z3.If(ASK_COST - p > 0, p, c1 * z3.If(2 * eta - 1 >= 0, 1 - eta, eta) + ce)
    claim = And(
        risk >= rule_risk,
        rule_risk == symbolic_min(p, ASK_COST),
        Implies(And(p < ASK_COST, keep < 1), risk > rule_risk),
        Implies(And(p > ASK_COST, keep > 0), risk > rule_risk),
    )
    decisions = [eta >= 0, eta <= 1, mu == symbolic_min(eta, 1 - eta), keep >= 0, keep <= 1, up >= 0, up <= 1]
    statement = (
        "No decision, randomised or not, has a risk below r* = T - p with e* = 2 eta - 1, for a client of kind: "
    )
    return {
        f"bayes-rule-{kind}": prove(
            statement + kind, claim, assumptions=[*VALID_COSTS, *decisions, admissibility_condition(kind, p, mu)]
        )
        for kind in CLIENT_KINDS
    }


def optimal_ranges() -> dict[str, Certificate]:
    r"""For which costs asking, and keeping, is strictly optimal for some admissible (p, mu).

    .. math:: \exists (p, \mu): p > T \iff c_e < 1, \qquad
        \exists (p, \mu): p < T \iff c_e > 0 \text{ or } c_1 > 1 \;(\text{free client: or } c_1 > 0)

    One direction is proved for all (p, mu), the other at a witness.

    Returns:
        Certificates "asking-", "keeping-" and "always-asking-" followed by the kind of client.

    >>> optimal_ranges()["always-asking-free"].counterexample["p"]
    Fraction(0, 1)
    """
    return {name: certificate for kind in CLIENT_KINDS for name, certificate in _ranges(kind).items()}


def _ranges(kind: str) -> dict[str, Certificate]:
    domain, free = [*VALID_COSTS, *VALID_MU, admissibility_condition(kind, p, mu)], kind == "free"
    zero, half, one = z3.RealVal(0), z3.RealVal("1/2"), z3.RealVal(1)
    ask = And(admissibility_condition(kind, one, zero), c1 * zero + ce < one)  # the witness: p = 1, mu = 0
    costly = Or(ce > 0, c1 > 0) if free else Or(ce > 0, c1 > 1)
    best = half if free else z3.If(ce > 0, zero, half)  # the witness: this mu, with p = 0 or p = mu
    client_error = zero if free else best
    keep = And(admissibility_condition(kind, client_error, best), client_error < c1 * best + ce)
    return {
        f"asking-{kind}": prove(
            f"Asking is strictly optimal for some (p, mu) iff ce < 1; client: {kind}",
            And(Implies(p > ASK_COST, ce < 1), Implies(ce < 1, ask)),
            assumptions=domain,
        ),
        f"keeping-{kind}": prove(
            f"Keeping is strictly optimal for some (p, mu) iff ce > 0 or c1 > {0 if free else 1}; client: {kind}",
            And(Implies(p < ASK_COST, costly), Implies(costly, keep)),
            assumptions=domain,
        ),
        f"always-asking-{kind}": prove(
            f"With ce = 0 and c1 <= 1 it is optimal to ask always; client: {kind}",
            p >= ASK_COST,
            assumptions=[*domain, ce == 0, c1 <= 1],
            example={"p": 0, "mu": "1/2", "c1": 1, "ce": 0} if free else None,
        ),
    }


def deterministic_client() -> dict[str, Certificate]:
    r"""One threshold on p for a deterministic client, and when the gain of asking grows with p.

    .. math:: p > c_1 \min(p, 1 - p) + c_e \iff p > p_t, \quad p_t = \frac{c_1 + c_e}{1 + c_1}
        \text{ if } c_1 + 2 c_e \geq 1, \; \frac{c_e}{1 - c_1} \text{ if not}

    A gain that does not fall with p makes {p > tau} the best set to ask at its own coverage, whatever tau.

    Returns:
        Certificates "ask-threshold", "gain-grows" (c1 <= 1) and "gain-grows-any-c1" (refuted).

    >>> [certificate.verdict for certificate in deterministic_client().values()]
    ['proved', 'proved', 'refuted']
    """
    larger = z3.Real("larger")
    high, low = c1 + 2 * ce >= 1, c1 + 2 * ce < 1
    gain = p - c1 * symbolic_min(p, 1 - p) - ce
    gain_of_larger = larger - c1 * symbolic_min(larger, 1 - larger) - ce
    threshold = And(
        Implies(high, (gain > 0) == (p * (1 + c1) > c1 + ce)), Implies(low, (gain > 0) == (p * (1 - c1) > ce))
    )
    order = [*VALID_COSTS, p >= 0, p < larger, larger <= 1]
    return {
        "ask-threshold": prove(
            "A deterministic client should ask iff p > p_t", threshold, assumptions=[*VALID_COSTS, p >= 0, p <= 1]
        ),
        "gain-grows": prove(
            "The gain of asking does not fall with p; deterministic client, c1 <= 1",
            gain <= gain_of_larger,
            assumptions=[*order, c1 <= 1],
        ),
        "gain-grows-any-c1": prove(
            "The gain of asking does not fall with p; deterministic client, any c1",
            gain <= gain_of_larger,
            assumptions=order,
            example={"p": "1/10", "larger": "2/10", "c1": 2, "ce": 0},
        ),
    }


def conventions() -> dict[str, Certificate]:
    r"""Convention C2 for ties: with the literal indicator a score of 0 is an error for both labels.

    .. math:: \eta 1[e \leq 0] + (1 - \eta) 1[-e \leq 0] \leq \max(\eta, 1 - \eta)

    Returns:
        Certificates "literal-tie" (refuted) and "tie-convention" (proved).

    >>> conventions()["literal-tie"].counterexample["e"]
    Fraction(0, 1)
    """
    e = z3.Real("e")
    literal = z3.If(e <= 0, eta, 0) + z3.If(-e <= 0, 1 - eta, 0)
    repaired = z3.If(e >= 0, 1 - eta, eta)
    worst = z3.If(eta >= 1 - eta, eta, 1 - eta)
    domain = [eta >= 0, eta <= 1]
    return {
        "literal-tie": prove(
            "With the literal 1[ey <= 0] a server errs with probability at most max(eta, 1 - eta), whatever e",
            literal <= worst,
            assumptions=domain,
            example={"e": 0, "eta": "1/2"},
        ),
        "tie-convention": prove(
            "With label +1 iff e >= 0 a server errs with probability at most max(eta, 1 - eta), whatever e",
            repaired <= worst,
            assumptions=domain,
        ),
    }


def monotone_rules() -> dict[str, Certificate]:
    r"""Larger costs lead to fewer offloads, and a larger error probability of the client to more.

    .. math:: p' \leq p, \; c_1 \leq c_1', \; c_e \leq c_e': \quad
        p' \geq c_1'\mu + c_e' \implies p \geq c_1\mu + c_e

    For a deterministic client p cannot grow at a fixed mu, so the costs change its threshold; the threshold grows with
    both costs as long as ce <= 1, that is, as long as asking is optimal anywhere.

    Returns:
        Certificates "larger-c1-asks-less", "larger-ce-asks-less" and "larger-p-asks-more" (all clients);
        "threshold-grows" (deterministic) and "threshold-grows-any-ce" (refuted: above ce = 1 the formula falls
        towards 1, which no p exceeds).

    >>> [certificate.verdict for certificate in monotone_rules().values()]
    ['proved', 'proved', 'proved', 'proved', 'refuted']

    Source: arXiv 2409.16253, the remark on larger costs and larger P(M≠Y|x).
    """
    more_c1, more_ce, more_p, p_t, more_p_t = z3.Reals("more_c1 more_ce more_p p_t more_p_t")
    domain = [*VALID_COSTS, *VALID_MU, p >= 0, p <= 1]
    asks = p >= ASK_COST

    def is_threshold(t: z3.ArithRef, c1: z3.ArithRef, ce: z3.ArithRef) -> z3.BoolRef:
        return z3.If(c1 + 2 * ce >= 1, t * (1 + c1) == c1 + ce, t * (1 - c1) == ce)

    order = [
        *VALID_COSTS, c1 <= more_c1, ce <= more_ce, is_threshold(p_t, c1, ce), is_threshold(more_p_t, more_c1, more_ce)
    ]  # fmt: skip
    grows = p_t <= more_p_t
    return {
        "larger-c1-asks-less": prove(
            "Where it is best to ask at a larger c1, it is at a smaller one, all else equal",
            Implies(p >= more_c1 * mu + ce, asks),
            assumptions=[*domain, more_c1 >= c1],
        ),
        "larger-ce-asks-less": prove(
            "Where it is best to ask at a larger ce, it is at a smaller one, all else equal",
            Implies(p >= c1 * mu + more_ce, asks),
            assumptions=[*domain, more_ce >= ce],
        ),
        "larger-p-asks-more": prove(
            "Where it is best to ask at p, it is at any larger p, all else equal",
            Implies(asks, more_p >= ASK_COST),
            assumptions=[*domain, more_p >= p, more_p <= 1],
        ),
        "threshold-grows": prove(
            "p_t does not fall with c1 or ce, for ce <= 1", grows, assumptions=[*order, more_ce <= 1]
        ),
        "threshold-grows-any-ce": prove(
            "p_t does not fall with c1 or ce",
            grows,
            assumptions=order,
            example={"c1": 0, "more_c1": 1, "ce": 2, "more_ce": 2, "p_t": 2, "more_p_t": "3/2"},
        ),
    }
