"""The choice of the variant: what a candidate may read, how it is fitted, and the table, on small examples."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from helpers.samples import many
from sklearn.metrics import roc_auc_score

from companion.chapters.ch06_comparison import class_pairs, variant_choice
from companion.chapters.ch06_comparison.primary import DEVICE_BASELINES
from companion.chapters.ch06_comparison.variant_choice import Candidate, Group, Part, candidates, client_error_order
from companion.chapters.systems import STACKED_ON, stacked_predictions
from l2h.evaluation.curves import accuracy_at_coverage
from l2h.evaluation.metrics import client_server_correctness
from l2h.experiments import run
from l2h.experiments.config import ExperimentConfig, dependencies
from l2h.experiments.run import RunResult
from l2h.experiments.store import Store


def part(predictions, *, seed):
    """Signals of which only the separate system's tells where the client errs."""
    generator = np.random.default_rng(seed)
    score = predictions.m * generator.uniform(0, 1, len(predictions.y))
    noise = {
        name: generator.normal(size=(len(score), 1)) for name in DEVICE_BASELINES if name != variant_choice.SEPARATE
    }
    signals = noise | {
        variant_choice.SCORE: np.stack([score, np.abs(score)], axis=1),
        variant_choice.LOGARITHM: np.stack([score, np.abs(score)], axis=1),
        variant_choice.SEPARATE: predictions.r[:, None],
        variant_choice.SHARED_TRUNK: generator.normal(size=(len(score), 2)),
    }
    return Part(*(~right for right in client_server_correctness(predictions)), signals)


@pytest.fixture(scope="module")
def groups():
    found = []
    for seed, pair in enumerate(("cat/truck", "ship/truck")):
        calibration, validation = many(400, seed=2 * seed), many(400, seed=2 * seed + 1)
        random = replace(validation, r=np.random.default_rng(seed).normal(size=400))
        predictions = dict.fromkeys(DEVICE_BASELINES, random) | {variant_choice.SEPARATE: validation}
        found.append(
            Group(pair, "lenet", 0, part(calibration, seed=seed), part(validation, seed=seed + 9), predictions)
        )
    return found


@pytest.mark.parametrize("name", candidates())
def test_a_candidate_gives_every_validation_image_a_finite_score_that_ranks(groups, name):
    candidate = candidates()[name]
    r = candidate.scores(groups[0].calibration, groups[0].validation)
    assert r.shape == (400,) and np.isfinite(r).all()
    wrong = groups[0].validation.client_wrong
    if variant_choice.SEPARATE in candidate.signals:
        assert r[wrong].mean() < r[~wrong].mean()


def test_the_score_of_an_image_does_not_depend_on_its_own_labels(groups):
    group = groups[0]
    for name, candidate in candidates().items():
        changed = group.validation.client_wrong.copy()
        changed[:1] ^= True
        r, with_other_label = (
            candidate.scores(group.calibration, group.validation._replace(client_wrong=labels))
            for labels in (group.validation.client_wrong, changed)
        )
        assert r[0] == with_other_label[0], name
        assert np.array_equal(r, with_other_label) != candidate.cross_fitted, name


def test_without_errors_no_image_is_better_to_ask_than_another(groups):
    group = groups[0]
    perfect = group.calibration._replace(client_wrong=np.zeros(400, bool))
    assert np.ptp(Candidate((variant_choice.SCORE,), client_error_order(list)).scores(perfect, group.validation)) == 0


def test_a_difference_is_between_accuracies_at_the_same_coverage(groups):
    compared = {"alone": Candidate((variant_choice.SEPARATE,), lambda fitted_x, fitted, x: x[:, 0])}
    rows = variant_choice.differences(groups, compared)
    assert len(rows) == 2 * len(DEVICE_BASELINES) * len(class_pairs.COVERAGE_PERCENT)
    assert (rows[rows.baseline == variant_choice.SEPARATE].difference == 0).all()
    one = rows[(rows.baseline == "confidence") & (rows.coverage == 30) & (rows.pair == "cat/truck")].difference
    baselines = groups[0].predictions
    expected = accuracy_at_coverage(baselines["separate"], [0.3]) - accuracy_at_coverage(baselines["confidence"], [0.3])
    assert one.tolist() == pytest.approx(expected)


def test_the_table_holds_the_least_mean_over_pairs_and_its_standard_error():
    columns = ["candidate", "client", "baseline", "coverage", "pair", "seed", "difference"]
    values = [
        ("lenet", "confidence", 10, (0.02, 0.04)),
        ("lenet", "separate", 20, (-0.03, 0.01)),  # the least
        ("well_trained", "confidence", 10, (-0.02, -0.02)),  # the least
        ("well_trained", "separate", 20, (0.0, -0.01)),
    ]
    rows = pd.DataFrame(
        [
            (name, client, baseline, percent, pair, seed, difference + shift)
            for name, shift in (("logistic", 0.0), ("better", 0.01))
            for client, baseline, percent, by_pair in values
            for pair, difference in zip("ab", by_pair, strict=True)
            for seed in (0, 1)
        ],
        columns=columns,
    )
    compared = {
        "logistic": Candidate(("score", "two-stage"), client_error_order(list)),
        "better": Candidate(("score",), max),
    }
    table = variant_choice.candidate_table(rows, compared)
    assert table.candidate.tolist() == ["better", "logistic"]
    assert table.networks.tolist() == [0, 1]
    row = table.set_index("candidate").loc["logistic"]
    assert row["lenet"] == -0.01 and row["lenet, where"] == "separate at 20 %"
    assert row["lenet, standard error"] == pytest.approx(0.02)
    assert row["well_trained"] == -0.02 and row["well_trained, standard error"] == 0
    assert row["mean of the least"] == -0.015


