"""Default networks fit each kind of data, and modules of the user keep their weights and are checked."""

import numpy as np
import pytest
import torch
from torch import nn

from l2h.methods import error_estimation
from l2h.models.networks import LinearOnFeatures
from l2h.serving.estimator import networks

SHAPES = [(1,), (7,), (2, 1), (9, 3), (8, 8), (1, 8, 8), (3, 20, 33), (20, 32, 3), (3, 2, 2)]


@pytest.mark.parametrize("role", ["rejector", "server"])
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
@pytest.mark.parametrize("shape", SHAPES)
def test_a_default_network_reads_inputs_of_any_size_flattened_or_not(shape, dtype, role):
    x = np.random.default_rng(0).integers(0, 256, (6, *shape)).astype(dtype)
    network = networks.network_builder(None, x, role=role)(3, bounded=True).eval()
    values = torch.from_numpy(x.astype("f4"))
    scores = network(values.reshape(6, -1, 1, 1))
    assert scores.shape == (6, 3) and scores.abs().max() <= 1
    assert torch.equal(scores, network(values))
    assert networks.network_builder(None, x, role=role)(bounded=False)(values).shape == (6,)


def test_standardisation_is_that_of_the_reference_and_leaves_constants_finite():
    x = np.array([[1.0, 5.0], [3.0, 5.0]], dtype=np.float32)
    layer = networks.Standardisation(x, (0,))
    assert layer(torch.from_numpy(x)).tolist() == [[-1.0, 0.0], [1.0, 0.0]]


def test_bytes_become_pixels_in_the_graph():
    network = networks.Network(nn.Flatten(), (1,), 1, bounded=False, role="rejector")
    deployed = networks.DeployedNetwork(network, scale=True)
    assert deployed(torch.tensor([[0], [255]], dtype=torch.uint8)).tolist() == [-1.0, 1.0]


def test_a_server_of_two_classes_may_give_two_scores():
    network = networks.Network(nn.Identity(), (2,), 1, bounded=False, role="server")
    assert network(torch.tensor([[1.0, 3.0]])).tolist() == [2.0]


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (nn.Identity(), r"expected the rejector to give scores of shape \(n,\) or \(n, 1\), got \(n, 2\)"),
        (nn.LSTM(2, 2), "expected a module that gives a tensor of scores, got a tuple"),
    ],
)
def test_another_output_is_refused(module, message):
    with pytest.raises(ValueError, match=message):
        networks.Network(module, (2,), 1, bounded=False, role="rejector")


def test_more_axes_than_an_image_has_are_refused():
    with pytest.raises(ValueError, match=r"got \(n, 1, 2, 3, 4\)"):
        networks.data_kind((1, 2, 3, 4), "float32")


def test_the_decision_of_two_errors_adds_their_costs():
    scores = torch.tensor([[0.0, 0.0]])
    assert networks.ErrorDecision(0.25, 2.0, pair=True)(scores).tolist() == [0.25 + 2 * 0.5 - 0.5]
    assert networks.ErrorDecision(0.25, pair=False)(scores[:, 0]).tolist() == [-0.25]


def test_the_server_of_a_deferral_leaves_the_score_of_keeping_out():
    scores = torch.tensor([[1.0, 4.0, 9.0]])
    assert networks.DeferralScores(2)(scores).tolist() == [3.0]
    assert networks.DeferralScores(3)(torch.arange(4.0)[None]).tolist() == [[0.0, 1.0, 2.0]]


@pytest.mark.parametrize("n_classes", [2, 4])
def test_a_rejector_on_scores_reads_the_features_of_the_registry(n_classes):
    scores = torch.randn(9, *([] if n_classes == 2 else [n_classes]), generator=torch.Generator().manual_seed(0)) * 5
    features = error_estimation.score_features(scores, 2.0)
    layer = LinearOnFeatures(features.shape[1])
    nn.init.normal_(layer.layer.weight)
    rejector = networks.ScoreRejector(layer, 2.0, error_estimation.MAX_FEATURE)
    assert torch.allclose(rejector(scores), layer(features), atol=1e-3)
    confident = networks.ConfidenceRejector(2.0, 0.5)(scores)
    assert torch.allclose(
        confident.double(), error_estimation.class_probabilities(scores, 2.0).amax(1) - 0.5, atol=1e-6
    )


def test_a_constant_rejector_gives_one_score_per_input():
    assert networks.Constant(-1.0)(torch.ones(3, 2, 2)).tolist() == [-1.0] * 3
