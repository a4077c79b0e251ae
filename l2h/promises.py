"""Thresholds that keep a promise on inputs not seen yet: learn, then test."""

from typing import NamedTuple

import numpy as np
from mapie.risk_control import control_fwer
from mapie.risk_control.methods import compute_hoeffding_bentkus_p_value

from l2h import checks
from l2h.problem import asks

TINY = 1e-12
NOTHING = -float(np.finfo(float).max)  # r - NOTHING stays finite, and is above 0


class Promise(NamedTuple):
    """A threshold on r, and how it was found."""

    threshold: float  # r > threshold keeps; use it with `curves.shifted`
    budget: float  # at most this share of future inputs is sent ...
    confidence: float  # ... with at least this probability over the draw of the validation part
    sent: float  # share of the validation part that is sent


def within_budget(r: np.ndarray, *, budget: float, confidence: float = 0.95) -> Promise:
    r"""The largest threshold that keeps the offload rate within a budget, with a guarantee.

    .. math:: P\big(P(r(X) \leq t \mid \text{validation part}) \leq b\big) \geq 1 - \delta

    Each score of the validation part is a candidate t. The hypothesis "t sends more than b" is rejected where so few
    of the n inputs lie at or below t that a binomial variable with n and b would be no larger with probability delta
    at most. The candidates are tested from the lowest on, until one is not rejected: the offload rate grows
    with t, so that no price is paid for their number, nor for having taken them from the data.

    Args:
        r: (n,) scores of the validation part, on which the rejector was not trained.
        budget: the share that may be sent, in (0, 1).
        confidence: 1 - delta, in (0, 1).

    Returns:
        `Promise`; where no candidate passes, a threshold below all numbers, which sends nothing.

    Raises:
        ValueError: if there is no score, a score is not finite, or an option is out of range.

    >>> promise = within_budget(np.arange(100.0), budget=0.25)
    >>> promise.threshold, promise.sent
    (16.0, 0.17)

    Source: Angelopoulos, Bates, Candès, Jordan and Lei, Learn then test, Annals of Applied Statistics 19, 2025
    (arXiv 2110.01052); its procedure as MAPIE has it.
    """
    r = np.asarray(r, dtype=float)
    checks.vectors(r=r)
    checks.at_least(1, examples=len(r))
    checks.finite(r=r)
    for name, value in {"budget": budget, "confidence": confidence}.items():
        checks.positive(**{name: value, f"1 - {name}": 1 - value})
    candidates, counts = np.unique(r, return_counts=True)
    sent = np.cumsum(counts) / len(r)  # (G,) rising with the candidate
    shares = sent * (1 - TINY)  # the library rounds n * share up to a count, and n * (k / n) may exceed k
    p_values = compute_hoeffding_bentkus_p_value(shares, len(r), budget, binary=True)[:, 0]
    passed = control_fwer(p_values, 1 - confidence, fwer_method="fixed_sequence")
    threshold = float(candidates[passed[-1]] if len(passed) else NOTHING)
    return Promise(threshold, budget, confidence, sent=float(asks(r - threshold).sum() / len(r)))
