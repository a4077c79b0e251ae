"""The report's figures are those of the evaluation, and its sentence says what its intervals show."""

import json
from dataclasses import replace

import numpy as np
import pytest
from helpers.samples import many

from l2h.evaluation.metrics import accuracy, coverage, offload_rate, reference_losses, system_loss
from l2h.problem import Costs, Predictions
from l2h.serving.estimator import report

COSTS = Costs(1.0, 0.1)


def test_the_figures_are_those_of_the_evaluation():
    p = many(400)
    made = report.make_report(p, costs=COSTS, confidence=p.r)
    assert made.metrics["system_loss"].estimate == pytest.approx(system_loss(p, costs=COSTS))
    for name, metric in {"accuracy": accuracy, "coverage": coverage, "offload_rate": offload_rate}.items():
        low, estimate, high = (made.metrics[name][i] for i in (1, 0, 2))
        assert estimate == metric(p) and low < estimate < high
    reference = reference_losses(p, costs=COSTS)
    assert made.losses["client only"].estimate == pytest.approx(reference.never)
    assert made.losses["server only"].estimate == pytest.approx(reference.always)
    assert made.curve.estimate[[0, -1]].tolist() == pytest.approx([0.905, 0.7], abs=0.06)


def system(n, client, server, asked):
    """n examples; client and server are right on a share of them, and the device asks where `asked` says."""
    y, index = np.ones(n, dtype=int), np.arange(n)
    m, e = (np.where(index < share * n, 1, -1) for share in (client, server))
    return Predictions(m=m, r=np.where(asked(index), -1.0, 1.0), e=1.0 * e, y=y)


def test_the_sentence_says_which_policies_have_a_higher_loss():
    made = report.make_report(system(200, 0.5, 1.0, lambda i: i >= 100), costs=COSTS)
    assert made.outcomes == {"client only": "better", "server only": "better"}
    assert "it is lower than that of client only (difference -0.450 [" in made.sentence


def test_the_sentence_says_where_it_is_worse_or_not_decided():
    asks_all = system(200, 1.0, 0.5, lambda i: i >= 0)
    made = report.make_report(asks_all, costs=COSTS)
    assert made.outcomes == {"client only": "worse", "server only": "no significant difference"}
    assert "higher than that of client only" in made.sentence
    assert "not significantly different from that of server only (difference +0.000" in made.sentence
    few = report.make_report(system(20, 0.5, 1.0, lambda i: i >= 10), costs=COSTS)
    assert set(few.outcomes.values()) == {report.TOO_FEW} and "fewer than 30 examples" in few.sentence


def test_intervals_of_few_examples_are_exact():
    made = report.make_report(system(40, 0.9, 1.0, lambda i: i >= 36), costs=COSTS)
    kept, asked = made.table
    assert (asked.n.estimate, asked.e.estimate, asked.e.high) == (4, 1.0, 1.0)
    assert round(asked.e.low, 3) == 0.398  # of Clopper and Pearson for 4 of 4
    assert kept.m.estimate == 1.0 and made.metrics["system_loss"].low >= 0


def test_an_empty_subset_has_no_figures_and_the_dictionary_is_strict_json():
    made = report.make_report(system(40, 0.9, 1.0, lambda i: i < 0), costs=COSTS)
    content = json.loads(json.dumps(made.as_dict(), allow_nan=False))
    assert content["table_one"]["asked"]["m"] == {"estimate": None, "low": None, "high": None}
    assert content["sentence"] == made.sentence and len(content["curve"]) == len(report.COVERAGES)
    assert made.card_metrics()["client_accuracy_asked"]["estimate"] is None
    assert made.card_metrics()["loss_minus_that_of_client_only"]["data"] == report.UNUSED
    assert "asked, n = 0" in str(made) and "client none" in str(made)


def test_the_gain_over_the_confidence_is_in_the_text_the_dictionary_and_the_card():
    p = many(200)
    made = report.make_report(p, costs=COSTS, client_scores=p.m * np.random.default_rng(0).uniform(size=200))
    content = json.loads(json.dumps(made.as_dict(), allow_nan=False))
    assert content["gain"]["sentence"] == made.gain.sentence and made.gain.sentence in str(made)
    for name, value in made.gain.figures.items():
        assert content["gain"][name]["estimate"] == value.estimate == made.card_metrics()[name]["estimate"]
        assert name.replace("_", " ") in str(made)
    without = report.make_report(p, costs=COSTS)
    assert set(without.as_dict()["gain"]) == {"sentence"} and "the client gives labels only" in str(without)


def test_the_gain_does_not_depend_on_the_threshold():
    p = many(200)
    gains = [report.make_report(p, costs=COSTS, client_scores=p.e, threshold=t).gain for t in (0.0, 0.5)]
    assert gains[0] == gains[1]


def test_one_example_is_too_few():
    with pytest.raises(ValueError, match="expected a finite examples >= 2, got 1"):
        report.make_report(system(1, 1.0, 1.0, lambda i: i < 0), costs=COSTS)


def test_rows_are_known_by_their_hashes():
    x = np.random.default_rng(0).integers(0, 256, (50, 3, 2), dtype=np.uint8)
    assert len(np.unique(report.row_hashes(x))) == 50
    assert (report.row_hashes(x) == report.row_hashes(np.asfortranarray(x))).all()


def test_the_plot_has_a_band_and_the_point_in_use(ax):
    report.make_report(many(100), costs=COSTS).plot(ax)
    assert len(ax.lines) == 2 and len(ax.collections) == 1


def test_equal_losses_are_no_proof_that_there_are_no_others():
    """Of 40 examples without an error, the error rate may still be 9 %."""
    made = report.make_report(system(40, 1.0, 1.0, lambda i: i < 0), costs=COSTS)
    loss, accuracy_interval = made.metrics["system_loss"], made.metrics["accuracy"]
    assert (loss.estimate, loss.low) == (0.0, 0.0) and loss.high >= 1 - accuracy_interval.low > 0.08
    same, other = made.differences["client only"], made.differences["server only"]
    assert same.low < same.estimate == 0.0 < same.high and other.low < other.estimate < other.high
    assert made.outcomes["client only"] == "no significant difference"


def test_the_curve_of_a_rejector_that_never_asks_still_has_its_order():
    p = many(400)
    p = replace(p, r=p.r.astype(np.float32))
    made = report.make_report(p, costs=COSTS, threshold=float(np.finfo(np.float32).min / 2))
    assert made.metrics["coverage"].estimate == 1.0
    assert made.curve.estimate.tolist() == report.make_report(p, costs=COSTS).curve.estimate.tolist()
