"""Learning to help: a rejector on the device and a server, trained for a client that cannot change.

The names below are the public interface. Those that need torch or SciPy's statistics are imported when they are first
used, so that `import l2h` is quick, and works on a device that has NumPy alone.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from l2h.evaluation.curves import accuracy_coverage_curve, area_under_curve
from l2h.evaluation.metrics import accuracy, coverage, offload_rate, reference_losses, system_loss
from l2h.losses.zero_one import generalized_zero_one_loss
from l2h.pricing import OffloadCost, UnitPrices, costs_from_prices
from l2h.problem import Costs, Predictions, asks, server_label, system_output

if TYPE_CHECKING:  # the same names as in MODULES; type checkers, editors and the fingerprint of a run read them here
    from l2h.data.dataset import load_dataset
    from l2h.evaluation.comparisons import accuracy_differences
    from l2h.evaluation.multiple_comparisons import simultaneous_differences
    from l2h.evaluation.thresholds import budget_threshold, min_loss_threshold, with_threshold
    from l2h.experiments.config import ExperimentConfig
    from l2h.experiments.run import run
    from l2h.experiments.sweep import sweep
    from l2h.losses.surrogate import surrogate_loss
    from l2h.methods.base import Examples, Options, Splits, System
    from l2h.methods.registry import METHODS
    from l2h.serving.estimator.classifier import LearningToHelpClassifier as LearningToHelpClassifier
    from l2h.serving.estimator.scoring import system_loss_scorer as system_loss_scorer
    from l2h.theory.bayes import bayes_rejector, bayes_server
    from l2h.theory.calibration import alpha_deterministic
    from l2h.theory.distributions import DISTRIBUTIONS
    from l2h.training.config import TrainConfig

MODULES = {
    "DISTRIBUTIONS": "l2h.theory.distributions",
    "Examples": "l2h.methods.base",
    "ExperimentConfig": "l2h.experiments.config",
    "LearningToHelpClassifier": "l2h.serving.estimator.classifier",
    "METHODS": "l2h.methods.registry",
    "Options": "l2h.methods.base",
    "Splits": "l2h.methods.base",
    "System": "l2h.methods.base",
    "TrainConfig": "l2h.training.config",
    "accuracy_differences": "l2h.evaluation.comparisons",
    "alpha_deterministic": "l2h.theory.calibration",
    "bayes_rejector": "l2h.theory.bayes",
    "bayes_server": "l2h.theory.bayes",
    "budget_threshold": "l2h.evaluation.thresholds",
    "load_dataset": "l2h.data.dataset",
    "min_loss_threshold": "l2h.evaluation.thresholds",
    "run": "l2h.experiments.run",
    "simultaneous_differences": "l2h.evaluation.multiple_comparisons",
    "surrogate_loss": "l2h.losses.surrogate",
    "sweep": "l2h.experiments.sweep",
    "system_loss_scorer": "l2h.serving.estimator.scoring",
    "with_threshold": "l2h.evaluation.thresholds",
}

# All but what needs the extra [serve], so that an import of all names works without it.
__all__ = [
    "DISTRIBUTIONS",
    "METHODS",
    "Costs",
    "Examples",
    "ExperimentConfig",
    "OffloadCost",
    "Options",
    "Predictions",
    "Splits",
    "System",
    "TrainConfig",
    "UnitPrices",
    "accuracy",
    "accuracy_coverage_curve",
    "accuracy_differences",
    "alpha_deterministic",
    "area_under_curve",
    "asks",
    "bayes_rejector",
    "bayes_server",
    "budget_threshold",
    "costs_from_prices",
    "coverage",
    "generalized_zero_one_loss",
    "load_dataset",
    "min_loss_threshold",
    "offload_rate",
    "reference_losses",
    "run",
    "server_label",
    "simultaneous_differences",
    "surrogate_loss",
    "sweep",
    "system_loss",
    "system_output",
    "with_threshold",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used."""
    if name not in MODULES:
        raise AttributeError(f"module 'l2h' has no attribute {name!r}")
    value = getattr(import_module(MODULES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """The public names, whether they are imported yet or not."""
    return sorted({*globals(), *__all__, *MODULES})
