"""The runs of the chapter on many classes: complete, sharing what they can, and read as their rules say."""

from dataclasses import replace

import numpy as np
import pytest
from samples import several

from l2h import designs_multiclass as designs
from l2h import evaluate, methods
from l2h.curves import area_by_example, threshold_for_loss
from l2h.problem import Costs, Predictions
from l2h.runs import Result, needs
from l2h.studies import STUDIES, at_profile

PROFILES = [replace(at_profile("07_multiclass", profile), data="cifar10") for profile in ("quick", "paper", "full")]


@pytest.mark.parametrize("study", PROFILES, ids=lambda study: study.profile)
def test_one_plain_server_of_each_seed_serves_every_method(study):
    runs = designs.every_run(study, 47)
    plain = [one for one in runs if one.method == "plain_server" and one.network == study.network]
    assert len(plain) == study.seeds == len({one.seed for one in plain})
    assert {one.recipe for one in plain} == {study.recipe}
    joint = [one for one in runs if one.method in methods.JOINT and one.network == study.network]
    assert all(one.start == study.recipe and one.recipe == "one_more" for one in joint)
    assert len(joint) == len(designs.JOINT) * study.seeds  # none is trained twice for a rejector of another kind


@pytest.mark.parametrize("study", PROFILES, ids=lambda study: study.profile)
def test_every_run_comes_after_what_it_needs(study):
    runs = designs.every_run(study, 47)
    place = {one: index for index, one in enumerate(runs)}
    assert all(place[earlier] < place[one] for one in runs for earlier in needs(one))


def test_the_comparison_names_every_method_of_the_package():
    runs = designs.comparison(at_profile("07_multiclass", "paper"))
    named = {one.method for (client, _), one in runs.items() if client == "follow_up"}
    assert named >= set(methods.JOINT) | {"confidence", "random", "oracle", "separate", "two_stage", "two_sigmoid"}
    assert {client for client, _ in runs} == {"follow_up", "lenet"}


@pytest.mark.parametrize("study", PROFILES, ids=lambda study: study.profile)
def test_confidence_meets_each_system_with_the_server_that_this_system_has(study):
    systems = {name: one for (client, name), one in designs.comparison(study).items() if client == study.clients[0]}
    beside = designs.confidence_beside(study)
    assert list(beside) == list(systems)
    for name, one in systems.items():
        server = one if one.method in methods.JOINT else needs(one)[1]
        assert needs(beside[name]) == (needs(one)[0], server), name
        assert beside[name].method == "confidence" and beside[name].costs == one.costs


def test_what_imitates_a_system_reads_the_run_that_is_compared():
    runs = designs.comparison(PROFILES[1])
    for name in designs.TEACHERS:
        imitates = runs["follow_up", f"{name}, distilled"]
        assert imitates.rejector == "scores" and needs(imitates)[1] == runs["follow_up", name]


def test_the_numbers_of_classes_differ_in_nothing_else():
    runs = designs.by_classes(PROFILES[1])
    alike = {replace(one, classes=(), method="confidence") for one in runs.values()}
    assert len(alike) == 1
    assert sorted({len(one.classes) for one in runs.values()}) == [2, 3, 5, 10]


def test_digits_use_all_that_there_is():
    study = replace(at_profile("07_multiclass", "quick"), data="digits", sizes=())
    assert {one.sizes for one in designs.every_run(study, 5)} == {()}
    assert designs.names_of("digits", 2) == ("1", "8") and len(set(designs.names_of("digits", 10))) == 10


def test_delays_hold_none_an_epoch_and_for_ever():
    runs = designs.delayed(PROFILES[1], 47)
    assert list(runs) == [1, 10, 47, designs.NEVER]
    assert {one.start for one in runs.values()} == {""}


def asking(rates, n=400, seeds=3):
    """Predictions that ask a given share, at each place."""
    y = np.ones(n, dtype=int)
    r = np.linspace(0, 1, n, endpoint=False) + 1e-9
    return [[Predictions(y, r - rate, y * 1.0, y) for _ in range(seeds)] for rate in rates]


def test_the_slope_of_the_offload_rate_is_that_of_its_rates():
    by_place = asking([0.2, 0.3, 0.4])
    slope = designs.slope_interval(by_place, [1.0, 1.5, 2.0])
    rates = [evaluate.offload_rate(several[0]) for several in by_place]
    assert slope.estimate == pytest.approx(np.polyfit([1.0, 1.5, 2.0], rates, 1)[0])
    assert slope.low < slope.estimate < slope.high
    with pytest.raises(ValueError, match="at several places that differ"):
        designs.slope_interval(by_place, [1.0, 1.0, 1.0])
    with pytest.raises(ValueError, match="at several places that differ, got 3 at"):
        designs.slope_interval(by_place, [1.0, 2.0])


