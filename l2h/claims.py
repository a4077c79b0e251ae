"""Verdicts on empirical claims: computed from an interval and a margin that was fixed before the first run."""

from l2h import checks
from l2h.bootstrap import Interval

VERDICTS = (
    "reproduced",
    "reproduced with a correction",
    "holds only under a condition",
    "not reproduced",
    "false",
    "inconclusive",
    "not testable here",
)


def judge(interval: Interval, *, above: float | None = None, below: float | None = None) -> str:
    """The verdict on a claim that a quantity lies above, or below, a bound, or between the two.

    The claim is reproduced where the whole interval lies on its side, not reproduced where the whole interval
    lies on the other side, and inconclusive where the interval is too wide to tell.

    Args:
        interval: of the quantity.
        above: bound that the quantity is claimed to exceed.
        below: bound that the quantity is claimed to stay under.

    Returns:
        One of VERDICTS.

    Raises:
        ValueError: if there is no bound, or the interval is not finite.

    >>> judge(Interval(0.04, 0.01, 0.07), above=0), judge(Interval(0.04, -0.01, 0.09), above=0)
    ('reproduced', 'inconclusive')
    >>> judge(Interval(0.04, 0.03, 0.05), above=-0.02, below=0.02)
    'not reproduced'
    """
    if above is None and below is None:
        raise ValueError("expected a bound: above, below or both, got none")
    _, low, high = (float(value) for value in interval)
    checks.at_least(low, high=high)
    lowest, highest = float("-inf") if above is None else above, float("inf") if below is None else below
    if lowest < low and high < highest:
        return "reproduced"
    return "not reproduced" if high <= lowest or low >= highest else "inconclusive"
