"""Both engines agree, and with the formulas; every input is answered; policies, deadline and breaker do as they say."""

from dataclasses import replace

import numpy as np
import pytest
from helpers.deployment import predictions, scenario
from hypothesis import given, settings
from hypothesis import strategies as st

from l2h.problem import asks, system_output
from l2h.serving.simulation import queues
from l2h.serving.simulation import scenario as scenarios
from l2h.serving.simulation import simulate as simulation
from l2h.serving.simulation.links import Link, Outages, Quantiles, measured_link
from l2h.serving.simulation.scenario import FALLBACK, KEPT, SERVER, SimulatedDevice, SimulatedServer

SERVICE = Quantiles((0, 50, 100), (0.005, 0.02, 0.05))
SERVERS = {
    "one": SimulatedServer(SERVICE),
    "three": SimulatedServer(SERVICE, servers=3),
    "bounded": SimulatedServer(SERVICE, servers=2, queue_limit=3),
    "no queue": SimulatedServer(SERVICE, queue_limit=0),
    "batches": SimulatedServer(SERVICE, servers=2, largest_batch=4, batch_seconds=0.02),
    "patient batches": SimulatedServer(SERVICE, servers=2, largest_batch=4, batch_seconds=0.02, longest_wait=0.03),
    "overhead": SimulatedServer(SERVICE, batch_seconds=0.01),
    "impatient": SimulatedServer(SERVICE, request_seconds=0.06),
    "impatient and bounded": SimulatedServer(SERVICE, servers=2, queue_limit=3, request_seconds=0.07),
    "all limits": SimulatedServer(
        SERVICE, 2, largest_batch=3, batch_seconds=0.02, longest_wait=0.01, queue_limit=4, request_seconds=0.08
    ),
}


def agree(first, second):
    assert np.array_equal(first.source, second.source) and np.array_equal(first.correct, second.correct)
    for name in ("device", "example", "arrival", "latency", "sent_at", "exchange", "busy_seconds"):
        assert np.allclose(getattr(first, name), getattr(second, name), rtol=0, atol=1e-8, equal_nan=True), name


@given(
    server=st.sampled_from(sorted(SERVERS)),
    policy=st.sampled_from([scenarios.follow_rejector, scenarios.ask_always, scenarios.within_budget(0.3)]),
    link=st.sampled_from(["5G", "HSPA+"]),
    outages=st.sampled_from([None, "Verizon-EVDO-driving.up"]),
    client_first=st.booleans(),
    deadline=st.sampled_from([None, 0.1, 0.2, 0.5]),
    devices=st.integers(1, 30),
    seed=st.integers(0, 10_000),
)
@settings(max_examples=40, deadline=None)
def test_both_engines_give_the_same_answers(server, policy, link, outages, client_first, deadline, devices, seed):
    device = SimulatedDevice(0.004, 0.1, client_first=client_first, deadline=deadline)
    case = scenario(
        server=SERVERS[server],
        policy=policy,
        link=measured_link(link, outages=outages),
        device=device,
        devices=devices,
        inputs=8,
        seed=seed,
    )
    agree(simulation.simulate_at_scale(case), simulation.simulate_events(case))


@pytest.mark.parametrize("engine", [simulation.simulate_at_scale, simulation.simulate_events])
@pytest.mark.parametrize("server", SERVERS)
def test_every_input_gets_one_answer_in_time(engine, server):
    case = scenario(server=SERVERS[server], link=measured_link("3G", outages="ATT-LTE-driving.up"), devices=60)
    answers = engine(case)
    assert len(answers.latency) == 60 * 15
    assert answers.sent.sum() == (answers.source != KEPT).sum() == np.isin(answers.source, (SERVER, FALLBACK)).sum()
    assert (answers.exchange <= case.device.deadline + 1e-9).all()
    assert np.array_equal(asks(case.predictions.r[answers.example]), answers.source != KEPT)
    assert (answers.latency > 0).all() and (answers.arrival <= case.duration).all()


def test_the_waiting_time_of_a_deployment_is_pollaczek_and_khinchines():
    case = scenario(
        policy=scenarios.ask_always,
        device=SimulatedDevice(0.0, 0.0),
        server=SimulatedServer(Quantiles.constant(0.001)),
        devices=2000,
        inputs=100,
        rate=0.35,
    )
    latency = simulation.simulate_at_scale(case).latency.mean()
    link = 0.05 + (case.sent + case.received) / 1e7
    assert latency == pytest.approx(link + 0.001 + queues.pollaczek_khinchine(700, 0.001, 0), rel=1e-3)


