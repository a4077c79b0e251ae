"""Routing on made-up servers against hand computations and brute force."""

import numpy as np
import pytest
import torch

from companion.chapters.several_servers import experts, routing
from companion.chapters.several_servers.experts import ModelErrors
from l2h.losses.routing import routing_loss
from l2h.problem import Costs

N = 600


@pytest.fixture(scope="module")
def answers():
    """The first feature says which expert is right; the client is always wrong, the big server right."""
    generator = np.random.default_rng(0)
    parts = []
    for _ in range(2):
        expert = generator.integers(3, size=N)
        x = np.column_stack([np.eye(3)[expert], generator.normal(size=(N, 2))])
        servers_wrong = np.column_stack([*(expert != j for j in range(3)), np.zeros(N, dtype=bool)])
        parts += [x, np.ones(N, dtype=bool), servers_wrong]
    return ModelErrors(*parts)


def test_a_loss_is_the_cost_of_the_action_that_was_taken(answers):
    costs = routing.server_costs(0.05, 0.15)
    actions = np.array([0, 1, 4] * (N // 3))
    found = routing.outcome(answers, range(4), costs, actions)
    wrong = answers.servers_wrong_test
    expected = np.where(actions == 0, 1.0, np.where(actions == 1, 0.05 + wrong[:, 0], 0.15))
    np.testing.assert_allclose(found.losses, expected)
    np.testing.assert_array_equal(
        found.correct, np.where(actions == 0, False, np.where(actions == 1, ~wrong[:, 0], True))
    )


def test_both_rejectors_find_the_right_expert(answers):
    systems = routing.routed_systems(answers, routing.error_probabilities(answers), expert_ce=0.05, big_ce=0.15)
    assert len(systems) == 1 + 3 * len(routing.SERVER_SETS)
    for decision in (routing.BAYES, routing.TRAINED, routing.ORACLE):
        assert systems["three experts", decision].losses.mean() == pytest.approx(0.05)
        assert systems["one big server", decision].losses.mean() == pytest.approx(0.15)
    assert systems["none", "keeps"].losses.mean() == 1.0


def test_the_systems_of_a_seed_are_those_of_its_answers():
    (found,) = routing.routed_systems_of_seeds("digits", [3], expert_ce=0.05, big_ce=0.15)
    of_seed = experts.answers(experts.load_task("digits"), seed=3)
    expected = routing.routed_systems(of_seed, routing.error_probabilities(of_seed), expert_ce=0.05, big_ce=0.15)
    assert found.keys() == expected.keys()
    for system, outcome in expected.items():
        np.testing.assert_array_equal(found[system].losses, outcome.losses)


def test_no_rejector_loses_less_than_one_that_knows_all_errors(answers):
    shuffled = answers._replace(x_test=answers.x_test[::-1].copy())
    systems = routing.routed_systems(shuffled, routing.error_probabilities(shuffled), expert_ce=0.05, big_ce=0.15)
    for servers in routing.SERVER_SETS:
        least = systems[servers, routing.ORACLE].losses
        assert all((systems[servers, decision].losses >= least).all() for decision in (routing.BAYES, routing.TRAINED))


def test_the_trained_rejector_has_no_slope_left():
    generator = np.random.default_rng(1)
    x, action_costs = generator.normal(size=(200, 4)), generator.uniform(size=(200, 3))
    weights, constants = (torch.tensor(part, requires_grad=True) for part in routing.fit_router(x, action_costs))
    loss = routing_loss(torch.from_numpy(x) @ weights + constants, torch.from_numpy(action_costs)).mean()
    (loss + routing.WEIGHT_PENALTY * (weights**2).sum()).backward()
    assert max(weights.grad.abs().max(), constants.grad.abs().max()) < 1e-4


def test_an_event_that_always_or_never_happens_has_its_probability(answers):
    estimates = routing.error_probabilities(answers)
    assert (estimates.client == 1).all() and (estimates.servers[:, 3] == 0).all()


def test_the_loss_of_experts_does_not_depend_on_the_cost_of_the_big_server(answers):
    estimates = routing.error_probabilities(answers)
    found = routing.losses_over_big_ce([answers], [estimates], expert_ce=0.05, grid=(0.0, 0.2))
    assert found["three experts"][0].tolist() == pytest.approx([0.05, 0.05])
    assert found["one big server"][0].tolist() == pytest.approx([0.0, 0.2])
    assert found["all four servers"][0].tolist() == pytest.approx([0.0, 0.05])


def test_costs_name_all_servers():
    assert routing.server_costs(0.1, 0.3) == (*[Costs(1.0, 0.1)] * 3, Costs(1.0, 0.3))


def test_a_row_of_the_table_is_the_mean_of_the_seeds(answers):
    systems = routing.routed_systems(answers, routing.error_probabilities(answers), expert_ce=0.05, big_ce=0.15)
    table = routing.routing_table([systems, systems])
    assert table.loc[("three experts", routing.TRAINED), "asked"] == 1.0
    assert table.loc[("none", "keeps"), "accuracy"] == 0.0
