"""A quantised rejector has its own threshold, and its card says what changed."""

from dataclasses import replace

import numpy as np
import pytest
from helpers.serving import small_helper

from l2h.evaluation.metrics import system_loss
from l2h.problem import Predictions, asks
from l2h.serving.folder import write_card
from l2h.serving.onnx.graphs import ConversionError
from l2h.serving.onnx.quantisation import quantise_rejector
from l2h.serving.onnx.sessions import load_parts

X = np.random.default_rng(0).normal(size=(500, 40)).astype(np.float32)


@pytest.fixture
def helper(tmp_path):
    small_helper(tmp_path / "helper", shape=(40,))
    return tmp_path / "helper"


def decisions(folder):
    card, models = load_parts(folder)
    r = np.concatenate([models["rejector"](X[i : i + 1])["r"] for i in range(len(X))])
    return asks(r - np.float32(card.threshold)), card


def test_the_same_share_is_asked_and_changed_decisions_are_reported(helper, tmp_path, capfd):
    result = quantise_rejector(helper, tmp_path / "small", X)
    assert capfd.readouterr() == ("", "")
    (before, card), (after, new) = decisions(helper), decisions(tmp_path / "small")
    assert before.sum() == after.sum() and result.share_asked == result.float_share_asked == before.mean()
    assert result.n_changed == int((before != after).sum()) > 0
    assert new.threshold == result.threshold != card.threshold
    entry = new.options["quantisation"]
    assert entry["n_changed"] == result.n_changed and entry["threshold of the float rejector"] == card.threshold
    assert new.metrics == {} and entry["metrics of the float rejector"] == card.metrics
    assert "dynamic 8-bit integers" in (tmp_path / "small" / "README.md").read_text()
    assert new.parts["server"] == card.parts["server"]


def test_the_threshold_may_have_the_smallest_loss(helper, tmp_path):
    rng = np.random.default_rng(1)
    m, y, e = np.sign(rng.normal(size=(3, 500)))
    predictions = Predictions(m=m, r=np.zeros(500), e=e, y=y)
    result = quantise_rejector(helper, tmp_path / "small", X, predictions=predictions)
    card, models = load_parts(tmp_path / "small")
    r = np.array([models["rejector"](X[i : i + 1])["r"][0] for i in range(len(X))], float)
    losses = [
        system_loss(Predictions(m=m, r=r - t, e=e, y=y), costs=card.costs)
        for t in (result.threshold, *np.sort(r), -100.0)
    ]
    assert losses[0] == min(losses)
    assert card.options["quantisation"]["rule of its threshold"] == "smallest loss"


@pytest.mark.parametrize("with_predictions", [False, True])
@pytest.mark.parametrize("budget", [0.1, 0.001, 0.9])
def test_the_threshold_keeps_the_budget_of_the_card(tmp_path, budget, with_predictions):
    small_helper(tmp_path / "helper", shape=(40,), threshold=0.0, options={"budget": budget})
    wrong, right = -np.ones(500), np.ones(500)
    predictions = Predictions(m=wrong, r=np.zeros(500), e=right, y=right) if with_predictions else None  # asks for all
    result = quantise_rejector(helper := tmp_path / "helper", tmp_path / "small", X, predictions=predictions)
    after, card = decisions(tmp_path / "small")
    largest = {0.1: 40 / 500, 0.001: 0.0, 0.9: 1.0}[budget]  # of 500 inputs, 0.1 allows 39 at a confidence of 0.95
    assert after.mean() == result.share_asked <= largest
    rule = card.options["quantisation"]["rule of its threshold"]
    if budget == 0.9 and not with_predictions:
        assert rule == "same share asked" and result.share_asked == decisions(helper)[0].mean() > 0.1
    else:
        assert rule == f"budget of {budget:g}"


def test_what_cannot_be_quantised_is_refused(helper, tmp_path):
    quantise_rejector(helper, tmp_path / "small", X)
    with pytest.raises(ValueError, match="quantised already"):
        quantise_rejector(tmp_path / "small", tmp_path / "smaller", X)
    with pytest.raises(ValueError, match="expected arrays of one length"):
        few = Predictions(*(np.ones(3) for _ in range(4)))
        quantise_rejector(helper, tmp_path / "smaller", X, predictions=few)
    small = small_helper(tmp_path / "none", shape=(40,))
    parts = {name: part for name, part in small.parts.items() if name != "rejector"}
    (tmp_path / "without").mkdir()
    for name in ("server", "client"):
        (tmp_path / "without" / f"{name}.onnx").write_bytes((tmp_path / "none" / f"{name}.onnx").read_bytes())

    write_card(tmp_path / "without", replace(small, parts=parts, missing={"rejector": "it is a function"}))
    with pytest.raises(ConversionError, match="got none: it is a function"):
        quantise_rejector(tmp_path / "without", tmp_path / "smaller", X)
    assert not (tmp_path / "smaller").exists()
