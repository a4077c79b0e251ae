"""The benchmarks compare like with like: the baseline is the same mathematics, and what is executed is counted."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers.serving import small_helper

from benchmarks import (
    evaluation,
    fast_training,
    helped_accuracy,
    loopback,
    released,
    serving,
    simulation,
    step_efficiency,
    time_to_quality,
    workers,
)
from benchmarks.figures import Figure, line
from l2h.data import dataset
from l2h.experiments.config import ExperimentConfig
from l2h.losses import surrogate
from l2h.models import networks
from l2h.problem import Costs
from l2h.serving.http import server
from l2h.serving.onnx.sessions import load_parts
from l2h.serving.simulation.outcomes import summary_of
from l2h.serving.simulation.scenario import KEPT, SERVER, BreakerRule, draw_workload
from l2h.serving.simulation.simulate import simulate_at_scale
from l2h.training import clients, loop

PER_IMAGE = {  # multiplications of one pass forward
    "rejector's hidden layer": 3072 * 120,
    "first convolution": 28 * 28 * 6 * 75,
    "others": 120 + 10 * 10 * 16 * 150 + 400 * 120 + 120 * 84 + 84,
}


@pytest.fixture(scope="module")
def digits():
    return dataset.load_dataset(source="digits")


@pytest.fixture(scope="module")
def client(digits):
    return clients.fit_client(digits.client, kind="well_trained", seed=0)


def test_a_line_names_the_figure_its_baseline_and_the_machine():
    printed = json.loads(line(Figure("speed", 2.0, "ratio", "seconds of the other", 1.0, 2.0)))
    assert set(printed) == {"name", "value", "unit", "ratio_to", "own_value", "baseline_value", "machine"}
    assert "threads, torch" in printed["machine"]


def test_the_baselines_networks_are_ours():
    x = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    for ours, plain in ((networks.mlp(), released.rejector()), (networks.LeNet(bounded=True), released.server())):
        plain.load_state_dict(dict(zip(plain.state_dict(), ours.state_dict().values(), strict=True)))
        assert torch.allclose(ours(x), plain(x), atol=1e-5)


def test_the_baselines_loss_is_the_surrogate_with_the_released_alpha():
    generator = torch.Generator().manual_seed(0)
    r, e = torch.rand(2, 50, generator=generator) * 2 - 1
    m, y = 2 * torch.randint(0, 2, (2, 50), generator=generator) - 1
    ours = surrogate.surrogate_loss(r, e, m, y, costs=Costs(c1=1.0, ce=0.0), alpha=4.2687, beta=2.0)
    assert torch.allclose(released.released_loss(r, e, m, y), ours.sum(), rtol=1e-4)


def test_a_step_counts_its_products_forward_and_backward_once():
    r, e = released.rejector(), released.server()
    batch = step_efficiency._batch()
    counted = step_efficiency._operations(lambda: step_efficiency._train(r, e, batch))
    # a first layer needs no gradient of its input
    products = 2 * (PER_IMAGE["rejector's hidden layer"] + PER_IMAGE["first convolution"]) + 3 * PER_IMAGE["others"]
    assert counted == 2 * products * len(batch[1])


def test_structural_zeros_are_counted_apart():
    batch = step_efficiency._batch()
    ours = step_efficiency._operations(lambda: step_efficiency._train(*step_efficiency._networks(), batch))
    plain = step_efficiency._operations(lambda: step_efficiency._train(released.rejector(), released.server(), batch))
    # tiles of 4 x 2 and 2 x 2 multiply windows of 8 x 6 and 6 x 6 where the kernel has 5 x 5
    zeros = 2 * PER_IMAGE["first convolution"] * (48 / 25 - 1) + 3 * 10 * 10 * 16 * 150 * (36 / 25 - 1)
    assert ours - plain == pytest.approx(2 * zeros * len(batch[1]))


def test_the_threshold_gives_the_offload_rate_on_validation_images(digits, client, monkeypatch):
    # so few images need smaller steps: else every score saturates, and no threshold parts equal scores
    monkeypatch.setattr(fast_training, "TRAINING", replace(fast_training.TRAINING, lr=1e-4))
    part = fast_training.training_split(digits)
    assert len(part.y) == len(digits.client.y) + len(digits.train.y)
    outcome = fast_training.learn(part, fast_training.client_labels(client, part.x), digits.validation.x, seed=0)
    m = fast_training.client_labels(client, digits.validation.x)
    accuracy, offload_rate = fast_training.accuracy_and_offload_rate(outcome, digits.validation, m)
    assert offload_rate == pytest.approx(fast_training.OFFLOAD_RATE, abs=1 / len(m))
    assert 0 <= accuracy <= 1
    assert outcome.seconds > 0


def test_a_training_that_misses_the_quality_is_refused(digits, client):
    with loop.seeded(0):
        outcome = fast_training.Outcome(1.0, 0.0, networks.mlp(), networks.LeNet())
    with pytest.raises(RuntimeError, match=r"expected accuracy >= 0.9 at an offload rate <= 0.474, got"):
        time_to_quality._check_quality([outcome], digits, client)


def test_without_cifar10_there_is_nothing_to_compare_with(monkeypatch):
    monkeypatch.setattr(time_to_quality.sources, "find_cifar10", lambda: None)
    with pytest.raises(RuntimeError, match="expected CIFAR-10 for time_to_quality"):
        time_to_quality.figures()


def test_workers_are_counted_by_the_runs_that_they_make(monkeypatch):
    monkeypatch.setattr(workers, "_minutes_of_one", lambda configs: 2.0)
    monkeypatch.setattr(workers, "_minutes_of_two", lambda configs: 1.0)
    rate, speed = workers.figures([ExperimentConfig("random", source="digits")])
    assert (rate.value, rate.baseline_value, speed.value) == (3.0, 1.5, 2.0)  # with a client and a server
    assert speed.own_value == speed.value and speed.baseline_value == workers.BUDGET == 1.7
    assert len(set(workers.CONFIGS)) == 50


def test_one_worker_and_two_make_the_same_runs_from_nothing(monkeypatch):
    monkeypatch.setenv("L2H_WORKERS", "7")
    made = []
    monkeypatch.setattr(workers, "sweep", lambda configs, **how: made.append((configs, how)))
    assert min(workers._minutes_of_one([]), workers._minutes_of_two([])) > 0
    (one, how), (two, otherwise) = made
    assert one == two and how["store"] != otherwise["store"]
    assert how["executor"]._max_workers == 1
    assert "executor" not in otherwise and workers.os.environ["L2H_WORKERS"] == "2"


def test_the_time_of_evaluation_is_held_against_its_budget():
    (figure,) = evaluation.figures(n=1000)
    assert 0 < figure.value == figure.own_value < figure.baseline_value == evaluation.BUDGET


def test_the_helper_of_the_serving_benchmark_is_a_helper(tmp_path):
    card, parts = load_parts(serving.write_helper(tmp_path / "helper"))
    assert (card.input_shape, len(card.classes), sorted(parts)) == ((3, 32, 32), 10, ["rejector", "server"])
    x = np.random.default_rng(1).integers(256, size=(4, 3, 32, 32), dtype=np.uint8)
    assert parts["server"](x)["e"].shape == (4, 10) and parts["server"](x)["e"].std() > 0.01


def test_a_request_of_the_serving_benchmark_is_within_its_budget_of_bytes():
    request = serving.http_request(np.zeros((1, 3, 32, 32), dtype=np.uint8))
    assert 3072 < len(request) <= serving.BYTES_BUDGET


def test_requests_are_counted_by_their_whole_answers(tmp_path):
    folder = serving.write_helper(tmp_path / "helper")
    request = serving.http_request(np.zeros((1, 3, 32, 32), dtype=np.uint8))
    with server.serving(folder) as url:
        address = serving._address(url)
        assert serving.request_rate(address, request, connections=3, seconds=1.0) > 0
        with pytest.raises(RuntimeError, match=r"expected status 200, got b'HTTP/1\.1 404"):
            serving.request_rate(address, request.replace(b"/server/", b"/others/"), connections=1, seconds=60.0)


def test_throughput_is_the_median_of_the_ratios_of_short_rounds(tmp_path, monkeypatch):
    rates = iter([(100.0, 10.0), (300.0, 10.0), (100.0, 10.0), (100.0, 20.0), (400.0, 10.0), (600.0, 30.0)])
    monkeypatch.setattr(serving, "bare_rate", lambda *_: serving.Rate(*next(rates)))
    requests = iter([100.0, 80.0, 100.0])
    monkeypatch.setattr(serving, "request_rate", lambda *_: next(requests))
    monkeypatch.setattr(serving, "OnnxModel", lambda path: None)
    (figure,) = serving.throughput("own", ("127.0.0.1", 1), 8, tmp_path, seconds=1.0, rounds=3)
    assert (figure.name, figure.value) == ("own_8_connections", 0.5)  # of 0.5, 0.8 and 0.2
    assert (figure.own_value, figure.baseline_value) == (100.0, 200.0)


def test_the_served_helper_of_the_benchmark_answers_as_its_device_decides(tmp_path):
    figures = {figure.name: figure for figure in helped_accuracy.figures(smallest_time=0.01)}
    accuracy = figures["system_accuracy"]
    assert 0.5 < accuracy.own_value < accuracy.baseline_value <= 1  # the server is better than the tree
    assert all(figure.own_value > 0 and figure.baseline_value > 0 for figure in figures.values())
    assert set(figures) == {
        "system_accuracy",
        "right_answers_per_server_second",
        "gained_answers_per_server_second",
    }


def test_an_answer_is_complete_with_its_last_byte():
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"
    assert [serving._complete(answer[:n]) for n in (0, 10, len(answer) - 1, len(answer))] == [False, False, False, True]


def test_the_simulation_is_measured_with_the_load_that_it_names():
    figures = list(simulation.figures(devices=2000, event_devices=50))
    assert [figure.name for figure in figures] == ["million_devices", "million_devices_in_batches", "inputs_per_second"]
    assert all(figure.value == figure.own_value / figure.baseline_value > 0 for figure in figures)
    for scenario in (simulation.one_server(2000), simulation.batching_servers(2000)):
        summary = summary_of(scenario, simulate_at_scale(scenario))
        assert summary.load <= 1.05 * simulation.LOAD  # batches that share their overhead need less
        assert summary.sent_share == pytest.approx(simulation.ASKED, abs=0.02)
        assert summary.load >= 0.5 * simulation.LOAD


def test_the_service_is_measured_with_the_delays_that_the_simulator_draws(tmp_path):
    folder = tmp_path / "helper"
    small_helper(folder)
    names = ["kept", "asked", "overloaded"]
    assert [regime.name for regime in loopback.regimes()] == names
    for regime in loopback.regimes(0.01)[:2]:
        device = replace(regime.scenario.device, deadline=60.0, breaker=BreakerRule(3, 200.0, 5.0))
        server = replace(regime.scenario.server, request_seconds=300.0)
        regime = regime._replace(scenario=replace(regime.scenario, devices=2, device=device, server=server))
        work = draw_workload(regime.scenario)
        latency, source = loopback.measure(regime, work, folder)
        expected = KEPT if regime.name == "kept" else SERVER
        assert latency.shape == work.arrival.shape and (source == expected).all()
        least = regime.scenario.device.client_seconds
        if regime.name == "asked":
            least = least + work.up + work.down + work.service
        assert (latency >= least - 1e-3).all()  # what sleeps wakes too late, not too early


def test_the_ratio_of_equal_latencies_is_zero_and_of_twice_as_long_ones_one():
    latency = np.random.default_rng(0).exponential(size=(50, 8))
    rows = list(loopback.compare(loopback.regimes()[0], latency, 2 * latency))
    assert [row.quantile for row in rows] == ["p50", "p99"]
    assert [(row.ratio, row.low, row.high) for row in rows] == [(1.0, 1.0, 1.0)] * 2
    noisy = next(iter(loopback.compare(loopback.regimes()[0], latency, latency[:, ::-1])))
    assert noisy.low < noisy.ratio == 0.0 < noisy.high
