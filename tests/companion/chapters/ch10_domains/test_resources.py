"""Bytes and times of chapter 10: of the networks that are fitted, and of the messages that are sent."""

import numpy as np
import pytest
from helpers.domains import results_of
from torch import nn

from companion.chapters.ch10_domains import analysis, resources
from companion.chapters.ch10_domains.experiments import HELPER_SYSTEMS, fit_helper
from companion.chapters.ch10_domains.tasks import task_splits
from l2h.evaluation.metrics import offload_rate
from l2h.evaluation.resources import network_size
from l2h.models.networks import LeNet
from l2h.serving.http.protocol import encode_request
from l2h.serving.simulation.boards import boards, dense_network, network_on_board
from l2h.serving.simulation.links import measured_link

BY_TASK = results_of("wine", "digits", "breast_cancer")


@pytest.mark.parametrize("name", ["wine", "breast_cancer", "digits"])
def test_the_needs_are_those_of_fitted_networks_and_sent_messages(name):
    splits = task_splits(name, seed=1, n_client=60, n_fit=60, n_test=20)
    helper = fit_helper(splits, "two_stage", seed=1, epochs=1)
    layers = [layer for layer in helper.rejector.module.modules() if isinstance(layer, nn.Linear)]
    needs = resources.task_needs(name)
    assert needs.rejector.dense_macs == sum(layer.in_features * layer.out_features for layer in layers)
    assert needs.rejector.weights == sum(weight.numel() for layer in layers for weight in layer.parameters())
    assert needs.request_bytes == len(encode_request(splits.parts["test"].x[:1])[1])
    assert needs.request_bytes > splits.fit.x[0].nbytes


def test_a_linear_client_has_one_score_for_two_classes():
    assert resources.task_needs("breast_cancer").client == dense_network(8, 1)
    assert resources.task_needs("wine").client == dense_network(4, 3)


def test_the_client_of_photographs_is_lenet_layer_by_layer():
    needs, size = resources._lenet_needs(20), network_size(LeNet(20))
    assert (needs.weights, needs.operations) == (size.parameters, size.flops)
    assert needs.dense_macs == 400 * 120 + 120 * 84 + 84 * 20
    assert needs.convolution_macs == 28 * 28 * 25 * 3 * 6 + 10 * 10 * 25 * 6 * 16


def test_seconds_are_scaled_from_the_board_and_drawn_from_the_link():
    table, needs = resources.needs_table(BY_TASK), resources.task_needs("digits")
    row = table.loc["digits (a packaged table)"]
    on_board = network_on_board(boards()["NUCLEO-H7A3ZI-Q"], needs.rejector)
    assert row["rejector, µs"] == pytest.approx(1e6 * on_board.seconds, abs=5.1e-3)
    assert row["operations of the rejector"] == 2 * (64 * 120 + 120)
    trip = float(measured_link("LTE").round_trip.at(np.array(0.5)))
    assert trip <= row["request, s (p50)"] < trip + 0.01 < row["request, s (p99)"]


def test_an_answer_costs_its_share_of_requests():
    table, needs = resources.per_answer_table(BY_TASK), resources.task_needs("wine")
    request = resources.request_seconds_of(needs).mean()
    on_board = {
        name: network_on_board(boards()[resources.MEASURED_BOARD], network).seconds
        for name, network in {"client": needs.client, "rejector": needs.rejector}.items()
    }
    assert [system for task, system in table.index if task == "wine"] == [*HELPER_SYSTEMS, *analysis.CONSTANT]
    share = np.mean([offload_rate(p) for p in analysis.tuned(BY_TASK["wine"], "separate")])
    row = table.loc["wine", "separate"]
    assert row["kB per answer"] == pytest.approx(share * (needs.request_bytes + needs.answer_bytes) / 1000, abs=5.1e-4)
    expected = on_board["rejector"] + share * request + (1 - share) * on_board["client"]
    assert row["answer, s"] == pytest.approx(expected, abs=5.1e-5)
    never, always = table.loc["wine", "client only"], table.loc["wine", "server only"]
    assert (never["kB per answer"], never["decision, µs"]) == (0, 0)
    assert always["answer, s"] == pytest.approx(request, abs=5.1e-5)


def test_confidence_decides_with_the_client_and_a_rejector_before_it():
    needs = resources.task_needs("wine")
    client, after = resources.decision_seconds("confidence", needs)
    assert after == 0 and client == network_on_board(boards()[resources.MEASURED_BOARD], needs.client).seconds
    rejector, then = resources.decision_seconds("two-stage", needs)
    assert then == client and rejector > client


def test_the_sentence_counts_rejectors_that_are_larger_than_their_client():
    assert resources.describe_needs(BY_TASK).data.startswith("On 3 of 3 tasks the rejector has more operations")
