"""CIFAR-10 is found, checked and downloaded as stated, and nothing takes its place in silence."""

import errno
import hashlib
import io
import logging
import os
import pickle
import shutil
import socket
import tarfile
import threading
import time
from collections import namedtuple
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import numpy as np
import pytest
import torch
import urllib3
from sklearn.datasets import load_digits
from torchvision.datasets import CIFAR10

from l2h.data import sources

FILES = "cifar-10-batches-py"
NAMES = [*(f"data_batch_{k}" for k in range(1, 6)), "test_batch", "batches.meta"]
ARCHIVE = "cifar-10-python.tar.gz"


def md5(content):
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def small_files():
    """The files of a CIFAR-10 with ten training images and four test images."""
    random, files = np.random.default_rng(0), {}
    for k, name in enumerate(NAMES[:-1]):
        n = 4 if name == "test_batch" else 2
        images = random.integers(0, 256, (n, 3072), dtype=np.uint8)
        files[name] = pickle.dumps({"data": images, "labels": [(k + i) % 10 for i in range(n)]})
    files["batches.meta"] = pickle.dumps({"label_names": list(sources.CLASSES["cifar10"])})
    return files


def small_archive():
    """The same, packed as it is published."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, content in small_files().items():
            entry = tarfile.TarInfo(f"{FILES}/{name}")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def write(folder):
    (folder / FILES).mkdir(parents=True)
    for name, content in small_files().items():
        (folder / FILES / name).write_bytes(content)
    return folder


@pytest.fixture(autouse=True)
def small_world(tmp_path, monkeypatch):
    """A user with an empty cache and no data folder; what counts as CIFAR-10 is small; no host is known."""
    for name in ("L2H_DATA", "http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    sums = {name: md5(content) for name, content in small_files().items()}
    monkeypatch.setattr(CIFAR10, "train_list", [[name, sums[name]] for name in NAMES[:5]])
    monkeypatch.setattr(CIFAR10, "test_list", [["test_batch", sums["test_batch"]]])
    monkeypatch.setattr(CIFAR10, "meta", {**CIFAR10.meta, "md5": sums["batches.meta"]})
    sources._download.cache_clear()
    sources._warn_fallback.cache_clear()
    yield
    sources._download.cache_clear()
    sources._warn_fallback.cache_clear()


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache" / "l2h"


@pytest.fixture
def no_network(monkeypatch):
    def refuse(*_, **__):
        raise ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")

    monkeypatch.setattr(urllib3.util.connection, "create_connection", refuse)


@contextmanager
def server(monkeypatch, answer):
    """A host that publishes CIFAR-10, and how it answers; yields the list of requests."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            answer(self)

        def log_message(self, *_):
            pass

    host = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=host.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setattr(CIFAR10, "url", f"http://127.0.0.1:{host.server_port}/{ARCHIVE}")
    try:
        yield asked
    finally:
        host.shutdown()
        thread.join()
        host.server_close()


