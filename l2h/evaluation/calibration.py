"""How well predicted probabilities agree with frequencies."""

from typing import NamedTuple

import numpy as np

from l2h import checks


class Reliability(NamedTuple):
    """How well probabilities fit what happened, in bins of about equally many examples."""

    mean_probability: np.ndarray  # (B,) mean probability of each bin
    frequency: np.ndarray  # (B,) share of its examples where it happened
    n: np.ndarray  # (B,) how many examples it has


def reliability(p: np.ndarray, outcomes: np.ndarray, *, bins: int = 15) -> Reliability:
    """Probabilities beside frequencies: the points of a reliability diagram.

    The examples are ordered by p and cut into bins of equal size; equal probabilities are never cut apart, so that
    the order of the examples does not matter, and there are fewer bins where many are equal.

    Args:
        p: (n,) probabilities.
        outcomes: (n,) whether it happened, booleans or 0/1.
        bins: how many at most, >= 1.

    Returns:
        Mean probability, frequency and size of each bin, in the order of p.

    Raises:
        ValueError: if lengths differ, there is no example or no bin, a probability leaves [0, 1], or an event is not
            0 or 1.

    >>> reliability(np.array([0.1, 0.1, 0.8]), np.array([0, 1, 1]), bins=2).n
    array([2, 1])

    Source: Guo et al., ICML 2017, with bins of equal size.
    """
    _check_forecast(p, outcomes)
    checks.at_least(1, bins=bins)
    _, group_index, counts = np.unique(p, return_inverse=True, return_counts=True)
    mid_rank = np.cumsum(counts) - counts / 2  # (values,) rank of the middle of equal probabilities
    bin_of = np.minimum((mid_rank * bins / len(p)).astype(int), bins - 1)[group_index]
    n = np.bincount(bin_of, minlength=bins)
    nonempty = n > 0
    mean_probability, frequency = (
        np.bincount(bin_of, weights=values_, minlength=bins) for values_ in (p, outcomes * 1.0)
    )
    return Reliability(mean_probability[nonempty] / n[nonempty], frequency[nonempty] / n[nonempty], n[nonempty])


def calibration_error(p: np.ndarray, outcomes: np.ndarray, *, bins: int = 15) -> float:
    r"""The expected calibration error, over bins of about equally many examples.

    .. math:: \mathrm{ECE} = \sum_b \frac{n_b}{n} \big| \overline{p}_b - \overline{happened}_b \big|

    It is biased upwards: chance alone gives about 0.8 sqrt(B p (1 - p) / n) to perfect probabilities p.

    Args:
        p: (n,) probabilities.
        outcomes: (n,) whether it happened, booleans or 0/1.
        bins: how many at most, >= 1.

    Returns:
        A number in [0, 1].

    Raises:
        ValueError: as `reliability`.

    >>> calibration_error(np.array([0.5, 0.5]), np.array([1, 1]))
    0.5
    """
    claimed, frequency, n = reliability(p, outcomes, bins=bins)
    return float((n * np.abs(claimed - frequency)).sum() / n.sum())


def brier_score(p: np.ndarray, outcomes: np.ndarray) -> float:
    r"""The mean squared error of probabilities, which honesty and sharpness both make small.

    .. math:: \overline{(p - happened)^2}

    Args:
        p: (n,) probabilities.
        outcomes: (n,) whether it happened, booleans or 0/1.

    Returns:
        A number in [0, 1].

    Raises:
        ValueError: if lengths differ, there is no example, a probability leaves [0, 1], or an event is not 0 or 1.

    >>> brier_score(np.array([0.5, 1.0]), np.array([1, 1]))
    0.125
    """
    _check_forecast(p, outcomes)
    return float(((1.0 * p - outcomes) ** 2).mean())


def log_loss(p: np.ndarray, outcomes: np.ndarray, *, clip: float = 1e-6) -> float:
    r"""The mean negative log-likelihood of probabilities, in nats.

    .. math:: -\overline{happened \log p + (1 - happened) \log (1 - p)}

    Args:
        p: (n,) probabilities.
        outcomes: (n,) whether it happened, booleans or 0/1.
        clip: probabilities are taken to lie in [least, 1 - least], or one sure mistake would cost infinitely much.

    Returns:
        A number >= 0.

    Raises:
        ValueError: if lengths differ, there is no example, a probability leaves [0, 1], or an event is not 0 or 1.

    >>> round(log_loss(np.array([0.5, 0.5]), np.array([1, 0])), 4)
    0.6931
    """
    _check_forecast(p, outcomes)
    p = np.clip(p, clip, 1 - clip)
    return float(-np.log(np.where(outcomes, p, 1 - p)).mean())


def _check_forecast(p: np.ndarray, outcomes: np.ndarray) -> None:
    checks.one_dimensional(p=p, happened=outcomes)
    checks.probabilities(p=p)
    checks.events(happened=outcomes)
    checks.at_least(1, examples=len(p))
