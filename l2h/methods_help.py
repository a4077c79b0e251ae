"""Learning to help: r and e trained jointly on the paper's surrogate, with every rule for its alpha."""

from collections.abc import Callable

import torch
from torch import Tensor

from l2h import calibration, checks, estimate, losses, train
from l2h.problem import Costs
from l2h.systems import SERVER_NETWORKS, Options, Parts, System, classes, device, fit_both, of_server

RELEASED_P = 0.18  # the released notebook's constant for P(M != Y), whatever x


def alpha_of(
    rule: str | float, parts: Parts, costs: Costs, beta: float, *, options: Options | None = None
) -> float | Tensor:
    """The alpha that a rule gives for a client seen through its calibration part.

    Args:
        rule: "released" (the released formula at its constant p = 0.18), "client_error" (the clamped formula at
            the client's error rate on the calibration part), "deterministic" (the single calibrated alpha),
            "estimated" (the clamped formula at an estimate of P(M != Y | x), for each x), or a number, which is
            its own rule.
        parts: of the training data.
        costs: c1 and ce.
        beta: > 0.
        options: for "estimated", the estimator and whether scores are squashed.

    Returns:
        alpha > 0, or (n,) of them for the helper part.

    Raises:
        ValueError: for an unknown rule, or where the released formula has no real value (ce > 0.18).
    """
    if not isinstance(rule, str):
        return float(rule)
    checks.one_of(ALPHA_RULES, rule=rule)
    return ALPHA_RULES[rule](parts, costs, beta, options or Options())


def _released(parts: Parts, costs: Costs, beta: float, options: Options) -> float:
    return float(calibration.alpha_released(RELEASED_P, costs=costs, beta=beta))


def _client_error(parts: Parts, costs: Costs, beta: float, options: Options) -> float:
    p = estimate.error_rate(parts.calibration.m, parts.calibration.y)
    return float(calibration.alpha_from_p(p, costs=costs, beta=beta))


def _deterministic(parts: Parts, costs: Costs, beta: float, options: Options) -> float:
    return float(calibration.alpha_deterministic(costs=costs, beta=beta))


def _estimated(parts: Parts, costs: Costs, beta: float, options: Options) -> Tensor:
    held_out, helper = parts.calibration, parts.helper
    p_of = estimate.errors(options.estimate, x=held_out.x, score=held_out.score, m=held_out.m, y=held_out.y)
    p = p_of(helper.x, helper.score).numpy()
    alpha = calibration.alpha_from_p(p, costs=costs, beta=beta, squash=options.squash)
    return torch.as_tensor(alpha, dtype=torch.float32)


ALPHA_RULES: dict[str, Callable[[Parts, Costs, float, Options], float | Tensor]] = {
    "released": _released,
    "client_error": _client_error,
    "deterministic": _deterministic,
    "estimated": _estimated,
}


def learning_to_help(parts: Parts, *, costs: Costs, seed: int, options: Options) -> System:
    """The paper's method: r and e trained jointly on the surrogate L_S.

    Args:
        parts: of the training data.
        costs: c1 and ce.
        seed: of initial weights and batches.
        options: alpha rule, beta, squash, rejector, network and recipe.

    Returns:
        A system that decides on the device.

    Raises:
        ValueError: if there are more than two classes: the surrogate knows the labels -1 and +1 only.

    Source: arXiv 2409.16253, the surrogate loss and its CIFAR-10 experiment.
    """
    if (found := classes(parts.helper)) != 2 or parts.helper.score.ndim != 1:
        raise ValueError(f"expected two classes with labels -1/+1 for the surrogate L_S, got {found} classes 0..K-1")
    alpha = alpha_of(options.alpha, parts, costs, options.beta, options=options)
    with train.seeded(seed):
        rejector = device(parts, options, squash=options.squash)
        e = SERVER_NETWORKS[options.network](squash=options.squash)

    def loss(r: Tensor, e: Tensor, m: Tensor, y: Tensor, alpha: Tensor) -> Tensor:
        return losses.surrogate(r, e, m, y, costs=costs, alpha=alpha, beta=options.beta)

    history = fit_both(rejector, e, parts.helper, loss, options=options, seed=seed, alpha=alpha)
    return System(rejector.scores, of_server(e), False, rejector.needs_score, history)
