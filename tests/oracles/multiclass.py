"""The formulas for many classes once more, plainly, in NumPy, without importing l2h."""

import itertools
import math

import numpy as np
from scipy.optimize import minimize


def log_softmax(row):
    """The logarithm of the softmax of one row of scores."""
    top = max(row)
    return [value - top - math.log(sum(math.exp(other - top) for other in row)) for value in row]


def stage_switching(r, e, m, y, c1, ce, form):
    """The stage-switching loss, one example at a time, with softmax(r_loc, r_rem) for r_loc = r, r_rem = 0."""
    losses = []
    for r_i, e_i, m_i, y_i in zip(r, e, m, y, strict=True):
        local, remote = log_softmax([r_i, 0.0])
        right = list(e_i).index(max(e_i)) == y_i
        keep, ask = {
            "paper": (float(m_i == y_i), 1 - ce - c1 + c1 * right),
            "released": (float(m_i == y_i), 1 - ce + c1 * (not right)),
            "nonnegative": (max(1, c1 + ce) - (m_i != y_i), max(1, c1 + ce) - ce - c1 * (not right)),
        }[form]
        losses.append(-log_softmax(e_i)[y_i] - keep * local - ask * remote)
    return np.array(losses)


def surrogate_classes(r, e, m, y, c1, ce, alpha, beta):
    """The convex surrogate for K classes: every wrong class pays for itself."""
    losses = []
    for r_i, e_i, m_i, y_i in zip(r, e, m, y, strict=True):
        served = sum(math.exp(beta / 2 * (e_k - e_i[y_i] - r_i)) for k, e_k in enumerate(e_i) if k != y_i)
        losses.append(c1 * served + ce * math.exp(-r_i) + (math.exp(alpha * r_i) if m_i != y_i else 0.0))
    return np.array(losses)


def specialising(r, e, m, y, c1, ce, beta):
    """Weighted cross-entropy, and the logistic loss with the costs of the other action."""
    losses = []
    for r_i, e_i, m_i, y_i in zip(r, e, m, y, strict=True):
        keep, ask = log_softmax([r_i, 0.0])
        wrong = list(e_i).index(max(e_i)) != y_i
        served = -math.exp(-beta / 2 * r_i) * log_softmax(e_i)[y_i]
        losses.append(served - (m_i != y_i) * ask - (ce + c1 * wrong) * keep)
    return np.array(losses)


def bayes_risk(eta, client, c1, ce):
    """The least risk at one point over every action: keep, or ask a server that answers with any of the labels."""
    options = [1 - eta[client]] + [ce + c1 * (1 - eta_k) for eta_k in eta]
    return min(options)


def floor_of_server(eta, beta):
    """The least of sum_y eta_y sum_{k != y} exp(beta (e_k - e_y) / 2), searched for; the last score is fixed."""
    pairs = list(itertools.permutations(range(len(eta)), 2))

    def value(free):
        e = [*free, 0.0]
        return sum(eta[y] * math.exp(beta / 2 * (e[k] - e[y])) for y, k in pairs)

    return minimize(value, np.zeros(len(eta) - 1), method="BFGS", options={"gtol": 1e-9}).fun


def expected_surrogate(tables, mass, group, eta, m, c1, ce, alpha, beta):
    """The surrogate's mean over atoms and labels, for a flat vector of all r and then all e."""
    n, classes = eta.shape
    r, e = tables[:n], tables[n:].reshape(-1, classes)
    total = 0.0
    for i, y in itertools.product(range(n), range(classes)):
        loss = surrogate_classes([r[i]], [e[group[i]]], [m[i]], [y], c1, ce, alpha, beta)[0]
        total += mass[i] * eta[i, y] * loss
    return total


def joint_stage_value(eta, p, label, c1, ce):
    """The infimum over servers whose largest score is that of a label, and over r, by constrained search."""
    classes = len(eta)

    def cross_entropy(e):
        return -float(np.dot(eta, log_softmax(list(e))))

    largest = [{"type": "ineq", "fun": lambda e, k=k: e[label] - e[k]} for k in range(classes) if k != label]
    start = np.log(np.maximum(eta, 1e-3))
    start[label] = max(start)
    server = minimize(
        cross_entropy, start, constraints=largest, method="SLSQP", options={"ftol": 1e-14, "maxiter": 500}
    )
    keep, ask = 1 - p, 1 - ce - c1 * (1 - eta[label])
    share = np.linspace(1e-9, 1 - 1e-9, 200_001)
    return server.fun + np.min(-keep * np.log(share) - ask * np.log(1 - share))
