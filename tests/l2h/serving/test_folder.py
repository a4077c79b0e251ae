"""A helper's folder: what was saved is read, and anything else is one clear error."""

import errno
import json
import os
import re
import shutil
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers.serving import linear_onnx, small_helper
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from l2h.problem import Costs
from l2h.serving import folder
from l2h.serving.folder import Card, PartFile, is_helper, part_of, read_card, saving, write_card

SERVING = Path(folder.__file__).parent
TEXTS = st.text("abc\n\\é", max_size=5)


@pytest.fixture
def helper(tmp_path):
    small_helper(tmp_path / "helper")
    return tmp_path / "helper"


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A helper that no test changes but for its card, and the bytes of that."""
    path = tmp_path_factory.mktemp("folder") / "helper"
    small_helper(path, data={"training": {"n": 3, "note": "é"}})
    return path, (path / "card.json").read_bytes()


def with_content(path, change):
    """Change the content of a card, and give it the digest of its new content."""
    content = json.loads((path / "card.json").read_text())
    change(content)
    content["sha256"] = folder._digest(content)
    (path / "card.json").write_text(json.dumps(content))


@pytest.mark.parametrize("classes", [("cat", "dog"), (0, 1, 7), (False, True), (1.5, 2.5), ("é", "b|c", "\n")])
def test_a_card_reads_as_it_was_written(tmp_path, classes):
    card = small_helper(
        tmp_path / "helper", classes=classes, metrics={"loss": {"estimate": None, "low": None, "high": 1}}
    )
    assert read_card(tmp_path / "helper") == card
    assert is_helper(tmp_path / "helper")


def test_the_card_is_strict_json_of_the_stated_format(helper):
    content = json.loads((helper / "card.json").read_text("ascii"))
    assert (content["format"], content["version"]) == ("l2h helper", 1)
    assert content["parts"]["rejector"]["file"] == "rejector.onnx"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.update(format="other"), 'expected "format": "l2h helper"'),
        (lambda c: c.update(version=2), "made by a newer l2h"),
        (lambda c: c.update(version=0), "expected a version from 1 to 1, got 0"),
        (lambda c: c.update(version=True), "expected a version from 1 to 1, got True"),
        (lambda c: c.update(more=1), "got the unknown 'more'"),
        (lambda c: c.pop("costs"), "got no 'costs'"),
        (lambda c: c.update(classes=["a"]), "at least two classes"),
        (lambda c: c.update(classes=[1, True]), "all different"),
        (lambda c: c.update(classes=[[1], [2]]), "finite number as a class"),
        (lambda c: c.update(classes="ab"), "a list as classes"),
        (lambda c: c["costs"].update(c1=-1.0), "expected a finite c1 >= 0"),
        (lambda c: c["costs"].update(c1="1"), "finite number as costs.c1"),
        (lambda c: c.update(threshold=0.1), "that float32 represents"),
        (lambda c: c.update(threshold=1e300), "that float32 represents"),
        (lambda c: c.update(threshold=None), "finite number as threshold"),
        (lambda c: c.update(method=""), "a text as method"),
        (lambda c: c["input"].update(shape=[]), "input.shape"),
        (lambda c: c["input"].update(shape=[2**20, 2**20]), "input.shape"),
        (lambda c: c["input"].update(shape=[3.0]), "input.shape"),
        (lambda c: c["input"].update(dtype="float64"), "input.dtype to be one of uint8, float32"),
        (lambda c: c["input"].update(dtype=["uint8"]), "input.dtype to be one of"),
        (lambda c: c["parts"].update(other=c["parts"]["client"]), "a part to be one of"),
        (lambda c: c["parts"].pop("client"), "expected client either with a file or with a reason"),
        (lambda c: c["missing"].update(client="x"), "expected client either with a file or with a reason"),
        (lambda c: c["parts"].update(client=c["parts"]["server"]), "one file for each part"),
        (lambda c: c["parts"]["server"].update(reads="client_scores"), "parts.server.reads"),
        (lambda c: c["parts"]["server"].update(sha256="0" * 63), "64 hexadecimal digits"),
        (lambda c: c["parts"]["server"].update(sha256="0" * 64), "it was changed"),
        (lambda c: c["parts"].update(server=[]), "an object as parts.server"),
        (lambda c: c.update(metrics={"a": {"estimate": 1, "low": 0}}), "got no high"),
        (lambda c: c.update(metrics={"a": {"estimate": "1", "low": 0, "high": 1}}), "metrics.a.estimate"),
        (lambda c: c.update(versions={"torch": 2}), "a text as versions.torch"),
        (lambda c: c.update(data=[]), "an object as data"),
        *(
            (lambda c, name=name: c["parts"]["server"].update(file=name), "a plain name of a file")
            for name in (
                "../x.onnx",
                "/etc/passwd",
                "a/b.onnx",
                "..",
                "",
                ".hidden",
                "card.json",
                "a\0b",
                "a\nb",
                "a\\b",
            )
            if name
        ),
    ],
)
def test_a_card_with_a_fault_is_refused_by_name(helper, change, message):
    with_content(helper, change)
    with pytest.raises(ValueError, match=re.escape(message)):
        read_card(helper)


def test_a_changed_value_is_refused(helper):
    path = helper / "card.json"
    path.write_text(path.read_text().replace('"threshold": 0.25', '"threshold": 0.5'))
    with pytest.raises(ValueError, match="expected the content that was saved"):
        read_card(helper)


@pytest.mark.parametrize(
    "text",
    [b"", b"{", b"[" * 100_000, b"\xff\xfe", b'{"format": NaN}', b'{"format": 1, "format": 2}', b"[]", b"9" * 5000],
)
def test_what_is_no_card_is_one_value_error(helper, text):
    (helper / "card.json").write_bytes(text)
    with pytest.raises(ValueError, match="is no valid card of a helper"):
        read_card(helper)
    assert not is_helper(helper)


def test_a_card_above_the_largest_size_is_not_read(helper, monkeypatch):
    monkeypatch.setattr(folder, "LARGEST_CARD", 100)
    with pytest.raises(ValueError, match="expected at most 100 bytes"):
        read_card(helper)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_damage_is_refused_with_one_sentence_or_changes_nothing(whole, data):
    """Truncated, with other bytes, with extra bytes, with parts swapped or with other values of JSON."""
    path, original = whole
    position = st.integers(0, len(original))
    kind = data.draw(st.sampled_from(["cut", "bytes", "swap", "value"]))
    if kind == "cut":
        damaged = original[: data.draw(position)]
    elif kind == "bytes":
        start, length = data.draw(position), data.draw(st.integers(0, 5))
        damaged = original[:start] + data.draw(st.binary(max_size=5)) + original[start + length :]
    elif kind == "swap":
        a, b, c = sorted(data.draw(st.tuples(position, position, position)))
        damaged = original[:a] + original[b:c] + original[a:b] + original[c:]
    else:
        content = json.loads(original)
        json_values = st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
            max_leaves=5,
        )
        content[data.draw(st.sampled_from([name for name in content if name != "sha256"]))] = data.draw(json_values)
        damaged = json.dumps(content).encode()
        if data.draw(st.booleans()):
            with suppress(ValueError):
                content["sha256"] = folder._digest(content)
            damaged = json.dumps(content).encode()
    (path / "card.json").write_bytes(damaged)
    try:
        card = read_card(path)
    except (ValueError, FileNotFoundError) as error:
        assert type(error) in (ValueError, FileNotFoundError)
        assert "expected" in str(error) or "Expecting" in str(error) or "no valid card" in str(error)
    else:
        (path / "card.json").write_bytes(original)
        assert kind == "value" or card == read_card(path)
    finally:
        (path / "card.json").write_bytes(original)


def test_a_folder_or_card_or_file_that_is_not_there(helper, tmp_path):
    with pytest.raises(FileNotFoundError, match="which is no folder"):
        read_card(tmp_path / "none")
    (helper / "server.onnx").unlink()
    with pytest.raises(FileNotFoundError, match=r"expected a file server\.onnx"):
        read_card(helper)
    (helper / "card.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"with a card\.json, got"):
        read_card(helper)


def test_a_changed_file_is_refused(helper):
    linear_onnx(helper / "server.onnx", seed=9)
    with pytest.raises(ValueError, match=r"server\.onnx with the SHA-256 of its card"):
        read_card(helper)


def test_a_link_out_of_the_folder_is_refused_and_one_within_is_not(helper, tmp_path):
    shutil.move(helper / "server.onnx", tmp_path / "outside.onnx")
    (helper / "server.onnx").symlink_to(tmp_path / "outside.onnx")
    with pytest.raises(ValueError, match="a link that leads out of it"):
        read_card(helper)
    (helper / "server.onnx").unlink()
    shutil.move(tmp_path / "outside.onnx", helper / "inside.onnx")
    (helper / "server.onnx").symlink_to("inside.onnx")
    assert read_card(helper).method == "learning_to_help"


@pytest.mark.parametrize(
    "fields",
    [
        {"threshold": 0.1}, {"threshold": float("nan")}, {"classes": ("a",)}, {"data": {"x": float("inf")}},
        {"data": {"x": object()}}, {"input_dtype": "int8"}, {"parts": {}}, {"versions": {"a": 1}}, {"method": "\ud800"},
    ],
)  # fmt: skip
def test_a_card_that_could_not_be_read_is_not_written(helper, fields):
    before = {path.name: path.read_bytes() for path in helper.iterdir()}
    with pytest.raises(ValueError, match="expected"):
        write_card(helper, replace(read_card(helper), **fields))
    assert {path.name: path.read_bytes() for path in helper.iterdir()} == before


@pytest.mark.parametrize("name", ["card.json", "README.md"])
def test_a_file_of_something_else_is_not_overwritten(helper, name):
    card = read_card(helper)
    for file in ("card.json", "README.md"):
        (helper / file).unlink()
    (helper / name).write_text("mine")
    with pytest.raises(ValueError, match=f"expected no {re.escape(name)} but that of a helper"):
        write_card(helper, card)
    assert (helper / name).read_text() == "mine"


def saved(path, seed, **fields):
    """Save a helper by way of `saving`."""
    with saving(path) as new:
        new.rmdir()
        small_helper(new, seed=seed, **fields)


def test_saving_makes_a_folder_or_fills_an_empty_one(tmp_path):
    (tmp_path / "empty").mkdir()
    for path in (tmp_path / "a" / "new", tmp_path / "empty"):
        saved(path, 0)
        assert read_card(path).classes == ("cat", "dog")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "empty"]


@pytest.mark.parametrize("there", ["empty", "a helper", "a new file system"])
def test_saving_into_a_mount_point_works(tmp_path, monkeypatch, there):
    """A mount point cannot be renamed or replaced, its files cannot be renamed from outside, its parent is not ours."""
    mount = tmp_path / "mount"
    mount.mkdir()
    if there == "a helper":
        saved(mount, 0)
    if there == "a new file system":
        (mount / "lost+found").mkdir()

    def refuse_other_disks(name):
        original = getattr(Path, name)

        def checked(self, target):
            if mount in (self, Path(target)):
                raise OSError(errno.EBUSY, "Device or resource busy", str(mount))
            if (mount in self.parents) != (mount in Path(target).parents):
                raise OSError(errno.EXDEV, "Invalid cross-device link", str(self))
            return original(self, target)

        monkeypatch.setattr(Path, name, checked)

    refuse_other_disks("rename")
    refuse_other_disks("replace")
    saved(mount, 5, threshold=0.5)
    assert read_card(mount).threshold == 0.5
    assert not [path for path in mount.iterdir() if path.name.startswith(".")]
    assert [path.name for path in tmp_path.iterdir()] == ["mount"]


def test_a_killed_save_into_an_empty_folder_can_be_made_again(tmp_path):
    (tmp_path / "helper" / f".helper.{'0' * 32}").mkdir(parents=True)
    saved(tmp_path / "helper", 0)
    assert read_card(tmp_path / "helper").classes == ("cat", "dog")
    (tmp_path / "other" / f".helper.{'0' * 32}").mkdir(parents=True)
    with pytest.raises(ValueError, match="expected a new or empty folder"):
        saved(tmp_path / "other", 0)


def test_saving_replaces_a_helper_and_keeps_what_is_not_its_own(tmp_path):
    saved(tmp_path / "helper", 0)
    (tmp_path / "helper" / "notes.txt").write_text("mine")
    saved(tmp_path / "helper", 5, client=False)
    card = read_card(tmp_path / "helper")
    names = {path.name for path in (tmp_path / "helper").iterdir()}
    assert names == {"card.json", "README.md", "rejector.onnx", "server.onnx", "notes.txt"}
    assert set(card.missing) == {"client"}


@pytest.mark.parametrize("content", ["a file", "a folder with a file"])
def test_saving_refuses_what_is_no_helper(tmp_path, content):
    path = tmp_path / "target"
    if content == "a file":
        path.write_text("mine")
    else:
        path.mkdir()
        (path / "card.json").write_text('{"format": "cards"}')
    with pytest.raises(ValueError, match="or that of a saved helper"):
        saved(path, 0)
    assert (path if path.is_file() else path / "card.json").exists()
    assert [each.name for each in tmp_path.iterdir()] == ["target"]


def test_a_failed_save_leaves_the_old_helper(tmp_path):
    saved(tmp_path / "helper", 0)
    before = {path.name: path.read_bytes() for path in (tmp_path / "helper").iterdir()}
    with pytest.raises(KeyboardInterrupt), saving(tmp_path / "helper") as new:
        linear_onnx(new / "rejector.onnx", output="r", seed=7)
        raise KeyboardInterrupt
    assert {path.name: path.read_bytes() for path in (tmp_path / "helper").iterdir()} == before
    with pytest.raises(FileNotFoundError), saving(tmp_path / "helper") as new:
        linear_onnx(new / "rejector.onnx", output="r", seed=7)  # no card was written
    assert [path.name for path in tmp_path.iterdir()] == ["helper"]


KILLED = """
import os, sys
from pathlib import Path
from helpers.serving import small_helper
from l2h.serving.folder import saving
step = int(sys.argv[2])
replace = Path.replace
def counted(self, target):
    global step
    step -= 1
    if step == 0:
        os._exit(9)
    return replace(self, target)
