"""The recursions agree with an event-by-event simulation and with the formulas of queueing theory."""

import numpy as np
import pytest
import simpy
from hypothesis import given, settings
from hypothesis import strategies as st

from l2h.serving.simulation import queues

WHOLE_TIMES = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 9)), min_size=1, max_size=40)


def simulated(arrival, service, servers):
    """Start times by SimPy, with nothing in common with the recursions."""
    env, start = simpy.Environment(), np.empty(len(arrival))
    desk = simpy.Resource(env, servers)

    def request(i):
        yield env.timeout(arrival[i])
        with desk.request() as turn:
            yield turn
            start[i] = env.now
            yield env.timeout(service[i])

    for i in range(len(arrival)):
        env.process(request(i))
    env.run()
    return start


def times(pairs):
    gaps, service = np.array(pairs, dtype=float).T
    return np.cumsum(gaps), service


def exponential(n, *, rate, mean, seed):
    generator = np.random.default_rng(seed)
    return np.cumsum(generator.exponential(1 / rate, n)), generator.exponential(mean, n)


@given(WHOLE_TIMES)
@settings(max_examples=60, deadline=None)
def test_lindley_kiefer_wolfowitz_and_simpy_agree_exactly(pairs):
    arrival, service = times(pairs)
    lindley = queues.single_server(arrival, service)
    heap = queues.several_servers(arrival, service, servers=1)
    assert np.array_equal(lindley.start, heap.start) and np.array_equal(lindley.finish, heap.finish)
    assert np.array_equal(lindley.start, simulated(arrival, service, 1))


@given(WHOLE_TIMES, st.integers(1, 5))
@settings(max_examples=60, deadline=None)
def test_kiefer_wolfowitz_and_simpy_agree_exactly(pairs, servers):
    arrival, service = times(pairs)
    served = queues.several_servers(arrival, service, servers=servers)
    assert np.array_equal(served.start, simulated(arrival, service, servers))


@given(WHOLE_TIMES, st.integers(1, 4))
@settings(max_examples=60, deadline=None)
def test_batches_of_one_are_no_batches(pairs, servers):
    arrival, service = times(pairs)
    single = queues.batching_servers(arrival, service, servers=servers, largest_batch=1)
    plain = queues.several_servers(arrival, service, servers=servers)
    assert np.allclose(single.start, plain.start, atol=1e-9) and np.allclose(single.finish, plain.finish, atol=1e-9)


@given(WHOLE_TIMES, st.integers(1, 3), st.integers(0, 4))
@settings(max_examples=60, deadline=None)
def test_a_limit_of_the_queue_refuses_exactly_those_who_find_it_full(pairs, servers, limit):
    arrival, service = times(pairs)
    served = queues.several_servers(arrival, service, servers=servers, waiting=limit)
    accepted = ~np.isnan(served.start)
    for i in range(len(arrival)):
        before = accepted[:i]
        waiting = int((served.start[:i][before] > arrival[i]).sum())
        busy = int(((served.start[:i][before] <= arrival[i]) & (served.finish[:i][before] > arrival[i])).sum())
        assert accepted[i] == (waiting < limit or busy + waiting < servers)
    assert np.array_equal(
        served.start[accepted], queues.several_servers(arrival[accepted], service[accepted], servers=servers).start
    )


@given(WHOLE_TIMES, st.integers(1, 3), st.sampled_from([None, 0, 2]), st.sampled_from([2.5, 7.5, np.inf]))
@settings(max_examples=60, deadline=None)
def test_batches_of_one_have_the_same_limits(pairs, servers, waiting, patience):
    arrival, service = times(pairs)
    arrival = arrival + np.arange(len(arrival)) / 64  # no two at a time, and exact
    limits = {"servers": servers, "waiting": waiting, "patience": patience}
    plain = queues.several_servers(arrival, service, **limits)
    batches = queues.batching_servers(arrival, service, largest_batch=1, **limits)
    assert np.array_equal(plain.start, batches.start, equal_nan=True) and np.array_equal(plain.finish, batches.finish)
    lost = np.isnan(plain.start)
    assert ((plain.start - arrival)[~lost] < patience).all()
    assert set(np.unique((plain.finish - arrival)[lost])) <= {0.0, patience}


