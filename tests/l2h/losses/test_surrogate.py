"""The generalized 0-1 loss and the surrogate against their plain definitions and their proved properties."""

import hypothesis.extra.numpy as numpy_strategies
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from oracles import theory

from l2h.losses.surrogate import MAX_EXPONENT, exp_linear_tail, surrogate_loss
from l2h.losses.zero_one import generalized_zero_one_loss
from l2h.problem import Costs

scores = st.floats(-20, 20)
costs = st.builds(Costs, c1=st.floats(0, 3), ce=st.floats(0, 3))
positive = st.floats(0.05, 3)
sign = st.sampled_from([-1, 1])
examples = numpy_strategies.arrays(float, (4, 7), elements=st.floats(-5, 5))


def as_tensors(values):
    r, e, m, y = torch.tensor(values, dtype=torch.float64)
    return r, e, torch.where(m >= 0, 1, -1), torch.where(y >= 0, 1, -1)


@given(values=examples, costs=costs, alpha=positive, beta=positive)
def test_the_surrogate_is_its_formula(values, costs, alpha, beta):
    r, e, m, y = as_tensors(values)
    expected = theory.surrogate(*(v.numpy() for v in (r, e, m, y)), costs.c1, costs.ce, alpha, beta)
    np.testing.assert_allclose(surrogate_loss(r, e, m, y, costs=costs, alpha=alpha, beta=beta), expected, rtol=1e-12)


@given(r=scores, e=scores, m=sign, y=sign, costs=costs, alpha=positive, beta=positive)
def test_the_surrogate_is_an_upper_bound(r, e, m, y, costs, alpha, beta):
    arguments = [torch.tensor([v], dtype=torch.float64) for v in (r, e, m, y)]
    above = surrogate_loss(*arguments, costs=costs, alpha=alpha, beta=beta)
    assert above.item() >= generalized_zero_one_loss(*arguments, costs=costs).item() * (1 - 1e-12)


@given(a=st.tuples(scores, scores), b=st.tuples(scores, scores), m=sign, y=sign, alpha=positive, beta=positive)
def test_the_surrogate_is_convex_in_r_and_e(a, b, m, y, alpha, beta):
    r, e = (torch.tensor([a[i], b[i], (a[i] + b[i]) / 2], dtype=torch.float64) for i in (0, 1))
    labels = torch.full((3,), m), torch.full((3,), y)
    at_a, at_b, between = surrogate_loss(r, e, *labels, costs=Costs(1, 0.2), alpha=alpha, beta=beta)
    assert between <= (at_a + at_b) / 2 * (1 + 1e-9)


@given(m=sign, y=sign, e=st.floats(-1, 1), c1=positive, ce=positive, alpha=positive, beta=positive)
def test_no_example_is_convex_in_the_logit(m, y, e, c1, ce, alpha, beta):
    """A bounded convex function on the line is constant: one of three midpoints lies above its chord."""
    z = torch.tensor([-60.0, -30, 0, 30, 60], dtype=torch.float64)
    r, every = 2 * torch.sigmoid(z) - 1, torch.ones(5, dtype=torch.float64)
    loss = surrogate_loss(r, e * every, m * every, y * every, costs=Costs(c1, ce), alpha=alpha, beta=beta).tolist()
    bends = [2 * loss[k] - loss[k - d] - loss[k + d] for k, d in ((1, 1), (2, 1), (3, 1))]
    assert max(bends) > 1e-9 or np.ptp(loss) < 1e-6


@given(alpha=st.floats(0.05, 10), share=st.floats(-0.99, 0.99))
def test_where_the_kept_term_is_concave_in_the_logit(alpha, share):
    edge, h = (np.sqrt(1 + alpha**2) - 1) / alpha, 1e-3
    z = 2 * np.arctanh(share)
    term = np.exp(alpha * np.tanh((z + h * np.array([-1, 0, 1])) / 2))
    second = (term[0] + term[2] - 2 * term[1]) / h**2 / term[1]
    if abs(share - edge) > 0.01:
        assert np.sign(second) == np.sign(edge - share) or abs(second) < 1e-6


