"""ONNX graphs of torch modules."""

import numpy as np
import pytest
import torch
from torch import nn

from l2h.serving.onnx import graphs
from l2h.serving.onnx.from_torch import ClientModule, ScoreModule, torch_graph, torch_outputs
from l2h.serving.onnx.graphs import ConversionError


class Branching(nn.Module):
    """Another function where the inputs are large."""

    def forward(self, x):
        return x.sum(1) if x.sum() > 0 else x.mean(1)


def test_a_branch_on_the_input_has_one_clear_error(capfd):
    with pytest.raises(ConversionError, match=r"a branch that depends on the values of the input.*torch\.where"):
        torch_graph(Branching(), np.zeros((2, 3), np.float32), ["r"])
    assert capfd.readouterr() == ("", "")


class OfOneBatch(nn.Module):
    """It holds for batches of two alone."""

    def forward(self, x):
        return x[:, 0].reshape(len(x))


def test_a_batch_of_fixed_length_has_one_clear_error():
    with pytest.raises(ConversionError, match=r"takes the length of the batch for a constant.*write x\.shape\[0\]"):
        torch_graph(OfOneBatch(), np.zeros((2, 3), np.float32), ["r"])


def test_a_module_above_the_limit_is_refused_before_the_export(monkeypatch):
    monkeypatch.setattr(graphs, "LARGEST_MODEL", 10)
    with pytest.raises(ConversionError, match="at most 10 bytes, which one ONNX file holds, got 16"):
        torch_graph(nn.Linear(3, 1), np.zeros((2, 3), np.float32), ["r"])


@pytest.mark.parametrize(
    ("n_columns", "n_classes", "expected"),
    [(1, 2, lambda s: s[:, 0]), (2, 2, lambda s: s[:, 1] - s[:, 0]), (3, 3, lambda s: s)],
)
def test_scores_have_the_shape_of_the_classes(n_columns, n_classes, expected):
    x = np.random.default_rng(0).normal(size=(600, n_columns)).astype(np.float32)
    np.testing.assert_array_equal(torch_outputs(ScoreModule(nn.Identity(), n_classes), x)[0], expected(x))
    m, scores = torch_outputs(ClientModule(nn.Identity(), n_classes), x)
    np.testing.assert_array_equal(m, scores.argmax(1) if n_classes > 2 else scores >= 0)


def test_probabilities_become_logarithms():
    x = np.array([[0.25, 0.75], [1.0, 0.0]], np.float32)
    scores = torch_outputs(ScoreModule(nn.Identity(), 2, probabilities=True), x)[0]
    np.testing.assert_allclose(scores, [np.log(3), np.log(1e-12)], rtol=1e-5)


@pytest.mark.parametrize(
    ("n_columns", "message"), [(2, "of 3 classes, got 2 columns"), (1, "of 3 classes, got 1 columns")]
)
def test_other_columns_are_refused(n_columns, message):
    with pytest.raises(ConversionError, match=message):
        torch_outputs(ScoreModule(nn.Identity(), 3), np.zeros((2, n_columns), np.float32))


def test_what_are_no_scores_is_refused():
    with pytest.raises(ConversionError, match=r"of shape \(n,\) or \(n, K\), got \(2, 3, 4\)"):
        torch_outputs(ScoreModule(nn.Identity(), 3), np.zeros((2, 3, 4), np.float32))


def test_each_part_keeps_its_mode():
    module = nn.Sequential(nn.Dropout(0.5), nn.BatchNorm1d(3)).train()
    module[1].eval()
    x = np.ones((4, 3), np.float32)
    before = module[1].running_mean.clone()
    outputs = [torch_outputs(ScoreModule(module, 3), x)[0] for _ in range(2)]
    np.testing.assert_array_equal(*outputs)
    assert (module.training, module[0].training, module[1].training) == (True, True, False)
    assert torch.equal(module[1].running_mean, before)
