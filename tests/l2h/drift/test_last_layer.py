"""Last layers fitted anew: where the gradient vanishes, what a burst teaches, and what may be known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import drift

from l2h.drift import last_layer, policies
from l2h.drift.last_layer import PENALTIES, LastLayers
from l2h.drift.policies import Action, LastLayerInputs, last_layer_output, simulate
from l2h.drift.streams import Stream
from l2h.evaluation import thresholds
from l2h.problem import Costs, Predictions

COSTS = Costs(1.0, 0.2)
PLAY = {"costs": COSTS, "batch": 25, "delay": 1}


def problem(seed, n, d, scale=1.0):
    generator = np.random.default_rng(seed)
    hidden = scale * generator.normal(size=(n, d - 1))
    return hidden, generator.uniform(0, 2, n), generator.uniform(0, 2, n), generator.normal(size=d)


@given(st.integers(0, 1000), st.integers(1, 30), st.integers(2, 12), st.sampled_from(PENALTIES[1:]))
def test_the_gradient_vanishes_at_the_new_layer(seed, n, d, strength):
    hidden, down, up, old = problem(seed, n, d)
    new = last_layer.retrain(hidden, down, up, previous=old, penalty=strength)
    slope = drift.refit_gradient(hidden, down, up, old, new, strength)
    here = drift.refit_gradient(hidden, down, up, old, old, strength)
    assert np.abs(slope).max() <= 1e-5 * max(1.0, np.abs(here).max())


@given(st.integers(0, 1000), st.floats(0.01, 100))
def test_it_does_not_matter_where_it_begins_nor_in_which_unit_activations_are(seed, unit):
    hidden, down, up, old = problem(seed, 20, 6)
    old[-1] = 0
    new = last_layer.retrain(hidden, down, up, previous=old, penalty=0.1)
    elsewhere = last_layer.retrain(hidden, down, up, previous=old, penalty=0.1, start=-3 * old)
    np.testing.assert_allclose(elsewhere, new, atol=1e-4)
    fields = drift.pull(hidden, 0.1, len(old)), drift.pull(unit * hidden, 0.1, len(old))
    assert fields[1] / fields[0] == pytest.approx((unit**2 * (hidden**2).sum() + 20) / ((hidden**2).sum() + 20))


def test_an_infinite_strength_leaves_the_layer_and_a_large_one_nearly_does():
    hidden, down, up, old = problem(0, 40, 8)
    assert np.array_equal(last_layer.retrain(hidden, down, up, previous=old, penalty=np.inf), old)
    distance = [
        np.abs(last_layer.retrain(hidden, down, up, previous=old, penalty=s) - old).max() for s in (1e6, 1.0, 1e-2)
    ]
    assert distance[0] < 1e-5 < distance[1] < distance[2]


def test_separable_examples_leave_the_layer_finite():
    hidden = np.linspace(-1, 1, 50)[:, None]
    y = (hidden[:, 0] > 0).astype(float)
    new = last_layer.retrain(hidden, 1 - y, y, previous=np.zeros(2), penalty=1e-6)
    assert np.isfinite(new).all() and ((last_layer_output(hidden, new) > 0) == (y == 1)).all()


def test_the_strength_follows_what_the_examples_say():
    generator = np.random.default_rng(0)
    hidden, truth = generator.normal(size=(200, 10)), np.append(np.full(10, 2.0), 0.0)
    right = last_layer_output(hidden, truth) > 0
    kept = last_layer.retrain_cv(
        hidden, generator.random(200) < 0.5, generator.random(200) < 0.5, previous=np.zeros(11)
    )
    assert kept.penalty >= 10, "coins have nothing to teach"
    turned = last_layer.retrain_cv(hidden, ~right, right, previous=-truth)
    assert turned.penalty <= 0.1 and ((turned.out_of_fold_outputs > 0) == right).mean() > 0.85


def test_an_example_has_no_say_in_its_own_output():
    hidden, down, up, old = problem(3, 50, 6)
    before = last_layer.retrain_cv(hidden, down, up, previous=old)
    for fold in range(5):
        learn = np.arange(50) % 5 != fold
        layer = last_layer.retrain(hidden[learn], down[learn], up[learn], previous=old, penalty=before.penalty)
        np.testing.assert_allclose(
            before.out_of_fold_outputs[~learn], last_layer_output(hidden[~learn], layer), atol=1e-4
        )


@pytest.mark.parametrize("threshold", [-0.9, 0.0, 0.3, 0.999])
def test_the_tuned_threshold_becomes_a_bias(threshold):
    generator = np.random.default_rng(0)
    hidden, layer = generator.normal(size=(500, 4)), generator.normal(size=5)
    r = np.tanh(last_layer_output(hidden, layer) / 2)
    right = r > threshold
    validation = Predictions(np.where(right, 1, -1), r, np.ones(500), np.ones(500, dtype=int))
    layers = last_layer.tuned_last_layers({"r": layer, "e": layer}, validation, costs=COSTS)
    tuned = thresholds.tables_tuned_on_validation({"validation": validation}, costs=COSTS)["validation"]
    assert np.array_equal(last_layer_output(hidden, layers.r) > 0, tuned.r > 0) and np.array_equal(layers.e, layer)


def test_activations_follow_the_course():
    tables = {
        c: {"r": np.random.default_rng(i).normal(size=(4, 3)), "e": np.ones((4, 2)) * i} for i, c in enumerate("ab")
    }
    along = last_layer.activations_along(tables, Stream(np.array(["a", "b", "a"]), np.array([3, 0, 3]), 1))
    assert np.array_equal(along.r, [tables["a"]["r"][3], tables["b"]["r"][0], tables["a"]["r"][3]])
    assert along.e.tolist() == [[0, 0], [1, 1], [0, 0]]


def turning(length=1200):
    """In the middle the client begins to err where it was right, and the server's answers turn round."""
    generator = np.random.default_rng(0)
    hidden = LastLayerInputs(generator.normal(size=(length, 6)), generator.normal(size=(length, 5)))
    old = LastLayers(np.array([1.0, 0, 0, 0, 0, 0, 0]), np.array([2.0, 0, 0, 0, 0, 0]))
    later = np.arange(length) >= length // 2
    y = np.where(np.where(later, hidden.e[:, 1], hidden.e[:, 0]) > 0, 1, -1)
    right = np.where(later, hidden.r[:, 1], hidden.r[:, 0]) > 0
    e = np.tanh(last_layer_output(hidden.e, old.e) / 2)
    return Predictions(np.where(right, y, -y), np.tanh(last_layer_output(hidden.r, old.r) / 2), e, y), hidden, old


