"""The networks of the device and of the server: what they read, where they start, and what a training finds."""

import numpy as np
import pytest
import torch
from helpers import tabular
from torch import nn

from l2h.methods import base, error_estimation, fitting, registry
from l2h.methods.base import Options
from l2h.methods.fitting import build_rejector, build_server, fit_rejector, get_weights
from l2h.models import networks
from l2h.problem import Costs, asks, server_label
from l2h.training import config, loop
from l2h.training.config import TrainConfig

COSTS = Costs(c1=1.0, ce=0.1)


def with_features(splits, units=7):
    """The splits with the activations of a hidden layer, the last of which is dead."""
    generator = torch.Generator().manual_seed(1)

    def examples(split):
        features = torch.rand(len(split.y), units, generator=generator) * torch.arange(units - 1, -1, -1)
        return split._replace(client_features=features)

    return base.Splits(*(examples(split) for split in (splits.train, splits.calibration, splits.validation)))


@pytest.fixture(scope="module")
def many():
    return with_features(tabular.splits())


@pytest.fixture(scope="module")
def pair():
    return with_features(tabular.splits([tabular.Atom((0.8, 0.2), 1, 0.6), tabular.Atom((0.1, 0.9), 1, 0.9)]), 84)


@pytest.mark.parametrize("outputs", [1, 2, 5])
@pytest.mark.parametrize("rejector", base.REJECTORS)
def test_every_network_of_the_device_has_any_number_of_outputs(many, rejector, outputs):
    with loop.seeded(0):
        on = build_rejector(many, Options(rejector=rejector, hidden_units=4), n_outputs=outputs)
    n = len(many.train.y)
    assert on.scores(many.train).shape == ((n,) if outputs == 1 else (n, outputs))
    assert on.needs_client_scores == (rejector in base.CLIENT_BASED_REJECTORS)


@pytest.mark.parametrize("rejector", base.REJECTORS)
def test_bounded_scores_lie_between_minus_one_and_one(many, rejector):
    with loop.seeded(0):
        on = build_rejector(many, Options(rejector=rejector, hidden_units=4), bounded=True)
    for weight in on.network.parameters():
        weight.data *= 100
    assert on.scores(many.train).abs().max() <= 1


def test_a_device_on_scores_reads_them_at_the_temperature_of_the_calibration_split(many):
    on = build_rejector(many, Options(rejector="scores"))
    temperature = error_estimation.fit_temperature(many.calibration.client_scores, many.calibration.y)
    torch.testing.assert_close(
        on.network_inputs(many.train), error_estimation.score_features(many.train.client_scores, temperature)
    )
    assert on.network_inputs(many.train).shape == (len(many.train.y), 5)


def test_a_device_on_features_reads_them_beside_the_scores_in_units_of_the_calibration_split(many):
    on = build_rejector(many, Options(rejector="features"))
    scores = build_rejector(many, Options(rejector="scores")).network_inputs(many.train)
    seen, known = (split.client_features.double().numpy() for split in (many.train, many.calibration))
    deviation = known.std(0)
    units = (seen - known.mean(0)) / np.where(deviation > 0, deviation, 1) / np.sqrt(7)
    expected = np.concatenate([scores.double().numpy(), units], axis=1)
    np.testing.assert_allclose(on.network_inputs(many.train).numpy(), expected, atol=1e-5)
    assert (on.network_inputs(many.train)[:, -1] == 0).all()  # the dead unit
    loud = many.train._replace(client_features=1e6 + many.train.client_features)
    assert on.network_inputs(loud)[:, 5:].max() == pytest.approx(error_estimation.MAX_FEATURE / 7**0.5)
    with pytest.raises(ValueError, match=r"last hidden layer in examples\.client_features, got None"):
        build_rejector(tabular.splits(), Options(rejector="features"))


def test_a_rejector_on_features_finds_what_only_they_show():
    splits = with_features(tabular.splits())
    train = splits.train
    wrong = train.m != train.y
    train = train._replace(
        client_features=torch.where(wrong[:, None], train.client_features + 3, train.client_features)
    )
    splits = base.Splits(train, train, train)
    targets, training = (torch.where(wrong, -1, 1),), TrainConfig(epochs=3, batch_size=10, lr=3e-3)
    right = {}
    for rejector in base.CLIENT_BASED_REJECTORS:
        on = build_rejector(splits, Options(rejector=rejector))
        fit_rejector(on, train, targets, loop.classification_loss, options=Options(training=training), seed=0)
        right[rejector] = ((on.scores(train) > 0) != wrong).double().mean()
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
    training = TrainConfig(epochs=1, batch_size=50, lr=1e-3, flip=True, max_translation=2)
    history = fit_rejector(
        on, many.train, (wrong,), loop.classification_loss, options=Options(training=training), seed=0
    )
    assert len(history) == 1


@pytest.mark.parametrize(
    ("rejector", "most"),
    [("linear", 3073), ("scores", 3), ("features", 87), ("mlp", 3072 * 120 + 241), ("lenet", 70_000)],
)
def test_the_number_of_weights_of_each_rejector_is_known(pair, rejector, most):
    on = build_rejector(pair, Options(rejector=rejector))
    weights = sum(weight.numel() for weight in on.network.parameters())
    assert weights == most if rejector != "lenet" else weights < most
    client = sum(weight.numel() for weight in networks.linear_network().parameters())
    assert (weights <= client) == (rejector in ("linear", *base.CLIENT_BASED_REJECTORS))


