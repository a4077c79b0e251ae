"""What tables and figures of the chapter on many classes say: the systems' numbers, at the thresholds promised."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from samples import many, several

from l2h import designs_multiclass as designs
from l2h import evaluate, readings_multiclass
from l2h.bootstrap import Interval
from l2h.comparisons import mean_difference, mean_interval
from l2h.curves import area_by_example
from l2h.problem import Costs
from l2h.studies import at_profile

STUDY = replace(at_profile("07_multiclass", "paper"), data="cifar10")
RUNS = {name: one for (client, name), one in designs.comparison(STUDY).items() if client == "follow_up"}


class Said:
    """Two systems that were never trained; tuned, they ask more."""

    def as_trained(self, config):
        return several(3, 200, client=0.6 if config.method == "confidence" else 0.7)

    def tuned(self, config):
        return [replace(p, r=p.r - 0.5) for p in self.as_trained(config)]


def test_a_band_holds_the_interval_of_each_place():
    places = [several(3, 200, client=share) for share in (0.5, 0.9)]
    band = readings_multiclass.band(places, evaluate.sent, draws=400)
    assert band.estimate == pytest.approx([np.mean([evaluate.offload_rate(p) for p in one]) for one in places])
    alone = mean_interval(places[0], evaluate.sent, draws=400)
    assert (band.low[0], band.high[0]) == pytest.approx((alone.low, alone.high))


def test_each_system_is_compared_with_its_own_counterpart_and_all_together():
    systems = {"a": several(3, 200), "b": several(3, 200, client=0.6)}
    beside = {"a": several(3, 200, server=0.5), "b": systems["b"]}
    found = readings_multiclass.gaps_beside(systems, beside, area_by_example, draws=400)
    alone = mean_difference(systems["a"], beside["a"], area_by_example, draws=400)
    assert found["a"].estimate == pytest.approx(alone.estimate) and found["b"] == Interval(0.0, 0.0, 0.0)
    more = {f"{place}": several(3, 200, client=0.5 + place / 50) for place in range(20)}
    same = dict.fromkeys(more, beside["a"])
    together = readings_multiclass.gaps_beside(more, same, area_by_example, draws=400)
    single = [mean_difference(one, beside["a"], area_by_example, draws=400) for one in more.values()]
    widths = [gap.high - gap.low for gap in together.values()], [gap.high - gap.low for gap in single]
    assert np.sum(widths[0]) > 1.05 * np.sum(widths[1])


def test_a_table_holds_what_is_tuned_and_beside_it_what_is_not():
    systems = {name: RUNS[name] for name in ("confidence", "two-stage")}
    rows = readings_multiclass.table(Said(), systems, draws=100)
    assert list(rows) == ["confidence", "two-stage"]
    for name, one in systems.items():
        lost = partial(evaluate.system_loss, costs=one.costs)
        for column, of, given in (
            ("system loss", lost, Said().tuned(one)),
            ("at r = 0", lost, Said().as_trained(one)),
            ("accuracy", evaluate.accuracy, Said().tuned(one)),
            ("sent", evaluate.offload_rate, Said().tuned(one)),
            ("sent at r = 0", evaluate.offload_rate, Said().as_trained(one)),
        ):
            assert float(rows[name][column].split()[0]) == pytest.approx(np.mean([of(p) for p in given]), abs=6e-4)
    assert "[" in rows["confidence"]["system loss"] and "[" not in rows["confidence"]["at r = 0"]


def test_the_levels_are_those_of_a_client_and_a_server():
    system, costs = several(3, 200), Costs(c1=1.2, ce=0.2)
    rows = readings_multiclass.levels(system, costs=costs, draws=100)
    known = np.mean([evaluate.reference_losses(p, costs=costs) for p in system], axis=0)
    assert float(rows["never ask"]["system loss"].split()[0]) == pytest.approx(known[0], abs=6e-4)
    assert float(rows["always ask"]["system loss"].split()[0]) == pytest.approx(known[1], abs=6e-4)
    assert (rows["always ask"]["sent"], rows["never ask"]["sent"]) == ("1", "0")


def test_the_rankings_know_a_perfect_order_from_none():
    p = many(400)
    right = (p.m == p.y) * 1.0
    perfect, none = (readings_multiclass.rankings([replace(p, r=r)]) for r in (right - 0.5, np.zeros(400)))
    assert (perfect["AUROC"], none["AUROC"]) == ("1.000", "0.500")
    wrong = 1 - right.mean()
    assert float(perfect["AUGRC"]) == pytest.approx(wrong**2 / 2, abs=6e-4)  # kept last, along a line
    assert float(none["AUGRC"]) == pytest.approx(wrong / 2, abs=6e-4)


def test_what_a_system_spends_follows_from_what_it_reads():
    spent = {name: readings_multiclass.spent(name, one, 0.25) for name, one in RUNS.items()}
    client = spent["confidence"].device_flops
    assert spent["confidence"].bytes_sent == 0.75 * 3072 == spent["two-stage"].bytes_sent
    assert spent["two-stage"].device_flops == client + 2 * 12  # ten log-probabilities, their gap and their entropy
    assert spent["two-stage, on features"].device_flops == client + 2 * (12 + 84)
    assert spent["two sigmoids"].device_flops == client + 2 * 2 * 12
    assert spent["Mozannar-Sontag, distilled"] == spent["two-stage"] == spent["stage switching"]
    lenet_of_one = client - 2 * 84 * 9  # with one output where the client has ten
    assert spent["two-stage, reads the image"].device_flops == lenet_of_one + 0.25 * client
    for name in designs.TEACHERS:
        assert spent[name].bytes_sent == 3072 and spent[name].device_flops == 0.25 * client
    assert spent["random"].device_flops == 0.25 * client


def test_the_shares_of_a_class_are_those_of_its_images():
    system = several(3, 300)
    sent, client, server = readings_multiclass.per_class(system, draws=100)
    for place, label in enumerate((-1, 1)):
        parts = [evaluate.by_class(p)[label] for p in system]
        assert sent.estimate[place] == pytest.approx(np.mean([evaluate.offload_rate(p) for p in parts]))
        assert client.estimate[place] == pytest.approx(np.mean([np.mean(p.m == p.y) for p in parts]))
        assert server.low[place] <= np.mean([evaluate.right_answers(p)[1].mean() for p in parts]) <= server.high[place]
