"""Remedies: what a policy may see, what it decides from that, and what it is charged."""

from dataclasses import replace

import numpy as np
import pytest
from helpers.samples import many
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kstest
from sklearn.isotonic import IsotonicRegression

from l2h.drift import policies, streams
from l2h.drift.policies import Action, ask_probability, simulate
from l2h.evaluation import metrics
from l2h.evaluation.thresholds import with_threshold
from l2h.problem import Costs, Predictions

COSTS = Costs(1.0, 0.2)
LENGTH, BATCH = 2000, 50
PLAY = {"costs": COSTS, "batch": BATCH, "delay": 1, "seed": 0}


def turning(seed=0, after=0.2):
    """A client that gets worse in the middle, while its scores move up: r looks more confident than ever."""
    first, second = many(LENGTH, seed=seed), many(LENGTH, seed=seed + 1, client=after)
    join = {name: np.concatenate([getattr(first, name), getattr(second, name)]) for name in "mey"}
    return Predictions(r=np.concatenate([first.r, second.r + 2]), **join)


def mean(values, after=LENGTH):
    return float(values[after:].mean())


def test_a_fixed_threshold_is_the_system_itself():
    stream = many(333)
    for threshold in (0.0, 0.4):
        outcome = simulate(stream, policies.fixed_policy(threshold), **PLAY)
        same = with_threshold(stream, threshold)
        assert (outcome.loss == metrics.loss_per_example(same, costs=COSTS)).all()
        assert (outcome.asked == (metrics.keep_indicator(same) == 0)).all() and not outcome.labelled.any()


def test_a_policy_sees_scores_at_once_and_labels_late_and_only_of_what_was_asked():
    stream, seen = many(200), []

    def nosy(past, r):
        seen.append(past)
        return Action(np.full(len(r), 0.5))

    outcome = simulate(stream, nosy, costs=COSTS, batch=50, delay=1, seed=3)
    assert (outcome.labelled == outcome.asked).all()
    for j, past in enumerate(seen):
        assert (past.r == stream.r[: 50 * j]).all()
        expected = np.flatnonzero(outcome.asked[: max(0, 50 * (j - 1))])
        assert past.step.tolist() == expected.tolist() and (past.propensity == 0.5).all()
        assert past.asked is None if j < 2 else (past.asked.y == stream.y[expected]).all()


def test_random_queries_have_the_stated_rate_and_are_paid():
    stream = many(4000)
    outcome = simulate(stream, lambda _, r: Action(ask_probability(r, -99.0, 0.1)), **PLAY)
    assert abs(outcome.asked.mean() - 0.1) < 0.02
    server_wrong = np.where(stream.e >= 0, 1, -1) != stream.y
    assert (outcome.loss[outcome.asked] == 0.2 + server_wrong[outcome.asked]).all()
    assert (outcome.loss[~outcome.asked] == (stream.m != stream.y)[~outcome.asked]).all()


def test_a_moved_server_answers_from_there_on():
    stream = many(100)
    outcome = simulate(stream, lambda _, r: Action(np.ones(len(r)), 0.3), **PLAY)
    assert (outcome.loss == 0.2 + ((stream.e >= 0.3) != (stream.y == 1))).all()


def test_the_budget_is_kept_where_scores_drift():
    stream = turning()
    start = stream.r[:500]
    free = simulate(stream, policies.fixed_policy(), **PLAY)
    kept = simulate(stream, policies.budget_policy(0.4, initial_scores=start, memory=500), **PLAY)
    assert mean(free.asked) < 0.15
    assert abs(mean(kept.asked, LENGTH + 500) - 0.4) < 0.06


@pytest.mark.parametrize("make_policy", [policies.isotonic_policy, policies.logistic_policy])
def test_labels_tell_that_asking_pays(make_policy):
    stream = turning()
    fixed = simulate(stream, policies.fixed_policy(), **PLAY)
    outcome = simulate(stream, make_policy(costs=COSTS, explore=0.1, memory=1000), **PLAY)
    assert mean(outcome.loss, LENGTH + 1000) < mean(fixed.loss, LENGTH + 1000) - 0.2
    assert mean(outcome.asked, LENGTH + 1000) > 0.8
    assert set(np.unique(outcome.propensity)) == {0.1, 1.0}


