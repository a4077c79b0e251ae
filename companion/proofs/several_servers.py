"""The Bayes rule for several servers, dominance and monotonicity, proved for all reals, and two wrong rules refuted."""

import z3
from z3 import And, Implies

from companion.proofs.bayes import VALID_COSTS, c1, ce, mu, p, symbolic_min
from companion.proofs.prover import Certificate, prove

_c1_2, _ce_2, _q_1, _q_2 = z3.Reals("c1_2 ce_2 q_1 q_2")
_t_1, _t_2, _t_3 = z3.Reals("T_1 T_2 T_3")  # any costs of asking
_VALID_P = [p >= 0, p <= 1]
_VALID_ASK_COSTS = [_t_1 >= 0, _t_2 >= 0, _t_3 >= 0]
_VALID_SERVERS = [*VALID_COSTS, _c1_2 >= 0, _ce_2 >= 0, _q_1 >= 0, _q_1 <= 1, _q_2 >= 0, _q_2 <= 1]
_ask_1, _ask_2 = c1 * _q_1 + ce, _c1_2 * _q_2 + _ce_2


def several_servers_rules() -> dict[str, Certificate]:
    r"""The Bayes rule for several servers is at least as good as every rule, randomised ones included.

    .. math:: w_0 p + \sum_j w_j T_j \geq \min(p, T_1, \dots, T_k), \quad T_j = c_1^{(j)} q_j + c_e^{(j)}

    for all w >= 0 with sum 1, and the rule attains the minimum. For two servers it is proved from their costs and
    error probabilities. The step from k to k + 1 servers takes m, the minimum over keeping and k servers, and C >= m,
    the risk of any rule given that server k + 1 is not asked; with the theorem for one server, it is an induction over
    all k.

    Returns:
        Certificates "several-servers-two", "-step" and "-one" (what is left with one server is the Bayes rejector).

    >>> [certificate.verdict for certificate in several_servers_rules().values()]
    ['proved', 'proved', 'proved']

    Source: derived in the chapter on Bayes rules; one server: arXiv 2409.16253.
    """
    w_0, w_1, w_2, w, rest, least, t = z3.Reals("w_0 w_1 w_2 w C m T")
    risk = (1 - w) * rest + w * t
    cheapest = symbolic_min(_ask_1, _ask_2)
    rule_risk = z3.If(cheapest - p > 0, p, z3.If(_ask_1 <= _ask_2, _ask_1, _ask_2))
    return {
        "several-servers-two": prove(
            "No rule for two servers, randomised or not, has a risk below that of r* = min(T_1, T_2) - p",
            And(
                w_0 * p + w_1 * _ask_1 + w_2 * _ask_2 >= rule_risk,
                rule_risk == symbolic_min(p, cheapest),
            ),
            assumptions=[*_VALID_SERVERS, *_VALID_P, w_0 >= 0, w_1 >= 0, w_2 >= 0, w_0 + w_1 + w_2 == 1],
        ),
        "several-servers-step": prove(
            "If no rule for k servers has a risk below m, none for k + 1 has one below min(m, T); equality only "
            "without weight on a worse action",
            And(
                risk >= symbolic_min(least, t),
                Implies(And(least < t, w > 0), risk > least),
                Implies(And(least > t, w < 1), risk > t),
            ),
            assumptions=[w >= 0, w <= 1, rest >= least, least >= 0, t >= 0],
        ),
        "several-servers-one": prove(
            "A second server that costs no less changes neither the decision nor the risk: they are those of the "
            "Bayes rejector for the first",
            And((cheapest - p > 0) == (_ask_1 - p > 0), rule_risk == symbolic_min(p, _ask_1)),
            assumptions=[*_VALID_SERVERS, *_VALID_P, _ask_1 <= _ask_2],
        ),
    }


def dominated_servers() -> dict[str, Certificate]:
    r"""When a server can be left out, and what it is worth if not.

    .. math:: R^*_{-2} - R^* = \big(\min(p, T_1) - T_2\big)_+

    Returns:
        Certificates "server-value"; "server-value-diminishes" (a third server is worth no more than it is without the
        second); "dominated-server" (neither cost lower and no smaller error); "cheapest-server" (servers with
        the same error and the same c1); "c1-falls" (Bayes servers that all see x: as mu grows, one with a smaller c1
        stays the better one); and "more-accurate-server" (refuted: a smaller error alone does not dominate).

    >>> dominated_servers()["more-accurate-server"].verdict
    'refuted'
    """
    larger_mu = z3.Real("larger_mu")
    both, first = symbolic_min(p, symbolic_min(_t_1, _t_2)), symbolic_min(p, _t_1)
    gain = first - _t_2
    line_1, line_2 = c1 * mu + ce, _c1_2 * mu + _ce_2
    cheaper = [c1 <= _c1_2, ce <= _ce_2]
    return {
        "server-value": prove(
            "Leaving the second server out raises the risk by the positive part of min(p, T_1) - T_2",
            first - both == z3.If(gain > 0, gain, 0),
            assumptions=[*_VALID_ASK_COSTS, *_VALID_P],
        ),
        "server-value-diminishes": prove(
            "A server reduces the risk by no more if there is another server beside it",
            both - symbolic_min(both, _t_3) <= first - symbolic_min(first, _t_3),
            assumptions=[*_VALID_ASK_COSTS, *_VALID_P],
        ),
        "dominated-server": prove(
            "A server with no lower cost and no smaller error probability than another never has the lower cost",
            _ask_1 <= _ask_2,
            assumptions=[*_VALID_SERVERS, *cheaper, _q_1 <= _q_2],
        ),
        "cheapest-server": prove(
            "Of two servers with the same error probability and the same c1, the one with the lower ce is cheaper",
            (line_1 < line_2) == (ce < _ce_2),
            assumptions=[*_VALID_SERVERS, mu >= 0, mu <= 1, c1 == _c1_2],
        ),
        "c1-falls": prove(
            "Of two Bayes servers that see x, the one with the smaller c1 stays the better one as mu grows",
            c1 * larger_mu + ce <= _c1_2 * larger_mu + _ce_2,
            assumptions=[*_VALID_SERVERS, mu >= 0, larger_mu >= mu, larger_mu <= 1, c1 <= _c1_2, line_1 <= line_2],
        ),
        "more-accurate-server": prove(
            "A server with the smaller error probability never has the higher cost; any costs",
            _ask_1 <= _ask_2,
            assumptions=[*_VALID_SERVERS, _q_1 <= _q_2],
            example={"c1": 1, "c1_2": 1, "ce": "1/2", "ce_2": 0, "q_1": 0, "q_2": "1/4"},
        ),
    }


