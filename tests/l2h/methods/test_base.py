"""What methods share: how classes are coded, what the device reads, and options that say what they mean."""

from functools import partial

import numpy as np
import pytest
import torch
from helpers import tabular

from l2h.methods import base, error_estimation, fitting
from l2h.methods.base import Options, class_count, class_indices, output_count
from l2h.methods.fitting import build_rejector, fit_rejector
from l2h.models import networks
from l2h.problem import server_label
from l2h.training import config, loop


def with_features(parts, units=7):
    """The parts with the activations of a hidden layer, the last of which is dead."""
    generator = torch.Generator().manual_seed(1)

    def examples(part):
        features = torch.rand(len(part.y), units, generator=generator) * torch.arange(units - 1, -1, -1)
        return part._replace(client_features=features)

    return base.Splits(*(examples(part) for part in (parts.train, parts.calibration, parts.validation)))


@pytest.fixture(scope="module")
def many():
    return with_features(tabular.parts())


@pytest.fixture(scope="module")
def pair():
    return with_features(tabular.parts([tabular.Atom((0.8, 0.2), 1, 0.6), tabular.Atom((0.1, 0.9), 1, 0.9)]), 84)


def test_two_classes_have_one_score_and_more_have_one_each(pair, many):
    assert (class_count(pair.train), output_count(pair.train)) == (2, 1)
    assert (class_count(many.train), output_count(many.train)) == (3, 3)
    assert class_indices(pair.train.y, pair.train).unique().tolist() == [0, 1]
    assert class_indices(many.train.y, many.train).tolist() == many.train.y.tolist()
    for parts in (pair, many):
        assert torch.equal(server_label(parts.train.client_scores), parts.train.m)


@pytest.mark.parametrize("outputs", [1, 2, 5])
@pytest.mark.parametrize("rejector", base.REJECTORS)
def test_every_network_of_the_device_has_any_number_of_outputs(many, rejector, outputs):
    with loop.seeded(0):
        on = build_rejector(many, Options(rejector=rejector, hidden_units=4), n_outputs=outputs)
    n = len(many.train.y)
    assert on.scores(many.train).shape == ((n,) if outputs == 1 else (n, outputs))
    assert on.needs_client_scores == (rejector in base.CLIENT_BASED_REJECTORS)


@pytest.mark.parametrize("rejector", base.REJECTORS)
def test_squashed_scores_lie_between_minus_one_and_one(many, rejector):
    with loop.seeded(0):
        on = build_rejector(many, Options(rejector=rejector, hidden_units=4), bounded=True)
    for weight in on.network.parameters():
        weight.data *= 100
    assert on.scores(many.train).abs().max() <= 1


def test_a_device_on_scores_reads_them_at_the_temperature_of_the_calibration_part(many):
    on = build_rejector(many, Options(rejector="scores"))
    temperature = error_estimation.fit_temperature(many.calibration.client_scores, many.calibration.y)
    torch.testing.assert_close(
        on.network_inputs(many.train), error_estimation.score_features(many.train.client_scores, temperature)
    )
    assert on.network_inputs(many.train).shape == (len(many.train.y), 5)


def test_a_device_on_features_reads_them_beside_the_scores_in_units_of_the_calibration_part(many):
    on = build_rejector(many, Options(rejector="features"))
    scores = build_rejector(many, Options(rejector="scores")).network_inputs(many.train)
    seen, known = (part.client_features.double().numpy() for part in (many.train, many.calibration))
    deviation = known.std(0)
    units = (seen - known.mean(0)) / np.where(deviation > 0, deviation, 1) / np.sqrt(7)
    expected = np.concatenate([scores.double().numpy(), units], axis=1)
    np.testing.assert_allclose(on.network_inputs(many.train).numpy(), expected, atol=1e-5)
    assert (on.network_inputs(many.train)[:, -1] == 0).all()  # the dead unit
    loud = many.train._replace(client_features=1e6 + many.train.client_features)
    assert on.network_inputs(loud)[:, 5:].max() == pytest.approx(error_estimation.MAX_FEATURE / 7**0.5)
    with pytest.raises(ValueError, match=r"last hidden layer in examples\.client_features, got None"):
        build_rejector(tabular.parts(), Options(rejector="features"))


