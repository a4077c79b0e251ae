"""Expert advice over thresholds: the algorithm against one written step by step, and the theorem, exactly."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import drift

from l2h.drift import experts
from l2h.drift.experts import FixedShareConfig
from l2h.drift.policies import simulate
from l2h.problem import Costs, Predictions


@st.composite
def games(draw, longest=6):
    """A short stream, thresholds, costs and settings."""
    length = draw(st.integers(2, longest))
    seed = draw(st.integers(0, 10_000))
    generator = np.random.default_rng(seed)
    stream = Predictions(
        m=generator.choice([-1, 1], length), r=generator.integers(-2, 3, length) / 2,
        e=generator.normal(size=length), y=generator.choice([-1, 1], length),
    )  # fmt: skip
    thresholds = np.array([-2.0, -0.5, 0.25, 2.0])[: draw(st.integers(2, 4))]
    costs = Costs(draw(st.floats(0, 1.5)), draw(st.floats(0, 1)))
    advice = FixedShareConfig(
        eta=draw(st.floats(0.05, 3)), gamma=draw(st.floats(0.05, 1)), sigma=draw(st.floats(0.01, 0.4)),
        batch=draw(st.integers(1, 3)), delay=draw(st.integers(0, 2)),
    )  # fmt: skip
    return stream, thresholds, costs, advice


def plainly(game):
    stream, thresholds, costs, advice = game
    keep, ask = drift.keep_and_ask(stream.m, stream.e, stream.y, costs.c1, costs.ce)
    return (stream.r.tolist(), keep, ask, thresholds.tolist()), tuple(advice)


@given(games())
@settings(max_examples=60)
def test_what_is_played_is_what_the_oracle_plays(game):
    stream, thresholds, costs, advice = game
    policy = experts.fixed_share_policy(thresholds, costs=costs, fixed_share=advice)
    outcome = simulate(stream, policy, costs=costs, batch=advice.batch, delay=advice.delay, seed=1)
    given_, settings_ = plainly(game)
    paths = {coins: rest for _, coins, *rest in drift.expert_paths(*given_, *settings_)}
    chances, shadows = paths[tuple(outcome.asked.tolist())]
    np.testing.assert_allclose(outcome.propensity, chances, rtol=1e-9)
    batches = -(-len(stream.r) // advice.batch)
    switches = min(1, batches - 1)
    ours = experts.realised_regret_bound(
        stream, outcome, thresholds, costs=costs, fixed_share=advice, switches=switches
    )
    price = experts.comparator_complexity(len(thresholds), batches=batches, switches=switches, sigma=advice.sigma)
    theirs = drift.realised(*given_, chances, shadows, price, *settings_)
    assert ours[-1] == pytest.approx(theirs, rel=1e-9)
    assert (np.diff(ours) >= -1e-12).all()


@given(games(longest=5), st.integers(0, 2))
@settings(max_examples=60)
def test_the_theorem_holds_exactly_over_all_paths_of_the_coins(game, switches):
    (r, keep, ask, thresholds), settings_ = plainly(game)
    _, _, costs, advice = game
    batches = -(-len(r) // advice.batch)
    switches = min(switches, batches - 1)
    price = experts.comparator_complexity(len(thresholds), batches=batches, switches=switches, sigma=advice.sigma)
    loss = bound = total = 0.0
    for probability, _, chances, shadows in drift.expert_paths(r, keep, ask, thresholds, *settings_):
        total += probability
        loss += probability * sum(q * a + (1 - q) * k for q, k, a in zip(chances, keep, ask, strict=True))
        bound += probability * drift.realised(r, keep, ask, thresholds, chances, shadows, price, *settings_)
    assert total == pytest.approx(1)
    regret = loss - drift.best_sequence(r, keep, ask, thresholds, advice.batch, switches)
    worst = experts.fixed_share_regret_bound(
        advice, costs=costs, experts=len(thresholds), steps=len(r), switches=switches
    )
    assert regret <= bound + 1e-9
    assert bound <= worst + 1e-9


@given(games(longest=8), st.integers(0, 2))
@settings(max_examples=60)
def test_the_best_sequence_is_the_best_of_all(game, switches):
    stream, thresholds, costs, advice = game
    given_, _ = plainly(game)
    ours = experts.best_sequence_losses(stream, thresholds, costs=costs, batch=advice.batch, switches=switches)
    assert ours.sum() == pytest.approx(drift.best_sequence(*given_, advice.batch, switches))


@given(games(), st.integers(2, 60), st.floats(1e-12, 1))
@settings(max_examples=60)
def test_the_chance_of_asking_is_a_probability_however_the_weights_are_rounded(game, n_experts, gamma):
    """A score that all experts ask has the chance 1, and one that none asks the chance gamma, exactly."""
    stream, _, costs, advice = game
    thresholds, advice = np.linspace(-0.4, 0.4, n_experts), advice._replace(gamma=gamma)
    policy = experts.fixed_share_policy(thresholds, costs=costs, fixed_share=advice)
    chance = simulate(stream, policy, costs=costs, batch=advice.batch, delay=advice.delay, seed=1).propensity
    assert (chance >= gamma).all() and (chance <= 1).all()
    assert (chance[stream.r < -0.4] == 1).all() and (chance[stream.r > 0.4] == gamma).all()


def test_experts_play_one_game_after_another_as_if_each_were_the_first():
    generator = np.random.default_rng(0)
    advice, costs, thresholds = FixedShareConfig(0.3, 0.1, 0.01, 10, 1), Costs(1.0, 0.25), np.array([-9.0, 0.0, 9.0])
    again = experts.fixed_share_policy(thresholds, costs=costs, fixed_share=advice)
    for length in (305, 200, 300):
        y, m = generator.choice([-1, 1], (2, length))
        stream = Predictions(m, generator.normal(size=length), 1.0 * y, y)
        chances = [
            simulate(stream, policy, costs=costs, batch=10, delay=1, seed=length).propensity
            for policy in (again, experts.fixed_share_policy(thresholds, costs=costs, fixed_share=advice))
        ]
        assert np.array_equal(*chances)


def test_the_experts_find_the_better_side_and_come_back_after_a_switch():
    length, generator = 4000, np.random.default_rng(0)
    y = generator.choice([-1, 1], length)
    m = np.where(np.arange(length) < 2000, y, -y)  # the client is right, then always wrong
    stream = Predictions(m, generator.normal(size=length), 1.0 * y, y)
    advice = FixedShareConfig(0.2, 0.05, 0.01, 25, 1)
    costs = Costs(1.0, 0.25)
    policy = experts.fixed_share_policy(np.array([-9.0, 0.0, 9.0]), costs=costs, fixed_share=advice)
    outcome = simulate(stream, policy, costs=costs, batch=25, delay=1, seed=0)
    assert outcome.asked[1500:2000].mean() < 0.1 and outcome.asked[2500:].mean() > 0.95
    regret = experts.expected_loss(stream, outcome, costs=costs) - experts.best_sequence_losses(
        stream, np.array([-9.0, 0.0, 9.0]), costs=costs, batch=25, switches=1
    )
    assert 0 < regret.sum() < 0.1 * length


@pytest.mark.parametrize(
    ("change", "message"),
    [({"eta": 0.0}, "eta"), ({"gamma": 0.0}, "gamma"), ({"gamma": 1.5}, "gamma"), ({"sigma": -0.1}, "sigma")],
)
def test_bad_settings_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        experts.fixed_share_policy(
            np.zeros(2), costs=Costs(), fixed_share=FixedShareConfig(0.1, 0.1, 0.1, 1, 0)._replace(**change)
        )


@pytest.mark.parametrize(("batch", "switches", "message"), [(0, 0, "batch"), (1, -1, "switches")])
def test_a_bad_comparison_is_refused(batch, switches, message):
    p = Predictions(*np.ones((4, 3)))
    with pytest.raises(ValueError, match=message):
        experts.best_sequence_losses(p, np.zeros(2), costs=Costs(), batch=batch, switches=switches)
