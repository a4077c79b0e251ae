"""The certified Bayes rules against outcome-by-outcome costs, and the counterexamples put in by hand."""

import pytest
import z3
from hypothesis import given
from hypothesis import strategies as st
from oracles import theory

from companion.proofs.bayes import (
    admissibility_condition,
    conventions,
    deterministic_client,
    monotone_rules,
    optimal_ranges,
)
from companion.proofs.prover import PROVED, prove
from l2h.theory.bayes import CLIENT_KINDS

unit, cost = st.fractions(0, 1), st.fractions(0, 2)


@given(eta=unit, p=unit, c1=cost, ce=cost)
def test_the_rule_takes_the_action_of_smallest_risk(eta, p, c1, ce):
    costs = theory.action_costs(eta, p, c1, ce)
    asked = c1 * min(eta, 1 - eta) + ce
    assert min(costs.values()) == min(p, asked)
    assert costs["ask", 1 if 2 * eta - 1 >= 0 else -1] == asked


@given(c1=cost, ce=cost)
def test_the_ranges_hold_on_a_grid(c1, ce):
    grid = [i / 20 for i in range(21)]
    kinds = {
        "deterministic": [(p, mu) for mu in grid[:11] for p in (mu, 1 - mu)],
        "independent": [(p, mu) for mu in grid[:11] for p in grid if mu <= p <= 1 - mu],
        "free": [(p, mu) for mu in grid[:11] for p in grid],
    }
    for kind, pairs in kinds.items():
        asking = any(p > c1 * mu + ce for p, mu in pairs)
        keeping = any(p < c1 * mu + ce for p, mu in pairs)
        assert asking == (ce < 1)
        assert keeping == (ce > 0 or c1 > (0 if kind == "free" else 1))


@pytest.mark.parametrize("kind", CLIENT_KINDS)
def test_the_kinds_of_client_are_nested(kind):
    p, mu = z3.Reals("p mu")
    given = [mu >= 0, 2 * mu <= 1, admissibility_condition(kind, p, mu)]
    wider = CLIENT_KINDS[min(CLIENT_KINDS.index(kind) + 1, 2)]
    assert prove("wider", admissibility_condition(wider, p, mu), assumptions=given).verdict == PROVED


@given(c1=st.floats(0, 2), ce=st.floats(0, 0.9), p=st.floats(0, 1))
def test_the_threshold_is_the_sign_change_of_the_gain(c1, ce, p):
    threshold = float(theory.ask_threshold(c1, ce))
    formula = (c1 + ce) / (1 + c1) if c1 + 2 * ce >= 1 else ce / (1 - c1)
    assert threshold == pytest.approx(formula, abs=1e-9)


def test_counterexamples_by_hand():
    at = optimal_ranges()["always-asking-free"].counterexample
    assert at["p"] < at["c1"] * at["mu"] + at["ce"]
    at = deterministic_client()["gain-grows-any-c1"].counterexample
    gain, gain_of_larger = (p - at["c1"] * min(p, 1 - p) - at["ce"] for p in (at["p"], at["larger"]))
    assert at["p"] < at["larger"]
    assert gain > gain_of_larger
    at = conventions()["literal-tie"].counterexample
    wrong = sum(chance for chance, y in ((at["eta"], 1), (1 - at["eta"], -1)) if at["e"] * y <= 0)
    assert wrong == 1 > max(at["eta"], 1 - at["eta"])


@given(c1=cost, ce=st.fractions(0, 1), mu=st.fractions(0, "1/2"), p=unit, steps=st.tuples(unit, unit, unit))
def test_the_offload_rate_does_not_increase_with_the_costs_on_a_sample(c1, ce, mu, p, steps):
    larger_costs = c1 + steps[0], ce + steps[1]
    if p * steps[2] >= larger_costs[0] * mu + larger_costs[1]:
        assert p >= c1 * mu + ce
    if larger_costs[1] <= 1:
        assert theory.ask_threshold(float(c1), float(ce)) <= theory.ask_threshold(*map(float, larger_costs)) + 1e-9


def test_above_a_cost_of_one_the_threshold_may_fall_but_no_p_exceeds_it():
    at = monotone_rules()["threshold-grows-any-ce"].counterexample
    for c1, p_t in ((at["c1"], at["p_t"]), (at["more_c1"], at["more_p_t"])):
        assert (c1 + at["ce"]) / (1 + c1) == p_t > 1
    assert at["p_t"] > at["more_p_t"]