def test_a_rejector_on_features_finds_what_only_they_show():
    parts = with_features(tabular.parts())
    helper = parts.train
    wrong = helper.m != helper.y
    helper = helper._replace(
        client_features=torch.where(wrong[:, None], helper.client_features + 3, helper.client_features)
    )
    parts = base.Splits(helper, helper, helper)
    targets, recipe = (torch.where(wrong, -1, 1),), config.TrainConfig(epochs=3, batch_size=10, lr=3e-3)
    right = {}
    for rejector in base.CLIENT_BASED_REJECTORS:
        on = build_rejector(parts, Options(rejector=rejector))
        fit_rejector(on, helper, targets, loop.classification_loss, options=Options(training=recipe), seed=0)
        right[rejector] = ((on.scores(helper) > 0) != wrong).double().mean()
    assert right["features"] > max(0.95, right["scores"] + 0.05)


def test_features_of_a_client_come_from_its_weights_alone():
    with loop.seeded(3):
        client = networks.LeNet(3)
    x = torch.randint(0, 256, (5, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    weights, score, last = fitting.get_weights(client), loop.predict_scores(client, x), client.classifier[4]
    found = fitting.compute_client_features(x, weights, score, kind="lenet")
    torch.testing.assert_close(score, found @ last.weight.T + last.bias)
    with pytest.raises(ValueError, match="kind of a client with features to be one of 'lenet', 'follow_up', got 'as_"):
        fitting.compute_client_features(x, weights, score, kind="as_released")
    with pytest.raises(ValueError, match="weights for this network"):
        fitting.compute_client_features(x, weights, score[:, :2], kind="lenet")


def test_scores_are_neither_mirrored_nor_moved(many):
    on = build_rejector(many, Options(rejector="scores"))
    wrong = 2 * (many.train.m != many.train.y).long() - 1
    recipe = config.TrainConfig(epochs=1, batch_size=50, lr=1e-3, flip=True, max_translation=2)
    history = fit_rejector(on, many.train, (wrong,), loop.classification_loss, options=Options(training=recipe), seed=0)
    assert len(history) == 1


@pytest.mark.parametrize(
    ("rejector", "most"),
    [("linear", 3073), ("scores", 3), ("features", 87), ("mlp", 3072 * 120 + 241), ("lenet", 70_000)],
)
def test_what_a_device_must_hold_is_known(pair, rejector, most):
    on = build_rejector(pair, Options(rejector=rejector))
    weights = sum(weight.numel() for weight in on.network.parameters())
    assert weights == most if rejector != "lenet" else weights < most
    client = sum(weight.numel() for weight in networks.linear_network().parameters())
    assert (weights <= client) == (rejector in ("linear", *base.CLIENT_BASED_REJECTORS))


def test_a_server_that_is_not_there_is_asked_for(many):
    with pytest.raises(ValueError, match=r"examples\.server_scores, got None"):
        base.require_server_scores(many.train._replace(server_scores=None))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rejector": "guess"}, "rejector to be one of 'mlp'"),
        ({"confidence": "guess"}, "confidence to be one of 'temperature'"),
        ({"error_estimator": "guess"}, "error_estimator to be one of 'constant'"),
        ({"budget": 1.5}, r"budget in \[0, 1\]"),
        ({"budget": -0.1}, r"budget in \[0, 1\]"),
    ],
)
def test_options_that_mean_nothing_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Options(**options)


@pytest.mark.parametrize("network", base.SERVER_NETWORKS)
def test_every_server_has_as_many_scores_as_it_is_asked_for(network):
    build = partial(base.SERVER_NETWORKS[network], bounded=False)
    x = torch.zeros(2, 3, 32, 32)
    with torch.no_grad():
        assert build()(x).shape == (2,) and build(4)(x).shape == (2, 4)
