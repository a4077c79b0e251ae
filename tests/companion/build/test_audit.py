"""The audit of a record of small runs: what it draws, what it finds, and how it ends."""

import json
import os
import shutil
import signal
import time

import pytest
from helpers.commands import ended, forked
from helpers.sweeps import wait_until

from companion.build import audit, notebooks, summaries
from companion.build.beside import RUN_SUMMARIES, text_digest
from companion.build.notebooks import Folders
from companion.build.sweep import SWEEP
from l2h.experiments.fingerprint import Definition
from l2h.experiments.run_log import LoggedRun
from l2h.experiments.store import Store

N_RECORDED = 6  # runs of the toy chapter: two clients, a server, confidence, learning to help, also under corruption


@pytest.fixture
def copied(toy, tmp_path):
    """The folders of a copy that a test may change."""
    folders = Folders(tmp_path / "book", tmp_path / "notebooks", tmp_path / "references")
    folders.book.mkdir()
    for path in toy.book.iterdir():
        (folders.book / path.name).write_bytes(path.read_bytes())
    return folders


@pytest.fixture(scope="module")
def retrained(toy, tmp_path_factory):
    """A store with all runs of the toy chapter, trained again by the audit."""
    store = Store(tmp_path_factory.mktemp("retrained"))
    audit.train([one.run for one in audit.read_recorded_runs(toy)], store)
    return store


@pytest.fixture
def trained_once(retrained, monkeypatch):
    """Audits that compare with the runs of `retrained`, so that each is trained again once for many tests."""

    def copy_runs(_, store):
        shutil.copytree(retrained.folder, store.folder, dirs_exist_ok=True)

    monkeypatch.setattr(audit, "train", copy_runs)


def falsify(folders, row, column, change):
    """Change one figure of the summaries, as an author would who also states their digest."""
    path = folders.book / "91_runs.ipynb"
    lines = [line.split(",") for line in RUN_SUMMARIES.read(path).splitlines()]
    column_number = lines[0].index(column)
    lines[row + 1][column_number] = str(float(lines[row + 1][column_number]) + change)
    text = "\n".join(map(",".join, lines)) + "\n"
    RUN_SUMMARIES.write(path, text)
    notebook = json.loads(path.read_text())
    notebook["metadata"]["l2h"]["runs"] = text_digest(text)
    path.write_text(json.dumps(notebook))


def run(capsys, folders, *arguments):
    code = audit.main(list(arguments), folders)
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def test_a_right_record_passes_whatever_the_draw(toy, capsys):
    for seed in ("1", "2"):
        code, out, err = run(capsys, toy, "--runs", "3", "--seed", seed)
        assert (code, err) == (0, "")
        assert f"3 of {N_RECORDED} runs, drawn with seed {seed}, are trained again" in out
        assert out.count("largest difference +0.0000") == 3, "this machine made the record"


@pytest.mark.usefixtures("trained_once")
@pytest.mark.parametrize("change", [0.05, -0.05])
def test_a_falsified_summary_is_found_whenever_the_run_is_drawn(copied, capsys, change):
    recorded = audit.read_recorded_runs(copied)
    row = next(i for i, one in enumerate(recorded) if one.run.config.method == "confidence")
    falsify(copied, row, "accuracy", change)
    drawn_at = {}
    for seed in range(8):
        drawn = audit.draw(audit.read_recorded_runs(copied), 2, seed=seed)
        drawn_at.setdefault(any(one.run.config.method == "confidence" for one in drawn), seed)
    for found, seed in drawn_at.items():
        code, _, err = run(capsys, copied, "--runs", "2", "--seed", str(seed))
        assert code == int(found)
        assert ("method='confidence'" in err and "accuracy" in err) is found
    assert set(drawn_at) == {True, False}


@pytest.mark.usefixtures("trained_once")
@pytest.mark.parametrize(
    ("method", "column"),
    [("client", "client_accuracy"), ("plain_server", "server_accuracy"), ("learning_to_help", "accuracy on noise 4")],
)
def test_every_kind_of_run_is_compared(copied, capsys, method, column):
    rows = summaries.read_summaries(copied.book / "91_runs.ipynb")
    row = rows.index[(rows["method"] == method) & rows[column].notna()][0]
    falsify(copied, row, column, -0.1)
    code, _, err = run(capsys, copied, "--runs", str(N_RECORDED))
    assert code == 1 and column in err


def test_summaries_of_another_execution_are_refused(copied, capsys):
    path = copied.book / "91_runs.runs.csv"
    path.write_text(path.read_text().replace("learning_to_help", "learning_to_defer"))
    code, _, err = run(capsys, copied)
    assert code == 1 and err.startswith("expected the summaries of") and err.endswith("got others\n")


def test_a_book_without_summaries_is_an_error(copied, capsys):
    (copied.book / "91_runs.runs.csv").unlink()
    code, _, err = run(capsys, copied)
    assert code == 1 and err.startswith("expected summaries of runs beside the records in")


