"""The Bayes rules for many classes, the price of confidence, and which rejector each loss leads to."""

import itertools

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from oracles import multiclass

from l2h.losses.stage_switching import STAGE_SWITCHING_FORMS, stage_weights
from l2h.problem import Costs, asks
from l2h.theory import bayes, calibration, conditional_risk
from l2h.theory.multiclass import (
    alpha_from_posterior,
    as_posterior,
    bayes_label,
    confidence_excess_risk,
    max_confidence_excess_risk,
    min_joint_stage_risk,
    multiclass_min_server_term,
    multiclass_server_error,
    server_error_range,
    stage_minimiser,
)

cost = st.floats(0, 2)
probability = st.floats(0, 1)
many_classes = st.integers(2, 6)


@st.composite
def posteriors(draw, classes=many_classes, least=1e-6):
    """One row of K probabilities."""
    weights = draw(st.lists(st.floats(least, 1), min_size=(k := draw(classes)), max_size=k))
    return np.array(weights) / sum(weights)


@given(eta=posteriors(), c1=cost, ce=cost, data=st.data())
def test_the_bayes_rules_attain_the_least_risk_of_all_actions(eta, c1, ce, data):
    client = data.draw(st.integers(0, len(eta) - 1))
    costs, p, mu = Costs(c1, ce), 1 - eta[client], multiclass_server_error(eta)
    attained = ce + c1 * (1 - eta[bayes_label(eta)]) if asks(bayes.bayes_rejector(mu, p, costs=costs)) else p
    assert attained == pytest.approx(multiclass.bayes_risk(eta, client, c1, ce), abs=1e-12)
    assert bayes.pointwise_bayes_risk(mu, p, costs=costs) == pytest.approx(attained, abs=1e-12)


@given(eta=probability, beta=st.floats(0.1, 4), c1=cost, ce=cost)
def test_two_classes_agree_with_the_binary_theory(eta, beta, c1, ce):
    costs, both, mu = Costs(c1, ce), [1 - eta, eta], bayes.server_error(eta)
    assume(c1 * mu + ce == 0 or c1 * mu + ce > 1e-9)
    assert multiclass_server_error(both) == pytest.approx(mu, abs=1e-9)
    assert multiclass_min_server_term(both) == pytest.approx(conditional_risk.min_server_term(mu, beta=beta), abs=1e-9)
    binary = calibration.alpha_from_mu(mu, costs=costs, beta=beta)
    assert alpha_from_posterior(both, costs=costs, beta=beta) == pytest.approx(float(binary), rel=1e-6)


@given(classes=st.integers(2, 7), p=probability, data=st.data())
def test_the_best_servers_error_lies_in_its_range_and_reaches_its_ends(classes, p, data):
    others = np.array(data.draw(st.lists(st.floats(1e-3, 1), min_size=classes - 1, max_size=classes - 1)))
    low, high = server_error_range(p, classes=classes)
    for spread in (others, np.ones(classes - 1), np.eye(classes - 1)[0]):
        mu = multiclass_server_error(np.append(p * spread / spread.sum(), 1 - p))
        assert low - 1e-9 <= mu <= high + 1e-9
    ends = [
        multiclass_server_error(np.append(p * s / s.sum(), 1 - p))
        for s in (np.eye(classes - 1)[0], np.ones(classes - 1))
    ]
    assert ends == pytest.approx([low, high], abs=1e-9)


@given(classes=st.integers(2, 6), c1=st.floats(0, 1.5), ce=st.floats(0, 1.5), data=st.data())
def test_confidence_never_loses_more_than_its_price(classes, c1, ce, data):
    points = data.draw(st.lists(posteriors(st.just(classes)), min_size=1, max_size=6))
    p = np.round([1 - eta[0] for eta in points], 1)  # so that points share a p
    low, high = server_error_range(p, classes=classes)
    mu = np.clip([multiclass_server_error(eta) for eta in points], low, high)
    mass = np.full(len(p), 1 / len(p))
    excess = confidence_excess_risk(mass, p, mu, costs=Costs(c1, ce))
    assert excess <= max_confidence_excess_risk(classes=classes, costs=Costs(c1, ce)) + 1e-6
    assert excess <= c1 / 4 * (classes - 2) / (classes - 1) + 1e-9


@pytest.mark.parametrize("classes", [2, 3, 5, 10])
@pytest.mark.parametrize("c1", [0.5, 1.0])
def test_the_price_of_confidence_is_attained_by_a_client_that_is_always_wrong(classes, c1):
    spread = c1 * (classes - 2) / (classes - 1)
    costs = Costs(c1, 1 - spread / 2)
    assert max_confidence_excess_risk(classes=classes, costs=costs) == pytest.approx(spread / 4, abs=1e-12)
    attained = confidence_excess_risk([0.5, 0.5], [1, 1], [0, 1 - 1 / (classes - 1)], costs=costs)
    assert attained == pytest.approx(spread / 4, abs=1e-12)
    grid = [max_confidence_excess_risk(classes=classes, costs=Costs(c1, ce)) for ce in np.linspace(0, 1, 21)]
    assert max(grid) <= spread / 4 + 1e-9


