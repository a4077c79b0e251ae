"""A distribution with many classes on which a server must specialise, solved exactly: `specialist` for K = 2J.

There are J groups that the server can distinguish, and in each group two kinds of points that it cannot: frequent ones,
on which the client is right, and rare ones, on which the client errs. A server trained on all points predicts the label
of the frequent ones and does not help; one that learns from the points asked about predicts the label of the rare ones.
"""

from typing import NamedTuple

import numpy as np

from l2h import checks
from l2h.losses.deferral import ask_cost
from l2h.problem import Costs, asks, server_label
from l2h.theory.bayes import pointwise_bayes_risk

MAX_ALTERNATIONS = 500  # some tens are enough
NEWTON_ITERATIONS = 60
ALTERNATION_TOLERANCE = 1e-12


class GroupedDistribution(NamedTuple):
    """The kinds of points of a discrete distribution."""

    mass: np.ndarray  # (n,) probabilities
    group: np.ndarray  # (n,) the input of the server, 0..G-1
    eta: np.ndarray  # (n, K) posteriors
    m: np.ndarray  # (n,) the client's labels

    @property
    def p(self) -> np.ndarray:
        """P(M≠Y|x), (n,)."""
        return 1 - np.take_along_axis(self.eta, self.m[:, None], 1)[:, 0]


class RejectorAndServer(NamedTuple):
    """A rejector that reads the kind of the point, and a server that reads its group only."""

    r: np.ndarray  # (n,) scores
    e: np.ndarray  # (G, K) scores


def specialist_distribution(n_groups: int, *, rare: float = 0.25, noise: float = 0.05) -> GroupedDistribution:
    r"""J groups with a frequent and a rare class each; the client predicts the frequent one everywhere.

    .. math:: P(\text{rare}) = 0.25, \quad P(Y = B|x) = 0.95, \quad m(x) = \text{the frequent class of the group}

    Args:
        n_groups: J >= 1; there are 2J classes, and with J = 1 the risks are those of `distributions.specialist`.
        rare: probability of the rare points, in [0, 1].
        noise: probability of another label than the point's own, uniform over the other classes.

    Returns:
        The 2J atoms, the frequent ones first.

    Raises:
        ValueError: if there is no group or a probability leaves [0, 1].

    >>> specialist_distribution(2).p.round(4)
    array([0.05  , 0.05  , 0.9833, 0.9833])

    Source: this project; for J = 1 the distribution `specialist` with two classes.
    """
    checks.at_least(1, n_groups=n_groups)
    checks.probabilities(rare=rare, noise=noise)
    classes = 2 * n_groups
    eta = np.full((classes, classes), noise / (classes - 1))
    np.fill_diagonal(eta, 1 - noise)
    mass = np.repeat([(1 - rare) / n_groups, rare / n_groups], n_groups)
    group = np.tile(np.arange(n_groups), 2)
    return GroupedDistribution(mass, group, eta, group)


def system_risk(atoms: GroupedDistribution, tables: RejectorAndServer, *, costs: Costs) -> float:
    """The generalized 0-1 risk of a rejector and a server.

    >>> never_ask = RejectorAndServer(np.ones(2), np.zeros((1, 2)))
    >>> round(system_risk(specialist_distribution(1), never_ask, costs=Costs()), 3)
    0.275
    """
    asking = ask_cost(_server_error(atoms, tables.e), costs=costs)
    return float(atoms.mass @ np.where(asks(tables.r), asking, atoms.p))


def min_system_risk(atoms: GroupedDistribution, *, costs: Costs) -> float:
    """The least risk of any rejector with a server that reads the group only: the best label for each group.

    >>> round(min_system_risk(specialist_distribution(1), costs=Costs(c1=1.0, ce=0.15)), 4)
    0.0875
    """
    risks = pointwise_bayes_risk(1 - atoms.eta, atoms.p[:, None], costs=costs)  # (n, K) for each label of the server
    return float((_group_indicator(atoms) @ (atoms.mass[:, None] * risks)).min(1).sum())


def with_best_rejector(atoms: GroupedDistribution, e: np.ndarray, *, costs: Costs) -> RejectorAndServer:
    r"""A server with the best rejector for it, the minimiser of the cost-swapped logistic loss.

    .. math:: r = \log \frac{c_e + c_1 P(e \neq Y|x)}{p}

    Args:
        atoms: with p > 0.
        e: (G, K) scores of any server.
        costs: c1 and ce, not both 0.

    Returns:
        The rejector and the server.

    >>> with_best_rejector(specialist_distribution(1), np.array([[1.0, 0.0]]), costs=Costs(c1=1.0, ce=0.15)).r.round(3)
    array([1.386, 0.147])
    """
    asking = ask_cost(_server_error(atoms, e), costs=costs)
    return RejectorAndServer(np.log(asking) - np.log(atoms.p), e)


def solve_plain(atoms: GroupedDistribution, *, costs: Costs) -> RejectorAndServer:
    """The server that minimises cross-entropy on all points, with the best rejector for it: stage switching.

    >>> atoms, costs = specialist_distribution(1), Costs(1.0, 0.15)
    >>> round(system_risk(atoms, solve_plain(atoms, costs=costs), costs=costs), 3)
    0.275
    """
    return with_best_rejector(atoms, _cross_entropy_server(atoms, np.zeros(len(atoms.mass)), 0.0), costs=costs)


