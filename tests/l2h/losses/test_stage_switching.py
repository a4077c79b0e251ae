"""The losses for many classes against their plain definitions, their proved properties and their two-class form."""

import hypothesis.extra.numpy as numpy_strategies
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from oracles import multiclass

from l2h.losses.stage_switching import (
    STAGE_SWITCHING_FORMS,
    stage_rejector_loss,
    stage_weights,
    weighted_cross_entropy,
)
from l2h.losses.surrogate import as_multiclass, multiclass_surrogate_loss, surrogate_loss
from l2h.losses.zero_one import generalized_zero_one_loss
from l2h.problem import Costs, server_label

costs = st.builds(Costs, c1=st.floats(0, 3), ce=st.floats(0, 3))
positive = st.floats(0.05, 3)
forms = st.sampled_from(STAGE_SWITCHING_FORMS)
sign = st.sampled_from([-1, 1])


@st.composite
def examples(draw, classes=4, n=6):
    """Scores r (n,) and e (n, K), labels m and y in 0..K-1."""
    labels = numpy_strategies.arrays(np.int64, n, elements=st.integers(0, classes - 1))
    r = draw(numpy_strategies.arrays(float, n, elements=st.floats(-5, 5)))
    e = draw(numpy_strategies.arrays(float, (n, classes), elements=st.floats(-5, 5)))
    return tuple(torch.from_numpy(values) for values in (r, e, draw(labels), draw(labels)))


def stage_switching_loss(r, e, m, y, *, costs, form):
    """Both parts, as the method adds them."""
    server_loss = torch.nn.functional.cross_entropy(e, y, reduction="none")
    return server_loss + stage_rejector_loss(r, m != y, server_label(e) != y, costs=costs, form=form)


def plain(values):
    return tuple(value.tolist() for value in values)


@given(values=examples(), costs=costs, form=forms)
def test_the_stage_switching_loss_is_its_formula(values, costs, form):
    expected = multiclass.stage_switching(*plain(values), costs.c1, costs.ce, form)
    np.testing.assert_allclose(stage_switching_loss(*values, costs=costs, form=form), expected, rtol=1e-9, atol=1e-9)


@given(values=examples(), costs=costs, alpha=positive, beta=positive)
def test_the_surrogate_for_many_classes_is_its_formula(values, costs, alpha, beta):
    expected = multiclass.surrogate_classes(*plain(values), costs.c1, costs.ce, alpha, beta)
    np.testing.assert_allclose(
        multiclass_surrogate_loss(*values, costs=costs, alpha=alpha, beta=beta), expected, rtol=1e-9
    )


@given(values=examples(), costs=costs, beta=positive)
def test_the_specialising_loss_is_its_formula(values, costs, beta):
    expected = multiclass.specialising(*plain(values), costs.c1, costs.ce, beta)
    np.testing.assert_allclose(weighted_cross_entropy(*values, costs=costs, beta=beta), expected, rtol=1e-9, atol=1e-9)


@given(r=st.floats(-20, 20), e=st.floats(-20, 20), m=sign, y=sign, costs=costs, alpha=positive, beta=positive)
def test_two_classes_are_the_surrogate_of_two_classes(r, e, m, y, costs, alpha, beta):
    r, e, m, y = (torch.tensor([value]) for value in (float(r), float(e), m, y))
    r, e = r.double(), e.double()
    columns, m_class, y_class = as_multiclass(e, m, y)
    binary = surrogate_loss(r, e, m, y, costs=costs, alpha=alpha, beta=beta)
    many = multiclass_surrogate_loss(r, columns, m_class, y_class, costs=costs, alpha=alpha, beta=beta)
    assert many.item() == pytest.approx(binary.item(), rel=1e-9)


