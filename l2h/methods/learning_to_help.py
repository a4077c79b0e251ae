"""Learning to help: r and e trained jointly on the paper's surrogate loss, with all rules for its alpha."""

from collections.abc import Callable

from torch import Tensor

from l2h import checks
from l2h.losses.surrogate import multiclass_surrogate_loss, surrogate_loss
from l2h.methods import error_estimation
from l2h.methods.base import Options, Splits, System, output_count, require_server_scores
from l2h.methods.fitting import build_rejector, build_server, fit_rejector_and_server, server_score_function, warm_start
from l2h.problem import Costs
from l2h.theory import calibration, multiclass
from l2h.training import loop

MULTICLASS_ALPHA_RULES = ("posterior",)  # rules for alpha that are calibrated for any number of classes


def alpha_for_rule(
    rule: str | float, splits: Splits, costs: Costs, beta: float, *, options: Options | None = None
) -> float | Tensor:
    """The alpha of a rule, for a client that is known through its calibration split.

    Args:
        rule: "released" (the released formula at its constant p = 0.18), "client_error" (the clamped formula at
            the client's error rate on the calibration split), "deterministic" (the single calibrated alpha),
            "estimated" (the clamped formula at an estimate of P(M != Y | x), for each x), "posterior" (from the class
            probabilities of a server trained beforehand, for each x), or a number, which is returned.
        splits: of the training data.
        costs: c1 and ce.
        beta: > 0.
        options: bounded, on which a calibrated alpha depends; for "estimated", error_estimator.

    Returns:
        alpha > 0, or (n,) values for the train split.

    Raises:
        ValueError: for an unknown rule, where the released formula has no real value (ce > 0.18), or for "posterior"
            with bounded scores.
    """
    if not isinstance(rule, str):
        return float(rule)
    checks.one_of(ALPHA_RULES, rule=rule)
    return ALPHA_RULES[rule](splits, costs, beta, options or Options())


def _released(splits: Splits, costs: Costs, beta: float, options: Options) -> float:
    return float(calibration.alpha_released(calibration.RELEASED_P, costs=costs, beta=beta))


def _client_error(splits: Splits, costs: Costs, beta: float, options: Options) -> float:
    p = error_estimation.error_rate(splits.calibration.m, splits.calibration.y)
    return float(calibration.alpha_from_p(p, costs=costs, beta=beta, bounded=options.bounded))


def _deterministic(splits: Splits, costs: Costs, beta: float, options: Options) -> float:
    return float(calibration.alpha_deterministic(costs=costs, beta=beta, bounded=options.bounded))


def _estimated(splits: Splits, costs: Costs, beta: float, options: Options) -> Tensor:
    calibration_examples, train_examples = splits.calibration, splits.train
    error_estimator = error_estimation.fit_error_estimator(
        options.error_estimator,
        x=calibration_examples.x,
        scores=calibration_examples.client_scores,
        m=calibration_examples.m,
        y=calibration_examples.y,
    )
    p = error_estimator(train_examples.x, train_examples.client_scores).numpy()
    alpha = calibration.alpha_from_p(p, costs=costs, beta=beta, bounded=options.bounded)
    return loop.as_float(alpha)


def _posterior(splits: Splits, costs: Costs, beta: float, options: Options) -> Tensor:
    if options.bounded:
        raise ValueError("expected bounded=False for alpha 'posterior', which is calibrated for free scores, got True")
    train_examples, calibration_examples = splits.train, splits.calibration
    temperature = error_estimation.fit_temperature(require_server_scores(calibration_examples), calibration_examples.y)
    eta = error_estimation.class_probabilities(require_server_scores(train_examples), temperature).numpy()
    return loop.as_float(multiclass.alpha_from_posterior(eta, costs=costs, beta=beta))


ALPHA_RULES: dict[str, Callable[[Splits, Costs, float, Options], float | Tensor]] = {
    "released": _released,
    "client_error": _client_error,
    "deterministic": _deterministic,
    "estimated": _estimated,
    "posterior": _posterior,
}


def learning_to_help(splits: Splits, *, costs: Costs, seed: int, options: Options) -> System:
    """The paper's method: r and e trained jointly on the surrogate L_S, or on its form for K classes.

    A server that starts from one trained on cross-entropy has scores near log P(Y=k|x). The minimiser of the surrogate
    has these scores divided by beta, so the loss divides them by beta.

    Args:
        splits: of the training data.
        costs: c1 and ce.
        seed: of initial weights and batches.
        options: alpha, beta, bounded, rejector, hidden_units, server_network and training.

    Returns:
        A system that decides on the device.

    Raises:
        ValueError: if there are more than two classes and the rule for alpha holds for two only.

    Source: arXiv 2409.16253, the surrogate loss and its CIFAR-10 experiment; for K classes the chapter on many classes.
    """
    n_outputs = output_count(splits.train)
    if n_outputs > 1 and isinstance(options.alpha, str):
        checks.one_of(MULTICLASS_ALPHA_RULES, **{f"alpha for {n_outputs} classes": options.alpha})
    alpha = alpha_for_rule(options.alpha, splits, costs, options.beta, options=options)
    with loop.seeded(seed):
        rejector = build_rejector(splits, options, bounded=options.bounded)
        server = build_server(splits, options, n_outputs=n_outputs, bounded=options.bounded)
    scale = 1.0
    if splits.server_weights is not None:
        warm_start(rejector, splits, costs=costs, seed=seed)
        scale = options.beta

    def loss(r: Tensor, e: Tensor, m: Tensor, y: Tensor, alpha: Tensor) -> Tensor:
        surrogate = surrogate_loss if n_outputs == 1 else multiclass_surrogate_loss
        return surrogate(r, e / scale, m, y, costs=costs, alpha=alpha, beta=options.beta)

    history = fit_rejector_and_server(rejector, server, splits.train, loss, options=options, seed=seed, alpha=alpha)
    return System(rejector.scores, server_score_function(server), False, rejector.needs_client_scores, history)
