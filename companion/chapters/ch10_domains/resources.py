"""What the systems of chapter 10 need: bytes of messages, operations of networks, and times on a board and a link."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from IPython.display import Markdown
from torch import nn

from companion.chapters.ch10_domains.analysis import COMPARED_COSTS, CONSTANT, ByTask, tuned
from companion.chapters.ch10_domains.experiments import HELPER_SYSTEMS
from companion.chapters.ch10_domains.tasks import IMAGES, TASKS, example_sizes
from l2h.evaluation.metrics import accuracy, offload_rate, system_loss
from l2h.evaluation.resources import network_size
from l2h.serving.estimator.networks import default_network
from l2h.serving.http.protocol import encode_answer, encode_request
from l2h.serving.simulation.boards import NetworkNeeds, boards, dense_network, network_on_board
from l2h.serving.simulation.links import measured_link
from l2h.training.clients import CLIENTS

MEASURED_BOARD, MEASURED_LINK = "NUCLEO-H7A3ZI-Q", "LTE"  # one board and one link; the deployment chapter has others
N_DELAYS = 20_000  # draws of a request's delays


class TaskNeeds(NamedTuple):
    """What a task needs of the device and of the link."""

    client: NetworkNeeds
    rejector: NetworkNeeds
    request_bytes: int  # body of the message to the server, for one example
    answer_bytes: int  # body of the message back


def task_needs(name: str) -> TaskNeeds:
    """The needs of a task, from its networks and from the messages that the package sends.

    Args:
        name: in `tasks.TASKS`.
    """
    sizes = example_sizes(name)
    scores = np.zeros((1, sizes.classes if sizes.classes > 2 else 1), dtype=np.float32)
    return TaskNeeds(
        _lenet_needs(sizes.classes) if name == IMAGES else _linear_needs(sizes.client_inputs, sizes.client_classes),
        _dense_needs(default_network(sizes.sent, 1, role="rejector")),
        len(encode_request(sizes.sent)[1]),
        len(encode_answer(scores)[1]),
    )


def _linear_needs(inputs: int, classes: int) -> NetworkNeeds:
    """Those of a logistic regression, which has one score for two classes."""
    return dense_network(inputs, classes if classes > 2 else 1)


def _dense_needs(network: nn.Module) -> NetworkNeeds:
    """Those of the linear layers of a network."""
    layers = [layer for layer in network.modules() if isinstance(layer, nn.Linear)]
    return dense_network(layers[0].in_features, *(layer.out_features for layer in layers))


def _lenet_needs(classes: int) -> NetworkNeeds:
    network = CLIENTS["lenet"][0](classes)
    size, dense = network_size(network), _dense_needs(network)
    return NetworkNeeds(size.parameters, size.flops // 2 - dense.dense_macs, dense.dense_macs, dense.activations)


def request_seconds_of(needs: TaskNeeds, link: str = MEASURED_LINK) -> np.ndarray:
    """Seconds of requests on a measured link, without the server's own computation, (N_DELAYS,).

    Args:
        needs: of the task.
        link: name of the link.
    """
    delays = measured_link(link).delays((N_DELAYS,), sent=needs.request_bytes, received=needs.answer_bytes, seed=0)
    return delays.up + delays.down


def needs_table(by_task: ByTask) -> pd.DataFrame:
    """What each task needs: bytes of its messages, operations of its networks, and their times.

    Args:
        by_task: the results.

    Returns:
        One row per task; times of networks of 8-bit integers on MEASURED_BOARD, those of a request on MEASURED_LINK.
    """
    rows = {}
    for name in by_task:
        needs = task_needs(name)
        client, rejector = (network_on_board(boards()[MEASURED_BOARD], each) for each in (needs.client, needs.rejector))
        median, late = np.quantile(request_seconds_of(needs), [0.5, 0.99])
        rows[TASKS[name].title] = {
            "request, bytes": needs.request_bytes,
            "answer, bytes": needs.answer_bytes,
            "operations of the client": client.operations,
            "operations of the rejector": rejector.operations,
            "client, µs": _microseconds(client.seconds),
            "rejector, µs": _microseconds(rejector.seconds),
            "request, s (p50)": round(float(median), 3),
            "request, s (p99)": round(float(late), 3),
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def _microseconds(seconds: float) -> float:
    return round(1e6 * seconds, 2)


def decision_seconds(system: str, needs: TaskNeeds) -> tuple[float, float]:
    """Seconds on MEASURED_BOARD until a system has decided, and those of the client that follow where it keeps.

    Confidence is known when the client has answered. A rejector decides first, and the client follows if it keeps.

    Args:
        system: in HELPER_SYSTEMS or CONSTANT.
        needs: of the task.
    """
    client, rejector = (
        network_on_board(boards()[MEASURED_BOARD], each).seconds for each in (needs.client, needs.rejector)
    )
    if system == "confidence":
        return client, 0.0
    return (0.0 if system in CONSTANT else rejector), client


def per_answer_table(by_task: ByTask) -> pd.DataFrame:
    r"""Accuracy, coverage and loss of each system beside the bytes and the seconds of an answer.

    .. math:: \text{bytes} = q \, (B_\text{request} + B_\text{answer}), \qquad
              \text{seconds} = t_\text{decision} + q \, E[t_\text{request}] + (1 - q) \, t_\text{client}

    with the share q that is asked at the threshold of least validation loss. The server's own computation is left out.

    Args:
        by_task: the results.

    Returns:
        One row per task and system, means over seeds and test examples.
    """
    rows = {}
    for name, results in by_task.items():
        needs = task_needs(name)
        request = float(request_seconds_of(needs).mean())
        for system in (*HELPER_SYSTEMS, *CONSTANT):
            decided = tuned(results, system)
            share = float(np.mean([offload_rate(p) for p in decided]))
            decision, after = decision_seconds(system, needs)
            rows[name, system] = {
                "accuracy": round(float(np.mean([accuracy(p) for p in decided])), 3),
                "coverage": round(1 - share, 3),
                "loss": round(float(np.mean([system_loss(p, costs=COMPARED_COSTS) for p in decided])), 3),
                "kB per answer": round(share * (needs.request_bytes + needs.answer_bytes) / 1000, 3),
                "decision, µs": _microseconds(decision),
                "answer, s": round(decision + share * request + (1 - share) * after, 4),
            }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(["task", "system"])


def describe_needs(by_task: ByTask) -> Markdown:
    """Sentences on what decides sooner, the rejector or the client, and on what an answer's time consists of.

    Args:
        by_task: the results.
    """
    needs = {name: task_needs(name) for name in by_task}
    larger = [name for name, each in needs.items() if each.rejector.operations > each.client.operations]
    slowest = max(decision_seconds(system, each)[0] for each in needs.values() for system in HELPER_SYSTEMS)
    request = min(float(np.median(request_seconds_of(each))) for each in needs.values())
    return Markdown(
        f"On {len(larger)} of {len(needs)} tasks the rejector has more operations than the client. The slowest "
        f"decision takes {1000 * slowest:.2f} ms on {MEASURED_BOARD}; half of the requests over {MEASURED_LINK} take "
        f"{1000 * request:.0f} ms or more on every task."
    )
