"""The certificates on several servers: each decided as expected, and the counterexamples put in by hand."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from companion.proofs import bayes
from companion.proofs.prover import PROVED, REFUTED
from companion.proofs.several_servers import (
    average_server,
    dominated_servers,
    several_servers_reactions,
    several_servers_rules,
)

GROUPS = (several_servers_rules, dominated_servers, several_servers_reactions, average_server)
unit, cost = st.fractions(0, 1), st.fractions(0, 2)


@pytest.fixture(scope="module")
def found():
    return [item for group in GROUPS for item in group().items()]


def test_every_statement_on_several_servers_is_decided_as_expected(found):
    refuted = {name for name, certificate in found if certificate.verdict == REFUTED}
    assert refuted == {"more-accurate-server", "average-server"}
    assert {certificate.verdict for _, certificate in found} == {PROVED, REFUTED}


def test_names_and_statements_differ_from_each_other_and_from_those_on_one_server(found):
    one_server = (bayes.bayes_rules, bayes.optimal_ranges, bayes.deterministic_client, bayes.monotone_rules)
    named = [*found, *(item for group in one_server for item in group().items())]
    assert len({name for name, _ in named}) == len({c.statement for _, c in named}) == len(named)


def test_counterexamples_are_right_by_hand():
    at = average_server()["average-server"].counterexample
    asked = [at["c1"] * at["q_1"] + at["ce"], at["c1_2"] * at["q_2"] + at["ce_2"]]
    assert sum(asked) / 2 > at["p"] > min(asked), "it keeps, and asking the first server costs less"
    at = dominated_servers()["more-accurate-server"].counterexample
    assert at["q_1"] < at["q_2"]
    assert at["c1"] * at["q_1"] + at["ce"] > at["c1_2"] * at["q_2"] + at["ce_2"]


@given(
    p=unit, costs=st.lists(cost, min_size=1, max_size=6), weights=st.lists(st.integers(0, 9), min_size=7, max_size=7)
)
def test_a_randomised_rule_for_any_number_of_servers_has_no_smaller_risk(p, costs, weights):
    actions = [p, *costs]
    weights = [Fraction(w) for w in weights[: len(actions)]]
    if total := sum(weights):
        assert sum(w * c for w, c in zip(weights, actions, strict=True)) / total >= min(actions)


@given(p=unit, costs=st.lists(cost, min_size=2, max_size=5))
def test_a_server_reduces_the_risk_by_no_more_the_more_servers_there_are(p, costs):
    *first, last = costs
    reductions = [min(p, *first[:k]) - min(p, *first[:k], last) if k else p - min(p, last) for k in range(len(costs))]
    assert reductions == sorted(reductions, reverse=True)
