"""The record over all pairs of classes, on three pairs of digits with few images."""

from contextlib import redirect_stdout
from dataclasses import replace
from io import StringIO
from itertools import combinations

import pandas as pd
import pytest
from helpers.chapters import HEADER

from companion.build import audit, execute, full_record
from companion.build.beside import RUN_SUMMARIES
from companion.build.notebooks import Folders
from companion.chapters.ch06_comparison import class_pairs
from l2h.data.cifar10h import HumanLabels

SMALL = {"source": "digits", "sizes": (40, 40, 40, 40), "precision": "float64"}


@pytest.fixture(scope="module")
def patch(tmp_path_factory):
    """Three pairs of digits, two clients and one seed in place of hours of training."""

    def groups(seed, pairs=None):
        for pair in combinations("138", 2):
            for client in ("as_released", "well_trained"):
                systems = class_pairs.pair_systems(pair, client, seed)
                yield {name: replace(config, **SMALL) for name, config in systems.items()}

    labels = HumanLabels(*[[0.5]] * 4)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("L2H_RUNS", str(tmp_path_factory.mktemp("runs")))
        patch.setenv("L2H_WORKERS", "1")
        patch.setattr(class_pairs, "PAIR_SEEDS", 1)
        patch.setattr(class_pairs, "groups_of_seed", groups)
        patch.setattr(execute, "cifar10_folder", lambda: tmp_path_factory.getbasetemp())
        patch.setattr(
            full_record.human_uncertainty, "load_labels", lambda config: None if config.source == "digits" else labels
        )
        yield patch


@pytest.fixture(scope="module")
def made(patch, tmp_path_factory):
    """The folder of a record that is made once, and the lines of the command."""
    book, lines = tmp_path_factory.mktemp("book"), StringIO()
    with redirect_stdout(lines):
        assert full_record.main(Folders(book=book)) == 0
    return book, lines.getvalue()


def test_a_table_and_a_summary_of_every_run_are_written(made):
    book, lines = made
    table = class_pairs.read_pairs_table(book)
    assert len(table) == 3 * 2 * 7  # the small rejector and the stacked one among the systems
    assert set(table.classes) == {"1/3", "1/8", "3/8"} and set(table.seed) == {0}
    assert table.groupby(["classes", "client"]).key.nunique().eq(1).all()
    text = RUN_SUMMARIES.path(class_pairs.pairs_table_path(book)).read_text()
    runs = pd.read_csv(RUN_SUMMARIES.path(class_pairs.pairs_table_path(book)))
    assert len(runs) == 3 * (2 + 1 + 2 * 6) and "learning_to_help" in text
    assert "seed 0: 45 runs" in lines


def test_the_audit_draws_from_the_summaries_of_the_full_record(made):
    book, _ = made
    (book / "06_comparison.md").write_text(HEADER + "x = 1\n```\n")
    recorded = audit.read_recorded_runs(Folders(book=book))
    assert len(recorded) == 45
    assert {one.chapters for one in recorded} == {("06_comparison",)}


@pytest.mark.parametrize("missing", ["CIFAR-10", "CIFAR-10H"])
def test_without_data_nothing_is_written(patch, tmp_path, monkeypatch, capsys, missing):
    if missing == "CIFAR-10":
        monkeypatch.setattr(execute, "cifar10_folder", lambda: None)
    else:
        monkeypatch.setattr(full_record.human_uncertainty, "load_labels", lambda config: None)
    assert full_record.main(Folders(book=tmp_path)) == 1
    assert f"expected {missing} for the record" in capsys.readouterr().err
    assert not class_pairs.pairs_table_path(tmp_path).exists()
