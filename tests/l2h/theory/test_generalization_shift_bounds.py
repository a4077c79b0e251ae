"""Bounds for changing data: their formulas, their doors, and the promise itself on simulated samples."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import drift

from l2h.drift import experts as drift_experts
from l2h.drift.experts import FixedShareConfig
from l2h.losses.zero_one import generalized_zero_one_loss
from l2h.problem import Costs
from l2h.theory import generalization

positive = st.floats(0.01, 0.99)
COSTS = Costs(1.0, 0.1)


@given(positive, positive, st.floats(0, 2), st.floats(0, 2), st.integers(1, 50), st.integers(1, 1000))
def test_the_weighted_penalty_is_its_formula(p, q, c1, ce, functions, n):
    pair = ([1 - p, p], [1 - q, q])
    ours = generalization.importance_weighted_penalty(*pair, costs=Costs(c1, ce), n_pairs=functions, n=n, delta=0.05)
    assert ours == pytest.approx(drift.weighted_penalty(*pair, c1, ce, functions, n, 0.05))


def test_no_shift_costs_nothing_and_a_shift_costs_examples():
    same = generalization.importance_weighted_penalty([0.5, 0.5], [0.5, 0.5], costs=COSTS, n_pairs=1, n=100, delta=0.05)
    assert same == pytest.approx(1.1 * math.sqrt(2 * math.log(20) / 100))
    assert generalization.importance_weighted_penalty(
        [0.5, 0.5], [0.0, 1.0], costs=COSTS, n_pairs=1, n=200, delta=0.05
    ) == pytest.approx(same)


def test_a_label_that_nobody_has_gets_no_weight():
    assert generalization.label_shift_weights([1.0, 0.0], [1.0, 0.0]).tolist() == [1.0, 0.0]


def laws(generator):
    """Twelve points with a client, a server, scores, labels and two distributions on them."""
    y, m = generator.choice([-1, 1], (2, 12))
    e = generator.normal(size=12)
    r = generator.normal(size=12)
    p, q = generator.dirichlet(np.ones(12), size=2)
    return r, e, m, y, p, q


def exact_risks(r, e, m, y, weights, thresholds, costs=COSTS):
    return np.array([weights @ generalized_zero_one_loss(r - t, e, m, y, costs=costs) for t in thresholds])


@given(st.integers(0, 10_000), st.floats(0, 2), st.floats(0, 1))
def test_the_label_free_discrepancy_bounds_every_pair_exactly(seed, c1, ce):
    r, e, m, y, p, q = laws(np.random.default_rng(seed))
    costs, thresholds = Costs(c1, ce), np.append(np.sort(r), 9.0)
    g = np.where(e >= 0, 1, -1)
    before, after = (exact_risks(r, e, m, y, w, thresholds, costs) for w in (p, q))
    known, unknown = (exact_risks(r, e, m, g, w, thresholds, costs) for w in (p, q))
    separation = generalization.discrepancy(known, unknown)
    joint = float(p @ (g != y) + q @ (g != y))
    bound = before + separation + max(1, c1) * joint
    assert (after <= bound + 1e-12).all()
    exact = generalization.discrepancy(before, after)
    assert (after <= before + exact + 1e-12).all()


def test_the_weighted_bound_holds_as_often_as_stated_and_is_needed():
    generator = np.random.default_rng(0)
    p, q, n, thresholds = np.array([0.5, 0.5]), np.array([0.1, 0.9]), 1600, np.linspace(-1, 1, 5)
    penalty = generalization.importance_weighted_penalty(p, q, costs=COSTS, n_pairs=5, n=n, delta=0.05)
    tables = {}  # label -> losses of each threshold on 50 points of that label
    for label in (-1, 1):
        y, r = np.full(50, label), generator.normal(size=50)
        m = np.where(generator.random(50) < (0.95 if label == -1 else 0.4), y, -y)
        tables[label] = np.stack([generalized_zero_one_loss(r - t, 1.0 * y, m, y, costs=COSTS) for t in thresholds])
    truth = 0.1 * tables[-1].mean(1) + 0.9 * tables[1].mean(1)
    weighted, plain = [], []
    for _ in range(400):
        label = np.where(generator.random(n) < 0.5, 1, -1)
        spot = generator.integers(50, size=n)
        losses = np.where(label == 1, tables[1][:, spot], tables[-1][:, spot])
        weights = generalization.label_shift_weights(p, q)[(label + 1) // 2]
        weighted.append((truth - (weights * losses).mean(1)).max())
        plain.append((truth - losses.mean(1)).max())
    assert np.mean(np.array(weighted) > penalty) <= 0.05
    assert np.mean(np.array(plain) > penalty) > 0.05  # the check can fail: without weights it does
    assert np.quantile(weighted, 0.95) > penalty / 10


@given(
    st.floats(0.001, 1), positive, st.floats(0.001, 0.5), st.integers(1, 20), st.integers(0, 3), st.floats(0, 2),
    st.floats(0, 1), st.integers(1, 9), st.integers(0, 2),
)  # fmt: skip
def test_the_regret_bound_is_its_formula(eta, gamma, sigma, batch, delay, c1, ce, experts, switches):
    steps = 4 * batch + 1
    ours = drift_experts.fixed_share_regret_bound(
        FixedShareConfig(eta, gamma, sigma, batch, delay),
        costs=Costs(c1, ce),
        experts=experts,
        steps=steps,
        switches=switches,
    )
    theirs = drift.regret_bound(eta, gamma, sigma, batch, delay, c1, ce, experts, steps, switches)
    assert ours == pytest.approx(theirs)


@given(st.floats(0.001, 1), st.floats(0.001, 1))
def test_no_other_settings_have_a_smaller_bound(eta, gamma):
    game = {"costs": COSTS, "experts": 9, "steps": 5000, "switches": 1}
    best = drift_experts.optimal_settings(**game, batch=10, delay=1)
    other = FixedShareConfig(eta, gamma, best.sigma, 10, 1)
    assert (
        drift_experts.fixed_share_regret_bound(best, **game)
        <= drift_experts.fixed_share_regret_bound(other, **game) + 1e-6
    )


def test_switches_without_sharing_have_no_price():
    assert drift_experts.comparator_complexity(3, batches=5, switches=1, sigma=0.0) == math.inf


ADVICE = FixedShareConfig(0.1, 0.1, 0.0, 10, 1)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: generalization.discrepancy([0.1], [0.1, 0.2]), "same pairs"),
        (lambda: generalization.discrepancy([], []), "same pairs"),
        (lambda: generalization.discrepancy([math.nan], [0.0]), "finite risks_p"),
        (lambda: generalization.label_shift_weights([0.5, 0.6], [0.5, 0.5]), "p to sum to 1"),
        (lambda: generalization.label_shift_weights([0.5, 0.5], [0.5, 0.6]), "q to sum to 1"),
        (lambda: generalization.label_shift_weights([1.0, 0.0], [0.5, 0.5]), "p lacks"),
        (lambda: generalization.label_shift_weights([1.5, -0.5], [0.5, 0.5]), "p in"),
        (
            lambda: generalization.importance_weighted_penalty([1.0], [1.0], costs=COSTS, n_pairs=0, n=1, delta=0.1),
            "n_pairs",
        ),
        (
            lambda: generalization.importance_weighted_penalty([1.0], [1.0], costs=COSTS, n_pairs=1, n=0, delta=0.1),
            "n >= 1",
        ),
        (
            lambda: generalization.importance_weighted_penalty([1.0], [1.0], costs=COSTS, n_pairs=1, n=1, delta=0.0),
            "delta",
        ),
        (lambda: drift_experts.comparator_complexity(0, batches=1, switches=0, sigma=0.0), "experts"),
        (lambda: drift_experts.comparator_complexity(1, batches=1, switches=1, sigma=0.1), "batches - 1"),
        (lambda: drift_experts.comparator_complexity(1, batches=1, switches=0, sigma=1.0), "1 - sigma"),
        (
            lambda: drift_experts.fixed_share_regret_bound(ADVICE._replace(eta=0.0), costs=COSTS, experts=2, steps=10),
            "eta",
        ),
        (
            lambda: drift_experts.fixed_share_regret_bound(
                ADVICE._replace(gamma=2.0), costs=COSTS, experts=2, steps=10
            ),
            "gamma",
        ),
        (
            lambda: drift_experts.fixed_share_regret_bound(ADVICE._replace(batch=0), costs=COSTS, experts=2, steps=10),
            "batch",
        ),
        (
            lambda: drift_experts.fixed_share_regret_bound(ADVICE._replace(delay=-1), costs=COSTS, experts=2, steps=10),
            "delay",
        ),
        (lambda: drift_experts.fixed_share_regret_bound(ADVICE, costs=COSTS, experts=2, steps=0), "steps"),
        (
            lambda: drift_experts.optimal_settings(costs=COSTS, experts=2, steps=20, switches=0, batch=10, delay=0),
            "batches",
        ),
    ],
)
def test_bad_numbers_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
