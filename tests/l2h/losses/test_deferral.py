"""The rivals' losses against their plain definitions, and what their minimisers decide: Bayes, or a named failure."""

import itertools
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from oracles import deferral as oracles_deferral

from l2h.losses import deferral as losses_deferral
from l2h.losses.deferral import (
    deferral_loss,
    largest_score_rule,
    mozannar_sontag_loss,
    one_vs_all_loss,
    one_vs_all_rule,
    realizable_loss,
)
from l2h.problem import Costs

score = st.floats(-8, 8)
cost = st.floats(0, 2)
costs = st.builds(Costs, c1=cost, ce=cost)
CLEAR = 0.02  # decisions are compared where they matter by more than this


@st.composite
def one_example(draw):
    """Scores of K answers and of keeping, the client's label and the truth."""
    classes = draw(st.integers(2, 5))
    label = st.integers(0, classes - 1)
    scores = draw(st.lists(score, min_size=classes + 1, max_size=classes + 1))
    return np.array(scores), draw(label), draw(label)


def tensors(scores, m, y):
    return torch.tensor(scores)[None], torch.tensor([m]), torch.tensor([y])


@given(example=one_example(), costs=costs)
def test_the_cost_weighted_cross_entropy_is_its_formula(example, costs):
    expected = oracles_deferral.mozannar_sontag(*example, costs.c1, costs.ce)
    assert mozannar_sontag_loss(*tensors(*example), costs=costs).item() == pytest.approx(expected, abs=1e-9)


@given(example=one_example())
def test_one_vs_all_is_its_formula(example):
    assert one_vs_all_loss(*tensors(*example)).item() == pytest.approx(oracles_deferral.one_vs_all(*example), abs=1e-9)


@given(example=one_example(), costs=costs)
def test_the_realizable_loss_is_the_integral_over_what_is_affordable(example, costs):
    expected = oracles_deferral.realizable(*example, costs.c1, costs.ce)
    assert realizable_loss(*tensors(*example), costs=costs).item() == pytest.approx(expected, abs=1e-9)


@given(example=one_example())
def test_at_the_costs_in_print_the_losses_are_those_in_print(example):
    scores, m, y = tensors(*example)
    free, shares = Costs(c1=1.0, ce=0.0), oracles_deferral.softmax(example[0])
    keep = shares[-1] if example[1] == example[2] else 0.0
    standard = -np.log(shares[example[2]]) - (np.log(keep) if keep else 0.0)
    assert mozannar_sontag_loss(scores, m, y, costs=free).item() == pytest.approx(standard, abs=1e-9)
    assert realizable_loss(scores, m, y, costs=free).item() == pytest.approx(
        -np.log(shares[example[2]] + keep), abs=1e-9
    )


@given(r=score, kept=cost, asked=cost)
@pytest.mark.parametrize("name", ["deferral_loss", "triage_loss", "soft_deferral_loss"])
def test_the_losses_of_a_rejector_alone_are_their_formulas(name, r, kept, asked):
    arguments = [torch.tensor([value], dtype=torch.float64) for value in (r, kept, asked)]
    expected = getattr(oracles_deferral, name.removesuffix("_loss"))(r, kept, asked)
    assert getattr(losses_deferral, name)(*arguments).item() == pytest.approx(expected, abs=1e-12)


@given(example=one_example(), costs=costs)
def test_the_decisions_are_their_formulas(example, costs):
    scores, shares = torch.tensor(example[0])[None], oracles_deferral.softmax(example[0])
    assert largest_score_rule(scores).item() == pytest.approx(shares[-1] - max(shares[:-1]), abs=1e-12)
    shares = 1 / (1 + np.exp(-example[0]))
    expected = costs.ce + costs.c1 * (1 - max(shares[:-1])) - (1 - shares[-1])
    assert one_vs_all_rule(scores, costs=costs).item() == pytest.approx(expected, abs=1e-12)


# --- what minimisers decide -----------------------------------------------------------------------------------------


def table(seed, classes=3):
    """A random table of P(M=m, Y=y): a free client."""
    return np.random.default_rng(seed).dirichlet(np.full(classes * classes, 0.5)).reshape(classes, classes)


