"""What calibration data says about a frozen client: its error rate and the temperature of its scores."""

import math

from scipy.optimize import minimize_scalar
from torch import Tensor
from torch.nn.functional import softplus

from l2h import checks

LARGEST_LOG_TEMPERATURE = 10.0  # e^10: scores that say nothing about y end here, at a probability of one half


def error_rate(m: Tensor, y: Tensor) -> float:
    """The share of examples on which the client is wrong, the constant estimate of P(M != Y | x).

    Args:
        m: (n,) the client's labels.
        y: (n,) true labels.

    Returns:
        A number in [0, 1].

    Raises:
        ValueError: if lengths differ or there is no example.

    >>> import torch
    >>> error_rate(torch.tensor([1, 1, -1, -1]), torch.tensor([1, -1, -1, -1]))
    0.25
    """
    checks.vectors(m=m, y=y)
    if len(y) == 0:
        raise ValueError("expected at least one example, got none")
    return int((m != y).sum()) / len(y)


def temperature(score: Tensor, y: Tensor) -> float:
    r"""The temperature T > 0 that makes sigmoid(score / T) the most likely P(Y = 1 | x).

    .. math:: T = \arg\min_T \sum_i \log(1 + e^{-y_i s_i / T})

    Dividing by T changes no label and no order of the scores, only how sure they claim to be.

    Args:
        score: (n,) scores of a binary classifier, positive for label +1.
        y: (n,) true labels in {-1, +1}, from data that the classifier did not see.

    Returns:
        T in [e^-10, e^10].

    Raises:
        ValueError: if lengths differ, labels are not -1/+1 or scores are not finite.

    >>> import torch
    >>> score = torch.tensor([4.0, 4.0, 4.0, -4.0])
    >>> T = temperature(score, torch.tensor([1, 1, -1, -1]))
    >>> print(f"{torch.sigmoid(score[0] / T):.3f}")
    0.750

    Source: Guo et al., On calibration of modern neural networks, ICML 2017.
    """
    checks.vectors(score=score, y=y)
    checks.signs(y=y)
    checks.finite(score=score)
    margin = (score * y).double()  # (n,)

    def negative_log_likelihood(log_temperature: float) -> float:
        return softplus(-margin * math.exp(-log_temperature)).sum().item()

    bounds = (-LARGEST_LOG_TEMPERATURE, LARGEST_LOG_TEMPERATURE)
    found = minimize_scalar(negative_log_likelihood, bounds=bounds, method="bounded", options={"xatol": 1e-9})
    return math.exp(found.x)