@pytest.mark.parametrize("arguments", [["--runs", "0"], ["--seed", "-1"], ["--seed", "x"], ["--runs", "2.5"], ["now"]])
def test_a_wrong_option_is_a_usage_error(toy, arguments):
    with pytest.raises(SystemExit, match="2"):
        audit.main(arguments, toy)


def test_the_draw_is_of_its_seed_and_without_repetition(toy):
    recorded = audit.read_recorded_runs(toy)
    every = audit.draw(recorded, 100, seed=0)
    assert sorted(map(recorded.index, every)) == list(range(N_RECORDED))
    assert audit.draw(recorded, 3, seed=4) == audit.draw(recorded, 3, seed=4) != audit.draw(recorded, 3, seed=5)
    first = {audit.draw(recorded, 1, seed=seed)[0].summary["key"] for seed in range(60)}
    assert len(first) == N_RECORDED, "each run can be drawn"


def test_the_draw_stops_before_it_takes_too_long(toy):
    recorded = [one._replace(summary=one.summary | {"cpu_seconds": 10.0}) for one in audit.read_recorded_runs(toy)]
    for seed in range(10):
        drawn = audit.draw(recorded, N_RECORDED, seed=seed, max_cpu_seconds=35)
        needed = {summaries.identity(run) for run in summaries.runs_with_dependencies(one.run for one in drawn)}
        assert drawn and len(needed) <= 3
        assert len(audit.draw(recorded, N_RECORDED, seed=seed, max_cpu_seconds=1)) == 1


def test_a_mean_has_a_smaller_tolerance():
    differences = [audit.Difference(str(i), "accuracy", 0.9, 0.9 - 0.02, 0.03) for i in range(16)]
    (mean,) = audit.mean_differences(differences)
    assert not any(one.is_contradiction for one in differences)
    assert mean.tolerance == pytest.approx(0.0075) and mean.is_contradiction


def test_runs_of_two_tolerances_have_the_mean_of_their_squares():
    differences = [audit.Difference(str(i), "area", 0.9, 0.9, tolerance) for i, tolerance in enumerate([0.03, 0.04])]
    assert audit.mean_differences(differences)[0].tolerance == pytest.approx(0.025)


def test_a_figure_that_is_no_number_any_more_is_a_contradiction():
    assert audit.Difference("a", "accuracy", 0.9, float("nan"), 0.03).is_contradiction


def test_two_chapters_that_share_a_run_are_both_named(copied):
    for suffix in (".md", ".ipynb", ".runs.csv"):
        (copied.book / f"92_again{suffix}").write_bytes((copied.book / f"91_runs{suffix}").read_bytes())
    recorded = audit.read_recorded_runs(copied)
    assert len(recorded) == N_RECORDED
    assert {one.chapters for one in recorded} == {("91_runs", "92_again")}


def test_without_the_images_nothing_is_compared(copied, capsys):
    path = copied.book / "91_runs.ipynb"
    falsified = RUN_SUMMARIES.read(path).replace(",digits,", ",cifar10,")
    RUN_SUMMARIES.write(path, falsified)
    notebook = json.loads(path.read_text())
    notebook["metadata"]["l2h"]["runs"] = text_digest(falsified)
    path.write_text(json.dumps(notebook))
    code, out, err = run(capsys, copied)
    assert (code, out) == (1, "") and err.startswith("expected CIFAR-10")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_audit_says_so_by_its_exit_code(toy, tmp_path, monkeypatch, number, code):
    monkeypatch.setattr(audit, "train", lambda *_: (print("begun"), time.sleep(600)))
    with forked(tmp_path, lambda: audit.main([], toy)) as process:
        wait_until(lambda: (tmp_path / "stdout").exists() and "begun\n" in (tmp_path / "stdout").read_text())
        os.kill(process.pid, number)
        assert ended(process) == code
    assert (tmp_path / "stdout").read_text().startswith("audit: ")
    assert "Traceback" not in (tmp_path / "stderr").read_text()


@pytest.fixture
def copied_domains(toy_domains, tmp_path):
    """The folders of a copy of the book with runs as those of chapter 10, that a test may change."""
    folders = Folders(tmp_path / "book", tmp_path / "notebooks", tmp_path / "references")
    shutil.copytree(toy_domains.book, folders.book)
    return folders


def change_domains(folders, rows, column, value):
    """Change one column of some rows of the summaries, as an author would who also states their digest."""
    path = folders.book / "92_domains.ipynb"
    table = summaries.read_summaries(path)
    table.loc[rows(table), column] = value
    text = table.to_csv(index=False)
    RUN_SUMMARIES.write(path, text)
    notebook = json.loads(path.read_text())
    notebook["metadata"]["l2h"]["runs"] = text_digest(text)
    path.write_text(json.dumps(notebook))


