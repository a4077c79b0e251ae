"""Gains over the client, and the signatures of failures."""

import numpy as np
import pytest
from helpers.samples import sample_runs

from companion.chapters.ch01_problem.analysis import failure_signatures, gain_of_always_ask, gain_over_client
from l2h.problem import Predictions

SYSTEM = sample_runs(3, 200)


def with_scores(sign):
    return [Predictions(p.m, np.full(len(p.y), sign), p.e, p.y) for p in SYSTEM]


def test_always_asking_gains_the_difference_between_server_and_client():
    always = with_scores(-1.0)
    assert np.mean([gain_over_client(p) for p in always]) == pytest.approx(gain_of_always_ask(SYSTEM))
    right = np.mean([((p.e >= 0) == (p.y > 0)).mean() - (p.m == p.y).mean() for p in SYSTEM])
    assert gain_of_always_ask(SYSTEM) == pytest.approx(right)


def test_signatures_are_means_over_seeds_and_counts_of_one_history():
    systems = {"usual": SYSTEM, "never": with_scores(1.0)}
    table = failure_signatures(systems, {"usual": [2.0, 3.0, 1.0, 1.5], "never": [1.0, 0.5, 0.25]})
    usual = table.loc["usual"]
    assert usual["offload rate"] == pytest.approx(np.mean([(p.r <= 0).mean() for p in SYSTEM]))
    assert usual["gain per query"] == pytest.approx(usual["gain in accuracy"] / usual["offload rate"])
    assert (usual["training loss, largest over first"], usual["epochs in which it increased"]) == (1.5, 2)
    never = table.loc["never"]
    assert (never["offload rate"], never["gain in accuracy"]) == (0, 0)
    assert np.isnan(never["gain per query"])


def test_a_query_that_helps_and_one_that_harms_cancel():
    r, e = np.array([1.0, 1.0, -1.0, -1.0]), np.array([1.0, 1.0, 1.0, -1.0])
    p = Predictions(m=np.array([1, -1, -1, 1]), r=r, e=e, y=np.ones(4))
    assert gain_over_client(p) == 0.0
    assert gain_of_always_ask([p]) == 0.25
