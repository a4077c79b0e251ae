"""The losses and decisions of the rivals once more, plainly, in NumPy, one example at a time, without importing l2h."""

import itertools
import math

import numpy as np


def softmax(scores):
    powers = np.exp(np.asarray(scores, dtype=float) - np.max(scores))
    return powers / powers.sum()


def log1p_exp(t):
    return np.logaddexp(0.0, t)


def deferral(r, kept, asked):
    """Keeping is charged where r is large, asking where it is small."""
    return kept * log1p_exp(r) + asked * log1p_exp(-r)


def triage(r, kept, asked):
    return log1p_exp(r) if kept > asked else log1p_exp(-r)


def soft_deferral(r, kept, asked):
    keep = 1 / (1 + math.exp(-r))
    return keep * kept + (1 - keep) * asked


def routing(scores, action_costs):
    """The log-loss of each action, weighted by what every other action costs."""
    shares, total = softmax(scores), 0.0
    for a, share in enumerate(shares):
        total -= sum(cost for b, cost in enumerate(action_costs) if b != a) * math.log(share)
    return total


def choice_costs(m, y, classes, c1, ce):
    """What each of K answers, and keeping, costs when the truth is y."""
    return np.array([ce + (c1 if k != y else 0.0) for k in range(classes)] + [1.0 if m != y else 0.0])


def mozannar_sontag(scores, m, y, c1, ce):
    """Cross-entropy weighted by the saving of each choice against the dearest one that can occur."""
    largest_cost = max(1.0, ce + c1)
    saved = largest_cost - choice_costs(m, y, len(scores) - 1, c1, ce)
    return -float(saved @ np.log(softmax(scores)))


def one_vs_all(scores, m, y):
    total = 0.0
    for k, score in enumerate(scores):
        positive = (m == y) if k == len(scores) - 1 else (k == y)
        total += log1p_exp(-score if positive else score)
    return total


def realizable(scores, m, y, c1, ce):
    """The integral over t of the log-loss of what costs at most t, on the intervals between the costs that occur."""
    shares, cost = softmax(scores), choice_costs(m, y, len(scores) - 1, c1, ce)
    levels = sorted({0.0, *cost})
    total = 0.0
    for low, high in itertools.pairwise(levels):
        affordable = cost <= low
        if affordable.any() and not affordable.all():
            total -= (high - low) * math.log(shares[affordable].sum())
    return total


def conditional_costs(joint, c1, ce):
    """What each of K answers, and keeping, costs on average, for a table of P(M=m, Y=y)."""
    classes = len(joint)
    eta = joint.sum(axis=0)
    return np.array([*(ce + c1 * (1 - eta[k]) for k in range(classes)), 1 - np.trace(joint)])


def bayes_r(eta, m, c1, ce):
    """What the cheapest answer costs more than a deterministic client that says m."""
    return min(ce + c1 * (1 - p) for p in eta) - (1 - eta[m])
