"""The distribution on which joint training wins: its best server is less accurate alone, but better for the system."""

from collections.abc import Sequence
from fractions import Fraction
from itertools import accumulate
from typing import NamedTuple

from l2h.theory.distributions import DISTRIBUTIONS, Atom


class ServerAndBestRejector(NamedTuple):
    """A server sign(t - x) or sign(x - t), and its system with the best rejector."""

    sign: int  # +1: the server predicts +1 up to t, -1 above; -1: the other way round
    threshold: Fraction  # t
    error: Fraction  # P(label(e) != Y), of the server alone
    risk: Fraction  # of the system with the best rejector for this server
    offload_rate: Fraction  # of this rejector


def servers_with_best_rejectors(c1: Fraction, ce: Fraction) -> list[ServerAndBestRejector]:
    r"""Every server of the class that can be optimal under the distribution `specialist`, with its best rejector.

    .. math:: R(t) = \sum_k \pi_k \min(p_k, c_1 P(label(e) \neq Y | k) + c_e)

    with the atoms k of the distribution, cut at t. Error and risk are linear in t within a piece, so the ends of the
    pieces
    are enough. A tie keeps.

    Args:
        c1: cost of a wrong answer of the server.
        ce: cost of asking.

    Returns:
        Eight pairs, exact.

    >>> pairs = servers_with_best_rejectors(Fraction(1), Fraction(3, 20))
    >>> pair_of_least_risk(pairs).risk, pair_of_least_error(pairs).risk
    (Fraction(7, 80), Fraction(11, 40))

    Source: derived in the chapter on the comparison.
    """
    pieces = DISTRIBUTIONS["specialist"].atoms
    edges = [Fraction(0), *accumulate(piece.mass for piece in pieces)]
    return [
        _server_with_best_rejector(pieces, sign, cut_index, edges, c1, ce)
        for sign in (1, -1)
        for cut_index in range(len(edges))
    ]


def pair_of_least_risk(pairs: Sequence[ServerAndBestRejector]) -> ServerAndBestRejector:
    """The pair whose system has the least risk: the result of joint training."""
    return min(pairs, key=lambda pair: pair.risk)


def pair_of_least_error(pairs: Sequence[ServerAndBestRejector]) -> ServerAndBestRejector:
    """The pair whose server alone has the least error: the result of separate training."""
    return min(pairs, key=lambda pair: pair.error)


def _server_with_best_rejector(
    pieces: tuple[Atom, ...], sign: int, cut_index: int, edges: list[Fraction], c1: Fraction, ce: Fraction
) -> ServerAndBestRejector:
    labels = [sign if k < cut_index else -sign for k in range(len(pieces))]
    wrong = [1 - piece.eta if label > 0 else piece.eta for piece, label in zip(pieces, labels, strict=True)]
    asking = [c1 * error + ce for error in wrong]
    both = list(zip(pieces, asking, strict=True))
    return ServerAndBestRejector(
        sign,
        edges[cut_index],
        error=sum((piece.mass * error for piece, error in zip(pieces, wrong, strict=True)), Fraction(0)),
        risk=sum((piece.mass * min(piece.p, cost) for piece, cost in both), Fraction(0)),
        offload_rate=sum((piece.mass for piece, cost in both if cost < piece.p), Fraction(0)),
    )
