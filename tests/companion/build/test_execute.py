"""The executor on a book of small chapters: what runs, what does not run again, and how a failure is told."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from helpers.chapters import HEADER
from helpers.commands import ended, forked
from helpers.sweeps import wait_until

from companion.build import execute, notebooks
from companion.build.execute import main
from companion.build.notebooks import Folders, code_cells, read_notebook, read_source, same_source
from l2h.data import sources

QUIET = (
    HEADER
    + """import os

print(profile, os.environ["OMP_NUM_THREADS"], os.environ["L2H_WORKERS"])
```

Prose.
"""
)
SLEEPY = HEADER + "import time\n\ntime.sleep(600)\n```\n"
FAILING = HEADER + "ce = 0.1\n```\n\n```{code-cell} ipython3\nprint(ce)\n1 / 0\n```\n"
FIGURE = """---
mystnb:
  image:
    alt: "One point in the middle."
---
"""
DRAWN = (
    HEADER
    + FIGURE
    + """from importlib.util import find_spec

import matplotlib
import matplotlib.pyplot as plt

assert __debug__ and not {"mine", "debug"} & set(globals())
assert find_spec("colours") is None
assert matplotlib.rcParams["axes.facecolor"] == "white"
plt.subplots()[1].plot([0], [0]);
```
"""
)
DYING = HEADER + "import os\n\nos._exit(3)\n```\n"


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """An empty book, on a machine without CIFAR-10 whose data nobody needs."""
    monkeypatch.setattr(execute, "cifar10_folder", lambda: None)
    monkeypatch.delenv("L2H_WORKERS", raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    (tmp_path / "book").mkdir()
    return Folders(tmp_path / "book", tmp_path / "notebooks", tmp_path / "references")


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """The folder of a book whose chapter c1 was executed once, for its record."""
    base = tmp_path_factory.mktemp("recorded")
    folders = Folders(base / "book", base / "notebooks", base / "references")
    folders.book.mkdir()
    write(folders, c1=QUIET)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(execute, "cifar10_folder", lambda: notebooks.ROOT)
        assert main(["record"], folders) == 0
    return base


@pytest.fixture
def book_with_record(recorded, folders, monkeypatch):
    """A copy of that book, on a machine with CIFAR-10."""
    monkeypatch.setattr(execute, "cifar10_folder", lambda: notebooks.ROOT)
    shutil.copytree(recorded, folders.book.parent, dirs_exist_ok=True)
    return folders


def write(folders, **sources):
    for name, source in sources.items():
        (folders.book / f"{name}.md").write_text(source)


def run(capsys, folders, *arguments):
    """Exit code and what was said."""
    code = main(list(arguments), folders)
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def test_chapters_are_executed_once_and_their_prose_is_kept_up(folders, capsys):
    write(folders, c1=QUIET, c2=QUIET)
    code, printed, _ = run(capsys, folders, "quick")
    assert code == 0
    assert printed.count("started at quick") == printed.count(": done in 0:") == 2
    assert printed.splitlines()[-1].endswith("about 0:00 to go")
    path = folders.notebooks / "quick" / "c1.ipynb"
    done = read_notebook(path)
    workers = max(1, os.cpu_count() // 2)
    assert code_cells(done)[-1].outputs[0].text == f"quick 1 {workers}\n"
    assert (done.metadata.l2h.profile, done.metadata.l2h.data) == ("quick", None)
    assert done.metadata.papermill.exception is None
    assert sorted(one.name for one in path.parent.iterdir()) == ["c1.ipynb", "c2.ipynb"]

    write(folders, c1=QUIET.replace("Prose.", "Other prose."))
    code, printed, _ = run(capsys, folders, "quick")
    assert (code, printed) == (0, "c1: fresh, not executed again\nc2: fresh, not executed again\n")
    edited = read_notebook(path)
    assert edited.cells[-1].source == "Other prose."
    assert code_cells(edited)[-1].outputs == code_cells(done)[-1].outputs

    write(folders, c1=QUIET.replace("print(", "print(1, "))
    code, printed, _ = run(capsys, folders, "quick", "c1")
    assert code == 0 and "c1: started" in printed and "c2" not in printed
    assert code_cells(read_notebook(path))[-1].outputs[0].text.startswith("1 quick")


def test_a_failure_names_chapter_cell_and_traceback_and_stops_the_rest(folders, capsys):
    write(folders, bad=FAILING, slow=SLEEPY, waiting=QUIET)
    folders.notebooks.joinpath("quick").mkdir(parents=True)
    good = folders.notebooks / "quick" / "bad.ipynb"
    notebooks.write_notebook(good, read_source("bad", folders.book))
    before, started = good.read_text(), time.monotonic()
    code, _, printed = run(capsys, folders, "quick")
    assert code == 1 and time.monotonic() - started < 400
    assert "bad failed in code cell 3 at quick" in printed
    assert "print(ce)\n1 / 0" in printed and "ZeroDivisionError: division by zero" in printed and "\x1b[" not in printed
    assert good.read_text() == before
    (path,) = folders.notebooks.glob("quick/bad.*.partial.ipynb")
    partial = read_notebook(path)
    assert str(path) in printed
    assert code_cells(partial)[-1].outputs[0].text == "0.1\n"
    assert not (folders.notebooks / "quick" / "slow.ipynb").exists()


def test_two_commands_that_execute_a_chapter_do_not_share_its_notebook(folders, capsys, monkeypatch):
    write(folders, c1=QUIET)
    names, processes = set(), (os.getpid(), os.getppid())  # both exist

    async def failed(job, partial, environment):
        notebooks.write_notebook(partial, job.notebook)
        return "papermill: exit code 1"

    monkeypatch.setattr(execute, "_papermill", failed)
    for process in processes:
        monkeypatch.setattr(os, "getpid", lambda process=process: process)
        assert run(capsys, folders, "quick")[0] == 1
        names |= {path.name for path in folders.notebooks.glob("quick/*.partial.ipynb")}
    assert names == {f"c1.{process}.partial.ipynb" for process in processes}


def test_what_ended_processes_left_half_executed_is_removed(folders, capsys, monkeypatch):
    write(folders, c1=QUIET)
    monkeypatch.setattr(execute, "_reuse_execution", lambda *_: True)
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        ended.wait()
    left = [folders.notebooks / profile / f"c0.{ended.pid}.partial.ipynb" for profile in ("quick", "paper-digits")]
    kept = [
        folders.notebooks / "quick" / name
        for name in (f"c0.{os.getpid()}.partial.ipynb", "c0.mine.partial.ipynb", "c0.ipynb", f"{ended.pid}.ipynb")
    ]
    for path in (*left, *kept):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert run(capsys, folders, "quick")[0] == 0
    assert not any(path.exists() for path in left)
    assert all(path.exists() for path in kept)


def test_a_notebook_with_a_cell_that_was_not_executed_is_refused(folders, capsys, monkeypatch):
    write(folders, c1=QUIET)

    async def stopped(job, partial, environment):
        notebooks.write_notebook(partial, job.notebook)
        return ""

    monkeypatch.setattr(execute, "_papermill", stopped)
    code, _, printed = run(capsys, folders, "quick")
    assert code == 1 and "code cells were not executed; the notebook so far" in printed
    assert not (folders.notebooks / "quick" / "c1.ipynb").exists()


def test_no_setting_of_the_user_reaches_a_kernel(folders, capsys, tmp_path, monkeypatch):
    write(folders, drawn=DRAWN)
    user = tmp_path / "user"
    profile, kernel = user / "profile_default", user / "kernels" / "python3"
    for folder in (profile / "startup", kernel):
        folder.mkdir(parents=True)
    for folder in (user, user / "matplotlib"):
        folder.mkdir(exist_ok=True)
        (folder / "matplotlibrc").write_text("text.usetex: True\naxes.facecolor: yellow\n")
    (profile / "startup" / "00-mine.py").write_text("debug = False\n")
    (profile / "ipython_kernel_config.py").write_text("c.InlineBackend.figure_formats = {'svg'}\n")
    (user / "ipython_config.py").write_text("c.InteractiveShellApp.exec_lines = ['mine = 2']\n")
    (user / "mine.py").write_text("mine = 1\n")
    (user / "colours.py").touch()
    (kernel / "kernel.json").write_text('{"argv": ["false"], "display_name": "Python 3", "language": "python"}')
    hostile = {
        "IPYTHONDIR": user, "JUPYTER_PATH": user, "MATPLOTLIBRC": user / "matplotlib", "MPLBACKEND": "Agg",
        "PYTHONOPTIMIZE": 1, "PYTHONSTARTUP": user / "mine.py",
    }  # fmt: skip
    for name, value in hostile.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.chdir(user)
    code, _, printed = run(capsys, folders, "quick")
    assert (code, printed) == (0, "")
    (picture,) = code_cells(read_notebook(folders.notebooks / "quick" / "drawn.ipynb"))[-1].outputs
    assert set(picture.data) == {"image/png", "text/plain"}
    numbers = (folders.notebooks / "quick" / "drawn.figures.csv").read_text()
    assert numbers == "figure,panel,kind,name,x,y,low,high,value\n1,1,point,,0,0,,,\n"


def test_an_execution_is_reused_with_the_numbers_of_its_figures_or_not_at_all(folders, capsys):
    write(folders, drawn=DRAWN)
    made = folders.notebooks / "quick"
    assert run(capsys, folders, "quick")[0] == 0
    kept = folders.notebooks / "kept"
    made.rename(kept)
    assert run(capsys, folders, "quick")[:2] == (0, "drawn: fresh, not executed again\n")
    numbers = kept / "drawn.figures.csv"
    assert (made / numbers.name).read_text() == numbers.read_text()

    (made / numbers.name).unlink()
    numbers.write_text(numbers.read_text().replace(",0,0,", ",0,9,"))
    code, printed, _ = run(capsys, folders, "quick")
    assert code == 0 and "drawn: started" in printed and (made / numbers.name).exists()
    assert printed.count("not reused, its code, outputs, summaries or numbers of figures were changed") == 2

    def without_numbers(path):
        notebook = read_notebook(path)
        del notebook.metadata.l2h["figures"]
        notebooks.write_notebook(path, notebook)
        path.with_suffix(".figures.csv").unlink()

    shutil.rmtree(kept)
    without_numbers(made / "drawn.ipynb")
    code, printed, _ = run(capsys, folders, "quick")
    assert code == 0 and "drawn.ipynb: not reused, the numbers of its figures were not kept\ndrawn: started" in printed
    assert (made / numbers.name).exists()


def test_a_described_picture_that_is_not_shown_is_a_failure(folders, capsys):
    write(folders, blank=HEADER + FIGURE + "picture = None\n```\n")
    code, _, printed = run(capsys, folders, "quick")
    assert code == 1
    assert printed.startswith(
        "blank: code cell 2 has a text for its picture (mystnb.image.alt) and shows no image/png;"
    )
    assert not (folders.notebooks / "quick" / "blank.ipynb").exists()


def test_kernels_find_relative_folders_of_the_shell(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("L2H_RUNS", "runs")
    monkeypatch.setattr(execute, "cifar10_folder", lambda: Path("images"))
    (tmp_path / "kernel").mkdir()
    found = execute._without_settings(execute._environment(1) | {"PYTHONPATH": "mine"}, tmp_path / "kernel")
    assert (found["L2H_RUNS"], found["L2H_DATA"]) == (str(tmp_path / "runs"), str(tmp_path / "images"))
    assert found["PYTHONPATH"] == f"{notebooks.ROOT}{os.pathsep}{tmp_path / 'mine'}"


def test_a_disk_that_takes_no_notebook_is_one_line(folders, capsys, monkeypatch):
    write(folders, c1=QUIET)

    async def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(execute, "_papermill", full)
    assert run(capsys, folders, "quick")[::2] == (1, "[Errno 28] No space left on device\n")


def test_what_an_accelerator_computed_is_not_fresh_without_it(folders, monkeypatch):
    write(folders, c1=QUIET)
    notebook = read_source("c1", folders.book)
    before = notebooks.chapter_key("c1", notebook, profile="quick", data=None)
    monkeypatch.setenv("L2H_ACCELERATOR", "cuda")
    assert notebooks.chapter_key("c1", notebook, profile="quick", data=None) != before
    assert notebooks.execution_facts("", profile="quick", data=None, seconds=1.0)["machine"].endswith(" and cuda")


def test_a_kernel_that_dies_is_a_failure(folders, capsys):
    write(folders, gone=DYING)
    code, _, printed = run(capsys, folders, "quick")
    assert code == 1
    assert "gone failed in code cell 2 at quick" in printed and "os._exit(3)" in printed and "Kernel died" in printed


def test_code_that_changes_meanwhile_spoils_an_execution(book_with_record, capsys, monkeypatch):
    folders = book_with_record
    executed_notebook = read_notebook(folders.notebooks / "paper" / "c1.ipynb")

    async def executed(job, partial, environment):
        notebooks.write_notebook(partial, executed_notebook)
        return ""

    monkeypatch.setattr(execute, "_papermill", executed)
    keys = iter("ab")
    monkeypatch.setattr(notebooks, "chapter_key", lambda *_, **__: next(keys))
    code, _, printed = run(capsys, folders, "quick")
    assert (code, printed) == (1, "c1: the code that it uses changed while it was executed; execute it again\n")
    assert not (folders.notebooks / "quick" / "c1.ipynb").exists()


def test_a_kernel_that_does_not_exist_is_a_failure(folders, capsys):
    write(folders, foreign=QUIET.replace("name: python3", "name: nowhere"))
    code, _, printed = run(capsys, folders, "quick")
    assert code == 1
    assert "foreign failed before its first cell at quick" in printed and "No such kernel named nowhere" in printed


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_run_leaves_no_kernel_behind(folders, tmp_path, monkeypatch, sent, code):
    note = f"import os, pathlib, time\n\npathlib.Path({str(tmp_path / 'pid')!r}).write_text(str(os.getpid()))"
    write(folders, slow=SLEEPY.replace("import time", note))
    monkeypatch.setenv("TMPDIR", str(temporary := tmp_path / "temporary"))
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    temporary.mkdir()
    with forked(tmp_path, lambda: main(["quick"], folders)) as runner:
        kernel = _process_number(tmp_path / "pid")
        os.kill(runner.pid, sent)
        assert ended(runner) == code
    assert not list(temporary.iterdir()), "such as the file with the kernel's ports and key"
    wait_until(lambda: not _alive(kernel), 15)


def test_a_run_that_is_killed_leaves_no_kernel_behind(folders, tmp_path):
    note = f"import os, pathlib, time\n\npathlib.Path({str(tmp_path / 'pid')!r}).write_text(str(os.getpid()))"
    write(folders, slow=SLEEPY.replace("import time", note))
    program = (
        "import sys; from pathlib import Path\n"
        "from companion.build import execute; from companion.build.notebooks import Folders\n"
        "execute.cifar10_folder = lambda: None; base = Path(sys.argv[1])\n"
        "execute.main(['quick'], Folders(base / 'book', base / 'notebooks', base / 'references'))"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stderr=subprocess.DEVNULL) as runner:
        kernel = _process_number(tmp_path / "pid")
        runner.kill()
    wait_until(lambda: not _alive(kernel), 60)


def _process_number(path):
    """What a process writes to a file, once it is there."""
    wait_until(lambda: path.exists() and path.read_text())
    return int(path.read_text())


def _alive(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def test_records_and_references_are_made_of_executions(book_with_record, capsys):
    folders = book_with_record
    record = read_notebook(folders.book / "c1.ipynb")
    assert same_source(record, read_source("c1", folders.book))
    assert code_cells(record)[-1].outputs[0].text.startswith("paper 1 ")
    assert record.metadata.l2h.profile == "paper"

    (folders.notebooks / "paper" / "c1.ipynb").unlink()
    code, printed, _ = run(capsys, folders, "paper")
    assert (code, printed) == (0, "c1: fresh, not executed again\n"), "a fresh record is as good as an execution"

    code, printed, _ = run(capsys, folders, "reference")
    assert code == 0 and printed.count("started") == 1, "a chapter without data is the same on both sources"
    texts = [(folders.references / source / "c1.ipynb").read_text() for source in ("cifar10", "digits")]
    assert texts[0] == texts[1] and "injected-parameters" not in texts[0]


@pytest.mark.parametrize("folder_name", ["notebooks", "book"])
def test_edited_outputs_are_not_reused(book_with_record, capsys, folder_name):
    folders = book_with_record
    kept = folders.notebooks / "paper" / "c1.ipynb"
    record = folders.book / "c1.ipynb"
    good = record.read_text()
    edited = kept if folder_name == "notebooks" else record
    edited.write_text(edited.read_text().replace("paper 1 ", "paper 9 "))
    if folder_name == "book":
        kept.unlink()
    code, printed, _ = run(capsys, folders, "record")
    assert code == 0
    assert printed.startswith(
        f"{edited}: not reused, its code, outputs, summaries or numbers of figures were changed after its execution\n"
    )
    assert ("c1: started" in printed) is (folder_name == "book"), "the other copy is as good as an execution"
    assert "paper 1 " in kept.read_text() and "paper 9 " not in record.read_text()
    assert folder_name == "book" or record.read_text() == good


def test_records_need_cifar10(folders, capsys):
    write(folders, c1=QUIET)
    code, _, printed = run(capsys, folders, "record")
    assert code == 1 and "expected CIFAR-10 for the records, found none" in printed


def test_an_unknown_chapter_is_refused(folders, capsys):
    write(folders, c1=QUIET)
    code, _, printed = run(capsys, folders, "quick", "c9")
    assert (code, printed) == (1, "expected chapter to be one of 'c1', got 'c9'\n")


def test_an_unknown_mode_is_refused(folders):
    with pytest.raises(SystemExit):
        main(["slow"], folders)


@pytest.mark.parametrize(("source", "injected"), [("cifar10", {}), ("digits", {"data": "digits"})])
def test_a_chapter_on_images_gets_its_source_and_depends_on_it(monkeypatch, source, injected):
    facts = {"source": source, "sha256": "0" * 64}
    monkeypatch.setattr(execute, "_data_facts", lambda _: facts)
    job = execute._job("05_cifar10", "quick", source, notebooks.ROOT / "nowhere", Folders())
    assert job.parameters == {"profile": "quick"} | injected
    assert job.data == facts
    assert job.expected_seconds > 0


@pytest.mark.parametrize(
    ("source", "facts", "stand_in"),
    [("cifar10", {"name": "gas_drift", "source": "a file", "sha256": "0" * 64}, False), ("cifar10", None, True),
     ("digits", None, True)],
)  # fmt: skip
def test_a_chapter_on_other_published_data_depends_on_them_or_on_its_stand_in(monkeypatch, source, facts, stand_in):
    at_hand = facts or ({"source": "a file", "sha256": "1" * 64} if source == "digits" else None)
    monkeypatch.setattr(execute, "domain_facts", lambda name: at_hand if name == "gas_drift" else None)
    job = execute._job("ageing", "quick", source, notebooks.ROOT / "nowhere", Folders())
    assert (job.data, job.stand_in, job.parameters) == (facts, stand_in, {"profile": "quick"})


def test_a_stand_in_is_computed_where_no_data_are(folders, monkeypatch, capsys):
    write(folders, c1=HEADER + "import os\n\nprint(os.listdir(os.environ['L2H_DATA']), profile)\n```\n")
    monkeypatch.setattr(notebooks, "domain", lambda name: "gas_drift")
    assert run(capsys, folders, "quick")[0] == 0
    printed = code_cells(read_notebook(folders.notebooks / "quick" / "c1.ipynb"))[-1].outputs[0].text
    assert "gas-drift" not in printed and printed.endswith("quick\n")


@pytest.mark.parametrize("mode", ["record", "reference"])
def test_records_and_references_need_the_data_they_are_about(folders, monkeypatch, capsys, mode):
    write(folders, c1=QUIET)
    monkeypatch.setattr(execute, "cifar10_folder", lambda: notebooks.ROOT)
    monkeypatch.setattr(notebooks, "domain", lambda name: "gas_drift")
    monkeypatch.setattr(execute, "domain_facts", lambda name: None)
    code, printed, errors = run(capsys, folders, mode)
    assert (code, printed) == (1, "")
    assert errors == "expected gas_drift for c1, found none; set L2H_DATA to the folder that has it\n"


def test_facts_of_published_data_are_those_of_the_loader(monkeypatch, tmp_path):
    monkeypatch.setenv("L2H_DATA", str(tmp_path))
    assert execute.domain_facts.__wrapped__("gas_drift") is None
    monkeypatch.setattr(execute.domains, "load", lambda name: SimpleNamespace(metadata=lambda: {"name": name}))
    assert execute.domain_facts.__wrapped__("gas_drift") == {"name": "gas_drift"}


def test_nothing_is_injected_into_a_record(monkeypatch):
    monkeypatch.setattr(execute, "_data_facts", lambda source: {"source": source, "sha256": "0" * 64})
    assert execute._job("05_cifar10", "paper", "cifar10", notebooks.ROOT / "nowhere", Folders()).parameters == {}


def test_kernels_get_the_data_that_were_found_one_thread_and_their_share_of_the_cores(monkeypatch):
    monkeypatch.delenv("L2H_WORKERS", raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    monkeypatch.setattr(execute, "cifar10_folder", lambda: notebooks.ROOT / "images")
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    environment = execute._environment(5)
    assert environment["L2H_DATA"] == str(notebooks.ROOT / "images")
    assert (environment["OMP_NUM_THREADS"], environment["L2H_WORKERS"]) == ("1", "4")
    assert execute._environment(1)["L2H_WORKERS"] == "8"
    monkeypatch.setenv("L2H_WORKERS", "3")
    assert execute._environment(1)["L2H_WORKERS"] == "3"


def test_data_are_looked_for_once(monkeypatch):
    calls = []
    monkeypatch.setattr(sources, "find_cifar10", lambda: calls.append(1))
    execute.cifar10_folder.cache_clear()
    assert execute.cifar10_folder() is execute.cifar10_folder() is None
    execute.cifar10_folder.cache_clear()
    assert calls == [1]


def test_digits_are_announced_where_they_matter(folders, capsys, monkeypatch):
    write(folders, c1=QUIET)
    monkeypatch.setattr(execute, "_reuse_execution", lambda *_: True)
    assert run(capsys, folders, "quick")[1] == "c1: fresh, not executed again\n"
    monkeypatch.setattr(notebooks, "needs_data", lambda _: True)
    assert run(capsys, folders, "quick")[1].startswith("CIFAR-10 is not at hand: digits take its place.")


def test_progress_is_in_minutes(monkeypatch):
    monkeypatch.setattr(time, "monotonic", lambda: 190.0)
    clock = execute.ProgressClock(100.0, {"a": 300.0, "b": 60.0, "c": 60.0}, {"a": 150.0, "b": 100.0})
    assert execute._progress(clock) == "1:30 elapsed, about 4:20 to go"
    clock = execute.ProgressClock(100.0, {"a": 50.0}, {"a": 120.0})
    assert execute._progress(clock) == "1:30 elapsed, longer than expected"


def test_the_expected_time_comes_from_the_last_execution(folders):
    write(folders, c1=QUIET)
    path = folders.references / "digits" / "c1.ipynb"
    source = read_source("c1", folders.book)
    source.metadata["l2h"] = {"profile": "quick", "seconds": 12.5}
    notebooks.write_notebook(path, source)
    nowhere = folders.notebooks / "quick" / "c1.ipynb"
    assert execute._expected(nowhere, "quick", folders) == 12.5
    assert execute._expected(nowhere, "paper", folders) == execute.DEFAULT_SECONDS
    assert json.loads(path.read_text())["metadata"]["l2h"]["seconds"] == 12.5
