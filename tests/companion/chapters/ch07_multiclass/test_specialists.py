"""The distribution with groups: its exact risks, and the optimality of each solution."""

from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import multiclass

from companion.chapters.ch07_multiclass import specialists
from l2h.losses.stage_switching import weighted_cross_entropy
from l2h.losses.surrogate import multiclass_surrogate_loss
from l2h.problem import Costs
from l2h.theory.distributions import DISTRIBUTIONS

COSTS = Costs(c1=1.0, ce=0.15)
pairs = st.integers(1, 4)
costs = st.builds(Costs, c1=st.floats(0.1, 2), ce=st.floats(0.02, 0.6))


def test_with_one_group_the_risks_are_those_of_two_classes():
    atoms, binary = specialists.specialist_distribution(1), DISTRIBUTIONS["specialist"]
    assert specialists.min_system_risk(atoms, costs=COSTS) == pytest.approx(float(binary.bayes_risk(COSTS)))
    assert specialists.system_risk(atoms, specialists.solve_plain(atoms, costs=COSTS), costs=COSTS) == pytest.approx(
        11 / 40
    )
    assert float(atoms.mass @ atoms.p) == pytest.approx(float(binary.client_risk()))


@pytest.mark.parametrize("pairs", [1, 2, 5])
def test_the_plain_server_does_not_help_and_the_weighted_one_is_bayes(pairs):
    atoms = specialists.specialist_distribution(pairs)
    client_only = 0.75 * 0.05 + 0.25 * (1 - 0.05 / (2 * pairs - 1))
    assert specialists.system_risk(atoms, specialists.solve_plain(atoms, costs=COSTS), costs=COSTS) == pytest.approx(
        client_only
    )
    assert specialists.system_risk(
        atoms, specialists.solve_staged(atoms, costs=COSTS, beta=2.0), costs=COSTS
    ) == pytest.approx(7 / 80)
    assert specialists.min_system_risk(atoms, costs=COSTS) == pytest.approx(7 / 80)


def test_staged_training_leaves_the_plain_server_only_above_a_beta():
    """For J = 1: the weights must outweigh 3 to 1, exp(beta (1.386 - 0.147) / 2) > 3."""
    atoms = specialists.specialist_distribution(1)
    ratio = np.log((0.05 + 0.15) / 0.05) - np.log((0.95 + 0.15) / 0.95)
    threshold = 2 * np.log(3) / ratio
    for beta, risk in ((0.0, 11 / 40), (threshold - 1e-3, 11 / 40), (threshold + 1e-3, 7 / 80)):
        tables = specialists.solve_staged(atoms, costs=COSTS, beta=beta)
        assert specialists.system_risk(atoms, tables, costs=COSTS) == pytest.approx(risk)


@settings(max_examples=20)
@given(pairs=pairs, costs=costs, beta=st.floats(0, 4))
def test_no_solution_is_below_the_least_risk(pairs, costs, beta):
    atoms = specialists.specialist_distribution(pairs)
    least = specialists.min_system_risk(atoms, costs=costs)
    solutions = [specialists.solve_plain(atoms, costs=costs), specialists.solve_staged(atoms, costs=costs, beta=beta)]
    solutions.append(specialists.solve_convex(atoms, costs=costs, alpha=1.5, beta=beta + 0.1))
    for tables in solutions:
        again = specialists.with_best_rejector(atoms, tables.e, costs=costs)
        assert (
            specialists.system_risk(atoms, tables, costs=costs)
            >= specialists.system_risk(atoms, again, costs=costs) - 1e-12
        )
        assert specialists.system_risk(atoms, again, costs=costs) >= least - 1e-12


def test_the_least_risk_is_the_best_of_all_label_tables():
    atoms = specialists.specialist_distribution(2)
    tables = [np.eye(4)[list(labels)] for labels in product(range(4), repeat=2)]
    risks = [
        specialists.system_risk(atoms, specialists.with_best_rejector(atoms, e, costs=COSTS), costs=COSTS)
        for e in tables
    ]
    assert min(risks) == pytest.approx(specialists.min_system_risk(atoms, costs=COSTS))


