"""The configuration of a run: the options that it passes on to methods, and how it is shown."""

from dataclasses import fields, replace

import pytest

from l2h.experiments.config import ExperimentConfig
from l2h.methods.base import MethodOptions, Options
from l2h.training.config import PRESETS


def test_a_configuration_passes_every_option_on_to_its_method():
    other = {"alpha": 2.0, "beta": 3.0, "bounded": False, "hidden_units": 7, "server_network": "linear", "budget": 0.3}
    other |= {"rejector": "linear", "confidence": "margin", "error_estimator": "isotonic", "form": "released"}
    other |= {"update_every": 5}
    assert set(other) == {field.name for field in fields(MethodOptions)}
    config = replace(ExperimentConfig("random", preset="released"), **other)
    assert config.options == Options(**other, training=PRESETS["released"])


def test_a_configuration_shows_its_method_and_what_is_not_default():
    config = ExperimentConfig("random", seed=2, budget=0.3)
    assert repr(config) == str(config) == "ExperimentConfig(method='random', budget=0.3, seed=2)"


def test_options_are_checked_in_configurations():
    with pytest.raises(ValueError, match="budget"):
        ExperimentConfig("budgeted", budget=1.5)