def test_a_batch_waits_until_it_is_full_or_its_first_request_has_waited_enough():
    arrival = np.array([0.0, 1.0, 10.0, 20.0])
    served = queues.batching_servers(arrival, np.zeros(4), largest_batch=2, batch_seconds=1.0, longest_wait=5.0)
    assert served.start.tolist() == [1.0, 1.0, 15.0, 25.0]
    assert served.finish.tolist() == [2.0, 2.0, 16.0, 26.0]


@pytest.mark.parametrize("variance", [0.0, 0.01**2], ids=["M/D/1", "M/M/1"])
def test_the_mean_wait_is_pollaczek_and_khinchines(variance):
    arrival, service = exponential(400_000, rate=80, mean=0.01, seed=0)
    service = service if variance else np.full_like(service, 0.01)
    wait = queues.single_server(arrival, service).start - arrival
    formula = queues.pollaczek_khinchine(80, 0.01, variance)
    assert wait.mean() == pytest.approx(formula, rel=0.03)


@pytest.mark.parametrize("servers", [1, 4, 16])
def test_the_wait_for_several_servers_is_erlangs(servers):
    arrival, service = exponential(200_000, rate=80 * servers, mean=0.01, seed=1)
    wait = queues.several_servers(arrival, service, servers=servers).start - arrival
    probability = queues.erlang_c(80 * servers, 0.01, servers)
    assert (wait > 0).mean() == pytest.approx(probability, rel=0.03)
    assert wait.mean() == pytest.approx(probability * 0.01 / (servers * 0.2), rel=0.08)


def test_erlangs_formula_holds_for_many_servers():
    assert 0 < queues.erlang_c(950.0, 1.0, 1000) < 0.1
    assert queues.erlang_c(1.0, 1.0, 2) == pytest.approx(1 / 3)
    assert 0 <= queues.erlang_c(5.0, 1.0, 500) < 1e-300


def test_above_capacity_a_bounded_queue_answers_the_fluid_share():
    arrival, service = exponential(100_000, rate=600, mean=0.01, seed=2)
    served = queues.several_servers(arrival, service, servers=3, waiting=50)
    share = queues.fluid_answered_share(600, 0.01, 3)
    assert (~np.isnan(served.start)).mean() == pytest.approx(share, rel=0.02)
    assert queues.fluid_answered_share(100, 0.01, 3) == 1


def test_rounding_starts_no_service_before_its_arrival():
    arrival, service = exponential(100_000, rate=1, mean=0.01, seed=3)
    assert (queues.single_server(arrival + 1e6, service).start >= arrival + 1e6).all()


@pytest.mark.parametrize(
    ("arrival", "service", "message"),
    [
        ([1.0, 0.0], [1.0, 1.0], "arrival times that rise"),
        ([0.0, 1.0], [1.0, -1.0], "service times >= 0, got -1"),
        ([0.0, np.nan], [1.0, 1.0], "finite arrival"),
        ([0.0, 1.0], [1.0], "arrays of one length"),
        ([[0.0]], [1.0], "arrival of shape"),
    ],
)
def test_bad_times_are_refused(arrival, service, message):
    with pytest.raises(ValueError, match=message):
        queues.single_server(np.array(arrival), np.array(service))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: queues.pollaczek_khinchine(100, 0.01, 0), "load below 1"),
        (lambda: queues.erlang_c(200, 0.01, 2), "load below 1"),
        (lambda: queues.several_servers(np.zeros(1), np.zeros(1), servers=0), "whole servers >= 1, got 0"),
        (lambda: queues.several_servers(np.zeros(1), np.zeros(1), servers=1, waiting=-1), "whole waiting >= 0"),
        (lambda: queues.batching_servers(np.zeros(1), np.zeros(1), largest_batch=0), "whole largest_batch >= 1"),
        (lambda: queues.fluid_answered_share(0, 1, 1), "rate > 0"),
    ],
)
def test_bad_numbers_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_request_that_gives_up_leaves_room_in_a_queue_of_batches():
    arrival, service = np.array([0.0, 0.1, 0.2, 1.3]), np.array([2.0, 1.0, 1.0, 1.0])
    served = queues.batching_servers(arrival, service, largest_batch=2, waiting=2, patience=1.0)
    assert served.finish.tolist() == [2.0, 1.1, 1.2, 3.0]
    assert np.isnan(served.start).tolist() == [False, True, True, False]
