import io
import json
import zipfile

import pytest

from companion.teaching import leaks

SECRET = "return np.where(r <= 0, 1, 0)"


def archive(name, content):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr(name, content)
    return buffer.getvalue()


NOTEBOOK = json.dumps({"cells": [], "metadata": {"otter": {"tests": {"q1": f"x\n    {SECRET}"}}}}).encode()
PLACES = {
    "plain.py": f"    {SECRET}\n".encode(),
    "lines.ipynb": json.dumps({"cells": [{"source": [SECRET[:9], SECRET[9:]]}]}).encode(),
    "escaped.ipynb": json.dumps({"cells": [{"source": SECRET}]}).replace("<", "\\u003c").encode(),
    "metadata.ipynb": NOTEBOOK,
    "packed.zip": archive("a.ipynb", NOTEBOOK),
    "twice.zip": archive("inner.zip", archive("a.ipynb", NOTEBOOK)),
}


@pytest.mark.parametrize("name", PLACES)
def test_a_secret_is_found_wherever_it_stands(tmp_path, name):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / name).write_bytes(PLACES[name])
    (found,) = leaks.find_leaks(tmp_path, {SECRET})
    assert found.startswith(name) and SECRET in found


@pytest.mark.parametrize("mark", leaks.MARKS)
def test_a_mark_of_a_master_is_found(tmp_path, mark):
    (tmp_path / "a.md").write_text(f"1\n# x {mark} y\n")
    assert leaks.find_leaks(tmp_path, set())


def test_files_without_a_secret_are_clean(tmp_path):
    (tmp_path / "a.ipynb").write_text(json.dumps({"cells": [{"source": "def asks(r):\n    ..."}]}))
    (tmp_path / "b.bin").write_bytes(b"\xff\xfe\x00")
    assert leaks.find_leaks(tmp_path, {SECRET}) == []


def test_definitions_comments_and_short_lines_are_no_secret():
    assert leaks.secret_lines("def asks(r):\n    return m\n    # why\n    return np.asarray(r) <= 0") == {
        "return np.asarray(r) <= 0"
    }
