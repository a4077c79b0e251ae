"""The rule for several servers against every rule on finite distributions, and against the rule for one server."""

import itertools
from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import theory

from l2h.problem import Costs, asks
from l2h.theory import bayes
from l2h.theory.several_servers import (
    action_of_scores,
    bayes_action,
    cheapest_ranges,
    costs_by_action,
    ever_asked,
    rejector_score,
    several_servers_rejector,
    several_servers_risk,
    value_of_server,
)

# Multiples of 1/16: every product and sum below is exact in floating point, so that ties are ties.
unit = st.integers(0, 16).map(lambda k: k / 16)
cost = st.integers(0, 32).map(lambda k: k / 16)
server = st.tuples(cost, cost)
any_unit = st.one_of(st.sampled_from([0.0, 0.5, 1.0]), st.floats(0, 1))
any_costs = st.builds(Costs, st.floats(0, 3), st.floats(0, 3))


def costs_of(servers):
    return [Costs(c1, ce) for c1, ce in servers]


@st.composite
def distributions(draw):
    """Masses, the joint law of truth, client and servers at each of three points, for K classes, and the costs."""
    classes, k = draw(st.integers(2, 4)), draw(st.integers(1, 3))
    label = st.integers(0, classes - 1)
    outcome = st.tuples(label, label, st.tuples(*[label] * k))
    laws = [
        {what: Fraction(count, 16) for what, count in Counter(drawn).items()}
        for drawn in draw(st.lists(st.lists(outcome, min_size=16, max_size=16), min_size=3, max_size=3))
    ]
    return draw(st.sampled_from([(0.5, 0.25, 0.25), (0.125, 0.5, 0.375)])), laws, draw(st.tuples(*[server] * k))


def errors_of(laws):
    """P(M≠Y|x) and P(e_j≠Y|x) at each point."""
    p = [float(sum(share for (y, m, _), share in law.items() if m != y)) for law in laws]
    k = len(next(iter(laws[0]))[2])
    q = [[float(sum(share for (y, _, e), share in law.items() if e[j] != y)) for j in range(k)] for law in laws]
    return np.array(p), np.array(q)


@given(distributions())
def test_no_routing_is_better_than_the_rule_for_several_servers(distribution):
    masses, laws, servers = distribution
    (p, q), costs = errors_of(laws), costs_of(servers)
    risks = theory.risks_of_all_routings(masses, laws, servers)
    actions = tuple(bayes_action(p, q, costs=costs).tolist())
    assert risks[actions] == min(risks.values()) == np.dot(masses, several_servers_risk(p, q, costs=costs))
    for other, risk in risks.items():
        assert risk == np.dot(masses, several_servers_risk(p, q, costs=costs, actions=other))


@given(
    st.sampled_from([(0.5, 0.5), (0.25, 0.75)]),
    st.lists(st.sampled_from([(0.25, 0.75, 0), (0.5, 0.5, 0), (0.125, 0.5, 0.375)]), min_size=2, max_size=2),
    st.lists(unit, min_size=2, max_size=2),
    st.tuples(server, server),
)
def test_trained_servers_and_routing_reach_no_smaller_risk_than_bayes_servers_and_the_rule(masses, etas, ps, servers):
    mu = [1 - max(eta) for eta in etas]
    q = np.column_stack([mu, mu])
    reached = np.dot(masses, several_servers_risk(np.array(ps), q, costs=costs_of(servers)))
    assert theory.least_risk_with_trained_servers(masses, etas, ps, servers) == reached


@given(st.lists(st.tuples(any_unit, any_unit), min_size=1, max_size=20), any_costs)
def test_with_one_server_it_is_the_bayes_rejector_to_the_last_bit(points, costs):
    p, q = np.array(points).T
    r = bayes.bayes_rejector(q, p, costs=costs)
    assert several_servers_rejector(p, q[:, None], costs=[costs]).tobytes() == r.tobytes()
    assert bayes_action(p, q[:, None], costs=[costs]).tolist() == asks(r).astype(int).tolist()
    risk = bayes.pointwise_bayes_risk(q, p, costs=costs)
    assert several_servers_risk(p, q[:, None], costs=[costs]).tobytes() == risk.tobytes()


