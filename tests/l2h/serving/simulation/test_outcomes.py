"""Each quantity is what its definition says, computed by hand on few answers; capacity and costs follow from them."""

from dataclasses import replace

import numpy as np
import pytest
from helpers.deployment import predictions, scenario

from l2h.evaluation.metrics import accuracy, system_loss
from l2h.evaluation.thresholds import with_threshold
from l2h.pricing import UnitPrices
from l2h.problem import Costs
from l2h.serving.simulation import outcomes
from l2h.serving.simulation import scenario as scenarios
from l2h.serving.simulation import simulate as simulation
from l2h.serving.simulation.links import Link, Quantiles, Radio
from l2h.serving.simulation.outcomes import RunningPrices, summary_of
from l2h.serving.simulation.scenario import FALLBACK, KEPT, SERVER, SimulatedAnswers, SimulatedDevice, SimulatedServer

DEVICE = SimulatedDevice(0.01, 0.1, rejector_joules=1.0, client_joules=10.0, client_first=False, deadline=1.0)
RADIO = Radio(0.25, 0.5, watts=2.0, tail_watts=4.0, tail_seconds=3.0)
CASE = scenario(device=DEVICE, radio=RADIO, sent=100, received=10, devices=2, inputs=3, rate=0.5)
ANSWERS = SimulatedAnswers(
    device=np.array([0, 1, 0, 1, 0, 1]),
    example=np.zeros(6, dtype=int),
    arrival=np.array([0.0, 0.0, 2.0, 3.0, 4.0, 5.0]),
    latency=np.array([0.6, 0.1, 1.2, 0.1, 0.1, 0.3]),
    source=np.array([SERVER, KEPT, FALLBACK, FALLBACK, KEPT, SERVER]),
    correct=np.array([True, True, False, True, False, False]),
    sent_at=np.array([0.0, np.nan, 2.0, np.nan, np.nan, 5.0]),
    exchange=np.array([0.5, 0.0, 1.0, 0.0, 0.0, 0.25]),
    busy_seconds=1.5,
)


def test_energy_is_that_of_r_of_m_of_the_bytes_and_of_the_radio():
    tails = [4 * 1.5, 0, 4 * 3, 0, 0, 4 * 3]  # the first ends where the device's next exchange begins
    radio = [25 + 5 + 2 * 0.5, 0, 25 + 2 * 1.0, 0, 0, 25 + 5 + 2 * 0.25]
    computed = [1, 11, 11, 11, 11, 1]
    assert outcomes.joules_per_answer(CASE, ANSWERS).tolist() == [
        sum(parts) for parts in zip(tails, radio, computed, strict=True)
    ]
    first = replace(CASE, device=replace(DEVICE, client_first=True), radio=Radio())
    assert outcomes.joules_per_answer(first, ANSWERS).tolist() == [11] * 6


def test_energies_in_whole_joules_are_added_to_fractions():
    whole = replace(CASE, device=replace(DEVICE, rejector_joules=0, client_joules=1), radio=Radio(watts=2.0))
    assert outcomes.joules_per_answer(whole, ANSWERS).tolist() == [1.0, 1.0, 3.0, 1.0, 1.0, 0.5]


def test_a_summary_by_hand():
    prices = RunningPrices(byte=0.5, joule=2.0, request=3.0, server_second=0.25)
    summary = summary_of(CASE, ANSWERS, costs=Costs(c1=2.0, ce=0.5), prices=prices)
    assert summary.accuracy == 0.5
    assert summary.latency == pytest.approx(2.4 / 6) and summary.latency_p50 == pytest.approx(0.2)
    assert summary.latency_p99 == pytest.approx(np.percentile(ANSWERS.latency, 99))
    assert summary.sent_p99 == pytest.approx(np.percentile([0.6, 1.2, 0.3], 99))
    assert (summary.sent_share, summary.server_share, summary.fallback_share) == (0.5, 1 / 3, 1 / 3)
    assert summary.bytes == pytest.approx((3 * 100 + 2 * 10) / 6)
    assert summary.load == pytest.approx(1.5 / 6)  # inputs arrive for 6 seconds
    assert summary.money == pytest.approx(0.5 * summary.bytes + 2 * summary.joules + 3 * 0.5 + 0.25 * 6 / 6)
    assert summary.loss == pytest.approx((1 + 1 + 2 + 3 * 0.5) / 6)


def test_accuracy_and_loss_are_those_of_the_predictions():
    case, costs = scenario(devices=4000, inputs=10), Costs(c1=0.5, ce=0.1)
    case = replace(case, server=SimulatedServer(Quantiles.constant(1e-6)))
    summary = summary_of(case, simulation.simulate_at_scale(case), costs=costs)
    assert summary.fallback_share == 0
    assert summary.accuracy == pytest.approx(accuracy(case.predictions), abs=0.005)
    assert summary.loss == pytest.approx(system_loss(case.predictions, costs=costs), abs=0.005)
    assert summary.sent_share == summary.server_share
    assert summary.load == pytest.approx(4000 * 2.0 * summary.sent_share * 1e-6, rel=1e-6)


def test_without_requests_there_is_no_latency_of_them():
    case = scenario(policy=scenarios.keep_always)
    summary = summary_of(case, simulation.simulate_at_scale(case))
    assert np.isnan(summary.sent_p99) and summary.bytes == summary.sent_share == summary.load == 0


