r"""Several servers: a rejector with k + 1 actions, its risk, and which servers it ever asks.

Action 0 keeps the client's label, action j asks server j, which has costs (c1_j, ce_j) of its own and errs with
probability q_j(x). With one server, this is the rejector of `bayes`. The classes may be two or more.

Two cases: the servers are given, and any q_j in [0, 1] is possible; or they are trained and all see x, and each is
the Bayes server, so that all have the same q_j = mu. A trained server that sees more than x has
q_j(x) = E[1 - max_k P(Y=k|Z_j) | x], where Z_j is what it sees.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from l2h import checks
from l2h.problem import Costs, asks


def costs_by_action(p: Any, q: Any, *, costs: Sequence[Costs]) -> np.ndarray:
    r"""The expected cost of each action: keeping, then asking each server.

    .. math:: \big(p(x), \; c_1^{(1)} q_1(x) + c_e^{(1)}, \; \dots, \; c_1^{(k)} q_k(x) + c_e^{(k)}\big)

    Applied to events instead of probabilities, these are the costs that occurred.

    Args:
        p: P(M≠Y|x), any shape, in [0, 1]; or whether the client is wrong, 0 or 1.
        q: P(e_j≠Y|x) of the k servers, (..., k) with p's shape before the last axis, in [0, 1]; or whether each is
            wrong.
        costs: c1 and ce of each of the k >= 1 servers.

    Returns:
        (..., k + 1) costs >= 0.

    Raises:
        ValueError: if there is no server, the shapes do not fit, or a probability leaves [0, 1].

    >>> costs_by_action(0.5, [0.25, 0.0], costs=[Costs(c1=1.0, ce=0.0), Costs(c1=1.0, ce=0.125)])
    array([0.5  , 0.25 , 0.125])

    Source: derived in the chapter on Bayes rules.
    """
    _check_servers(costs)
    p, q = np.asarray(p), np.asarray(q)
    if q.shape != (*p.shape, len(costs)):
        raise ValueError(
            f"expected q of shape {(*p.shape, len(costs))}, p's shape and {len(costs)} servers, got {q.shape}"
        )
    checks.probabilities(p=p, q=q)
    keep = 1.0 * p[..., None]  # 1.0: the events may be booleans or unsigned integers
    return np.concatenate([keep, 1.0 * np.array([c.c1 for c in costs]) * q + np.array([c.ce for c in costs])], axis=-1)


def rejector_score(scores: Any) -> Any:
    r"""The rejector of k + 1 scores: that of keeping minus the largest one of a server; keep where it is > 0.

    .. math:: r = s_0 - \max_{j \geq 1} s_j

    Args:
        scores: (..., k + 1) one score for each action, the larger the better, keeping first.

    Returns:
        r, without the last axis.

    Raises:
        ValueError: if there are fewer than two actions or a score is NaN.

    >>> rejector_score([[1.0, 0.0, 0.5], [0.0, 0.0, -1.0]])
    array([0.5, 0. ])
    """
    scores = _as_scores(scores)
    return scores[..., 0] - scores[..., 1:].max(axis=-1)


def action_of_scores(scores: Any) -> Any:
    """The action with the largest score; at a tie with a server keeping loses, and the first of tied servers wins.

    Args:
        scores: (..., k + 1) one score for each action, the larger the better, keeping first: of a trained rejector, or
            the negative expected costs.

    Returns:
        Actions, without the last axis: 0 keeps, j asks server j.

    Raises:
        ValueError: if there are fewer than two actions or a score is NaN.

    >>> action_of_scores([[1.0, 0.0, 0.5], [0.0, 0.0, -1.0], [0.0, 1.0, 1.0]])
    array([0, 1, 1])
    """
    scores = _as_scores(scores)
    return np.where(asks(rejector_score(scores)), scores[..., 1:].argmax(axis=-1) + 1, 0)[()]


def several_servers_rejector(p: Any, q: Any, *, costs: Sequence[Costs]) -> Any:
    r"""The Bayes rejector for several servers as a score: the least cost of asking minus the cost of keeping.

    .. math:: r^*(x) = \min_j \big(c_1^{(j)} q_j(x) + c_e^{(j)}\big) - p(x)

    Args:
        p: P(M≠Y|x), any shape, in [0, 1].
        q: P(e_j≠Y|x) of the k servers, (..., k), in [0, 1].
        costs: c1 and ce of each server.

    Returns:
        r*, of p's shape; keep where it is > 0. At a tie it is 0, which asks (convention C1).

    Raises:
        ValueError: as `costs_by_action`.

    >>> float(several_servers_rejector(0.5, [0.25, 0.0], costs=[Costs(c1=1.0, ce=0.0), Costs(c1=1.0, ce=0.125)]))
    -0.375

    Source: derived in the chapter on Bayes rules; with one server, arXiv 2409.16253, Bayes rejector.
    """
    return rejector_score(-costs_by_action(p, q, costs=costs))


def bayes_action(p: Any, q: Any, *, costs: Sequence[Costs]) -> Any:
    r"""The Bayes rule for several servers: the action of the least expected cost.

    .. math:: a^*(x) = \begin{cases} 0 & p(x) < \min_j T_j(x), \\ \min \arg\min_j T_j(x) & \text{else,} \end{cases}
              \qquad T_j(x) = c_1^{(j)} q_j(x) + c_e^{(j)}

    A tie between keeping and asking asks (convention C1), a tie between servers asks the first one.

    Args:
        p: P(M≠Y|x), any shape, in [0, 1].
        q: P(e_j≠Y|x) of the k servers, (..., k), in [0, 1].
        costs: c1 and ce of each server.

    Returns:
        Actions of p's shape: 0 keeps, j asks server j.

    Raises:
        ValueError: as `costs_by_action`.

    A near server that errs more and a distant one that costs more to ask: each action is the best one somewhere.

    >>> near, distant = Costs(c1=1.0, ce=0.125), Costs(c1=1.0, ce=0.25)
    >>> p = np.array([0.125, 0.5, 0.5])
    >>> q = np.array([[0.25, 0.0], [0.25, 0.25], [0.5, 0.0]])
    >>> bayes_action(p, q, costs=[near, distant])
    array([0, 1, 2])

    Source: derived in the chapter on Bayes rules; with one server, arXiv 2409.16253, Bayes rejector.
    """
    return action_of_scores(-costs_by_action(p, q, costs=costs))


def several_servers_risk(p: Any, q: Any, *, costs: Sequence[Costs], actions: Any = None) -> Any:
    r"""The conditional risk of a rule for several servers, of the best one if none is given.

    .. math:: R^*(x) = \min\big(p(x), T_1(x), \dots, T_k(x)\big)

    Args:
        p: P(M≠Y|x), any shape, in [0, 1].
        q: P(e_j≠Y|x) of the k servers, (..., k), in [0, 1].
        costs: c1 and ce of each server.
        actions: of another rule, of p's shape, 0..k; None for the Bayes rule.

    Returns:
        Conditional risks of p's shape; their mean over x is the risk.

    Raises:
        ValueError: as `costs_by_action`, or if actions have another shape or coding.

    >>> p, q, costs = 0.5, [0.5, 0.25], [Costs(c1=1.0, ce=0.0), Costs(c1=1.0, ce=0.125)]
    >>> [float(several_servers_risk(p, q, costs=costs, actions=action)) for action in (None, 0, 1, 2)]
    [0.375, 0.5, 0.5, 0.375]

    Source: derived in the chapter on Bayes rules.
    """
    expected = costs_by_action(p, q, costs=costs)
    if actions is None:
        return expected.min(axis=-1)
    actions = np.asarray(actions)
    if actions.shape != expected.shape[:-1]:
        raise ValueError(f"expected actions of p's shape {expected.shape[:-1]}, got {actions.shape}")
    checks.class_labels(len(costs) + 1, actions=actions)
    return np.take_along_axis(expected, actions.astype(int)[..., None], axis=-1)[..., 0]


def value_of_server(p: Any, q: Any, *, costs: Sequence[Costs], server: int) -> Any:
    r"""How much the conditional risk of the Bayes rule grows if a server is left out.

    .. math:: V_j(x) = \Big(\min\big(p(x), \min_{i \neq j} T_i(x)\big) - T_j(x)\Big)_+

    Args:
        p: P(M≠Y|x), any shape, in [0, 1].
        q: P(e_j≠Y|x) of the k servers, (..., k), in [0, 1].
        costs: c1 and ce of each server.
        server: j in 1..k.

    Returns:
        Values >= 0 of p's shape; positive only where the rule asks server j.

    Raises:
        ValueError: as `costs_by_action`, or if there is no server of this number.

    >>> costs = [Costs(c1=1.0, ce=0.0), Costs(c1=1.0, ce=0.125)]
    >>> value_of_server(np.array([0.5, 0.5]), np.array([[0.5, 0.0], [0.0, 0.0]]), costs=costs, server=2)
    array([0.375, 0.   ])

    Source: derived in the chapter on Bayes rules.
    """
    expected = costs_by_action(p, q, costs=costs)
    checks.one_of(range(1, len(costs) + 1), server=server)
    return np.maximum(np.delete(expected, server, axis=-1).min(axis=-1) - expected[..., server], 0.0)


def ever_asked(costs: Sequence[Costs], *, lower: Any = 0.0, upper: Any = 1.0, largest_p: float = 1.0) -> np.ndarray:
    r"""Which servers the Bayes rule asks at some point of a region; without the others its risk is the same there.

    .. math:: c_1^{(j)} l_j + c_e^{(j)} \leq p_{max} \quad\text{and}\quad
              c_1^{(j)} l_j + c_e^{(j)} \leq c_1^{(i)} u_i + c_e^{(i)} \text{ for every } i \neq j
              \;(\text{strictly for } i < j)

    The region holds all q with l_i <= q_i <= u_i and all p up to p_max. Server j has its best chance at q_j = l_j,
    q_i = u_i and p = p_max, so one point decides.

    Args:
        costs: c1 and ce of each of the k servers.
        lower: l_i, a number or (k,), in [0, 1].
        upper: u_i >= l_i, likewise.
        largest_p: p_max in [0, 1], the client's largest error probability.

    Returns:
        (k,) booleans.

    Raises:
        ValueError: if there is no server, a bound leaves [0, 1], or a lower bound exceeds its upper one.

    The first server is never asked if it errs in a quarter of the cases at least and another one in an eighth at most.

    >>> costs = [Costs(c1=1.0, ce=0.25), Costs(c1=1.0, ce=0.25)]
    >>> ever_asked(costs), ever_asked(costs, lower=[0.25, 0.0], upper=[1.0, 0.125])
    (array([ True,  True]), array([False,  True]))

    Source: derived in the chapter on Bayes rules.
    """
    _check_servers(costs)
    lower_bounds, upper_bounds = (np.broadcast_to(np.asarray(b, dtype=float), (len(costs),)) for b in (lower, upper))
    checks.probabilities(lower_bounds=lower_bounds, upper_bounds=upper_bounds, largest_p=largest_p)
    if (lower_bounds > upper_bounds).any():
        raise ValueError(f"expected lower bounds <= upper ones, got {lower_bounds} and {upper_bounds}")
    # row j: the point of the region at which server j has the best chance
    best_chances = np.where(np.eye(len(costs), dtype=bool), lower_bounds, upper_bounds)
    actions = [bayes_action(largest_p, q, costs=costs) for q in best_chances]
    return np.array(actions) == np.arange(len(costs)) + 1


def cheapest_ranges(costs: Sequence[Costs], *, classes: int = 2) -> list[tuple[float, float] | None]:
    r"""For Bayes servers that all see x: the values of their common error mu at which the rule takes each server.

    .. math:: T_j(\mu) = c_1^{(j)}\mu + c_e^{(j)}, \quad 0 \leq \mu \leq 1 - \frac{1}{K}

    Each T_j is a line, and the servers asked are those of the lower envelope: as mu grows, c1 of the server asked
    falls. A server with neither cost below those of another one has no range. Among servers of equal c1 only the one
    with the least ce has a range.

    Args:
        costs: c1 and ce of each of the k servers.
        classes: K >= 2.

    Returns:
        For each server the ends of its interval of mu, or None if it has none; of equal servers the first has it.
        The intervals cover [0, 1 - 1/K].

    Raises:
        ValueError: if there is no server or there are fewer than two classes.

    >>> cheapest_ranges([Costs(c1=1.0, ce=0.0), Costs(c1=0.5, ce=0.125), Costs(c1=0.5, ce=0.25)])
    [(0.0, 0.25), (0.25, 0.5), None]

    Source: derived in the chapter on Bayes rules.
    """
    _check_servers(costs)
    checks.integer(2, classes=classes)
    return [_cheapest_range(costs, j, 1 - 1 / classes) for j in range(len(costs))]


def _cheapest_range(costs: Sequence[Costs], j: int, largest: float) -> tuple[float, float] | None:
    low, high = 0.0, largest
    for i, other in enumerate(costs):
        extra_c1, extra_ce = other.c1 - costs[j].c1, other.ce - costs[j].ce
        if extra_c1 > 0:
            low = max(low, -extra_ce / extra_c1)
        elif extra_c1 < 0:
            high = min(high, -extra_ce / extra_c1)
        elif extra_ce < 0 or (extra_ce == 0 and i < j):
            return None
    return (low, high) if low < high else None


def _check_servers(costs: Sequence[Costs]) -> None:
    if isinstance(costs, Costs) or not costs or not all(isinstance(server, Costs) for server in costs):
        raise ValueError(f"expected the costs of at least one server, a sequence of Costs, got {costs!r}")


def _as_scores(scores: Any) -> np.ndarray:
    scores = np.asarray(scores, dtype=float)
    if scores.ndim == 0 or scores.shape[-1] < 2:
        raise ValueError(f"expected scores (..., k + 1) of keeping and k >= 1 servers, got shape {scores.shape}")
    if np.isnan(scores).any():
        raise ValueError(f"expected scores that are numbers, got {int(np.isnan(scores).sum())} NaN")
    return scores
