"""Policies on sensors that age: the feedback rule, and retraining that knows no future."""

import numpy as np
import pytest

from companion.chapters.ageing import experiments
from companion.chapters.ageing.experiments import COSTS, PSEUDO_SUFFIX, RETRAINED_SERVER_SUFFIX
from l2h.drift import policies
from l2h.losses.zero_one import generalized_zero_one_loss
from l2h.problem import asks

TREES = 4


def test_the_second_batch_is_split_without_overlap(aged):
    parts = experiments.second_batch_parts(aged.batch, 3)
    assert [len(part) for part in parts] == [200, 100, 100]
    assert np.array_equal(np.sort(np.concatenate(parts)), np.flatnonzero(aged.batch == 2))
    assert not np.array_equal(parts.train, experiments.second_batch_parts(aged.batch, 4).train)


def test_the_client_knows_the_first_batch_alone(aged):
    changed = aged._replace(x=np.where(aged.batch[:, None] == 1, aged.x, 0.0), y=np.where(aged.batch == 1, aged.y, 0))
    (scaler, client), (other_scaler, other) = map(experiments.fit_first_client, (aged, changed))
    assert np.array_equal(scaler.mean_, other_scaler.mean_) and np.array_equal(client.coef_, other.coef_)
    first = aged.batch == 1
    assert (client.predict(scaler.transform(aged.x[first])) == aged.y[first]).mean() > 0.98


def test_a_stream_begins_with_held_out_readings_and_keeps_the_order_of_batches(aged, deployments):
    for deployment in deployments:
        held_out = deployment.row[deployment.batch == 2]
        assert not set(held_out) & set(deployment.server_rows)
        assert (np.diff(deployment.batch) >= 0).all() and deployment.aged_batches.tolist() == [3, 4, 5, 6]
        assert np.array_equal(deployment.y, aged.y[deployment.row])
        assert sorted(deployment.row[deployment.batch > 2]) == np.flatnonzero(aged.batch > 2).tolist()


def test_the_rejectors_threshold_stands_in_its_bias(deployments):
    for deployment in deployments:
        outputs = policies.last_layer_output(deployment.activations, deployment.layer)
        assert outputs == pytest.approx(deployment.r)


def test_the_frozen_system_is_better_than_both_constant_policies_on_validation_readings(deployments):
    for deployment in deployments:
        held_out = deployment.validation
        loss = generalized_zero_one_loss(held_out.r, held_out.e, held_out.m, held_out.y, costs=COSTS).mean()
        never, always = (held_out.m != held_out.y).mean(), COSTS.ce + (held_out.e < 0).mean()
        assert loss <= min(never, always)


def test_the_fixed_threshold_has_the_loss_of_the_sign_rule(deployments):
    deployment = deployments[0]
    result = experiments.simulate_policy(deployment, policies.fixed_policy())
    asked = asks(deployment.r)
    assert np.array_equal(result.asked, asked) and not result.labelled.any()
    expected = np.where(asked, COSTS.ce + (deployment.e != deployment.y), deployment.m != deployment.y)
    assert result.loss == pytest.approx(expected)


def test_decisions_from_pseudo_labels_do_not_depend_on_the_true_ones(deployments):
    deployment = deployments[0]
    options = {"costs": COSTS, "explore": 0.05, "memory": 1000}
    wrong = deployment._replace(y=(deployment.y + 1) % 6)
    results = [
        experiments.simulate_policy(one, policies.logistic_policy(**options), pseudo_labels=True)
        for one in (deployment, wrong)
    ]
    assert np.array_equal(results[0].asked, results[1].asked) and not results[0].labelled.any()
    assert not np.array_equal(results[0].loss, results[1].loss)


def test_a_server_is_retrained_on_the_labels_of_asked_inputs_alone(aged, deployments):
    deployment = deployments[0]
    policy = experiments.labels_ordered_policy()
    result, e = experiments.simulate_with_retraining(deployment, policy, aged, n_trees=TREES)
    frozen = deployment.batch <= deployment.aged_batches[0]
    assert np.array_equal(e[frozen], deployment.e[frozen]) and not np.array_equal(e, deployment.e)
    assert np.array_equal(result.labelled, result.asked)
    kept = np.zeros(len(aged.y), dtype=bool)
    kept[deployment.row[~result.asked]] = True
    unknown = aged._replace(y=np.where(kept, (aged.y + 1) % 6, aged.y))
    again, e_again = experiments.simulate_with_retraining(deployment, policy, unknown, n_trees=TREES)
    assert np.array_equal(e, e_again) and np.array_equal(result.asked, again.asked)


