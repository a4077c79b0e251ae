"""The clients: each learns as its definition says, and repeats itself."""

import pytest
import torch
from torch.nn.utils import parameters_to_vector

from l2h.data.dataset import Split
from l2h.models.networks import LeNet
from l2h.training.clients import CLIENTS, CLIENTS_WITH_FEATURES, fit_client, released_client_loss
from l2h.training.loop import predict_scores

LOG2 = 0.6931472


def test_the_released_clients_loss_rewards_endless_certainty_of_the_negative_class_only():
    s = torch.tensor([-30.0, 0.0, 30.0])
    negative = released_client_loss(s, torch.tensor([-1, -1, -1]))
    positive = released_client_loss(s, torch.tensor([1, 1, 1]))
    assert torch.allclose(negative, torch.tensor([-30.0, LOG2, 60.0]))
    assert torch.allclose(positive, torch.tensor([30.0, LOG2, 0.0]), atol=1e-6)


def test_the_released_client_leans_to_the_negative_class():
    generator = torch.Generator().manual_seed(0)
    x = torch.randint(0, 256, (320, 3, 32, 32), generator=generator, dtype=torch.uint8)
    noise = Split(x, torch.where(torch.arange(320) % 2 == 0, 1, -1))
    leaning = {
        kind: predict_scores(fit_client(noise, kind=kind, seed=0), x).mean() for kind in ("as_released", "well_trained")
    }
    assert leaning["as_released"] < -0.1
    assert abs(leaning["well_trained"]) < 0.1


@pytest.mark.parametrize("kind", ["as_released", "well_trained", "lenet"])
def test_every_client_learns_and_repeats_itself(images, kind):
    one, two = (fit_client(images, kind=kind, seed=5) for _ in range(2))
    assert torch.equal(parameters_to_vector(one.parameters()), parameters_to_vector(two.parameters()))
    assert ((predict_scores(one, images.x) > 0) == (images.y > 0)).float().mean() > 0.75


@pytest.mark.parametrize("kind", ["well_trained", "lenet"])
def test_clients_for_many_classes_have_one_score_each(images, kind):
    many = Split(images.x, torch.arange(64) % 4)
    assert predict_scores(fit_client(many, kind=kind, seed=0), many.x).shape == (64, 4)


def test_the_released_client_refuses_many_classes(images):
    with pytest.raises(ValueError, match="expected labels -1/\\+1 for the as_released client"):
        fit_client(Split(images.x, torch.arange(64) % 4), kind="as_released", seed=0)


def test_an_unknown_kind_is_refused(images):
    with pytest.raises(ValueError, match="expected kind to be one of 'as_released', 'well_trained', 'lenet'"):
        fit_client(images, kind="alexnet", seed=0)


def test_a_client_leaves_the_global_generator_as_it_was(images):
    before = torch.get_rng_state()
    fit_client(images, kind="well_trained", seed=0)
    assert torch.equal(torch.get_rng_state(), before)


def test_the_clients_with_a_hidden_layer_are_the_lenets():
    lenets = [kind for kind, (build, _, _) in CLIENTS.items() if isinstance(build(2), LeNet)]
    assert list(CLIENTS_WITH_FEATURES) == lenets == ["lenet", "follow_up"]
