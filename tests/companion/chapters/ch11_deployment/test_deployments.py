"""The deployments of chapter 11 are what the page says of them."""

import numpy as np
import pytest
from helpers.deployment import predictions

from companion.chapters.ch11_deployment.deployments import (
    LIMIT_SECONDS,
    LINKS,
    POLICIES,
    SERVICE_SECONDS,
    asked_share,
    deployed_device,
    deployed_link,
    deployment,
    missed_share,
    request_seconds,
    servers_needed,
)
from l2h.evaluation.metrics import offload_rate
from l2h.serving.simulation.boards import boards
from l2h.serving.simulation.links import Link
from l2h.serving.simulation.outcomes import summary_of
from l2h.serving.simulation.simulate import simulate_at_scale

SYSTEMS = {"confidence": predictions(), "learning to help": predictions(seed=1)}


@pytest.mark.parametrize("name", LINKS)
def test_a_link_has_outages_if_its_name_says_so(name):
    assert (deployed_link(name).outages is not None) == name.endswith("outages")


def test_only_a_policy_with_a_rejector_computes_it_and_confidence_computes_the_client_first():
    devices = {name: deployed_device(rule) for name, rule in POLICIES.items()}
    assert {name for name, device in devices.items() if device.rejector_seconds > 0} == {"learning to help", "budgeted"}
    assert {name for name, device in devices.items() if device.client_first} == {"confidence"}
    assert all(device.client_seconds > 0 and device.deadline == LIMIT_SECONDS for device in devices.values())


@pytest.mark.parametrize("name", POLICIES)
def test_the_servers_of_a_policy_suffice_for_the_share_that_it_sends(name):
    rule = POLICIES[name]
    scenario = deployment(rule, SYSTEMS, Link.constant(0.05), devices=2000)
    summary = summary_of(scenario, simulate_at_scale(scenario))
    assert summary.sent_share <= asked_share(rule, SYSTEMS[rule.system]) + 0.02
    assert summary.load <= 0.75


def test_shares_and_servers_by_hand():
    assert asked_share(POLICIES["keep"], SYSTEMS["confidence"]) == 0
    assert asked_share(POLICIES["confidence"], SYSTEMS["confidence"]) == offload_rate(SYSTEMS["confidence"])
    # 1,000,000 devices, 0.2 images a second, 10 ms each: 2,000 servers' work, and 70 % load
    assert [servers_needed(share, 1_000_000) for share in (0.0, 0.34, 1.0)] == [1, 972, 2858]


def test_a_fast_link_misses_no_limit_and_one_slower_than_the_limit_all():
    assert missed_share(Link.constant(0.01), devices=50) == 0
    assert missed_share(Link.constant(2 * LIMIT_SECONDS), devices=50) == 1


def test_a_request_takes_its_round_trip_its_bytes_and_its_service():
    seconds = request_seconds(Link.constant(0.05, rate=1e5), 3)
    np.testing.assert_allclose(seconds, 0.05 + (3242 + 300) / 1e5 + SERVICE_SECONDS)


def test_the_energy_of_the_board_was_measured():
    device = deployed_device(POLICIES["learning to help"])
    board = boards()["NUCLEO-H7A3ZI-Q"]
    assert device.client_joules == pytest.approx(board.resnet_joules, rel=1e-3)
    assert 0 < device.rejector_joules < device.client_joules
