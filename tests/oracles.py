"""Every formula once more, plainly, in NumPy or mpmath, without importing l2h.

Sections follow the modules; each function says which equation it implements.
"""

import itertools
import math
from fractions import Fraction

import numpy as np

# --- losses ---------------------------------------------------------------------------------------------------------


def generalized_zero_one(r, e, m, y, c1, ce):
    """Equation (1) with conventions C1 and C2, one example at a time, case by case."""
    losses = []
    for r_i, e_i, m_i, y_i in zip(r, e, m, y, strict=True):
        if r_i > 0:
            losses.append(1.0 if m_i != y_i else 0.0)
        else:
            label = 1 if e_i >= 0 else -1
            losses.append(ce + (c1 if label != y_i else 0.0))
    return np.array(losses)


def surrogate(r, e, m, y, c1, ce, alpha, beta):
    """The surrogate L_S as quoted, in double precision, one example at a time."""
    return np.array(
        [
            c1 * math.exp(beta / 2 * (-e_i * y_i - r_i))
            + ce * math.exp(-r_i)
            + (math.exp(alpha * r_i) if m_i * y_i <= 0 else 0.0)
            for r_i, e_i, m_i, y_i in zip(r, e, m, y, strict=True)
        ]
    )


# --- evaluate, curves, bootstrap, comparisons -------------------------------------------------------------------------


def label(e_i):
    """Convention C2 for one score, or the first largest of a row of scores."""
    if np.ndim(e_i) == 0:
        return 1 if e_i >= 0 else -1
    return max(range(len(e_i)), key=lambda k: e_i[k])


def share_kept_at(r, i, coverage):
    """Probability to keep example i when the best share `coverage` is kept and ties are drawn by lot."""
    room = coverage * len(r)
    for score in sorted(set(r), reverse=True):
        tied = sum(1 for r_j in r if r_j == score)
        if r[i] == score:
            return min(max(room, 0.0), tied) / tied
        room -= tied
    raise AssertionError("unreachable: example i has one of the scores")


def accuracy_at(m, r, e, y, coverage):
    """Expected accuracy of the system when the best share `coverage` is kept, example by example."""
    right = 0.0
    for i in range(len(y)):
        share = share_kept_at(r, i, coverage)
        right += share * (m[i] == y[i]) + (1 - share) * (label(e[i]) == y[i])
    return right / len(y)


def loss_above(m, r, e, y, threshold, c1, ce):
    """Mean generalized 0-1 loss when r > threshold keeps: equation (1) with the threshold for 0."""
    total = 0.0
    for m_i, r_i, e_i, y_i in zip(m, r, e, y, strict=True):
        if r_i > threshold:
            total += 1.0 if m_i != y_i else 0.0
        else:
            total += ce + (c1 if label(e_i) != y_i else 0.0)
    return total / len(y)


def area(m, r, e, y):
    """Area under accuracy against coverage: Simpson's rule, exact on each of the n linear pieces [j/n, (j+1)/n]."""
    n, total = len(y), 0.0
    for j in range(n):
        left, middle, right = (accuracy_at(m, r, e, y, (j + step) / n) for step in (0.0, 0.5, 1.0))
        total += (left + 4 * middle + right) / (6 * n)
    return total


def four_cells(m, r, e, y):
    """Two rows (kept, asked) of n, accuracy of m, accuracy of e and their difference; NaN where there is nothing."""
    rows = []
    for keep in (True, False):
        part = [i for i in range(len(y)) if (r[i] > 0) == keep]
        if not part:
            rows.append((0, math.nan, math.nan, math.nan))
            continue
        of_m = sum(1 for i in part if m[i] == y[i]) / len(part)
        of_e = sum(1 for i in part if label(e[i]) == y[i]) / len(part)
        rows.append((len(part), of_m, of_e, of_m - of_e))
    return rows


def crossed_bootstrap(values, among, kappa, draws, seed):
    """Resamples of one ratio: rows and columns drawn with replacement, the deviation by rows alone stretched."""
    generator, (seeds, n) = np.random.default_rng(seed), np.shape(values)

    def ratio(rows, columns):
        chosen = [(s, i) for s in rows for i in columns]
        marked = sum(among[s][i] for s, i in chosen)
        return sum(values[s][i] * among[s][i] for s, i in chosen) / marked if marked else math.nan

    whole, drawn = ratio(range(seeds), range(n)), []
    for _ in range(draws):
        rows, columns = generator.integers(seeds, size=seeds), generator.integers(n, size=n)
        drawn.append(ratio(rows, columns) + (kappa - 1) * (ratio(rows, range(n)) - whole))
    return whole, np.array(drawn)


