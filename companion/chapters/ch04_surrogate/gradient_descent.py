"""Gradient descent on the surrogate for tables of scores, one pair (r, e) per cell, whose risk is known exactly.

The system sees only the cell of x. The class of tables is convex and grows with the sample, and the risk of a table is
a finite sum, so the remaining excess risk comes from the surrogate, its alpha and the sample alone.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch

from l2h import checks
from l2h.losses.surrogate import surrogate_loss
from l2h.problem import Costs, asks, server_label
from l2h.theory.bayes import pointwise_bayes_risk, server_error
from l2h.theory.distributions import DISTRIBUTIONS, Distribution, Sample
from l2h.theory.regret import AlphaRule

DESCENT_STEPS = 500
NODES_PER_CELL = 20  # of the quadrature in each cell, per axis
LABEL_PAIRS = np.array(
    [(1, 1), (1, -1), (-1, 1), (-1, -1)]
)  # (y, m); the loss of an example depends on these and its cell only
CELL_EDGES = {"atoms": np.arange(0.5, 4), "specialist": np.array([0.45, 0.75])}  # edges between the atoms


class CellGrid(NamedTuple):
    """Position and width of the cells for a distribution."""

    cell_width: Callable[[int], float]  # number of examples -> width
    low: float  # the inner edges lie between low and high, on every axis
    high: float
    boundaries: tuple[float, ...]  # further edges, where the client's label changes
    support_bound: float  # P(|X| > support_bound) <= 1e-18, per axis
    dimensions: int


CELL_GRIDS = {
    "gaussians": CellGrid(lambda n: 2 * n ** (-1 / 3), -4, 4, (1.0,), 10, dimensions=1),
    "xor": CellGrid(lambda n: 3 * n ** (-1 / 4), -4, 4, (0.5,), 10, dimensions=2),
    "logistic": CellGrid(lambda n: n ** (-1 / 3) / 2, -1, 1, (), 1, dimensions=1),
}


class Cells(NamedTuple):
    """A partition of X into k cells, with the probabilities in each."""

    edges: np.ndarray  # inner edges, the same along every axis
    mass: np.ndarray  # (k,) P(cell)
    eta: np.ndarray  # (k,) P(Y=1|cell)
    p: np.ndarray  # (k,) P(M≠Y|cell)


class ScoreTables(NamedTuple):
    """One pair of scores per cell, for R rules and S samples."""

    r: np.ndarray  # (R, S, k)
    e: np.ndarray  # (R, S, k)


class LearningCurve(NamedTuple):
    """Excess risk of gradient descent, by rule, sample size and seed."""

    excess: np.ndarray  # (R, N, S) risk of the learned tables minus the Bayes risk
    approximation_error: np.ndarray  # (N, S) excess risk of the best tables on the same cells


def partition_cells(distribution: Distribution, n: int, *, offset: float = 0.5) -> Cells:
    r"""The cells for n examples, with their exact probabilities; they are narrower for larger n.

    .. math:: w = O(n^{-1/(2 + d)}) \text{ along each of } d \text{ axes}

    The points where the client's label changes are edges, too. A finite distribution has one cell for each atom.

    Args:
        distribution: one of `DISTRIBUTIONS`.
        n: number of examples, >= 1.
        offset: of the grid's first edge, in widths of a cell, in [0, 1].

    Returns:
        Cells, to about 10 digits (on finite distributions exact up to rounding).

    Raises:
        ValueError: if n < 1, offset leaves [0, 1] or the distribution is not one of `DISTRIBUTIONS`.

    >>> partition_cells(DISTRIBUTIONS["specialist"], 100).mass
    array([0.45, 0.3 , 0.25])

    Source: the histogram rule, Devroye, Gyorfi and Lugosi (1996), section 6.4.
    """
    checks.at_least(1, n=n)
    checks.probabilities(offset=offset)
    if DISTRIBUTIONS.get(distribution.name) is not distribution:
        raise ValueError(f"expected one of DISTRIBUTIONS, got another one with name {distribution.name}")
    if distribution.name in CELL_EDGES:
        exact = np.array(distribution.atoms, dtype=float)  # (k, 3): mass, eta, p
        return Cells(CELL_EDGES[distribution.name], *exact.T)
    grid = CELL_GRIDS[distribution.name]
    width = grid.cell_width(n)
    n_cells = max(int((grid.high - grid.low) / width), 1)
    regular_edges = grid.low + width * (offset + np.arange(n_cells))
    edges = np.union1d(regular_edges[np.abs(regular_edges) < grid.support_bound], grid.boundaries)
    return _cells_by_quadrature(distribution, edges, grid)


def _cells_by_quadrature(distribution: Distribution, edges: np.ndarray, grid: CellGrid) -> Cells:
    """The cells between the edges, with their probabilities by Gauss-Legendre quadrature in each."""
    assert distribution.density is not None
    nodes, node_weights = np.polynomial.legendre.leggauss(NODES_PER_CELL)
    ends = np.concatenate([[-grid.support_bound], edges, [grid.support_bound]])
    half_widths = np.diff(ends) / 2
    points = ends[:-1, None] + half_widths[:, None] * (1 + nodes)  # (cells of an axis, nodes)
    weights = half_widths[:, None] * node_weights
    if grid.dimensions == 2:
        k, q = points.shape
        points = np.stack(np.broadcast_arrays(points[:, None, :, None], points[None, :, None, :]), axis=-1)
        points = points.reshape(k * k, q * q, 2)
        weights = (weights[:, None, :, None] * weights[None, :, None, :]).reshape(k * k, q * q)
    flat = points.reshape(-1, 2) if grid.dimensions == 2 else points.ravel()
    density = distribution.density(flat)
    mass, positive, client_error_mass = (
        np.einsum("kq,kq->k", weights, (density * value).reshape(weights.shape))
        for value in (1.0, distribution.eta(flat), distribution.p(flat))
    )
    return Cells(edges, mass, (positive / mass).clip(0, 1), (client_error_mass / mass).clip(0, 1))


def cell_counts(sample: Sample, cells: Cells) -> np.ndarray:
    """Number of examples with each (y, m) in each cell, on which alone the loss of a table depends.

    Args:
        sample: of the distribution that the cells belong to.
        cells: k cells.

    Returns:
        (4, k) counts, in the order of `LABEL_PAIRS`.

    >>> sample = Sample(x=np.array([0.1, 0.5, 0.5]), y=np.array([1, -1, 1]), m=np.array([1, -1, -1]))
    >>> cell_counts(sample, partition_cells(DISTRIBUTIONS["specialist"], 3))
    array([[1, 0, 0],
           [0, 1, 0],
           [0, 0, 0],
           [0, 1, 0]])
    """
    axes = sample.x.reshape(len(sample.y), -1)
    cell_index = np.zeros(len(axes), dtype=int)
    for axis in axes.T:
        cell_index = cell_index * (len(cells.edges) + 1) + np.searchsorted(cells.edges, axis)
    label_pair = (1 - sample.y) + (1 - sample.m) // 2
    k = len(cells.mass)
    return np.bincount(label_pair * k + cell_index, minlength=4 * k).reshape(4, k)


def gradient_descent(
    counts: np.ndarray, alpha: np.ndarray, *, costs: Costs, beta: float, steps: int = DESCENT_STEPS
) -> ScoreTables:
    r"""Plain gradient descent from r = e = 0 on the mean surrogate of the examples of each cell.

    .. math:: (r, e) \leftarrow (r, e) - \frac{1}{\Lambda} \nabla W, \qquad
              \Lambda = \max(1, \beta^2/2, \alpha^2)(1 + c_1 + c_e)

    Where W is at most W(0, 0) its curvature is at most Lambda, so no step increases W. Cells share no score, so this is
    descent on the mean over the whole sample with each cell's step divided by the cell's share of the examples.
    The scores of a cell without an example stay 0.

    Args:
        counts: (S, 4, k) examples with each (y, m) in each cell, for S samples.
        alpha: (R, S, k) calibration parameters > 0, for R rules.
        costs: c1 and ce.
        beta: calibration parameter > 0.
        steps: of descent, >= 1.

    Returns:
        ScoreTables.

    Raises:
        ValueError: if shapes do not match, or alpha, beta or steps leaves its range.

    >>> counts = np.array([[[9], [0], [0], [1]]])  # ten examples in one cell; the client errs on none
    >>> tables = gradient_descent(counts, np.array([[[2.0]]]), costs=Costs(c1=1.0, ce=0.1), beta=2.0)
    >>> bool(tables.r > 0), bool(tables.e > 0)
    (True, True)

    Source: derived in the chapter on the surrogate.
    """
    if counts.ndim != 3 or alpha.ndim != 3 or counts.shape != (alpha.shape[1], 4, alpha.shape[2]):
        raise ValueError(f"expected counts (S, 4, k) and alpha (R, S, k), got {counts.shape} and {alpha.shape}")
    checks.positive(alpha=alpha.min(), beta=beta)
    checks.at_least(1, steps=steps)
    share = torch.tensor(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1))  # (S, 4, k)
    shape = (len(alpha), *share.shape)  # (R, S, 4, k)
    y, m = (torch.tensor(label_pair)[:, None].expand(shape).reshape(-1) for label_pair in LABEL_PAIRS.T)
    weights = torch.tensor(alpha)[:, :, None]  # (R, S, 1, k)
    step = 1 / (weights.square().clamp(min=max(1, beta**2 / 2)) * (1 + costs.c1 + costs.ce))
    alpha_per_entry = weights.expand(shape).reshape(-1)
    scores = torch.zeros(2, shape[0], shape[1], 1, shape[3], dtype=torch.float64, requires_grad=True)  # r and e
    for _ in range(steps):
        r, e = (table.expand(shape).reshape(-1) for table in scores)
        loss = surrogate_loss(r, e, m, y, costs=costs, alpha=alpha_per_entry, beta=beta)
        (gradient,) = torch.autograd.grad((loss.reshape(shape) * share).sum(), scores)
        scores = (scores.detach() - step * gradient).requires_grad_()
    return ScoreTables(*scores.detach().squeeze(3).numpy())


def table_risks(tables: ScoreTables, cells: Cells, *, costs: Costs) -> np.ndarray:
    r"""The exact risk of tables.

    .. math:: R(r, e) = \sum_C P(C)\big(p_C 1[r_C > 0] + (c_1 P(\mathrm{label}(e_C) \neq Y|C) + c_e) 1[r_C \leq 0]\big)

    Args:
        tables: r and e of shape (..., k).
        cells: k cells.
        costs: c1 and ce.

    Returns:
        Risks of shape (...).

    >>> always_ask = ScoreTables(-np.ones(3), np.array([1.0, -1.0, 1.0]))
    >>> cells = partition_cells(DISTRIBUTIONS["specialist"], 1)
    >>> round(float(table_risks(always_ask, cells, costs=Costs(c1=1.0, ce=0.15))), 12)
    0.2

    Source: the generalized 0-1 loss of arXiv 2409.16253, in expectation.
    """
    label = server_label(tables.e.ravel()).reshape(tables.e.shape)
    server_error_rate = np.where(label > 0, 1 - cells.eta, cells.eta)
    return np.where(asks(tables.r), costs.c1 * server_error_rate + costs.ce, cells.p) @ cells.mass


def learning_curve(
    distribution: Distribution,
    alpha_rules: Mapping[str, AlphaRule],
    *,
    sample_sizes: Sequence[int],
    n_seeds: int,
    costs: Costs,
    beta: float = 2.0,
    steps: int = DESCENT_STEPS,
) -> LearningCurve:
    """Excess risk of gradient descent on samples of growing size.

    Each sample has its own grid with a random offset, so that no sample size has edges on the Bayes boundary by chance.
    Alpha is computed from the true mu and p of each cell, without estimation error.

    Args:
        distribution: one of `DISTRIBUTIONS`.
        alpha_rules: name -> (mu, p) -> alpha > 0.
        sample_sizes: N sample sizes, each >= 1.
        n_seeds: number of samples of each size, >= 1.
        costs: c1 and ce.
        beta: calibration parameter > 0.
        steps: of descent.

    Returns:
        LearningCurve, rules in the order given.

    Raises:
        ValueError: if an argument leaves its range.

    >>> rules = {"two": lambda mu, p: 2.0}
    >>> costs = Costs(c1=1.0, ce=0.15)
    >>> curve = learning_curve(DISTRIBUTIONS["atoms"], rules, sample_sizes=[10, 1000], n_seeds=3, costs=costs)
    >>> curve.excess.shape, curve.approximation_error.round(12).tolist()
    ((1, 2, 3), [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0]])

    Source: derived in the chapter on the surrogate.
    """
    checks.at_least(1, n_seeds=n_seeds)
    bayes = float(distribution.bayes_risk(costs))
    excess, approximation_error = (
        np.empty((len(alpha_rules), len(sample_sizes), n_seeds)),
        np.empty((len(sample_sizes), n_seeds)),
    )
    for index, n in enumerate(sample_sizes):
        generators = [np.random.default_rng([seed, n]) for seed in range(n_seeds)]
        grids = [partition_cells(distribution, n, offset=generator.random()) for generator in generators]
        samples = (distribution.sample(n, generator) for generator in generators)
        counts = np.stack([cell_counts(sample, cells) for sample, cells in zip(samples, grids, strict=True)])
        mu, p = np.stack([server_error(cells.eta) for cells in grids]), np.stack([cells.p for cells in grids])
        alpha = np.stack([np.broadcast_to(rule(mu, p), mu.shape) for rule in alpha_rules.values()])  # (R, S, k)
        tables = gradient_descent(counts, alpha, costs=costs, beta=beta, steps=steps)
        for seed, cells in enumerate(grids):
            seed_tables = ScoreTables(tables.r[:, seed], tables.e[:, seed])
            excess[:, index, seed] = table_risks(seed_tables, cells, costs=costs) - bayes
            approximation_error[index, seed] = pointwise_bayes_risk(mu[seed], p[seed], costs=costs) @ cells.mass - bayes
    return LearningCurve(excess, approximation_error)