def minimiser(loss, joint, seed=0):
    """Scores (1, K + 1) that minimise the expectation of loss(scores, m, y) under the table, and that expectation."""
    classes = len(joint)
    m, y = (torch.tensor(labels) for labels in zip(*itertools.product(range(classes), repeat=2), strict=True))
    weights = torch.tensor(joint.flatten())
    start = 0.1 * np.random.default_rng(seed).normal(size=(1, classes + 1))
    scores = torch.tensor(start, requires_grad=True)
    optimizer = torch.optim.LBFGS([scores], max_iter=500, tolerance_grad=1e-10, line_search_fn="strong_wolfe")

    def closure():
        optimizer.zero_grad()
        value = (weights * loss(scores.expand(len(m), -1), m, y)).sum()
        value.backward()
        return value

    optimizer.step(closure)
    return scores.detach(), closure().item()


def regret(scores, rule, joint, costs):
    """What the decision of the scores costs more than the best choice."""
    choices = oracles_deferral.conditional_costs(joint, costs.c1, costs.ce)
    keeps = rule(scores).item() > 0
    return choices[-1 if keeps else int(scores[0, :-1].argmax())] - choices.min()


CASES = [(seed, Costs(c1=c1, ce=ce)) for seed in range(8) for c1, ce in [(1, 0), (1, 0.2), (0.5, 0.2), (1.5, 0.1)]]


@pytest.mark.parametrize(("seed", "costs"), CASES)
def test_the_minimiser_of_the_cost_form_is_the_bayes_decision(seed, costs):
    joint = table(seed)
    scores, _ = minimiser(lambda *a: mozannar_sontag_loss(*a, costs=costs), joint)
    assert regret(scores, largest_score_rule, joint, costs) <= CLEAR
    largest = max(1, costs.c1 + costs.ce)
    shares = largest - oracles_deferral.conditional_costs(joint, costs.c1, costs.ce)
    np.testing.assert_allclose(torch.softmax(scores, 1)[0], shares / shares.sum(), atol=1e-3)


@pytest.mark.parametrize(("seed", "costs"), CASES)
def test_the_minimiser_of_one_vs_all_is_the_bayes_decision_at_any_costs(seed, costs):
    joint = table(seed)
    scores, _ = minimiser(one_vs_all_loss, joint)
    assert regret(scores, lambda g: one_vs_all_rule(g, costs=costs), joint, costs) <= CLEAR
    np.testing.assert_allclose(torch.sigmoid(scores)[0], [*joint.sum(0), np.trace(joint)], atol=1e-3)


@given(p=st.floats(0.01, 1), asked=st.floats(0.01, 2))
def test_the_minimiser_of_deferral_keeps_where_keeping_costs_less(p, asked):
    r = torch.tensor([np.log(asked / p)], requires_grad=True)  # claimed to be the minimiser
    mean = p * deferral_loss(r, torch.ones(1), torch.full((1,), asked)) + (1 - p) * deferral_loss(
        r, torch.zeros(1), torch.full((1,), asked)
    )
    mean.sum().backward()
    assert r.grad.item() == pytest.approx(0, abs=1e-6)
    assert (r.item() > 0) == (np.log(asked) > np.log(p))


def test_named_failure_a_form_that_knows_no_costs():
    """At c1 = 1, ce = 0.3: keeping errs in 40 %, the server in 30 % and a question, so keep; the form in print asks."""
    joint = np.array([[0.6, 0.3], [0.1, 0.0]])  # rows: the client says 0 or 1; eta = (0.7, 0.3), P(M != Y) = 0.4
    costs = Costs(c1=1.0, ce=0.3)
    blind, _ = minimiser(lambda *a: mozannar_sontag_loss(*a, costs=Costs(c1=1.0, ce=0.0)), joint)
    aware, _ = minimiser(lambda *a: mozannar_sontag_loss(*a, costs=costs), joint)
    assert regret(blind, largest_score_rule, joint, costs) == pytest.approx(0.2)
    assert regret(aware, largest_score_rule, joint, costs) == 0


def test_named_failure_realizable_with_a_deterministic_client():
    """eta = (.5, .4, .1), the client says class 0: an optimum of the loss answers class 1 and errs in 60 %."""
    joint, free = np.zeros((3, 3)), Costs(c1=1.0, ce=0.0)
    joint[0] = [0.5, 0.4, 0.1]
    even = torch.log(torch.tensor([[0.25, 0.4, 0.1, 0.25]], dtype=torch.float64))
    m, y, eta = torch.zeros(3, dtype=torch.long), torch.arange(3), torch.tensor(joint[0])
    _, least = minimiser(lambda *a: realizable_loss(*a, costs=free), joint)
    reached = (eta * realizable_loss(even.expand(3, -1), m, y, costs=free)).sum().item()
    assert reached == pytest.approx(least, abs=1e-8)
    assert regret(even, largest_score_rule, joint, free) == pytest.approx(0.1)


