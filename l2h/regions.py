"""The square of all (eta, p): where keeping, asking a server that says -1, and one that says +1, is best.

At eta = P(Y=1|x) and p = P(M≠Y|x) keeping costs p and asking costs T = c1 min(eta, 1 - eta) + ce, a tent over eta.
Below the tent it is best to keep; above it to ask, for -1 left of 1/2 and for +1 right of it.
"""

from typing import Any, NamedTuple

import numpy as np

from l2h.bayes import rejector_rule, server_error
from l2h.problem import Costs


class Regions(NamedTuple):
    """What belongs to each of the three actions: a share of the square, or the corners of a polygon."""

    keep: Any
    minus: Any  # ask, and the server says -1
    plus: Any  # ask, and the server says +1


def tent(costs: Costs) -> np.ndarray:
    r"""The border between keeping and asking, from eta = 0 to eta = 1.

    .. math:: p = \min\big(1, c_1 \min(\eta, 1 - \eta) + c_e\big)

    Args:
        costs: c1 and ce.

    Returns:
        (k, 2) corners (eta, p) of the border, a line between one and the next; (1/2, .) among them.

    >>> tent(Costs(c1=1.0, ce=0.25)).tolist()
    [[0.0, 0.25], [0.5, 0.75], [1.0, 0.25]]

    Source: derived in the chapter on Bayes rules.
    """
    bends = {0.0, 0.5, 1.0}
    if costs.ce < 1 < costs.ce + costs.c1 / 2:  # the tent reaches p = 1, where the square ends
        reached = (1 - costs.ce) / costs.c1
        bends |= {reached, 1 - reached}
    eta = np.array(sorted(bends))
    return np.column_stack([eta, np.minimum(1, rejector_rule(server_error(eta), 0 * eta, costs=costs))])


def polygons(costs: Costs) -> Regions:
    """The three regions as polygons; one of no area where an action is never best.

    Args:
        costs: c1 and ce.

    Returns:
        Regions of (k, 2) corners (eta, p).

    >>> polygons(Costs(c1=1.0, ce=0.25)).minus.tolist()
    [[0.0, 0.25], [0.5, 0.75], [0.5, 1.0], [0.0, 1.0]]
    """
    border = tent(costs)
    left, right = border[border[:, 0] <= 0.5], border[border[:, 0] >= 0.5]
    return Regions(
        keep=np.vstack([border, [[1.0, 0.0], [0.0, 0.0]]]),
        minus=np.vstack([left, [[0.5, 1.0], [0.0, 1.0]]]),
        plus=np.vstack([right, [[1.0, 1.0], [0.5, 1.0]]]),
    )


def shares(costs: Costs) -> Regions:
    r"""The share of the square on which each action is best; ties have no area.

    .. math:: \text{keep} = 2 \int_0^{1/2} \min(1, c_1 u + c_e) \, du =
        \begin{cases} 1 & c_e \geq 1 \\ c_e + c_1 / 4 & c_e + c_1 / 2 \leq 1 \\
        1 - (1 - c_e)^2 / c_1 & \text{else} \end{cases}

    Args:
        costs: c1 and ce.

    Returns:
        Regions of numbers in [0, 1] with sum 1.

    >>> shares(Costs(c1=1.0, ce=0.25))
    Regions(keep=0.5, minus=0.25, plus=0.25)

    Source: derived in the chapter on Bayes rules.
    """
    c1, ce = costs.c1, costs.ce
    if ce >= 1:
        keep = 1.0
    elif ce + c1 / 2 <= 1:
        keep = ce + c1 / 4
    else:
        keep = 1 - (1 - ce) ** 2 / c1
    return Regions(keep, (1 - keep) / 2, (1 - keep) / 2)