@pytest.mark.parametrize(("what", "below"), [("r", 0.5), ("r and e", 0.25)])
def test_what_turned_is_learned_from_the_burst(what, below):
    stream, hidden, old = turning()
    alarm, anew = np.array([620]), last_layer.retraining_policies(old, costs=COSTS)[what]
    policy = policies.after_alarm_policy(alarm, anew, label_burst=200, batch=25)
    outcome = simulate(stream, policy, seed=0, activations=hidden, **PLAY)
    fixed = simulate(stream, policies.fixed_policy(), seed=0, **PLAY)
    moved = simulate(
        stream,
        policies.alarm_threshold_policy(alarm, costs=COSTS, label_burst=200, batch=25, adapted_part="r and e"),
        seed=0,
        **PLAY,
    )
    assert np.array_equal(outcome.loss[:625], fixed.loss[:625]) and outcome.labelled.sum() == 200
    late = slice(850, None)
    assert outcome.loss[late].mean() < min(below, moved.loss[late].mean() - 0.05, fixed.loss[late].mean() - 0.1)
    again = simulate(stream, policy, seed=0, activations=hidden, **PLAY)
    assert np.array_equal(again.loss, outcome.loss)


def test_if_the_server_alone_is_refitted_the_device_asks_as_it_did():
    stream, hidden, old = turning()
    refits, outcomes = last_layer.retraining_policies(old, costs=COSTS), {}
    for what, anew in refits.items():
        policy = policies.after_alarm_policy(np.array([620]), anew, label_burst=200, batch=25)
        outcomes[what] = simulate(stream, policy, seed=0, activations=hidden, **PLAY)
    fixed = simulate(stream, policies.fixed_policy(), seed=0, **PLAY)
    late = slice(850, None)
    assert np.array_equal(outcomes["e"].asked[late], fixed.asked[late])
    assert outcomes["e"].loss[late].mean() < fixed.loss[late].mean() - 0.1
    alone = policies.after_alarm_policy(
        np.array([620]), last_layer.retraining_policies(old, costs=COSTS)["r and e"], label_burst=200, batch=25
    )
    assert np.array_equal(simulate(stream, alone, seed=0, activations=hidden, **PLAY).loss, outcomes["r and e"].loss)


