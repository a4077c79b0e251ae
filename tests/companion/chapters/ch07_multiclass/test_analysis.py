"""Analysis of the experiments with many classes: differences, slopes, resource use, confusions and images."""

from dataclasses import replace

import numpy as np
import pytest
from helpers import samples
from helpers.multiclass import SETTINGS, SYSTEMS, ToyResults
from helpers.samples import many

from companion.chapters import systems as chapters_systems
from companion.chapters.ch07_multiclass import analysis, experiments
from l2h.evaluation import metrics
from l2h.evaluation.comparisons import mean_difference, mean_interval
from l2h.evaluation.crossed import crossed_interval
from l2h.evaluation.curves import accuracy_at_coverage, auc_contributions
from l2h.evaluation.intervals import Interval
from l2h.problem import Costs, Predictions


def test_a_band_holds_the_interval_of_each_setting():
    settings = [samples.sample_runs(3, 200, client=share) for share in (0.5, 0.9)]
    band = analysis.intervals_by_setting(settings, metrics.ask_indicator)
    assert band.estimate == pytest.approx([np.mean([metrics.offload_rate(p) for p in one]) for one in settings])
    alone = mean_interval(settings[0], metrics.ask_indicator)
    assert (band.low[0], band.high[0]) == pytest.approx((alone.low, alone.high))


def test_each_system_is_compared_with_its_own_counterpart_and_simultaneously():
    systems = {"a": samples.sample_runs(3, 200), "b": samples.sample_runs(3, 200, client=0.6)}
    counterparts = {"a": samples.sample_runs(3, 200, server=0.5), "b": systems["b"]}
    found = analysis.matched_differences(systems, counterparts, auc_contributions)
    alone = mean_difference(systems["a"], counterparts["a"], auc_contributions)
    assert found["a"].estimate == pytest.approx(alone.estimate) and found["b"] == Interval(0.0, 0.0, 0.0)
    more = {f"{i}": samples.sample_runs(8, 200, client=0.5 + i / 50) for i in range(20)}
    same = dict.fromkeys(more, samples.sample_runs(8, 200, server=0.5))
    simultaneous = analysis.matched_differences(more, same, auc_contributions)
    single = [mean_difference(one, same[name], auc_contributions) for name, one in more.items()]
    widths = [gap.high - gap.low for gap in simultaneous.values()], [gap.high - gap.low for gap in single]
    assert np.sum(widths[0]) > 1.05 * np.sum(widths[1])


def asking(rates, n=400, seeds=3):
    """Predictions that ask a given share, in each setting."""
    y = np.ones(n, dtype=int)
    r = np.linspace(0, 1, n, endpoint=False) + 1e-9
    return [[Predictions(y, r - rate, y * 1.0, y) for _ in range(seeds)] for rate in rates]


def test_the_slope_of_the_offload_rate_is_that_of_its_rates():
    by_setting = asking([0.2, 0.3, 0.4])
    slope = analysis.slope_interval(by_setting, [1.0, 1.5, 2.0])
    rates = [metrics.offload_rate(sample_runs[0]) for sample_runs in by_setting]
    assert slope.estimate == pytest.approx(np.polyfit([1.0, 1.5, 2.0], rates, 1)[0])
    assert slope.low < slope.estimate < slope.high
    with pytest.raises(ValueError, match="a covariate that differs between settings"):
        analysis.slope_interval(by_setting, [1.0, 1.0, 1.0])
    with pytest.raises(ValueError, match="a covariate that differs between settings, got"):
        analysis.slope_interval(by_setting, [1.0, 2.0])


def nested(server, seeds=3):
    """The first two, three and five of five classes: what a system says of an image does not depend on the task."""
    y, tasks = np.random.default_rng(0).integers(5, size=900), []
    generator = np.random.default_rng(round(100 * server))
    r, right = np.random.default_rng(1).random((2, seeds, 900))
    wrong = generator.random((seeds, 900)) > server
    for count in (2, 3, 5):
        here = y < count
        label = 2 * y[here] - 1 if count == 2 else y[here]
        client = [np.where(one[here] < 0.7, label, -label if count == 2 else (label + 1) % count) for one in right]
        answer = [np.where(one[here], (y[here] + 1) % count, y[here]) for one in wrong]
        e = [2.0 * one - 1 if count == 2 else np.eye(count)[one] for one in answer]
        tasks.append([Predictions(*told, label) for told in zip(client, [one[here] for one in r], e, strict=True)])
    return tasks


def test_a_trend_is_the_slope_of_the_mean_differences():
    first, second = nested(0.9), nested(0.8)
    mean_differences = [
        np.mean(analysis.areas_under_curves(a)) - np.mean(analysis.areas_under_curves(b))
        for a, b in zip(first, second, strict=True)
    ]
    found = crossed_interval(analysis.trend_values(first, second, [1.0, 1.5, 3.0]))
    assert found.estimate == pytest.approx(np.polyfit([1.0, 1.5, 3.0], mean_differences, 1)[0])
    assert found.low < found.estimate < found.high
    with pytest.raises(ValueError, match="a covariate that differs between settings"):
        analysis.trend_values(first, second, [1.0, 1.0, 1.0])
    other = [[replace(p, y=p.y[::-1].copy(), m=p.m[::-1].copy()) for p in several] for several in first[:1]]
    with pytest.raises(ValueError, match="a task of the first 2 classes of the largest, got other labels"):
        analysis.trend_values([*other, *first[1:]], [*other, *second[1:]], [1.0, 1.5, 3.0])


