"""Decisions beside people's answers: rates by group, the contrast of the extremes, and the Bayes rule."""

import numpy as np
import pytest

from companion.chapters.ch06_comparison.human_uncertainty import (
    HUMAN_BAYES_NAME,
    compare_with_human_labels,
    human_label_bayes_rule,
)
from l2h.data.cifar10h import HumanLabels
from l2h.evaluation.metrics import system_loss
from l2h.problem import Costs, Predictions, asks

COSTS = Costs(c1=1.0, ce=0.1)
N = 500


@pytest.fixture(scope="module")
def people():
    eta = np.random.default_rng(0).beta(0.3, 0.3, N)
    entropy = -(eta * np.log2(eta) + (1 - eta) * np.log2(1 - eta))
    return HumanLabels(eta, entropy, np.zeros(N), np.full(N, 50.0))


def system(people, seed, send):
    generator = np.random.default_rng(seed)
    y = np.where(np.random.default_rng(1).random(N) < people.eta, 1, -1)
    m = np.where(generator.random(N) < 0.8, y, -y)
    return Predictions(m, np.where(send, -1.0, 1.0), np.ones(N), y)


def test_rates_are_those_of_the_groups(people):
    hard = people.entropy > np.quantile(people.entropy, 0.6)
    found = compare_with_human_labels({"hard": [system(people, seed, hard) for seed in range(3)]}, people, costs=COSTS)
    assert len(found.edges) == 6
    np.testing.assert_allclose(found.shares, 0.2)
    assert [one.estimate for one in found.rates["hard"]] == [0, 0, 0, 1, 1]
    assert found.hard_minus_easy["hard"].estimate == pytest.approx(1)
    assert found.agreement_with_bayes[HUMAN_BAYES_NAME] == (1, 1, 1)
    assert list(found.rates) == list(found.losses) == ["hard", HUMAN_BAYES_NAME]
    given = [system(people, seed, hard) for seed in range(3)]
    assert found.losses["hard"].estimate == pytest.approx(np.mean([system_loss(p, costs=COSTS) for p in given]))
    assert found.losses[HUMAN_BAYES_NAME].estimate < found.losses["hard"].estimate


def test_ties_make_fewer_groups_and_none_is_empty(people):
    rounded = people._replace(entropy=np.where(people.entropy < 0.5, 0.0, people.entropy))
    send = np.arange(N) % 2 == 0
    found = compare_with_human_labels({"half": [system(people, 0, send)]}, rounded, costs=COSTS)
    assert len(found.rates["half"]) == len(found.shares) == len(found.edges) - 1 < 5
    assert found.shares.sum() == pytest.approx(1)
    assert found.shares[0] == pytest.approx((rounded.entropy <= found.edges[1]).mean())
    assert all(0 < one.estimate < 1 for one in found.rates["half"])
    easy, hard = rounded.entropy == 0, rounded.entropy >= np.quantile(rounded.entropy, 0.8)
    assert found.hard_minus_easy["half"].estimate == pytest.approx(send[hard].mean() - send[easy].mean())


def test_the_bayes_rule_compares_the_costs_one_by_one(people):
    given = system(people, 0, np.zeros(N, dtype=bool))
    best = human_label_bayes_rule(people, given, costs=COSTS)
    for eta, m, r, e in zip(people.eta, best.m, best.r, best.e, strict=True):
        keeping, asking = (1 - eta if m > 0 else eta), 0.1 + min(eta, 1 - eta)
        assert asks(r) == (keeping >= asking)
        assert (e >= 0) == (eta >= 0.5)
    draws = np.random.default_rng(2).random((200, N)) < people.eta
    risks = [
        np.mean([system_loss(Predictions(p.m, p.r, p.e, np.where(y, 1, -1)), costs=COSTS) for y in draws])
        for p in (best, given)
    ]
    assert risks[0] < risks[1]


def test_what_does_not_fit_is_refused(people):
    with pytest.raises(ValueError, match="expected at least one system, got none"):
        compare_with_human_labels({}, people, costs=COSTS)
    short = HumanLabels(*(values[:9] for values in people))
    with pytest.raises(ValueError, match="predictions: 500, people: 9"):
        compare_with_human_labels({"a": [system(people, 0, people.eta > 0.5)]}, short, costs=COSTS)
