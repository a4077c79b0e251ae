"""Circuit breaker: after several failures within a time window, no call is made for a while; then one probe decides."""

import time
from collections import deque
from collections.abc import Callable
from threading import Lock
from typing import Literal, NewType

from l2h import checks

State = Literal["closed", "open", "half-open"]
Permit = NewType("Permit", int)  # the number of the period in which the call began


class Breaker:
    """A circuit breaker for calls from several threads; it holds no lock while a call is made.

    Closed, it permits every call, and opens once `failures` calls have failed within `window` seconds; calls that
    succeed in between do not count. Open, it permits none for `pause` seconds. The next caller then makes the probe
    (half-open), and nobody else is permitted until the probe has ended: if it succeeds the breaker closes and has
    forgotten all failures, if it fails the breaker is open for another `pause`. The result of a call that began in an
    earlier period, before the breaker opened, say, changes nothing.

    Args:
        failures: number of failures that open it, >= 1.
        window: seconds within which they have to lie, first to last, > 0.
        pause: seconds for which it stays open, > 0.
        clock: monotonic time in seconds.

    Raises:
        ValueError: if an argument is out of range.

    >>> now = 0.0
    >>> breaker = Breaker(failures=1, window=10, pause=5, clock=lambda: now)
    >>> breaker.record(breaker.permit(), succeeded=False)
    >>> breaker.permit() is None, breaker.state
    (True, 'open')
    >>> now = 5.0
    >>> probe = breaker.permit()
    >>> breaker.permit() is None, breaker.state
    (True, 'half-open')
    >>> breaker.record(probe, succeeded=True)
    >>> breaker.state
    'closed'
    """

    def __init__(
        self,
        *,
        failures: int = 3,
        window: float = 10.0,
        pause: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        checks.integer(1, failures=failures)
        checks.positive(window=window, pause=pause)
        self.failures, self.window, self.pause = failures, window, pause
        self._clock = clock
        self._lock = Lock()
        self._state: State = "closed"
        self._period = 0  # counts the changes of state
        self._opened = 0.0
        self._failed: deque[float] = deque(maxlen=failures)  # times of the last failures

    @property
    def state(self) -> State:
        """The state; "open" until a caller makes the probe, even if the pause is over."""
        return self._state

    def permit(self) -> Permit | None:
        """A permit for one call, to be handed to `record` in any case when the call ends; None where none is made."""
        with self._lock:
            if self._state == "open" and self._clock() - self._opened >= self.pause:
                self._enter("half-open")
            elif self._state != "closed":
                return None
            return Permit(self._period)

    def record(self, permit: Permit, *, succeeded: bool) -> None:
        """Take note of how a permitted call ended."""
        with self._lock:
            if permit != self._period:
                return
            if self._state == "half-open":
                self._enter("closed" if succeeded else "open")
            elif not succeeded:
                self._failed.append(self._clock())
                if len(self._failed) == self.failures and self._failed[-1] - self._failed[0] <= self.window:
                    self._enter("open")

    def _enter(self, state: State) -> None:
        self._state = state
        self._period += 1
        self._failed.clear()
        self._opened = self._clock()
