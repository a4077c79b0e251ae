"""Numerical checks of the theorems of chapter 07: each finds what it should, and would find a violation."""

import numpy as np
import pytest

from companion.chapters.ch07_multiclass import specialists, theory
from l2h.problem import Costs


def test_the_released_form_has_regret_and_the_others_have_none():
    assert theory.stage_regret("released") > 1
    assert max(theory.stage_regret(form) for form in ("paper", "nonnegative")) < 1e-12


def test_random_points_stay_below_the_bound_and_the_example_attains_it():
    assert -0.375 < theory.confidence_bound_violation(3) <= 1e-9
    assert theory.confidence_bound_slack(10) == pytest.approx(0, abs=1e-12)
    assert theory.bayes_rules_excess(3) < 1e-12


def test_two_classes_are_a_special_case():
    assert theory.two_class_difference() < 1e-9


def test_the_table_has_a_row_for_each_statement_and_each_form():
    table = theory.stage_statements_table()
    assert {"regret, paper", "regret, nonnegative", "regret, released"} < set(table.index)
    assert table.loc["regret, paper", "verdict"] == "0.000000" and "refuted" in set(table["verdict"])


def test_thresholds_are_cut_to_probabilities():
    found = theory.stage_switching_ask_thresholds(np.array([0.0, 0.5, 1.0]), costs=Costs(1.0, 0.25))
    assert found["paper, nonnegative"].tolist() == [0.25, 0.75, 1.0] and found["released"].tolist() == [0.25, 0.0, 0.0]


def test_the_other_label_has_the_smaller_joint_risk_for_close_posteriors():
    likelier, other = theory.joint_stage_risks(np.array([0.05, 0.95]), 0.5, costs=Costs(0.8, 0.05))
    assert other[0] < likelier[0] and other[1] > likelier[1]


def test_specialist_risks_are_those_of_the_solutions():
    found = theory.specialist_risks(1)
    atoms, costs = specialists.specialist_distribution(1), theory.SPECIALIST_COSTS
    least = specialists.min_system_risk(atoms, costs=costs)
    assert found.references["in stages"] == pytest.approx(least) and found.references["plain cross-entropy"] > least
    assert len(found.convex) == len(theory.ALPHA_GRID)
    assert all(best <= risk + 1e-12 for best, risk in zip(found.with_best_rejector, found.convex, strict=True))
    solution = specialists.solve_convex(atoms, costs=costs, alpha=float(theory.ALPHA_GRID[7]), beta=4.0)
    assert found.convex[7] == pytest.approx(specialists.system_risk(atoms, solution, costs=costs))


def test_only_two_classes_have_an_alpha_with_the_least_risk():
    assert theory.min_convex_excess(1) < 1e-9 < theory.min_convex_excess(2)
    excess = theory.weighted_server_excess()
    assert excess["in stages"] < 1e-9 < 0.1 < excess["plain"]
