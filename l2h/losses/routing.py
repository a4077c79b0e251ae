"""The loss of a rejector with k + 1 actions: to keep, or to ask one of k servers; one value per example."""

import torch
from torch import Tensor

from l2h import checks


def routing_loss(scores: Tensor, action_costs: Tensor) -> Tensor:
    r"""Cross-entropy over k + 1 actions, in which the costs of all other actions weigh each one.

    .. math:: L = -\sum_{a=0}^{k} \Big(\sum_{b \neq a} c_b\Big) \log s_a, \quad s = \mathrm{softmax}(\text{scores})

    Given x the minimiser has s_a proportional to E[C - c_a|x] with C the sum of the costs, so that the scores order
    the actions by expected cost, and the largest one is the Bayes action. The loss is convex in the scores. With one
    server it is `deferral_loss` at r = score of keeping - score of asking.

    Args:
        scores: (n, k + 1) one score for each action, keeping first.
        action_costs: (n, k + 1) what each action cost, >= 0: keeping 1[m != y], asking server j ce_j, plus c1_j where
            it is wrong (`several_servers.costs_by_action`).

    Returns:
        (n,) losses.

    Raises:
        ValueError: if shapes differ, there is no server, or a cost is negative or not finite.

    >>> routing_loss(torch.zeros(1, 3), torch.tensor([[1.0, 0.0, 0.0]]))
    tensor([2.1972])

    Source: two-stage deferral with several experts, Mao, Mohri, Mohri and Zhong, NeurIPS 2023, whose weights are
    1 - c_a for costs of at most 1; with the sum for the 1 any costs are possible.
    """
    if scores.ndim != 2 or scores.shape[1] < 2:
        raise ValueError(f"expected scores (n, k + 1) of keeping and k >= 1 servers, got {tuple(scores.shape)}")
    if action_costs.shape != scores.shape:
        raise ValueError(f"expected costs of shape {tuple(scores.shape)}, got {tuple(action_costs.shape)}")
    checks.floating(scores=scores)
    checks.finite(action_costs=action_costs)
    if (action_costs < 0).any():
        raise ValueError(f"expected costs >= 0, got {action_costs.min().item():g}")
    weights = action_costs.sum(1, keepdim=True) - action_costs  # (n, k + 1)
    return -(weights * torch.log_softmax(scores, dim=1)).sum(1)
