"""Tables and generated sentences of chapter 09."""

import numpy as np
import pandas as pd
import pytest
from helpers.drift import COSTS, OPTIONS
from helpers.samples import many

from companion.chapters.ch09_drift import analysis, experiments, tables
from companion.chapters.ch09_drift.bounds import BoundCheck
from companion.chapters.ch09_drift.experiments import DependenceCheck
from l2h.drift.detectors import DETECTORS
from l2h.drift.streams import DRIFT_KINDS
from l2h.evaluation.intervals import Interval

EMPTY = np.array([], dtype=int)


@pytest.fixture(scope="module")
def results(systems, drift_streams):
    return {change: experiments.run_policies(systems, by_seed, **OPTIONS) for change, by_seed in drift_streams.items()}


@pytest.fixture(scope="module")
def losses(results, drift_streams):
    return analysis.losses_after_change(results, drift_streams)


def test_windows_before_and_after_the_change_are_averaged_apart(systems, drift_streams):
    predictions = experiments.sudden_predictions([system.tables for system in systems], drift_streams)
    monitored = analysis.monitor_systems(predictions, systems, costs=COSTS)
    table = tables.before_after_table(monitored)
    after = np.mean([metrics.offload_rate[10:] for metrics in monitored["fog"]])
    assert table.loc["fog", ("offload rate", "after")] == round(after, 3)
    below = np.mean([metrics.ks_p_value[:10] < 0.01 for metrics in monitored["blur"]])
    assert table.loc["blur", ("windows with p < 0.01", "before")] == round(below, 3)


def test_the_table_of_policies_has_means_and_intervals(results, losses):
    table = tables.policy_table(results, losses)
    assert list(table.index) == list(results["fog", "sudden"])
    before = np.mean([[r.loss[:200].mean() for r in results[k, "sudden"]["budget"]] for k in DRIFT_KINDS])
    assert table.loc["budget", "loss before"] == round(before, 3)
    assert table.loc["fixed", "share of cost recovered"] == "0%" and table.loc["fixed", "loss reduction, sudden"] == ""
    reduction = analysis.mean_loss_reduction(losses, "budget", "gradual").mean()
    assert table.loc["budget", "loss reduction, gradual"].startswith(f"{reduction:.3f} [")


def test_the_strongest_changes_are_named_in_the_order_of_their_loss(losses):
    text = tables.strongest_changes(losses, "experts")
    fixed = {kind: losses[kind, "sudden", "fixed"].mean() for kind in DRIFT_KINDS}
    first, second, *_, last = sorted(fixed, key=lambda kind: -fixed[kind])
    assert text.index(f"{first} (") < text.index(f"{second} (") < text.index(f"{last} (")
    gains = {k: (losses[k, "sudden", "fixed"] - losses[k, "sudden", "experts"]).mean() for k in DRIFT_KINDS}
    assert f"{max(gains.values()):.3f}, for {max(gains, key=gains.get)};" in text


def test_each_detector_s_alarms_trigger_both_policies(systems, drift_streams, losses):
    kinds = ("fog", "blur")
    alarms = {"none": {k: [EMPTY] * 2 for k in kinds}, "quick": {k: [np.array([210])] * 2 for k in kinds}}
    table, reductions = tables.detector_table(systems, drift_streams, alarms, losses, **OPTIONS)
    assert list(table.index) == [("r", "none"), ("r", "quick")]
    assert (reductions["layers", "none"] == 0).all() and (reductions["thresholds", "quick"] != 0).all()
    assert table.loc[("r", "none"), "label rate"] == 0
    assert table.loc[("r", "quick"), "label rate"] == pytest.approx(175 / 400, abs=0.001)
    after = [
        [
            result.loss[200:].mean()
            for result in experiments.run_alarm_policies(
                systems, drift_streams[kind, "sudden"], alarms["quick"][kind], **OPTIONS
            )["alarm r and e"]
        ]
        for kind in kinds
    ]
    fixed = [losses[kind, "sudden", "fixed"] for kind in kinds]
    np.testing.assert_allclose(reductions["thresholds", "quick"], np.mean(np.subtract(fixed, after), axis=0))


def test_the_table_of_detectors_has_shares_delays_and_rates():
    delays = {("r", "ADWIN"): np.array([[10.0, np.nan], [30.0, 20.0]])}
    table = tables.detection_table(delays, {("r", "ADWIN"): Interval(1.0, 0.0, 2.0)})
    assert table.loc[("r", "ADWIN")].tolist()[1:] == ["20 [10, 30]", "1.00 [0.00, 2.00]"]
    assert table.loc[("r", "ADWIN"), "changes found"].startswith("0.750 [")
    assert tables.format_range(np.array([np.nan])) == "none"


def test_pseudo_labels_are_compared_where_their_bias_grows(systems, drift_streams, results, losses):
    predictions = experiments.sudden_predictions([system.tables for system in systems], drift_streams)
    table = tables.pseudo_label_table(predictions, results, losses, costs=COSTS)
    bias = np.mean([analysis.pseudo_label_bias(p, costs=COSTS)[200:].mean() for p in predictions["fog"]])
    assert table.loc["fog", ("bias", "after")] == round(bias, 3)
    loss = losses["fog", "sudden", "recalibrated, pseudo-labels"].mean()
    assert table.loc["fog", ("recalibrated: loss", "pseudo-labels")] == round(loss, 3)
    columns = [("bias", "before"), ("bias", "after")]
    columns += [(f"{name}: loss", s) for name in analysis.ESTIMATING_POLICIES for s in ("labels", "pseudo-labels")]
    rows = [[0.0, 0.1, 0.2, 0.3, 0.2, 0.4], [0.0, 0.0, 0.2, 0.1, 0.2, 0.2]]
    small = pd.DataFrame(rows, index=["fog", "blur"], columns=pd.MultiIndex.from_tuples(columns))
    lines = tables.pseudo_label_cost(small).split("\n")
    assert lines[1:] == ["where the bias grows (fog): +0.150", "elsewhere (blur): -0.050"]


def test_a_column_of_the_table_of_dependence_holds_one_dwell_time():
    checks = [DependenceCheck(0.1, 0.2, dict.fromkeys(DETECTORS, 3), 0.05, bound) for bound in (0.2, 0.4)]
    table = tables.dependence_table({5: checks}, length=1000)
    assert table.loc["deviation of a window's loss", 5] == 0.1 and table.loc["bound", 5].startswith("0.300 [")
    assert table.loc["KSWIN: false alarms per 10,000", 5].startswith("30.00 [")


def test_bounds_and_the_spread_of_devices_are_summed_up():
    table = tables.bound_check_table({"a": BoundCheck(Interval(0.1, 0.0, 0.2), 0.5, 0.75)})
    assert table.loc["a"].tolist() == ["0.100 [0.000, 0.200]", 0.5, 0.75]
    spread = {"fixed": Interval(np.array([0.3, 0.02]), None, None)}
    assert "0.020 at the largest concentration" in tables.device_spread_summary(spread, many(50), costs=COSTS)
