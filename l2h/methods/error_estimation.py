"""The temperature of a frozen client's scores and estimates of P(M != Y | x), both from calibration data.

An estimator of P(M != Y | x) is fitted on data that the client was not trained on. It reads x and the labels and
scores of the client. `l2h.evaluation.calibration` measures how well its probabilities fit other data.
"""

import math
from collections.abc import Callable

import numpy as np
import torch
from scipy.optimize import minimize_scalar
from torch import Tensor
from torch.nn import functional
from torch.nn.functional import softplus

from l2h import checks
from l2h.models import networks
from l2h.problem import labels_of
from l2h.training import config, loop

MAX_LOG_TEMPERATURE = 10.0  # e^10: for scores that are unrelated to y, which get a probability of one half
MAX_FEATURE = 10.0  # without this limit a few large values would dominate a linear layer on the scores
N_NEIGHBOURS = 50  # the standard error of a rate among 50 is about 0.07
POOLING_SIDE = 4  # side of the squares over which images are averaged before distances are taken
ErrorEstimator = Callable[[Tensor, Tensor], Tensor]  # images (n, ...) and client's scores -> (n,) probabilities
NETWORK_TRAINING = config.TrainConfig(epochs=10, batch_size=64, lr=1e-3, weight_decay=1e-2, flip=True)


def error_rate(m: Tensor, y: Tensor) -> float:
    """The share of examples on which the client is wrong, the constant estimate of P(M != Y | x).

    Args:
        m: (n,) the client's labels.
        y: (n,) true labels.

    Returns:
        A number in [0, 1].

    Raises:
        ValueError: if lengths differ or there is no example.

    >>> error_rate(torch.tensor([1, 1, -1, -1]), torch.tensor([1, -1, -1, -1]))
    0.25
    """
    checks.one_dimensional(m=m, y=y)
    if len(y) == 0:
        raise ValueError("expected at least one example, got none")
    return int((m != y).sum()) / len(y)


def fit_temperature(scores: Tensor, y: Tensor) -> float:
    r"""The temperature T > 0 that makes softmax(score / T) the most likely P(Y | x).

    .. math:: T = \arg\min_T \sum_i \log(1 + e^{-y_i s_i / T})
              \quad\text{or}\quad \arg\min_T -\sum_i \log\mathrm{softmax}(s_i / T)_{y_i}

    Dividing by T changes neither labels nor the order of the scores, only the confidence that they express.

    Args:
        scores: (n,) scores of a binary classifier, positive for label +1, or (n, K) scores of K classes.
        y: (n,) true labels in {-1, +1}, or 0..K-1, from data that the classifier was not trained on.

    Returns:
        T in [e^-10, e^10].

    Raises:
        ValueError: if lengths differ, labels have another coding or scores are not finite.

    >>> score = torch.tensor([4.0, 4.0, 4.0, -4.0])
    >>> T = fit_temperature(score, torch.tensor([1, 1, -1, -1]))
    >>> print(f"{torch.sigmoid(score[0] / T):.3f}")
    0.750

    Source: Guo et al., On calibration of modern neural networks, ICML 2017.
    """
    checks.same_length(scores=scores, y=y)
    checks.finite(scores=scores)
    if scores.ndim == 1:
        checks.binary_labels(y=y)
        margin = scores.double() * y  # (n,)
    else:
        checks.class_labels(scores.shape[1], y=y)
        logits = scores.double()  # (n, K)

    def negative_log_likelihood(log_temperature: float) -> float:
        inverse_temperature = math.exp(-log_temperature)
        if scores.ndim == 1:
            return softplus(-margin * inverse_temperature).sum().item()
        return functional.cross_entropy(logits * inverse_temperature, y, reduction="sum").item()

    bounds = (-MAX_LOG_TEMPERATURE, MAX_LOG_TEMPERATURE)
    optimum = minimize_scalar(negative_log_likelihood, bounds=bounds, method="bounded", options={"xatol": 1e-9})
    return math.exp(optimum.x)


def class_probabilities(scores: Tensor, temperature: float = 1.0) -> Tensor:
    r"""The probabilities P(Y = k | x) of scores: the softmax of K scores, or the sigmoids of one score.

    Args:
        scores: (n,) scores, positive for label +1, or (n, K).
        temperature: > 0, divides the scores.

    Returns:
        (n, K) probabilities in double precision; for labels -1/+1 the columns are -1 and +1.

    Raises:
        ValueError: if the temperature is not positive.

    >>> class_probabilities(torch.zeros(1))
    tensor([[0.5000, 0.5000]], dtype=torch.float64)
    """
    checks.positive(temperature=temperature)
    if scores.ndim == 1:
        scores = scores.double() / temperature
        return torch.stack([torch.sigmoid(-scores), torch.sigmoid(scores)], dim=1)
    return torch.softmax(scores.double() / temperature, dim=1)


def score_features(scores: Tensor, temperature: float) -> Tensor:
    """Features of a client's scores from which one linear layer can predict the errors of the client.

    Args:
        scores: (n,) scores, positive for label +1, or (n, K).
        temperature: > 0, divides the scores.

    Returns:
        (n, 2): the score and its absolute value; or (n, K + 2): log-probabilities, the difference of the two largest
        ones, and the entropy. Entries lie in [-10, 10].

    >>> score_features(torch.tensor([-4.0]), 2.0)
    tensor([[-2.,  2.]])
    """
    checks.positive(temperature=temperature)
    if scores.ndim == 1:
        features = torch.stack([scores / temperature, (scores / temperature).abs()], dim=1)
    else:
        logs = torch.log_softmax(scores.double() / temperature, dim=1)  # (n, K)
        first, second = logs.topk(2, dim=1).values.unbind(1)
        features = torch.cat([logs, (first - second)[:, None], entropy(logs.exp())[:, None]], dim=1)
    return loop.as_float(features.clamp(-MAX_FEATURE, MAX_FEATURE))


