"""Tables and generated sentences of chapter 06 against direct computations."""

import numpy as np
import pytest
from helpers.samples import sample_runs

from companion.chapters.ch06_comparison.analysis import AccuracyAndCost, areas
from companion.chapters.ch06_comparison.tables import (
    area_table,
    classifier_accuracies,
    describe_outcomes,
    format_intervals,
    generalized_risk_area,
    human_label_table,
    resource_table,
    table_one_rows,
)
from companion.chapters.systems import ON_DEVICE_CLASSIFIER
from l2h.evaluation.curves import error_auroc_contributions
from l2h.evaluation.intervals import Interval
from l2h.evaluation.resources import ResourceUse
from l2h.evaluation.thresholds import with_threshold

L2H, OTHER = sample_runs(2, 200), sample_runs(2, 200, server=0.8)
SYSTEMS = {"learning to help": L2H, "confidence": OTHER, ON_DEVICE_CLASSIFIER: OTHER}


def difference(estimate, half=0.01):
    return Interval(estimate, estimate - half, estimate + half)


def test_classifiers_are_judged_on_all_images():
    row = classifier_accuracies(SYSTEMS)
    assert list(row) == ["client", "separate server", "joint server", ON_DEVICE_CLASSIFIER]
    server = np.mean([((p.e >= 0) == (p.y > 0)).mean() for p in OTHER])
    assert row["separate server"].startswith(f"{server:.3f} [")
    assert row["client"].startswith(f"{np.mean([(p.m == p.y).mean() for p in L2H]):.3f} [")


def test_averages_are_for_systems_of_every_setting():
    table = area_table({"x": SYSTEMS, "y": {"learning to help": OTHER}})
    assert table.loc["learning to help", "y"] == pytest.approx(np.mean(areas({"y": {"s": OTHER}}, "s")))
    both = [*L2H, *OTHER]
    assert table.loc["learning to help", "AUGRC"] == pytest.approx(np.mean([generalized_risk_area(p) for p in both]))
    auroc = np.mean([error_auroc_contributions(p).mean() for p in both])
    assert table.loc["learning to help", "AUROC"] == pytest.approx(auroc)
    assert table.loc["confidence", ["y", "AUGRC", "AUROC"]].isna().all()


def test_a_rejector_that_keeps_no_error_first_has_less_generalized_risk():
    p = L2H[0]
    perfect = type(p)(p.m, (p.m == p.y) - 0.5, p.e, p.y)
    assert generalized_risk_area(perfect) < generalized_risk_area(p)


def test_sentences_follow_the_intervals():
    rows = {
        "x": {"a": difference(0.1), "b": difference(0.0), "L2H, released alpha": difference(0.002)},
        "y": {"a": difference(-0.1), "b": difference(0.0), "L2H, released alpha": difference(-0.004)},
        "z": {"a": difference(0.2), "b": difference(0.0), "L2H, released alpha": difference(0.0)},
    }
    first, second, third = describe_outcomes(rows, ("a", "b", "absent")).data.splitlines()
    assert "larger area in 2 of 3 settings (x; z)" in first and "smaller one in 1 of 3 settings (y)" in first
    assert "larger area in none of 3 settings and" in second and "smaller one in none of 3 settings." in second
    assert third.endswith("differ by at most 0.004.")
    assert "1 setting." in describe_outcomes({"x": {"b": difference(0.0)}}, ("b",)).data


def test_intervals_are_written_out():
    assert format_intervals({"x": {"area": Interval(0.5, 0.25, 0.75)}}).loc["x", "area"] == "0.500 [0.250, 0.750]"


def test_resources_are_in_their_units():
    system = AccuracyAndCost(7, ResourceUse(1.5e6, 512.0), Interval(0.5, 0.25, 0.75))
    assert resource_table({"a": system}).loc["a"].tolist() == [7, "1.500", "0.51", "0.500 [0.250, 0.750]"]


def test_table_one_has_both_thresholds():
    tuned = [with_threshold(p, 0.5) for p in L2H]
    rows = table_one_rows(L2H, tuned, ("minus", "plus"))
    assert list(rows) == [("minus", "kept"), ("minus", "asked"), ("plus", "kept"), ("plus", "asked")]
    row = rows["plus", "kept"]
    assert list(row) == ["m", "e", "differ.", "differ., tuned", "n", "n, tuned"]
    assert row["n, tuned"] == f"{np.mean([((p.y == 1) & (p.r > 0.5)).sum() for p in L2H]):.0f}"


def test_no_comparison_with_people_is_an_empty_table():
    none = human_label_table({})
    assert none.index.tolist() == ["all settings"] and none.iloc[0].tolist() == ["none of these images"]
