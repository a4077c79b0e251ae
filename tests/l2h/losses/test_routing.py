"""The routing loss against its plain definition, its minimiser, and a rejector that is trained with it."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from oracles import deferral as oracles_deferral
from scipy.optimize import minimize

from l2h.losses.deferral import deferral_loss
from l2h.losses.routing import routing_loss
from l2h.problem import Costs
from l2h.theory.several_servers import action_of_scores, bayes_action, costs_by_action, several_servers_risk

cost = st.one_of(st.just(0.0), st.floats(0.01, 3))
CLEAR = 1e-6  # actions are compared where their expected costs differ by more than this


@st.composite
def cost_tables(draw):
    """Probabilities of some outcomes given x, and what each action costs in each: (n,) and (n, k + 1)."""
    k, n = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    weights = np.array(draw(st.lists(st.integers(1, 9), min_size=n, max_size=n)))
    rows = st.lists(cost, min_size=k + 1, max_size=k + 1)
    return torch.tensor(weights / weights.sum()), torch.tensor(draw(st.lists(rows, min_size=n, max_size=n)))


@given(st.data())
def test_the_routing_loss_is_its_formula(data):
    _, costs = data.draw(cost_tables())
    scores = torch.tensor(data.draw(st.lists(st.lists(st.floats(-8, 8), min_size=costs.shape[1],
        max_size=costs.shape[1]), min_size=len(costs), max_size=len(costs))))  # fmt: skip
    expected = [oracles_deferral.routing(s, c) for s, c in zip(scores.tolist(), costs.tolist(), strict=True)]
    assert routing_loss(scores.double(), costs.double()).tolist() == pytest.approx(expected, abs=1e-9)


@given(st.floats(-8, 8), st.floats(-8, 8), cost, cost)
def test_with_one_server_it_is_the_deferral_loss(keep, ask, keep_cost, ask_cost):
    scores, costs = torch.tensor([[keep, ask]]).double(), torch.tensor([[keep_cost, ask_cost]]).double()
    expected = deferral_loss(scores[:, 0] - scores[:, 1], costs[:, 0], costs[:, 1])
    assert routing_loss(scores, costs).item() == pytest.approx(expected.item(), abs=1e-9)


@given(cost_tables())
def test_the_minimiser_orders_the_actions_by_expected_cost(table):
    """A convex function is least where its gradient vanishes; costs of zero are lifted so that this point is finite."""
    shares, costs = table[0].double(), table[1].double() + 0.01
    mean_costs = shares @ costs
    best = (mean_costs.sum() - mean_costs).log()
    scores = best.clone().requires_grad_()
    (gradient,) = torch.autograd.grad((shares * routing_loss(scores.expand_as(costs), costs)).sum(), scores)
    assert gradient.abs().max() < 1e-9
    for a, b in np.ndindex(len(best), len(best)):
        if mean_costs[a] < mean_costs[b] - CLEAR:
            assert best[a] > best[b]
    ordered = mean_costs.sort().values
    if ordered[1] > ordered[0] + CLEAR:
        assert action_of_scores(best) == mean_costs.argmin()


@given(cost_tables(), st.data())
def test_no_other_scores_have_a_smaller_expected_loss(table, data):
    shares, costs = table[0].double(), table[1].double() + 0.01
    mean_costs = shares @ costs
    best = (mean_costs.sum() - mean_costs).log()
    step = torch.tensor(data.draw(st.lists(st.floats(-2, 2), min_size=len(best), max_size=len(best)))).double()
    losses = [(shares * routing_loss(s.expand_as(costs), costs)).sum() for s in (best, best + step)]
    assert losses[0] <= losses[1] + 1e-9


def test_a_rejector_trained_on_what_occurred_routes_nearly_as_the_bayes_rule():
    """Arrays of errors alone: a linear rejector, and a distribution in which every action is the best one somewhere."""
    generator = np.random.default_rng(0)
    x = generator.uniform(-1, 1, 5_000)
    p, q = (1 + x) / 2, np.column_stack([np.full_like(x, 0.25), np.where(x > 0.5, 0.0, 0.5)])
    costs = [Costs(1.0, 0.125), Costs(1.0, 0.125)]
    occurred = costs_by_action(generator.random(len(x)) < p, generator.random(q.shape) < q, costs=costs)
    features = torch.tensor(np.column_stack([np.ones_like(x), x, x > 0.5, x * (x > 0.5)]))
    targets = torch.tensor(occurred)

    def loss_and_gradient(flat):
        weights = torch.tensor(flat.reshape(4, 3), requires_grad=True)
        loss = routing_loss(features @ weights, targets).mean()
        loss.backward()
        return loss.item(), weights.grad.numpy().ravel()

    weights = minimize(loss_and_gradient, np.zeros(12), jac=True).x.reshape(4, 3)
    actions = action_of_scores(features.numpy() @ weights)
    assert set(bayes_action(p, q, costs=costs).tolist()) == {0, 1, 2}
    best = several_servers_risk(p, q, costs=costs).mean()
    reached = several_servers_risk(p, q, costs=costs, actions=actions).mean()
    constants = [several_servers_risk(p, q, costs=costs, actions=np.full(len(x), a)).mean() for a in range(3)]
    assert best <= reached < best + 0.01 < min(constants)


@pytest.mark.parametrize(
    ("scores", "costs", "message"),
    [
        (torch.zeros(2), torch.zeros(2), r"scores \(n, k \+ 1\)"),
        (torch.zeros(2, 1), torch.zeros(2, 1), r"scores \(n, k \+ 1\)"),
        (torch.zeros(2, 3), torch.zeros(2, 2), r"costs of shape \(2, 3\), got \(2, 2\)"),
        (torch.zeros(2, 3), torch.zeros(3, 3), r"costs of shape \(2, 3\), got \(3, 3\)"),
        (torch.zeros(2, 3), -torch.ones(2, 3), "costs >= 0, got -1"),
        (torch.zeros(2, 3), torch.full((2, 3), torch.nan), "finite action_costs"),
        (torch.zeros(2, 3, dtype=torch.int8), torch.ones(2, 3), "floating-point scores, got int8"),
    ],
)
def test_bad_input_is_refused(scores, costs, message):
    with pytest.raises(ValueError, match=message):
        routing_loss(scores, costs)
