"""The breaker against a plain model of what it promises, and with threads."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule

from l2h.serving.breaker import Breaker


class Model:
    """The docstring of `Breaker`, step by step: a list of everything that happened since the last change of state."""

    def __init__(self, failures, window, pause):
        self.failures, self.window, self.pause = failures, window, pause
        self.state, self.since, self.failed, self.valid = "closed", 0, [], set()

    def change(self, state, now):
        self.state, self.since, self.failed, self.valid = state, now, [], set()

    def permit(self, call, now):
        if self.state == "open" and now >= self.since + self.pause:
            self.change("half-open", now)
        elif self.state != "closed":
            return False
        self.valid.add(call)
        return True

    def end(self, call, succeeded, now):
        if call not in self.valid:
            return
        if self.state == "half-open":
            self.change("closed" if succeeded else "open", now)
        elif not succeeded:
            self.failed.append(now)
            if sum(now - time <= self.window for time in self.failed) >= self.failures:
                self.change("open", now)


class BreakerMachine(RuleBasedStateMachine):
    """Any order of calls that begin, end well, end badly, and of time that passes."""

    calls = Bundle("calls")

    @initialize(failures=st.integers(1, 4), window=st.integers(1, 6), pause=st.integers(1, 6))
    def start(self, failures, window, pause):
        self.now, self.number = 0, 0
        self.model = Model(failures, window, pause)
        self.breaker = Breaker(failures=failures, window=window, pause=pause, clock=lambda: self.now)

    @rule(seconds=st.integers(1, 7))
    def wait(self, seconds):
        self.now += seconds

    @rule(target=calls)
    def begin(self):
        self.number += 1
        permit = self.breaker.permit()
        assert self.model.permit(self.number, self.now) == (permit is not None)
        return self.number, permit

    @rule(call=consumes(calls), succeeded=st.booleans())
    def end(self, call, succeeded):
        number, permit = call
        if permit is not None:
            self.breaker.record(permit, succeeded=succeeded)
            self.model.end(number, succeeded, self.now)

    @invariant()
    def same_state(self):
        if hasattr(self, "model"):
            assert self.breaker.state == self.model.state


BreakerMachine.TestCase.settings = settings(max_examples=150, stateful_step_count=40)
TestBreakerMachine = BreakerMachine.TestCase


def opened(clock=time.monotonic, **options):
    breaker = Breaker(**{"failures": 1, "window": 1, "pause": 1, "clock": clock, **options})
    breaker.record(breaker.permit(), succeeded=False)
    assert breaker.state == "open"
    return breaker


def test_failures_further_apart_than_the_window_leave_it_closed():
    times = iter([0, 5, 10, 15, 15.5, 15.5])
    breaker = Breaker(failures=2, window=4, pause=1, clock=lambda: next(times))
    for _ in range(4):
        breaker.record(breaker.permit(), succeeded=False)
        assert breaker.state == "closed"
    breaker.record(breaker.permit(), succeeded=False)
    assert breaker.state == "open"


def test_a_late_result_of_the_time_before_it_opened_neither_closes_nor_opens_it():
    now = [0.0]
    breaker = Breaker(failures=1, window=1, pause=1, clock=lambda: now[0])
    late_success, late_failure, failing = (breaker.permit() for _ in range(3))
    breaker.record(failing, succeeded=False)
    breaker.record(late_success, succeeded=True)
    assert breaker.state == "open"
    now[0] = 1.0
    probe = breaker.permit()
    breaker.record(late_success, succeeded=True)
    assert breaker.state == "half-open"
    breaker.record(probe, succeeded=True)
    breaker.record(late_failure, succeeded=False)
    assert breaker.state == "closed"


def test_one_of_many_threads_makes_the_probe():
    now = [0.0]
    breaker = opened(clock=lambda: now[0])
    for attempt in range(1, 21):
        now[0] = float(attempt)
        start = threading.Barrier(8)

        def call(_, start=start):
            start.wait()
            return breaker.permit()

        with ThreadPoolExecutor(8) as threads:
            permits = [permit for permit in threads.map(call, range(8)) if permit is not None]
        assert len(permits) == 1
        breaker.record(permits[0], succeeded=False)


def test_calls_run_side_by_side():
    """All eight calls are under way at the same moment: no lock is held during a call."""
    breaker = Breaker()
    together = threading.Barrier(8, timeout=60)

    def call(_):
        permit = breaker.permit()
        together.wait()
        breaker.record(permit, succeeded=True)

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(call, range(8))) == [None] * 8


def test_probes_of_threads_follow_one_another():
    """Once open, and with calls that all fail, each permit is a probe: no two are under way at once."""
    breaker = opened(pause=1e-4)
    probe = threading.Lock()

    def calls(_):
        for _ in range(300):
            if (permit := breaker.permit()) is not None:
                assert probe.acquire(blocking=False)
                probe.release()
                breaker.record(permit, succeeded=False)

    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(calls, range(4))) == [None] * 4


@pytest.mark.parametrize("wrong", [{"failures": 0}, {"failures": 1.5}, {"window": 0}, {"pause": float("nan")}])
def test_arguments_out_of_range_are_refused(wrong):
    with pytest.raises(ValueError, match=f"expected .*{next(iter(wrong))}"):
        Breaker(**wrong)
