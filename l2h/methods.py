"""Every way to get a rejector r and a server e for a frozen client, behind one signature.

A method is a function `method(parts, *, costs, seed, options) -> System`. It sees the client only through its
labels and scores, so that any frozen classifier can be helped.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from l2h import calibration, checks, estimate, losses, models, train
from l2h.problem import Costs, server_label

RELEASED_P = 0.18  # the released notebook's constant for P(M != Y), whatever x


class Examples(NamedTuple):
    """What is known about n examples."""

    x: Tensor  # (n, 3, 32, 32) uint8 images
    y: Tensor  # (n,) labels in {-1, +1}
    m: Tensor  # (n,) the frozen client's labels
    score: Tensor  # (n,) the frozen client's scores, positive for label +1
    server: Tensor | None = None  # (n,) scores of a server trained beforehand, for methods that only choose r


class Parts(NamedTuple):
    """The disjoint parts of the training data that a method may look at."""

    helper: Examples  # r and e are trained here
    calibration: Examples  # P(M != Y | x) and temperatures are estimated here
    validation: Examples  # thresholds and every other choice are made here


@dataclass(frozen=True)
class Options:
    """What a method may be told; each method reads what concerns it."""

    alpha: str | float = "deterministic"  # a rule of ALPHA_RULES, or a number > 0
    beta: float = 2.0
    squash: bool = True  # r and e squashed into (-1, 1), as released
    hidden: int = 120  # hidden units of the rejector
    network: str = "lenet"  # the server's, a name in SERVER_NETWORKS
    recipe: train.TrainConfig = train.FAST

    def __post_init__(self) -> None:
        if isinstance(self.alpha, str):
            checks.one_of(ALPHA_RULES, alpha=self.alpha)
        else:
            checks.positive(alpha=self.alpha)
        checks.positive(beta=self.beta)
        checks.at_least(1, hidden=self.hidden)
        checks.one_of(SERVER_NETWORKS, network=self.network)


class System(NamedTuple):
    """A rejector and a server, and what deciding needs."""

    r: Callable[[Examples], Tensor]  # scores (n,): keep where r > 0
    e: Callable[[Examples], Tensor]  # scores (n,): +1 where e >= 0
    needs_server: bool  # does the decision itself need the server?
    needs_score: bool  # does the decision need the client's scores?
    history: tuple[float, ...] = ()  # mean training loss of each epoch


def alpha_of(rule: str | float, parts: Parts, costs: Costs, beta: float) -> float:
    """The number alpha that a rule gives for a client seen through its calibration part.

    Args:
        rule: "released" (the released formula at its constant p = 0.18), "client_error" (the clamped formula at
            the client's error rate on the calibration part), "deterministic" (the single calibrated alpha), or
            a number, which is its own rule.
        parts: of the training data.
        costs: c1 and ce.
        beta: > 0.

    Returns:
        alpha > 0.

    Raises:
        ValueError: for an unknown rule, or where the released formula has no real value (ce > 0.18).
    """
    if not isinstance(rule, str):
        return float(rule)
    checks.one_of(ALPHA_RULES, rule=rule)
    return ALPHA_RULES[rule](parts, costs, beta)


def _client_error(parts: Parts, costs: Costs, beta: float) -> float:
    p = estimate.error_rate(parts.calibration.m, parts.calibration.y)
    return float(calibration.alpha_from_p(p, costs=costs, beta=beta))


ALPHA_RULES: dict[str, Callable[[Parts, Costs, float], float]] = {
    "released": lambda _, costs, beta: float(calibration.alpha_released(RELEASED_P, costs=costs, beta=beta)),
    "client_error": _client_error,
    "deterministic": lambda _, costs, beta: float(calibration.alpha_deterministic(costs=costs, beta=beta)),
}

SERVER_NETWORKS: dict[str, Callable[..., nn.Module]] = {
    "linear": models.linear,
    "one_hidden_layer": lambda *, squash: models.rejector(squash=squash),
    "lenet": models.LeNet,
}


def _of_network(network: nn.Module) -> Callable[[Examples], Tensor]:
    return lambda examples: train.scores(network, examples.x)


def _server(examples: Examples) -> Tensor:
    if examples.server is None:
        raise ValueError("expected the scores of a server trained beforehand in examples.server, got None")
    return examples.server


def learning_to_help(parts: Parts, *, costs: Costs, seed: int, options: Options) -> System:
    """The paper's method: r and e trained jointly on the surrogate L_S.

    Args:
        parts: of the training data.
        costs: c1 and ce.
        seed: of initial weights and batches.
        options: alpha rule, beta, squash and recipe.

    Returns:
        A system that decides on the device, from the image alone.

    Source: arXiv 2409.16253, the surrogate loss and its CIFAR-10 experiment.
    """
    alpha = alpha_of(options.alpha, parts, costs, options.beta)
    with train.seeded(seed):
        r = models.rejector(options.hidden, squash=options.squash)
        e = SERVER_NETWORKS[options.network](squash=options.squash)

    def loss(r: Tensor, e: Tensor, m: Tensor, y: Tensor, alpha: Tensor) -> Tensor:
        return losses.surrogate(r, e, m, y, costs=costs, alpha=alpha, beta=options.beta)

    x, y, m, *_ = parts.helper
    history = train.fit_jointly(x, y, m, rejector=r, server=e, loss=loss, config=options.recipe, seed=seed, alpha=alpha)
    return System(_of_network(r), _of_network(e), needs_server=False, needs_score=False, history=history.losses)


def plain_server(parts: Parts, *, costs: Costs, seed: int, options: Options) -> System:
    """The server's network trained alone, on all of the helper's part; every question goes to it.

    Args:
        parts: of the training data.
        costs: not used; the server knows no costs.
        seed: of initial weights and batches.
        options: the recipe.

    Returns:
        A system that always asks.
    """
    return _classifier(lambda: SERVER_NETWORKS[options.network](squash=False), parts, seed, options)


def device_classifier(parts: Parts, *, costs: Costs, seed: int, options: Options) -> System:
    """The rejector's own network trained as a classifier: what the device could do with it, with nothing sent.

    Args:
        parts: of the training data.
        costs: not used.
        seed: of initial weights and batches.
        options: the recipe.

    Returns:
        A system whose e is the device's own classifier.
    """
    return _classifier(lambda: models.rejector(options.hidden, squash=False), parts, seed, options)


def _classifier(network_of: Callable[[], nn.Module], parts: Parts, seed: int, options: Options) -> System:
    with train.seeded(seed):
        network = network_of()
    x, y, *_ = parts.helper
    history = train.fit(network, x, (y,), train.classification_loss, config=options.recipe, seed=seed)
    always = always_ask(parts, costs=Costs(), seed=seed, options=options)
    return System(always.r, _of_network(network), needs_server=False, needs_score=False, history=history.losses)


def confidence(parts: Parts, *, costs: Costs, seed: int, options: Options) -> System:
    r"""Ask where the client is unsure: its temperature-scaled confidence against Chow's threshold.

    .. math:: r(x) = \max_k P_T(k | x) - (1 - c_e - c_1 P(label(e) \neq Y))

    Thresholding r traces the accuracy-coverage curve of the score's magnitude; its zero is Chow's rule for a
    server whose error rate on the calibration part does not depend on x.

    Args:
        parts: of the training data, with a server's scores on the calibration part.
        costs: c1 and ce.
        seed: not used.
        options: not used.

    Returns:
        A system that needs the client's scores.

    Raises:
        ValueError: if no server's scores are given.

    Source: Chow, IEEE Transactions on Information Theory 16, 1970; Guo et al., ICML 2017.
    """
    held_out = parts.calibration
    temperature = estimate.temperature(held_out.score, held_out.y)
    p_e = estimate.error_rate(server_label(_server(held_out)), held_out.y)
    keep_above = 1 - costs.ce - costs.c1 * p_e

    def r(examples: Examples) -> Tensor:
        return torch.sigmoid(examples.score.double().abs() / temperature) - keep_above

    return System(r, _server, needs_server=False, needs_score=True)


def random(parts: Parts, *, costs: Costs, seed: int, options: Options) -> System:
    """Ask at random: a fair coin per example; thresholding r gives any other rate.

    Args:
        parts: not used.
        costs: not used.
        seed: of the coins.
        options: not used.

    Returns:
        A system whose decision needs nothing.
    """

    def r(examples: Examples) -> Tensor:
        return torch.rand(len(examples.y), generator=torch.Generator().manual_seed(seed)) - 0.5

    return System(r, _server, needs_server=False, needs_score=False)


def oracle(parts: Parts, *, costs: Costs, seed: int, options: Options) -> System:
    r"""Ask exactly where asking is cheaper, knowing y: the limit for any rejector with this client and server.

    .. math:: r = c_1 1[label(e) \neq y] + c_e - 1[m \neq y]

    Args:
        parts: not used.
        costs: c1 and ce.
        seed: not used.
        options: not used.

    Returns:
        A system whose decision needs the server, and the truth.
    """

    def r(examples: Examples) -> Tensor:
        server_wrong = (server_label(_server(examples)) != examples.y).double()
        return costs.c1 * server_wrong + costs.ce - (examples.m != examples.y).double()

    return System(r, _server, needs_server=True, needs_score=False)


def always_ask(parts: Parts, *, costs: Costs, seed: int, options: Options) -> System:
    """Send every input to the server."""
    return System(lambda examples: -torch.ones(len(examples.y)), _server, needs_server=False, needs_score=False)


def always_keep(parts: Parts, *, costs: Costs, seed: int, options: Options) -> System:
    """Never ask: the client as it is."""
    return System(lambda examples: torch.ones(len(examples.y)), _server, needs_server=False, needs_score=False)


METHODS: dict[str, Callable[..., System]] = {
    method.__name__: method
    for method in (
        learning_to_help,
        plain_server,
        device_classifier,
        confidence,
        random,
        oracle,
        always_ask,
        always_keep,
    )
}
