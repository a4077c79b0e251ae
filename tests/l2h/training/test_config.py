"""Training configurations: the presets, the ranges of values, and the optimizers and schedules that they define."""

import pytest
import torch
from torch import nn

from l2h.training import config
from l2h.training.config import FAST_TRAINING, RELEASED_TRAINING, TrainConfig, make_optimizer, make_schedule


def test_the_first_two_are_those_of_the_training_module():
    assert config.PRESETS["fast"] is config.FAST_TRAINING and config.PRESETS["released"] is config.RELEASED_TRAINING


@pytest.mark.parametrize("name", ["moderate", "large"])
def test_residual_networks_are_trained_on_images_that_move(name):
    preset = config.PRESETS[name]
    assert preset.optimizer == "sgd" and preset.flip and preset.max_translation > 0


def test_one_more_pass_takes_smaller_steps_than_the_training_it_continues():
    assert config.PRESETS["fine_tuning"].epochs == 1
    assert config.PRESETS["fine_tuning"].lr < config.PRESETS["fast"].lr


def test_the_released_preset_is_the_sum_over_a_batch_of_sixteen():
    assert pytest.approx(1e-4 * 16) == RELEASED_TRAINING.lr
    assert (
        RELEASED_TRAINING.batch_size,
        RELEASED_TRAINING.epochs,
        RELEASED_TRAINING.optimizer,
        RELEASED_TRAINING.momentum,
    ) == (16, 30, "sgd", 0.9)
    assert (RELEASED_TRAINING.schedule, RELEASED_TRAINING.flip, RELEASED_TRAINING.weight_decay) == (
        "constant",
        False,
        0.0,
    )
    assert FAST_TRAINING.schedule == "one_cycle"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epochs": 0}, "epochs >= 1"),
        ({"batch_size": 0}, "batch_size >= 1"),
        ({"lr": 0.0}, "lr > 0"),
        ({"lr": float("nan")}, "lr > 0"),
        ({"optimizer": "adagrad"}, "optimizer to be one of 'adam', 'sgd'"),
        ({"momentum": 1.5}, r"momentum in \[0, 1\]"),
        ({"weight_decay": -1.0}, "weight_decay >= 0"),
        ({"max_translation": -1}, "max_translation >= 0"),
        ({"epochs": 1.5}, "expected a whole epochs >= 1, got 1.5"),
        ({"batch_size": 2.5}, "expected a whole batch_size >= 1, got 2.5"),
        ({"betas": (1.0, 0.9)}, "1 - decay in betas > 0, got 0.0"),
        ({"betas": (0.9, -0.1)}, "decay in betas >= 0, got -0.1"),
        ({"betas": (0.9, 1.5)}, "1 - decay in betas > 0, got -0.5"),
        ({"rejector_lr_factor": 0.0}, "rejector_lr_factor > 0"),
        ({"schedule": "cosine"}, "schedule to be one of 'one_cycle', 'constant'"),
    ],
)
def test_settings_out_of_range_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        TrainConfig(**{"epochs": 1, "batch_size": 1, "lr": 0.1, **change})


class Pair(nn.Module):
    """A rejector and a server, with the weights of the server's first layer frozen."""

    def __init__(self):
        super().__init__()
        self.rejector, self.server = nn.Linear(3, 1), nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 1))
        self.server[0].requires_grad_(False)


@pytest.mark.parametrize(("name", "kind"), [("adam", torch.optim.Adam), ("sgd", torch.optim.SGD)])
def test_the_optimizer_has_the_values_of_the_configuration(name, kind):
    values = {"lr": 0.1, "optimizer": name, "momentum": 0.7, "betas": (0.8, 0.95), "weight_decay": 0.01}
    optimizer = make_optimizer(nn.Linear(3, 1), TrainConfig(epochs=1, batch_size=1, **values))
    (group,) = optimizer.param_groups
    assert type(optimizer) is kind
    assert (group["lr"], group["weight_decay"]) == (0.1, 0.01)
    assert group["betas"] == (0.8, 0.95) if name == "adam" else group["momentum"] == 0.7


@pytest.mark.parametrize(("factor", "rates"), [(1.0, [0.1]), (0.25, [0.1, 0.025])])
@pytest.mark.parametrize("name", ["adam", "sgd"])
def test_trainable_weights_belong_to_one_group_and_the_rejector_may_have_its_own_rate(name, factor, rates):
    network = Pair()
    config = TrainConfig(epochs=1, batch_size=1, lr=0.1, optimizer=name, rejector_lr_factor=factor)
    groups = make_optimizer(network, config).param_groups
    assert [group["lr"] for group in groups] == pytest.approx(rates)
    trained = [id(weight) for group in groups for weight in group["params"]]
    assert sorted(trained) == sorted(id(weight) for weight in network.parameters() if weight.requires_grad)
    if factor != 1:
        assert {id(weight) for weight in groups[1]["params"]} == {
            id(weight) for weight in network.rejector.parameters()
        }


def rates_of(schedule, steps):
    """The learning rate of each step."""
    config = TrainConfig(epochs=1, batch_size=1, lr=0.5, optimizer="sgd", schedule=schedule)
    optimizer = make_optimizer(nn.Linear(1, 1), config)
    scheduler, rates = make_schedule(optimizer, config, steps), []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


def test_a_constant_schedule_keeps_the_rate():
    assert rates_of("constant", 5) == 5 * [0.5]


def test_one_cycle_rises_in_a_quarter_of_the_steps_and_then_falls_towards_zero():
    rises, falls = [0.25, 0.5], [3 / 7, 5 / 14, 2 / 7, 3 / 14, 1 / 7, 1 / 14]  # of 8 steps, in equal differences
    assert rates_of("one_cycle", 8) == pytest.approx(rises + falls)


@pytest.mark.parametrize("steps", [1, 2, 3, 40])
def test_one_cycle_stays_above_zero_and_reaches_the_rate_once(steps):
    rates = rates_of("one_cycle", steps)
    assert min(rates) > 0 and max(rates) == 0.5 and rates.count(0.5) == 1
