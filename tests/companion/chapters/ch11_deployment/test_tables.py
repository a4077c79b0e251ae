"""Tables of boards, implied costs and queues in chapter 11 against hand computations."""

import numpy as np
import pytest
from helpers.deployment import RADIO, predictions

from benchmarks import loopback
from companion.chapters.ch11_deployment import tables
from companion.chapters.ch11_deployment.deployments import (
    BOARD_TASKS,
    LINKS,
    USER_PRICES,
    deployed_link,
    request_seconds,
)
from l2h.evaluation.metrics import system_loss
from l2h.problem import Costs
from l2h.serving.simulation.boards import boards, network_on_board
from l2h.serving.simulation.scenario import draw_workload
from l2h.serving.simulation.simulate import simulate_events

SEED = {"confidence": predictions(), "learning to help": predictions(seed=1)}


@pytest.mark.parametrize(("name", "task"), BOARD_TASKS.items(), ids=BOARD_TASKS)
def test_a_rejector_fits_where_both_networks_are_smaller_than_the_flash_memory(name, task):
    table = tables.boards_table(0.1).loc[name]
    assert list(table.index) == list(boards())
    for board_name, board in boards().items():
        row, free = table.loc[board_name], board.flash_bytes - task.client.weights
        assert row["fits, 32 bits"] == (4 * task.rejector.weights <= free)
        units = row["hidden units that fit, 32 bits"]
        assert 4 * ((task.inputs + 1) * units + units + 1) <= free


def test_the_table_of_boards_shows_what_was_measured():
    table = tables.boards_table(0.1)
    for name, board in boards().items():
        images, keywords = (table.loc[task, name] for task in ("images", "keywords"))
        measured = [1000 * board.resnet_seconds, 1000 * board.keyword_seconds]
        assert [images["client, ms"], keywords["client, ms"]] == pytest.approx(measured, rel=5e-4)
        assert np.isnan(keywords["client, mJ"]) == (board.keyword_joules is None)
        if board.keyword_joules is not None:
            assert keywords["client, mJ"] == pytest.approx(1000 * board.keyword_joules, rel=5e-4)


@pytest.mark.parametrize(("name", "task"), BOARD_TASKS.items(), ids=BOARD_TASKS)
def test_at_the_break_even_asking_takes_as_long_as_the_client_alone(name, task):
    share = 0.25
    for board in boards().values():
        request = tables.longest_request(board, share, name)
        client, rejector = (network_on_board(board, network).seconds for network in (task.client, task.rejector))
        assert rejector + share * request + (1 - share) * client == pytest.approx(client)


def test_median_requests_are_those_of_simulated_requests():
    found = tables.median_requests(2001)
    assert found["LTE"] == np.sort(request_seconds(deployed_link("LTE"), 2001))[1000]
    assert all(tables.median_requests(2001, "keywords")[name] < found[name] for name in found)


def test_the_implied_ce_is_the_price_of_seconds_bytes_and_joules():
    table = tables.implied_costs_table(SEED, devices=100, radio=RADIO)
    assert len(table) == 2 * len(LINKS)
    row = table.loc["LTE", "tail"]
    price = 1000 * row["seconds"] * USER_PRICES.millisecond + row["bytes"] * USER_PRICES.byte
    assert row["ce"] == pytest.approx((price + row["joules"] * USER_PRICES.joule) / USER_PRICES.client_mistake)


def test_losses_of_wrong_costs_are_means_over_seeds():
    test = {0.1: [predictions(seed=0), predictions(seed=1)], 0.3: [predictions(seed=2), predictions(seed=3)]}
    table = tables.wrong_costs_table(test, test, (0.1,))
    expected = np.mean([system_loss(p, costs=Costs(1.0, 0.1)) for p in test[0.3]])
    assert table.loc[(0.1, 0.3), "loss, r = 0"] == pytest.approx(expected)
    assert (table["excess over the least"] >= 0).all()
    assert (table["with a new threshold"] <= table["loss, r = 0"]).all()  # tuned on the same examples


def test_simulated_queues_agree_with_the_formulas():
    table = tables.queue_validation_table(20_000)
    assert (table["difference"].abs() < 4).all()
    assert table.loc[("constant service, 1 server", 0.5), "formula"] == 0.5
    assert table.loc[("exponential service, 1 server", 0.8), "formula"] == pytest.approx(4.0)


def test_the_committed_seconds_of_the_simulator_are_those_that_it_has_now():
    table = tables.service_validation_table()
    for regime in loopback.regimes():
        latency = simulate_events(regime.scenario, draw_workload(regime.scenario)).latency
        found = [table.loc[(regime.name, f"p{percent}"), "simulated"] for percent in (50, 99)]
        assert found == pytest.approx(np.percentile(latency, (50, 99)), abs=1e-4), "run benchmarks.loopback again"


def test_a_measurement_has_one_day_and_one_machine():
    table = tables.service_validation_table()
    assert tables.describe_measurement(table) == "The service was measured on {} ({}).".format(
        table["day"].iloc[0], table["machine"].iloc[0]
    )
    with pytest.raises(ValueError):
        tables.describe_measurement(table.assign(day=["2026-01-01", *table["day"][1:]]))
