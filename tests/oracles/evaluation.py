"""The statistics of the evidence once more, plainly, without importing l2h."""

import itertools
import math

import numpy as np
from scipy.linalg import null_space
from scipy.optimize import minimize_scalar
from scipy.stats import multivariate_normal


def auroc(r, right):
    """P(r(wrong) < r(right)), ties by half, pair by pair; 1/2 where one kind is missing."""
    pairs = list(
        itertools.product(
            [s for s, ok in zip(r, right, strict=True) if not ok], [s for s, ok in zip(r, right, strict=True) if ok]
        )
    )
    if not pairs:
        return 0.5
    return sum(1.0 if wrong < good else 0.5 if wrong == good else 0.0 for wrong, good in pairs) / len(pairs)


def mean_ranks(table):
    """Ranks of the k rows, column by column, 1 for the largest; equal scores share the mean of their places."""
    k, blocks = len(table), len(table[0])
    ranks = [0.0] * k
    for b in range(blocks):
        for i in range(k):
            above = sum(table[j][b] > table[i][b] for j in range(k))
            same = sum(table[j][b] == table[i][b] for j in range(k))
            ranks[i] += (above + (same + 1) / 2) / blocks
    return ranks


def groups_alike(ranks, difference):
    """Maximal sets of at least two ranks no two of which are further apart, by brute force over all sets."""
    fitting = [
        set(some)
        for size in range(2, len(ranks) + 1)
        for some in itertools.combinations(range(len(ranks)), size)
        if max(ranks[i] for i in some) - min(ranks[i] for i in some) <= difference
    ]
    return [one for one in fitting if not any(one < other for other in fitting)]


def lower_tail(k, n, p):
    """P(Bin(n, p) <= k), term by term."""
    return math.fsum(math.comb(n, j) * p**j * (1 - p) ** (n - j) for j in range(k + 1))


def budget_threshold(r, budget, delta):
    """The largest score at or below which so few of the n scores lie that P(Bin(n, budget) <= count) <= delta."""
    passed = [t for t in r if lower_tail(sum(s <= t for s in r), len(r), budget) <= delta]
    return max(passed, default=None)


def lenet_operations():
    """Multiplications and additions of LeNet on one image: every output of every layer, input by input."""
    first = 6 * 28 * 28 * (3 * 5 * 5)
    second = 16 * 10 * 10 * (6 * 5 * 5)
    return 2 * (first + second + 400 * 120 + 120 * 84 + 84)


def restricted_maximum_likelihood(y, variances, design):
    """The variance between tasks by a search over the density of k - p error contrasts, whose mean is zero."""
    contrasts = null_space(np.asarray(design).T)  # (k, k - p)
    values = contrasts.T @ y

    def negative(tau_squared):
        covariance = contrasts.T @ np.diag(np.asarray(variances) + tau_squared) @ contrasts
        return -multivariate_normal.logpdf(values, np.zeros(len(values)), covariance)

    largest = 10 * float(np.var(y)) + max(variances)
    grid = np.linspace(0, largest, 400)
    best = int(np.argmin([negative(each) for each in grid]))
    low, high = grid[max(best - 1, 0)], grid[min(best + 1, 399)]
    found = minimize_scalar(negative, bounds=(low, high), method="bounded", options={"xatol": 1e-12}).x
    return 0.0 if negative(0.0) <= negative(found) else float(found)
