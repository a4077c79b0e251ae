"""The recipes have names, and the new ones suit what they are for."""

import pytest

from l2h.training import config


def test_the_first_two_are_those_of_the_training_module():
    assert config.PRESETS["fast"] is config.FAST_TRAINING and config.PRESETS["released"] is config.RELEASED_TRAINING


@pytest.mark.parametrize("name", ["moderate", "large"])
def test_residual_networks_are_trained_on_images_that_move(name):
    recipe = config.PRESETS[name]
    assert recipe.optimizer == "sgd" and recipe.flip and recipe.max_translation > 0


def test_one_more_pass_takes_smaller_steps_than_the_training_it_continues():
    assert config.PRESETS["fine_tuning"].epochs == 1
    assert config.PRESETS["fine_tuning"].lr < config.PRESETS["fast"].lr
