"""Tables of simulated deployments in chapter 11 against direct simulations and hand computations."""

import numpy as np
import pytest
from helpers.deployment import RADIO, predictions

from companion.chapters.ch11_deployment import analysis
from companion.chapters.ch11_deployment.deployments import LINKS, POLICIES, deployed_link, deployment
from l2h.evaluation.metrics import accuracy
from l2h.problem import Predictions

SEEDS = [{"confidence": predictions(seed=seed), "learning to help": predictions(seed=seed + 10)} for seed in range(2)]


@pytest.fixture(scope="module")
def summaries():
    return analysis.summaries_over_links(SEEDS, devices=100, radio=RADIO)


def test_every_policy_is_simulated_over_every_link_once_per_seed(summaries):
    assert list(summaries) == [(link, policy) for link in LINKS for policy in POLICIES]
    assert {len(by_seed) for by_seed in summaries.values()} == {2}


def test_a_row_of_the_table_is_the_mean_of_the_simulations(summaries):
    row = analysis.deployed_policy_table(summaries, "LTE").loc["learning to help"]
    direct = [
        analysis.simulated(
            deployment(POLICIES["learning to help"], seed, deployed_link("LTE"), devices=100, radio=RADIO)
        )
        for seed in SEEDS
    ]
    assert row["sent share"] == pytest.approx(np.mean([summary.sent_share for summary in direct]))
    assert row["money per million"] == pytest.approx(1e6 * np.mean([summary.money for summary in direct]))
    assert row["accuracy"].startswith(f"{np.mean([summary.accuracy for summary in direct]):.3f} [")


def test_the_client_alone_pays_no_server(summaries):
    table = analysis.deployed_policy_table(summaries, "5G")
    assert table["money per million"]["keep"] < table["money per million"]["budgeted"]
    assert table["latency, s, p50"]["keep"] == pytest.approx(table["latency, s, p99"]["keep"])


def test_bands_have_one_entry_per_link(summaries):
    bands = analysis.bands_over_links(summaries, "sent_share")
    assert list(bands) == list(POLICIES)
    np.testing.assert_array_equal(bands["ask"].estimate, np.ones(len(LINKS)))


def test_the_latency_rises_where_the_server_is_full_and_keeps_the_limit_below():
    bands = analysis.capacity_bands(SEEDS[:1], (200, 1000))
    assert bands["ask"].estimate[0] < 1 < bands["ask"].estimate[1]
    assert bands["budgeted"].estimate[1] < 1


def test_the_most_devices_lie_below_the_capacity_of_a_server():
    table = analysis.most_devices_table(SEEDS[:1], steps=4)
    assert 0 < table["devices per server"]["ask"] <= 500  # times 0.2 images of 10 ms are all of its time
    assert table["devices per server"]["budgeted"] > 2 * table["devices per server"]["ask"]
    assert table["servers for a million devices"]["ask"] == 1e6 / table["devices per server"]["ask"]


def test_the_least_share_reaches_the_accuracy_and_there_may_be_none():
    p = Predictions(m=np.array([1, 1, 1, 1]), r=np.array([0.4, 0.3, 0.2, 0.1]), e=np.ones(4), y=np.array([1, 1, 1, 1]))
    wrong_first = Predictions(m=np.array([1, 1, 1, -1]), r=p.r, e=p.e, y=p.y)
    assert analysis.least_share(p, 1.0) == 0
    assert analysis.least_share(wrong_first, 1.0) == pytest.approx(0.25)
    assert np.isnan(analysis.least_share(Predictions(m=-p.m, r=p.r, e=-p.e, y=p.y), 0.5))


def test_equal_systems_need_equally_many_servers():
    same = [{"confidence": seed["confidence"], "learning to help": seed["confidence"]} for seed in SEEDS]
    table = analysis.servers_at_equal_accuracy(same, shares=(0.1,))
    assert table["learning to help sends"][0.1] <= 0.1 + 1e-9
    assert table["servers, confidence"][0.1] == pytest.approx(2000 * 0.1 / 0.7)
    assert table["seeds that reach it"][0.1] == 2


def test_many_devices_have_as_many_answers_as_they_should():
    table = analysis.many_devices_table(SEEDS[0], 3000)
    assert (table["answers"] == 30_000).all()
    assert table["accuracy"]["learning to help"] == pytest.approx(accuracy(SEEDS[0]["learning to help"]), abs=0.02)


def test_one_assumption_changes_at_a_time():
    table = analysis.sensitivity_table(SEEDS[:1], devices=200, radio=RADIO)
    assert list(table.index) == [variant.name for variant in analysis.VARIANTS]
    assert table["fallback_share"]["no outages"] < table["fallback_share"]["all as assumed"]
    assert table["joules"]["no tail of the radio"] < table["joules"]["all as assumed"]
    assert table["accuracy"]["no tail of the radio"] == table["accuracy"]["all as assumed"]


def test_the_energy_of_a_radio_scales_with_its_power():
    twice = analysis.scaled_power(RADIO, 2.0)
    assert twice.tail_seconds == RADIO.tail_seconds
    assert (twice.watts, twice.tail_watts) == (2 * RADIO.watts, 2 * RADIO.tail_watts)
    joules = analysis.sensitivity_table(SEEDS[:1], devices=100, radio=RADIO)["joules"]
    one, half, two = (joules[row] for row in joules.index if "power" in row or row == "all as assumed")
    assert two - one == pytest.approx(2 * (one - half)) and one > half


def test_the_exponential_distribution_by_its_quantiles_has_its_mean():
    assert analysis.exponential(0.01).mean() == pytest.approx(0.01, rel=0.01)


def test_a_batch_of_one_takes_as_long_as_before():
    server = analysis.in_batches(analysis.one_server(POLICIES["ask"], SEEDS[0]).server)
    assert server.batch_seconds + server.seconds.mean() == pytest.approx(0.01)