@given(p=st.lists(probability, min_size=1, max_size=8), c1=cost, ce=cost)
def test_for_two_classes_confidence_loses_nothing(p, c1, ce):
    p = np.array(p)
    assert confidence_excess_risk(np.full(len(p), 1 / len(p)), p, np.minimum(p, 1 - p), costs=Costs(c1, ce)) == 0
    assert max_confidence_excess_risk(classes=2, costs=Costs(c1, ce)) == 0


def test_the_best_rule_of_p_is_searched_by_hand():
    generator, costs = np.random.default_rng(0), Costs(1.0, 0.2)
    for _ in range(20):
        p = generator.choice([0.6, 0.7, 0.9], 6)
        mu, mass = generator.uniform(*server_error_range(p, classes=5)), generator.dirichlet(np.ones(6))
        asking = costs.ce + costs.c1 * mu
        rules = [dict(zip((0.6, 0.7, 0.9), rule, strict=True)) for rule in itertools.product((0, 1), repeat=3)]
        best = min(mass @ np.where([rule[v] for v in p], asking, p) for rule in rules)
        excess = confidence_excess_risk(mass, p, mu, costs=costs)
        assert excess == pytest.approx(best - mass @ np.minimum(p, asking), abs=1e-12)


@settings(max_examples=15, deadline=None)
@given(eta=posteriors(st.integers(2, 5), least=0.02), beta=st.floats(0.5, 4))
def test_the_server_term_is_least_at_its_closed_form(eta, beta):
    assert multiclass_min_server_term(eta) == pytest.approx(multiclass.floor_of_server(eta, beta), rel=1e-6, abs=1e-8)
    scores = np.exp(np.log(eta) / 2)  # exp(beta e / 2) at e = log(eta) / beta
    attained = (eta / scores).sum() * scores.sum() - 1
    assert multiclass_min_server_term(eta) == pytest.approx(attained)
    assert 0 <= multiclass_min_server_term(eta) <= len(eta) - 1 + 1e-9


@given(eta=posteriors(), p=probability, c1=cost, ce=cost, beta=st.floats(0.2, 4))
def test_alpha_from_the_posterior_is_calibrated(eta, p, c1, ce, beta):
    costs = Costs(c1, ce)
    alpha = alpha_from_posterior(eta, costs=costs, beta=beta)
    slope = alpha * p - beta / 2 * c1 * multiclass_min_server_term(eta) - ce
    gain = p - c1 * multiclass_server_error(eta) - ce
    assert slope == pytest.approx(alpha * gain, abs=1e-9 * (1 + alpha))


@given(share=st.floats(0.02, 0.98), c1=st.floats(0.05, 3), ce=st.floats(0, 0.95), beta=st.floats(0.2, 4))
def test_no_alpha_of_p_suits_three_classes(share, c1, ce, beta):
    """At one p a posterior where the Bayes rule keeps has the weaker pull to keep: no alpha * p lies between them."""
    mu = share * min(0.5, (1 - ce) / c1)
    p, step = c1 * mu + ce, 1e-6 * mu
    keeps = [1 - mu - step, mu + step, 0.0]
    asks_at = [1 - mu + step, (mu - step) / 2, (mu - step) / 2]
    assert 0 < p < 1 and c1 * multiclass_server_error(asks_at) + ce < p < c1 * multiclass_server_error(keeps) + ce
    most, least = (beta / 2 * c1 * multiclass_min_server_term(eta) + ce for eta in (keeps, asks_at))
    assert most < least  # alpha * p < most to keep, alpha * p >= least to ask
    assert multiclass_min_server_term([1 - mu, mu, 0.0]) == pytest.approx(2 * np.sqrt(mu * (1 - mu)))
    assert multiclass_min_server_term([1 - mu, mu / 2, mu / 2]) == pytest.approx(mu + 2 * np.sqrt(2 * mu * (1 - mu)))


@given(eta=posteriors(st.integers(3, 5)), p=probability, c1=cost, ce=cost, beta=st.floats(0.2, 4))
def test_without_c1_or_with_ce_as_large_as_a_mistake_alpha_one_suits_all(eta, p, c1, ce, beta):
    """Where the theorem's conditions c1 > 0 and ce < 1 fail, alpha = 1 decides like the Bayes rule."""
    for costs in (Costs(0.0, ce), Costs(c1, 1 + ce)):
        slope = p - beta / 2 * costs.c1 * multiclass_min_server_term(eta) - costs.ce
        gain = p - costs.c1 * multiclass_server_error(eta) - costs.ce
        assert (slope >= 0) == (gain >= 0) or abs(gain) < 1e-12