def sends(content, announced=None):
    def answer(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", str(announced or len(content)))
        handler.end_headers()
        try:
            handler.wfile.write(content)
        except ConnectionError:  # the first request only asks whether anybody answers
            handler.close_connection = True

    return answer


@pytest.fixture
def published(monkeypatch):
    content = small_archive()
    monkeypatch.setattr(CIFAR10, "tgz_md5", md5(content))
    with server(monkeypatch, sends(content)) as asked:
        yield asked


def snapshot(folder):
    return {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in folder.rglob("*")}


# a folder that holds CIFAR-10


def test_images_are_what_the_files_hold(tmp_path):
    source, images = sources.read_images(folder=write(tmp_path / "data"))
    entries = [pickle.loads(small_files()[name]) for name in NAMES[:6]]
    assert source == "cifar10"
    assert images.x.dtype == images.x_test.dtype == np.uint8
    np.testing.assert_array_equal(images.x.reshape(-1, 3072), np.concatenate([one["data"] for one in entries[:5]]))
    np.testing.assert_array_equal(images.x_test.reshape(-1, 3072), entries[5]["data"])
    assert images.y.tolist() == [label for one in entries[:5] for label in one["labels"]]
    assert images.y_test.tolist() == entries[5]["labels"]


def test_the_argument_comes_before_the_variable_and_that_before_the_cache(tmp_path, cache, monkeypatch, no_network):
    argument, variable = write(tmp_path / "argument"), write(tmp_path / "variable")
    write(cache)
    assert sources.find_cifar10() == cache
    monkeypatch.setenv("L2H_DATA", str(variable))
    assert sources.find_cifar10() == variable
    assert sources.find_cifar10(argument) == sources.find_cifar10(str(argument)) == argument


def test_a_relative_folder_is_made_absolute(tmp_path, monkeypatch):
    write(tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("L2H_DATA", "data")
    assert sources.find_cifar10() == tmp_path / "data"


def test_the_cache_is_in_the_home_folder_by_default(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert sources.find_cifar10(write(tmp_path / ".cache" / "l2h")) == sources.find_cifar10()


def test_a_complete_folder_is_only_read_and_never_written(tmp_path, no_network):
    folder = write(tmp_path / "data")
    before = snapshot(tmp_path)
    first, second = (sources.read_images(folder=folder)[1] for _ in range(2))
    assert all(map(np.array_equal, first, second))
    assert len(first.x) == len(first.y)
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize("name", NAMES)
def test_every_file_is_checked(tmp_path, name):
    file = write(tmp_path) / FILES / name
    content = bytearray(file.read_bytes())
    content[-2] ^= 1
    file.write_bytes(content)
    with pytest.raises(ValueError) as caught:
        sources.read_images(folder=tmp_path)
    message = str(caught.value)
    assert "\n" not in message and "L2H_DATA" in message
    for warning_text in (str(file), md5(content), md5(small_files()[name]), f"{len(content)} bytes"):
        assert warning_text in message
    assert not any(other in message for other in NAMES if other != name)


def test_truncated_and_foreign_files_are_named_together(tmp_path):
    folder = write(tmp_path) / FILES
    (folder / "data_batch_2").write_bytes(small_files()["data_batch_2"][:100])
    (folder / "test_batch").write_bytes(b"another data set")
    with pytest.raises(ValueError, match=r"data_batch_2 has .*\(100 bytes\).*test_batch has .*\(16 bytes\)"):
        sources.read_images("cifar10", tmp_path)


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_file_is_named(tmp_path, name):
    (write(tmp_path) / FILES / name).unlink()
    with pytest.raises(FileNotFoundError, match=f"no {name} in .*complete or delete that folder"):
        sources.find_cifar10(tmp_path)


@pytest.mark.parametrize("folder", ["empty", "nowhere"])
def test_a_named_folder_without_cifar_never_falls_back(tmp_path, monkeypatch, folder, no_network):
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("L2H_DATA", str(tmp_path / folder))
    with pytest.raises(FileNotFoundError, match=f"no data_batch_1 in .*{folder}.*Set L2H_DATA"):
        sources.read_images()


def test_a_half_empty_cache_is_an_error(cache, no_network):
    (cache / FILES).mkdir(parents=True)
    with pytest.raises(FileNotFoundError, match="complete or delete"):
        sources.read_images()


@pytest.mark.parametrize("blank", ["", "  "])
def test_a_blank_name_is_refused(monkeypatch, blank):
    monkeypatch.setenv("L2H_DATA", blank)
    with pytest.raises(ValueError, match="got a blank"):
        sources.find_cifar10()


def test_the_files_that_differ_are_named_and_no_others(tmp_path):
    same, other = tmp_path / "same", tmp_path / "other"
    same.write_bytes(b"as published")
    other.write_bytes(b"as changed")
    expected = f"{other} has MD5 {md5(b'as changed')} (10 bytes) in place of {md5(b'as published')}"
    assert sources.checksum_mismatches(dict.fromkeys((same, other), md5(b"as published"))) == expected
    assert sources.checksum_mismatches({same: md5(b"as published")}) == sources.checksum_mismatches({}) == ""


def test_a_folder_is_named_by_the_argument_or_the_variable_or_not_at_all(tmp_path, monkeypatch):
    assert sources.configured_folder() is None
    monkeypatch.setenv("L2H_DATA", "~/data")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert (sources.configured_folder(), sources.configured_folder("/other")) == (
        tmp_path / "data",
        sources.Path("/other"),
    )
    with pytest.raises(ValueError, match=r"got a blank\. Set L2H_DATA"):
        sources.configured_folder(" ")


def test_sources_that_do_not_fit_are_refused(tmp_path):
    with pytest.raises(ValueError, match="one of None, 'cifar10', 'digits', got 'mnist'"):
        sources.read_images("mnist")
    with pytest.raises(ValueError, match="expected no folder with source='digits'"):
        sources.read_images("digits", tmp_path)


# nothing answers


def test_without_network_digits_take_the_place_and_the_log_says_so_once(cache, caplog, no_network):
    start = time.perf_counter()
    assert [sources.read_images()[0] for _ in range(3)] == ["digits"] * 3
    assert time.perf_counter() - start < 10
    assert [(record.levelno, record.name) for record in caplog.records] == [(logging.WARNING, "l2h.data.sources")]
    assert "Connection refused" in caplog.text and "digits" in caplog.text and "L2H_DATA" in caplog.text
    assert sources.find_cifar10() is None
    assert not cache.exists()


def test_asking_for_cifar_is_never_answered_with_digits(no_network):
    with pytest.raises(FileNotFoundError, match=r"not available .*Connection refused.*source='digits'"):
        sources.read_images("cifar10")


def test_asking_for_digits_needs_no_network(caplog, monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: pytest.fail("asked the network"))
    assert sources.read_images("digits")[0] == "digits"
    assert not caplog.records


def test_a_host_that_stays_silent_is_left_after_patience(monkeypatch, caplog):
    monkeypatch.setattr(sources, "DOWNLOAD_TIMEOUT", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setattr(CIFAR10, "url", f"http://127.0.0.1:{silent.getsockname()[1]}/{ARCHIVE}")
        start = time.perf_counter()
        assert sources.read_images()[0] == "digits"
        assert time.perf_counter() - start < 5
    assert len(caplog.records) == 1


def test_a_lookup_that_hangs_is_left_after_patience(monkeypatch):
    monkeypatch.setattr(sources, "DOWNLOAD_TIMEOUT", 0.3)
    over, threads = threading.Event(), threading.active_count()

    def hang(*_, **__):
        over.wait(30)
        raise socket.gaierror("never")

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    with pytest.raises(FileNotFoundError, match=r"no answer within 0\.3 s"):
        sources.read_images("cifar10")
    over.set()
    while threading.active_count() > threads:
        time.sleep(0.01)


def test_patience_is_below_ten_seconds():
    assert 0 < sources.DOWNLOAD_TIMEOUT < 10


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (lambda handler: handler.send_error(404), "404"),
        (lambda handler: handler.wfile.write(b"what?\r\n\r\n"), "what"),
        (lambda handler: None, "Remote end closed connection"),
    ],
)
def test_a_host_without_cifar_is_no_answer(monkeypatch, answer, reason):
    with server(monkeypatch, answer), pytest.raises(FileNotFoundError, match=reason):
        sources.read_images("cifar10")


# the download


def test_the_download_fills_the_cache_with_a_progress_bar(cache, published, capfd):
    assert sources.find_cifar10() == sources.find_cifar10() == cache
    assert {path.name for path in (cache / FILES).iterdir()} == set(NAMES)
    assert [path.name for path in cache.iterdir()] == [FILES]
    assert "100%" in capfd.readouterr().err
    assert socket.getdefaulttimeout() is None
    asked = len(published)
    assert sources.read_images()[0] == "cifar10"
    assert len(published) == asked


def test_a_download_that_differs_is_refused_and_not_kept(cache, monkeypatch):
    with server(monkeypatch, sends(b"<html>Please log in</html>")), pytest.raises(ValueError, match="its MD5 differs"):
        sources.read_images()
    assert list(cache.iterdir()) == []


def test_a_download_that_breaks_off_reads_as_broken_off_and_is_not_kept(cache, monkeypatch):
    content = small_archive()
    monkeypatch.setattr(CIFAR10, "tgz_md5", md5(content))
    with (
        server(monkeypatch, sends(content[:1000], announced=len(content))),
        pytest.raises(FileNotFoundError, match=r"not available \(the transfer broke off: .*1000 bytes read"),
    ):
        sources.read_images("cifar10")
    assert sources.find_cifar10() is None
    assert list(cache.iterdir()) == []


def test_a_download_that_stalls_is_left(cache, monkeypatch):
    monkeypatch.setattr(sources, "DOWNLOAD_TIMEOUT", 0.3)
    over = threading.Event()

    def stall(handler):
        sends(b"a beginning", announced=10**6)(handler)
        if len(asked) > 1:  # the first request only asks whether the host answers
            over.wait(30)

    with server(monkeypatch, stall) as asked:
        try:
            with pytest.raises(FileNotFoundError, match="timed out"):
                sources.read_images("cifar10")
        finally:
            over.set()
    assert list(cache.iterdir()) == []


def test_a_cache_that_cannot_be_written_is_an_error(cache, published):
    cache.parent.write_text("a file where the folder should be")
    with pytest.raises(OSError, match=rf"cannot write CIFAR-10 to {cache} \(.*\)\. Set L2H_DATA"):
        sources.read_images()


def test_a_disk_without_room_is_an_error_before_the_download(cache, published, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: namedtuple("Usage", "free")(10**6))
    with pytest.raises(OSError, match=r"No space left on device.*Set L2H_DATA") as caught:
        sources.read_images()
    assert caught.value.errno == errno.ENOSPC
    assert list(cache.iterdir()) == [] and len(published) == 1


def test_a_disk_that_fills_up_is_an_error(cache, published, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(tarfile.TarFile, "extractall", full)
    with pytest.raises(OSError, match=r"No space left on device.*Set L2H_DATA") as caught:
        sources.read_images()
    assert caught.value.errno == errno.ENOSPC
    assert list(cache.iterdir()) == []


def test_who_downloads_second_keeps_what_the_first_left(cache, published, monkeypatch):
    before = {}

    def meanwhile(_):
        write(cache)
        before.update(snapshot(cache / FILES))
        return namedtuple("Usage", "free")(10**12)

    monkeypatch.setattr(shutil, "disk_usage", meanwhile)
    assert sources.find_cifar10() == cache
    assert snapshot(cache / FILES) == before


# digits


def test_digits_are_enlarged_by_nearest_neighbours_in_three_equal_channels():
    images = sources.read_images("digits")[1]
    x = torch.from_numpy(np.concatenate([images.x, images.x_test]))
    assert x.shape == (1797, 3, 32, 32) and x.dtype == torch.uint8
    grey = torch.from_numpy(np.rint(load_digits().images / 16 * 255))
    large = torch.nn.functional.interpolate(grey[:, None], size=(32, 32), mode="nearest").to(torch.uint8)
    expected = {image.numpy().tobytes() for image in large}
    for channel in range(3):
        assert {image.numpy().tobytes() for image in x[:, channel]} == expected


def test_a_quarter_of_each_digit_is_for_the_test():
    images = sources.read_images("digits")[1]
    train, test = np.bincount(images.y), np.bincount(images.y_test)
    np.testing.assert_array_equal(train + test, np.bincount(load_digits().target))
    assert (np.abs(test - (train + test) / 4) <= 1).all()
