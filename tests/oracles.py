"""Every formula once more, plainly, in NumPy or mpmath, without importing l2h.

Sections follow the modules; each function says which equation it implements.
"""

import math

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