def test_at_a_tie_the_rule_asks_and_asks_the_first_server():
    same = [Costs(1.0, 0.25), Costs(0.5, 0.25), Costs(1.0, 0.25)]
    assert bayes_action(0.25, [0.0, 0.0, 0.0], costs=same) == 1
    assert bayes_action(0.5, [0.5, 0.5, 0.25], costs=same) == 2
    assert several_servers_rejector(0.5, [0.5, 0.5, 0.25], costs=same) == 0
    assert action_of_scores(np.zeros(4)) == 1
    assert rejector_score(np.zeros(4)) == 0


@given(unit, unit, st.lists(st.tuples(unit, cost, cost), min_size=1, max_size=4), st.integers(0, 3), cost)
def test_a_larger_cost_asks_a_server_less_and_a_larger_p_asks_some_server_more(p, more_p, servers, which, more):
    q, costs = [q for q, _, _ in servers], [Costs(c1, ce) for _, c1, ce in servers]
    j = which % len(servers)
    before = bayes_action(p, q, costs=costs)
    for larger in (Costs(costs[j].c1 + more, costs[j].ce), Costs(costs[j].c1, costs[j].ce + more)):
        after = bayes_action(p, q, costs=[larger if i == j else c for i, c in enumerate(costs)])
        assert after == before or before == j + 1
    if before > 0:
        assert bayes_action(max(p, more_p), q, costs=costs) == before


@given(unit, st.lists(st.tuples(unit, cost, cost), min_size=2, max_size=4), st.integers(0, 3))
def test_leaving_a_server_out_costs_what_it_reduced_the_risk_by(p, servers, which):
    q, costs = [q for q, _, _ in servers], [Costs(c1, ce) for _, c1, ce in servers]
    j = which % len(servers)
    rest = [i for i in range(len(servers)) if i != j]
    without = several_servers_risk(p, [q[i] for i in rest], costs=[costs[i] for i in rest])
    value = value_of_server(p, q, costs=costs, server=j + 1)
    assert value == without - several_servers_risk(p, q, costs=costs)
    assert value == 0 or bayes_action(p, q, costs=costs) == j + 1


@given(st.lists(st.tuples(server, unit, unit), min_size=1, max_size=3), unit)
def test_a_server_is_ever_asked_where_some_corner_of_the_region_asks_it(servers, largest_p):
    costs = costs_of(s for s, _, _ in servers)
    bounds = [sorted(pair) for _, *pair in servers]
    lower, upper = zip(*bounds, strict=True)
    corners = np.array(list(itertools.product(*bounds)))
    asked = set(bayes_action(np.full(len(corners), largest_p), corners, costs=costs).tolist())
    found = ever_asked(costs, lower=lower, upper=upper, largest_p=largest_p)
    assert {j + 1 for j in np.flatnonzero(found)} == asked - {0}


@given(st.lists(st.tuples(server, unit, unit), min_size=2, max_size=4), st.data())
def test_without_the_servers_that_are_never_asked_the_risk_is_the_same(servers, data):
    costs = costs_of(s for s, _, _ in servers)
    lower, upper = zip(*(sorted(pair) for _, *pair in servers), strict=True)
    kept = np.flatnonzero(ever_asked(costs, lower=lower, upper=upper))
    ranges = [st.integers(int(16 * low), int(16 * high)) for low, high in zip(lower, upper, strict=True)]
    p, q = data.draw(unit), np.array(data.draw(st.tuples(*ranges))) / 16
    best = several_servers_risk(p, q, costs=costs)
    left = several_servers_risk(p, q[kept], costs=[costs[j] for j in kept]) if len(kept) else p
    assert left == best