def test_nothing_is_learned_from_what_was_not_asked_and_labelled():
    stream, hidden, old = turning()

    def played(stream, hidden):
        anew = last_layer.retraining_policies(old, costs=COSTS)["r and e"]
        policy = policies.after_alarm_policy(np.array([620]), anew, label_burst=200, batch=25)
        return simulate(stream, policy, seed=0, activations=hidden, **PLAY)

    outcome, generator = played(stream, hidden), np.random.default_rng(1)
    quiet = ~outcome.asked
    other = Predictions(
        *(np.where(quiet, generator.permutation(column), column) for column in (stream.m, stream.r)),
        *(np.where(quiet, generator.permutation(column), column) for column in (stream.e, stream.y)),
    )
    unseen = LastLayerInputs(hidden.r, np.where(quiet[:, None], generator.normal(size=hidden.e.shape), hidden.e))
    same_r = Predictions(other.m, stream.r, other.e, other.y)
    assert np.array_equal(played(same_r, unseen).propensity, outcome.propensity)
    assert np.array_equal(played(same_r, unseen).loss[outcome.asked], outcome.loss[outcome.asked])


def test_a_policy_sees_activations_of_the_device_at_once_and_of_the_server_late():
    stream, hidden, _ = turning(200)
    seen = []

    def nosy(past, r):
        seen.append(past)
        return Action(np.full(len(r), 0.5))

    simulate(stream, nosy, seed=0, activations=hidden, **PLAY)
    for j, past in enumerate(seen):
        assert np.array_equal(past.activations.r, hidden.r[: 25 * (j + 1)])
        assert np.array_equal(past.activations.e, hidden.e[past.step]) and (past.step < max(1, 25 * (j - 1))).all()


def test_the_new_layer_answers_from_there_on():
    stream, hidden, old = turning(100)
    outcome = simulate(
        stream, lambda _, r: Action(np.ones(len(r)), server_layer=-old.e), seed=0, activations=hidden, **PLAY
    )
    assert np.array_equal(outcome.loss, 0.2 + ((stream.e <= 0) != (stream.y == 1)))


H, ONE = np.ones((6, 2)), np.ones(6)


def unplayed():
    stream, _, old = turning(400)
    anew = last_layer.retraining_policies(old, costs=COSTS)["r and e"]
    simulate(stream, policies.after_alarm_policy(np.array([0]), anew, label_burst=50, batch=25), seed=0, **PLAY)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: last_layer.retrain(H, ONE, ONE, previous=np.ones(2), penalty=1.0),
            r"activations \(n, 1\) with n >= 1",
        ),
        (lambda: last_layer.retrain(H[:0], ONE[:0], ONE[:0], previous=np.ones(3), penalty=1.0), "with n >= 1"),
        (lambda: last_layer.retrain(H, ONE[:5], ONE, previous=np.ones(3), penalty=1.0), "one length"),
        (lambda: last_layer.retrain(H, -ONE, ONE, previous=np.ones(3), penalty=1.0), "negative_weight"),
        (lambda: last_layer.retrain(H * np.nan, ONE, ONE, previous=np.ones(3), penalty=1.0), "activations"),
        (lambda: last_layer.retrain(H, ONE, ONE, previous=np.ones(3), penalty=0.0), "penalty"),
        (lambda: last_layer.retrain_cv(H[:4], ONE[:4], ONE[:4], previous=np.ones(3)), "examples"),
        (unplayed, "expected a stream with activations"),
        (
            lambda: simulate(turning(50)[0], lambda _, r: Action(r * 0, server_layer=ONE), seed=0, **PLAY),
            "expected activations for the server's new layer, got None",
        ),
        (lambda: policies.after_alarm_policy(np.array([0]), lambda _: None, label_burst=0, batch=1), "burst"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_charges_of_8_bits_count_as_the_numbers_they_are():
    hidden, old = np.array([[-1.0], [1.0], [2.0]]), np.array([0.5, 0.0])
    down, up = np.array([200, 0, 90], np.uint8), np.array([100, 250, 0], np.uint8)
    found = last_layer.retrain(hidden, down, up, previous=old, penalty=0.1)
    assert np.array_equal(
        found, last_layer.retrain(hidden, down.astype(float), up.astype(float), previous=old, penalty=0.1)
    )
    z = np.array([-128, 0], np.int8)
    assert np.array_equal(
        last_layer.weighted_logistic_losses(z, 0.0 * z, 1.0 + 0 * z),
        last_layer.weighted_logistic_losses(z.astype(float), 0.0 * z, 1.0 + 0 * z),
    )
