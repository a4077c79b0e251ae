"""The architectures: shapes, sizes, ranges, and the exactness of what is computed."""

import numpy as np
import pytest
import torch
from helpers.convolution import gradients, plain
from torch import nn

from l2h.models.networks import (
    FEATURE_GAIN,
    LENET_HIDDEN_UNITS,
    HiddenActivations,
    LeNet,
    LinearOnFeatures,
    linear_network,
    mlp,
)


@pytest.mark.parametrize("n", [1, 2, 7])
@pytest.mark.parametrize("build", [linear_network, mlp, LeNet, lambda: LeNet(bounded=True)])
def test_one_output_gives_one_score_per_image(build, n):
    assert build()(torch.randn(n, 3, 32, 32)).shape == (n,)


@pytest.mark.parametrize("build", [linear_network, LeNet])
def test_many_outputs_give_a_row_per_image(build):
    assert build(n_outputs=10)(torch.randn(1, 3, 32, 32)).shape == (1, 10)


@pytest.mark.parametrize(
    ("network", "weights"),
    [
        (linear_network(), 3073),
        (mlp(), 3072 * 120 + 120 + 121),
        (LeNet(), 3 * 6 * 25 + 6 + 6 * 16 * 25 + 16 + 400 * 120 + 120 + 120 * 84 + 84 + 85),
    ],
)
def test_sizes_are_the_released_ones(network, weights):
    assert sum(w.numel() for w in network.parameters()) == weights


def test_bounded_networks_stay_within_one_and_others_do_not():
    x = 1e4 * torch.randn(16, 3, 32, 32)
    for build in (mlp, LeNet):
        assert build(bounded=True)(x).abs().max() <= 1
        assert build(bounded=False)(x).abs().max() > 1


@pytest.mark.parametrize("build", [linear_network, LeNet])
def test_a_network_without_output_is_refused(build):
    with pytest.raises(ValueError, match="expected a finite n_outputs >= 1, got 0"):
        build(n_outputs=0)


def test_a_rejector_without_hidden_units_is_refused():
    with pytest.raises(ValueError, match="expected a finite hidden_units >= 1, got 0"):
        mlp(hidden_units=0)


def test_lenet_is_the_released_network_in_value_and_gradient():
    network, x = LeNet(n_outputs=3), torch.randn(5, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    released = nn.Sequential(*(plain(block) for block in network.features), nn.Flatten(), network.classifier)
    assert torch.allclose(network(x), released(x), atol=1e-5)
    tensors = list(network.parameters())
    for mine, theirs in zip(gradients(network(x), tensors), gradients(released(x), tensors), strict=True):
        assert torch.allclose(mine, theirs, atol=1e-5)


@pytest.mark.parametrize("outputs", [1, 3])
def test_activations_are_what_the_last_layer_reads(outputs):
    network, x = LeNet(n_outputs=outputs), torch.randn(5, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    found = HiddenActivations(network)(x)
    maps = x
    for block in network.features:
        maps = plain(block)(maps)
    (first, second, last), units = (network.classifier[place] for place in (0, 2, 4)), maps.flatten(1).detach().numpy()
    for layer in (first, second):
        units = np.maximum(units @ layer.weight.detach().numpy().T + layer.bias.detach().numpy(), 0)
    assert found.shape == (5, LENET_HIDDEN_UNITS) and (found >= 0).all() and (found > 0).any()
    np.testing.assert_allclose(found.detach().numpy(), units, atol=1e-5)
    assert torch.allclose(network(x), (found @ last.weight.T + last.bias).squeeze(1), atol=1e-6)


def test_a_network_without_a_hidden_layer_has_no_activations():
    with pytest.raises(ValueError, match="expected a LeNet, which has a last hidden layer, got Sequential"):
        HiddenActivations(linear_network())


def test_a_rejector_may_have_more_outputs():
    assert mlp(7, n_outputs=3)(torch.zeros(5, 3, 32, 32)).shape == (5, 3)
    with pytest.raises(ValueError, match="n_outputs >= 1"):
        mlp(n_outputs=0)


def test_a_layer_on_scores_starts_at_zero_and_is_linear():
    layer = LinearOnFeatures(2, 3)
    assert not layer(torch.ones(4, 2)).any()
    nn.init.ones_(layer.layer.weight)
    assert torch.allclose(layer(torch.tensor([[1.0, -3.0]])), torch.full((1, 3), -2.0 * FEATURE_GAIN))
    bounded_outputs = LinearOnFeatures(2, bounded=True)
    nn.init.constant_(bounded_outputs.layer.bias, 5.0)
    assert 0.99 < bounded_outputs(torch.zeros(1, 2)).item() <= 1
    with pytest.raises(ValueError, match="n_features >= 1"):
        LinearOnFeatures(0)