def test_the_interval_of_a_trend_resamples_an_image_in_all_its_tasks():
    """One seed, so that only images vary: drawn with all that is said of them, task by task, as an oracle does it."""
    first, second, log_counts = nested(0.9, seeds=1), nested(0.6, seeds=1), np.array([1.0, 1.5, 3.0])
    found = crossed_interval(analysis.trend_values(first, second, log_counts))
    pairs = zip(first, second, strict=True)
    apart = [auc_contributions(one[0]) - auc_contributions(other[0]) for one, other in pairs]
    inside = analysis.indices_in_largest_task([task[0].y for task in first])
    generator, slopes = np.random.default_rng(3), []
    for _ in range(1000):
        drawn = np.bincount(generator.integers(900, size=900), minlength=900)
        means = [np.average(values, weights=drawn[here]) for values, here in zip(apart, inside, strict=True)]
        slopes.append(np.polyfit(log_counts, means, 1)[0])
    assert found.high - found.low == pytest.approx(np.subtract(*np.quantile(slopes, [0.975, 0.025])), rel=0.1)


def test_the_shares_of_a_class_are_those_of_its_images():
    system = samples.sample_runs(3, 300)
    sent, client, server = analysis.class_metrics(system)
    for index, label in enumerate((-1, 1)):
        parts = [metrics.split_by_class(p)[label] for p in system]
        assert sent.estimate[index] == pytest.approx(np.mean([metrics.offload_rate(p) for p in parts]))
        assert client.estimate[index] == pytest.approx(np.mean([np.mean(p.m == p.y) for p in parts]))
        assert (
            server.low[index]
            <= np.mean([metrics.client_server_correctness(p)[1].mean() for p in parts])
            <= server.high[index]
        )


def of_three(n=60):
    generator = np.random.default_rng(3)
    y, m, right = generator.integers(3, size=n), generator.integers(3, size=n), generator.integers(3, size=n)
    return Predictions(m, generator.permutation(n) - n / 2, np.eye(3)[right], y)


def test_the_ends_of_an_order_are_named_as_they_are():
    p = of_three()
    found = analysis.extreme_images(p, ["cat", "dog", "ship"], 4)
    assert list(p.r[found.asked_first]) == sorted(p.r)[:4] and list(p.r[found.kept_longest]) == sorted(p.r)[:-5:-1]
    place = found.kept_longest[0]
    told = [f"{who} {['cat', 'dog', 'ship'][of]}" for who, of in
            (("is", p.y[place]), ("m:", p.m[place]), ("e:", p.e[place].argmax()))]  # fmt: skip
    assert len(found.captions) == 8 and found.captions[4].split("\n") == told
    two = many(20)
    first = analysis.extreme_images(two, ["cat", "dog"], 1)
    assert first.captions[0].split("\n")[0] == ("is dog" if two.y[first.asked_first[0]] == 1 else "is cat")


def test_confusions_count_a_seed_and_share_over_all():
    systems = [of_three(), replace(of_three(), r=-np.ones(60))]
    found = analysis.confusion_offload(systems, 3)
    for label in range(3):
        for answer in range(3):
            cell = (systems[0].y == label) & (systems[0].m == answer)
            sent = [(p.r <= 0)[cell].sum() for p in systems]
            assert found.counts[label, answer] == cell.sum()
            assert found.offload_rate[label, answer] == pytest.approx(sum(sent) / (2 * cell.sum()))
    none = replace(of_three(), m=np.zeros(60, dtype=int))
    assert np.isnan(analysis.confusion_offload([none], 3).offload_rate[:, 1]).all()


def test_areas_are_those_of_each_seed():
    system = samples.sample_runs(2, 50, client=0.7)
    assert analysis.areas_under_curves(system) == pytest.approx([float(np.mean(auc_contributions(p))) for p in system])


def test_correctness_and_loss_are_those_of_each_example():
    p = many(50)
    costs = Costs(1.2, 0.2)
    assert -analysis.negative_loss(costs)(p).mean() == pytest.approx(metrics.system_loss(p, costs=costs))


def test_curves_are_those_of_the_systems_that_the_figure_names():
    curves = analysis.accuracy_curves(ToyResults(), SETTINGS, "follow_up", np.array([0.2, 0.8]))
    assert set(curves) == set(analysis.SYSTEMS_IN_CURVES)
    predictions = ToyResults().untuned(SYSTEMS["two-stage"])
    expected = np.mean([accuracy_at_coverage(p, [0.2, 0.8]) for p in predictions], axis=0)
    np.testing.assert_allclose(curves["two-stage"].estimate, expected)


