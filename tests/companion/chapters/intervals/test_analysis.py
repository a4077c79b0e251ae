"""Tables, evidence and half-widths of the page on intervals."""

from dataclasses import replace

import numpy as np
import pytest

from companion.chapters.intervals import analysis, simulation
from companion.chapters.intervals.settings import tables_digest
from companion.chapters.intervals.simulation import Coverage
from companion.chapters.parameters import settings_for
from companion.claims.registry import chapter_claims
from l2h.evaluation.class_pairs import class_pairs_mean
from l2h.evaluation.crossed import crossed_interval

TABLES = analysis.read_tables()
SETTINGS = replace(settings_for("intervals", "quick"), n_samples=40, n_families=4, n_images=40, n_resamples=20)


def test_the_tables_are_those_of_the_record():
    assert TABLES.areas().shape[1] == 3 and len(TABLES.areas()) > 120 and (TABLES.areas() >= 0).all()
    assert len(TABLES.families) == 2
    for family in TABLES.families:
        assert set(family) == {"seeds", "images", "residual"}
        for matrix in family.values():
            assert matrix == pytest.approx(matrix.T, rel=1e-4) and np.linalg.eigvalsh(matrix).min() > -1e-5
    assert (TABLES.seconds.cpu_seconds > 0).all()
    assert len(tables_digest()) == 64


def test_every_case_of_the_rules_has_evidence():
    means, families = analysis.check_means(SETTINGS, TABLES), analysis.check_families(SETTINGS, TABLES)
    others, claims = analysis.check_others(SETTINGS), chapter_claims("intervals")
    pairs = analysis.check_class_pairs(SETTINGS)
    evidence = {
        "intervals-cover-one-mean": analysis.seed_evidence(means[analysis.NEW], (3, 5, 20)),
        "intervals-cover-a-family": analysis.seed_evidence(families[analysis.TOGETHER], (3, 5)),
        "intervals-cover-students-t": analysis.student_evidence(others),
        "intervals-cover-pairs-of-classes": analysis.pairs_evidence(pairs),
        "intervals-cover-pairs-at-the-primary-level": analysis.primary_level_evidence(pairs),
        "intervals-cover-a-new-pair": analysis.new_pair_evidence(pairs),
        "intervals-cover-a-proportion": analysis.exact_evidence(analysis.check_proportions()),
        "intervals-cover-a-subset": analysis.subset_evidence(others),
    }
    for name, cases in evidence.items():
        assert set(cases) == set(claims[name].rule.cases)
    assert analysis.EXPONENT in others and 5 in means[analysis.OLD]
    rows = analysis.coverage_table(analysis.flatten(means) | others)
    assert list(rows.columns) == ["coverage", "half-width / true standard error", "simulated"]
    assert rows.simulated.max() == 40


def test_coverage_in_words():
    row = analysis.coverage_table({"a": Coverage(9, 10, 2.0), "b": Coverage(10, 10, np.nan)})
    assert (
        row.loc["a", "coverage"].startswith("0.900 [") and row.loc["a"].iloc[1] == "2.00" and row.loc["b"].iloc[1] == ""
    )
    evidence = analysis.coverage_evidence({"a": Coverage(9, 10, 2.0)})["a"]
    assert (evidence.estimate, evidence.n) == (0.9, 10) and evidence.low < 0.9 < evidence.high


@pytest.mark.parametrize("components", [(0.0, 1.0, 2.0), (0.04, 0.5, 2.0)])
def test_the_expected_half_width_is_that_of_an_experiment_of_many_seeds(components):
    values = simulation.crossed_values(np.array([components]), seeds=200, n=300, generator=np.random.default_rng(0))[0]
    interval = crossed_interval(values)
    expected = analysis.expected_half_width(components, seeds=200, images=300)
    assert (interval.high - interval.low) / 2 == pytest.approx(expected, rel=0.1)


def test_no_variation_needs_no_interval_and_one_seed_is_refused():
    assert analysis.expected_half_width([0, 0, 0], seeds=5, images=100) == 0
    with pytest.raises(ValueError, match="seeds >= 2"):
        analysis.expected_half_width([0, 1, 1], seeds=1, images=100)


def test_seeds_are_counted_until_the_half_width_is_reached():
    components = (0.01, 1.0, 1.0)
    needed = analysis.seeds_needed(components, images=1000, half_width=0.1)
    widths = [analysis.expected_half_width(components, seeds=s, images=1000) for s in (needed - 1, needed)]
    assert widths[0] > 0.1 >= widths[1]
    assert analysis.seeds_needed(components, images=100, half_width=0.1, most=50) is None


def test_the_power_table_has_each_question_in_each_setting_with_its_cost():
    table = analysis.power_table(TABLES, margin=0.005)
    assert set(table.index.get_level_values(0)) == set(analysis.POWER_QUESTIONS) and len(table) == 24
    assert (table["20 seeds"] < table["5 seeds"]).all()
    cost = analysis.seconds_per_seed(TABLES.seconds, "lenet", "separate")
    rows = TABLES.seconds.set_index(["client", "method"]).cpu_seconds
    own = sum(rows["lenet", method] for method in ("client", "learning_to_help", "separate"))
    assert cost == pytest.approx(own + rows["as_released", "plain_server"])
    row = table.loc["area, minus separate", "lenet, easy pair"]
    assert row["seconds a seed"] == pytest.approx(cost, abs=0.1)


def test_half_widths_fall_with_seeds_and_pairs():
    for row in analysis.mean_half_widths(TABLES, (3, 10, 50)).values():
        assert row == sorted(row, reverse=True)
    for row in analysis.pairs_half_widths().values():
        assert row == sorted(row, reverse=True)


def test_the_half_width_of_pairs_is_that_of_many_classes():
    k, generator = 60, np.random.default_rng(0)
    u = np.sqrt(1 / 6) * generator.normal(size=k)
    pairs = [(a, b) for a in range(k) for b in range(a)]
    values = [u[a] + u[b] + np.sqrt(2 / 3) * generator.normal() for a, b in pairs]
    interval = class_pairs_mean(pairs, values).interval()
    expected = analysis.pairs_half_width(1.0, classes=k)
    assert (interval.high - interval.low) / 2 == pytest.approx(expected, rel=0.15)


def test_the_sentences_on_pairs_of_classes_have_their_numbers():
    found = analysis.check_class_pairs(SETTINGS)
    text = analysis.describe_class_pairs(found)
    for name in (analysis.pairs_name(0.02), analysis.NEW_PAIR):
        assert f"{found[name].covered / found[name].n:.3f}" in text
    assert "0.42% are" in text and " at 33%" in text