def several_servers_reactions() -> dict[str, Certificate]:
    r"""How the rule for two servers reacts to larger costs, and to a larger error probability of the client.

    .. math:: T_1 \leq T_1': \quad T_1' \leq \min(p, T_2) \implies T_1 \leq \min(p, T_2)

    T_2 stands for the least cost of asking any other server, so the statements hold for every k, up to ties: the rule
    asks the first of tied servers (tests/l2h/theory/test_several_servers.py has them).

    Returns:
        Certificates "larger-c1-asks-a-server-less", "larger-ce-asks-a-server-less", "larger-q-asks-a-server-less",
        "larger-p-asks-some-server-more" and "another-server-is-asked-more" (where the rule asked the other server
        at the lower cost of the first, it still does at a larger one).

    >>> {certificate.verdict for certificate in several_servers_reactions().values()}
    {'proved'}
    """
    more_c1, more_ce, more_q, more_p, more_t = z3.Reals("more_c1 more_ce more_q more_p more_T")
    domain = [*_VALID_SERVERS, *_VALID_P, *_VALID_ASK_COSTS]
    others = symbolic_min(p, _t_2)

    def asked_before(larger_cost: z3.ArithRef, condition: z3.BoolRef, name: str) -> Certificate:
        return prove(
            f"Where the rule asks a server at a larger {name}, it does at a smaller one, all else equal",
            Implies(larger_cost <= others, _ask_1 <= others),
            assumptions=[*domain, condition],
        )

    return {
        "larger-c1-asks-a-server-less": asked_before(more_c1 * _q_1 + ce, more_c1 >= c1, "c1"),
        "larger-ce-asks-a-server-less": asked_before(c1 * _q_1 + more_ce, more_ce >= ce, "ce"),
        "larger-q-asks-a-server-less": asked_before(c1 * more_q + ce, And(more_q >= _q_1, more_q <= 1), "q"),
        "larger-p-asks-some-server-more": prove(
            "Where the rule asks some server at p, it asks the same one at any larger p",
            Implies(And(_t_1 <= p, _t_1 <= _t_2), And(_t_1 <= more_p, _t_1 <= _t_2)),
            assumptions=[*domain, more_p >= p, more_p <= 1],
        ),
        "another-server-is-asked-more": prove(
            "Where the rule asks the second server, it still does if the first one costs more",
            Implies(And(_t_2 <= p, _t_2 < _t_1), And(_t_2 <= p, _t_2 < more_t)),
            assumptions=[*domain, more_t >= _t_1],
        ),
    }


def average_server() -> dict[str, Certificate]:
    r"""A wrong rule: decide to ask by the average server, then choose the cheapest one.

    .. math:: \text{ask iff } p \geq \tfrac12 (T_1 + T_2)

    It asks only where the Bayes rule asks, but not everywhere: an expensive server keeps it from asking a cheap one.
    Choosing the server first, and deciding by that one, is the Bayes rule.

    Returns:
        Certificates "average-server-asks-rightly" (proved) and "average-server" (refuted).

    >>> average_server()["average-server"].counterexample["p"]
    Fraction(1, 4)
    """
    average = (_ask_1 + _ask_2) / 2
    cheapest = symbolic_min(_ask_1, _ask_2)
    risk = z3.If(average - p > 0, p, cheapest)
    return {
        "average-server-asks-rightly": prove(
            "Where asking the average server is no worse than keeping, the Bayes rule asks",
            Implies(average <= p, cheapest <= p),
            assumptions=[*_VALID_SERVERS, *_VALID_P],
        ),
        "average-server": prove(
            "Asking iff the average server costs no more than keeping, then the cheapest one, has the Bayes risk",
            risk <= symbolic_min(p, cheapest),
            assumptions=[*_VALID_SERVERS, *_VALID_P],
            example={"c1": 1, "ce": 0, "q_1": 0, "c1_2": 1, "ce_2": "1/2", "q_2": "1/2", "p": "1/4"},
        ),
    }
