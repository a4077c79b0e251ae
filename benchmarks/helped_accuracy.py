"""Right answers per second of the server: of a helper's system, and of one that asks for every input.

A tree of the digits is the frozen client, a network with a hidden layer is the server, in a process of its own.
"""

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import psutil
from sklearn.datasets import load_digits
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from benchmarks.figures import Figure
from benchmarks.serving import processor_seconds
from l2h.serving.device import Device
from l2h.serving.estimator.classifier import LearningToHelpClassifier
from l2h.serving.folder import read_card, write_card
from tests.helpers.faults import ServerProcess

CLIENT_ROWS, FIT_ROWS = 300, 900  # of 1,797; the others are for the test
SMALLEST_TIME = 0.3  # processor seconds of the server; the system counts them in steps of 0.01
ASKS_ALL = 1e6  # a threshold above each score


class Served(NamedTuple):
    """Answers of a device with its server."""

    accuracy: float
    server_seconds: float  # processor time of the server per input
    asked: float  # share of inputs


def figures(smallest_time: float = SMALLEST_TIME) -> Iterator[Figure]:
    """Right answers per second of the server's processor time, all and those beyond the client's, over asking for all.

    A second of the server is spent on requests; a device that keeps an input spends none.
    """
    with tempfile.TemporaryDirectory() as scratch:
        folder, everything = Path(scratch) / "helper", Path(scratch) / "asks_all"
        x, y = fit_helper(folder)
        shutil.copytree(folder, everything)
        write_card(everything, replace(read_card(folder), threshold=ASKS_ALL))
        with Device(folder) as alone:
            client = float(np.mean([answer.label == label for answer, label in zip(alone.answers(x), y, strict=True)]))
        with ServerProcess(folder) as server:
            process = psutil.Process(server.process.pid)
            system, all_asked = serve([folder, everything], server.url, process, x, y, smallest_time)
    per_second = [each.accuracy / each.server_seconds for each in (system, all_asked)]
    gained = [(each.accuracy - client) / each.server_seconds for each in (system, all_asked)]
    asked = f"where every input is asked; the system asks {system.asked:.0%}"
    for name, what, values in (
        ("right_answers_per_server_second", "right answers per second of server time", per_second),
        ("gained_answers_per_server_second", "right answers beyond the client's per second of server time", gained),
    ):
        yield Figure(name, values[0] / values[1], "ratio", f"{what} {asked}", values[0], values[1])
    yield Figure(
        "system_accuracy",
        system.accuracy / all_asked.accuracy,
        "ratio",
        f"accuracy {asked}",
        system.accuracy,
        all_asked.accuracy,
    )


def fit_helper(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Save a helper of the digits; inputs and labels of its test."""
    x, y = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(y))
    x, y = x[order].astype(np.float32), y[order]
    client = DecisionTreeClassifier(max_depth=6, random_state=0).fit(x[:CLIENT_ROWS], y[:CLIENT_ROWS])
    fit, test = slice(CLIENT_ROWS, CLIENT_ROWS + FIT_ROWS), slice(CLIENT_ROWS + FIT_ROWS, None)
    helper = LearningToHelpClassifier(
        client=FrozenEstimator(client),
        ce=0.2,
        method="two_stage",
        rejector=make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)),
        server=make_pipeline(StandardScaler(), MLPClassifier(128, tol=0.01)),
        random_state=0,
    )
    helper.fit(x[fit], y[fit]).save(folder)
    return x[test], y[test]


def serve(
    folders: Sequence[Path], url: str, process: psutil.Process, x: np.ndarray, y: np.ndarray, smallest_time: float
) -> list[Served]:
    """Let the devices of several helpers answer each input alone, in turns, until the server has worked long enough."""
    times = {"deadline": 20.0, "breaker_window": 120.0, "queue_timeout": 600.0}
    with ExitStack() as stack:
        devices = [stack.enter_context(Device(folder, url, **times)) for folder in folders]
        for device in devices:  # a first request costs more
            device.answers(x)
        spent, right, asked, n = *np.zeros((3, len(devices))), 0
        while spent.min() < smallest_time:
            n += len(x)
            for k, device in enumerate(devices):
                before = processor_seconds(process)
                answers = [device.answer(each) for each in x]
                spent[k] += processor_seconds(process) - before
                right[k] += sum(answer.label == label for answer, label in zip(answers, y, strict=True))
                asked[k] += sum(answer.source == "server" for answer in answers)
                if any(device.counts.fallback.values()):
                    raise RuntimeError(f"expected an answer to each request, got {dict(device.counts.fallback)}")
    return [Served(*map(float, row)) for row in np.transpose([right / n, spent / n, asked / n])]
