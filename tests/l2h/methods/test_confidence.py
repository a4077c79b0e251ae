"""Confidence in its four forms: Chow's rule where it is right, and a named failure where it is not."""

import math

import numpy as np
import pytest
import torch
from helpers import tabular
from hypothesis import given
from hypothesis import strategies as st
from oracles import deferral

from l2h.methods import base, registry
from l2h.methods import confidence as methods_confidence
from l2h.methods.base import CONFIDENCE_MEASURES, Splits
from l2h.problem import Costs, asks, server_label

COSTS = Costs(c1=1.0, ce=0.1)


def trained(name, splits, **options):
    options_with = {**vars(tabular.OPTIONS), **options}
    return registry.METHODS[name](splits, costs=COSTS, seed=0, options=base.Options(**options_with))


def confidences(splits, name, score):
    return methods_confidence.CONFIDENCE_FUNCTIONS[name](splits)(torch.tensor(score)).tolist()


def test_the_names_of_the_options_are_those_that_have_a_meaning():
    assert tuple(methods_confidence.CONFIDENCE_FUNCTIONS) == CONFIDENCE_MEASURES
    assert set(methods_confidence.PROBABILITY_MEASURES) < set(CONFIDENCE_MEASURES)


def test_the_four_measures_are_their_formulas():
    score = [math.log(5), math.log(3), math.log(2)]  # 0.5, 0.3, 0.2
    entropy = -sum(p * math.log(p) for p in (0.5, 0.3, 0.2))
    for name, expected in (("softmax", 0.5), ("margin", 0.2), ("entropy", -entropy)):
        assert confidences(None, name, [score]) == pytest.approx([expected])


@given(score=st.floats(-8, 8))
def test_two_classes_coded_either_way_agree(score):
    for name in ("softmax", "margin", "entropy"):
        both = confidences(None, name, [score]), confidences(None, name, [[-score / 2, score / 2]])
        assert both[0] == pytest.approx(both[1], abs=1e-6)


def test_overconfident_scores_are_cooled_down():
    """A client that is right three times in four says so, however sure its scores are."""
    atoms = [tabular.Atom((0.75, 0.25, 0.0), 0, 0.98), tabular.Atom((0.25, 0.0, 0.75), 2, 0.98)]
    splits = tabular.splits(atoms)
    score = splits.train.client_scores[:1]
    assert methods_confidence.CONFIDENCE_FUNCTIONS["softmax"](splits)(score).item() == pytest.approx(0.98)
    assert methods_confidence.CONFIDENCE_FUNCTIONS["temperature"](splits)(score).item() == pytest.approx(0.75, abs=1e-3)


@pytest.mark.parametrize("name", CONFIDENCE_MEASURES)
def test_confidence_suffices_where_it_is_calibrated_and_the_server_errs_alike_everywhere(name):
    """The server errs in 20 %, so ask where the client is right in less than 1 - 0.1 - 0.2."""
    eta = (0.8, 0.1, 0.1), (0.1, 0.1, 0.8)
    atoms = [tabular.Atom(eta[i], m, eta[i][m] if eta[i][m] > 0.5 else 0.4) for i in (0, 1) for m in (0, 1, 2)]
    splits = tabular.splits(atoms)
    r = trained("confidence", splits, confidence=name).r(tabular.one_of_each(splits.train))
    assert asks(r).tolist() == [atom.sure < 0.7 for atom in atoms]


@pytest.mark.parametrize("name", CONFIDENCE_MEASURES)
def test_named_failure_confidence_does_not_know_where_the_server_errs(name):
    splits = tabular.splits()
    asked = torch.nonzero(asks(trained("confidence", splits, confidence=name).r(tabular.one_of_each(splits.train))))
    assert not {5, 6} & set(tabular.ASKED) and {5, 6} & set(asked[:, 0].tolist())


@given(st.lists(st.tuples(st.integers(0, 4), st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=8))
def test_the_cheapest_threshold_is_the_best_of_all(rows):
    confidence, kept, asked = (torch.tensor(column, dtype=torch.float64) for column in zip(*rows, strict=True))

    def cost(threshold):
        return float(torch.where(confidence > threshold, kept, asked).sum())

    found = methods_confidence.min_cost_threshold(confidence, kept, asked)
    assert cost(found) == pytest.approx(min(cost(t) for t in np.arange(-0.5, 5)), abs=1e-9)


def test_a_specialist_learns_from_what_is_sent_alone():
    splits = tabular.splits()
    system = trained("confidence_specialist", splits)
    sent = asks(system.r(splits.train))
    blurred = splits.train._replace(y=torch.where(sent, splits.train.y, 0))  # the labels of what is kept do not matter
    other = trained("confidence_specialist", Splits(blurred, splits.calibration, splits.validation))
    assert 0 < sent.sum() < len(sent)
    assert torch.equal(system.e(splits.train), other.e(splits.train))
    assert torch.equal(system.r(splits.train), trained("confidence", splits).r(splits.train))


# Only the first picture is worth a question.
SENT = [tabular.Atom((0.2, 0.8), 0, 0.55), tabular.Atom((0.1, 0.9), 1, 0.9), *[tabular.Atom((0.9, 0.1), 0, 0.9)] * 6]


def test_a_specialist_is_the_bayes_classifier_on_what_it_is_sent():
    splits = tabular.splits(SENT)
    system, each = trained("confidence_specialist", splits), tabular.one_of_each(splits.train)
    r = [deferral.bayes_r(atom.eta, atom.m, COSTS.c1, COSTS.ce) for atom in SENT]
    assert asks(system.r(each)).tolist() == [value <= 0 for value in r] == [True] + [False] * 7
    assert server_label(system.e(each))[0] == 1


def test_named_failure_a_specialist_has_not_learnt_what_it_is_not_sent():
    """It was sent a picture with the label +1 for the most, and says so of others like it, which show -1 in 90 %."""
    splits = tabular.splits(SENT)
    each = tabular.one_of_each(splits.train)
    assert server_label(trained("confidence_specialist", splits).e(each)).tolist() == [1] * 8


def test_a_specialist_whom_nothing_is_sent_learns_from_everything():
    atoms = [tabular.Atom((0.9, 0.1, 0.0), 0, 0.95), tabular.Atom((0.0, 0.1, 0.9), 2, 0.95)]
    splits = tabular.splits(atoms)
    system = trained("confidence_specialist", splits)
    assert not asks(system.r(splits.train)).any()
    assert system.e(tabular.one_of_each(splits.train)).argmax(1).tolist() == [0, 2]
