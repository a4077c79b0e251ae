"""The examples of a fit, their three disjoint parts, and what the methods of the registry read of them."""

from typing import NamedTuple

import numpy as np
import torch

from l2h.methods.base import Examples, Splits
from l2h.problem import Predictions
from l2h.serving.estimator.scorers import Scorer


class LabelledInputs(NamedTuple):
    """The examples of a fit."""

    x: np.ndarray  # (n, ...) float32 or uint8
    y: np.ndarray  # (n,) class indices
    m: np.ndarray  # (n,) the client's class indices
    scores: np.ndarray | None  # the client's scores, (n,) or (n, K)
    classes: np.ndarray  # the user's labels, sorted

    def rows(self, index: np.ndarray) -> "LabelledInputs":
        """The examples of some rows."""
        scores = None if self.scores is None else self.scores[index]
        return LabelledInputs(self.x[index], self.y[index], self.m[index], scores, self.classes)


class SplitRows(NamedTuple):
    """Rows of the three disjoint parts."""

    train: np.ndarray  # rejector and server are trained here
    calibration: np.ndarray  # temperatures and error rates are estimated here
    validation: np.ndarray  # the threshold is chosen here


def split_rows(y: np.ndarray, seed: int) -> SplitRows:
    """About 70 % of the rows for training, 10 % for calibration and 20 % for the threshold, stratified by class.

    The first row of each class, in random order, is for training; of each ten of the others two are for validation and
    one is for calibration. Where that leaves none for calibration, the rows of validation serve for it, too.

    Args:
        y: (n,) class indices.
        seed: of the random order.

    Returns:
        Rows in rising order.

    Raises:
        ValueError: if there is no row beside one of each class.

    >>> [len(part) for part in split_rows(np.arange(100) % 2, seed=0)]
    [70, 10, 20]
    """
    order = np.random.default_rng(seed).permutation(len(y))
    order = order[np.argsort(y[order], kind="stable")]
    first = np.append(True, np.diff(y[order]) > 0)
    rest = order[~first]
    if len(rest) == 0:
        raise ValueError(f"expected more examples than classes, got n_samples={len(y)} and {int(first.sum())} classes")
    position = np.arange(len(rest)) % 10
    validation, calibration = rest[np.isin(position, (0, 4))], rest[position == 2]
    train = np.concatenate([order[first], rest[~np.isin(position, (0, 2, 4))]])
    calibration = calibration if len(calibration) else validation
    return SplitRows(*(np.sort(rows) for rows in (train, calibration, validation)))


def as_examples(data: LabelledInputs, server_scores: np.ndarray | None = None) -> Examples:
    """Examples of the registry's methods: inputs flattened to (n, D, 1, 1), labels -1/+1 for two classes.

    Args:
        data: the examples.
        server_scores: of a server trained beforehand.

    Returns:
        The examples; where the client has no scores, they are zeros.
    """
    n, n_classes = len(data.y), len(data.classes)
    x = torch.from_numpy(np.ascontiguousarray(data.x).reshape(n, -1, 1, 1))
    scores = torch.zeros(n) if n_classes == 2 else torch.zeros(n, n_classes)
    if data.scores is not None:
        scores = torch.from_numpy(data.scores)
    y, m = (torch.from_numpy(_coded(labels, n_classes)) for labels in (data.y, data.m))
    return Examples(x, y, m, scores, None if server_scores is None else torch.from_numpy(server_scores))


def with_scores_as_inputs(splits: Splits) -> Splits:
    """The splits for a rejector that reads the client's scores: they stand where the inputs stood."""
    train, calibration, validation = (
        part._replace(x=part.client_scores.reshape(len(part.y), -1, 1, 1))
        for part in (splits.train, splits.calibration, splits.validation)
    )
    return Splits(train, calibration, validation)


def part_predictions(rejector: Scorer, server: Scorer, data: LabelledInputs) -> Predictions:
    """Predictions of rejector and server on examples, without a threshold.

    Args:
        rejector: fitted.
        server: fitted.
        data: the examples; the client's scores where the rejector reads them.

    Returns:
        `Predictions`, with labels -1/+1 for two classes.
    """
    values = data.x if rejector.reads == "x" else data.scores
    assert values is not None
    n_classes = len(data.classes)
    return Predictions(_coded(data.m, n_classes), rejector(values), server(data.x), _coded(data.y, n_classes))


def _coded(index: np.ndarray, n_classes: int) -> np.ndarray:
    return 2 * index - 1 if n_classes == 2 else index
