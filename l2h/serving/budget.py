"""The offload budget of a device: how many of its inputs may ask."""

from fractions import Fraction
from threading import Lock

from l2h import checks


class OffloadBudget:
    """A token bucket over inputs: at most share * (n + window) of any n consecutive inputs ask.

    The bucket holds share * window tokens at most, and that many at the start. Each input adds `share`; each that asks
    takes one, also where the server then does not answer. A batch counts as a whole: n ends with one.

    Args:
        share: of inputs that may ask in the long run, in (0, 1].
        window: number of inputs, share * window >= 1.

    Raises:
        ValueError: if an argument is out of range.

    >>> budget = OffloadBudget(0.5, window=4)
    >>> [budget.take(inputs=1, wanted=1) for _ in range(6)]
    [1, 1, 1, 1, 0, 1]
    """

    def __init__(self, share: float, *, window: int) -> None:
        checks.positive(share=share)
        checks.probabilities(share=share)
        checks.integer(1, window=window)
        self.share, self.window = Fraction(str(share)), window  # exact: ten times 0.1 is 1
        checks.at_least(1, **{"share * window": self.share * window})
        self._tokens = self._size = self.share * window
        self._lock = Lock()

    def take(self, *, inputs: int, wanted: int) -> int:
        """The number of inputs that may ask, of the next `inputs` of which `wanted` would."""
        with self._lock:
            tokens = self._tokens + self.share * inputs
            granted = min(wanted, int(tokens))
            self._tokens = min(self._size, tokens - granted)
            return granted
