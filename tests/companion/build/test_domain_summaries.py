"""Summaries of the runs of chapter 10: their figures, their file, and the run that a row is about."""

import numpy as np
import pandas as pd
import pytest

from companion.build import domain_summaries, summaries
from companion.build.domain_summaries import DomainSystem
from companion.chapters.ch10_domains.experiments import (
    FURTHER_METHODS,
    HELPER_SYSTEMS,
    DomainRun,
    MethodRun,
    domain_run_key,
    run_domain,
)
from l2h.data.published import NotAvailableError
from l2h.evaluation.curves import accuracy_coverage_curve, area_under_curve
from l2h.experiments.config import ExperimentConfig
from l2h.experiments.run_log import log_facts, log_run

RUN = DomainRun("wine", 1, n_client=54, n_fit=54, n_test=20, epochs=2)


@pytest.fixture(scope="module")
def table(toy_domains):
    """The summaries of the toy chapter."""
    return summaries.read_summaries(toy_domains.book / "92_domains.ipynb")


def test_a_record_has_a_row_for_each_system_of_each_run(table):
    assert sorted(table["system"]) == sorted([*HELPER_SYSTEMS, *FURTHER_METHODS])
    read = [domain_summaries.domain_system(row) for row in table.to_dict("records")]
    assert {one for one in read if one.system in HELPER_SYSTEMS} == {DomainSystem(RUN, name) for name in HELPER_SYSTEMS}
    further = {MethodRun(**vars(RUN), method=method): name for name, method in FURTHER_METHODS.items()}
    assert {one.run: one.system for one in read if one.system in FURTHER_METHODS} == further
    assert {row["key"]: row["method"] for row in table.to_dict("records") if not row["method"]} == {
        domain_run_key(RUN)[:16]: ""
    }


def test_the_figures_are_those_of_the_runs(table):
    for row in table.to_dict("records"):
        one = domain_summaries.domain_system(row)
        part = run_domain(one.run).parts["test"]
        own = part if row["method"] else part["two-stage" if one.system == "confidence" else one.system]
        assert row["client_accuracy"] == pytest.approx(np.mean(part["client_right"]), abs=1e-6)
        assert row["server_accuracy"] == pytest.approx(np.mean(own["server_right"]), abs=1e-6)
        assert row["cpu_seconds"] > 0 and row["n"] == 20
    predictions = run_domain(RUN).predictions("separate")
    area = table.loc[table["system"] == "separate", "area"].item()
    assert area == pytest.approx(area_under_curve(accuracy_coverage_curve(predictions)), abs=1e-6)


def test_pandas_alone_reads_the_file_of_domains(toy_domains):
    read = pd.read_csv(toy_domains.book / "92_domains.runs.csv")
    assert {"task", "seed", "system", "area", "cpu_seconds", "data", "key"} <= set(read.columns)


def test_no_runs_have_no_file(tmp_path):
    assert domain_summaries.domain_summaries_text([]) == ""
    assert domain_summaries.read_domain_log(tmp_path / "none") == []


def test_runs_of_two_kinds_in_one_chapter_are_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("L2H_RUN_LOG", str(tmp_path / "log"))
    monkeypatch.setattr(summaries, "summaries_text", lambda runs: "a file" if list(runs) else "")
    monkeypatch.setattr(domain_summaries, "domain_summaries_text", lambda runs: f"a file of {len(runs)} domains")
    log_facts("domain run", vars(RUN))
    assert summaries.text_of_log(tmp_path / "log") == "a file of 1 domains"
    log_run(ExperimentConfig("confidence", source="digits"))
    with pytest.raises(ValueError, match=r"expected runs of one kind in a chapter, got DomainRun\(task='wine'"):
        summaries.text_of_log(tmp_path / "log")


def test_other_data_and_none_are_not_those_of_the_record(table, monkeypatch):
    row = table.to_dict("records")[0]
    assert domain_summaries.has_its_data(row)
    assert not domain_summaries.has_its_data(row | {"data": "0" * 16})

    def refuse(name):
        raise NotAvailableError(f"no {name}")

    monkeypatch.setattr(domain_summaries, "data_digest", refuse)
    assert not domain_summaries.has_its_data(row)