def solve_staged(atoms: GroupedDistribution, *, costs: Costs, beta: float) -> RejectorAndServer:
    r"""The fixed point of training in stages, started from the plain server, with the loss `weighted_cross_entropy`.

    .. math:: e_g \propto \log \sum_{x \in g} P(x) e^{-\frac{\beta}{2} r(x)} \eta(x), \qquad
              r = \log \frac{c_e + c_1 P(e \neq Y|x)}{p}

    Args:
        atoms: with p > 0.
        costs: c1 and ce, not both 0.
        beta: >= 0; at 0 the server stays the plain one.

    Returns:
        The rejector and the server at the fixed point.

    Raises:
        ValueError: if beta is negative.
        FloatingPointError: if the alternation does not converge.

    >>> atoms, costs = specialist_distribution(1), Costs(1.0, 0.15)
    >>> [round(system_risk(atoms, solve_staged(atoms, costs=costs, beta=beta), costs=costs), 4) for beta in (1.0, 2.0)]
    [0.275, 0.0875]
    """
    checks.at_least(0, beta=beta)
    tables = solve_plain(atoms, costs=costs)
    for _ in range(MAX_ALTERNATIONS):
        previous = tables.r
        tables = with_best_rejector(atoms, _cross_entropy_server(atoms, previous, beta), costs=costs)
        if np.abs(tables.r - previous).max() < ALTERNATION_TOLERANCE:
            return tables
    raise FloatingPointError(f"expected convergence within {MAX_ALTERNATIONS} alternations, with beta = {beta:g}")


def solve_convex(atoms: GroupedDistribution, *, costs: Costs, alpha: float, beta: float) -> RejectorAndServer:
    r"""The unique minimiser of the surrogate for K classes over rejector and server, by alternating minimisation.

    .. math:: e_{gk} = \frac{1}{\beta} \log \sum_{x \in g} P(x) e^{-\frac{\beta}{2} r(x)} \eta_k(x), \qquad
              \tfrac{\beta}{2} c_1 S(x) e^{-\frac{\beta}{2} r} + c_e e^{-r} = \alpha p e^{\alpha r}

    with S the server's part of the loss at r = 0. The objective is jointly convex, so that alternation converges to the
    minimum; e has a closed form, r is found by Newton's method.

    Args:
        atoms: with p > 0 and every eta > 0.
        costs: c1 > 0 and ce > 0.
        alpha: calibration parameter > 0.
        beta: calibration parameter > 0.

    Returns:
        The rejector and the server at the minimum.

    Raises:
        ValueError: if a parameter is not positive.
        FloatingPointError: if the alternation does not converge.

    >>> solve_convex(specialist_distribution(1), costs=Costs(c1=1.0, ce=0.15), alpha=1.9, beta=4.0).r.round(2)
    array([ 0.89, -0.02])
    """
    checks.positive(alpha=alpha, beta=beta, c1=costs.c1, ce=costs.ce)
    r = np.zeros(len(atoms.mass))
    for _ in range(MAX_ALTERNATIONS):
        previous, e = r, _cross_entropy_server(atoms, r, beta) / beta
        half = np.exp(beta / 2 * (e - e.max(1, keepdims=True)))[atoms.group]  # (n, K)
        served = (atoms.eta / half).sum(1) * half.sum(1) - 1
        r = _stationary_scores(beta / 2 * costs.c1 * served, costs.ce, alpha, atoms.p, beta)
        if np.abs(r - previous).max() < ALTERNATION_TOLERANCE:
            return RejectorAndServer(r, e)
    raise FloatingPointError(f"expected convergence within {MAX_ALTERNATIONS} alternations, with alpha = {alpha:g}")


def _group_indicator(atoms: GroupedDistribution) -> np.ndarray:
    """1 where an atom belongs to a group, (G, n)."""
    return (np.arange(atoms.group.max() + 1)[:, None] == atoms.group) * 1.0


def _server_error(atoms: GroupedDistribution, e: np.ndarray) -> np.ndarray:
    """P(e≠Y|x), (n,)."""
    labels = server_label(e)[atoms.group]
    return 1 - np.take_along_axis(atoms.eta, labels[:, None], 1)[:, 0]


def _cross_entropy_server(atoms: GroupedDistribution, r: np.ndarray, beta: float) -> np.ndarray:
    """The log of the weighted masses of the classes in each group, (G, K)."""
    weight = atoms.mass * np.exp(-beta / 2 * r)
    return np.log(_group_indicator(atoms) @ (weight[:, None] * atoms.eta))


def _stationary_scores(server_weight: np.ndarray, ce: float, alpha: float, p: np.ndarray, beta: float) -> np.ndarray:
    """The r at which the slope of the surrogate is zero; the log of the ratio of both sides increases in r."""
    r = np.zeros(len(p))
    for _ in range(NEWTON_ITERATIONS):
        server_term, ask_term = np.log(server_weight) - beta / 2 * r, np.log(ce) - r
        total = np.logaddexp(server_term, ask_term)
        share = np.exp(server_term - total)
        r = r - (np.log(alpha * p) + alpha * r - total) / (alpha + share * beta / 2 + 1 - share)
    return r
