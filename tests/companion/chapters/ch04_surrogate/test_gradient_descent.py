"""ScoreTables and their descent: exact cells against distribution functions, each step against its promise."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import gradient_descent as oracles_gradient_descent

from companion.chapters.ch04_surrogate.gradient_descent import (
    ScoreTables,
    cell_counts,
    gradient_descent,
    learning_curve,
    partition_cells,
    table_risks,
)
from l2h.problem import Costs
from l2h.theory.bayes import bayes_rejector, bayes_server, server_error
from l2h.theory.calibration import alpha_deterministic, alpha_from_mu
from l2h.theory.conditional_risk import minimiser
from l2h.theory.distributions import DISTRIBUTIONS, gaussians
from l2h.theory.regret import expected_regret

COSTS = Costs(1.0, 0.18)
NAMES = list(DISTRIBUTIONS)


def ends(cells, end):
    return list(itertools.pairwise([-end, *cells.edges, end]))


def deterministic(mu, p):
    return alpha_deterministic(costs=COSTS, beta=2.0)


def from_mu(mu, p):
    return alpha_from_mu(mu, costs=COSTS, beta=2.0)


# --- the cells


def test_cells_of_the_line_are_exact():
    for n in (1, 100, 3000):
        cells = partition_cells(DISTRIBUTIONS["gaussians"], n)
        mass, positive = np.array([oracles_gradient_descent.gaussians_cell(a, b) for a, b in ends(cells, 10)]).T
        np.testing.assert_allclose(cells.mass, mass, rtol=1e-8, atol=1e-12)
        np.testing.assert_allclose(cells.mass * cells.eta, positive, rtol=1e-8, atol=1e-12)
        right = np.append(cells.edges, 10) > 1 + 1e-9  # beyond the client's threshold
        np.testing.assert_allclose(cells.p, np.where(right, 1 - cells.eta, cells.eta), atol=1e-12)


def test_cells_of_the_free_client_are_exact():
    cells = partition_cells(DISTRIBUTIONS["logistic"], 500)
    mass, positive, wrong = np.array([oracles_gradient_descent.logistic_cell(a, b) for a, b in ends(cells, 1)]).T
    np.testing.assert_allclose(cells.mass, mass, rtol=1e-12)
    np.testing.assert_allclose(cells.mass * cells.eta, positive, rtol=1e-12)
    np.testing.assert_allclose(cells.mass * cells.p, wrong, rtol=1e-12)


def test_cells_of_the_plane_are_exact():
    cells = partition_cells(DISTRIBUTIONS["xor"], 100)
    boxes = list(itertools.product(ends(cells, 10), repeat=2))
    mass, positive = np.array([oracles_gradient_descent.xor_cell(*zip(*box, strict=True)) for box in boxes]).T
    np.testing.assert_allclose(cells.mass, mass, rtol=1e-7, atol=1e-12)
    np.testing.assert_allclose(cells.mass * cells.eta, positive, rtol=1e-7, atol=1e-12)
    right = np.array([first[1] > 0.5 + 1e-9 for first, _ in boxes])
    np.testing.assert_allclose(cells.p, np.where(right, 1 - cells.eta, cells.eta), atol=1e-9)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("n", [1, 700])
def test_cells_make_up_the_whole(name, n):
    testbed = DISTRIBUTIONS[name]
    cells = partition_cells(testbed, n)
    assert cells.mass.sum() == pytest.approx(1, abs=1e-9)
    assert cells.mass @ cells.p == pytest.approx(float(testbed.client_risk()), abs=1e-9)
    assert (np.diff(cells.edges) > 0).all()


def test_the_clients_jump_is_an_edge():
    for name, jump in (("gaussians", 1.0), ("xor", 0.5)):
        for n, shift in ((1, 0.0), (37, 0.3), (1000, 1.0), (99_999, 0.7)):
            assert jump in partition_cells(DISTRIBUTIONS[name], n, offset=shift).edges


@given(n=st.integers(1, 5000), shift=st.floats(0, 1), name=st.sampled_from(["gaussians", "logistic"]))
def test_a_shift_moves_the_edges_and_leaves_the_number_of_cells(n, shift, name):
    fixed, moved = (partition_cells(DISTRIBUTIONS[name], n, offset=where) for where in (0.31, shift))
    assert abs(len(moved.mass) - len(fixed.mass)) <= 1  # an edge may fall on a jump, or on an end
    assert moved.mass.sum() == pytest.approx(1, abs=1e-9)


@settings(max_examples=20)
@given(name=st.sampled_from(NAMES), seed=st.integers(0, 99), n=st.integers(1, 40))
def test_examples_are_counted_in_their_cells(name, seed, n):
    testbed = DISTRIBUTIONS[name]
    cells, sample = partition_cells(testbed, n), testbed.sample(n, np.random.default_rng(seed))
    counts = np.zeros((4, len(cells.mass)), dtype=int)
    for cell_index, y, m in zip(
        oracles_gradient_descent.places(sample.x, cells.edges), sample.y, sample.m, strict=True
    ):
        counts[[(1, 1), (1, -1), (-1, 1), (-1, -1)].index((y, m)), cell_index] += 1
    np.testing.assert_array_equal(cell_counts(sample, cells), counts)


@pytest.mark.parametrize("name", NAMES)
def test_frequencies_approach_the_probabilities_of_the_cells(name):
    testbed, n = DISTRIBUTIONS[name], 100_000
    cells = partition_cells(testbed, 50)
    counts = cell_counts(testbed.sample(n, np.random.default_rng(0)), cells)
    expected = cells.mass * np.array([np.ones_like(cells.eta), cells.eta, cells.p])
    found = np.array([counts.sum(axis=0), counts[:2].sum(axis=0), counts[1:3].sum(axis=0)]) / n
    assert (np.abs(found - expected) <= 5 * np.sqrt(expected / n) + 1e-9).all()


# --- the descent

counts_of_a_cell = st.lists(st.integers(0, 50), min_size=4, max_size=4).filter(any)
costs = st.builds(Costs, c1=st.floats(0, 3), ce=st.floats(0, 2))
alphas, betas = st.floats(0.1, 6), st.floats(0.2, 5)


@settings(max_examples=40)
@given(counts=counts_of_a_cell, costs=costs, alpha=alphas, beta=betas)
def test_no_step_goes_up(counts, costs, alpha, beta):
    array, losses = np.array(counts)[None, :, None], []
    for steps in (1, 2, 3, 10, 11):
        tables = gradient_descent(array, np.array([[[alpha]]]), costs=costs, beta=beta, steps=steps)
        r, e = float(tables.r.item()), float(tables.e.item())
        losses.append(oracles_gradient_descent.cell_loss(counts, r, e, costs.c1, costs.ce, alpha, beta))
    start = oracles_gradient_descent.cell_loss(counts, 0, 0, costs.c1, costs.ce, alpha, beta)
    assert (np.diff([start, *losses]) <= 1e-12).all()


@given(counts=counts_of_a_cell, costs=costs, alpha=alphas, beta=betas)
def test_the_first_step_is_the_gradient_at_zero(counts, costs, alpha, beta):
    tables = gradient_descent(np.array(counts)[None, :, None], np.array([[[alpha]]]), costs=costs, beta=beta, steps=1)
    eta, p = sum(counts[:2]) / sum(counts), sum(counts[1:3]) / sum(counts)
    size = 1 / (max(1, beta**2 / 2, alpha**2) * (1 + costs.c1 + costs.ce))
    assert tables.r.item() == pytest.approx(size * (beta / 2 * costs.c1 + costs.ce - alpha * p), abs=1e-12)
    assert tables.e.item() == pytest.approx(size * beta / 2 * costs.c1 * (2 * eta - 1), abs=1e-12)


def test_descent_arrives_at_the_minimiser_of_each_cell():
    generator = np.random.default_rng(1)
    counts = generator.integers(5, 60, size=(3, 4, 20))
    alpha = generator.uniform(0.5, 3, size=(2, 3, 20))
    tables = gradient_descent(counts, alpha, costs=COSTS, beta=2.0, steps=3000)
    total = counts.sum(axis=1)
    eta, p = counts[:, :2].sum(axis=1) / total, counts[:, 1:3].sum(axis=1) / total
    best = minimiser(eta[None], p[None], costs=COSTS, alpha=alpha, beta=2.0)
    np.testing.assert_allclose(tables.r, best.r, atol=1e-6)
    np.testing.assert_allclose(tables.e, np.broadcast_to(best.e, tables.e.shape), atol=1e-6)


def test_a_cell_without_examples_keeps_its_scores():
    tables = gradient_descent(np.zeros((1, 4, 2)), np.ones((1, 1, 2)), costs=COSTS, beta=2.0, steps=3)
    assert not tables.r.any()
    assert not tables.e.any()


# --- the risk


@settings(max_examples=30)
@given(name=st.sampled_from(NAMES), seed=st.integers(0, 99), c1=st.floats(0, 3), ce=st.floats(0, 2))
def test_the_risk_is_the_sum_over_cells(name, seed, c1, ce):
    cells = partition_cells(DISTRIBUTIONS[name], 20)
    r, e = np.random.default_rng(seed).integers(-1, 2, size=(2, len(cells.mass))).astype(float)
    expected = oracles_gradient_descent.risk(cells.mass, cells.eta, cells.p, r, e, c1, ce)
    assert table_risks(ScoreTables(r, e), cells, costs=Costs(c1, ce)) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_the_best_table_loses_no_more_than_its_cells_do(name):
    testbed, floors = DISTRIBUTIONS[name], []
    for n in (100, 100_000):
        cells = partition_cells(testbed, n)
        best = ScoreTables(bayes_rejector(server_error(cells.eta), cells.p, costs=COSTS), bayes_server(cells.eta))
        floors.append(float(table_risks(best, cells, costs=COSTS)) - float(testbed.bayes_risk(COSTS)))
    assert -1e-9 <= floors[1] <= max(floors[0] / 2, 1e-9)


# --- the learning curve


@pytest.mark.parametrize("name", NAMES)
def test_a_calibrated_alpha_reaches_the_bayes_risk_and_a_wrong_one_its_own_limit(name):
    testbed = DISTRIBUTIONS[name]
    rules = {"from mu": from_mu, "constant": lambda mu, p: 1.0}
    curve = learning_curve(testbed, rules, sample_sizes=[100, 30_000], n_seeds=2, costs=COSTS)
    limit = expected_regret(rules["constant"], testbed, costs=COSTS, beta=2.0)
    assert (curve.excess >= curve.approximation_error - 1e-12).all()
    assert (curve.excess[0, 1] <= 0.006).all()
    np.testing.assert_allclose(curve.excess[1, 1], limit, atol=0.01)


def test_more_seeds_leave_the_first_ones_alone():
    options = {"sample_sizes": [50, 200], "costs": COSTS, "steps": 50}
    one, two = (
        learning_curve(DISTRIBUTIONS["logistic"], {"det": deterministic}, n_seeds=k, **options).excess for k in (1, 2)
    )
    np.testing.assert_allclose(one[..., 0], two[..., 0], atol=1e-12)
    assert (one[..., 0] != two[..., 1]).any()


def test_inputs_outside_the_domain_are_refused_with_the_domain():
    counts, alpha = np.ones((1, 4, 2)), np.ones((1, 1, 2))
    with pytest.raises(ValueError, match=r"counts \(S, 4, k\) and alpha \(R, S, k\)"):
        gradient_descent(counts[0], alpha, costs=COSTS, beta=2.0)
    with pytest.raises(ValueError, match=r"counts \(S, 4, k\) and alpha \(R, S, k\)"):
        gradient_descent(counts, np.ones((1, 1, 3)), costs=COSTS, beta=2.0)
    with pytest.raises(ValueError, match="alpha > 0"):
        gradient_descent(counts, 0 * alpha, costs=COSTS, beta=2.0)
    with pytest.raises(ValueError, match="beta > 0"):
        gradient_descent(counts, alpha, costs=COSTS, beta=0.0)
    with pytest.raises(ValueError, match="steps >= 1"):
        gradient_descent(counts, alpha, costs=COSTS, beta=2.0, steps=0)
    with pytest.raises(ValueError, match="n >= 1"):
        partition_cells(DISTRIBUTIONS["gaussians"], 0)
    with pytest.raises(ValueError, match=r"offset in \[0, 1\]"):
        partition_cells(DISTRIBUTIONS["gaussians"], 10, offset=1.5)
    with pytest.raises(ValueError, match="expected one of DISTRIBUTIONS, got another one with name gaussians"):
        partition_cells(gaussians(t=0.4), 10)
    with pytest.raises(ValueError, match="n_seeds >= 1"):
        learning_curve(DISTRIBUTIONS["atoms"], {"det": deterministic}, sample_sizes=[10], n_seeds=0, costs=COSTS)