@given(st.integers(0, 10_000), st.integers(1, 40), st.booleans())
def test_the_falling_curve_is_that_of_scikit_learn(seed, n, ties):
    generator = np.random.default_rng(seed)
    r, wrong, weight = generator.normal(size=n), generator.random(n) < 0.5, generator.uniform(0.1, 20, n)
    r = np.round(r) if ties else r
    theirs = IsotonicRegression(increasing=False, out_of_bounds="clip").fit(r, wrong, sample_weight=weight)
    at = np.append(generator.normal(size=20) * 3, r)
    ours = np.interp(at, *policies.isotonic_error_curve(r, wrong, weight))
    np.testing.assert_allclose(ours, theirs.predict(at), atol=1e-9)


@pytest.mark.parametrize("make_policy", [policies.isotonic_policy, policies.logistic_policy])
def test_few_labels_change_nothing(make_policy):
    stream = many(100)
    outcome = simulate(stream, make_policy(costs=COSTS, explore=0.05, memory=10), **PLAY)
    assert (outcome.propensity == ask_probability(stream.r, 0.0, 0.05)).all()


def test_after_an_alarm_everything_is_asked_and_then_the_best_threshold_rules():
    stream = turning()
    policy = policies.alarm_threshold_policy(np.array([LENGTH + 20]), costs=COSTS, label_burst=200, batch=BATCH)
    outcome = simulate(stream, policy, **PLAY)
    fixed = simulate(stream, policies.fixed_policy(), **PLAY)
    assert (outcome.loss[: LENGTH + 50] == fixed.loss[: LENGTH + 50]).all()
    burst = slice(LENGTH + 50, LENGTH + 250)
    assert outcome.asked[burst].all() and outcome.labelled[burst].all() and outcome.labelled.sum() == 200
    assert not outcome.asked[LENGTH + 250 : LENGTH + 300].all()  # the labels of the last batch are under way
    assert mean(outcome.loss, LENGTH + 300) < mean(fixed.loss, LENGTH + 300) - 0.2


def test_without_alarm_nothing_happens():
    stream = many(500)
    policy = policies.alarm_threshold_policy(np.array([], dtype=int), costs=COSTS, label_burst=100, batch=BATCH)
    assert (simulate(stream, policy, **PLAY).loss == simulate(stream, policies.fixed_policy(), **PLAY).loss).all()


def test_a_server_that_leans_to_one_side_is_set_upright():
    generator = np.random.default_rng(0)
    y = generator.choice([-1, 1], 2000)
    stream = Predictions(-y, generator.normal(size=2000), y + 1.5 + 0.3 * generator.normal(size=2000), y)
    for what, wrong in (("r", 0.4), ("e", 0.05), ("r and e", 0.05)):
        server = what != "r"
        policy = policies.alarm_threshold_policy(
            np.array([0]), costs=COSTS, label_burst=200, batch=BATCH, adapted_part=what
        )
        outcome = simulate(stream, policy, **PLAY)
        late = slice(400, None)
        assert bool(np.mean(outcome.loss[late][outcome.asked[late]]) - 0.2 < wrong) is server
        assert outcome.server_threshold[-1] == (pytest.approx(1.5, abs=0.3) if server else 0.0)


def test_a_server_that_says_nothing_stays_as_it_is():
    y = np.tile([1, -1], 500)
    stream = Predictions(-y, np.zeros(1000) - 1, np.ones(1000), y)
    policy = policies.alarm_threshold_policy(
        np.array([0]), costs=COSTS, label_burst=200, batch=BATCH, adapted_part="r and e"
    )
    assert np.isfinite(simulate(stream, policy, **PLAY).server_threshold).all()


def test_moving_the_server_alone_leaves_what_is_asked():
    stream = turning()
    policy = policies.alarm_threshold_policy(np.array([0]), costs=COSTS, label_burst=200, batch=BATCH, adapted_part="e")
    outcome, fixed = simulate(stream, policy, **PLAY), simulate(stream, policies.fixed_policy(), **PLAY)
    late = slice(300, None)
    assert (outcome.asked[late] == fixed.asked[late]).all() and outcome.server_threshold[-1] != 0


