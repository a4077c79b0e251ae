"""Published files are found, checked and downloaded as stated; the hosts are a server of this test."""

import hashlib
import io
import logging
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from helpers import publications
from torchvision.datasets import CIFAR100

from l2h.data import published, sources

REAL = dict(published.PUBLICATIONS)
NAMES = tuple(REAL)


@pytest.fixture(autouse=True)
def small_world(tmp_path, monkeypatch):
    """A user with an empty cache and no data folder; small files count as the published ones."""
    for name in ("L2H_DATA", "http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    publications.count_as_published(monkeypatch, tmp_path / "scratch")
    published._download.cache_clear()
    yield
    published._download.cache_clear()


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache" / "l2h"


def served_files(name):
    """What the hosts of a set send, by the download's position: CIFAR-100 as an archive, FSDD packed by the host."""
    files = publications.FILES[name][0]()
    if name == "fsdd":
        return [publications.zipped({"README.md": b"", **publications.recordings()}, prefix="repository-26eb9aaf/")]
    if name != "cifar100":
        return list(files.values())
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for file, content in files.items():
            entry = tarfile.TarInfo(f"cifar-100-python/{file}")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return [packed.getvalue()]


@pytest.fixture
def host(monkeypatch):
    """Serve contents by position; returns a function that sends the downloads of a set there."""
    contents, asked = [], []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            content = contents[int(self.path.strip("/"))]
            self.send_response(200 if content is not None else 404)
            self.send_header("Content-Length", str(len(content or b"")))
            self.end_headers()
            try:
                self.wfile.write(content or b"")
            except ConnectionError:  # the first request only asks whether anybody answers
                self.close_connection = True

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()

    def serve(name, served):
        contents[:] = served
        publication = published.PUBLICATIONS[name]
        first = publication.editions[0]
        downloads = [
            download._replace(
                url=f"http://127.0.0.1:{server.server_port}/{k}",
                archive_hash=f"sha256:{publications.sha256(served_files(name)[k])}" if download.archive_hash else "",
            )
            for k, download in enumerate(first.downloads)
        ]
        first = first._replace(downloads=tuple(downloads))
        editions = (first, *publication.editions[1:])
        monkeypatch.setitem(published.PUBLICATIONS, name, publication._replace(editions=editions))
        return asked

    yield serve
    server.shutdown()
    thread.join()
    server.server_close()


def snapshot(folder):
    return {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in folder.rglob("*")}


# what is pinned


@pytest.mark.parametrize("name", NAMES)
def test_every_published_file_has_a_hash_and_a_secure_address(name):
    publication = REAL[name]
    assert publication.licence and publication.citation
    lengths = {"md5": 32, "sha256": 64, "members": 64}
    for edition in publication.editions:
        archive_hashes = [download.archive_hash for download in edition.downloads if download.archive_hash]
        for known_hash in (*edition.hashes.values(), *archive_hashes):
            kind, _, digest = known_hash.partition(":")
            assert len(digest) == lengths[kind] and set(digest) <= set("0123456789abcdef")
        for download in edition.downloads:
            assert download.url.startswith("https://")
            assert download.saved_as in edition.hashes or download.archive_hash
    assert publication.editions[0].downloads and not publication.editions[0].lacks


def test_cifar100_has_the_hashes_of_torchvision():
    first = REAL["cifar100"].editions[0]
    listed = [*CIFAR100.train_list, *CIFAR100.test_list, (CIFAR100.meta["filename"], CIFAR100.meta["md5"])]
    assert first.hashes == {name: f"md5:{md5}" for name, md5 in listed}
    assert first.downloads[0].archive_hash == f"md5:{CIFAR100.tgz_md5}"


def test_gas_readings_are_for_research_only():
    assert "research purposes only" in REAL["gas_drift"].licence


# a folder that holds files


@pytest.mark.parametrize(("name", "edition"), [(name, k) for name in NAMES for k in range(len(REAL[name].editions))])
def test_each_edition_is_found_and_only_read(tmp_path, name, edition):
    home = publications.write(tmp_path / "data", name, edition)
    before = snapshot(home)
    assert published.is_at_hand(name, tmp_path / "data") and not published.is_at_hand(name)
    assert published.find_edition(name, tmp_path / "data") == (home, published.PUBLICATIONS[name].editions[edition])
    assert snapshot(home) == before


def test_the_published_edition_comes_before_others(tmp_path):
    home = publications.write(tmp_path, "smartwatch", 1)
    publications.write(tmp_path, "smartwatch", 0)
    found = published.find_edition("smartwatch", tmp_path)
    assert found == (home, published.PUBLICATIONS["smartwatch"].editions[0])


def test_the_argument_comes_before_the_variable_and_that_before_the_cache(tmp_path, cache, monkeypatch):
    assert published.find_edition("clinc150", folder=publications.write(tmp_path / "a", "clinc150").parent)[0].is_dir()
    assert published.cache_folder() == cache
    publications.write(cache, "clinc150")
    assert published.find_edition("clinc150")[0] == cache / "clinc150"
    publications.write(tmp_path / "b", "clinc150")
    monkeypatch.setenv("L2H_DATA", str(tmp_path / "b"))
    assert published.find_edition("clinc150")[0] == tmp_path / "b" / "clinc150"
    assert published.find_edition("clinc150", tmp_path / "a")[0] == tmp_path / "a" / "clinc150"


@pytest.mark.parametrize("name", NAMES)
def test_a_folder_without_the_set_is_no_reason_to_download(tmp_path, host, name):
    asked = host(name, served_files(name))
    with pytest.raises(published.NotAvailableError, match=r"not available \(no .* in .*Set L2H_DATA ") as caught:
        published.find_edition(name, tmp_path / "data")
    assert "fallback" not in str(caught.value)  # which is an option of `domains.load` alone
    assert asked == []


@pytest.mark.parametrize(
    ("name", "edition", "file"),
    [
        ("cifar100", 0, "train"),
        ("cifar100", 1, "SHA256SUMS"),
        ("cifar100", 1, "train/baby.webp"),
        ("clinc150", 0, "domains.json"),
        ("smartwatch", 0, "watch_dataset.npy"),
        ("smartwatch", 1, "smartwatch.npz"),
        ("gas_drift", 0, "uci270.zip"),
        ("gas_drift", 1, "gas_drift.npz"),
    ],
)
def test_a_file_that_differs_is_named(tmp_path, name, edition, file):
    path = publications.write(tmp_path, name, edition) / file
    content = bytearray(path.read_bytes())
    content[-2] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"expected {path} with (md5|sha256) [0-9a-f]+, got [0-9a-f]+: replace"):
        published.find_edition(name, tmp_path)


