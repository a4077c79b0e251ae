"""Evidence of chapter 10 on made-up tasks whose answers are known."""

import pytest
from helpers.domains import pairs_of_letters, results_of

from companion.chapters.ch10_domains import analysis, evidence
from companion.chapters.ch10_domains.forecasts import TaskForecast
from companion.claims.evidence import EQUIVALENCE_LEVEL
from companion.claims.registry import chapter_claims, evidence_by_case
from companion.claims.verdicts import claim_verdict
from l2h.evaluation.intervals import Interval, proportion_interval

CLAIMS = chapter_claims("10_domains")


@pytest.fixture
def by_task(monkeypatch):
    """Six tasks, one of them in the place of the photographs."""
    monkeypatch.setattr(evidence, "data_digest", lambda name: f"data of {name}")
    tasks = results_of(seeds=4, n=600)
    return tasks | {"cifar100": tasks["smartwatch"]}


def test_a_server_that_leads_helps(by_task):
    claim = CLAIMS["effective-on-cifar100"]
    gains = evidence.gains_over_never_and_always(by_task, "cifar100", claim.id)
    never = analysis.loss_difference(by_task["cifar100"], "client only")
    assert gains["never asking"].estimate == pytest.approx(-never.estimate)
    assert gains["never asking"].data == "data of cifar100"
    assert claim_verdict(claim.rule, evidence_by_case(claim, gains)) == "reproduced"
    least = evidence.least_gains(by_task)
    expected = min(gain.estimate for gain in gains.values())
    assert least["smartwatch"].estimate == pytest.approx(expected)


def test_a_task_that_is_not_at_hand_is_no_evidence(by_task):
    absent = evidence.gains_over_never_and_always({}, "cifar100", "effective-on-cifar100")
    assert {gain.reason for gain in absent.values()} == {evidence.DATA_MISSING.reason}
    assert evidence.least_gains(by_task)["fsdd"] == evidence.DATA_MISSING


def test_the_mean_advantage_has_the_limits_of_both_levels(by_task):
    effects = analysis.synthesis(analysis.task_effects(by_task, "two-stage"))
    found = evidence.mean_advantage(by_task, "two-stage")
    assert (found.estimate, found.low, found.high) == effects.mean_interval()
    assert (found.equivalence_low, found.equivalence_high) == effects.mean_interval(level=EQUIVALENCE_LEVEL)[1:]
    assert (found.n, found.seeds) == (7, 4)


def test_tasks_that_differ_by_their_confidence_are_found(by_task):
    deviation = evidence.deviation_between_tasks(by_task)
    assert 0.01 < deviation.low < deviation.high
    slopes = evidence.slopes(by_task, pairs_of_letters())
    assert all(slope.high < 0 for slope in slopes.values())


def test_coverage_counts_tasks(by_task):
    found = evidence.coverage_of_forecasts(by_task, pairs_of_letters())
    assert {each.n for each in found.values()} == {7}
    few = dict(list(by_task.items())[:3])
    assert evidence.coverage_of_forecasts(few, pairs_of_letters())["fitted on the other tasks"].reason


@pytest.mark.parametrize(("covered", "n", "settled"), [(9, 9, 17), (2, 9, None), (8, 9, 75)])
def test_how_many_tasks_would_settle_a_share(covered, n, settled):
    forecasts = [TaskForecast("a", Interval(0.0, -1.0, 1.0), 0.0 if i < covered else 2.0) for i in range(n)]
    found = evidence._share_evidence(forecasts, {"above": 0.8})
    assert (found.estimate, found.low, found.high) == proportion_interval(covered, n)
    assert found.settled_by == settled
    if settled:
        fewer, enough = (proportion_interval(round(covered / n * k), k).low for k in (settled - 1, settled))
        assert fewer <= 0.8 < enough