def entropy(probabilities: Tensor) -> Tensor:
    r"""The entropy (n,) of (n, K) probabilities, in nats.

    .. math:: -\sum_k P_k \log P_k

    >>> entropy(torch.tensor([[0.5, 0.5], [1.0, 0.0]]))
    tensor([0.6931, 0.0000])
    """
    return torch.special.entr(probabilities).sum(1)


def _constant(x: Tensor, scores: Tensor, wrong: Tensor, y: Tensor, seed: int) -> ErrorEstimator:
    rate = int(wrong.sum()) / len(wrong)
    return lambda x, score: torch.full((len(score),), rate, dtype=torch.float64)


def _temperature(x: Tensor, scores: Tensor, wrong: Tensor, y: Tensor, seed: int) -> ErrorEstimator:
    fitted_temperature = fit_temperature(scores, y)
    return lambda x, score: 1 - class_probabilities(score, fitted_temperature).amax(1)


def _isotonic(x: Tensor, scores: Tensor, wrong: Tensor, y: Tensor, seed: int) -> ErrorEstimator:
    from sklearn.isotonic import IsotonicRegression

    confidence_estimator = _temperature(x, scores, wrong, y, seed)
    regression = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip")
    regression.fit(confidence_estimator(x, scores).numpy(), wrong.double().numpy())
    return lambda x, score: torch.from_numpy(regression.predict(confidence_estimator(x, score).numpy()))


def _logistic(x: Tensor, scores: Tensor, wrong: Tensor, y: Tensor, seed: int) -> ErrorEstimator:
    from sklearn.linear_model import LogisticRegression

    if wrong.all() or not wrong.any():  # nothing to regress on
        return _constant(x, scores, wrong, y, seed)
    fitted_temperature = fit_temperature(scores, y)
    regression = LogisticRegression().fit(score_features(scores, fitted_temperature).numpy(), wrong.numpy())
    return lambda x, score: torch.from_numpy(
        regression.predict_proba(score_features(score, fitted_temperature).numpy())[:, 1]
    ).double()


def _network(x: Tensor, scores: Tensor, wrong: Tensor, y: Tensor, seed: int) -> ErrorEstimator:
    with loop.seeded(seed):
        network = networks.mlp(bounded=False)
    loop.fit(network, x, (2 * wrong.long() - 1,), loop.classification_loss, config=NETWORK_TRAINING, seed=seed)
    return lambda x, score: torch.sigmoid(loop.predict_scores(network, x)).double()


def _neighbours(x: Tensor, scores: Tensor, wrong: Tensor, y: Tensor, seed: int) -> ErrorEstimator:
    from sklearn.neighbors import KNeighborsRegressor

    regression = KNeighborsRegressor(min(N_NEIGHBOURS, len(wrong)))
    regression.fit(_downsampled(x), wrong.double().numpy())
    return lambda x, score: torch.from_numpy(regression.predict(_downsampled(x)))


def _downsampled(x: Tensor) -> np.ndarray:
    return functional.avg_pool2d(loop.preprocess(x), POOLING_SIDE).flatten(1).numpy()


ERROR_ESTIMATORS: dict[str, Callable[[Tensor, Tensor, Tensor, Tensor, int], ErrorEstimator]] = {
    "constant": _constant,
    "temperature": _temperature,
    "isotonic": _isotonic,
    "logistic": _logistic,
    "network": _network,
    "neighbours": _neighbours,
}


def fit_error_estimator(name: str, *, x: Tensor, scores: Tensor, m: Tensor, y: Tensor, seed: int = 0) -> ErrorEstimator:
    """Estimate P(M != Y | x) from examples that the client was not trained on.

    "constant" is the client's error rate; "temperature" 1 minus its temperature-scaled confidence; "isotonic"
    a monotone function of that confidence; "logistic" a logistic regression on its scores (`score_features`);
    "network" the rejector's network on the image; "neighbours" the share of errors among the 50 nearest images.

    Args:
        name: of the estimator, a key of ERROR_ESTIMATORS.
        x: (n, 3, 32, 32) uint8 images.
        scores: (n,) or (n, K) scores of the client.
        m: (n,) the client's labels.
        y: (n,) true labels.
        seed: of the network's initial weights and batches.

    Returns:
        A function of images and scores to (n,) probabilities in double precision.

    Raises:
        ValueError: if the name is unknown, lengths differ, labels do not have the coding of the scores, or there is
            no example.

    >>> y, m = torch.ones(4), torch.tensor([1, 1, 1, -1])
    >>> p = fit_error_estimator("constant", x=torch.zeros(4, 3, 32, 32), scores=3.0 * m, m=m, y=y)
    >>> p(torch.zeros(1, 3, 32, 32), torch.zeros(1))
    tensor([0.2500], dtype=torch.float64)

    Source: scikit-learn for isotonic and logistic regression and for nearest neighbours.
    """
    checks.one_of(ERROR_ESTIMATORS, name=name)
    checks.same_length(x=x, scores=scores)
    checks.one_dimensional(m=m, y=y)
    checks.same_length(scores=scores, y=y)
    labels_of(scores, m=m, y=y)
    if len(y) == 0:
        raise ValueError("expected at least one example, got none")
    return ERROR_ESTIMATORS[name](x, scores, m != y, y, seed)
