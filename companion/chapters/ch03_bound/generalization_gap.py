r"""The generalization gap sup over (r, e) of R - R_hat, on samples of pure noise.

In this distribution nothing can be learnt, and every gap between risk and empirical risk is chance: X is uniform, and
P(M ≠ Y) = p and P(Y = 1) = 1/2 for every x, independently of each other. The risk of a pair depends only on its offload
rate, R = p + P(ask) (c1/2 + ce - p), so the supremum is a search over the pairs that differ on the sample.
"""

from typing import Any, NamedTuple

import numpy as np
from scipy.stats import binom

from l2h import checks
from l2h.problem import Costs
from l2h.theory.generalization import margin_loss
from l2h.theory.rademacher_exact import distinct_threshold_complexity

ATOM_COUNTS = {"constant": 0, "constants": 1, "atoms": 2}  # families of functions of the atom of x -> number of atoms
SIGN_FAMILIES = ("constants", "atoms", "thresholds", "two-sided thresholds", "stumps")  # families into {-1, +1}
LINEAR_BALL = "linear ball"
N_FEATURES = 2  # for the stumps
CIRCLE_NODES = 4096  # points of the rule that averages over the circle
N_DIRECTIONS = 16  # directions of rejectors, and of servers, that are searched in the ball
RHO = 0.5  # margin of the bound for the ball
MAX_SAMPLE_ELEMENTS = 2_000_000  # numbers in memory at a time
FAMILIES = (*SIGN_FAMILIES, LINEAR_BALL)


class Setting(NamedTuple):
    """A family, costs and a sample size for which a bound is tested."""

    family: str  # of rejectors and of servers
    costs: Costs
    n: int  # examples
    delta: float  # the probability of failure that the bound allows
    p: float = 0.5  # P(M != Y | x)
    complexity_factor: float = 1.0  # 2 where the complexity is defined with a factor 2


class GapSamples(NamedTuple):
    """Generalization gaps and complexities of many samples."""

    gap: np.ndarray  # (samples,) sup over (r, e) of risk minus empirical risk
    complexity: np.ndarray  # (samples,) or () empirical complexity of R and of E
    mean_complexity: float  # its mean over samples