def test_weights_survive_a_round_trip_and_fit_one_network_only():
    with loop.seeded(0):
        one, other = (base.SERVER_NETWORKS["residual_small"](3, bounded=False) for _ in range(2))
    one(torch.randn(8, 3, 32, 32))  # moves the running means
    fitting.set_weights(other, fitting.get_weights(one))
    x = torch.randn(2, 3, 32, 32)
    assert torch.equal(one.eval()(x), other.eval()(x))
    with pytest.raises(ValueError, match=r"expected 8 weights for this network, got 9"):
        fitting.set_weights(nn.Linear(3, 2), torch.zeros(9))


def test_a_client_without_features_is_refused(many):
    assert fitting.require_client_features(many.train) is many.train.client_features
    with pytest.raises(ValueError, match=r"last hidden layer in examples\.client_features, got None"):
        fitting.require_client_features(many.train._replace(client_features=None))


@pytest.mark.parametrize("network", ["linear", "mlp", "lenet", "residual_small"])
def test_a_new_server_comes_from_the_global_generator(many, network):
    options = Options(server_network=network)
    with loop.seeded(0):
        built = build_server(many, options, n_outputs=3)
    with loop.seeded(0):
        direct = base.SERVER_NETWORKS[network](3, bounded=False)
    assert torch.equal(get_weights(built), get_weights(direct))


def test_a_server_starts_from_the_weights_given(many):
    """Further outputs keep their new weights."""
    with loop.seeded(1):
        earlier = networks.linear_network(3)
    splits, options = many._replace(server_weights=get_weights(earlier)), Options(server_network="linear")
    x = many.train.x[:5]
    same = build_server(splits, options, n_outputs=3)
    assert torch.equal(loop.predict_scores(same, x), loop.predict_scores(earlier, x))
    with loop.seeded(2):
        more = build_server(splits, options, n_outputs=4)
    with loop.seeded(2):
        fresh = networks.linear_network(4)
    assert torch.equal(more[1].weight, torch.cat([earlier[1].weight, fresh[1].weight[3:]]))
    assert torch.equal(more[1].bias, torch.cat([earlier[1].bias, fresh[1].bias[3:]]))
    with pytest.raises(ValueError, match="weights for this network"):
        build_server(many._replace(server_weights=get_weights(earlier)[1:]), options, n_outputs=3)


def test_two_outputs_start_from_one_score_as_its_two_halves(pair):
    with loop.seeded(1):
        earlier = networks.linear_network()
    splits = pair._replace(server_weights=get_weights(earlier))
    two = loop.predict_scores(build_server(splits, Options(server_network="linear"), n_outputs=2), pair.train.x[::20])
    one = loop.predict_scores(earlier, pair.train.x[::20])
    torch.testing.assert_close(two, torch.stack([-one / 2, one / 2], dim=1))


def test_a_warm_start_finds_the_rejector_for_the_server_given(monkeypatch):
    splits = tabular.splits()
    monkeypatch.setattr(config, "FAST_TRAINING", tabular.TABLE)
    with loop.seeded(0):
        rejector = build_rejector(splits, tabular.OPTIONS)
    fitting.warm_start(rejector, splits, costs=COSTS, seed=0)
    r = rejector.scores(splits.train)
    assert torch.nonzero(asks(r[:: tabular.SHARE]))[:, 0].tolist() == tabular.ASKED
    two_stage = registry.METHODS["two_stage"](splits, costs=COSTS, seed=0, options=tabular.OPTIONS)
    torch.testing.assert_close(r, two_stage.r(splits.train))


def test_a_warm_start_needs_a_server():
    splits = tabular.splits()
    alone = splits._replace(train=splits.train._replace(server_scores=None))
    with pytest.raises(ValueError, match=r"examples\.server_scores, got None"):
        fitting.warm_start(build_rejector(splits, tabular.OPTIONS), alone, costs=COSTS, seed=0)


@pytest.mark.parametrize("kind", ["linear", "scores"])
def test_a_rejector_and_a_server_are_trained_on_one_loss(kind):
    """Alpha is the rejector's target where the client errs; the server learns the likeliest label of each atom."""
    splits = tabular.splits(tabular.ATOMS[:2])
    train, options = splits.train, Options(server_network="linear", rejector=kind, training=tabular.TABLE)
    with loop.seeded(0):
        rejector, server = build_rejector(splits, options), build_server(splits, options, n_outputs=3)

    def loss(r, e, m, y, alpha):
        return (r - alpha) ** 2 + loop.classification_loss(e, y)

    alpha = torch.tensor([-0.2, 0.3]).repeat_interleave(tabular.SHARE)
    history = fitting.fit_rejector_and_server(rejector, server, train, loss, options=options, seed=0, alpha=alpha)
    assert len(history) == tabular.TABLE.epochs and history[-1] < history[0]
    assert asks(rejector.scores(train)).tolist() == (alpha <= 0).tolist()
    scores = fitting.server_score_function(server)
    assert server_label(scores(train))[:: tabular.SHARE].tolist() == [0, 1]
    assert torch.equal(scores(train), loop.predict_scores(server, train.x))