def test_a_recording_that_differs_is_seen_and_another_packing_is_not(tmp_path):
    path = publications.write(tmp_path, "fsdd") / "recordings.zip"
    files = publications.recordings()
    path.write_bytes(publications.zipped(dict(reversed(files.items())), prefix="elsewhere/"))
    published.find_edition("fsdd", tmp_path)
    name, content = next(iter(files.items()))
    for changed in ({**files, name: content[:-1] + b"?"}, {**files, "recordings/new.wav": content}):
        path.write_bytes(publications.zipped(changed))
        with pytest.raises(ValueError, match="with members"):
            published.find_edition("fsdd", tmp_path)
    path.write_bytes(b"no archive")
    with pytest.raises(ValueError, match="as a zip archive"):
        published.find_edition("fsdd", tmp_path)


@pytest.mark.parametrize(
    ("name", "edition", "file"), [("clinc150", 0, "domains.json"), ("cifar100", 1, "test/pear.webp")]
)
def test_a_missing_file_is_named(tmp_path, name, edition, file):
    home = publications.write(tmp_path, name, edition)
    (home / file).unlink()
    with pytest.raises(FileNotFoundError, match=rf"no (\./)?{file} in {home}: complete or delete") as caught:
        published.find_edition(name, tmp_path)
    assert not isinstance(caught.value, published.NotAvailableError)