@pytest.mark.parametrize("name", experiments.RETRAINED_SERVER_POLICIES)
def test_a_retrained_server_and_its_policy_know_no_future(aged, deployments, name):
    deployment = deployments[0]
    last = deployment.aged_batches[-1]
    later = deployment.batch == last
    other = deployment._replace(y=np.where(later, (deployment.y + 1) % 6, deployment.y))
    other_readings = aged._replace(y=np.where(aged.batch == last, (aged.y + 1) % 6, aged.y))
    outcomes = []
    for one, known in ((deployment, aged), (other, other_readings)):
        policy = experiments.retrained_server_policies(one)[name]
        outcomes.append(experiments.simulate_with_retraining(one, policy, known, n_trees=TREES))
    (first, e), (second, other_e) = outcomes
    assert np.array_equal(e, other_e)
    assert np.array_equal(first.asked[~later], second.asked[~later])
    assert np.array_equal(first.loss[~later], second.loss[~later])


def test_the_server_with_all_earlier_labels_knows_no_later_ones(aged, deployments):
    deployment = deployments[0]
    later = aged.batch >= 5
    unknown = aged._replace(y=np.where(later, 0, aged.y))
    known, changed = (experiments.labels_with_all_feedback(deployment, one, n_trees=TREES) for one in (aged, unknown))
    assert np.array_equal(known[deployment.batch <= 5], changed[deployment.batch <= 5])
    assert not np.array_equal(known[deployment.batch == 6], changed[deployment.batch == 6])


def test_always_asking_knows_all_labels_and_has_the_server_with_all_earlier_ones(aged, deployments):
    deployment = deployments[0]
    policy = experiments.retrained_server_policies(deployment)["always ask"]
    result, _ = experiments.simulate_with_retraining(deployment, policy, aged, n_trees=TREES)
    assert result.asked.all() and result.labelled.all()
    frozen = deployment.batch <= 3
    assert result.loss[frozen] == pytest.approx(COSTS.ce + (deployment.e != deployment.y)[frozen])


def test_the_order_of_the_source_has_the_same_inputs(deployments):
    ordered = experiments.in_order_of_source(deployments[0])
    assert (np.diff(ordered.row) > 0).all() and np.array_equal(np.sort(deployments[0].row), ordered.row)
    pairs = [{(i, r) for i, r in zip(one.row, one.r, strict=True)} for one in (ordered, deployments[0])]
    assert pairs[0] == pairs[1]


def test_no_probability_of_the_experts_exceeds_one(deployments):
    for deployment in deployments:
        result = experiments.simulate_policy(deployment, experiments.experts_policy(deployment))
        assert result.propensity.max() <= 1 and result.propensity.min() >= 0.05


def test_the_regret_of_the_experts_stays_below_its_bound(deployments):
    for deployment in deployments:
        for one in (deployment, experiments.in_order_of_source(deployment)):
            regret = experiments.stream_regret(one)
            assert regret.measured < regret.bound


def test_false_alarms_are_counted_on_scores_that_do_not_change(deployments):
    deployment = deployments[0]
    before = deployment.batch == 2
    ageing = deployment._replace(r=np.where(before, deployment.r, 1e6))
    counts = [experiments.false_alarms(one, "ADWIN", length=500) for one in (deployment, ageing)]
    assert counts[0] == counts[1]


def test_every_policy_is_simulated_once_for_each_seed(deployments, runs):
    frozen = experiments.frozen_server_policies(deployments[0], np.array([], dtype=int))
    retrained = [name + RETRAINED_SERVER_SUFFIX for name in experiments.RETRAINED_SERVER_POLICIES]
    assert set(runs.results) == {*frozen, *retrained}
    assert all(len(by_seed) == 2 for by_seed in (*runs.results.values(), *runs.triggered.values()))
    assert sum(name.endswith(PSEUDO_SUFFIX) for name in runs.results) == 2
    adwin = [result.loss for result in runs.triggered["ADWIN"]]
    assert np.array_equal(adwin, [result.loss for result in runs.results["alarm r, retrained"]])
