"""What the page on a frozen model of one's own runs: two legacy clients, and a server that is killed and comes back."""

import atexit
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from sklearn.datasets import load_digits
from torch import Tensor, nn

from companion.chapters.own_model.settings import Settings
from l2h.data.dataset import Split, load_dataset, scale_pixels
from l2h.serving.device import Device, DeviceAnswer
from l2h.training.clients import fit_client

PHASES = ANSWERING, AWAY, BACK = ("the server answers", "the server is killed", "the server is back")
PAUSE = 0.2  # seconds for which the device's breaker stays open


class OwnTask(NamedTuple):
    """Examples of a task, as a user has them."""

    x: np.ndarray
    y: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray


def new_folder() -> Path:
    """A folder for helpers that is new in each execution, and is removed when the process ends."""
    folder = Path(tempfile.mkdtemp(prefix="l2h-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def table_task() -> tuple[OwnTask, OwnTask]:
    """Handwritten digits as a table of 64 columns, ten classes: what the client saw, and what its helper is fitted on.

    Returns:
        The task of the client and that of the helper; both have the same test rows.
    """
    x, y = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(y))
    client, helper, test = np.split(order, [300, 1200])
    x_test, y_test = x[test], y[test]
    return OwnTask(x[client], y[client], x_test, y_test), OwnTask(x[helper], y[helper], x_test, y_test)


def image_task(settings: Settings) -> tuple[OwnTask, nn.Module]:
    """Images of two classes, and a linear client in torch that was trained on others.

    Args:
        settings: numbers of images, and data.

    Returns:
        The task of the helper, and the client.
    """
    dataset, n_client = load_dataset(source=settings.data), settings.n_client
    client = fit_client(Split(dataset.client.x[:n_client], dataset.client.y[:n_client]), kind="well_trained", seed=0)
    task = OwnTask(*_arrays(dataset.train, settings.n_fit), *_arrays(dataset.test, settings.n_test))
    return task, LegacyClient(client)


def _arrays(split: Split, n: int) -> tuple[np.ndarray, np.ndarray]:
    return split.x[:n].numpy(), split.y[:n].numpy()


class LegacyClient(nn.Module):
    """A client as it runs on the device: it reads the camera's bytes, so that their scaling is part of it.

    Args:
        network: from pixels in [-1, 1] to scores.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        """Scores of images of bytes."""
        return self.network(scale_pixels(x))


class ServerProcess:
    """The command `l2h serve` in a process of its own, so that it can be killed.

    Args:
        folder: of a saved helper.
        port: 0 takes a free one.

    Raises:
        RuntimeError: if it does not become ready.
    """

    def __init__(self, folder: Path, *, port: int = 0) -> None:
        command = [sys.executable, "-m", "l2h.cli", "serve", str(folder), "--port", str(port), "--json"]
        environment = {name: value for name, value in os.environ.items() if name != "L2H_TOKEN"}
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        state: dict[str, Any] = json.loads(line) if line else {"fault": f"it ended ({self._process.wait()})"}
        if state["fault"] is not None:
            self.kill()
            raise RuntimeError(f"expected a server that is ready, got: {state['fault']}")
        self.url: str = state["url"]

    @property
    def port(self) -> int:
        """The port of its address."""
        return int(self.url.rpartition(":")[2])

    def kill(self) -> None:
        """End the process at once, as a power cut would; again, it does nothing."""
        self._process.kill()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()


@contextmanager
def running_server(folder: Path, *, port: int = 0) -> Iterator[ServerProcess]:
    """A server process while the context lasts.

    Args:
        folder: of a saved helper.
        port: 0 takes a free one.
    """
    server = ServerProcess(folder, port=port)
    try:
        yield server
    finally:
        server.kill()


def outage(folder: Path, x: np.ndarray, *, n_requests: int) -> dict[str, list[DeviceAnswer]]:
    """The answers of a device while its server answers, after it was killed, and when it is back at the same address.

    Args:
        folder: of a saved helper.
        x: (n, ...) inputs, repeated as often as necessary.
        n_requests: inputs in each phase.

    Returns:
        Phase -> the answer for each input. The deadline is far longer than an answer takes, so that a busy machine
        changes latencies alone.
    """
    inputs = x[np.arange(len(PHASES) * n_requests) % len(x)].reshape(len(PHASES), n_requests, *x.shape[1:])
    with running_server(folder) as server:
        device = Device(folder, server.url, deadline=10.0, breaker_window=60.0, queue_timeout=120.0, pause=PAUSE)
        with device:
            answers = {ANSWERING: [device.answer(each) for each in inputs[0]]}
            server.kill()
            answers[AWAY] = [device.answer(each) for each in inputs[1]]
            with running_server(folder, port=server.port):
                time.sleep(2 * PAUSE)  # the breaker then lets one probe through
                answers[BACK] = [device.answer(each) for each in inputs[2]]
    return answers
