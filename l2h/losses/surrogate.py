"""The convex surrogate L_S of the generalized 0-1 loss, one value per example."""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from l2h import checks
from l2h.problem import Costs

MAX_EXPONENT = 60.0  # e^60 = 1.1e26: a batch of 10^12 such terms still fits into float32


def exp_linear_tail(t: Tensor) -> Tensor:
    """The exponential function, continued by its tangent above MAX_EXPONENT.

    It equals exp(t) for t <= 60. It is convex, increasing, continuously differentiable and >= 1[t >= 0] everywhere;
    values and gradients are finite in float32 up to t of about 10^12.

    Args:
        t: exponents, any shape.

    Returns:
        Values of the same shape.

    >>> exp_linear_tail(torch.tensor([0.0, 1000.0])).isfinite().all()
    tensor(True)
    """
    return torch.exp(t.clamp(max=MAX_EXPONENT)) * (1 + torch.relu(t - MAX_EXPONENT))


def surrogate_loss(r: Tensor, e: Tensor, m: Tensor, y: Tensor, *, costs: Costs, alpha: Any, beta: float) -> Tensor:
    r"""The convex surrogate L_S, an upper bound of the generalized 0-1 loss for all alpha, beta >= 0.

    .. math:: L_S = c_1 e^{\frac{\beta}{2}(-ey - r)} + c_e e^{-r} + 1[m \neq y] e^{\alpha r}

    It is exact if every exponent is at most 60. Above 60 each exponential is continued by its tangent
    (`exp_linear_tail`), so that loss and gradient are finite for all scores that float32 training can reach.

    Args:
        r: (n,) rejector scores.
        e: (n,) server scores.
        m: (n,) the client's labels in {-1, +1}.
        y: (n,) true labels in {-1, +1}.
        costs: c1 and ce.
        alpha: calibration parameter > 0, a number or (n,) values that may depend on x.
        beta: calibration parameter > 0.

    Returns:
        (n,) losses.

    Raises:
        ValueError: if shapes differ, scores are not floating-point numbers, labels are not -1/+1, or a parameter is
            not positive.

    >>> zero, one = torch.zeros(1), torch.ones(1)
    >>> surrogate_loss(zero, zero, -one, one, costs=Costs(c1=1.0, ce=0.25), alpha=2.0, beta=2.0)
    tensor([2.2500])

    Source: arXiv 2409.16253, the surrogate loss; conventions as in the notation page.
    """
    checks.one_dimensional(r=r, e=e, m=m, y=y)
    checks.floating(r=r, e=e)
    checks.binary_labels(m=m, y=y)
    checks.positive(beta=beta, alpha=alpha.min() if isinstance(alpha, Tensor) else alpha)
    server_term = costs.c1 * exp_linear_tail(beta / 2 * (-e * y - r))  # (n,)
    ask_term = costs.ce * exp_linear_tail(-r)  # (n,)
    keep_term = (m != y) * exp_linear_tail(alpha * r)  # (n,)
    return server_term + ask_term + keep_term


def as_multiclass(e: Tensor, *labels: Tensor) -> tuple[Tensor, ...]:
    r"""Convert two classes, with scores (n,) and labels -1/+1, to scores (n, 2) and labels 0/1.

    .. math:: e \mapsto (-e/2, e/2), \quad y \mapsto (y + 1)/2

    The difference of the two columns is e, so that every loss of differences has the same value.

    Args:
        e: (n,) scores of two classes, or (n, K) scores, which are returned as they are.
        labels: any number of (n,) labels, with the coding of e.

    Returns:
        The scores (n, K) and the labels in 0..K-1.

    Raises:
        ValueError: if labels of (n,) scores are not -1/+1.

    >>> as_multiclass(torch.tensor([3.0]), torch.tensor([-1]))
    (tensor([[-1.5000,  1.5000]]), tensor([0]))
    """
    if e.ndim == 2:
        return e, *labels
    checks.binary_labels(**{f"labels[{i}]": label for i, label in enumerate(labels)})
    return torch.stack([-e / 2, e / 2], dim=1), *((label + 1) // 2 for label in labels)


def multiclass_surrogate_loss(
    r: Tensor, e: Tensor, m: Tensor, y: Tensor, *, costs: Costs, alpha: Any, beta: float
) -> Tensor:
    r"""The surrogate L_S for K classes: jointly convex in (r, e), an upper bound, and L_S itself where K = 2.

    .. math:: L_K = c_1 \sum_{k \neq y} e^{\frac{\beta}{2}(e_k - e_y - r)} + c_e e^{-r} + 1[m \neq y] e^{\alpha r}

    The server's examples have the weight c1 exp(-beta r / 2), which is largest where the rejector asks. Above an
    exponent of 60 each exponential is continued by its tangent, as in the loss of two classes.

    Args:
        r: (n,) rejector scores.
        e: (n, K) server scores.
        m: (n,) the client's labels in 0..K-1.
        y: (n,) true labels in 0..K-1.
        costs: c1 and ce.
        alpha: calibration parameter > 0, a number or (n,) values that may depend on x.
        beta: calibration parameter > 0.

    Returns:
        (n,) losses.

    Raises:
        ValueError: if shapes differ or a parameter is not positive.

    >>> zero, y, costs = torch.zeros(1), torch.zeros(1, dtype=torch.long), Costs(c1=1.0, ce=0.25)
    >>> multiclass_surrogate_loss(zero, torch.zeros(1, 3), y + 1, y, costs=costs, alpha=2.0, beta=2.0)
    tensor([3.2500])

    Source: derived in the chapter on many classes.
    """
    _check_multiclass(r, e, m, y)
    checks.positive(beta=beta, alpha=alpha.min() if isinstance(alpha, Tensor) else alpha)
    margins = e - e.gather(1, y[:, None])  # (n, K)
    other_classes = 1 - functional.one_hot(y, e.shape[1])
    server_term = costs.c1 * (other_classes * exp_linear_tail(beta / 2 * (margins - r[:, None]))).sum(1)
    return server_term + costs.ce * exp_linear_tail(-r) + (m != y) * exp_linear_tail(alpha * r)


def _check_multiclass(r: Tensor, e: Tensor, m: Tensor, y: Tensor) -> None:
    checks.one_dimensional(r=r, m=m, y=y)
    checks.same_length(e=e, y=y)
    checks.floating(r=r, e=e)
    if e.ndim != 2 or e.shape[1] < 2:
        raise ValueError(f"expected e of shape (n, K) with K >= 2, got shape {tuple(e.shape)}")
    checks.class_labels(e.shape[1], m=m, y=y)
