"""What tables and figures of the chapter on many classes say: the systems' numbers, at the thresholds promised."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from helpers import samples
from helpers.samples import many

from companion.chapters import systems as chapters_systems
from companion.chapters.ch07_multiclass import analysis, experiments
from companion.chapters.parameters import settings_for
from l2h.evaluation import metrics
from l2h.evaluation.comparisons import mean_difference, mean_interval
from l2h.evaluation.curves import auc_contributions
from l2h.evaluation.intervals import Interval
from l2h.problem import Costs, Predictions

STUDY = replace(settings_for("07_multiclass", "paper"), data="cifar10")
RUNS = experiments.compared_systems(STUDY, "follow_up")


class Said:
    """Two systems that were never trained; tuned, they ask more."""

    def as_trained(self, config):
        return samples.several(3, 200, client=0.6 if config.method == "confidence" else 0.7)

    def tuned(self, config):
        return [replace(p, r=p.r - 0.5) for p in self.as_trained(config)]


def test_a_band_holds_the_interval_of_each_place():
    places = [samples.several(3, 200, client=share) for share in (0.5, 0.9)]
    band = analysis.intervals_by_setting(places, metrics.ask_indicator, n_resamples=400)
    assert band.estimate == pytest.approx([np.mean([metrics.offload_rate(p) for p in one]) for one in places])
    alone = mean_interval(places[0], metrics.ask_indicator, draws=400)
    assert (band.low[0], band.high[0]) == pytest.approx((alone.low, alone.high))


def test_each_system_is_compared_with_its_own_counterpart_and_all_together():
    systems = {"a": samples.several(3, 200), "b": samples.several(3, 200, client=0.6)}
    beside = {"a": samples.several(3, 200, server=0.5), "b": systems["b"]}
    found = analysis.matched_differences(systems, beside, auc_contributions, n_resamples=400)
    alone = mean_difference(systems["a"], beside["a"], auc_contributions, draws=400)
    assert found["a"].estimate == pytest.approx(alone.estimate) and found["b"] == Interval(0.0, 0.0, 0.0)
    more = {f"{place}": samples.several(3, 200, client=0.5 + place / 50) for place in range(20)}
    same = dict.fromkeys(more, beside["a"])
    together = analysis.matched_differences(more, same, auc_contributions, n_resamples=400)
    single = [mean_difference(one, beside["a"], auc_contributions, draws=400) for one in more.values()]
    widths = [gap.high - gap.low for gap in together.values()], [gap.high - gap.low for gap in single]
    assert np.sum(widths[0]) > 1.05 * np.sum(widths[1])


def asking(rates, n=400, seeds=3):
    """Predictions that ask a given share, at each place."""
    y = np.ones(n, dtype=int)
    r = np.linspace(0, 1, n, endpoint=False) + 1e-9
    return [[Predictions(y, r - rate, y * 1.0, y) for _ in range(seeds)] for rate in rates]


def test_the_slope_of_the_offload_rate_is_that_of_its_rates():
    by_place = asking([0.2, 0.3, 0.4])
    slope = analysis.slope_interval(by_place, [1.0, 1.5, 2.0])
    rates = [metrics.offload_rate(several[0]) for several in by_place]
    assert slope.estimate == pytest.approx(np.polyfit([1.0, 1.5, 2.0], rates, 1)[0])
    assert slope.low < slope.estimate < slope.high
    with pytest.raises(ValueError, match="at several places that differ"):
        analysis.slope_interval(by_place, [1.0, 1.0, 1.0])
    with pytest.raises(ValueError, match="at several places that differ, got 3 at"):
        analysis.slope_interval(by_place, [1.0, 2.0])


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
    gaps = [
        np.mean(experiments.areas_under_curves(a)) - np.mean(experiments.areas_under_curves(b))
        for a, b in zip(first, second, strict=True)
    ]
    found = analysis.trend_interval(first, second, [1.0, 1.5, 3.0])
    assert found.estimate == pytest.approx(np.polyfit([1.0, 1.5, 3.0], gaps, 1)[0])
    assert found.low < found.estimate < found.high
    with pytest.raises(ValueError, match="at several places that differ"):
        analysis.trend_interval(first, second, [1.0, 1.0, 1.0])
    other = [[replace(p, y=p.y[::-1].copy(), m=p.m[::-1].copy()) for p in several] for several in first[:1]]
    with pytest.raises(ValueError, match="a task of the first 2 classes of the largest, got other labels"):
        analysis.trend_interval([*other, *first[1:]], [*other, *second[1:]], [1.0, 1.5, 3.0])


def test_the_interval_of_a_trend_resamples_an_image_in_all_its_tasks():
    """One seed, so that only images vary: drawn with all that is said of them, task by task, as an oracle does it."""
    first, second, places = nested(0.9, seeds=1), nested(0.6, seeds=1), np.array([1.0, 1.5, 3.0])
    found = analysis.trend_interval(first, second, places)
    pairs = zip(first, second, strict=True)
    apart = [auc_contributions(one[0]) - auc_contributions(other[0]) for one, other in pairs]
    inside = analysis.indices_in_largest_task([task[0].y for task in first])
    generator, slopes = np.random.default_rng(3), []
    for _ in range(1000):
        drawn = np.bincount(generator.integers(900, size=900), minlength=900)
        means = [np.average(values, weights=drawn[here]) for values, here in zip(apart, inside, strict=True)]
        slopes.append(np.polyfit(places, means, 1)[0])
    assert found.high - found.low == pytest.approx(np.subtract(*np.quantile(slopes, [0.975, 0.025])), rel=0.1)


def test_a_table_holds_what_is_tuned_and_beside_it_what_is_not():
    systems = {name: RUNS[name] for name in ("confidence", "two-stage")}
    rows = analysis.loss_table(Said(), systems, n_resamples=100)
    assert list(rows) == ["confidence", "two-stage"]
    for name, one in systems.items():
        lost = partial(metrics.system_loss, costs=one.costs)
        for column, of, given in (
            ("system loss", lost, Said().tuned(one)),
            ("at r = 0", lost, Said().as_trained(one)),
            ("accuracy", metrics.accuracy, Said().tuned(one)),
            ("sent", metrics.offload_rate, Said().tuned(one)),
            ("sent at r = 0", metrics.offload_rate, Said().as_trained(one)),
        ):
            assert float(rows[name][column].split()[0]) == pytest.approx(np.mean([of(p) for p in given]), abs=6e-4)
    assert "[" in rows["confidence"]["system loss"] and "[" not in rows["confidence"]["at r = 0"]


@pytest.mark.parametrize("costs", [Costs(c1=1.2, ce=0.2), Costs(c1=1.0, ce=0.0)], ids=["dear", "cheap"])
def test_the_levels_are_those_of_a_client_and_a_server(costs):
    system = samples.several(3, 200)
    rows = analysis.reference_rows(system, costs=costs, n_resamples=100)
    known = np.mean([metrics.reference_losses(p, costs=costs) for p in system], axis=0)
    for name, loss in zip(("never ask", "always ask", "random, best rate", "oracle"), known, strict=True):
        assert float(rows[name]["system loss"].split()[0]) == pytest.approx(loss, abs=6e-4)
    assert (rows["always ask"]["sent"][:5], rows["never ask"]["sent"][:5]) == ("1.000", "0.000")
    cheaper = [metrics.reference_losses(p, costs=costs) for p in system]
    share = np.mean([one.always < one.never for one in cheaper])
    assert float(rows["random, best rate"]["sent"].split()[0]) == pytest.approx(share, abs=6e-4)


def test_a_comparison_is_a_table_with_rankings():
    systems = {name: RUNS[name] for name in ("confidence", "two-stage")}
    rows = analysis.comparison_table(Said(), systems, n_resamples=100)
    for name, one in systems.items():
        table = analysis.loss_table(Said(), systems, n_resamples=100)[name]
        assert rows[name] == table | analysis.ranking_metrics(Said().tuned(one))


def test_the_rankings_know_a_perfect_order_from_none():
    p = many(400)
    right = (p.m == p.y) * 1.0
    perfect, none = (analysis.ranking_metrics([replace(p, r=r)]) for r in (right - 0.5, np.zeros(400)))
    assert (perfect["AUROC"], none["AUROC"]) == ("1.000", "0.500")
    wrong = 1 - right.mean()
    assert float(perfect["AUGRC"]) == pytest.approx(wrong**2 / 2, abs=6e-4)  # kept last, along a line
    assert float(none["AUGRC"]) == pytest.approx(wrong / 2, abs=6e-4)


def test_what_a_system_spends_follows_from_what_it_reads():
    spent = {name: chapters_systems.system_resource_use(name, one, 0.25) for name, one in RUNS.items()}
    client = spent["confidence"].device_flops
    assert spent["confidence"].bytes_sent == 0.75 * 3072 == spent["two-stage"].bytes_sent
    assert spent["two-stage"].device_flops == client + 2 * 12  # ten log-probabilities, their gap and their entropy
    assert spent["two-stage, on features"].device_flops == client + 2 * (12 + 84)
    assert spent["two sigmoids"].device_flops == client + 2 * 2 * 12
    assert spent["Mozannar-Sontag, distilled"] == spent["two-stage"] == spent["stage switching"]
    lenet_of_one = client - 2 * 84 * 9  # with one output where the client has ten
    assert spent["two-stage, reads the image"].device_flops == lenet_of_one + 0.25 * client
    for name in chapters_systems.TEACHER_METHODS:
        assert spent[name].bytes_sent == 3072 and spent[name].device_flops == 0.25 * client
    assert spent["random"].device_flops == 0.25 * client
    assert spent["confidence, entropy"] == spent["confidence"]
    assert spent["two-stage, linear"].device_flops == 2 * 3072 + 0.25 * client
    own = sum(spent[name].device_flops for name in ("two-stage", "two-stage, on features")) - 2 * client + lenet_of_one
    assert spent[chapters_systems.STACKED_NAME].device_flops == client + own + 2 * 2 * (
        12 + 3
    )  # and two regressions on 12 + 3 numbers
    alone = chapters_systems.system_resource_use(
        chapters_systems.ON_DEVICE_CLASSIFIER, RUNS[chapters_systems.ON_DEVICE_CLASSIFIER], 1.0
    )
    assert alone == (client, 0.0)  # a LeNet of ten outputs, as the client is one


def test_the_shares_of_a_class_are_those_of_its_images():
    system = samples.several(3, 300)
    sent, client, server = analysis.class_metrics(system, n_resamples=100)
    for place, label in enumerate((-1, 1)):
        parts = [metrics.split_by_class(p)[label] for p in system]
        assert sent.estimate[place] == pytest.approx(np.mean([metrics.offload_rate(p) for p in parts]))
        assert client.estimate[place] == pytest.approx(np.mean([np.mean(p.m == p.y) for p in parts]))
        assert (
            server.low[place]
            <= np.mean([metrics.client_server_correctness(p)[1].mean() for p in parts])
            <= server.high[place]
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
