"""Every formula once more, plainly, in NumPy or mpmath, without importing l2h.

Sections follow the modules; each function says which equation it implements.
"""

import math

import numpy as np

# --- losses ---------------------------------------------------------------------------------------------------------


def generalized_zero_one(r, e, m, y, c1, ce):
    """Equation (1) with conventions C1 and C2, one example at a time, case by case."""
    losses = []
    for r_i, e_i, m_i, y_i in zip(r, e, m, y, strict=True):
        if r_i > 0:
            losses.append(1.0 if m_i != y_i else 0.0)
        else:
            label = 1 if e_i >= 0 else -1
            losses.append(ce + (c1 if label != y_i else 0.0))
    return np.array(losses)


def surrogate(r, e, m, y, c1, ce, alpha, beta):
    """The surrogate L_S as quoted, in double precision, one example at a time."""
    return np.array(
        [
            c1 * math.exp(beta / 2 * (-e_i * y_i - r_i))
            + ce * math.exp(-r_i)
            + (math.exp(alpha * r_i) if m_i * y_i <= 0 else 0.0)
            for r_i, e_i, m_i, y_i in zip(r, e, m, y, strict=True)
        ]
    )
