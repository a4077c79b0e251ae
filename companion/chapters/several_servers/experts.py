"""A client that knows little, three servers that each know something, and one that knows everything."""

from typing import NamedTuple

import numpy as np

from l2h.data import domains
from l2h.data.labelled import LabelledData
from l2h.data.published import NotAvailableError

PENALTY = 1.0  # of the least squares
CLIENT_COLUMNS = 256  # features that the client reads; the other models read all
DIGIT_GROUPS = (0, 0, 0, 0, 1, 1, 1, 2, 2, 2)  # the group of each digit, where digits stand for queries
EXPERT_COUNT = 3


class ExpertTask(NamedTuple):
    """Examples of many classes in several domains, as features."""

    name: str
    banner: str  # not empty where other data than CLINC150 stand in
    x_train: np.ndarray  # (n, d)
    y_train: np.ndarray  # (n,) classes
    x_test: np.ndarray
    y_test: np.ndarray
    domain_of: np.ndarray  # (K,) domain of each class
    known: np.ndarray  # domains that the client knows
    sha256: str


class LinearClassifier(NamedTuple):
    """Scores of some classes, linear in the first columns of the features."""

    weights: np.ndarray  # (columns + 1, number of its classes), the constant last
    classes: np.ndarray

    def predict(self, x: np.ndarray) -> np.ndarray:
        """The class of the largest score, (n,)."""
        columns = len(self.weights) - 1
        return self.classes[(x[:, :columns] @ self.weights[:-1] + self.weights[-1]).argmax(1)]


class ModelErrors(NamedTuple):
    """What client and servers say of the examples on which rejectors are fitted, and of the test examples."""

    x: np.ndarray  # (n, d) of the former
    client_wrong: np.ndarray  # (n,)
    servers_wrong: np.ndarray  # (n, 4): the experts, then the big server
    x_test: np.ndarray
    client_wrong_test: np.ndarray
    servers_wrong_test: np.ndarray


def load_task(source: str) -> ExpertTask:
    """CLINC150's queries as hashed n-grams; for "digits", or where CLINC150 is not available, digits.

    Args:
        source: "cifar10" or "digits", the page's parameter.
    """
    if source != "digits":
        try:
            return _queries(domains.load("clinc150"))
        except NotAvailableError as error:
            return _digits(f"{error}. Digits are used in its place: no number on queries is one on CLINC150.")
    return _digits("")


def _queries(data: LabelledData) -> ExpertTask:
    featured = domains.view(data, "ngrams")
    known = np.array([data.coarse_classes.index(name) for name in domains.KNOWN_DOMAINS])
    return _task(featured, np.array(data.coarse_of), known, "")


def _digits(banner: str) -> ExpertTask:
    data = domains.load("digits")
    return _task(data, np.array(DIGIT_GROUPS), np.array([0]), banner)


def _task(data: LabelledData, domain_of: np.ndarray, known: np.ndarray, banner: str) -> ExpertTask:
    x_train, x_test = (_as_features(part.x) for part in (data.train, data.test))
    sha256 = data.sha256
    return ExpertTask(data.name, banner, x_train, data.train.y, x_test, data.test.y, domain_of, known, sha256)


def _as_features(x: np.ndarray) -> np.ndarray:
    """Features as they are; of images every fourth pixel of one channel, in [0, 1]."""
    if x.ndim == 4:
        x = x[:, 0, ::4, ::4].reshape(len(x), -1) / 255
    return x.astype(np.float64)


def fit_linear(x: np.ndarray, y: np.ndarray, *, columns: int) -> LinearClassifier:
    """Least squares on coded classes with a penalty.

    Args:
        x: (n, d) features.
        y: (n,) classes.
        columns: how many features it reads, the first ones.
    """
    classes, index = np.unique(y, return_inverse=True)
    features = np.column_stack([x[:, :columns], np.ones(len(x))])
    gram = features.T @ features + PENALTY * np.eye(features.shape[1])
    return LinearClassifier(np.linalg.solve(gram, features.T @ np.eye(len(classes))[index]), classes)


def expert_domains(domain_of: np.ndarray) -> list[np.ndarray]:
    """The domains of each expert: all domains, divided in their order."""
    return np.array_split(np.unique(domain_of), EXPERT_COUNT)


def answers(task: ExpertTask, *, seed: int) -> ModelErrors:
    """Fit client and servers on one half of the training examples, and keep their errors on the other half.

    Args:
        task: the data.
        seed: of the halves.
    """
    order = np.random.default_rng(seed).permutation(len(task.y_train))
    fitted, held_out = np.array_split(order, 2)
    x, y = task.x_train[fitted], task.y_train[fitted]

    def of_domains(known: np.ndarray, columns: int) -> LinearClassifier:
        rows = np.isin(task.domain_of[y], known)
        return fit_linear(x[rows], y[rows], columns=columns)

    everything = np.unique(task.domain_of)
    client = of_domains(task.known, min(CLIENT_COLUMNS, x.shape[1]))
    servers = [of_domains(known, x.shape[1]) for known in (*expert_domains(task.domain_of), everything)]

    def wrong(model: LinearClassifier, rows: np.ndarray, labels: np.ndarray) -> np.ndarray:
        return model.predict(rows) != labels

    parts = (task.x_train[held_out], task.y_train[held_out]), (task.x_test, task.y_test)
    errors = [
        (rows, wrong(client, rows, labels), np.column_stack([wrong(server, rows, labels) for server in servers]))
        for rows, labels in parts
    ]
    return ModelErrors(*errors[0], *errors[1])