def test_what_does_not_fit_is_refused(tmp_path):
    for function in (published.find_edition, published.is_at_hand):
        with pytest.raises(ValueError, match=r"expected name to be one of 'cifar100', .* got 'mnist'"):
            function("mnist")
        with pytest.raises(ValueError, match="got a blank"):
            function("fsdd", " ")
    with pytest.raises(ValueError, match="expected kind to be one of"):
        published.file_hash(tmp_path, "crc32")


# the download


@pytest.mark.parametrize("name", NAMES)
def test_the_first_download_shows_licence_and_citation_and_fills_the_cache(cache, host, caplog, name):
    asked = host(name, served_files(name))
    home, edition = published.find_edition(name)
    assert home == cache / edition.folder and edition == published.PUBLICATIONS[name].editions[0]
    assert [path.name for path in cache.iterdir()] == [edition.folder]
    notices = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(notices) == 1
    assert f"Licence: {REAL[name].licence}. Please cite: {REAL[name].citation}." in notices[0]
    count = len(asked)
    assert published.find_edition(name) == (home, edition) and len(asked) == count
    assert len([record for record in caplog.records if record.levelno >= logging.WARNING]) == 1


@pytest.mark.parametrize("name", NAMES)
def test_a_download_that_differs_is_refused_and_not_kept(cache, host, name):
    host(name, [b"<html>Please log in</html>" for _ in served_files(name)])
    with pytest.raises(ValueError, match=r"the source of .* sent something else .*Set L2H_DATA"):
        published.find_edition(name)
    assert list(cache.iterdir()) == []


def test_of_two_files_none_is_kept_if_one_is_missing(cache, host):
    host("clinc150", [served_files("clinc150")[0], None])
    with pytest.raises(published.NotAvailableError, match="404"):
        published.find_edition("clinc150")
    assert not cache.exists()


def test_a_host_that_stays_silent_is_left_after_patience_and_asked_once(monkeypatch):
    calls = []

    def silent(url):
        calls.append(url)
        raise TimeoutError("no answer within 6 s")

    monkeypatch.setattr(sources, "_check_reachable", silent)
    for _ in range(2):
        with pytest.raises(published.NotAvailableError, match=r"\(no answer within 6 s\)"):
            published.find_edition("fsdd")
    assert len(calls) == 1


def test_a_cache_that_cannot_be_written_is_an_error(cache, host):
    host("clinc150", served_files("clinc150"))
    cache.parent.write_text("a file where the folder should be")
    with pytest.raises(OSError, match=rf"cannot write CLINC150 to {cache} \(.*\)\. Set L2H_DATA"):
        published.find_edition("clinc150")


def test_the_members_of_an_archive_come_in_the_order_of_their_names(tmp_path):
    path = Path(tmp_path, "some.zip")
    path.write_bytes(publications.zipped({"b/2.wav": b"two", "a/3.wav": b"three", "c/1.wav": b"one", "d.txt": b""}))
    assert list(published.wav_members(path)) == [("1.wav", b"one"), ("2.wav", b"two"), ("3.wav", b"three")]
    content = path.read_bytes()
    assert published.file_hash(path, "md5") == hashlib.md5(content, usedforsecurity=False).hexdigest()
    assert published.file_hash(path, "sha256") == publications.sha256(content)
    members = ((b"1.wav", b"one"), (b"2.wav", b"two"), (b"3.wav", b"three"))
    joined = b"".join(name + b"\0" + hashlib.sha256(sound).digest() for name, sound in members)
    assert published.file_hash(path, "members") == publications.sha256(joined)
