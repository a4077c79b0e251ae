"""Keys that change exactly when a result might, and a store that never shows half of one."""

import json
import os
import random
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest
from hypothesis import given
from hypothesis import strategies as st
from platformdirs import user_cache_path

from l2h.experiments import fingerprint
from l2h.experiments import store as experiments_store
from l2h.experiments.fingerprint import key
from l2h.experiments.store import Store

KEY = key(seed=1)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(JSON, JSON)
def test_different_facts_have_different_keys(one, other):
    assert (key(fact=one) == key(fact=other)) == (json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True))


@pytest.mark.parametrize("fact", [float("nan"), float("inf"), {1, 2}, object()])
def test_facts_that_are_not_json_are_refused(fact):
    with pytest.raises((TypeError, ValueError), match="JSON"):
        key(fact=fact)


@given(st.dictionaries(st.text(), JSON, max_size=3))
def test_what_is_put_is_got(tmp_path_factory, result):
    kept = Store(tmp_path_factory.mktemp("runs"))
    kept.put(KEY, result)
    assert kept.get(KEY) == result
    assert kept.get(key(seed=2)) is None
    assert KEY in kept and key(seed=2) not in kept


def test_floats_come_back_bitwise(tmp_path):
    numbers = [random.Random(seed).uniform(-1, 1) * 10.0**seed for seed in range(-300, 300, 7)]
    Store(tmp_path).put(KEY, {"numbers": numbers})
    assert Store(tmp_path).get(KEY) == {"numbers": numbers}


@pytest.mark.parametrize("result", [{"x": float("nan")}, {"x": [float("-inf")]}, {"x": {1}}])
def test_results_that_are_not_json_are_refused_and_leave_nothing(tmp_path, result):
    with pytest.raises((TypeError, ValueError), match="JSON"):
        Store(tmp_path).put(KEY, result)
    assert not list(tmp_path.iterdir())


def test_only_objects_are_kept(tmp_path):
    with pytest.raises(TypeError, match="expected a result as a dict, got list"):
        Store(tmp_path).put(KEY, [1])


@pytest.mark.parametrize("name", ["../../etc/passwd", "abc", "Z" * 64, ""])
def test_a_key_that_is_none_is_refused(tmp_path, name):
    with pytest.raises(ValueError, match="expected a key of 64 hexadecimal digits"):
        Store(tmp_path).get(name)


@pytest.mark.parametrize("content", [b"", b"{}", b'{"loss": 0.1', b'{"loss": NaN}', b"[1]", b"\xff\xfe"])
def test_a_corrupt_file_is_named(tmp_path, content):
    path = tmp_path / f"{KEY}.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"corrupt.*delete it") as refused:
        Store(tmp_path).get(KEY)
    assert str(path) in str(refused.value)


def refused_by_name(folder, key):
    with pytest.raises(ValueError, match=r"corrupt.*delete it") as refused:
        Store(folder).get(key)
    return f"{key}.json" in str(refused.value) and "\n" not in str(refused.value)


@pytest.fixture
def kept(tmp_path):
    """A file of the store, with escapes, numbers and nesting in it."""
    Store(tmp_path).put(KEY, {"config": {"seed": 1, "name": "ü"}, "scores": [[0.1 * i, -1e-300] for i in range(20)]})
    return tmp_path / f"{KEY}.json"


def test_every_flipped_bit_is_found(kept):
    content = kept.read_bytes()
    folders = random.Random(0).sample(range(8 * len(content)), 400)
    for store_folder in [*range(8 * 20), *folders]:  # the first bytes are the frame around the digest
        flipped = bytearray(content)
        flipped[store_folder // 8] ^= 1 << store_folder % 8
        kept.write_bytes(flipped)
        assert refused_by_name(kept.parent, KEY), store_folder
    kept.write_bytes(content)
    assert Store(kept.parent).get(KEY)["config"]["name"] == "ü"


def test_every_truncated_or_longer_file_is_found(kept):
    content = kept.read_bytes()
    for length in range(len(content)):
        kept.write_bytes(content[:length])
        assert refused_by_name(kept.parent, KEY), length
    for more in (b"\n", b" ", b"}", content):
        kept.write_bytes(content + more)
        assert refused_by_name(kept.parent, KEY), more


def test_an_edited_file_is_found(kept):
    content = kept.read_bytes()
    for old, new in ((b'"seed": 1', b'"seed": 2'), (b", ", b","), (b"-1e-300", b"-1E-300")):
        kept.write_bytes(content.replace(old, new, 1))
        assert kept.read_bytes() != content and refused_by_name(kept.parent, KEY), old


def test_another_keys_file_under_this_name_is_found(kept):
    other = key(seed=2)
    Store(kept.parent).put(other, {"config": {"seed": 2}})
    kept.write_bytes((kept.parent / f"{other}.json").read_bytes())
    assert refused_by_name(kept.parent, KEY)
    assert Store(kept.parent).get(other) == {"config": {"seed": 2}}


def test_a_file_is_json_that_other_tools_can_read(kept):
    assert json.loads(kept.read_text(encoding="utf-8"))["result"] == Store(kept.parent).get(KEY)


def test_a_result_that_cannot_be_written_leaves_nothing(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        Store(tmp_path).put(KEY, {"x": 1})
    assert not list(tmp_path.iterdir())


def test_the_folder_is_named_by_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("L2H_RUNS", str(tmp_path / "elsewhere"))
    Store().put(KEY, {"x": 1})
    assert (tmp_path / "elsewhere" / f"{KEY}.json").exists()
    monkeypatch.delenv("L2H_RUNS")
    assert Store().folder == fingerprint.PACKAGE.parent / "_build" / "runs"


def test_an_installed_package_keeps_its_runs_in_the_cache_of_the_user(tmp_path, monkeypatch):
    monkeypatch.delenv("L2H_RUNS", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(experiments_store, "PACKAGE", tmp_path / "site-packages" / "l2h")
    assert Store().folder == user_cache_path("l2h", appauthor=False) / "runs"
    assert Store().folder.parent == tmp_path / "cache" / "l2h" or sys.platform != "linux"


WRITER = """
import sys
from pathlib import Path
from l2h.experiments.store import Store
store, number = Store(Path(sys.argv[1])), 0
print("ready", flush=True)
while True:
    number += 1
    store.put(sys.argv[2], {"numbers": [number] * 200_000})
"""


def test_a_writer_that_is_killed_leaves_a_whole_result(tmp_path):
    for moment in range(20):
        command = [sys.executable, "-c", WRITER, str(tmp_path), KEY]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
            writer.stdout.readline()
            time.sleep(0.11 * random.Random(moment).random())
            while moment == 19 and KEY not in Store(tmp_path):  # on a slow disk none may have come so far
                time.sleep(0.01)
            writer.kill()
        result = Store(tmp_path).get(KEY)
        assert result is None or (len(set(result["numbers"])) == 1 and len(result["numbers"]) == 200_000)
    assert result is not None


def _put_often(folder, writer):
    for _ in range(50):
        Store(folder).put(KEY, {"writer": [writer] * 1000})


def test_concurrent_writers_do_not_mix(tmp_path):
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        futures = [pool.submit(_put_often, tmp_path, writer) for writer in range(4)]
        while not all(future.done() for future in futures):
            result = Store(tmp_path).get(KEY)
            assert result is None or len(set(result["writer"])) == 1
        assert [future.result() for future in futures] == [None] * 4
    assert [path.name for path in tmp_path.iterdir()] == [f"{KEY}.json"]
