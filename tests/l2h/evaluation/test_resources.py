"""Sizes of networks against counts by hand and by torch, and what a system spends."""

import numpy as np
import pytest
import torch
from oracles import evaluation
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from l2h.evaluation.resources import IMAGE_BYTES, NetworkSize, network_size, resource_use
from l2h.models.networks import LeNet, linear_network, mlp


def by_torch(network):
    with FlopCounterMode(display=False) as counter:
        network(torch.zeros(1, 3, 32, 32))
    return counter.get_total_flops()


@pytest.mark.parametrize("network", [linear_network(), linear_network(10), mlp(7), mlp(120, bounded=False)])
def test_dense_networks_count_as_torch_counts_them(network):
    assert network_size(network).flops == by_torch(network)


def test_a_convolution_counts_by_its_definition_not_by_how_it_is_computed():
    layers = [nn.Conv2d(3, 6, 5), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.MaxPool2d(2), nn.Flatten()]
    plain = nn.Sequential(*layers, nn.Linear(400, 120), nn.Linear(120, 84), nn.Linear(84, 1))
    assert network_size(LeNet()) == (sum(w.numel() for w in plain.parameters()), by_torch(plain))
    assert network_size(LeNet()).flops == evaluation.lenet_operations()


def test_counting_leaves_the_network_as_it_was():
    network = mlp(3)
    network_size(network)
    assert not any(layer._forward_hooks for layer in network.modules())


def test_who_computes_and_what_travels():
    r, m, coverage = NetworkSize(10, 100), NetworkSize(1, 8), np.array([0.0, 0.5, 1.0])
    before = resource_use(r, m, coverage, needs_score=False, needs_server=False)
    np.testing.assert_array_equal(before.device_flops, [100, 104, 108])
    np.testing.assert_array_equal(before.bytes_sent, [IMAGE_BYTES, IMAGE_BYTES / 2, 0])
    confidence = resource_use(NetworkSize(0, 0), m, coverage, needs_score=True, needs_server=False)
    np.testing.assert_array_equal(confidence.device_flops, [8, 8, 8])
    with_server = resource_use(NetworkSize(0, 0), m, 0.5, needs_score=False, needs_server=True)
    assert with_server == (4, IMAGE_BYTES)
    with pytest.raises(ValueError, match=r"coverage in \[0, 1\]"):
        resource_use(r, m, 1.2, needs_score=False, needs_server=False)
