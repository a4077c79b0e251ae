"""Analysis of chapter 01: the gain of a system over its client alone, and the signatures of failures."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from l2h.evaluation.metrics import accuracy, client_server_correctness, offload_rate
from l2h.models.networks import mlp
from l2h.problem import Predictions


def gain_over_client(predictions: Predictions) -> float:
    """Accuracy of the system minus accuracy of the client on all examples.

    >>> p = Predictions(m=np.array([1, 1]), r=np.array([1.0, -1.0]), e=np.array([1.0, -1.0]), y=np.array([1, -1]))
    >>> gain_over_client(p)
    0.5
    """
    return accuracy(predictions) - float(client_server_correctness(predictions)[0].mean())


def gain_of_always_ask(predictions: Sequence[Predictions]) -> float:
    """Accuracy of the server minus accuracy of the client on all examples, averaged over seeds.

    Random offloading at a rate q gains q times this on average.

    Args:
        predictions: of one system, one per seed.
    """
    correct = [client_server_correctness(p) for p in predictions]
    return float(np.mean([e_right.mean() - m_right.mean() for m_right, e_right in correct]))


def count_rejector_parameters(hidden_units: int) -> int:
    """The number of parameters of a rejector with one hidden layer.

    >>> count_rejector_parameters(120)
    368881
    """
    return sum(weights.numel() for weights in mlp(hidden_units).parameters())


def failure_signatures(
    systems: Mapping[str, Sequence[Predictions]], histories: Mapping[str, Sequence[float]]
) -> pd.DataFrame:
    """The quantities by which an operator can recognise a failure, one row per system.

    Args:
        systems: name -> predictions, one per seed.
        histories: name -> training loss of each epoch, of one seed.

    Returns:
        Offload rate, gain in accuracy, gain per query (NaN where nothing is asked), the largest training loss
        relative to the first, and the number of epochs in which the training loss increased.
    """
    rows = {}
    for name, predictions in systems.items():
        rate = float(np.mean([offload_rate(p) for p in predictions]))
        gain = float(np.mean([gain_over_client(p) for p in predictions]))
        history = histories[name]
        rows[name] = {
            "offload rate": rate,
            "gain in accuracy": gain,
            "gain per query": gain / rate if rate > 0 else float("nan"),
            "training loss, largest over first": max(history) / history[0],
            "epochs in which it increased": int((np.diff(history) > 0).sum()),
        }
    return pd.DataFrame.from_dict(rows, orient="index")
