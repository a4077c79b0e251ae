"""The table over all pairs of classes: its groups, its rows, and whether the committed one belongs to the code."""

from dataclasses import replace
from itertools import combinations
from types import SimpleNamespace

import numpy as np
import pytest
from helpers.samples import many

from companion.build import notebooks
from companion.chapters.ch06_comparison import class_pairs
from l2h.data import sources
from l2h.data.cifar10h import HumanLabels
from l2h.evaluation.curves import accuracy_at_coverage, accuracy_coverage_curve, area_under_curve
from l2h.evaluation.metrics import offload_rate, system_loss
from l2h.evaluation.thresholds import tuned_on_validation
from l2h.experiments import run
from l2h.problem import Costs, Predictions
from l2h.training import device
from l2h.training.config import PRESETS

COSTS = Costs(c1=1.0, ce=0.1)
PAIRS_AT_HAND = [("airplane", "automobile"), ("cat", "dog"), ("ship", "truck")] if sources.find_cifar10() else []


def test_every_pair_and_client_is_a_group_of_every_seed():
    groups = list(class_pairs.groups_of_seed(4))
    assert len(groups) == 45 * 3
    assert {len(group) for group in groups} == {5}
    assert {len(group) for group in class_pairs.groups_of_seed(0)} == {6}  # with the small rejector
    assert {config.seed for group in groups for config in group.values()} == {4}
    names = {config.classes for group in groups for config in group.values()}
    assert names == {(), *combinations(sources.CLASSES["cifar10"], 2)} - {("airplane", "automobile")}


def test_the_runs_of_a_seed_share_clients_and_servers():
    runs = class_pairs.runs_of_seed(4, [("cat", "dog")])
    methods = [config.method for config in runs]
    assert len(set(runs)) == len(runs) == 3 * 5 + 3 + 1
    assert methods.count("client") == 3 and methods.count("plain_server") == 1


@pytest.fixture(scope="module")
def splits():
    validation, test, plain = (many(n, seed=seed) for seed, n in ((1, 300), (2, 400), (3, 400)))
    return validation, test, Predictions(test.m, plain.r, plain.e, test.y)


def test_a_row_says_what_a_system_does(splits):
    validation, test, plain = splits
    row = class_pairs.system_row(validation, test, plain, None)
    (tuned,) = tuned_on_validation([validation], [test], costs=COSTS)
    assert row["area"] == pytest.approx(area_under_curve(accuracy_coverage_curve(test)), abs=1e-6)
    assert row["accuracy_at_30"] == pytest.approx(accuracy_at_coverage(test, [0.3])[0], abs=1e-6)
    assert row["system_loss"] == pytest.approx(system_loss(tuned, costs=COSTS), abs=1e-6)
    assert row["sent"] == pytest.approx(offload_rate(tuned), abs=1e-6)
    assert row["client_accuracy"] == pytest.approx(np.mean(test.m == test.y))
    assert "hard_minus_easy" not in row
    lowest = np.argsort(test.r)[:200]
    assert row["server_on_half"] == pytest.approx(np.mean(np.sign(test.e[lowest]) == test.y[lowest]))
    assert row["plain_on_half"] == pytest.approx(np.mean(np.sign(plain.e[lowest]) == test.y[lowest]))


def test_a_row_compares_what_people_find_hard_and_easy(splits):
    validation, test, plain = splits
    asked = np.where(np.arange(400) < 300, -1.0, 1.0)  # three quarters are sent, whatever the threshold is near zero
    test = Predictions(test.m, asked, test.e, test.y)
    validation = Predictions(validation.y, np.ones(300), -validation.y, validation.y)
    entropy = np.linspace(0, 1, 400)  # the last fifth, which is hard, is kept; the first, which is easy, is sent
    labels = HumanLabels(np.full(400, 0.5), entropy, np.zeros(400), np.full(400, 50))
    (tuned,) = tuned_on_validation([validation], [test], costs=COSTS)
    row = class_pairs.system_row(validation, test, plain, labels)
    sent = tuned.r <= 0
    assert row["hard_minus_easy"] == pytest.approx(sent[320:].mean() - sent[:80].mean())


@pytest.fixture(scope="module")
def table():
    return class_pairs.read_pairs_table()


def test_the_committed_table_is_complete(table):
    groups = table.groupby(["classes", "client", "seed"])
    expected = {
        ("/".join(pair), client, seed)
        for pair in class_pairs.class_pairs()
        for client in class_pairs.PAIR_CLIENTS
        for seed in range(class_pairs.PAIR_SEEDS)
    }
    assert set(groups.groups) == expected
    assert not table.duplicated(list(class_pairs.PAIR_COLUMNS)).any()
    numbers = table.drop(columns=[*class_pairs.PAIR_COLUMNS, "key"])
    assert np.isfinite(numbers.to_numpy()).all()
    assert groups.key.nunique().eq(1).all()


def assert_keys_of_pair(table, pair):
    keys = table.drop_duplicates(["classes", "client", "seed"]).set_index(["classes", "client", "seed"]).key
    for seed in (0, class_pairs.PAIR_SEEDS - 1):
        for group in class_pairs.groups_of_seed(seed, [pair]):
            client = group["two-stage"].client
            message = "the table is stale: run `python -m companion.build.full_record`"
            assert keys["/".join(pair), client, seed] == class_pairs.group_key(group), message


def test_the_committed_table_belongs_to_the_code(table, monkeypatch):
    """With the digest of the images that the record states, so that the images need not be at hand."""
    recorded = notebooks.read_notebook(class_pairs.BOOK / "06_comparison.ipynb").metadata.l2h.data
    monkeypatch.setattr(run, "dataset_for_config", lambda config: SimpleNamespace(sha256=recorded.sha256))
    assert_keys_of_pair(table, ("airplane", "automobile"))
    monkeypatch.undo()
    for pair in PAIRS_AT_HAND:  # and with the images where they are
        assert_keys_of_pair(table, pair)


def test_a_key_does_not_depend_on_the_processor(monkeypatch):
    group = class_pairs.pair_systems(("3", "8"), "lenet", 0)
    preset = next(name for name, training in PRESETS.items() if training.bfloat16)
    group = {name: replace(config, source="digits", preset=preset) for name, config in group.items()}
    first = class_pairs.group_key(group)
    monkeypatch.setattr(device, "has_bfloat16", lambda: True)
    with_bfloat16 = run.run_key(group["two-stage"])
    monkeypatch.setattr(device, "has_bfloat16", lambda: False)
    assert run.run_key(group["two-stage"]) != with_bfloat16
    assert class_pairs.group_key(group) == first


def test_a_key_depends_on_every_configuration():
    group = class_pairs.pair_systems(("3", "8"), "lenet", 0)
    group = {name: replace(config, source="digits") for name, config in group.items()}
    fewer = {name: config for name, config in group.items() if name != "separate"}
    assert class_pairs.group_key(group) != class_pairs.group_key(fewer)
