"""The loop: it learns, repeats itself bit by bit, and says what is wrong."""

from dataclasses import replace
from functools import partial
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

from l2h.losses.surrogate import surrogate_loss
from l2h.models.networks import LeNet, LinearOnFeatures, linear_network, mlp
from l2h.problem import Costs
from l2h.training import loop
from l2h.training.config import TrainConfig
from l2h.training.loop import fit, fit_jointly, predict_scores, seeded

BRIEF = TrainConfig(epochs=2, batch_size=16, lr=1e-3, flip=True)
LOG2 = 0.6931472


def weights(network):
    return torch.cat([w.detach().flatten() for w in network.parameters()])


def trained(images, seed=0, config=BRIEF):
    with seeded(seed):
        r, e = mlp(), LeNet()
    loss = partial(surrogate_loss, costs=Costs(c1=1.0, ce=0.1), beta=2.0)
    history = fit_jointly(
        images.x,
        images.y,
        torch.ones(64),
        rejector=r,
        server=e,
        loss=lambda r, e, m, y, alpha: loss(r, e, m, y, alpha=alpha),
        config=config,
        seed=seed,
        alpha=3.0,
    )
    return history, weights(r), weights(e)


def squared(e, y):
    return (e - y) ** 2


def test_the_loop_finds_the_least_squares_solution():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(256, 3, generator=generator)
    y = x @ torch.tensor([1.0, -2.0, 0.5]) + 0.3 * torch.randn(256, generator=generator)
    with seeded(0):
        network = nn.Sequential(nn.Linear(3, 1, bias=False), nn.Flatten(0))
    fit(network, x, (y,), squared, config=TrainConfig(epochs=60, batch_size=32, lr=0.1), seed=0)
    exact = np.linalg.lstsq(x.numpy(), y.numpy(), rcond=None)[0]
    assert np.allclose(network[0].weight.detach().numpy()[0], exact, atol=2e-3)


def test_one_constant_sgd_step_is_the_gradient_of_the_mean():
    x, y = torch.tensor([[1.0], [2.0]]), torch.tensor([1.0, 0.0])
    network = nn.Sequential(nn.Linear(1, 1, bias=False), nn.Flatten(0))
    nn.init.constant_(network[0].weight, 1.0)
    config = TrainConfig(epochs=1, batch_size=2, lr=0.1, optimizer="sgd", schedule="constant")
    history = fit(network, x, (y,), squared, config=config, seed=0)
    assert network[0].weight.item() == pytest.approx(1 - 0.1 * (0 * 2 + 2 * 2 * 2) / 2)
    assert history.losses == (pytest.approx(2.0),)
    assert history.steps == 1


def test_one_cycle_ends_slower_than_it_peaks(images):
    moved = []
    with seeded(0):
        network = linear_network()

    def loss(e, y):
        moved.append(weights(network))
        return loop.classification_loss(e, y)

    fit(network, images.x, (images.y,), loss, config=TrainConfig(epochs=5, batch_size=16, lr=1e-3), seed=0)
    steps = [(b - a).norm().item() for a, b in pairwise(moved)]
    assert max(steps) > 10 * steps[-1]


def test_training_repeats_itself_bit_by_bit_whatever_the_global_generator_holds(images):
    torch.manual_seed(1)
    first = trained(images)
    torch.manual_seed(2)
    before = torch.get_rng_state()
    second = trained(images)
    assert torch.equal(torch.get_rng_state(), before)
    assert first[0] == second[0]
    assert torch.equal(first[1], second[1])
    assert torch.equal(first[2], second[2])


def test_another_seed_gives_another_result(images):
    assert not torch.equal(trained(images, seed=0)[1], trained(images, seed=1)[1])


def test_only_images_can_be_flipped():
    with pytest.raises(ValueError, match=r"to flip or translate, got shape \(4, 2\)"):
        fit(nn.Linear(2, 1), torch.zeros(4, 2), (), squared, config=BRIEF, seed=0)