@given(example=one_example(), costs=costs)
def test_realizable_vanishes_where_some_scores_decide_without_cost(example, costs):
    scores, m, y = tensors(*example)
    scores = torch.full_like(scores, -50.0)
    scores[0, -1] = 50.0
    assert realizable_loss(scores, y, y, costs=costs).item() == pytest.approx(0, abs=1e-9)
    scores = scores.flip(1)[:, [0] * scores.shape[1]] * 0 - 50.0
    scores[0, y] = 50.0
    free = Costs(c1=costs.c1, ce=0.0)
    assert realizable_loss(scores, m, y, costs=free).item() == pytest.approx(0, abs=1e-9)


def test_named_failure_triage_labels_do_not_weigh_what_is_at_stake():
    """The client errs in 40 %, a question costs 0.1 and a perfect server nothing: ask; but most labels say keep."""
    kept, asked = torch.tensor([1.0, 0.0]), torch.tensor([0.1, 0.1])
    weights, r = torch.tensor([0.4, 0.6]), torch.tensor([-1e-3, 1e-3])
    value = {name: [(weights * getattr(losses_deferral, name)(v.expand(2), kept, asked)).sum() for v in r.split(1)]
             for name in ("triage_loss", "deferral_loss")}  # fmt: skip
    assert value["triage_loss"][1] < value["triage_loss"][0]
    assert value["deferral_loss"][0] < value["deferral_loss"][1]


def test_named_failure_a_soft_selection_is_not_convex():
    kept, asked = torch.ones(3), torch.zeros(3)
    low, middle, high = losses_deferral.soft_deferral_loss(torch.tensor([0.0, 2.0, 4.0]), kept, asked)
    assert middle > (low + high) / 2


@pytest.mark.parametrize(
    "loss", [*(partial(f, costs=Costs()) for f in (mozannar_sontag_loss, realizable_loss)), one_vs_all_loss]
)
def test_scores_without_one_for_keeping_are_refused(loss):
    label = torch.tensor([0])
    with pytest.raises(ValueError, match=r"scores \(n, K \+ 1\) of K >= 2 classes and of keeping, got \(1, 2\)"):
        loss(torch.zeros(1, 2), label, label)
    with pytest.raises(ValueError, match="one length"):
        loss(torch.zeros(2, 3), label, label)


def test_shapes_must_agree():
    for loss in (deferral_loss, losses_deferral.triage_loss, losses_deferral.soft_deferral_loss):
        with pytest.raises(ValueError, match="one length"):
            loss(torch.zeros(2), torch.zeros(3), torch.zeros(2))


def test_scores_whose_differences_wrap_are_refused():
    whole, label = torch.zeros(2, dtype=torch.int8), torch.zeros(2, dtype=torch.long)
    for loss in (deferral_loss, losses_deferral.triage_loss, losses_deferral.soft_deferral_loss):
        with pytest.raises(ValueError, match="floating-point r, got int8"):
            loss(whole, torch.ones(2), torch.ones(2))
    for loss in (
        partial(mozannar_sontag_loss, costs=Costs()),
        one_vs_all_loss,
        partial(realizable_loss, costs=Costs()),
    ):
        with pytest.raises(ValueError, match="floating-point scores, got int8"):
            loss(torch.zeros(2, 3, dtype=torch.int8), label, label)


def test_labels_that_are_not_the_numbers_of_the_classes_are_refused():
    good, bad = torch.tensor([0, 1]), torch.tensor([0, 2])  # 2 is the column for keeping
    for loss in (
        partial(mozannar_sontag_loss, costs=Costs()),
        one_vs_all_loss,
        partial(realizable_loss, costs=Costs()),
    ):
        with pytest.raises(ValueError, match=r"y in 0\.\.1, got 2"):
            loss(torch.zeros(2, 3), good, bad)
        with pytest.raises(ValueError, match=r"m in 0\.\.1, got 2"):
            loss(torch.zeros(2, 3), bad, good)