def test_bands_over_seeds_leave_out_what_is_unknown():
    summaries = [summary_of(CASE, ANSWERS._replace(latency=ANSWERS.latency + shift)) for shift in (0.0, 0.1, 0.2)]
    intervals = outcomes.bands(summaries)
    assert set(intervals) == set(outcomes.Summary._fields)
    assert intervals["latency"].estimate == pytest.approx(0.5)
    assert intervals["latency"].low < 0.4 < 0.6 < intervals["latency"].high
    assert intervals["accuracy"].low == intervals["accuracy"].high == 0.5
    assert "sent_p99" not in outcomes.bands([summaries[0]._replace(sent_p99=float("nan"))])
    with pytest.raises(ValueError, match="summaries >= 1, got 0"):
        outcomes.bands([])


def test_asking_less_needs_fewer_servers():
    case = scenario(server=SimulatedServer(Quantiles.constant(0.01), servers=2), inputs=20)
    ask, helped = (
        outcomes.capacity(case.with_policy(policy), [40, 80, 160])
        for policy in (scenarios.ask_always, scenarios.follow_rejector)
    )
    assert [point.devices_per_server for point in ask] == [20, 40, 80]
    latencies = [point.summary.latency_p99 for point in ask]
    assert latencies == sorted(latencies)
    assert ask[-1].summary.load > 1 > helped[-1].summary.load
    assert ask[-1].summary.fallback_share > 0.2 and helped[-1].summary.fallback_share < 0.01
    assert helped[-1].summary.accuracy > ask[-1].summary.accuracy


def test_the_most_devices_keep_the_limit_and_one_step_more_does_not():
    case = scenario(policy=scenarios.ask_always, device=SimulatedDevice(0.0, 0.0), inputs=20, rate=2.0)
    most = outcomes.most_devices(case, sent_p99=0.12, upper=1000)
    assert 20 < most < 60  # one server of 10 ms is full at 50 devices
    assert outcomes.most_devices(case, sent_p99=0.12, upper=1000, total=200_000) == pytest.approx(most, rel=0.2)
    within, beyond = (
        outcomes.capacity(replace(case, inputs=-(-20_000 // n)), [n])[0].summary.sent_p99 for n in (most, most + 1)
    )
    assert within <= 0.12 < beyond
    assert outcomes.most_devices(case, sent_p99=0.01, upper=1000) == 0
    assert outcomes.most_devices(case.with_policy(scenarios.keep_always), sent_p99=0.12, upper=100) == 100


def test_costs_follow_from_what_a_request_adds():
    radio, device = Radio(joules_per_byte_sent=1e-3), SimulatedDevice(0.0, 0.02, client_joules=0.5, client_first=False)
    case = scenario(
        device=device, radio=radio, link=Link.constant(0.2), server=SimulatedServer(Quantiles.constant(0.0))
    )
    asking = summary_of(case, simulation.simulate_at_scale(case))
    base = outcomes.keep_baseline(case)
    keeping = summary_of(base, simulation.simulate_at_scale(base))
    extra = outcomes.extra_per_request(asking, keeping, fee=0.125)
    assert extra.bytes == pytest.approx(3542)
    assert extra.joules == pytest.approx(3.242 - 0.5)
    assert extra.seconds == pytest.approx(0.2 - 0.02 + 3542 / 1e7, abs=1e-3)  # fewer inputs wait behind m
    prices = UnitPrices(client_mistake=10.0, server_mistake=5.0, millisecond=0.01, joule=0.5)
    costs = outcomes.implied_costs(extra, prices)
    assert costs.c1 == 0.5
    assert costs.ce == pytest.approx((0.125 + extra.seconds * 10 + extra.joules * 0.5) / 10)


def test_a_request_that_saves_more_than_it_costs_has_no_ce():
    extra = outcomes.ExtraPerRequest(seconds=-1.0, bytes=3000, joules=0.0, fee=0.0)
    with pytest.raises(ValueError, match="expected a request with a price >= 0, got -10: asking saves more"):
        outcomes.implied_costs(extra, UnitPrices(1.0, 1.0, millisecond=0.01))
    with pytest.raises(ValueError, match=r"keeping without requests, got a share of 0\.5"):
        outcomes.extra_per_request(summary_of(CASE, ANSWERS), summary_of(CASE, ANSWERS))


def test_a_system_trained_at_the_wrong_ce_loses_and_a_new_threshold_recovers():
    validation, test = predictions(4000, seed=1), predictions(4000, seed=2)
    thresholds = {0.0: 1.0, 0.2: 0.1, 0.9: -2.0}  # a higher ce asks less
    rows = outcomes.losses_of_wrong_costs(
        {ce: with_threshold(test, t) for ce, t in thresholds.items()},
        {ce: with_threshold(validation, t) for ce, t in thresholds.items()},
        costs=Costs(c1=1.0, ce=0.2),
    )
    assert [row.trained_ce for row in rows] == [0.0, 0.2, 0.9]
    assert rows[1].excess == 0 and rows[0].excess > 0.05 and rows[2].excess > 0.01
    assert [row.excess for row in rows] == [row.loss - rows[1].loss for row in rows]
    assert np.ptp([row.retuned_loss for row in rows]) < 1e-9
    with pytest.raises(ValueError, match="expected the same ce in both"):
        outcomes.losses_of_wrong_costs({0.1: test}, {0.2: validation}, costs=Costs())


def test_prices_are_not_negative():
    with pytest.raises(ValueError, match="server_second >= 0, got -1"):
        RunningPrices(server_second=-1.0)