# --- complexities and Theorem 1 -------------------------------------------------------------------------------------


def threshold_functions(x, two_sided):
    """Every labelling of the points by sign(x - t), and by sign(t - x) if two-sided."""
    cuts = [-np.inf, *sorted(set(x))]
    upward = [[1 if value > cut else -1 for value in x] for cut in cuts]
    return upward + [[-label for label in labels] for labels in upward] if two_sided else upward


def interval_functions(x):
    """Every labelling of the points that is +1 on a closed interval and -1 outside, or -1 everywhere."""
    inside = [[1 if low <= value <= high else -1 for value in x] for low in x for high in x if low <= high]
    return [[-1] * len(x), *inside]


def stump_functions(x):
    """Two-sided thresholds on each column of x."""
    return [labels for feature in np.transpose(x) for labels in threshold_functions(list(feature), True)]


def rademacher(functions):
    """The definition: the mean over all sign vectors of the best correlation with a function."""
    n = len(functions[0])
    best = [max(np.dot(signs, f) for f in functions) for signs in itertools.product((-1, 1), repeat=n)]
    return sum(best) / 2**n / n


def stated_penalty(rad_r, rad_e, c1, ce, n, delta):
    """Theorem 1 as quoted in the summary."""
    return (ce + c1 + 1) * rad_r + c1 * rad_e + 3 * math.sqrt((c1 + ce) ** 2 * math.log(2 / delta) / (2 * n))


def corrected_penalty(rad_r, rad_e, c1, ce, n, delta):
    """Theorem 1 with twice the complexity of the loss class and McDiarmid's 3 b / n differences."""
    # L = const + r (B/2 - c1/4 - ce/2) - c1/4 ye + c1/4 y er, and er = |e + r| - 1
    slope = max(abs(b / 2 - c1 / 4 - ce / 2) for b in (0, 1))
    complexity = slope * rad_r + c1 / 4 * rad_e + c1 / 4 * (rad_e + rad_r)
    return 2 * complexity + 3 * max(1, c1 + ce) * math.sqrt(math.log(1 / delta) / (2 * n))


def loss_class(functions_r, functions_e, errors, y, c1, ce):
    """The losses of every pair (r, e) on a sample, by the case distinction."""
    return [
        [errors[i] if r[i] > 0 else ce + c1 * (e[i] != y[i]) for i in range(len(y))]
        for r in functions_r
        for e in functions_e
    ]


def binomial_tail(n, p, largest):
    """P(Bin(n, p) <= largest) as an exact fraction."""
    p = Fraction(p)
    return sum(math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(largest + 1))


def failure_on_one_atom(n, p, c1, ce, penalty):
    """P(keeping or asking exceeds its empirical risk by more than the penalty), count by count."""
    law = [math.comb(n, k) * 0.5**n for k in range(n + 1)]
    errors = [math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(n + 1)]
    keep = sum(weight for k, weight in enumerate(errors) if p - k / n > penalty)
    ask = sum(weight for k, weight in enumerate(law) if c1 / 2 - c1 * min(k, n - k) / n > penalty)
    return keep + ask - keep * ask


def line_gap(x, errors, y, p, c1, ce, two_sided, grid):
    """Largest risk minus empirical risk over thresholds of r and e on a grid, literally; x uniform on [0, 1]."""
    signs = (1, -1) if two_sided else (1,)
    gaps = []
    for s, sign_r in itertools.product(grid, signs):
        mass = s if sign_r > 0 else 1 - s  # of the asked part
        risk = p * (1 - mass) + mass * (c1 / 2 + ce)
        keeps = [sign_r * (value - s) > 0 for value in x]
        for t, sign_e in itertools.product(grid, signs):
            labels = [sign_e if value > t else -sign_e for value in x]
            losses = [
                float(error) if keep else ce + c1 * (label != truth)
                for keep, error, label, truth in zip(keeps, errors, labels, y, strict=True)
            ]
            gaps.append(risk - sum(losses) / len(x))
    return max(gaps)