@given(st.lists(server, min_size=1, max_size=5), st.integers(2, 5))
def test_the_ranges_of_mu_are_those_of_the_rule_at_the_same_mu_for_all(servers, classes):
    costs, ranges = costs_of(servers), cheapest_ranges(costs_of(servers), classes=classes)
    present = sorted((r, j) for j, r in enumerate(ranges) if r)
    ends = [0.0, *(high for (_, high), _ in present)]
    assert [low for (low, _), _ in present] == pytest.approx(ends[:-1])
    assert ends[-1] == 1 - 1 / classes
    c1_of_the_asked = [costs[j].c1 for _, j in present]
    assert c1_of_the_asked == sorted(set(c1_of_the_asked), reverse=True)
    for (low, high), j in present:
        middle = np.full(len(costs), (low + high) / 2)
        lines = costs_by_action(1.0, middle, costs=costs)[1:]
        assert lines[j] <= lines.min() + 1e-12


@given(cost, st.lists(cost, min_size=2, max_size=5))
def test_among_bayes_servers_with_one_c1_only_the_cheapest_to_ask_is_asked(c1, ces):
    ranges = cheapest_ranges([Costs(c1, ce) for ce in ces], classes=3)
    assert [j for j, r in enumerate(ranges) if r] == [ces.index(min(ces))]


def test_deciding_by_the_average_server_keeps_where_a_cheap_server_should_be_asked():
    costs, p, q = [Costs(1.0, 0.0), Costs(1.0, 0.5)], 0.25, [0.0, 0.5]
    assert costs_by_action(p, q, costs=costs)[1:].mean() > p
    assert bayes_action(p, q, costs=costs) == 1
    assert several_servers_risk(p, q, costs=costs) == 0 < several_servers_risk(p, q, costs=costs, actions=0)


def test_events_of_8_bits_and_booleans_are_costs_that_occurred():
    wrong, servers_wrong = np.array([1, 0], np.uint8), np.array([[True, False], [True, True]])
    occurred = costs_by_action(wrong, servers_wrong, costs=[Costs(1.0, 0.25), Costs(2.0, 0.0)])
    assert occurred.tolist() == [[1.0, 1.25, 0.0], [0.0, 1.25, 2.0]]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: bayes_action(0.5, [0.5], costs=[]), "costs of at least one server"),
        (lambda: bayes_action(0.5, [0.5], costs=Costs()), "a sequence of Costs"),
        (lambda: bayes_action(0.5, [0.5], costs=[0.25]), r"a sequence of Costs, got \[0.25\]"),
        (lambda: bayes_action(0.5, [0.5, 0.5], costs=[Costs()]), r"q of shape \(1,\).* got \(2,\)"),
        (lambda: bayes_action([0.5, 0.5], [0.5, 0.5], costs=[Costs()]), r"q of shape \(2, 1\)"),
        (lambda: bayes_action(1.5, [0.5], costs=[Costs()]), r"p in \[0, 1\]"),
        (lambda: bayes_action(0.5, [np.nan], costs=[Costs()]), r"q in \[0, 1\]"),
        (lambda: several_servers_risk(0.5, [0.5], costs=[Costs()], actions=2), r"actions in 0\.\.1, got 2"),
        (lambda: several_servers_risk(0.5, [0.5], costs=[Costs()], actions=[0]), "actions of p's shape"),
        (lambda: value_of_server(0.5, [0.5], costs=[Costs()], server=0), "server to be one of 1, got 0"),
        (lambda: ever_asked([Costs()], lower=0.5, upper=0.25), "lower bounds <= upper"),
        (lambda: ever_asked([Costs()], lower=-0.5), r"lower_bounds in \[0, 1\]"),
        (lambda: ever_asked([Costs()], largest_p=2.0), r"largest_p in \[0, 1\]"),
        (lambda: cheapest_ranges([Costs()], classes=1), "classes >= 2"),
        (lambda: cheapest_ranges([]), "costs of at least one server"),
        (lambda: action_of_scores([0.5]), r"scores \(\.\.\., k \+ 1\)"),
        (lambda: rejector_score([0.5, np.nan]), "got 1 NaN"),
    ],
)
def test_bad_input_is_refused_with_what_was_expected(call, message):
    with pytest.raises(ValueError, match=message):
        call()
