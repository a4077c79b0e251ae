"""The architectures: shapes, sizes, ranges, and the exactness of what is computed."""

import pytest
import torch

from l2h.models import LeNet, Scores, linear, rejector


@pytest.mark.parametrize("n", [1, 2, 7])
@pytest.mark.parametrize("build", [linear, rejector, LeNet, lambda: LeNet(squash=True)])
def test_one_output_gives_one_score_per_image(build, n):
    assert build()(torch.randn(n, 3, 32, 32)).shape == (n,)


@pytest.mark.parametrize("build", [linear, LeNet])
def test_many_outputs_give_a_row_per_image(build):
    assert build(outputs=10)(torch.randn(1, 3, 32, 32)).shape == (1, 10)


@pytest.mark.parametrize(
    ("network", "weights"),
    [
        (linear(), 3073),
        (rejector(), 3072 * 120 + 120 + 121),
        (LeNet(), 3 * 6 * 25 + 6 + 6 * 16 * 25 + 16 + 400 * 120 + 120 + 120 * 84 + 84 + 85),
    ],
)
def test_sizes_are_the_released_ones(network, weights):
    assert sum(w.numel() for w in network.parameters()) == weights


def test_squash_is_twice_the_sigmoid_less_one_and_stays_in_its_range():
    t = torch.tensor([[-1e4], [-1.0], [0.0], [2.0], [1e4]])
    expected = torch.tensor([-1.0, -0.4621172, 0.0, 0.7615942, 1.0])
    assert torch.allclose(Scores(squash=True)(t), expected)
    assert torch.equal(Scores(squash=False)(t), t[:, 0])


def test_squashed_networks_stay_within_one_and_others_do_not():
    x = 1e4 * torch.randn(16, 3, 32, 32)
    for build in (rejector, LeNet):
        assert build(squash=True)(x).abs().max() <= 1
        assert build(squash=False)(x).abs().max() > 1


@pytest.mark.parametrize("build", [linear, LeNet])
def test_a_network_without_output_is_refused(build):
    with pytest.raises(ValueError, match="expected a finite outputs >= 1, got 0"):
        build(outputs=0)


def test_a_rejector_without_hidden_units_is_refused():
    with pytest.raises(ValueError, match="expected a finite hidden >= 1, got 0"):
        rejector(hidden=0)
