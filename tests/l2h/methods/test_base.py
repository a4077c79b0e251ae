"""What methods share: how classes are coded, and options that say what they mean."""

from functools import partial

import pytest
import torch
from helpers import tabular

from l2h.methods import base
from l2h.methods.base import Options, class_count, class_indices, output_count
from l2h.problem import server_label


def test_two_classes_have_one_score_and_more_have_one_each():
    many = tabular.splits()
    pair = tabular.splits([tabular.Atom((0.8, 0.2), 1, 0.6), tabular.Atom((0.1, 0.9), 1, 0.9)])
    assert (class_count(pair.train), output_count(pair.train)) == (2, 1)
    assert (class_count(many.train), output_count(many.train)) == (3, 3)
    assert class_indices(pair.train.y, pair.train).unique().tolist() == [0, 1]
    assert class_indices(many.train.y, many.train).tolist() == many.train.y.tolist()
    for splits in (pair, many):
        assert torch.equal(server_label(splits.train.client_scores), splits.train.m)


def test_a_server_that_is_not_there_is_asked_for():
    with pytest.raises(ValueError, match=r"examples\.server_scores, got None"):
        base.require_server_scores(tabular.splits().train._replace(server_scores=None))


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
