"""Analysis of chapter 01: what a system gains over its client alone."""

from l2h.evaluation.metrics import accuracy, client_server_correctness
from l2h.problem import Predictions


def gain_over_client(predictions: Predictions) -> float:
    """Accuracy of the system minus accuracy of the client: what all questions together buy.

    >>> p = Predictions(m=np.array([1, 1]), r=np.array([1.0, -1.0]), e=np.array([1.0, -1.0]), y=np.array([1, -1]))
    >>> gain_over_client(p)
    0.5
    """
    return accuracy(predictions) - float(client_server_correctness(predictions)[0].mean())


def gain_of_always_ask(predictions: Predictions) -> float:
    """Accuracy of the server minus accuracy of the client, on all examples.

    Questions at random at a rate q gain q times this, on average.
    """
    m_right, e_right = client_server_correctness(predictions)
    return float(e_right.mean() - m_right.mean())
