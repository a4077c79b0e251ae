"""The configuration of a run: what it passes on to methods."""

from dataclasses import fields

from l2h.experiments.config import OPTION_FIELDS, ExperimentConfig
from l2h.methods.base import Options
from l2h.training.config import PRESETS


def test_a_run_that_is_told_nothing_tells_its_method_nothing():
    """The defaults stand in both places, since a configuration is data and options hold a recipe: they may not part."""
    assert ExperimentConfig("random").options == Options(training=PRESETS["fast"])


def test_every_option_of_a_method_can_be_configured():
    assert {*OPTION_FIELDS, "recipe"} == {field.name for field in fields(Options)}