def test_above_capacity_a_bounded_queue_answers_the_fluid_share_and_a_boundless_one_almost_none_in_time():
    options = {"policy": scenarios.ask_always, "devices": 200, "inputs": 100, "rate": 1.0}
    bounded = scenario(server=SimulatedServer(Quantiles.constant(0.01), queue_limit=20), **options)
    share = queues.fluid_answered_share(200, 0.01, 1)
    assert (simulation.simulate_at_scale(bounded).source == SERVER).mean() == pytest.approx(share, rel=0.03)
    boundless = scenario(**options)
    assert (simulation.simulate_at_scale(boundless).source == SERVER).mean() < 0.05


def test_a_label_is_the_one_of_its_source():
    case = scenario()
    answers = simulation.simulate_at_scale(case)
    assert (answers.source != FALLBACK).all()
    system = system_output(case.predictions) == case.predictions.y
    assert np.array_equal(answers.correct, system[answers.example])
    lost = simulation.simulate_at_scale(scenario(link=Link.constant(2.0)))
    client = case.predictions.m == case.predictions.y
    assert np.array_equal(lost.correct, client[lost.example]) and (lost.source != SERVER).all()


def test_many_classes_have_labels_too():
    base = predictions()
    scores = np.eye(3)[np.where(base.e > 0, 2, 0)]
    many = replace(base, m=base.m + 1, y=base.y + 1, e=scores)
    two, three = (simulation.simulate_at_scale(scenario(predictions=p)) for p in (base, many))
    assert np.array_equal(two.correct, three.correct)


def test_latency_is_what_the_module_says():
    case = scenario(devices=1, inputs=1)
    sizes = (case.sent + case.received) / 1e7
    kept, asked, late = (
        simulation.simulate_events(case.with_policy(policy, **changes)).latency.item()
        for policy, changes in (
            (scenarios.keep_always, {}),
            (scenarios.ask_always, {}),
            (scenarios.ask_always, {"link": Link.constant(9.0)}),
        )
    )
    assert kept == pytest.approx(0.004 + 0.1)
    assert asked == pytest.approx(0.004 + 0.05 + sizes + 0.01)
    assert late == pytest.approx(0.5 + 0.1)
    first = replace(case.device, client_first=True)
    assert simulation.simulate_events(
        case.with_policy(scenarios.ask_always, device=first, link=Link.constant(9.0))
    ).latency.item() == pytest.approx(0.5)


def test_a_request_waits_for_the_end_of_an_outage():
    outages = Outages(start=np.array([0.0]), end=np.array([9.0]), period=10.0)
    case = scenario(
        link=replace(Link.constant(0.0), outages=outages), device=SimulatedDevice(0, 0), policy=scenarios.ask_always
    )
    answers = simulation.simulate_at_scale(case)
    phase = np.tile(scenarios.draw_workload(case).phase, case.inputs)
    assert ((answers.arrival + answers.latency - 1e-4 + phase) % 10 >= 9 - 1e-3).all()


@pytest.mark.parametrize("engine", [simulation.simulate_at_scale, simulation.simulate_events])
def test_without_time_for_a_request_none_is_sent(engine):
    slow = SimulatedDevice(0.4, 0.2, deadline=0.5)
    answers = engine(scenario(device=slow, rate=0.1))
    assert not answers.sent.any() and (answers.source == FALLBACK).any() and answers.busy_seconds == 0
    assert answers.latency.min() == pytest.approx(0.6)


def test_without_time_for_a_request_the_next_input_waits_for_the_label_of_this_one():
    case = scenario(device=SimulatedDevice(0.1, 0.2, client_first=False, deadline=0.05), rate=4.0)
    answers = simulation.simulate_at_scale(case)
    agree(answers, simulation.simulate_events(case))
    ends = np.sort((answers.arrival + answers.latency).reshape(15, 40), axis=0)
    assert not answers.sent.any() and np.diff(ends, axis=0).min() >= 0.3 - 1e-9  # r and m of one input after another


