"""The Bayes rules against every action and every system, written out."""

import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import theory

from l2h.problem import Costs, asks, server_label
from l2h.theory.bayes import (
    CLIENT_KINDS,
    admissible,
    ask_threshold,
    bayes_rejector,
    bayes_server,
    ever_optimal,
    pointwise_bayes_risk,
    server_error,
)

probability = st.one_of(st.sampled_from([0.0, 0.5, 1.0]), st.floats(0, 1))
cost = st.one_of(st.sampled_from([0.0, 0.5, 1.0]), st.floats(0, 3))


def decision(eta, p, costs):
    """The action of the two rules at one point."""
    if not asks(bayes_rejector(server_error(eta), p, costs=costs)):
        return "keep"
    return "ask", int(server_label(np.array([bayes_server(eta)]))[0])


@given(eta=probability, p=probability, c1=cost, ce=cost)
def test_no_action_is_better_than_the_bayes_rules(eta, p, c1, ce):
    costs = Costs(c1, ce)
    actions = theory.action_costs(eta, p, c1, ce)
    risk = pointwise_bayes_risk(server_error(eta), p, costs=costs)
    assert risk == pytest.approx(min(actions.values()), rel=1e-12, abs=1e-15)
    assert actions[decision(eta, p, costs)] == pytest.approx(risk, rel=1e-12, abs=1e-15)


def test_at_a_tie_both_actions_cost_the_same_and_the_rule_asks():
    costs = Costs(1.0, 0.25)
    assert bayes_rejector(0.25, 0.5, costs=costs) == 0
    assert decision(0.75, 0.5, costs) == ("ask", 1)


@given(p=probability, c1=cost, ce=cost)
def test_a_deterministic_client_asks_above_one_threshold(p, c1, ce):
    costs = Costs(c1, ce)
    gain = -bayes_rejector(server_error(p), p, costs=costs)
    if abs(gain) > 1e-12:
        assert (gain > 0) == (p > ask_threshold(costs))


@given(c1=cost, ce=st.floats(0, 0.999))
def test_the_threshold_is_the_zero_of_the_gain(c1, ce):
    if c1 == 1 and ce == 0:  # no gain up to 1/2: the threshold is where it begins
        assert ask_threshold(Costs(c1, ce)) == 0.5
    elif c1 > 0 or ce > 0:
        expected = float(theory.ask_threshold(c1, ce))
        assert ask_threshold(Costs(c1, ce)) == pytest.approx(expected, rel=1e-9, abs=1e-12)


@given(c1=cost, ce=cost)
def test_asking_gains_more_the_more_often_a_deterministic_client_errs_if_c1_is_at_most_one(c1, ce):
    """So {p > tau} is the best set to ask on at its own coverage, for every tau; beyond c1 = 1 it need not be."""
    p = np.linspace(0, 1, 101)
    steps = np.diff(-bayes_rejector(server_error(p), p, costs=Costs(c1, ce)))
    assert (steps >= -1e-12).all() == (c1 <= 1 + 1e-9)


@pytest.mark.parametrize("client", CLIENT_KINDS)
def test_when_an_action_is_ever_strictly_optimal(client):
    grid = [Fraction(k, 20) for k in range(21)]
    points = [(mu, p) for mu, p in itertools.product(grid[:11], grid) if admissible(mu, p, client=client)]
    steps = [Fraction(k, 5) for k in range(9)]
    for c1, ce in itertools.product(steps, steps):
        gains = [p - c1 * mu - ce for mu, p in points]
        assert ever_optimal(Costs(float(c1), float(ce)), client=client) == (max(gains) > 0, min(gains) < 0)


@given(eta=probability)
def test_kinds_of_client_are_nested(eta):
    mu, p = server_error(eta), np.linspace(0, 1, 21)
    strict, between, free = (admissible(mu, p, client=client) for client in CLIENT_KINDS)
    assert (strict <= between).all()
    assert (between <= free).all()
    assert free.all()
    assert admissible(mu, eta, client="deterministic")
    assert admissible(mu, 1 - eta, client="deterministic")


def test_inputs_outside_the_domain_are_refused_with_the_domain():
    with pytest.raises(ValueError, match=r"eta in \[0, 1\]"):
        bayes_server(1.5)
    with pytest.raises(ValueError, match=r"eta in \[0, 1\]"):
        server_error(np.array([0.5, np.nan]))
    with pytest.raises(ValueError, match=r"p in \[0, 1\]"):
        bayes_rejector(0.1, -0.1, costs=Costs())
    with pytest.raises(ValueError, match=r"mu in \[0, 1\]"):
        pointwise_bayes_risk(1.1, 0.1, costs=Costs())
    with pytest.raises(ValueError, match=r"mu in \[0, 0.5\]"):
        admissible(0.6, 0.5, client="free")
    with pytest.raises(ValueError, match="client to be one of"):
        admissible(0.4, 0.5, client="stubborn")
    with pytest.raises(ValueError, match="client to be one of"):
        ever_optimal(Costs(), client="stubborn")


def test_whole_numbers_of_8_bits_are_the_probabilities_0_and_1():
    none, sure, costs = np.array([0, 1], np.uint8), np.array([1, 1], np.uint8), Costs(c1=1, ce=0)
    assert bayes_server(none).tolist() == [-1, 1]
    assert bayes_rejector(none, sure, costs=costs).tolist() == [-1, 0]