@pytest.fixture
def domains_trained_once(toy_domains, monkeypatch):
    """Audits that compare with the runs of the record, so that none is trained again."""

    def copy_runs(_, store):
        shutil.copytree(toy_domains.book.parent / "runs", store.folder, dirs_exist_ok=True)

    monkeypatch.setattr(audit, "train", copy_runs)


def test_runs_of_domains_are_trained_again_and_agree(toy_domains, capsys):
    code, out, err = run(capsys, toy_domains, "--runs", "12")
    assert (code, err) == (0, "")
    assert "12 of 12 runs" in out and out.count("(92_domains): largest difference +0.0000") == 12
    assert "budgeted of MethodRun(" in out and "separate of DomainRun(" in out


@pytest.mark.usefixtures("domains_trained_once")
@pytest.mark.parametrize("system", ["separate", "triage"])
@pytest.mark.parametrize("column", ["client_accuracy", "server_accuracy", "area"])
def test_a_falsified_summary_of_a_domain_is_found(copied_domains, capsys, system, column):
    change_domains(copied_domains, lambda table: table["system"] == system, column, 0.2)
    code, _, err = run(capsys, copied_domains, "--runs", "12")
    assert code == 1
    assert f"{system} of " in err and f": {column} 0.2000 in the record" in err


@pytest.mark.usefixtures("domains_trained_once")
def test_runs_on_other_data_are_left_out_and_said(copied_domains, capsys):
    change_domains(copied_domains, lambda table: table["system"] == "triage", "data", "0" * 16)
    change_domains(copied_domains, lambda table: table["system"] == "triage", "area", 0.2)
    code, out, err = run(capsys, copied_domains, "--runs", "12")
    assert (code, err) == (0, "")
    assert "not trained, since its data are not at hand, or are others: triage of MethodRun(" in out
    assert "audit: 11 of 12 runs" in out
    change_domains(copied_domains, lambda table: table["system"] != "", "data", "0" * 16)
    code, _, err = run(capsys, copied_domains, "--runs", "12")
    assert code == 1 and err.startswith("expected the data on which ") and "set L2H_DATA" in err


def test_the_systems_of_a_run_are_trained_together_and_counted_once(toy_domains):
    recorded = [
        one._replace(summary=one.summary | {"cpu_seconds": 10.0}) for one in audit.read_recorded_runs(toy_domains)
    ]
    together = [one for one in recorded if not one.summary["method"]]
    assert len(audit.draw(together, 4, seed=0, max_cpu_seconds=15)) == 4
    apart = [one for one in recorded if one.summary["method"]]
    assert len(audit.draw(apart, 4, seed=0, max_cpu_seconds=15)) == 1


@pytest.mark.parametrize(("server", "tolerances"), [(0.9, "DOMAIN_TOLERANCES"), (0.4, "FAILED_TOLERANCES")])
def test_a_server_that_is_worse_than_its_client_has_a_wider_tolerance(toy_domains, server, tolerances):
    one = audit.read_recorded_runs(toy_domains)[0]
    summary = one.summary | {"client_accuracy": 0.7, "server_accuracy": server}
    found = audit.compare(one._replace(summary=summary), summary)
    assert {each.name: each.tolerance for each in found} == getattr(audit, tolerances)


def test_a_run_that_was_not_timed_counts_as_the_slowest(toy_domains):
    recorded = [
        one._replace(summary=one.summary | {"cpu_seconds": float("nan")})
        for one in audit.read_recorded_runs(toy_domains)
        if one.summary["method"]
    ]
    assert len(audit.draw(recorded, 8, seed=0, max_cpu_seconds=4 * audit.UNTIMED_SECONDS)) == 4


def cells_of(name, code):
    """The code cells of a chapter, as one definition."""
    return code.add(name, "\n\n".join(cell.source for cell in notebooks.code_cells(notebooks.read_source(name))))


def test_the_records_have_summaries_of_all_their_runs():
    """Of each chapter that trains, readable by pandas, in files that are small together."""
    folders = notebooks.Folders()
    paths = sorted(folders.book.glob("*.runs.csv"))
    assert sum(path.stat().st_size for path in paths) < 2**20
    with_runs = {path.name.removesuffix(".runs.csv") for path in paths}
    code = notebooks.source_code()
    sweeps = {SWEEP, Definition("companion.chapters.ch10_domains.experiments", "sweep_domains")}
    training = {name for name in notebooks.chapter_names() if sweeps & code.reached([cells_of(name, code)])}
    assert len(training) > 5
    assert with_runs == training | {"06_comparison.full"}, "run `make record`"  # the last of all pairs of classes
    recorded = audit.read_recorded_runs(folders)
    plain = [one for one in recorded if isinstance(one.run, LoggedRun)]
    assert {one.run.config.source for one in plain} == {"cifar10"}
    assert {one.chapters for one in recorded if one not in plain} == {("10_domains",)}
    assert all(one.summary["cpu_seconds"] >= 0 for one in plain)
