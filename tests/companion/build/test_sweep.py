"""The command that makes a chapter's runs in advance: its cells, its exit codes, Ctrl-C, a cluster."""

import logging
import os
import re
import signal

import pytest
from distributed import LocalCluster
from helpers.commands import ended, forked
from helpers.sweeps import is_alive, wait_until

from companion.build import notebooks, sweep
from companion.build.notebooks import Folders
from companion.chapters.settings import PROFILE_NAMES

HEADER = """---
kernelspec:
  display_name: Python 3
  name: python3
---

# A chapter

```{code-cell} ipython3
:tags: [parameters]

profile = "paper"
seeds = None
ce = None
```
"""
CHAPTER = (
    HEADER
    + """
```{code-cell} ipython3
from types import SimpleNamespace

from l2h.experiments.config import ExperimentConfig, dependencies
from l2h.experiments.sweep import over_seeds, sweep

settings = SimpleNamespace(data="digits", seeds={"quick": 1, "paper": 3}[profile])
```

```{code-cell} ipython3
preset = {"quick": "fast", "paper": "released"}[profile]  # the latter takes about a second: time to be interrupted in
base = ExperimentConfig("learning_to_help", alpha="released", ce=ce or 0.1, preset=preset, source=settings.data)
clients = sweep(dependencies(base))
```

```{code-cell} ipython3
print("shown by the chapter")
results = sweep(over_seeds(base, seeds or settings.seeds))
```

```{code-cell} ipython3
raise AssertionError("what comes after the last sweep is not run")
```
"""
)


@pytest.fixture
def folders(tmp_path, monkeypatch):
    (tmp_path / "book").mkdir()
    (tmp_path / "book" / "runs.md").write_text(CHAPTER)
    (tmp_path / "book" / "none.md").write_text(HEADER + "\n```{code-cell} ipython3\nsweep = 1\n```\n")
    monkeypatch.setenv("L2H_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("L2H_WORKERS", "1")
    monkeypatch.setenv("L2H_SCHEDULER", "")
    return Folders(book=tmp_path / "book")


@pytest.fixture(autouse=True)
def _loggers():
    """The command, called in this process, turns the packages' loggers up."""
    loggers = [logging.getLogger(name) for name in ("l2h", "companion")]
    before = [(logger, logger.level, list(logger.handlers)) for logger in loggers]
    yield
    for logger, level, handlers in before:
        logger.setLevel(level)
        logger.handlers[:] = handlers


def kept(folders):
    return len(list((folders.book.parent / "runs").glob("*.json")))


def test_a_chapters_runs_are_made_and_nothing_else(folders, capsys):
    assert sweep.main(["quick", "runs"], folders) == 0
    printed = capsys.readouterr()
    assert kept(folders) == 2
    assert "runs: on digits, not on CIFAR-10" in printed.err
    assert "runs: 100%" in printed.err and "| 1/1 [" in printed.err
    assert printed.out == ""


def test_parameters_are_the_chapters(folders):
    assert sweep.main(["quick", "runs", "-y", "{seeds: 2}"], folders) == 0
    assert kept(folders) == 4


def test_a_failed_run_is_shown_and_the_exit_code_tells(folders, capsys):
    assert sweep.main(["quick", "runs", "-y", "{ce: 0.3}"], folders) == 1
    printed = capsys.readouterr().err
    assert "failed: ExperimentConfig(method='learning_to_help'" in printed and "ce=0.3" in printed
    assert "Traceback" in printed and "1 of 1 runs failed" in printed


def test_a_cluster_makes_the_runs(folders, capsys):
    with LocalCluster(n_workers=2, processes=False, protocol="tcp", dashboard_address=None) as cluster:
        assert sweep.main(["quick", "runs", "--scheduler", cluster.scheduler_address], folders) == 0
    assert os.environ["L2H_SCHEDULER"] == cluster.scheduler_address
    assert kept(folders) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["quick", "nowhere"], "expected chapter to be one of 'none', 'runs', got 'nowhere'"),
        (["quick", "none"], "expected a chapter with a cell that calls sweep, got none, which makes no runs"),
        (["quick", "runs", "-y", "3"], "expected parameters as a mapping, such as {seeds: 3}, got '3'"),
        (["quick", "runs", "-y", "{"], "expected parameters as YAML, such as {seeds: 3}, got '{'"),
        (["quick", "runs", "-y", "{profile: paper}"], "the profile as the first word of the command, got it in '{p"),
    ],
)
def test_a_command_that_cannot_be_followed_says_why(folders, capsys, arguments, message):
    assert sweep.main(arguments, folders) == 1
    assert message in capsys.readouterr().err


def test_what_the_page_on_many_runs_shows_exists():
    text = (notebooks.ROOT / "book" / "scale.md").read_text("utf8")
    commands = re.findall(r"^python -m (companion\.build\.\w+) (\w+) (\w+)", text, re.MULTILINE)
    assert len(commands) == 5
    for module, profile, chapter in commands:
        assert (notebooks.ROOT / f"{module.replace('.', '/')}.py").exists()
        assert profile in PROFILE_NAMES and chapter in notebooks.chapter_names()
    scripts = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert len(scripts) == 2
    for script in scripts:
        compile(script, "scale.md", "exec")
        assert '\nif __name__ == "__main__":\n' in script


def test_ctrl_c_stops_everything_and_says_how_to_go_on(folders, tmp_path, monkeypatch):
    monkeypatch.setenv("L2H_WORKERS", "2")
    with forked(tmp_path, lambda: sweep.main(["paper", "runs"], folders)) as sweeping:
        wait_until(lambda: kept(folders) > 3)  # the clients are made, and a run
        os.killpg(sweeping.pid, signal.SIGINT)  # as a terminal does, to every process of the command
        assert ended(sweeping) == 130
    printed = (tmp_path / "stderr").read_text()
    assert "KeyboardInterrupt: " in printed
    assert f"are kept in {tmp_path / 'runs'}; the same sweep makes the others" in printed
    assert "Traceback" not in printed
    wait_until(lambda: not is_alive(sweeping.pid))
    monkeypatch.setenv("L2H_WORKERS", "1")
    assert sweep.main(["paper", "runs"], folders) == 0
    assert kept(folders) == 6


@pytest.mark.parametrize("name", ["01_problem", *(f"0{n}" for n in range(5, 10))])
def test_every_chapter_that_trains_can_be_made_in_advance(name):
    (chapter,) = (one for one in notebooks.chapter_names(Folders().book) if one.startswith(name))
    _, *cells = [cell.source for cell in notebooks.code_cells(notebooks.read_source(chapter, Folders().book))]
    assert sweep._cells_up_to_sweep(chapter, cells) > 0
