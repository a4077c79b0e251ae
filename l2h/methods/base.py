"""The interface of a method: examples, splits, options, the resulting system, and the networks to choose from."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor, nn

from l2h import checks
from l2h.losses.stage_switching import STAGE_SWITCHING_FORMS
from l2h.methods import error_estimation
from l2h.models import networks, resnet
from l2h.training import config

# Names only. The methods that read them define their meaning; tests check that both lists agree.
ALPHA_RULE_NAMES = ("released", "client_error", "deterministic", "estimated", "posterior")
CONFIDENCE_MEASURES = ("temperature", "softmax", "margin", "entropy")
# Networks for the device. "mlp", "linear" and "lenet" read the image, "scores" the client's scores, and "features" its
# last hidden layer and its scores. The last two are one linear layer on values that the client has computed.
REJECTORS = ("mlp", "linear", "lenet", "scores", "features")
CLIENT_BASED_REJECTORS = ("scores", "features")


class Examples(NamedTuple):
    """n examples of two classes (labels -1/+1) or of K classes (labels 0..K-1), with the scores of earlier models."""

    x: Tensor  # (n, 3, 32, 32) uint8 images
    y: Tensor  # (n,) true labels
    m: Tensor  # (n,) the frozen client's labels
    client_scores: Tensor  # the frozen client's scores: (n,), positive for label +1, or (n, K)
    server_scores: Tensor | None = None  # scores of a server trained beforehand, (n,) or (n, K)
    teacher_scores: Tensor | None = None  # (n,) scores r of that server's own decision, which "distilled" imitates
    client_features: Tensor | None = None  # (n, d) activations of the client's last hidden layer


class Splits(NamedTuple):
    """The disjoint splits of the training data that a method may read."""

    train: Examples  # r and e are trained here
    calibration: Examples  # P(M != Y | x) and temperatures are estimated here
    validation: Examples  # thresholds and all other choices are made here
    server_weights: Tensor | None = None  # of a server trained beforehand, for a warm start


@dataclass(frozen=True, kw_only=True)
class MethodOptions:
    """The options of the methods, except how networks are trained; each method reads those that concern it.

    `Options` adds the training configuration itself, `ExperimentConfig` the name of a preset.

    Args:
        alpha: of learning to help, a rule in ALPHA_RULE_NAMES or a number > 0.
        beta: of learning to help, > 0.
        bounded: learning to help with r and e in (-1, 1), as released.
        hidden_units: hidden units of the rejector "mlp".
        server_network: of the server, a name in SERVER_NETWORKS.
        rejector: the device's own network, a name in REJECTORS.
        confidence: measure of confidence, a name in CONFIDENCE_MEASURES.
        error_estimator: of P(M != Y | x) for alpha "estimated", a name in `error_estimation.ERROR_ESTIMATORS`.
        budget: offload rate in [0, 1] of the methods with a budget: "budgeted" and "random".
        form: of the stage-switching loss, a name in STAGE_SWITCHING_FORMS.
        update_every: steps between two updates of the device's copy of the server, >= 1; 1 is no delay.

    Raises:
        ValueError: if a name is unknown or a number out of range.
    """

    alpha: str | float = "deterministic"
    beta: float = 2.0
    bounded: bool = True
    hidden_units: int = 120
    server_network: str = "lenet"
    rejector: str = "mlp"
    confidence: str = "temperature"
    error_estimator: str = "logistic"
    budget: float = 0.5
    form: str = "nonnegative"
    update_every: int = 1

    def __post_init__(self) -> None:
        if isinstance(self.alpha, str):
            checks.one_of(ALPHA_RULE_NAMES, alpha=self.alpha)
        else:
            checks.positive(alpha=self.alpha)
        checks.positive(beta=self.beta)
        checks.integer(1, hidden_units=self.hidden_units, update_every=self.update_every)
        checks.one_of(SERVER_NETWORKS, server_network=self.server_network)
        checks.one_of(REJECTORS, rejector=self.rejector)
        checks.one_of(CONFIDENCE_MEASURES, confidence=self.confidence)
        checks.one_of(error_estimation.ERROR_ESTIMATORS, error_estimator=self.error_estimator)
        checks.probabilities(budget=self.budget)
        checks.one_of(STAGE_SWITCHING_FORMS, form=self.form)


@dataclass(frozen=True, kw_only=True)
class Options(MethodOptions):
    """The options of a method, with the training configuration of every network that it trains."""

    training: config.TrainConfig = config.FAST_TRAINING


class System(NamedTuple):
    """A rejector and a server, and the inputs that the decision needs."""

    r: Callable[[Examples], Tensor]  # scores (n,): keep where r > 0
    e: Callable[[Examples], Tensor]  # scores (n,), +1 where e >= 0, or (n, K)
    needs_server: bool  # does the decision itself need the server?
    needs_client_scores: bool  # does the decision need the client's scores?
    history: tuple[float, ...] = ()  # mean training loss of each epoch
    out_of_fold_scores: Tensor | None = None  # scores e on the train split, by servers not trained on the example
    server_weights: Tensor | None = None  # of the server, for methods that start from it


# Each takes the number of outputs, and whether the scores are bounded to (-1, 1).
SERVER_NETWORKS: dict[str, Callable[..., nn.Module]] = {
    "linear": networks.linear_network,
    "mlp": lambda n_outputs=1, *, bounded: networks.mlp(n_outputs=n_outputs, bounded=bounded),
    "lenet": networks.LeNet,
    "residual_small": resnet.residual_small,
    "residual_large": resnet.residual_large,
}


def class_count(examples: Examples) -> int:
    """The number of classes: 2 for labels -1/+1 with scores (n,), K for scores (n, K)."""
    return 2 if examples.client_scores.ndim == 1 else examples.client_scores.shape[1]


def output_count(examples: Examples) -> int:
    """The number of scores of a classifier for these labels: 1 for -1/+1, else K."""
    return 1 if examples.client_scores.ndim == 1 else class_count(examples)


def class_indices(labels: Tensor, examples: Examples) -> Tensor:
    """Labels as 0..K-1: -1/+1 become 0/1; other labels have this form already."""
    return (labels + 1) // 2 if examples.client_scores.ndim == 1 else labels


def require_server_scores(examples: Examples) -> Tensor:
    """The scores of the server trained beforehand.

    Raises:
        ValueError: if there are none.
    """
    if examples.server_scores is None:
        raise ValueError("expected the scores of a server trained beforehand in examples.server_scores, got None")
    return examples.server_scores
