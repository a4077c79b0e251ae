"""Tables and generated sentences of chapter 07."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from helpers import samples
from helpers.multiclass import SETTINGS, SYSTEMS, ToyResults
from helpers.samples import many

from companion.chapters.ch07_multiclass import analysis, experiments, tables
from l2h.evaluation import metrics
from l2h.evaluation.resources import ResourceUse
from l2h.problem import Costs


def test_a_table_holds_tuned_and_untuned_thresholds():
    systems = {name: SYSTEMS[name] for name in ("confidence", "two-stage")}
    rows = tables.loss_table(ToyResults(), systems)
    assert list(rows) == ["confidence", "two-stage"]
    for name, one in systems.items():
        lost = partial(metrics.system_loss, costs=one.costs)
        for column, of, given in (
            ("system loss", lost, ToyResults().tuned_on_validation(one)),
            ("at r = 0", lost, ToyResults().untuned(one)),
            ("accuracy", metrics.accuracy, ToyResults().tuned_on_validation(one)),
            ("offload rate", metrics.offload_rate, ToyResults().tuned_on_validation(one)),
            ("offload rate at r = 0", metrics.offload_rate, ToyResults().untuned(one)),
        ):
            assert float(rows[name][column].split()[0]) == pytest.approx(np.mean([of(p) for p in given]), abs=6e-4)
    assert "[" in rows["confidence"]["system loss"] and "[" not in rows["confidence"]["at r = 0"]


@pytest.mark.parametrize("costs", [Costs(c1=1.2, ce=0.2), Costs(c1=1.0, ce=0.0)], ids=["expensive", "cheap"])
def test_the_reference_rows_are_those_of_a_client_and_a_server(costs):
    system = samples.sample_runs(3, 200)
    rows = tables.reference_rows(system, costs=costs)
    known = np.mean([metrics.reference_losses(p, costs=costs) for p in system], axis=0)
    for name, loss in zip(("never ask", "always ask", "random, best rate", "oracle"), known, strict=True):
        assert float(rows[name]["system loss"].split()[0]) == pytest.approx(loss, abs=6e-4)
    assert (rows["always ask"]["offload rate"][:5], rows["never ask"]["offload rate"][:5]) == ("1.000", "0.000")
    cheaper = [metrics.reference_losses(p, costs=costs) for p in system]
    share = np.mean([one.always < one.never for one in cheaper])
    assert float(rows["random, best rate"]["offload rate"].split()[0]) == pytest.approx(share, abs=6e-4)


def test_a_comparison_is_a_table_with_rankings():
    systems = {name: SYSTEMS[name] for name in ("confidence", "two-stage")}
    rows = tables.comparison_table(ToyResults(), systems)
    for name, one in systems.items():
        table = tables.loss_table(ToyResults(), systems)[name]
        assert rows[name] == table | tables.ranking_metrics(ToyResults().tuned_on_validation(one))


def test_ranking_metrics_distinguish_a_perfect_order_from_none():
    p = many(400)
    right = (p.m == p.y) * 1.0
    perfect, none = (tables.ranking_metrics([replace(p, r=r)]) for r in (right - 0.5, np.zeros(400)))
    assert (perfect["AUROC"], none["AUROC"]) == ("1.000", "0.500")
    wrong = 1 - right.mean()
    assert float(perfect["AUGRC"]) == pytest.approx(wrong**2 / 2, abs=6e-4)  # kept last, along a line
    assert float(none["AUGRC"]) == pytest.approx(wrong / 2, abs=6e-4)


def test_accuracies_stand_beside_the_printed_ones():
    systems = {name: samples.sample_runs(3, 200) for name in ("stage switching", *experiments.WEIGHTED_SERVER_SYSTEMS)}
    table = tables.accuracy_table(ToyResults(), SETTINGS, systems)
    assert list(table.index)[:3] == ["client follow_up", "client lenet", "server, plain"]
    assert table.loc["server, plain", "printed by the follow-up"] == "0.60" and table.iloc[1, 1] == ""
    right = np.mean([(p.m == p.y).mean() for p in ToyResults().untuned(SYSTEMS["always ask"])])
    assert table.loc["client lenet"].iloc[0].startswith(f"{right:.3f} [")


def test_the_tables_of_clients_are_sorted_by_loss_and_the_first_has_gains():
    gains = analysis.gains_over_confidence(ToyResults(), SETTINGS)
    table = tables.client_tables(ToyResults(), SETTINGS, gains)
    losses = table.loc["follow_up", "system loss"]
    assert list(losses) == sorted(losses) and set(table.loc["lenet", "gain in loss"]) == {""}
    text = tables.comparison_summary(ToyResults(), SETTINGS, gains)
    predictions = ToyResults().tuned_on_validation(SYSTEMS["two-stage"])
    loss = np.mean([metrics.system_loss(p, costs=experiments.FOLLOW_UP_COSTS) for p in predictions])
    assert f"{loss:.3f}" in text and "The on-device classifier has accuracy" in text and "Client lenet" in text


def test_resources_are_shown_in_millions_and_kilobytes():
    table = tables.operations_table({"a": ResourceUse(2.5e6, 1536.0)})
    assert table.loc["a"].tolist() == [2.5, 1.536]


def test_the_follow_up_s_costs_have_their_systems_and_references():
    table = tables.follow_up_table(ToyResults(), SETTINGS)
    assert len(table) == 4 * 8 + 1 and table.loc[("c1 = 1.2, ce = 0.2", "printed by the follow-up"), "at r = 0"]
    lines = tables.follow_up_summary(ToyResults(), SETTINGS).split("\n")
    predictions = ToyResults().untuned(SYSTEMS["always ask"])
    losses = [metrics.reference_losses(p, costs=Costs(1.25, 0.0)) for p in predictions]
    gain = np.mean([loss.random - loss.oracle for loss in losses])
    assert lines[2].startswith(f"c1 = 1.25, ce = 0: gain over the best constant decision {gain:.3f} (oracle)")


def test_the_printed_totals_bound_the_printed_loss():
    low, high = tables.printed_loss_range()
    assert (round(low, 3), round(high, 3)) == (0.656, 0.672)
    assert low <= 0.667 <= high  # the loss that was rebuilt from the totals
