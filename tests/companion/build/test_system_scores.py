"""The scores behind the figure of accuracy against coverage: written from predictions, and the record's own."""

import hashlib

import numpy as np
import pandas as pd
import pytest
from helpers import samples

from companion.build import notebooks, summaries, system_scores
from companion.chapters.choosing import interactive
from l2h.data.sources import find_cifar10
from l2h.evaluation import metrics
from l2h.evaluation.curves import accuracy_coverage_curve, area_under_curve
from l2h.experiments.store import Store
from l2h.problem import Costs


def test_the_table_gives_back_what_the_evaluation_reads(tmp_path):
    first = samples.sample_runs(1, 50)[0]
    second = type(first)(m=first.m, r=-first.r, e=-first.e, y=first.y)
    path = tmp_path / "systems.csv"
    system_scores.score_table({("one", "a1"): first, ("two", "b2"): second}).to_csv(path, index=False)
    read = interactive.read_systems(path)
    for name, system in {"one": first, "two": second}.items():
        assert np.allclose(read[name].r, system.r)
        assert metrics.accuracy(read[name]) == metrics.accuracy(system)
        assert metrics.system_loss(read[name], costs=Costs(1.3, 0.1)) == metrics.system_loss(
            system, costs=Costs(1.3, 0.1)
        )


def test_missing_runs_are_named(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(system_scores, "Store", lambda: Store(tmp_path))
    assert system_scores.main(tmp_path / "systems.csv") == 1
    missing = "CIFAR-10 is not available" if find_cifar10() is None else "got none of ['learning to help', 'confidence'"
    assert missing in capsys.readouterr().err
    assert not (tmp_path / "systems.csv").exists()


def test_the_committed_file_has_its_digest():
    assert hashlib.sha256(system_scores.FILE.read_bytes()).hexdigest() == interactive.SYSTEMS_SHA256
    assert system_scores.FILE == interactive.SYSTEMS_FILE and system_scores.FILE.stat().st_size < 200_000


@pytest.mark.parametrize("name", system_scores.FIGURE_SYSTEMS)
def test_the_committed_scores_are_those_of_a_run_of_the_record(name):
    runs = summaries.read_summaries(notebooks.ROOT / "book" / "06_comparison.ipynb").set_index("key")
    (key,) = set(pd.read_csv(system_scores.FILE, header=[0, 1, 2])[name].columns.get_level_values(0))
    row, predictions = runs.loc[key], interactive.read_systems()[name]
    assert (row["client"], row["classes"], row["seed"]) == ("as_released", "()", "0")
    assert metrics.accuracy(predictions) == pytest.approx(row["accuracy"], abs=1e-12)
    assert metrics.offload_rate(predictions) == pytest.approx(row["offload_rate"], abs=1e-12)
    assert metrics.system_loss(predictions, costs=Costs(1.0, 0.1)) == pytest.approx(row["system_loss"], abs=1e-9)
    area = area_under_curve(accuracy_coverage_curve(predictions))
    assert area == pytest.approx(row["area"], abs=2e-6)  # rounded scores may be equal