def test_gains_are_taken_over_confidence_with_the_same_server():
    gains = analysis.gains_over_confidence(ToyResults(), SETTINGS)
    assert set(gains["gain in loss"]) == set(SYSTEMS) - {"confidence", "always ask"}
    costs = experiments.multiclass_base_config(SETTINGS).costs
    systems = analysis.tuned_systems(ToyResults(), SETTINGS)
    counterpart = experiments.confidence_with_same_server(SETTINGS)["two-stage"]
    losses = [
        np.mean([metrics.system_loss(p, costs=costs) for p in predictions])
        for predictions in (ToyResults().tuned_on_validation(counterpart), systems["two-stage"])
    ]
    assert gains["gain in loss"]["two-stage"].estimate == pytest.approx(losses[0] - losses[1])


def test_ranks_leave_out_systems_that_do_not_decide_on_the_device():
    systems = {
        name: samples.sample_runs(3, 100, client=0.4 + i / 5) for i, name in enumerate(("a", "b", "c", "random"))
    }
    ranking = analysis.rank_systems_on_device(systems)
    assert list(ranking.mean_rank) == ["c", "b", "a"] and ranking.blocks == 3


def test_accuracy_and_resources_are_taken_at_the_coverage_of_each_system():
    systems = {name: ToyResults().tuned_on_validation(SYSTEMS[name]) for name in ("two-stage", "oracle")}
    accuracies, resources = analysis.accuracy_and_resources(systems, SYSTEMS)
    assert list(resources) == ["two-stage"]
    coverage = np.mean([metrics.coverage(p) for p in systems["two-stage"]])
    expected = chapters_systems.system_resource_use("two-stage", SYSTEMS["two-stage"], coverage)
    assert resources["two-stage"] == pytest.approx(expected)
    accuracy = np.mean([metrics.accuracy(p) for p in systems["two-stage"]])
    assert accuracies["two-stage"].estimate == pytest.approx(accuracy)


def test_rates_differences_and_stale_servers_have_a_value_per_setting():
    rates = analysis.offload_rates_by_c1(ToyResults(), SETTINGS)
    assert list(rates) == ["paper", "nonnegative", "released"]
    assert len(rates["paper"].estimate) == len(SETTINGS.c1_grid)
    differences = analysis.area_differences_by_class_count(ToyResults(), SETTINGS)
    pair = [ToyResults().untuned(SYSTEMS[name]) for name in ("two-stage", "confidence")]
    areas = [np.mean(analysis.areas_under_curves(predictions)) for predictions in pair]
    np.testing.assert_allclose(differences.estimate, [areas[0] - areas[1]] * len(SETTINGS.class_counts))
    stale = analysis.stale_server_metrics(ToyResults(), SETTINGS, steps_per_epoch=47)
    assert stale.names == ["1", "10", "47\n(epoch)", "never"]
    rate = np.mean([metrics.offload_rate(p) for p in ToyResults().untuned(SYSTEMS["two-stage"])])
    np.testing.assert_allclose(stale.bands["offload rate (share of images)"].estimate, [rate] * 4)


def test_the_resource_use_of_a_system_follows_from_its_inputs():
    use = {name: chapters_systems.system_resource_use(name, one, 0.25) for name, one in SYSTEMS.items()}
    client = use["confidence"].device_flops
    assert use["confidence"].bytes_sent == 0.75 * 3072 == use["two-stage"].bytes_sent
    assert use["two-stage"].device_flops == client + 2 * 12  # ten log-probabilities, their gap and their entropy
    assert use["two-stage, on features"].device_flops == client + 2 * (12 + 84)
    assert use["two sigmoids"].device_flops == client + 2 * 2 * 12
    assert use["Mozannar-Sontag, distilled"] == use["two-stage"] == use["stage switching"]
    lenet_of_one = client - 2 * 84 * 9  # with one output where the client has ten
    assert use["two-stage, reads the image"].device_flops == lenet_of_one + 0.25 * client
    for name in chapters_systems.TEACHER_METHODS:
        assert use[name].bytes_sent == 3072 and use[name].device_flops == 0.25 * client
    assert use["random"].device_flops == 0.25 * client
    assert use["confidence, entropy"] == use["confidence"]
    assert use["two-stage, linear"].device_flops == 2 * 3072 + 0.25 * client
    own = sum(use[name].device_flops for name in ("two-stage", "two-stage, on features")) - 2 * client + lenet_of_one
    assert use[chapters_systems.STACKED_NAME].device_flops == client + own + 2 * 2 * (
        12 + 3
    )  # and two regressions on 12 + 3 numbers
    classifier = chapters_systems.system_resource_use(
        chapters_systems.ON_DEVICE_CLASSIFIER, SYSTEMS[chapters_systems.ON_DEVICE_CLASSIFIER], 1.0
    )
    assert classifier == (client, 0.0)  # a LeNet of ten outputs, as the client is one
