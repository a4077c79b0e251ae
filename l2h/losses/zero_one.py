"""The generalized 0-1 loss L, one value per example; it needs neither torch nor SciPy."""

from typing import Any

from l2h import checks
from l2h.problem import Costs, asks, labels_of, server_label


def generalized_zero_one_loss(r: Any, e: Any, m: Any, y: Any, *, costs: Costs) -> Any:
    r"""The generalized 0-1 loss: a kept mistake costs 1, an offload ce, a wrong answer of the server c1.

    .. math:: L = 1[m \neq y] 1[r > 0] + (c_1 1[label(e) \neq y] + c_e) 1[r \leq 0]

    Equation (1) of the paper with convention C2: the server's label is +1 if e >= 0, so that a tie counts for one
    label only.

    Args:
        r: (n,) rejector scores, NumPy or torch.
        e: (n,) server scores, or (n, K) for K classes.
        m: (n,) the client's labels, -1/+1, or 0..K-1 for K classes.
        y: (n,) true labels, coded likewise.
        costs: c1 and ce.

    Returns:
        (n,) losses, each 0, 1, ce or c1 + ce.

    Raises:
        ValueError: if lengths differ, a score is not finite, or a label is coded otherwise.

    >>> import numpy as np
    >>> one = np.ones(3)
    >>> r, e = np.array([1.0, -1.0, 0.0]), np.array([1.0, 1.0, -1.0])
    >>> generalized_zero_one_loss(r, e, -one, one, costs=Costs(c1=1.0, ce=0.25))
    array([1.  , 0.25, 1.25])

    Source: arXiv 2409.16253, equation (1).
    """
    checks.one_dimensional(r=r, m=m, y=y)
    checks.same_length(e=e, y=y)
    checks.finite(r=r, e=e)
    labels_of(e, m=m, y=y)
    ask = asks(r)  # (n,)
    return ~ask * 1.0 * (m != y) + ask * (costs.c1 * (server_label(e) != y) + costs.ce)