def sample_gaps(setting: Setting, n_samples: int, generator: np.random.Generator) -> GapSamples:
    r"""The generalization gap of each of many samples, with the complexity of the family on it.

    .. math:: \sup_{(r, e) \in R \times E} R(r, e) - \hat{R}(r, e)

    The supremum is exact for families of signs. "stumps" use two independent features; their complexity is
    bounded from below by that of one feature, which makes every bound stricter. For "linear ball", rejectors
    w.x and servers v.x with `|w|, |v| <= 1` and x uniform on the circle, R and R_hat are the expected and the mean
    margin loss, which the proof of the margin form bounds. The supremum is bounded from below by a search over 16 x 16
    directions, and the complexity by Khintchine's inequality.

    Args:
        setting: with a family of `FAMILIES`.
        n_samples: number of samples, >= 1.
        generator: of NumPy.

    Returns:
        GapSamples.

    Raises:
        ValueError: if the family is unknown, p is no probability, or n_samples < 1.

    >>> case = Setting("constants", Costs(1.0, 0.1), n=50, delta=0.05)
    >>> sample_gaps(case, 3, np.random.default_rng(0)).gap.round(3)
    array([0.14, 0.06, 0.12])
    """
    checks.one_of(FAMILIES, family=setting.family)
    checks.probabilities(p=setting.p)
    checks.at_least(1, n_samples=n_samples)
    sampler = (
        _sample_atom_gaps
        if setting.family in ATOM_COUNTS
        else {"stumps": _sample_stump_gaps, LINEAR_BALL: _sample_ball_gaps}.get(setting.family, _sample_threshold_gaps)
    )
    elements_per_sample = {"stumps": setting.n**2, LINEAR_BALL: N_DIRECTIONS**2 * setting.n}.get(
        setting.family, setting.n
    )
    batch_size = max(1, MAX_SAMPLE_ELEMENTS // elements_per_sample)
    batches = [
        sampler(setting, min(batch_size, n_samples - start), generator) for start in range(0, n_samples, batch_size)
    ]
    complexity = (
        batches[0].complexity
        if batches[0].complexity.ndim == 0
        else np.concatenate([batch.complexity for batch in batches])
    )
    return GapSamples(np.concatenate([batch.gap for batch in batches]), complexity, batches[0].mean_complexity)


def mean_absolute_sum(n: np.ndarray) -> np.ndarray:
    """E|S_n| = k P(S_k = 0) with k the even number among n and n + 1: away from 0 a walk has no drift.

    >>> mean_absolute_sum(np.array([1, 2, 4]))
    array([1. , 1. , 1.5])
    """
    even = n + n % 2
    return even * binom.pmf(even // 2, even, 0.5)


def atom_complexity(counts: np.ndarray, n: int) -> np.ndarray:
    """The complexity of all functions of the atom; the best one takes the majority sign on each atom.

    >>> atom_complexity(np.array([[2], [2]]), 4)
    array([0.5])
    """
    return mean_absolute_sum(counts).sum(0) / n


def max_atom_gap(
    errors: np.ndarray, positives: np.ndarray, count: np.ndarray, setting: Setting, n_atoms: int
) -> np.ndarray:
    """The larger gap of keeping and of asking the server with the better label, on an atom of mass 1 / n_atoms.

    >>> case = Setting("constants", Costs(1.0, 0.1), n=2, delta=0.05)
    >>> max_atom_gap(np.array([0]), np.array([1]), np.array(2), case, 1)
    array([0.5])
    """
    c1, ce = setting.costs.c1, setting.costs.ce
    keep = setting.p / n_atoms - errors / setting.n
    server_errors = np.minimum(positives, count - positives)
    ask = (ce + c1 / 2) / n_atoms - (ce * count + c1 * server_errors) / setting.n
    return np.maximum(keep, ask)


def _sample_atom_gaps(setting: Setting, n_samples: int, generator: np.random.Generator) -> GapSamples:
    n_atoms, n = ATOM_COUNTS[setting.family], setting.n
    counts = generator.multinomial(n, np.full(n_atoms, 1 / n_atoms), size=n_samples).T  # (atoms, samples)
    errors, positives = generator.binomial(counts, setting.p), generator.binomial(counts, 0.5)
    gap = max_atom_gap(errors, positives, counts, setting, n_atoms).sum(0)
    k = np.arange(n + 1)
    mean_complexity = n_atoms * float(binom.pmf(k, n, 1 / n_atoms) @ mean_absolute_sum(k)) / n
    return GapSamples(gap, atom_complexity(counts, n), mean_complexity)


def _noise(setting: Setting, n_samples: int, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Whether the client errs, and the labels, (samples, n) each."""
    errors = generator.random((n_samples, setting.n)) < setting.p
    return errors, generator.integers(0, 2, (n_samples, setting.n)) * 2 - 1


def _sample_threshold_gaps(setting: Setting, n_samples: int, generator: np.random.Generator) -> GapSamples:
    two_sided = setting.family.startswith("two-sided")
    x = np.sort(generator.random((n_samples, setting.n)), axis=1)
    errors, y = _noise(setting, n_samples, generator)
    gap = threshold_gap(x, errors, y, setting, two_sided=two_sided)
    complexity = distinct_threshold_complexity(setting.n, two_sided=two_sided).value
    return GapSamples(gap, np.array(complexity), complexity)


def threshold_gap(x: np.ndarray, errors: np.ndarray, y: np.ndarray, setting: Setting, *, two_sided: bool) -> np.ndarray:
    """The largest gap of thresholds on a line: rejectors that ask on [0, s], two-sided also on (s, 1].

    Args:
        x: (samples, n) points, increasing along each row.
        errors: (samples, n) whether the client errs.
        y: (samples, n) labels -1/+1.
        setting: costs and p.
        two_sided: whether rejectors and servers have both orientations.

    Returns:
        (samples,) suprema over rejectors and servers of the family.

    >>> x, errors, y = np.array([[0.2, 0.7]]), np.array([[False, True]]), np.array([[1, 1]])
    >>> threshold_gap(x, errors, y, Setting("thresholds", Costs(1.0, 0.0), n=2, delta=0.1), two_sided=False)
    array([0.5])
    """
    walk = np.hstack([np.zeros((len(x), 1)), y.cumsum(1)])
    n_asked = np.arange(setting.n + 1)  # the k smallest are asked
    server_errors = (n_asked - walk) / 2 + np.minimum.accumulate(walk, 1)  # -1 up to the best threshold, +1 beyond
    if not two_sided:
        return _largest_gap(x, errors, server_errors, setting)
    server_errors = np.minimum(server_errors, (n_asked + walk) / 2 - np.maximum.accumulate(walk, 1))
    last = walk[:, -1:] - walk[:, ::-1]  # the walk over the k largest, from the largest down
    wrong_from_right = np.minimum(
        (n_asked - last) / 2 + np.minimum.accumulate(last, 1), (n_asked + last) / 2 - np.maximum.accumulate(last, 1)
    )
    mirrored = _largest_gap(1 - x[:, ::-1], errors[:, ::-1], wrong_from_right, setting)
    return np.maximum(_largest_gap(x, errors, server_errors, setting), mirrored)


def _largest_gap(x: np.ndarray, errors: np.ndarray, server_errors: np.ndarray, setting: Setting) -> np.ndarray:
    """The largest gap of rejectors that ask about the k smallest; the best server errs on server_errors[k] of these."""
    c1, ce, zero = setting.costs.c1, setting.costs.ce, np.zeros((len(x), 1))
    kept_errors = errors.sum(1, keepdims=True) - np.hstack([zero, errors.cumsum(1)])
    empirical = (kept_errors + ce * np.arange(setting.n + 1) + c1 * server_errors) / setting.n
    edges = np.hstack([zero, x, zero + 1])
    # the risk is linear in the threshold, so its values at both ends of each interval between points suffice
    risk = setting.p + edges * (c1 / 2 + ce - setting.p)
    return (np.maximum(risk[:, :-1], risk[:, 1:]) - empirical).max(1)


def _sample_stump_gaps(setting: Setting, n_samples: int, generator: np.random.Generator) -> GapSamples:
    x = generator.random((n_samples, setting.n, N_FEATURES))
    gap = stump_gap(x, *_noise(setting, n_samples, generator), setting)
    complexity = distinct_threshold_complexity(setting.n, two_sided=True).value
    return GapSamples(gap, np.array(complexity), complexity)


def stump_gap(x: np.ndarray, errors: np.ndarray, y: np.ndarray, setting: Setting) -> np.ndarray:
    """The largest gap of stumps: two-sided thresholds on any one feature, for the rejector and for the server.

    Args:
        x: (samples, n, d) distinct values in [0, 1].
        errors: (samples, n) whether the client errs.
        y: (samples, n) labels -1/+1.
        setting: costs and p.

    Returns:
        (samples,) suprema over rejectors and servers.

    >>> x = np.array([[[0.2, 0.5], [0.7, 0.4]]])
    >>> case = Setting("stumps", Costs(1.0, 0.0), n=2, delta=0.1)
    >>> stump_gap(x, np.array([[False, True]]), np.array([[1, 1]]), case)
    array([0.5])
    """
    orders = np.argsort(x, axis=1)  # (samples, n, d)
    gaps = []
    for feature in range(x.shape[2]):
        order = orders[..., feature]
        rank = np.argsort(order, axis=1)
        first, last = _min_stump_errors(orders, rank, y)
        sorted_by_feature = (
            np.take_along_axis(x[..., feature], order, axis=1),
            np.take_along_axis(errors, order, axis=1),
        )
        gaps.append(_largest_gap(*sorted_by_feature, first, setting))
        gaps.append(
            _largest_gap(1 - sorted_by_feature[0][:, ::-1], sorted_by_feature[1][:, ::-1], last[:, ::-1], setting)
        )
    return np.maximum.reduce(gaps)


def _min_stump_errors(orders: np.ndarray, rank: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Fewest errors of a stump on the k first in rank, and on all but these, (samples, n + 1) each, k = 0, ..., n."""
    n = y.shape[1]
    n_asked = np.arange(n + 1)
    best: list[Any] = [np.inf, np.inf]
    for order in np.moveaxis(orders, 2, 0):
        labels = np.take_along_axis(y, order, axis=1).astype(np.int16)
        in_first = np.take_along_axis(rank, order, axis=1)[:, None, :] < n_asked[:, None]  # (samples, n + 1, n)
        inside = (labels[:, None, :] * in_first).cumsum(2, dtype=np.int16)
        outside = labels.cumsum(1, dtype=np.int16)[:, None, :] - inside
        for side, (walk, size) in enumerate(((inside, n_asked), (outside, n - n_asked))):
            end, lowest, highest = walk[..., -1], np.minimum(walk.min(2), 0), np.maximum(walk.max(2), 0)
            best[side] = np.minimum(best[side], np.minimum((size - end) / 2 + lowest, (size + end) / 2 - highest))
    return best[0], best[1]


def _sample_ball_gaps(setting: Setting, n_samples: int, generator: np.random.Generator) -> GapSamples:
    angle = generator.uniform(0, 2 * np.pi, (n_samples, setting.n))
    gap = ball_gap(angle, *_noise(setting, n_samples, generator), setting)
    complexity = 1 / np.sqrt(2 * setting.n)  # at least 1/sqrt(2) of the root of the mean square
    return GapSamples(gap, np.array(complexity), float(complexity))


def ball_gap(angle: np.ndarray, errors: np.ndarray, y: np.ndarray, setting: Setting) -> np.ndarray:
    """A lower bound of the largest gap between expected and mean margin loss, over 16 x 16 pairs of directions.

    Args:
        angle: (samples, n) of the points on the circle.
        errors: (samples, n) whether the client errs.
        y: (samples, n) labels -1/+1.
        setting: costs and p.

    Returns:
        (samples,) the largest gaps found.

    >>> angle, errors, y = np.zeros((1, 2)), np.array([[False, False]]), np.array([[1, 1]])
    >>> ball_gap(angle, errors, y, Setting("linear ball", Costs(1.0, 0.0), n=2, delta=0.1)).round(2)
    array([1.08])
    """
    directions = 2 * np.pi * np.arange(N_DIRECTIONS) / N_DIRECTIONS
    scores = np.cos(angle[:, None, :] - directions[:, None])  # (samples, directions, n)
    shape = (len(angle), N_DIRECTIONS, N_DIRECTIONS, setting.n)
    r, e = (np.broadcast_to(s, shape).ravel() for s in (scores[:, :, None, :], scores[:, None, :, :]))
    m, y = (np.broadcast_to(s[:, None, None, :], shape).ravel() for s in (np.where(errors, -y, y), y))
    losses = margin_loss(r, e, m, y, costs=setting.costs, rho=RHO).reshape(shape)
    return (margin_risks(setting) - losses.sum(3) / setting.n).max((1, 2))


def margin_risks(setting: Setting) -> np.ndarray:
    """The expected margin loss of each pair of directions, by the trapezoidal rule on the circle.

    Args:
        setting: costs and p.

    Returns:
        (16, 16), rejectors by servers; it depends on the angle between the two only.

    >>> risks = margin_risks(Setting("linear ball", Costs(0.0, 0.0), n=1, delta=0.1, p=1.0))
    >>> bool(0.5 < risks[0, 0] < 1)
    True
    """
    circle = 2 * np.pi * np.arange(CIRCLE_NODES) / CIRCLE_NODES
    r = np.cos(circle)
    risk_by_angle = []
    for angle in 2 * np.pi * np.arange(N_DIRECTIONS) / N_DIRECTIONS:
        e = np.cos(circle - angle)
        loss = sum(
            weight
            * margin_loss(r, e, m * np.ones(CIRCLE_NODES), y * np.ones(CIRCLE_NODES), costs=setting.costs, rho=RHO)
            / 2
            for y in (-1, 1)
            for m, weight in ((y, 1 - setting.p), (-y, setting.p))
        )
        risk_by_angle.append(float(np.sum(loss)) / CIRCLE_NODES)
    k = np.arange(N_DIRECTIONS)
    return np.array(risk_by_angle)[(k[None, :] - k[:, None]) % N_DIRECTIONS]