def test_a_short_last_batch_counts_by_its_examples():
    x, y = torch.zeros(5, 1), torch.tensor([1.0, 1.0, 1.0, 1.0, 1.0])
    network = nn.Sequential(nn.Linear(1, 1, bias=False), nn.Flatten(0))
    history = fit(network, x, (y,), squared, config=TrainConfig(epochs=2, batch_size=4, lr=1e-3), seed=0)
    assert history.steps == 4
    assert history.losses == (1.0, 1.0)


def test_joint_training_lowers_the_loss(images):
    history, _, _ = trained(images, config=TrainConfig(epochs=15, batch_size=16, lr=1e-3))
    assert history.losses[-1] < 0.5 * history.losses[0]


def test_alpha_may_differ_between_examples(images):
    seen = []

    def loss(r, e, m, y, alpha):
        seen.append(alpha)
        return r * alpha + e

    config = TrainConfig(epochs=1, batch_size=16, lr=1e-3)
    alpha = torch.arange(64.0)
    fit_jointly(
        images.x, images.y, images.y, rejector=mlp(), server=LeNet(), loss=loss, config=config, seed=0, alpha=alpha
    )
    assert torch.equal(torch.cat(seen).sort().values, alpha)


def test_scores_do_not_depend_on_the_batch_and_train_nothing(images):
    network = nn.Sequential(LeNet(n_outputs=3), nn.Dropout())
    whole = predict_scores(network, images.x)
    assert whole.dtype == torch.float32
    assert not whole.requires_grad
    assert torch.allclose(predict_scores(network, images.x, batch_size=7), whole, atol=1e-6)
    with pytest.raises(ValueError, match="batch_size >= 1"):
        predict_scores(network, images.x, batch_size=0)


def test_bytes_and_their_pixels_train_alike(images):
    ends = []
    for x in (images.x, loop.preprocess(images.x)):
        with seeded(0):
            network = linear_network()
        fit(network, x, (images.y,), loop.classification_loss, config=BRIEF, seed=0)
        ends.append(weights(network))
    assert torch.equal(*ends)


def test_lengths_that_differ_are_refused(images):
    with pytest.raises(ValueError, match="expected arrays of one length"):
        fit(linear_network(), images.x, (images.y[:-1],), loop.classification_loss, config=BRIEF, seed=0)


def test_a_loss_that_is_already_a_mean_is_refused(images):
    with pytest.raises(ValueError, match=r"expected a loss of shape \(16,\), got \(\)"):
        fit(linear_network(), images.x, (images.y,), lambda e, y: e.mean(), config=BRIEF, seed=0)


def test_divergence_is_an_error_at_once(images):
    config = TrainConfig(epochs=5, batch_size=16, lr=1e30, optimizer="sgd", schedule="constant")
    with pytest.raises(FloatingPointError, match=r"training diverged in epoch 1: .* lower lr"):
        fit(linear_network(), images.x, (images.y,), lambda e, y: (e - y) ** 2, config=config, seed=0)


def test_a_rejector_may_read_something_else_than_the_image(images):
    """What it reads tells where the client is wrong; on noise for images it learns that all the same."""
    wrong = torch.arange(64) % 4 == 0
    m = torch.where(wrong, -images.y, images.y)
    with seeded(0):
        r, e = LinearOnFeatures(1), linear_network()
    before = weights(e)
    history = fit_jointly(
        images.x,
        images.y,
        m,
        rejector=r,
        server=e,
        loss=lambda r, e, m, y, alpha: loop.classification_loss(r, 2 * (m == y) - 1) + loop.classification_loss(e, y),
        config=TrainConfig(epochs=20, batch_size=16, lr=1e-2),
        seed=0,
        rejector_inputs=wrong.float()[:, None],
    )
    assert ((predict_scores(r, wrong.float()[:, None]) > 0) == ~wrong).all()
    assert history.losses[-1] < history.losses[0] and not torch.equal(before, weights(e))


@pytest.fixture
def double_precision():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def test_floats_are_in_single_precision_by_default():
    assert loop.as_float([1, 2]).dtype == torch.float32


def test_floats_are_of_the_type_that_networks_compute_in(double_precision):
    assert loop.as_float(torch.tensor([True])).dtype == torch.float64


