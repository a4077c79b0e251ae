"""Every loss refuses an argument of the wrong form by its name, whichever argument it is."""

import pytest
import torch

from l2h.losses import deferral, stage_switching, surrogate
from l2h.losses.zero_one import generalized_zero_one_loss
from l2h.problem import Costs

COSTS = Costs()
NUMBERS = torch.tensor([0.5, -0.5])
SIGNS = torch.tensor([1, -1])
CLASSES = torch.tensor([0, 1])
SCORES = torch.tensor([[0.1, 0.2, 0.3], [0.3, 0.2, 0.1]])

LOSSES = {
    "zero-one": (
        lambda **given: generalized_zero_one_loss(**given, costs=COSTS),
        {"r": NUMBERS, "e": NUMBERS, "m": SIGNS, "y": SIGNS},
    ),
    "surrogate": (
        lambda **given: surrogate.surrogate_loss(**given, costs=COSTS, alpha=2.0, beta=2.0),
        {"r": NUMBERS, "e": NUMBERS, "m": SIGNS, "y": SIGNS},
    ),
    "surrogate of many classes": (
        lambda **given: surrogate.multiclass_surrogate_loss(**given, costs=COSTS, alpha=2.0, beta=2.0),
        {"r": NUMBERS, "e": SCORES, "m": CLASSES, "y": CLASSES},
    ),
    **{
        name: (loss, {"r": NUMBERS, "keep_costs": NUMBERS.abs(), "ask_costs": NUMBERS.abs()})
        for name, loss in {
            "deferral": deferral.deferral_loss,
            "triage": deferral.triage_loss,
            "soft deferral": deferral.soft_deferral_loss,
        }.items()
    },
    "weighted cross-entropy": (
        lambda **given: stage_switching.weighted_cross_entropy(**given, costs=COSTS, beta=2.0),
        {"r": NUMBERS, "e": SCORES, "m": CLASSES, "y": CLASSES},
    ),
    "Mozannar-Sontag": (
        lambda **given: deferral.mozannar_sontag_loss(**given, costs=COSTS),
        {"scores": SCORES, "m": CLASSES, "y": CLASSES},
    ),
    "one-vs-all": (deferral.one_vs_all_loss, {"scores": SCORES, "m": CLASSES, "y": CLASSES}),
    "realizable": (
        lambda **given: deferral.realizable_loss(**given, costs=COSTS),
        {"scores": SCORES, "m": CLASSES, "y": CLASSES},
    ),
    "stage rejector": (
        lambda **given: stage_switching.stage_rejector_loss(**given, costs=COSTS, form="released"),
        {"r": NUMBERS, "client_wrong": CLASSES.bool(), "server_wrong": CLASSES.bool()},
    ),
}
ARGUMENTS = [(name, argument) for name, (_, good) in LOSSES.items() for argument in good]
# the scores e of the zero-one loss may be those of classes
NUMBER_ARGUMENTS = [
    (name, argument)
    for name, argument in ARGUMENTS
    if LOSSES[name][1][argument].ndim == 1 and (name, argument) != ("zero-one", "e")
]
FLOATING_ARGUMENTS = [
    (name, argument) for name, argument in ARGUMENTS if name != "zero-one" and argument in ("r", "scores")
]


@pytest.mark.parametrize("name", LOSSES)
def test_good_arguments_give_one_loss_per_example(name):
    loss, good = LOSSES[name]
    assert loss(**good).shape == (2,)


@pytest.mark.parametrize(("name", "argument"), NUMBER_ARGUMENTS)
def test_a_column_in_place_of_numbers_is_refused(name, argument):
    loss, good = LOSSES[name]
    with pytest.raises(ValueError, match=rf"expected {argument} of shape \(n,\), got shape \(2, 1\)"):
        loss(**{**good, argument: good[argument][:, None]})


@pytest.mark.parametrize(("name", "argument"), ARGUMENTS)
def test_an_argument_that_is_longer_than_the_others_is_refused(name, argument):
    loss, good = LOSSES[name]
    with pytest.raises(ValueError, match=rf"one length, got .*{argument}: 4"):
        loss(**{**good, argument: torch.cat([good[argument]] * 2)})


@pytest.mark.parametrize(("name", "argument"), FLOATING_ARGUMENTS)
def test_scores_that_are_whole_numbers_are_refused(name, argument):
    loss, good = LOSSES[name]
    with pytest.raises(ValueError, match=f"expected floating-point {argument}, got "):
        loss(**{**good, argument: (10 * good[argument]).to(torch.int8)})
