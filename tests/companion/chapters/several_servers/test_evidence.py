"""Evidence of the page on several servers on made-up systems."""

import numpy as np
import pytest

from companion.chapters.several_servers import evidence
from companion.chapters.several_servers.images import Sent
from companion.chapters.several_servers.routing import BAYES, SERVER_SETS, TRAINED, Routed
from companion.claims.registry import bounds_by_claim

BOUNDS = bounds_by_claim("several_servers")


def systems(seed):
    generator = np.random.default_rng(seed)
    found = {}
    for servers in SERVER_SETS:
        for decision in (BAYES, TRAINED):
            losses = generator.uniform(size=400) + (servers == "one big server") + 2 * (decision == TRAINED)
            found[servers, decision] = Routed(np.zeros(400, dtype=int), losses, losses < 0.5)
    return found


BY_SEED = [systems(0), systems(1)]


def mean_loss(servers, decision):
    return np.mean([seed[servers, decision].losses for seed in BY_SEED])


def test_the_gain_of_experts_is_the_loss_of_the_big_server_minus_theirs():
    found = evidence.routing_gains(BY_SEED, data="abc")
    assert list(found) == list(BOUNDS["experts-beat-one-big-server"])
    expected = mean_loss("one big server", BAYES) - mean_loss("three experts", BAYES)
    assert found[BAYES].estimate == pytest.approx(expected)
    assert found[TRAINED].n == 400 and found[TRAINED].seeds == 2


def test_training_is_compared_with_the_estimated_rule():
    found = evidence.losses_of_training(BY_SEED, data="abc")
    assert found["all four servers"].estimate == pytest.approx(
        mean_loss("all four servers", TRAINED) - mean_loss("all four servers", BAYES)
    )


def test_shares_keep_the_data_of_their_labels():
    cases = BOUNDS["a-decision-reveals-little-of-the-label"]
    values = dict.fromkeys(cases, np.random.default_rng(0).normal(0.05, 0.1, size=(2, 500)))
    found = evidence.shares_revealed(values, data={"of two classes": "a", "of the domain": "b"})
    assert [item.data for item in found.values()] == ["a", "b", "b"]
    assert found["whom it asks, of the domain"].estimate == pytest.approx(0.05, abs=0.02)


def test_a_smaller_image_is_compared_with_the_raw_one():
    generator = np.random.default_rng(0)
    raw = Sent(3072, 1.0, generator.random(500) < 0.9)
    ways = {way: Sent(48, 0.5, generator.random(500) < 0.8) for way in BOUNDS["smaller-images-cost-little-accuracy"]}
    by_seed = [{"raw": raw, **ways}] * 2
    found = evidence.accuracy_lost(by_seed, raw="raw", data="abc")
    assert list(found) == list(ways)
    assert found["120 features"].estimate == pytest.approx(raw.correct.mean() - ways["120 features"].correct.mean())
