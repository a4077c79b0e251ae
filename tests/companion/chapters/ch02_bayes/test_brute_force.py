"""Brute force over rules: against a second enumeration, and the Bayes rule against all of them."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import theory

from companion.chapters.ch02_bayes.brute_force import (
    DECISIONS,
    action_costs,
    all_decision_rule_risks,
    bayes_decision_rule,
    random_atoms,
)
from l2h.theory.bayes import CLIENT_KINDS, admissible
from l2h.theory.distributions import Atom, atoms

cost = st.integers(0, 40).map(lambda k: Fraction(k, 20))


@given(c1=cost, ce=cost, seed=st.integers(0, 10**6), client=st.sampled_from(CLIENT_KINDS), k=st.integers(1, 4))
def test_no_rule_is_better_than_the_bayes_rule(c1, ce, seed, client, k):
    atoms_of_x = random_atoms(k, client=client, generator=np.random.default_rng(seed))
    risks = all_decision_rule_risks(atoms_of_x, c1=c1, ce=ce)
    assert len(risks) == 3**k
    assert risks[bayes_decision_rule(atoms_of_x, c1=c1, ce=ce)] == min(risks.values())
    assert min(risks.values()) == sum(one.mass * min(one.p, c1 * min(one.eta, 1 - one.eta) + ce) for one in atoms_of_x)


@settings(max_examples=8)
@given(c1=cost, ce=cost)
def test_the_enumeration_agrees_with_that_of_rejectors_and_servers(c1, ce):
    atoms_of_x = atoms().atoms
    masses, etas = [atom.mass for atom in atoms_of_x], [atom.eta for atom in atoms_of_x]
    expected = theory.best_system(masses, etas, (1, 1, -1, -1, 1), c1, ce)
    assert min(all_decision_rule_risks(atoms_of_x, c1=c1, ce=ce).values()) == expected


@given(eta=st.fractions(0, 1), p=st.fractions(0, 1), c1=cost, ce=cost)
def test_actions_cost_what_their_outcomes_cost(eta, p, c1, ce):
    mine, theirs = action_costs(Atom(Fraction(1), eta, p), c1=c1, ce=ce), theory.action_costs(eta, p, c1, ce)
    assert [mine[action] for action in DECISIONS] == [theirs["keep"], theirs["ask", -1], theirs["ask", 1]]


@pytest.mark.parametrize("client", CLIENT_KINDS)
def test_random_atoms_are_a_distribution_of_their_kind(client):
    atoms_of_x = random_atoms(60, client=client, generator=np.random.default_rng(1))
    assert sum(one.mass for one in atoms_of_x) == 1
    assert all(admissible(float(min(one.eta, 1 - one.eta)), float(one.p), client=client) for one in atoms_of_x)
    assert {Fraction(0), Fraction(1)} <= {one.eta for one in atoms_of_x}


def test_inputs_outside_the_domain_are_refused_with_the_domain():
    one = Atom(Fraction(1, 11), Fraction(1, 2), Fraction(1, 2))
    with pytest.raises(ValueError, match="at most 10 atoms, got 11"):
        all_decision_rule_risks([one] * 11, c1=Fraction(1), ce=Fraction(0))
    with pytest.raises(ValueError, match="n_atoms >= 1"):
        random_atoms(0, client="free", generator=np.random.default_rng(0))
    with pytest.raises(ValueError, match="client to be one of"):
        random_atoms(1, client="stubborn", generator=np.random.default_rng(0))
