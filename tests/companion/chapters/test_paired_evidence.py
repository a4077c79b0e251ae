"""Evidence on paired differences against direct computations, and how often the limits of a least one hold."""

import numpy as np
import pytest
from helpers.samples import sample_runs

from companion.chapters.paired_evidence import (
    evidence_on_differences,
    least_difference_evidence,
    paired_evidence,
)
from companion.claims.power import units_to_settle
from l2h.evaluation.comparisons import mean_difference, server_difference_on_asked
from l2h.evaluation.metrics import correctness, keep_indicator

USEFUL = {"above": 0, "margin": 0.01}
FIRST, SECOND = sample_runs(3, 300), sample_runs(3, 300, client=0.69)


def test_the_intervals_are_those_of_the_paired_difference_at_both_levels():
    evidence = paired_evidence(FIRST, SECOND, correctness, bounds=USEFUL, data="abc")
    expected = mean_difference(FIRST, SECOND, correctness)
    narrower = mean_difference(FIRST, SECOND, correctness, level=0.9)
    assert (evidence.estimate, evidence.low, evidence.high) == tuple(map(float, expected))
    assert (evidence.equivalence_low, evidence.equivalence_high) == tuple(map(float, narrower[1:]))
    assert (evidence.n, evidence.seeds, evidence.units, evidence.data) == (300, 3, "seeds", "abc")
    assert paired_evidence(FIRST, [], correctness, bounds=USEFUL, data="abc").reason == "not run at this profile"


def test_a_single_seed_has_no_number_of_seeds_that_settles():
    assert paired_evidence(FIRST[:1], SECOND[:1], correctness, bounds=USEFUL, data="abc").units is None


def test_a_subset_is_pooled_over_seeds():
    difference = np.array([(p.e > 0) == (p.y > 0) for p in FIRST]) * 1.0 - np.array([p.m == p.y for p in FIRST])
    asked = np.array([1 - keep_indicator(p) for p in FIRST])
    evidence = evidence_on_differences(difference, asked, bounds=USEFUL, data="abc")
    assert evidence.estimate == pytest.approx(difference[asked == 1].mean())
    paired = server_difference_on_asked(FIRST, SECOND)
    servers = np.array([((p.e > 0) == (p.y > 0)) * 1.0 for p in (*FIRST, *SECOND)])
    same = evidence_on_differences(servers[:3] - servers[3:], asked, bounds=USEFUL, data="abc")
    assert (same.estimate, same.low, same.high) == tuple(map(float, paired))
    nobody = evidence_on_differences(difference, 0 * asked, bounds=USEFUL, data="abc")
    assert nobody.reason == "there is no such example"


def test_the_number_of_seeds_counts_the_images_as_given():
    generator = np.random.default_rng(0)
    seeds, images = generator.normal(0, 0.02, size=(6, 1)), generator.normal(0, 0.1, size=400)
    values = 0.01 + seeds - seeds.mean() + images - images.mean()
    evidence = evidence_on_differences(values, bounds={"above": 0}, data="abc")
    assert evidence.settled_by == units_to_settle(
        0.01, float(seeds.std(ddof=1)), 5, units=6, bounds={"above": 0}, other_variance=images.var(ddof=1) / 400
    )


def simulated(effects, generator, seeds=5, n=60):
    shape = (len(effects), seeds, n)
    values = generator.normal(size=(len(effects), seeds, 1)) * 0.3 + generator.normal(size=shape)
    return list(np.asarray(effects)[:, None, None] + values)


def test_the_least_difference_lies_between_its_limits():
    generator, covered = np.random.default_rng(0), []
    for _ in range(150):
        evidence = least_difference_evidence(simulated([0.0, 0.0, 0.1, 1.0], generator), bounds={"above": 0}, data="a")
        covered.append(evidence.low <= 0 <= evidence.high)
        assert evidence.low <= evidence.estimate <= evidence.high
    assert np.mean(covered) >= 0.94


def test_a_least_difference_says_what_would_settle_all_open_cases():
    clear, wide = simulated([5.0, 0.1], np.random.default_rng(1))
    bounds = {"above": 0}
    assert least_difference_evidence([clear], bounds=bounds, data="a").settled_by is None  # nothing is open
    found = least_difference_evidence([clear, wide], bounds=bounds, data="a")
    seeds = wide.mean(axis=1)
    assert found.low < 0 < found.high and found.units == "seeds"
    assert found.settled_by is None or found.settled_by > len(seeds)