def test_a_rejector_may_learn_at_a_rate_of_its_own():
    x, y = torch.randn(8, 2, generator=torch.Generator().manual_seed(0)), torch.ones(8)
    moved = {}
    for rate in (1.0, 0.25):
        r, e = (nn.Sequential(nn.Linear(2, 1), nn.Flatten(0)) for _ in range(2))
        how = {"optimizer": "sgd", "momentum": 0.0, "schedule": "constant"}
        config = TrainConfig(epochs=1, batch_size=8, lr=0.1, rejector_lr_factor=rate, **how)
        for network in (r, e):
            nn.init.constant_(network[0].weight, 1.0)
            nn.init.constant_(network[0].bias, 0.0)
        before = [weights(network).clone() for network in (r, e)]
        fit_jointly(x, y, y, rejector=r, server=e, loss=lambda r, e, *_: r**2 + e**2, config=config, seed=0, alpha=1.0)
        moved[rate] = [weights(network) - old for network, old in zip((r, e), before, strict=True)]
    assert torch.allclose(moved[0.25][0], 0.25 * moved[1.0][0]) and torch.equal(moved[0.25][1], moved[1.0][1])


def test_bfloat16_is_asked_for_and_does_nothing_where_it_would_be_slower(images, monkeypatch):
    low = replace(BRIEF, bfloat16=True)
    plain = trained(images)
    monkeypatch.setattr(loop, "has_bfloat16", lambda: False)
    assert (trained(images, config=low)[1] == plain[1]).all()
    monkeypatch.setattr(loop, "has_bfloat16", lambda: True)
    history, r, _ = trained(images, config=low)
    assert r.dtype == torch.float32  # weights stay in full precision
    assert not (r == plain[1]).all()  # the products are others
    assert history.losses == pytest.approx(plain[0].losses, rel=0.02)
    assert (trained(images, config=low)[1] == r).all()


def test_double_precision_takes_no_part_in_bfloat16(double_precision, images, monkeypatch):
    monkeypatch.setattr(loop, "has_bfloat16", lambda: True)
    plain, low = trained(images), trained(images, config=replace(BRIEF, bfloat16=True))
    assert (low[1] == plain[1]).all()


def test_a_network_may_leave_an_output_out_in_bfloat16(images, monkeypatch):
    monkeypatch.setattr(loop, "has_bfloat16", lambda: True)

    class Half(nn.Module):
        def __init__(self):
            super().__init__()
            self.server = linear_network()

        def forward(self, x):
            return None, self.server(x)

    def loss(outputs, y):
        assert outputs[0] is None and outputs[1].dtype == torch.float32
        return loop.classification_loss(outputs[1], y)

    assert fit(Half(), images.x, (images.y,), loss, config=replace(BRIEF, bfloat16=True), seed=0).steps > 0


def test_columns_are_standardised_by_what_is_known():
    generator = torch.Generator().manual_seed(0)
    known, values = (5 + 3 * torch.randn(n, 4, generator=generator) for n in (50, 7))
    known[:, 2] = 1.0
    a, b = known.double().numpy(), values.double().numpy()
    deviation = np.where(a.std(0) > 0, a.std(0), 1.0)
    np.testing.assert_allclose(loop.standardize(values, known).numpy(), (b - a.mean(0)) / deviation, atol=1e-4)
    for wrong in (known[:0], known[:, :3]):
        with pytest.raises(ValueError, match="expected columns as in"):
            loop.standardize(values, wrong)


@pytest.mark.parametrize("name", ["meta", "nowhere"])
def test_an_accelerator_that_is_not_there_is_refused(images, monkeypatch, name):
    monkeypatch.setenv("L2H_ACCELERATOR", name)
    with pytest.raises(ValueError, match=f"expected L2H_ACCELERATOR to be one of 'cpu'.*, got '{name}'"):
        trained(images)
    with pytest.raises(ValueError, match="expected L2H_ACCELERATOR"):
        predict_scores(linear_network(), images.x)


def test_the_cpu_is_no_accelerator(images, monkeypatch):
    monkeypatch.delenv("L2H_ACCELERATOR", raising=False)
    plain = trained(images)
    monkeypatch.setenv("L2H_ACCELERATOR", "cpu")
    assert torch.equal(trained(images)[1], plain[1])
