r"""A network with one hidden layer that realises a given labelling of a sample, constructed without training.

A hyperplane through a few points misses all others. Three rectified units make a ridge along it,

.. math:: \frac{1}{w}\big((a + w)_+ - 2 (a)_+ + (a - w)_+\big), \quad a = u x - b,

which is 1 where a = 0 and 0 where `|a| >= w`. A sum of such ridges, minus 1/2, realises any signs.
"""

from typing import NamedTuple

import numpy as np

from l2h import checks

UNITS_PER_RIDGE = 3  # rectified units of a ridge
DISTANCE_TOLERANCE = 1e-9  # smallest distance of other points from a hyperplane, relative to the sample's extent


class NetworkWeights(NamedTuple):
    """A network x -> w2 . relu(w1 x + b1) + b2."""

    w1: np.ndarray  # (units, d)
    b1: np.ndarray  # (units,)
    w2: np.ndarray  # (units,)
    b2: float

    def scores(self, x: np.ndarray) -> np.ndarray:
        """Values of the network at x, (n, d) -> (n,).

        >>> NetworkWeights(np.eye(1), np.zeros(1), np.ones(1), -0.5).scores(np.array([[2.0], [-1.0]]))
        array([ 1.5, -0.5])
        """
        return np.maximum(x @ self.w1.T + self.b1, 0) @ self.w2 + self.b2


def memorizing_network(x: np.ndarray, y: np.ndarray, *, units: int, generator: np.random.Generator) -> NetworkWeights:
    r"""Weights whose scores have the sign of y at every x: about +1/2 where y = +1, -1/2 where y = -1, or farther.

    Args:
        x: (n, d) points, in general position as far as the hyperplanes meet them.
        y: (n,) labels in {-1, +1}.
        units: rectified units, >= 3; every three of them cover a part of the points with the rarer label.
        generator: of NumPy, for the free directions.

    Returns:
        NetworkWeights with that many units; the weights of unused units are 0.

    Raises:
        ValueError: if shapes do not fit, labels are not -1/+1, there are too few units, or a hyperplane through some
            points meets another one.

    >>> x, y = np.random.default_rng(0).normal(size=(20, 3)), np.tile([1, -1], 10)
    >>> network = memorizing_network(x, y, units=12, generator=np.random.default_rng(1))
    >>> bool((np.sign(network.scores(x)) == y).all())
    True
    """
    checks.same_length(x=x, y=y)
    checks.binary_labels(y=y)
    checks.finite(x=x)
    checks.at_least(UNITS_PER_RIDGE, units=units)
    rarer = 1 if 2 * (y > 0).sum() <= len(y) else -1
    rarer_indices = np.flatnonzero(y == rarer)
    groups = [group for group in np.array_split(rarer_indices, units // UNITS_PER_RIDGE) if len(group)]
    n_ridges = units // UNITS_PER_RIDGE
    if len(rarer_indices) > x.shape[1] * n_ridges:
        raise ValueError(
            f"expected at most {x.shape[1]} points for each of {n_ridges} ridges, got {len(rarer_indices)}"
        )
    w1, b1, w2 = np.zeros((units, x.shape[1])), np.zeros(units), np.zeros(units)
    for index, group in enumerate(groups):
        rows = slice(UNITS_PER_RIDGE * index, UNITS_PER_RIDGE * (index + 1))
        w1[rows], b1[rows], w2[rows] = _ridge(x, group, generator)
    return NetworkWeights(w1, b1, rarer * w2, -rarer / 2)


def _ridge(x: np.ndarray, group: np.ndarray, generator: np.random.Generator) -> tuple[np.ndarray, ...]:
    """Weights of three units whose sum is 1 on a group of points, and 0 on all others."""
    base = x[group[0]]
    basis = np.linalg.qr((x[group[1:]] - base).T)[0]  # basis of the directions within the group
    direction = np.asarray(generator.normal(size=x.shape[1]))
    for _ in range(2):  # twice, to remove the rounding error of the first pass
        direction = direction - basis @ (basis.T @ direction)
    length = float(np.linalg.norm(direction))
    normal = direction / max(length, DISTANCE_TOLERANCE)
    distances = x @ normal - base @ normal
    others = np.delete(np.abs(distances), group)
    nearest = float(others.min()) if len(others) else 1.0
    if not nearest > DISTANCE_TOLERANCE * (1 + np.abs(distances).max()) or length <= DISTANCE_TOLERANCE:
        raise ValueError("expected a hyperplane through some points to miss all others, got one that meets another")
    width = nearest / 2
    biases = width * np.array([1.0, 0.0, -1.0]) - base @ normal
    return np.tile(normal, (UNITS_PER_RIDGE, 1)), biases, np.array([1.0, -2.0, 1.0]) / width