def test_a_request_is_refused_after_its_seconds_and_its_batch_goes_on():
    server = SimulatedServer(Quantiles.constant(0.3), request_seconds=0.2)
    case = scenario(policy=scenarios.ask_always, server=server, device=SimulatedDevice(0, 0), devices=1, inputs=2)
    answers = simulation.simulate_at_scale(case)
    assert (answers.source == FALLBACK).all() and answers.busy_seconds >= 0.3
    assert answers.exchange == pytest.approx(0.25, abs=1e-3)


@pytest.mark.parametrize("engine", [simulation.simulate_at_scale, simulation.simulate_events])
def test_a_budget_holds_on_every_device_at_every_time(engine):
    answers = engine(scenario(policy=scenarios.within_budget(0.25), inputs=30))
    asked = (answers.source != KEPT).reshape(30, 40)
    assert (np.cumsum(asked, axis=0) <= 0.25 * np.arange(1, 31)[:, None]).all()
    assert asked.mean() > 0.15


def test_confidence_asks_below_its_threshold():
    confidence = np.random.default_rng(0).random(500)
    answers = simulation.simulate_at_scale(scenario(policy=scenarios.ask_below(confidence, 0.3)))
    assert np.array_equal(answers.source != KEPT, confidence[answers.example] <= 0.3)


def test_a_policy_of_the_readers_own_has_three_lines():
    def in_the_first_seconds(situation):
        early = situation.time < 3
        return early & (situation.r < 0.1)

    case = scenario(policy=in_the_first_seconds)
    answers = simulation.simulate_at_scale(case)
    agree(answers, simulation.simulate_events(case))
    assert answers.sent.any() and (answers.sent_at[answers.sent] < 3).all()


def test_an_open_breaker_asks_no_more_until_its_probe():
    rule = scenarios.BreakerRule(failures=3, window=60.0, pause=20.0)
    device = SimulatedDevice(0.004, 0.1, deadline=0.2, breaker=rule)
    case = scenario(policy=scenarios.ask_always, device=device, link=Link.constant(1.0), devices=5, inputs=200)
    answers = simulation.simulate_events(case)
    assert (answers.source == FALLBACK).all()
    for d in range(5):
        times = answers.sent_at[(answers.device == d) & answers.sent]
        opened = times[np.argmax(times > times[2] + 0.2)] if len(times) > 3 else None
        assert opened is not None and (np.diff(times[times >= opened]) >= 20.0).all()
    without = simulation.simulate_events(replace(case, device=replace(device, breaker=None)))
    assert without.sent.all() and answers.sent.mean() < 0.1


def test_a_healthy_server_never_opens_the_breaker():
    case = scenario()
    with_breaker = replace(case, device=replace(case.device, breaker=scenarios.BreakerRule()))
    agree(simulation.simulate_at_scale(case), simulation.simulate_events(with_breaker))


def test_many_devices_load_a_server_alike_whether_or_not_they_wait_for_it():
    """Where each device asks rarely, waiting rarely delays its next input; where few devices ask always, it does."""

    def latencies(**options):
        case = scenario(policy=scenarios.ask_always, **options)
        waiting = replace(case, device=replace(case.device, one_at_a_time=True))
        return [
            np.percentile(answers.latency, 99)
            for answers in (simulation.simulate_at_scale(case), simulation.simulate_events(waiting))
        ]

    merged, waiting = latencies(devices=800, inputs=5, rate=0.1)
    assert waiting == pytest.approx(merged, rel=0.05)
    merged, waiting = latencies(devices=4, inputs=500, rate=20.0)
    assert waiting > 1.5 * merged


@pytest.mark.parametrize(
    ("device", "message"),
    [
        ({"breaker": scenarios.BreakerRule()}, "expected breaker=None at scale"),
        ({"one_at_a_time": True}, "expected one_at_a_time=False at scale"),
    ],
)
def test_feedback_is_refused_at_scale(device, message):
    case = scenario()
    with pytest.raises(ValueError, match=message):
        simulation.simulate_at_scale(replace(case, device=replace(case.device, **device)))


@pytest.mark.parametrize("answer", [True, np.ones(3, dtype=bool), np.zeros(40)])
def test_a_policy_without_a_boolean_per_device_is_refused(answer):
    with pytest.raises(ValueError, match="expected a policy that answers with 40 booleans"):
        simulation.simulate_at_scale(scenario(policy=lambda situation: answer))
