"""The tables of variance components, from predictions whose variation is known."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from helpers import samples

from companion.build import components
from l2h.evaluation.comparisons import differences_per_example
from l2h.evaluation.crossed import crossed_intervals, variance_components
from l2h.evaluation.curves import auc_contributions
from l2h.evaluation.metrics import client_server_correctness
from l2h.experiments.store import Store

SYSTEMS = {
    "learning to help": samples.sample_runs(3, 200),
    "confidence": samples.sample_runs(3, 200, client=0.6),
    "two-stage": samples.sample_runs(3, 200, server=0.5),
}


def test_each_difference_has_its_components():
    table = components.component_table({"a setting": SYSTEMS})
    assert list(table.baseline) == ["confidence", "two-stage", "server trained alone"]
    values = differences_per_example(SYSTEMS["learning to help"], SYSTEMS["two-stage"], auc_contributions)
    row = table[table.baseline == "two-stage"].iloc[0]
    assert tuple(row[["seed", "example", "interaction"]]) == pytest.approx(variance_components(values))
    assert (row.difference, row.seeds, row.images, row.share) == (pytest.approx(values.mean()), 3, 200, 1)


def test_the_server_is_compared_on_asked_images():
    row = components.component_table({"a setting": SYSTEMS}).iloc[-1]
    asked = np.stack([p.r <= 0 for p in SYSTEMS["learning to help"]]).astype(float)
    servers = [
        np.stack([client_server_correctness(p)[1] for p in SYSTEMS[name]]).astype(float)
        for name in ("learning to help", "two-stage")
    ]
    interval = crossed_intervals((servers[0] - servers[1])[None], asked[None], signed=True)[0]
    assert row.difference == pytest.approx(interval.estimate) and row.share == pytest.approx(asked.mean())
    silent = {name: [replace(p, r=np.ones(200)) for p in by_seed] for name, by_seed in SYSTEMS.items()}
    assert "server trained alone" not in set(components.component_table({"a setting": silent}).baseline)


def test_the_diagonals_of_the_matrices_are_the_mean_squares():
    table = components.covariance_table({"a setting": SYSTEMS})
    by_part = {part: rows[["confidence", "two-stage"]].to_numpy() for part, rows in table.groupby("part")}
    values = differences_per_example(SYSTEMS["learning to help"], SYSTEMS["confidence"], auc_contributions)
    seed, example, interaction = variance_components(values)
    assert by_part["residual"][0, 0] == pytest.approx(interaction)
    assert max(by_part["images"][0, 0] - interaction, 0) == pytest.approx(3 * example)
    assert max(by_part["seeds"][0, 0] - interaction, 0) == pytest.approx(200 * seed)


def test_seconds_are_means_of_the_runs_that_took_time():
    runs = pd.DataFrame({"client": ["a", "a", "b"], "method": ["x", "x", "confidence"], "cpu_seconds": [1.0, 3.0, 0.0]})
    table = components.seconds_table(runs)
    assert table.to_dict("records") == [{"client": "a", "method": "x", "cpu_seconds": 2.0, "runs": 2}]


def test_missing_runs_are_counted_and_nothing_is_written(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(components, "Store", lambda: Store(tmp_path))
    monkeypatch.setattr(components.run, "run_key", lambda config: 64 * "0")
    assert components.main(tmp_path / "tables") == 1
    assert "got 720 missing" in capsys.readouterr().err and not (tmp_path / "tables").exists()
