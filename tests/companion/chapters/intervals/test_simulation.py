"""Simulated experiments: their components are those asked for, and coverage is counted as it should be."""

import numpy as np
import pytest
from scipy.stats import binom

from companion.chapters.intervals import analysis, simulation
from companion.chapters.intervals.simulation import Coverage
from l2h.evaluation import crossed
from l2h.evaluation.crossed import variance_components
from l2h.evaluation.intervals import Interval, proportion_interval

PARTS = np.array([[0.25, 1.0, 4.0]])


@pytest.mark.parametrize("effects", [simulation.normal, simulation.heavy_tailed])
def test_simulated_values_have_the_components_asked_for(effects):
    values = simulation.crossed_values(PARTS, seeds=300, n=400, generator=np.random.default_rng(1), effects=effects)
    assert variance_components(values[0]) == pytest.approx(
        PARTS[0], rel=0.4 if effects is not simulation.normal else 0.2
    )


def test_the_standard_error_is_that_of_simulated_means():
    chosen = np.repeat(PARTS, 4000, axis=0)
    values = simulation.crossed_values(chosen, seeds=3, n=10, generator=np.random.default_rng(0))
    assert simulation.standard_errors(PARTS, seeds=3, n=10) == pytest.approx(values.mean(axis=(1, 2)).std(), rel=0.05)


def test_coverage_is_a_share_with_its_exact_interval():
    assert Coverage(95, 100, 2.0).interval() == proportion_interval(95, 100)
    assert simulation.half_widths([Interval(1, 0, 3), Interval(0, -1, 0)]).tolist() == [1.5, 0.5]


def test_coverage_of_a_mean_is_near_its_level_and_the_old_bootstrap_is_wider(monkeypatch):
    new = simulation.mean_coverage(PARTS, seeds=5, n=50, n_samples=600)
    old = simulation.mean_coverage(PARTS, seeds=5, n=50, n_samples=600, old_resamples=200)
    assert 0.92 < new.covered / new.n < 0.985 and (new.n, old.n) == (600, 600)
    assert old.half_width > new.half_width > 1.9 and old.covered > new.covered
    monkeypatch.setattr(simulation, "VALUES_AT_A_TIME", 1000)
    in_batches = simulation.mean_coverage(PARTS, seeds=5, n=50, n_samples=600)
    assert in_batches.half_width == pytest.approx(new.half_width, rel=0.05)


def test_coverage_of_a_subset_is_near_its_level():
    found = simulation.subset_coverage(0.3, seeds=4, n=200, n_samples=400)
    assert 0.92 < found.covered / 400 <= 0.99 and np.isnan(found.half_width)


def test_a_family_has_the_covariances_asked_for():
    products = {name: np.array([[2.0, 1.0], [1.0, 3.0]]) for name in ("residual", "images", "seeds")}
    generator = np.random.default_rng(0)
    values, errors = simulation.family_values(products, seeds=30, n=2000, generator=generator)
    assert values.shape == (2, 30, 2000)
    assert np.cov(values.reshape(2, -1)) == pytest.approx(products["residual"], rel=0.05)
    assert errors == pytest.approx(np.sqrt(np.diag(products["residual"]) / 60_000))


def test_all_of_a_family_are_counted_together(monkeypatch):
    monkeypatch.setattr(crossed, "DRAWS", 400)
    products = {"residual": np.eye(6), "images": 2 * np.eye(6), "seeds": 3 * np.eye(6)}
    found = simulation.family_coverage([products], seeds=4, n=50, n_samples=60)
    lower = simulation.family_coverage([products], seeds=4, n=50, n_samples=60, level=0.5)
    old = simulation.family_coverage([products], seeds=4, n=50, n_samples=20, old_resamples=100)
    assert lower.covered < found.covered <= 60 and lower.half_width < found.half_width < old.half_width


@pytest.mark.parametrize("seeds", [3, 10])
def test_students_interval_covers_as_stated(seeds):
    found = simulation.student_coverage(seeds=seeds, n_samples=2000)
    assert found.covered / 2000 == pytest.approx(0.95, abs=0.02)


def test_the_coverage_of_a_proportion_is_that_of_simulated_counts():
    exact = simulation.proportion_coverage(40, 0.2)
    counts = binom(40, 0.2).rvs(4000, random_state=1)
    limits = {count: proportion_interval(int(count), 40) for count in set(counts)}
    share = np.mean([limits[count].low <= 0.2 <= limits[count].high for count in counts])
    assert exact == pytest.approx(share, abs=0.01) and exact > 0.95


def test_exponents_and_pairs_of_classes_cover_as_stated():
    assert simulation.exponent_coverage(seeds=10, n_samples=500).covered / 500 == pytest.approx(0.95, abs=0.04)
    shares = [simulation.class_pair_coverage(share, classes=6, n_samples=500) for share in (0.0, 0.5)]
    for found in shares:
        assert 0.92 < found.covered / 500 <= 0.995 and 1.9 < found.half_width < 4


def test_a_higher_level_covers_more_and_a_new_pair_has_no_width_of_a_mean():
    common = {"classes": 6, "n_samples": 300, "seeds": 3}
    lower, higher = (simulation.class_pair_coverage(1 / 3, level=level, **common) for level in (0.8, 0.99))
    assert lower.covered < 0.93 * 300 < higher.covered and lower.half_width < higher.half_width
    new = simulation.new_pair_coverage(1 / 3, **common)
    assert 0.9 * 300 < new.covered <= 300 and np.isnan(new.half_width)


def test_simulated_pairs_have_the_variances_that_they_state():
    experiments = list(simulation.class_pair_experiments(0.5, classes=6, n_samples=4000, seeds=4))
    means, new = np.array([(one.mean.estimate, one.new_pair) for one in experiments]).T
    shared, own = simulation.SHARED_SEED_PART / 4, simulation.OWN_SEED_PART / 4
    assert means.var() == pytest.approx(2 * 0.5 / 6 + (0.5 + own) / 15 + shared, rel=0.06)
    assert new.var() == pytest.approx(1 + own + shared, rel=0.06)
    assert abs(np.corrcoef(means, new)[0, 1]) < 0.05


def test_other_random_numbers_give_other_families():
    products = {part: np.diag([1.0, 2.0]) for part in ("seeds", "images", "residual")}
    found = [simulation.family_coverage([products], seeds=4, n=50, n_samples=30, stream=stream) for stream in (1, 1, 2)]
    assert found[0] == found[1] != found[2]


def test_simulations_are_repeatable():
    areas = analysis.read_tables().areas()[:5]
    first, second = (simulation.mean_coverage(areas, seeds=3, n=40, n_samples=50) for _ in range(2))
    assert first == second
