"""Bayes-optimal rejectors and servers when eta(x) = P(Y=1|x) and p(x) = P(M≠Y|x) are known."""

from l2h.problem import Costs


def ask_threshold(costs: Costs) -> float:
    r"""The error probability p_t above which it pays to ask, for a deterministic client.

    .. math:: p_t = \frac{c_1 + c_e}{1 + c_1} \text{ if } c_1 + 2 c_e \geq 1, \quad \frac{c_e}{1 - c_1} \text{ if not}

    A deterministic client has p in {mu, 1 - mu}, so that D(p) = p - c1 min(p, 1 - p) - ce alone decides;
    D has slope 1 - c1, then 1 + c1, and changes its sign once, at p_t.

    Args:
        costs: c1 and ce.

    Returns:
        p_t >= 0; at least 1 where ce >= 1, which no p exceeds.

    >>> round(ask_threshold(Costs(c1=1.0, ce=0.18)), 4)
    0.59

    Source: derived in the chapter on Bayes rules.
    """
    if costs.c1 + 2 * costs.ce >= 1:
        return (costs.c1 + costs.ce) / (1 + costs.c1)
    return costs.ce / (1 - costs.c1)