def test_a_trend_is_the_slope_of_the_mean_differences():
    first = [several(3, n, client=0.7) for n in (40, 90, 200)]
    second = [several(3, n, client=0.7, server=0.8) for n in (40, 90, 200)]
    gaps = [np.mean(designs.areas(a)) - np.mean(designs.areas(b)) for a, b in zip(first, second, strict=True)]
    found = designs.trend_interval(first, second, [1.0, 1.5, 3.0])
    assert found.estimate == pytest.approx(np.polyfit([1.0, 1.5, 3.0], gaps, 1)[0])
    assert found.low < found.estimate < found.high
    with pytest.raises(ValueError, match="at several places that differ"):
        designs.trend_interval(first, second, [1.0, 1.0, 1.0])


def test_the_interval_of_a_trend_knows_that_test_images_are_drawn():
    """One seed, so that only images vary: the variance of each place's mean, by the squares of the weights."""
    generator = np.random.default_rng(0)
    first, second = [], []
    for n, center in ((300, 0.9), (700, 0.2)):
        y, r = np.ones(n, dtype=int), np.arange(n) * 1.0
        wrong = np.where(generator.random(n) < center, 1, -1)
        first.append([Predictions(y, r, wrong * 1.0, y)])
        second.append([Predictions(y, r, -np.ones(n), y)])
    found = designs.trend_interval(first, second, [0.0, 1.0])
    pairs = zip(first, second, strict=True)
    apart = [area_by_example(one[0]) - area_by_example(other[0]) for one, other in pairs]
    deviation = np.sqrt(sum(values.var() / len(values) for values in apart))
    assert found.high - found.low == pytest.approx(2 * 1.96 * deviation, rel=0.08)


def test_thresholds_are_chosen_on_the_validation_part_and_not_on_the_test_part():
    config = replace(designs.base(PROFILES[1]), method="random")
    scores = {"validation": several(2, 200), "test": several(2, 300, client=0.6)}
    results = {
        replace(one, seed=seed): Result(one, {}, {part: vars(said[seed]) for part, said in scores.items()}, (), 0.0)
        for one in (config, replace(config, method="always_ask"))
        for seed in (0, 1)
    }
    said = designs.Systems(results, 2)
    raw, tuned = said.as_trained(config), said.tuned(config)
    for seed in (0, 1):
        threshold = threshold_for_loss(scores["validation"][seed], costs=config.costs)
        assert np.array_equal(tuned[seed].r, scores["test"][seed].r - threshold)
        assert np.array_equal(raw[seed].r, scores["test"][seed].r)
    dear = said.tuned(config, Costs(c1=1.0, ce=2.0))
    assert all(evaluate.offload_rate(p) <= evaluate.offload_rate(q) for p, q in zip(dear, tuned, strict=True))
    assert np.array_equal(said.tuned(replace(config, method="always_ask"))[0].r, raw[0].r)


def test_areas_are_those_of_each_seed():
    system = several(2, 50, client=0.7)
    assert designs.areas(system) == pytest.approx([float(np.mean(area_by_example(p))) for p in system])


def test_servers_are_compared_on_what_the_first_system_sends():
    first, second = several(3, 200), several(3, 200, server=0.5)
    sent = [p.r <= 0 for p in first]
    right = [((p.e >= 0) * 2 - 1 == p.y) for p in first], [((p.e >= 0) * 2 - 1 == p.y) for p in second]
    total = sum((a[s] * 1.0 - b[s]).sum() for a, b, s in zip(*right, sent, strict=True))
    found = designs.servers_where_asked(first, second)
    assert found.estimate == pytest.approx(total / np.sum(sent)) and found.low < found.estimate < found.high


def test_the_client_apart_is_kept_minus_sent():
    system = several(3, 300)
    kept, sent = (np.concatenate([(p.m == p.y)[(p.r > 0) == side] for p in system]) for side in (True, False))
    found = designs.client_apart(system)
    assert found.estimate == pytest.approx(kept.mean() - sent.mean()) and found.low < found.estimate < found.high


def test_the_study_has_a_recipe_and_a_network_for_each_profile():
    assert [study.network for study in STUDIES["07_multiclass"]] == [
        "one_hidden_layer",
        "residual_small",
        "residual_large",
    ]
