r"""Empirical Rademacher complexity of a family H on a sample: exact where the family is finite, else by Monte Carlo.

.. math:: \hat{R}_S(H) = E_\sigma \sup_{h \in H} \frac{1}{n} \sum_i \sigma_i h(x_i)

`l2h.walks` has the exact forms on a line.
"""

import math
from typing import Any

import numpy as np

from l2h import checks
from l2h.families import Family, matrix
from l2h.walks import EPS, Estimate

LARGEST_EXACT = 22  # 2^22 sign vectors
BATCH = 4_000_000  # signs held at a time


def massart(size: int, n: int) -> float:
    r"""Massart's upper bound for a finite family of labels -1/+1.

    .. math:: \hat{R}_S(H) \leq \sqrt{2 \ln |H| / n}

    Args:
        size: |H| >= 1.
        n: number of points, >= 1.

    Returns:
        The bound.

    Raises:
        ValueError: if size or n is below 1.

    >>> massart(size=1, n=100)
    0.0
    """
    checks.at_least(1, size=size, n=n)
    return math.sqrt(2 * math.log(size) / n)


def exact_finite(predictions: Any) -> Estimate:
    """Complexity of a finite family by all 2^n sign vectors, without error for integer values.

    Args:
        predictions: (size, n) values h(x_i), one row per function; n <= 22.

    Returns:
        Estimate whose half-width bounds rounding: 0 for integer values such as labels.

    Raises:
        ValueError: if predictions are not a non-empty matrix of finite numbers, or n > 22.

    >>> exact_finite([[1, 1], [-1, -1]])
    Estimate(value=0.5, half_width=0.0, delta=0.0)
    """
    values = matrix(predictions)
    n = values.shape[1]
    if n > LARGEST_EXACT:
        raise ValueError(f"expected at most {LARGEST_EXACT} points, got {n}: use monte_carlo")
    left, right = (_all_signs(part.shape[1]) @ part.T for part in np.array_split(values, 2, axis=1))
    # one half of the points at a time: 2^11 rows against 2^11 rows instead of 2^22 by n
    total = sum(float((right + half).max(1).sum()) for half in left)
    rounding = 0.0 if (values == np.rint(values)).all() else 2 * n * EPS * float(np.abs(values).max())
    return Estimate(total / 2**n / n, rounding, 0.0)


def _all_signs(n: int) -> np.ndarray:
    """Every vector of n signs, (2^n, n)."""
    return 2.0 * (np.arange(2**n)[:, None] >> np.arange(n) & 1) - 1


def monte_carlo(family: Family, *, draws: int, delta: float, seed: int) -> Estimate:
    r"""Complexity of any family from random signs, with a certified half-width.

    .. math:: \frac{1}{n} \sqrt{\frac{2 \ln(2 / \delta)}{m} \sum_i \sup_h h(x_i)^2}

    for m draws: a flip of one of the nm signs moves the average by at most 2 sup_h |h(x_i)| / (nm); McDiarmid.
    A draw at n = 1,000,000 takes about a tenth of a second for thresholds, once the points are sorted.

    Args:
        family: on n points.
        draws: m >= 1.
        delta: the probability, in (0, 1], that the half-width fails.
        seed: of the signs.

    Returns:
        Estimate.

    Raises:
        ValueError: if draws < 1 or delta is not in (0, 1].

    >>> from l2h.families import thresholds
    >>> estimate = monte_carlo(thresholds(range(100)), draws=1000, delta=0.01, seed=0)
    >>> abs(estimate.value - 0.14997437) <= estimate.half_width
    True
    """
    checks.at_least(1, draws=draws)
    checks.positive(delta=delta)
    checks.probabilities(delta=delta)
    generator = np.random.default_rng(seed)
    size = max(1, BATCH // family.n)
    total = 0.0
    for start in range(0, draws, size):
        signs = generator.integers(0, 2, (min(size, draws - start), family.n), dtype=np.int8) * 2 - 1
        total += float(family.supremum(signs).sum(dtype=float))
    half_width = math.sqrt(2 * math.log(2 / delta) * family.energy / draws) / family.n
    return Estimate(total / draws / family.n, half_width, delta)