@given(e=st.floats(-20, 20), y=sign)
def test_in_columns_keeps_cross_entropy_and_the_label(e, y):
    e, y = torch.tensor([e], dtype=torch.float64), torch.tensor([y])
    columns, label = as_multiclass(e, y)
    logistic = torch.nn.functional.softplus(-y * e)
    assert torch.allclose(torch.nn.functional.cross_entropy(columns, label, reduction="none"), logistic)
    assert as_multiclass(columns, label)[0] is columns
    if e != 0:
        assert torch.equal(server_label(columns), (server_label(e) + 1) // 2)


@given(values=examples(), costs=costs, alpha=positive, beta=positive)
def test_the_surrogate_for_many_classes_is_an_upper_bound(values, costs, alpha, beta):
    above = multiclass_surrogate_loss(*values, costs=costs, alpha=alpha, beta=beta)
    assert (above >= generalized_zero_one_loss(*values, costs=costs) * (1 - 1e-6)).all()


@given(a=examples(), b=examples(), costs=costs, alpha=positive, beta=positive)
def test_the_surrogate_for_many_classes_is_convex(a, b, costs, alpha, beta):
    _, _, m, y = a

    def at(r, e):
        return multiclass_surrogate_loss(r, e, m, y, costs=costs, alpha=alpha, beta=beta)

    between = at((a[0] + b[0]) / 2, (a[1] + b[1]) / 2)
    assert (between <= (at(*a[:2]) + at(*b[:2])) / 2 * (1 + 1e-9)).all()


@given(values=examples(n=3), costs=costs, alpha=positive, beta=positive)
def test_the_gradient_agrees_with_finite_differences(values, costs, alpha, beta):
    r, e, m, y = values
    r, e = (r / 3).requires_grad_(), (e / 3).requires_grad_()
    torch.autograd.gradcheck(
        lambda r, e: multiclass_surrogate_loss(r, e, m, y, costs=costs, alpha=alpha, beta=beta), (r, e)
    )


@pytest.mark.parametrize("size", [1e2, 1e4])
def test_loss_and_gradient_stay_finite_in_float32(size):
    r = torch.tensor([size, -size], requires_grad=True)
    e = torch.tensor([[size, -size, 0.0], [-size, size, 0.0]], requires_grad=True)
    m, y = torch.tensor([1, 0]), torch.tensor([0, 0])
    for loss in (
        multiclass_surrogate_loss(r, e, m, y, costs=Costs(1, 0.1), alpha=2.0, beta=2.0),
        weighted_cross_entropy(r, e, m, y, costs=Costs(1, 0.1), beta=2.0),
    ):
        r.grad = e.grad = None
        loss.sum().backward()
        assert torch.isfinite(loss).all() and torch.isfinite(r.grad).all() and torch.isfinite(e.grad).all()


@given(client=st.booleans(), server=st.booleans(), costs=costs)
def test_the_forms_differ_as_their_definitions_say(client, server, costs):
    paper, nonnegative, released = (
        stage_weights(client, server, costs=costs, form=form) for form in STAGE_SWITCHING_FORMS
    )
    raised = max(1.0, costs.c1 + costs.ce) - 1
    assert tuple(nonnegative) == pytest.approx((paper.keep + raised, paper.ask + raised))
    assert nonnegative.keep >= 0 and nonnegative.ask >= -1e-12
    assert released.ask - paper.ask == pytest.approx(2 * costs.c1 * server)  # too large by exactly 2 c1


@given(costs=costs)
def test_the_papers_weight_is_negative_exactly_where_the_costs_exceed_one(costs):
    least = min(stage_weights(1, server, costs=costs, form="paper").ask for server in (0, 1))
    assert (least >= 0) == (1 - costs.ce - costs.c1 >= 0)


@pytest.mark.parametrize(("form", "bounded"), [("paper", False), ("nonnegative", True), ("released", True)])
def test_with_large_costs_only_the_papers_form_falls_without_bound(form, bounded):
    wrong, r = torch.ones(2), torch.tensor([1e3, 1e6])
    near, far = stage_rejector_loss(r, wrong, wrong, costs=Costs(1.0, 0.25), form=form)
    assert (far >= near) == bounded and (near >= 0) == bounded


@given(values=examples(), costs=costs, form=forms)
def test_the_stage_server_learns_as_if_alone(values, costs, form):
    r, e, m, y = values
    for beta in (None, 0.0):
        e = e.detach().requires_grad_()
        loss = (
            stage_switching_loss(r, e, m, y, costs=costs, form=form)
            if beta is None
            else weighted_cross_entropy(r, e, m, y, costs=costs, beta=beta)
        )
        (gradient,) = torch.autograd.grad(loss.sum(), e)
        (alone,) = torch.autograd.grad(torch.nn.functional.cross_entropy(e, y, reduction="sum"), e)
        assert torch.allclose(gradient, alone)


def test_the_specialising_server_learns_where_it_is_asked():
    r, e = torch.tensor([-1.0, 1.0], requires_grad=True), torch.zeros(2, 3, requires_grad=True)
    label = torch.zeros(2, dtype=torch.long)
    weighted_cross_entropy(r, e, label, label, costs=Costs(1.0, 0.0), beta=2.0).sum().backward()
    ratio = e.grad[0].norm() / e.grad[1].norm()
    assert ratio.item() == pytest.approx(np.exp(2.0), rel=1e-5)
    assert r.grad[0].item() == pytest.approx(0.0)  # both are right and a question is free: nothing to learn


def good():
    return {"r": torch.ones(2), "e": torch.ones(2, 3), "m": torch.zeros(2).long(), "y": torch.zeros(2).long()}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"r": torch.ones(1)}, "one length"),
        ({"e": torch.ones(3, 3)}, "one length"),
        ({"e": torch.ones(2)}, r"e of shape \(n, K\)"),
        ({"e": torch.ones(2, 1)}, r"K >= 2"),
    ],
)
def test_bad_shapes_are_refused(change, message):
    for loss, parameters in (
        (multiclass_surrogate_loss, {"alpha": 1.0, "beta": 1.0}),
        (weighted_cross_entropy, {"beta": 1.0}),
    ):
        with pytest.raises(ValueError, match=message):
            loss(**{**good(), **change}, costs=Costs(), **parameters)


