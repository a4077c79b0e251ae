"""What the cells of chapter 04 hold, from distribution functions and plain sums; does not import l2h."""

import math

import numpy as np
from scipy.stats import norm


def gaussians_cell(a, b):
    """(mass, P(Y=1, cell)) of a < X < b where X|Y ~ N(Y, 1), Y = -1 or 1 with probability 1/2."""
    parts = [(norm.cdf(b - y) - norm.cdf(a - y)) / 2 for y in (-1, 1)]
    return sum(parts), parts[1]


def xor_cell(a, b):
    """The same for a_i < X_i < b_i where Y = 1 has the centres (-2, 0), (2, 0), and Y = -1 has (0, -2), (0, 2)."""

    def along(i, centre):
        return norm.cdf(b[i] - centre) - norm.cdf(a[i] - centre)

    positive = sum(along(0, c) * along(1, 0) for c in (-2, 2)) / 4
    negative = sum(along(0, 0) * along(1, c) for c in (-2, 2)) / 4
    return positive + negative, positive


def logistic_cell(a, b):
    """(mass, P(Y=1, cell), P(M≠Y, cell)) of a < X < b, X uniform on (-1, 1), from the integral of the sigmoid."""

    def soft(z):
        return math.log1p(math.exp(z)) if z < 30 else z

    positive = (soft(4 * b) - soft(4 * a)) / 4 / 2
    wrong = 0.05 * (b - a) / 2 + 0.55 * (soft(12 * (b - 0.2)) - soft(12 * (a - 0.2))) / 12 / 2
    return (b - a) / 2, positive, wrong


def cell_loss(counts, r, e, c1, ce, alpha, beta):
    """Mean surrogate of the examples of one cell, (y, m) = (+, +), (+, -), (-, +), (-, -) in this order."""
    total = 0.0
    for number, (y, m) in zip(counts, ((1, 1), (1, -1), (-1, 1), (-1, -1)), strict=True):
        loss = c1 * math.exp(beta / 2 * (-e * y - r)) + ce * math.exp(-r) + (m != y) * math.exp(alpha * r)
        total += number * loss
    return total / sum(counts)


def risk(masses, etas, ps, r, e, c1, ce):
    """Risk of a table, cell by cell."""
    total = 0.0
    for mass, eta, p, r_k, e_k in zip(masses, etas, ps, r, e, strict=True):
        error = 1 - eta if e_k >= 0 else eta
        total += mass * (p if r_k > 0 else c1 * error + ce)
    return total


def places(x, edges):
    """Cell of each point: axis by axis, the number of edges below it, the first axis counting most."""
    rows = np.asarray(x).reshape(len(x), -1)
    found = []
    for row in rows:
        index = 0
        for value in row:
            index = index * (len(edges) + 1) + sum(1 for edge in edges if edge < value)
        found.append(index)
    return found