def test_where_a_class_is_impossible_the_minimum_of_the_server_term_is_approached_and_not_attained():
    eta = np.array([0.5, 0.5, 0.0])
    reached = []
    for far in (2.0, 6.0, 12.0):
        a = np.array([1.0, 1.0, np.exp(-far)])  # exp(beta e / 2)
        reached.append((eta[:2] / a[:2]).sum() * a.sum() - 1)
    assert reached[0] > reached[1] > reached[2] > multiclass_min_server_term(eta) == pytest.approx(1.0)
    assert reached[2] == pytest.approx(1.0, abs=1e-4)


@given(p=probability, of_e=probability, c1=cost, ce=cost)
def test_the_forms_ask_where_their_rules_say(p, of_e, c1, ce):
    costs = Costs(c1, ce)
    gain = p - ce - c1 * of_e
    assume(abs(gain) > 1e-9 and abs(p - ce + c1 * of_e) > 1e-9)
    paper, shifted, released = (
        asks(stage_minimiser(p, of_e, costs=costs, form=form)) for form in STAGE_SWITCHING_FORMS
    )
    assert paper == shifted == (gain > 0)
    assert released == (p > ce - c1 * of_e)
    assert released or not paper  # a superset


@given(
    p=st.floats(0.01, 0.99),
    of_e=probability,
    c1=cost,
    ce=cost,
    form=st.sampled_from(STAGE_SWITCHING_FORMS),
    step=st.floats(-3, 3),
)
def test_the_minimiser_is_least(p, of_e, c1, ce, form, step):
    costs = Costs(c1, ce)
    r = stage_minimiser(p, of_e, costs=costs, form=form)
    assume(np.isfinite(r))
    keep, ask = stage_weights(p, of_e, costs=costs, form=form)

    def risk(r):
        return keep * np.logaddexp(0, -r) + ask * np.logaddexp(0, r)

    assert risk(r) <= risk(r + step) + 1e-12


def test_minimisers_at_infinity_and_ties():
    costs = Costs(1.0, 0.5)
    assert stage_minimiser(0.5, 1.0, costs=costs, form="paper") == np.inf  # a negative weight
    assert stage_minimiser(1.0, 0.0, costs=costs, form="paper") == -np.inf  # keeping is always wrong
    assert stage_minimiser(1.0, 0.5, costs=costs, form="paper") == 0.0  # nothing to choose
    assert stage_minimiser([0.2, 1.0], [1.0, 1.0], costs=costs, form="nonnegative").tolist() == [np.inf, np.inf]


@settings(max_examples=15, deadline=None)
@given(
    eta=posteriors(st.integers(2, 4), least=0.05), p=st.floats(0.05, 0.95), c1=st.floats(0, 0.8), ce=st.floats(0, 0.2)
)
def test_the_joint_value_of_a_label_is_the_constrained_infimum(eta, p, c1, ce):
    for label in range(len(eta)):
        value = min_joint_stage_risk(eta, p, label, costs=Costs(c1, ce))
        assert value == pytest.approx(multiclass.joint_stage_value(eta, p, label, c1, ce), abs=1e-4)


def test_the_wrong_label_wins_up_to_the_printed_gap():
    costs = Costs(c1=0.8, ce=0.05)

    def wrong_wins(gap):
        values = [min_joint_stage_risk([0.5 + gap / 2, 0.5 - gap / 2], 0.5, label, costs=costs) for label in (0, 1)]
        return values[1] < values[0]

    assert wrong_wins(0.9193) and not wrong_wins(0.9195)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: as_posterior(0.5), "K >= 2"),
        (lambda: as_posterior([[1.0]]), "K >= 2"),
        (lambda: as_posterior([-0.1, 1.1]), r"eta in \[0, 1\]"),
        (lambda: as_posterior([0.5, 0.4]), "sum to 1, got a sum of 0.9"),
        (lambda: server_error_range(0.5, classes=1), "classes >= 2"),
        (lambda: server_error_range(1.5, classes=2), r"p in \[0, 1\]"),
        (lambda: max_confidence_excess_risk(classes=1, costs=Costs()), "classes >= 2"),
        (lambda: confidence_excess_risk([0.5], [0.5, 0.5], [0.5], costs=Costs()), "one length"),
        (lambda: alpha_from_posterior([0.5, 0.5], costs=Costs(), beta=0.0), "beta > 0"),
        (lambda: stage_minimiser(1.5, 0.5, costs=Costs(), form="paper"), r"p in \[0, 1\]"),
        (lambda: stage_minimiser(0.5, 0.5, costs=Costs(), form="printed"), "one of 'paper'"),
        (lambda: min_joint_stage_risk([0.5, 0.5], 0.5, 0, costs=Costs(2.0, 0.5)), "the weight of asking >= 0"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