def test_the_chosen_candidate_is_the_stacked_rejector(groups):
    """The rejector that the chapters call differs by the constant cost of asking."""
    calibration, validation = many(400, seed=0), many(400, seed=1)
    parts = [part(p, seed=seed) for seed, p in ((0, calibration), (9, validation))]
    scores = {
        split: {"m": p.m, "r": p.r, "e": p.e, "y": p.y}
        for split, p in (("calibration", calibration), ("validation", validation))
    }
    client_scores = {
        split: {"client_scores": each.signals[variant_choice.SCORE][:, 0]}
        for split, each in zip(scores, parts, strict=True)
    }
    config = ExperimentConfig(STACKED_ON, ce=0.1)
    system, client = (RunResult(config, {}, given, (), 0.0) for given in (scores, client_scores))
    r = stacked_predictions(system, client, "validation").r
    chosen = candidates()[variant_choice.CHOSEN].scores(*parts)
    assert r == pytest.approx(chosen + np.mean(parts[0].server_wrong) + 0.1)


def test_only_held_out_images_of_pairs_with_a_truck_are_read(monkeypatch):
    def stored(configs):
        return [
            RunResult(
                config,
                {"classes": config.classes},
                {
                    split: {"client_scores": p.m * 2.0} if config.method == "client" else vars(p)
                    for split, p in (("calibration", many(20, seed=1)), ("validation", many(30, seed=2)))
                },
                (),
                0.0,
            )
            for config in configs
        ]

    def trunk(config, results):
        return {name: np.zeros((len(results[config].scores[name]["m"]), 2)) for name in variant_choice.HELD_OUT}

    monkeypatch.setattr(variant_choice, "sweep", stored)
    monkeypatch.setattr(variant_choice, "shared_trunk_signals", trunk)
    found = list(variant_choice.stored_groups((3,)))
    assert len({(group.pair, group.client) for group in found}) == len(found) == 9 * 3
    assert all("truck" in group.pair.split("/") and group.seed == 3 for group in found)
    for group in found[:2]:
        assert len(group.calibration.client_wrong) == 20 and set(group.predictions) == set(DEVICE_BASELINES)
        p = many(30, seed=2)
        np.testing.assert_array_equal(group.validation.client_wrong, p.m != p.y)
        np.testing.assert_array_equal(group.validation.server_wrong, np.sign(p.e) != p.y)
        np.testing.assert_array_equal(group.validation.signals["score"], np.stack([2 * p.m, np.full(30, 2)], axis=1))
        np.testing.assert_array_equal(group.validation.signals["two-stage"][:, 0], p.r)


def test_the_shared_trunk_finds_the_clients_errors_and_imitates_the_server(tmp_path):
    config = ExperimentConfig("two_stage", source="digits", client="as_released", ce=0.1)
    needed = dependencies(config)
    store = Store(tmp_path)
    results = {each: run.run(each, store=store) for each in needed}
    found = variant_choice.shared_trunk_signals(config, results)
    assert list(found) == ["calibration", "validation"]
    client, server = (results[each].scores for each in needed)
    y = run.dataset_for_config(config).validation.y.numpy()
    m = np.where(client["validation"]["client_scores"] > 0, 1, -1)
    error, agreement = found["validation"].T
    assert roc_auc_score(m != y, error) > 0.7
    assert (np.sign(m * agreement) == np.sign(server["validation"]["e"])).mean() > 0.8
    again = variant_choice.shared_trunk_signals(config, results)
    np.testing.assert_array_equal(again["validation"], found["validation"])


def test_the_command_writes_the_table(monkeypatch, tmp_path, groups):
    monkeypatch.setattr(variant_choice, "stored_groups", lambda: groups)
    assert variant_choice.main(tmp_path) == 0
    assert sorted(pd.read_csv(variant_choice.variants_table_path(tmp_path)).candidate) == sorted(candidates())


def test_the_committed_table_holds_every_candidate_and_the_best_of_its_time_is_chosen():
    table = pd.read_csv(variant_choice.variants_table_path())
    assert sorted(table.candidate) == sorted(candidates())
    assert table["mean of the least"].is_monotonic_decreasing
    assert next(name for name in table.candidate if name not in variant_choice.TRIED_LATER) == variant_choice.CHOSEN


def test_readers_see_the_difference_with_its_error_and_place():
    table = variant_choice.read_variants_table().set_index("candidate")
    shown = variant_choice.shown_variants(table)
    assert list(shown.index) == list(table.index)
    assert list(shown.columns) == ["networks", "mean of the least", *class_pairs.PAIR_CLIENTS]
    row = table.loc[variant_choice.CHOSEN]
    expected = f"{row['lenet']:+.4f} ± {row['lenet, standard error']:.4f}, {row['lenet, where']}"
    assert shown["lenet"][variant_choice.CHOSEN] == expected