@pytest.mark.parametrize(("alpha", "beta"), [(0.7, 2.0), (3.0, 2.0), (1.9, 4.0)])
def test_the_convex_minimum_is_one_of_the_surrogate_itself(alpha, beta):
    atoms = specialists.specialist_distribution(2)
    tables = specialists.solve_convex(atoms, costs=COSTS, alpha=alpha, beta=beta)
    r, e = (torch.tensor(table, requires_grad=True) for table in tables)
    total = 0.0
    for label in range(atoms.eta.shape[1]):
        y = torch.full((len(r),), label)
        loss = multiclass_surrogate_loss(
            r, e[atoms.group], torch.tensor(atoms.m), y, costs=COSTS, alpha=alpha, beta=beta
        )
        total = total + (torch.tensor(atoms.mass * atoms.eta[:, label]) * loss).sum()
    for gradient in torch.autograd.grad(total, (r, e)):
        assert gradient.abs().max().item() < 1e-9
    flat = np.concatenate([tables.r, tables.e.ravel()])
    arguments = (atoms.mass, atoms.group, atoms.eta, atoms.m, COSTS.c1, COSTS.ce, alpha, beta)
    assert total.item() == pytest.approx(multiclass.expected_surrogate(flat, *arguments), rel=1e-9)


def test_at_the_fixed_point_the_staged_loss_has_no_gradient():
    atoms = specialists.specialist_distribution(2)
    tables = specialists.solve_staged(atoms, costs=COSTS, beta=2.0)
    r, e = (torch.tensor(table, requires_grad=True) for table in tables)
    total = 0.0
    for label in range(atoms.eta.shape[1]):
        y = torch.full((len(r),), label)
        loss = weighted_cross_entropy(r, e[atoms.group], torch.tensor(atoms.m), y, costs=COSTS, beta=2.0)
        total = total + (torch.tensor(atoms.mass * atoms.eta[:, label]) * loss).sum()
    for gradient in torch.autograd.grad(total, (r, e)):
        assert gradient.abs().max().item() < 1e-9


def test_one_alpha_can_specialise_and_ask_for_one_pair_but_not_for_two():
    """The rejector of the convex form is not calibrated for a server that is too small."""
    found = {}
    for pairs in (1, 2):
        atoms = specialists.specialist_distribution(pairs)
        solutions = [
            specialists.solve_convex(atoms, costs=COSTS, alpha=alpha, beta=4.0) for alpha in np.geomspace(0.5, 8, 40)
        ]
        found[pairs] = min(specialists.system_risk(atoms, tables, costs=COSTS) for tables in solutions)
        again = [specialists.with_best_rejector(atoms, tables.e, costs=COSTS) for tables in solutions]
        assert min(specialists.system_risk(atoms, tables, costs=COSTS) for tables in again) == pytest.approx(7 / 80)
    assert found[1] == pytest.approx(7 / 80) and found[2] > 0.28


def test_bad_input_is_refused(monkeypatch):
    atoms = specialists.specialist_distribution(1)
    with pytest.raises(ValueError, match="n_groups >= 1"):
        specialists.specialist_distribution(0)
    with pytest.raises(ValueError, match=r"rare in \[0, 1\]"):
        specialists.specialist_distribution(1, rare=2.0)
    with pytest.raises(ValueError, match="beta >= 0"):
        specialists.solve_staged(atoms, costs=COSTS, beta=-1.0)
    with pytest.raises(ValueError, match="ce > 0"):
        specialists.solve_convex(atoms, costs=Costs(1.0, 0.0), alpha=1.0, beta=2.0)
    monkeypatch.setattr(specialists, "MAX_ALTERNATIONS", 1)
    with pytest.raises(FloatingPointError, match="expected convergence"):
        specialists.solve_staged(atoms, costs=COSTS, beta=2.0)
    with pytest.raises(FloatingPointError, match="expected convergence"):
        specialists.solve_convex(atoms, costs=COSTS, alpha=1.0, beta=2.0)
