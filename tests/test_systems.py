"""What methods share: how classes are coded, what the device reads, and options that say what they mean."""

from functools import partial

import pytest
import tabular
import torch

from l2h import estimate, models, systems, train
from l2h.problem import server_label
from l2h.systems import Options, class_numbers, classes, device, fit_device, outputs


@pytest.fixture(scope="module")
def many():
    return tabular.parts()


@pytest.fixture(scope="module")
def pair():
    return tabular.parts([tabular.Atom((0.8, 0.2), 1, 0.6), tabular.Atom((0.1, 0.9), 1, 0.9)])


def test_two_classes_have_one_score_and_more_have_one_each(pair, many):
    assert (classes(pair.helper), outputs(pair.helper)) == (2, 1)
    assert (classes(many.helper), outputs(many.helper)) == (3, 3)
    assert class_numbers(pair.helper.y, pair.helper).unique().tolist() == [0, 1]
    assert class_numbers(many.helper.y, many.helper).tolist() == many.helper.y.tolist()
    for parts in (pair, many):
        assert torch.equal(server_label(parts.helper.score), parts.helper.m)


@pytest.mark.parametrize("outputs", [1, 2, 5])
@pytest.mark.parametrize("rejector", systems.REJECTORS)
def test_every_network_of_the_device_has_any_number_of_outputs(many, rejector, outputs):
    with train.seeded(0):
        on = device(many, Options(rejector=rejector, hidden=4), outputs=outputs)
    n = len(many.helper.y)
    assert on.scores(many.helper).shape == ((n,) if outputs == 1 else (n, outputs))
    assert on.needs_score == (rejector == "scores")


@pytest.mark.parametrize("rejector", systems.REJECTORS)
def test_squashed_scores_lie_between_minus_one_and_one(many, rejector):
    with train.seeded(0):
        on = device(many, Options(rejector=rejector, hidden=4), squash=True)
    for weight in on.network.parameters():
        weight.data *= 100
    assert on.scores(many.helper).abs().max() <= 1


def test_a_device_on_scores_reads_them_at_the_temperature_of_the_calibration_part(many):
    on = device(many, Options(rejector="scores"))
    temperature = estimate.temperature(many.calibration.score, many.calibration.y)
    torch.testing.assert_close(on.view(many.helper), estimate.score_features(many.helper.score, temperature))
    assert on.view(many.helper).shape == (len(many.helper.y), 5)


def test_scores_are_neither_mirrored_nor_moved(many):
    on = device(many, Options(rejector="scores"))
    wrong = 2 * (many.helper.m != many.helper.y).long() - 1
    recipe = train.TrainConfig(epochs=1, batch_size=50, lr=1e-3, flip=True, shift=2)
    history = fit_device(on, many.helper, (wrong,), train.classification_loss, options=Options(recipe=recipe), seed=0)
    assert len(history) == 1


@pytest.mark.parametrize(
    ("rejector", "most"), [("linear", 3073), ("scores", 3), ("hidden", 3072 * 120 + 241), ("lenet", 70_000)]
)
def test_what_a_device_must_hold_is_known(pair, rejector, most):
    on = device(pair, Options(rejector=rejector))
    weights = sum(weight.numel() for weight in on.network.parameters())
    assert weights == most if rejector != "lenet" else weights < most
    client = sum(weight.numel() for weight in models.linear().parameters())
    assert (weights <= client) == (rejector in ("linear", "scores"))


def test_a_server_that_is_not_there_is_asked_for(many):
    with pytest.raises(ValueError, match=r"examples\.server, got None"):
        systems.given_server(many.helper._replace(server=None))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rejector": "guess"}, "rejector to be one of 'hidden'"),
        ({"confidence": "guess"}, "confidence to be one of 'temperature'"),
        ({"estimate": "guess"}, "estimate to be one of 'constant'"),
        ({"budget": 1.5}, r"budget in \[0, 1\]"),
        ({"budget": -0.1}, r"budget in \[0, 1\]"),
    ],
)
def test_options_that_mean_nothing_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Options(**options)


@pytest.mark.parametrize("network", systems.SERVER_NETWORKS)
def test_every_server_has_as_many_scores_as_it_is_asked_for(network):
    build = partial(systems.SERVER_NETWORKS[network], squash=False)
    x = torch.zeros(2, 3, 32, 32)
    with torch.no_grad():
        assert build()(x).shape == (2,) and build(4)(x).shape == (2, 4)