Path.replace = counted
with saving(sys.argv[1]) as new:
    new.rmdir()
    small_helper(new, seed=5, threshold=0.5)
"""


@pytest.mark.parametrize("step", [1, 2, 3, 5, 7])
def test_a_killed_save_over_a_helper_reads_as_the_old_one_or_not_at_all(tmp_path, step):
    """Two replacements write README.md and card.json of the new folder; five move its files, the card last."""
    saved(tmp_path / "helper", 0)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", KILLED, str(tmp_path / "helper"), str(step)]
    assert subprocess.run(command, env=environment, check=False).returncode == 9
    try:
        assert read_card(tmp_path / "helper").threshold == 0.25
    except ValueError as error:
        assert step > 3
        assert "with the SHA-256 of its card" in str(error)
    saved(tmp_path / "helper", 5, threshold=0.5)
    assert read_card(tmp_path / "helper").threshold == 0.5


def test_a_part_is_described_by_its_digest(helper):
    assert part_of(helper, "server.onnx") == read_card(helper).parts["server"]
    assert part_of(helper, "server.onnx", reads="client_scores") == PartFile(
        "server.onnx", part_of(helper, "server.onnx").sha256, "client_scores"
    )


def test_no_pickle_is_written_or_loaded():
    """By name: nothing in the package of serving imports or asks for it."""
    words = re.compile(r"pickle|joblib|torch\.(save|load)\(|allow_pickle=True|marshal|shelve|\beval\(|\bexec\(")
    allowed = re.compile(r"\.eval\(|no pickle|No pickle|pickle-free|without pickle")
    for path in SERVING.glob("*.py"):
        lines = [
            line for line in path.read_text("utf8").splitlines() if words.search(line) and not allowed.search(line)
        ]
        assert lines == [], path.name


def test_the_folder_is_read_without_torch_and_onnxruntime():
    code = "import sys, l2h.serving.folder; assert not {'torch', 'onnxruntime', 'onnx', 'sklearn'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_card_holds_any_float32_threshold(tmp_path):
    for threshold in (-float(np.finfo(np.float32).max), float(np.float32(0.1)), -0.0):
        card = small_helper(tmp_path / str(threshold), threshold=threshold, costs=Costs(0.0, 0.0))
        assert isinstance(card, Card) and read_card(tmp_path / str(threshold)).threshold == threshold


def test_a_card_of_very_many_names_is_read_in_time_that_grows_with_its_size(helper):
    """Comparing each name with each other would take hours."""
    path = helper / "card.json"
    path.write_text("{" + ", ".join(f'"{number}": 0' for number in range(400_000)) + "}")
    with pytest.raises(ValueError, match="is no valid card of a helper"):
        read_card(helper)
