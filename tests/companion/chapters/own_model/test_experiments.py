"""Tasks of the page, and an outage against a real process: every input has the answer that it should have."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from helpers.serving import small_helper
from sklearn.datasets import load_digits

from companion.chapters.own_model import analysis, experiments
from companion.chapters.own_model.settings import Settings
from l2h.data.dataset import scale_pixels
from l2h.serving.device import Device
from l2h.serving.estimator.classifier import LearningToHelpClassifier

X = np.random.default_rng(0).integers(0, 256, size=(10, 1, 2, 2), dtype=np.uint8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("served") / "helper"
    small_helper(folder, shape=(1, 2, 2), dtype="uint8", threshold=-0.25)
    return folder


def test_the_table_is_split_into_rows_that_no_other_part_has():
    legacy, helper = experiments.table_task()
    assert [part.shape for part in (legacy.x, helper.x, helper.x_test)] == [(300, 64), (900, 64), (597, 64)]
    assert (legacy.x_test == helper.x_test).all() and (legacy.y_test == helper.y_test).all()
    rows = np.concatenate([legacy.x, helper.x, helper.x_test])
    assert (np.sort(rows, axis=0) == np.sort(load_digits().data, axis=0)).all()
    assert len(np.unique(helper.y)) == len(np.unique(legacy.y)) == 10


def test_the_images_are_bytes_and_the_client_scales_them_itself():
    settings = Settings("quick", n_client=60, n_fit=40, n_test=30, n_requests=5, data="digits")
    task, client = experiments.image_task(settings)
    assert task.x.dtype == np.uint8 and (len(task.x), len(task.y), len(task.x_test), len(task.y_test)) == (
        40,
        40,
        30,
        30,
    )
    assert not isinstance(client.network, experiments.LegacyClient)
    with torch.no_grad():
        scores = client(torch.from_numpy(task.x))
        assert torch.equal(scores, client.network(scale_pixels(torch.from_numpy(task.x))))
    assert len(scores) == 40 and scores.isfinite().all()


def test_in_an_outage_every_input_has_the_answer_that_it_should_have(folder):
    n = 12
    answers = experiments.outage(folder, X, n_requests=n)
    assert list(answers) == list(experiments.PHASES) and [len(each) for each in answers.values()] == [n] * 3
    sources = [{answer.source for answer in each} for each in answers.values()]
    assert sources == [{"client", "server"}, {"client", "fallback"}, {"client", "server"}]
    evidence = analysis.outage_evidence(answers, LearningToHelpClassifier.load(folder), X)
    assert {case: each.estimate for case, each in evidence.items()} == {
        "while the server answers": 0.0,
        "while it is away": 0.0,
    }


def test_a_server_that_does_not_become_ready_is_an_error(tmp_path):
    with pytest.raises(RuntimeError, match=r"^expected a server that is ready, got: it ended \(1\)$"):
        experiments.ServerProcess(tmp_path)


def test_a_server_that_fails_its_check_is_killed(folder, monkeypatch):
    started = []

    class NotReady(subprocess.Popen):
        def __init__(self, command, **options):
            state = json.dumps({"url": "http://127.0.0.1:1", "ready": False, "fault": "wrong scores"})
            script = f"import time; print({state!r}, flush=True); time.sleep(600)"
            super().__init__([sys.executable, "-c", script], **options)
            started.append(self)

    monkeypatch.setattr(experiments.subprocess, "Popen", NotReady)
    with pytest.raises(RuntimeError, match=r"got: wrong scores$"):
        experiments.ServerProcess(folder)
    assert started[0].returncode < 0


def test_the_server_needs_no_token_of_the_environment_and_ends_with_its_context(folder, monkeypatch):
    monkeypatch.setenv("L2H_TOKEN", "secret")
    with experiments.running_server(folder) as server:
        assert server.url.endswith(f":{server.port}")
        with Device(folder, server.url, deadline=60, breaker_window=600, queue_timeout=1200) as device:
            assert "server" in {answer.source for answer in device.answers(X)}
    server.kill()  # again


def test_each_folder_is_new_and_empty():
    first, second = experiments.new_folder(), experiments.new_folder()
    assert first != second and not any(first.iterdir())
    first.rmdir(), second.rmdir()
