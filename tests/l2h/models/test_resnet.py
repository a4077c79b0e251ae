"""The larger servers: shapes, sizes as stated, and that what they learn does not depend on the memory's layout."""

import pytest
import torch
from torch import nn

from l2h.models.resnet import ResidualBlock, ResidualNetwork, conv_block, residual_large, residual_small
from l2h.training import config, loop

LARGER = [residual_small, residual_large]


@pytest.mark.parametrize("network", LARGER)
@pytest.mark.parametrize(("outputs", "shape"), [(1, (2,)), (10, (2, 10))])
def test_scores_have_their_shape(network, outputs, shape):
    with loop.seeded(0):
        built = network(outputs)
    assert built(torch.zeros(2, 3, 32, 32)).shape == shape


def multiplications(network):
    """Of one image, counted at every convolution and linear layer."""
    counted = []

    def count(module, inputs, output):
        weights = module.weight.numel()
        counted.append(weights * (output[0, 0].numel() if isinstance(module, nn.Conv2d) else 1))

    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.register_forward_hook(count)
    network(torch.zeros(1, 3, 32, 32))
    return sum(counted)


@pytest.mark.parametrize(("network", "weights", "work"), [(residual_small, 0.5e6, 15e6), (residual_large, 14e6, 0.7e9)])
def test_the_sizes_are_as_stated(network, weights, work):
    built = network(10)
    assert sum(w.numel() for w in built.parameters()) == pytest.approx(weights, rel=0.06)
    assert multiplications(built) == pytest.approx(work, rel=0.06)


def test_the_layout_in_memory_changes_nothing():
    with loop.seeded(0):
        built = ResidualNetwork(3, widths=(8, 16), blocks=(1, 1), fold=2)
    x = torch.randn(4, 3, 32, 32)
    expected = built.eval()(x)
    plain = built.to(memory_format=torch.contiguous_format)
    assert torch.allclose(plain(x.to(memory_format=torch.channels_last)), expected, atol=1e-5)


def test_a_residual_block_without_weights_is_the_identity():
    block = ResidualBlock(4)
    nn.init.zeros_(block.branch[1][0].weight)
    x = torch.randn(2, 4, 8, 8)
    assert torch.equal(block(x), x)


def test_bounded_scores_lie_within_one():
    with loop.seeded(0):
        built = residual_small(bounded=True)
    assert (built(10 * torch.randn(8, 3, 32, 32)).abs() < 1).all()


def test_a_larger_server_learns():
    """Two classes that differ in a stripe: solved within a few steps, by the one training loop."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randint(100, 156, (64, 3, 32, 32), dtype=torch.uint8, generator=generator)
    y = torch.arange(64) % 2
    x[y == 1, :, 12:20] = 255
    with loop.seeded(0):
        built = ResidualNetwork(2, widths=(8, 16), blocks=(0, 1), fold=2)
    preset = config.TrainConfig(epochs=6, batch_size=16, lr=0.05, optimizer="sgd", flip=True, max_translation=2)
    loop.fit(built, x, (y,), loop.classification_loss, config=preset, seed=0)
    assert (loop.predict_scores(built, x).argmax(1) == y).all()


def test_bad_sizes_are_refused():
    with pytest.raises(ValueError, match="n_outputs >= 1"):
        residual_small(0)
    with pytest.raises(ValueError, match="fold >= 1"):
        ResidualNetwork(1, widths=(8,), blocks=(1,), fold=0)
    with pytest.raises(ValueError, match="one length"):
        ResidualNetwork(1, widths=(8, 8), blocks=(1,))
    assert conv_block(3, 4)(torch.zeros(1, 3, 4, 4)).shape == (1, 4, 4, 4)