def test_a_device_without_labels_sees_the_answers_of_all_that_it_asked():
    stream, seen = many(200), []

    def nosy(past, r):
        seen.append(past)
        return Action(np.full(len(r), 0.5), order_label=False)

    outcome = simulate(stream, nosy, costs=COSTS, batch=50, delay=1, seed=3, pseudo_labels=True)
    assert outcome.asked.any() and not outcome.labelled.any()
    for j, past in enumerate(seen[2:], start=2):
        expected = np.flatnonzero(outcome.asked[: 50 * (j - 1)])
        assert past.step.tolist() == expected.tolist()
        assert (past.asked.y == np.where(stream.e[expected] >= 0, 1, -1)).all()
    truth = np.where(outcome.asked, 0.2 + ((stream.e >= 0) != (stream.y == 1)), stream.m != stream.y)
    assert (outcome.loss == truth).all(), "it is charged by the truth all the same"


@pytest.mark.parametrize("make_policy", [policies.isotonic_policy, policies.logistic_policy])
def test_answers_are_as_good_as_labels_only_if_the_server_is_right(make_policy):
    policy = make_policy(costs=COSTS, explore=0.1, memory=1000)
    for stream, same in (
        (turning(), False),
        (Predictions(turning().m, turning().r, 1.0 * turning().y, turning().y), True),
    ):
        from_answers, from_labels = (
            simulate(stream, policy, pseudo_labels=answers, **PLAY) for answers in (True, False)
        )
        assert (from_answers.asked == from_labels.asked).all() == same
        assert from_answers.asked.mean() >= from_labels.asked.mean()


def test_the_same_seed_gives_the_same_episode():
    stream = many(300)
    policy = policies.logistic_policy(costs=COSTS, explore=0.3, memory=100)
    first, again = (simulate(stream, policy, **PLAY) for _ in range(2))
    assert (first.asked == again.asked).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: simulate(many(5), policies.fixed_policy(), costs=COSTS, batch=0, delay=0, seed=0), "batch"),
        (lambda: simulate(many(5), policies.fixed_policy(), costs=COSTS, batch=1, delay=-1, seed=0), "delay"),
        (lambda: simulate(many(5), lambda _, r: Action(r + 9), costs=COSTS, batch=1, delay=0, seed=0), "propensity"),
        (lambda: policies.budget_policy(1.5, initial_scores=np.zeros(1), memory=1), "rate"),
        (lambda: policies.budget_policy(0.5, initial_scores=np.zeros(1), memory=0), "memory"),
        (lambda: policies.isotonic_policy(costs=COSTS, explore=0.0, memory=1), "explore"),
        (lambda: policies.logistic_policy(costs=COSTS, explore=1.5, memory=1), "explore"),
        (lambda: policies.logistic_policy(costs=COSTS, explore=0.5, memory=0), "memory"),
        (lambda: policies.alarm_threshold_policy(np.array([0]), costs=COSTS, label_burst=0, batch=1), "burst"),
        (lambda: policies.alarm_threshold_policy(np.array([0]), costs=COSTS, label_burst=1, batch=0), "batch"),
        (
            lambda: policies.alarm_threshold_policy(
                np.array([0]), costs=COSTS, label_burst=1, batch=1, adapted_part="m"
            ),
            "adapted_part",
        ),
    ],
)
def test_bad_settings_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_the_images_that_chance_picks_are_any_images():
    """The stream and the coins have one seed: were they one draw, the picked images would be those with low numbers."""
    course = streams.fill_schedule(streams.drift_schedule(None, length=6000), {"clean": np.ones(2000)}, seed=0)
    p = many(2000, client=0.7)
    seen = replace(p, m=p.m[course.image], r=np.full(6000, 9.0), e=p.e[course.image], y=p.y[course.image])
    outcome = simulate(seen, lambda _, r: Action(np.full(len(r), 0.05)), **PLAY)
    picked = course.image[outcome.asked]
    assert 200 < len(picked) < 400
    assert kstest(picked / 2000, "uniform").pvalue > 0.01