def test_bad_parameters_are_refused():
    with pytest.raises(ValueError, match="one of 'paper'"):
        stage_switching_loss(**good(), costs=Costs(), form="printed")
    with pytest.raises(ValueError, match="alpha > 0"):
        multiclass_surrogate_loss(**good(), costs=Costs(), alpha=torch.tensor([1.0, 0.0]), beta=1.0)
    with pytest.raises(ValueError, match="beta > 0"):
        multiclass_surrogate_loss(**good(), costs=Costs(), alpha=1.0, beta=0.0)
    with pytest.raises(ValueError, match="beta >= 0"):
        weighted_cross_entropy(**good(), costs=Costs(), beta=-1.0)
    with pytest.raises(ValueError, match="one length"):
        stage_rejector_loss(torch.ones(2), torch.ones(1), torch.ones(2), costs=Costs(), form="paper")


@pytest.mark.parametrize("name", ["r", "e"])
def test_scores_whose_differences_wrap_are_refused(name):
    label = torch.zeros(2, dtype=torch.long)
    scores = {"r": torch.zeros(2), "e": torch.zeros(2, 3)}
    scores[name] = scores[name].to(torch.int8)
    for loss, options in (
        (multiclass_surrogate_loss, {"alpha": 1.0, "beta": 1.0}),
        (weighted_cross_entropy, {"beta": 1.0}),
    ):
        with pytest.raises(ValueError, match=f"floating-point {name}, got int8"):
            loss(**scores, m=label, y=label, costs=Costs(), **options)
    with pytest.raises(ValueError, match="floating-point r, got int8"):
        stage_rejector_loss(scores["r"].to(torch.int8), label, label, costs=Costs(), form="paper")


@pytest.mark.parametrize("wrong", [-1, -100, 3])  # -100 is what the cross-entropy of torch leaves out
def test_labels_that_are_not_the_numbers_of_the_classes_are_refused(wrong):
    good, bad = torch.tensor([0, 1]), torch.tensor([0, wrong])
    for labels, name in (((bad, good), "m"), ((good, bad), "y")):
        for loss, options in (
            (multiclass_surrogate_loss, {"alpha": 1.0, "beta": 1.0}),
            (weighted_cross_entropy, {"beta": 1.0}),
        ):
            with pytest.raises(ValueError, match=rf"{name} in 0\.\.2, got {wrong}"):
                loss(torch.zeros(2), torch.zeros(2, 3), *labels, costs=Costs(), **options)


def test_two_classes_in_columns_are_coded_by_their_signs():
    with pytest.raises(ValueError, match=r"labels\[1\] in \{-1, \+1\}, got 0"):
        as_multiclass(torch.zeros(2), torch.tensor([1, -1]), torch.tensor([1, 0]))
