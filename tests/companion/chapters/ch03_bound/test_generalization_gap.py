"""The largest gaps against every pair of a family, written out; and what a search may and may not find."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import theory

from companion.chapters.ch03_bound import generalization_gap
from companion.chapters.ch03_bound.generalization_gap import FAMILIES, Setting
from l2h.problem import Costs
from l2h.theory.generalization import margin_bound
from l2h.theory.rademacher import linear_family, monte_carlo_complexity, stump_family

costs_of_any_size = st.builds(Costs, c1=st.floats(0, 2), ce=st.floats(0, 1))


@settings(max_examples=30)
@given(
    n=st.integers(1, 6),
    p=st.floats(0, 1),
    costs=costs_of_any_size,
    seed=st.integers(0, 10**6),
    two_sided=st.booleans(),
)
def test_the_supremum_on_a_line_is_that_of_a_fine_grid(n, p, costs, seed, two_sided):
    generator = np.random.default_rng(seed)
    x, errors, y = np.sort(generator.random(n)), generator.random(n) < p, generator.integers(0, 2, n) * 2 - 1
    case = Setting("thresholds", costs, n, 0.1, p)
    gap = generalization_gap.threshold_gap(x[None], errors[None], y[None], case, two_sided=two_sided).item()
    grid = sorted({0.0, 1.0, *x, *(x - 1e-9), *(x + 1e-9)})
    literal = theory.line_gap(x, errors, y, p, costs.c1, costs.ce, two_sided, grid)
    assert gap == pytest.approx(literal, abs=1e-7)


@settings(max_examples=30)
@given(n=st.integers(1, 4), p=st.floats(0, 1), costs=costs_of_any_size, seed=st.integers(0, 10**6))
def test_the_supremum_of_stumps_is_that_of_every_pair(n, p, costs, seed):
    generator = np.random.default_rng(seed)
    x, errors, y = generator.random((n, 2)), generator.random(n) < p, generator.integers(0, 2, n) * 2 - 1
    gap = generalization_gap.stump_gap(x[None], errors[None], y[None], Setting("stumps", costs, n, 0.1, p)).item()
    assert gap == pytest.approx(theory.stump_gap(x, errors, y, p, costs.c1, costs.ce), abs=1e-9)


def test_two_sided_thresholds_are_stumps_on_one_feature():
    generator = np.random.default_rng(2)
    x, errors = np.sort(generator.random((50, 12)), axis=1), generator.random((50, 12)) < 0.4
    y, case = generator.integers(0, 2, (50, 12)) * 2 - 1, Setting("stumps", Costs(0.8, 0.1), 12, 0.1, 0.4)
    on_a_line = generalization_gap.threshold_gap(x, errors, y, case, two_sided=True)
    np.testing.assert_allclose(generalization_gap.stump_gap(x[..., None], errors, y, case), on_a_line)
    assert (generalization_gap.threshold_gap(x, errors, y, case, two_sided=False) <= on_a_line + 1e-12).all()


@settings(max_examples=5)
@given(n=st.integers(1, 5), p=st.floats(0, 1), costs=costs_of_any_size, seed=st.integers(0, 10**6))
def test_the_search_in_the_ball_tries_the_directions_that_it_names(n, p, costs, seed):
    generator = np.random.default_rng(seed)
    angle, errors = generator.uniform(0, 2 * np.pi, n), generator.random(n) < p
    y = generator.integers(0, 2, n) * 2 - 1
    found = generalization_gap.ball_gap(
        angle[None], errors[None], y[None], Setting("linear ball", costs, n, 0.1, p)
    ).item()
    assert found == pytest.approx(theory.ball_gap(angle, errors, y, p, costs.c1, costs.ce, 16, 0.5), abs=1e-5)


def test_lower_bounds_of_complexities_are_below_what_random_signs_say():
    generator = np.random.default_rng(4)
    case = Setting("stumps", Costs(1.0, 0.1), 60, 0.1)
    drawn = [
        generalization_gap.sample_gaps(case._replace(family=family), 2, generator).mean_complexity
        for family in ("stumps", "linear ball")
    ]
    angle = generator.uniform(0, 2 * np.pi, 60)
    families = (
        stump_family(generator.random((60, 2))),
        linear_family(np.column_stack([np.cos(angle), np.sin(angle)]), norm=2),
    )
    for bound, family in zip(drawn, families, strict=True):
        sampled = monte_carlo_complexity(family, n_samples=4000, delta=1e-6, seed=0)
        assert 0.6 * sampled.value < bound <= sampled.value + sampled.half_width


def test_draws_do_not_depend_on_how_many_are_held_at_a_time(monkeypatch):
    case = Setting("stumps", Costs(1.0, 0.1), 20, 0.1)
    monkeypatch.setattr(generalization_gap, "MAX_SAMPLE_ELEMENTS", 3 * 400)
    drawn = generalization_gap.sample_gaps(case, 10, np.random.default_rng(0))
    assert drawn.gap.shape == (10,)
    assert len(set(drawn.gap.round(12))) > 3


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_gives_a_gap_and_a_complexity_for_each_sample(family):
    drawn = generalization_gap.sample_gaps(Setting(family, Costs(1.0, 0.15), 30, 0.1), 40, np.random.default_rng(1))
    assert drawn.gap.shape == (40,) and np.isfinite(drawn.gap).all()
    assert drawn.complexity.shape in ((), (40,)) and 0 < drawn.mean_complexity < 1
    assert (drawn.gap <= 1.15).all() and drawn.gap.mean() > 0


def test_the_margin_form_holds_for_what_the_search_finds():
    case = Setting("linear ball", Costs(1.0, 0.15), 400, 0.05)
    drawn = generalization_gap.sample_gaps(case, 60, np.random.default_rng(0))
    penalty = margin_bound(
        drawn.complexity, drawn.complexity, costs=case.costs, n=case.n, delta=case.delta, rho=generalization_gap.RHO
    ).total
    assert drawn.gap.max() < penalty < 1.15  # the bound is not empty, and it holds


def test_doors():
    case = Setting("thresholds", Costs(), 10, 0.1)
    with pytest.raises(ValueError, match="family to be one of"):
        generalization_gap.sample_gaps(case._replace(family="trees"), 1, np.random.default_rng(0))
    with pytest.raises(ValueError, match=r"p in \[0, 1\]"):
        generalization_gap.sample_gaps(case._replace(p=1.5), 1, np.random.default_rng(0))
    with pytest.raises(ValueError, match="n_samples >= 1"):
        generalization_gap.sample_gaps(case, 0, np.random.default_rng(0))
