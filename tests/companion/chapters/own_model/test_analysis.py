"""Tables and evidence of the page on a frozen model of one's own, on answers that are counted by hand."""

from types import SimpleNamespace

import numpy as np
import pytest

from companion.chapters.own_model import analysis
from companion.chapters.own_model.experiments import ANSWERING, AWAY, BACK, PHASES
from l2h.problem import Costs, Predictions
from l2h.serving.device import DeviceAnswer
from l2h.serving.estimator.report import make_report


def answered(source, label="cat"):
    return DeviceAnswer(label, source, None, 0.0, 0.001)


def test_shares_of_sources_add_up_to_one():
    answers = {
        "before": [answered("client"), answered("server"), answered("server"), answered("client")],
        "after": [answered("client"), answered("fallback"), answered("fallback")],
    }
    table = analysis.answer_shares(answers)
    assert table.columns.tolist() == ["kept", "server", "fallback"]
    assert table.loc["before"].tolist() == [0.5, 0.5, 0.0]
    assert table.loc["after"].tolist() == [0.333, 0.0, 0.667]


def test_bytes_travel_as_bytes():
    sizes = analysis.request_bytes(np.zeros((1, 3, 32, 32), np.uint8))
    assert set(sizes) == {"binary", "JSON", "binary, float32"}
    assert 3072 < sizes["binary"] < 3500 and sizes["binary, float32"] - sizes["binary"] == pytest.approx(
        3 * 3072, abs=9
    )
    assert sizes["JSON"] > sizes["binary"]


def helper(r, labels, m=(0, 0)):
    """A helper for two inputs, in as far as the analysis looks at it."""
    return SimpleNamespace(
        decision_function=lambda x: np.float32(r),
        predict=lambda x: np.array(labels),
        classes_=np.array(["cat", "dog"]),
        client_=SimpleNamespace(answers=lambda inputs, x: SimpleNamespace(m=np.array(m))),
    )


def test_agreement_counts_decisions_and_labels_that_differ():
    x = np.zeros((2, 3))
    same = analysis.restored_agreement(helper([0.5, -0.5], ["cat", "dog"]), helper([0.5, -0.5], ["cat", "dog"]), x)
    assert same == (0.0, 0, 0)
    other = analysis.restored_agreement(helper([0.5, -0.5], ["cat", "dog"]), helper([0.0, -0.25], ["dog", "dog"]), x)
    assert other == (0.5, 1, 1)  # r = 0 asks
    evidence = analysis.agreement_evidence(other)
    assert {name: each.estimate for name, each in evidence.items()} == {"scores": 0.5, "decisions": 2.0}


def test_each_phase_is_compared_with_the_labels_that_it_should_have():
    """Of two inputs, cat by the client and dog by the system, three in each phase: the inputs begin anew."""
    system = helper([-1, -1], ["dog", "dog"])
    right = {
        ANSWERING: [answered("server", "dog")] * 3,
        AWAY: [answered("fallback", "cat")] * 3,
        BACK: [answered("server", "dog")] * 3,
    }
    x = np.zeros((2, 3))
    counts = {case: each.estimate for case, each in analysis.outage_evidence(right, system, x).items()}
    assert counts == {"while the server answers": 0.0, "while it is away": 0.0}
    wrong = right | {
        AWAY: [answered("server", "dog"), *right[AWAY][1:]],
        BACK: [answered("client", "cat")] * 3,
    }
    counts = {case: each.estimate for case, each in analysis.outage_evidence(wrong, system, x).items()}
    assert counts == {"while the server answers": 3.0, "while it is away": 1.0}


def test_the_inputs_of_a_phase_follow_those_of_the_phase_before():
    """Labels of the system alternate, so that a shift by one is seen."""
    system = helper([-1, -1], ["cat", "dog"])
    labels = iter(["cat", "dog", "cat", "dog", "cat", "dog", "cat", "dog", "cat"])
    answers = {phase: [answered("server", next(labels)) for _ in range(3)] for phase in PHASES}
    evidence = analysis.outage_evidence(answers, system, np.zeros((2, 3)))
    assert evidence["while the server answers"].estimate == 0.0
    assert evidence["while it is away"].estimate == 2.0  # inputs 1, 0, 1: cat was expected, the client's label


def test_the_table_of_a_report_has_a_row_for_each_number():
    rng = np.random.default_rng(0)
    r, e = rng.normal(size=(2, 50))
    report = make_report(
        Predictions(np.ones(50, int), r, e, np.where(rng.random(50) < 0.5, 1, -1)), costs=Costs(1, 0.1)
    )
    table = analysis.report_table(report)
    assert table.columns.tolist() == ["estimate", "low", "high"]
    assert table.index.tolist() == [
        "system loss", "accuracy", "coverage", "offload rate", "loss of client only", "loss of server only",
        "loss minus that of client only", "loss minus that of server only",
    ]  # fmt: skip
    assert tuple(table.loc["accuracy"]) == pytest.approx(report.metrics["accuracy"], abs=5e-4)