@given(values=examples, costs=costs, alpha=positive, beta=positive)
def test_the_surrogates_gradient_agrees_with_finite_differences(values, costs, alpha, beta):
    r, e, m, y = as_tensors(values / 3)
    r.requires_grad_()
    e.requires_grad_()
    torch.autograd.gradcheck(lambda r, e: surrogate_loss(r, e, m, y, costs=costs, alpha=alpha, beta=beta), (r, e))


def test_alpha_may_depend_on_x():
    zeros, alpha = torch.ones(2), torch.tensor([1.0, 2.0])
    both = surrogate_loss(zeros, zeros, -zeros, zeros, costs=Costs(), alpha=alpha, beta=2.0)
    each = [
        surrogate_loss(zeros, zeros, -zeros, zeros, costs=Costs(), alpha=a.item(), beta=2.0)[i]
        for i, a in enumerate(alpha)
    ]
    assert both.tolist() == pytest.approx([one.item() for one in each])


@pytest.mark.parametrize("size", [1e2, 1e4, 1e8, 1e12])
def test_loss_and_gradient_stay_finite_in_float32(size):
    r = torch.tensor([size, -size, size, -size], requires_grad=True)
    e = torch.tensor([size, size, -size, -size], requires_grad=True)
    loss = surrogate_loss(r, e, -torch.ones(4), torch.ones(4), costs=Costs(1, 0.1), alpha=2.0, beta=2.0)
    loss.sum().backward()
    assert torch.isfinite(loss).all() and torch.isfinite(r.grad).all() and torch.isfinite(e.grad).all()


@given(t=st.floats(-100, 1e6))
def test_the_bounded_exponential_is_exact_then_tangent(t):
    value = exp_linear_tail(torch.tensor(t, dtype=torch.float64)).item()
    expected = np.exp(min(t, MAX_EXPONENT)) * (1 + max(t - MAX_EXPONENT, 0))
    assert value == pytest.approx(expected, rel=1e-12)
    assert value >= (t >= 0)


def good():
    return {name: torch.ones(2) for name in "remy"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"r": torch.ones(1)}, "one length"),
        ({"e": torch.ones(2, 1)}, r"shape \(n,\)"),
        ({"m": torch.ones(2, 1)}, r"expected m of shape \(n,\), got shape \(2, 1\)"),
        ({"m": torch.ones(1)}, "one length, got r: 2, e: 2, m: 1, y: 2"),
        ({"y": torch.ones(2, 1)}, r"expected y of shape \(n,\), got shape \(2, 1\)"),
        ({"y": torch.ones(1)}, "one length, got r: 2, e: 2, m: 2, y: 1"),
        ({"m": torch.zeros(2)}, "m in"),
        ({"y": torch.zeros(2)}, "y in"),
        ({"alpha": 0.0}, "alpha > 0"),
        ({"alpha": torch.tensor([1.0, -1.0])}, "alpha > 0"),
        ({"beta": -2.0}, "beta > 0"),
    ],
)
def test_bad_input_to_the_surrogate_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        surrogate_loss(**{**good(), "costs": Costs(), "alpha": 1.0, "beta": 2.0, **change})


@pytest.mark.parametrize("kind", [torch.int8, torch.uint8, torch.int64, torch.bool])
@pytest.mark.parametrize("name", ["r", "e"])
def test_the_surrogate_refuses_scores_whose_differences_wrap(name, kind):
    one = torch.ones(2)
    scores = {"r": one, "e": one, name: one.to(kind)}
    with pytest.raises(ValueError, match=f"floating-point {name}, got {str(kind).removeprefix('torch.')}"):
        surrogate_loss(**scores, m=one, y=one, costs=Costs(), alpha=1.0, beta=1.0)
