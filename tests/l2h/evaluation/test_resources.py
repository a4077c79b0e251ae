"""Sizes of networks against counts by hand and by torch, and what a system spends."""

import numpy as np
import pytest
import torch
from oracles import evaluation
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from l2h.evaluation.resources import IMAGE_BYTES, Size, count, spending
from l2h.models.networks import LeNet, linear, rejector


def by_torch(network):
    with FlopCounterMode(display=False) as counter:
        network(torch.zeros(1, 3, 32, 32))
    return counter.get_total_flops()


@pytest.mark.parametrize("network", [linear(), linear(10), rejector(7), rejector(120, squash=False)])
def test_dense_networks_count_as_torch_counts_them(network):
    assert count(network).flops == by_torch(network)


def test_a_convolution_counts_by_its_definition_not_by_how_it_is_computed():
    layers = [nn.Conv2d(3, 6, 5), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.MaxPool2d(2), nn.Flatten()]
    plain = nn.Sequential(*layers, nn.Linear(400, 120), nn.Linear(120, 84), nn.Linear(84, 1))
    assert count(LeNet()) == (sum(w.numel() for w in plain.parameters()), by_torch(plain))
    assert count(LeNet()).flops == evaluation.lenet_operations()


def test_counting_leaves_the_network_as_it_was():
    network = rejector(3)
    count(network)
    assert not any(layer._forward_hooks for layer in network.modules())


def test_who_computes_and_what_travels():
    r, m, coverage = Size(10, 100), Size(1, 8), np.array([0.0, 0.5, 1.0])
    before = spending(r, m, coverage, needs_score=False, needs_server=False)
    np.testing.assert_array_equal(before.device_flops, [100, 104, 108])
    np.testing.assert_array_equal(before.bytes_sent, [IMAGE_BYTES, IMAGE_BYTES / 2, 0])
    confidence = spending(Size(0, 0), m, coverage, needs_score=True, needs_server=False)
    np.testing.assert_array_equal(confidence.device_flops, [8, 8, 8])
    with_server = spending(Size(0, 0), m, 0.5, needs_score=False, needs_server=True)
    assert with_server == (4, IMAGE_BYTES)
    with pytest.raises(ValueError, match=r"coverage in \[0, 1\]"):
        spending(r, m, 1.2, needs_score=False, needs_server=False)
