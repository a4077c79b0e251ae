"""Rivals with a server of their own, trained on a table: the Bayes decision where theory says so, or named failures."""

import pytest
import torch
from helpers import tabular
from oracles import deferral

from l2h.methods import base, learning_to_defer, registry
from l2h.methods.base import Splits
from l2h.problem import Costs, asks, server_label

COSTS = Costs(c1=1.0, ce=0.1)


@pytest.fixture(scope="module")
def splits():
    return tabular.splits()


def trained(name, splits, costs=COSTS, **options):
    options_with = {**vars(tabular.OPTIONS), **options}
    return registry.METHODS[name](splits, costs=costs, seed=0, options=base.Options(**options_with))


def asked(system, splits):
    return torch.nonzero(asks(system.r(tabular.one_of_each(splits.train))))[:, 0].tolist()


def best(atoms):
    return [max(range(len(atom.eta)), key=lambda k: atom.eta[k]) for atom in atoms]


def test_the_table_is_what_it_claims():
    r = [deferral.bayes_r(atom.eta, atom.m, COSTS.c1, COSTS.ce) for atom in tabular.ATOMS]
    assert [i for i, value in enumerate(r) if value <= 0] == tabular.ASKED


@pytest.mark.parametrize("name", ["mozannar_sontag", "one_vs_all"])
def test_learning_to_defer_finds_the_bayes_decision_and_the_best_answers(splits, name):
    system = trained(name, splits)
    assert asked(system, splits) == tabular.ASKED
    answers = server_label(system.e(tabular.one_of_each(splits.train))).tolist()
    assert [answers[i] for i in tabular.ASKED] == [best(tabular.ATOMS)[i] for i in tabular.ASKED]
    assert system.needs_server and not system.needs_client_scores


def test_one_vs_all_estimates_what_asking_costs_more_than_keeping(splits):
    r = trained("one_vs_all", splits).r(tabular.one_of_each(splits.train))
    expected = [deferral.bayes_r(atom.eta, atom.m, COSTS.c1, COSTS.ce) for atom in tabular.ATOMS]
    assert r.tolist() == pytest.approx(expected, abs=0.01)


def test_realizable_decides_right_here_but_answers_at_random_what_it_keeps(splits):
    system = trained("realizable", splits)
    answers = server_label(system.e(tabular.one_of_each(splits.train))).tolist()
    assert asked(system, splits) == tabular.ASKED
    assert [answers[i] for i in tabular.ASKED] == [best(tabular.ATOMS)[i] for i in tabular.ASKED]
    assert answers != best(tabular.ATOMS)  # the named failure: thresholding r further leads to untrained answers


def test_triage_trains_as_long_as_the_other_methods(splits):
    system = trained("differentiable_triage", splits)
    assert len(system.history) == len(trained("budgeted", splits).history)


def test_triage_finds_the_bayes_decision_where_most_labels_are_the_mean():
    """Where an answer is either nearly sure or nearly never right, what costs less for most labels costs less."""
    eta = ((0.9, 0.1, 0.0), (0.05, 0.0, 0.95))
    atoms = [tabular.Atom(row, m, 0.6) for row in eta for m in (0, 1, 2)]
    splits = tabular.splits(atoms)
    system = trained("differentiable_triage", splits)
    r = [deferral.bayes_r(atom.eta, atom.m, COSTS.c1, COSTS.ce) for atom in atoms]
    assert asked(system, splits) == [i for i, value in enumerate(r) if value <= 0]
    answers = server_label(system.e(tabular.one_of_each(splits.train))).tolist()
    assert [answers[i] for i in asked(system, splits)] == [best(atoms)[i] for i in asked(system, splits)]


def test_named_failure_triage_asks_where_most_labels_say_so(splits):
    """Atom 6: the client errs in 60 %, and so does the best answer; asking costs 0.1 for nothing."""
    system = trained("differentiable_triage", splits)
    assert tabular.ATOMS[6].eta == (0.4, 0.3, 0.3)
    assert asked(system, splits) == [*tabular.ASKED[:2], 6, 7]


def test_a_budget_is_spent_where_it_helps_most(splits):
    share = len(tabular.ASKED) / len(tabular.ATOMS)
    assert asked(trained("budgeted", splits, budget=share), splits) == tabular.ASKED
    assert asked(trained("budgeted", splits, budget=0.0), splits) == []
    assert len(asked(trained("budgeted", splits, budget=1.0), splits)) == len(tabular.ATOMS)


def test_named_failure_a_budget_knows_no_zero(splits):
    """With half of the questions to spend it asks a fourth atom, where asking costs more."""
    assert set(asked(trained("budgeted", splits, budget=0.5), splits)) > set(tabular.ASKED)


@pytest.mark.parametrize("share", [0.0, 0.25, 0.5, 1.0])
def test_a_share_is_asked_and_ties_go_together(share):
    r = torch.tensor([0.3, -0.1, 0.8, 0.5])
    assert asks(r - learning_to_defer.ask_rate_threshold(r, share)).sum() == 4 * share
    tied = torch.zeros(4)
    assert asks(tied - learning_to_defer.ask_rate_threshold(tied, 0.25)).all()


@pytest.mark.parametrize("name", ["mozannar_sontag", "one_vs_all", "realizable"])
def test_two_classes_coded_either_way_agree(name):
    """Labels -1/+1 with one score and 0/1 with two are the same problem; heads of K + 1 scores do not see the code."""
    signs, numbers = tabular.both_codings()
    one, other = (trained(name, Splits(*[examples] * 3)) for examples in (signs, numbers))
    torch.testing.assert_close(one.r(signs), other.r(numbers), atol=1e-6, rtol=0)
    torch.testing.assert_close(one.e(signs), other.e(numbers).diff(dim=1)[:, 0], atol=1e-6, rtol=0)
