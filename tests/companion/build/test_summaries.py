"""Summaries of runs beside executed notebooks: their figures, their files, and what the executor makes of them."""

import numpy as np
import pandas as pd
import pytest
from helpers.chapters import toy_configs

from companion.build import execute, notebooks, summaries
from companion.build.beside import RUN_SUMMARIES
from companion.build.notebooks import Folders
from l2h.evaluation import curves, metrics
from l2h.experiments.config import ExperimentConfig
from l2h.experiments.run import dataset_for_config, run, run_key
from l2h.experiments.run_log import LoggedRun
from l2h.experiments.shifted import Conditions, run_under_corruption
from l2h.problem import server_label


def table_of(toy):
    return summaries.read_summaries(toy.book / "91_runs.ipynb")


def test_a_record_has_one_summary_per_run_and_per_run_that_these_read(toy):
    table = table_of(toy)
    methods = ["client", "client", "confidence", "learning_to_help", "learning_to_help", "plain_server"]
    assert sorted(table["method"]) == methods
    logged = [summaries.logged_run(row) for row in table.to_dict("records")]
    assert {one.config for one in logged if one.conditions is None} >= set(toy_configs())
    assert sum(one.conditions is not None for one in logged) == 2
    keys = {run_key(one.config)[:16] for one in logged if one.conditions is None}
    assert keys <= set(table["key"])
    assert table.columns[0] == "method"


def test_the_figures_are_those_of_the_runs(toy):
    for row in table_of(toy).to_dict("records"):
        logged = summaries.logged_run(row)
        config = logged.config
        conditions = logged.conditions and Conditions(**logged.conditions)
        result = run_under_corruption(config, conditions) if conditions else run(config)
        if config.method == "client":
            name = "clean" if logged.conditions else "test"
            y = dataset_for_config(config).test.y.numpy()
            right = server_label(result.scores[name]["client_scores"]) == y[: len(result.scores[name]["client_scores"])]
            assert row["client_accuracy"] == pytest.approx(right.mean(), abs=1e-6)
            assert np.isnan(row["accuracy"])
        elif config.method == "plain_server":
            assert np.isnan(row["client_accuracy"]) and 0.5 < row["server_accuracy"] <= 1
        else:
            p = result.predictions()
            assert row["accuracy"] == pytest.approx(metrics.accuracy(p), abs=1e-6)
            assert row["offload_rate"] == pytest.approx(metrics.offload_rate(p), abs=1e-6)
            assert row["system_loss"] == pytest.approx(metrics.system_loss(p, costs=config.costs), abs=1e-6)
            assert row["area"] == pytest.approx(curves.area_under_curve(curves.accuracy_coverage_curve(p)), abs=1e-6)
            assert row["n"] == len(p.y)


def test_pandas_alone_reads_the_file(toy):
    table = pd.read_csv(toy.book / "91_runs.runs.csv")
    assert {"method", "accuracy", "key", "cpu_seconds", "training_loss", "accuracy on noise 4"} <= set(table.columns)
    assert table.dropna(subset="accuracy on noise 4")["method"].to_list() == ["learning_to_help"]


def test_a_record_without_its_own_summaries_is_not_reused(toy, tmp_path, capsys):
    """It is executed again, with the same summaries when all runs come from the store."""
    folders = Folders(tmp_path / "book", tmp_path / "notebooks", tmp_path / "references")
    folders.book.mkdir()
    for path in toy.book.iterdir():
        (folders.book / path.name).write_bytes(path.read_bytes())
    execute.execute_chapters("paper", ["91_runs"], folders)
    assert capsys.readouterr().out == "91_runs: fresh, not executed again\n"
    made = folders.notebooks / "paper"
    before = (toy.book / "91_runs.runs.csv").read_text()
    assert (made / "91_runs.runs.csv").read_text() == before

    (made / "91_runs.ipynb").unlink()
    (made / "91_runs.runs.csv").unlink()
    (folders.book / "91_runs.runs.csv").unlink()
    execute.execute_chapters("paper", ["91_runs"], folders)
    out = capsys.readouterr().out
    assert "91_runs.ipynb: not reused" in out and "91_runs: started at paper" in out
    assert RUN_SUMMARIES.belongs_to(notebooks.read_notebook(made / "91_runs.ipynb"), made / "91_runs.ipynb")
    assert (made / "91_runs.runs.csv").read_text() == before
    assert not list(folders.notebooks.glob("*/*.partial.*"))


def test_a_notebook_without_runs_has_no_file(tmp_path):
    assert summaries.summaries_text([]) == ""
    path = tmp_path / "01_problem.ipynb"
    RUN_SUMMARIES.write(path, "method\nclient\n")
    assert RUN_SUMMARIES.path(path).exists()
    RUN_SUMMARIES.write(path, "")
    assert list(tmp_path.iterdir()) == []
    assert RUN_SUMMARIES.belongs_to({"metadata": {"l2h": {}}}, path)


def test_every_field_of_a_configuration_survives_the_file(tmp_path, monkeypatch):
    fields = {"classes": ("cat", "dog"), "sizes": (10, 20, 30, 40), "alpha": 20.0, "bounded": False, "seed": 3}
    config = ExperimentConfig("learning_to_help", client="well_trained", **fields)

    def summarize(logged, store):
        return {"key": "0"} | {name: str(getattr(logged.config, name)) for name in summaries.CONFIG_FIELDS}

    monkeypatch.setattr(summaries, "summarize", summarize)
    path = tmp_path / "a.ipynb"
    RUN_SUMMARIES.write(path, summaries.summaries_text([LoggedRun(config, None)]))
    read = [summaries.logged_run(row).config for row in summaries.read_summaries(path).to_dict("records")]
    assert config in read and len(read) == 2
