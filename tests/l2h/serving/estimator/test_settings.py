"""Which methods, models and options of a method a fit accepts."""

import inspect

import pytest
from torch import nn

from l2h.methods import learning_to_help, stage_switching
from l2h.methods.base import Options
from l2h.methods.registry import METHODS
from l2h.problem import Costs
from l2h.serving.estimator.settings import METHOD_NAMES, METHOD_OPTIONS, FitSettings, check_settings

COSTS = Costs(1.0, 0.1)


def test_another_module_of_torch_is_no_estimator():
    settings = FitSettings("confidence", COSTS, server=nn.Linear(2, 1))
    check_settings(settings, has_scores=True)
    with pytest.raises(ValueError, match="expected a client with scores"):
        check_settings(settings, has_scores=False)


@pytest.mark.parametrize(
    ("method", "options", "expected"),
    [
        (
            "learning_to_help",
            {"gamma": 1.0},
            "expected options among alpha, beta for the method 'learning_to_help', got 'gamma'",
        ),
        ("two_stage", {"beta": 1.0}, "expected no options for the method 'two_stage', got 'beta'"),
        ("learning_to_help", {"bounded": False}, "expected options among alpha, beta"),
        ("learning_to_help", {"beta": -1.0}, "expected a finite beta > 0, got -1.0"),
        ("learning_to_help", {"alpha": "good"}, "expected alpha to be one of"),
        ("stage_switching", {"form": "good"}, "expected form to be one of"),
        ("learning_to_help", ["beta"], r"expected method_options as a dict, or None, got \['beta'\]"),
    ],
)
def test_options_that_a_method_does_not_read_or_out_of_range_are_refused(method, options, expected):
    with pytest.raises(ValueError, match=expected):
        check_settings(FitSettings(method, COSTS, method_options=options), has_scores=True)


@pytest.mark.parametrize("options", [None, {}, {"alpha": 1.5, "beta": 0.5}, {"alpha": "client_error"}])
def test_options_that_a_method_reads_are_accepted(options):
    check_settings(FitSettings("learning_to_help", COSTS, method_options=options), has_scores=False)


def test_the_options_are_fields_that_their_methods_read():
    """By the text of the methods and of what they call in their modules."""
    text = {"learning_to_help": inspect.getsource(learning_to_help)}
    text |= dict.fromkeys(
        ("stage_switching", "weighted_server"), inspect.getsource(stage_switching._fit_with_stale_server)
    )
    for method, names in METHOD_OPTIONS.items():
        source = inspect.getsource(METHODS[method]) + text.get(method, "")
        assert method in METHOD_NAMES and set(names) <= set(Options.__dataclass_fields__)
        assert [name for name in names if f"options.{name}" not in source] == []
