"""Experiment grids of the chapter on many classes, and the results of their runs.

One plain server per seed serves every method: rejectors are trained for it on its out-of-fold scores, and methods that
train a server start from its weights and continue for one more pass over the data.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from math import ceil
from typing import Any, NamedTuple

from companion.chapters.ch07_multiclass.settings import Settings
from companion.chapters.systems import (
    ON_DEVICE_CLASSIFIER,
    SERVER_DEPENDENT,
    STACKED_NAME,
    TEACHER_METHODS,
    ComparedSystem,
    Stacked,
    multiclass_stacking_signals,
    never_asking,
)
from l2h.data.dataset import DEFAULT_PAIRS
from l2h.data.sources import CLASSES
from l2h.evaluation.thresholds import tuned_on_validation
from l2h.experiments.config import ExperimentConfig, dependencies
from l2h.experiments.run import RunResult, dataset_for_config
from l2h.experiments.sweep import over_seeds, with_dependencies
from l2h.losses.stage_switching import STAGE_SWITCHING_FORMS
from l2h.methods.stacking import with_stacked_rejector
from l2h.problem import Costs, Predictions
from l2h.training.config import PRESETS

SLOPE_CE = 0.65  # near the client's error: at c1 = 0 all forms ask about some images and not about others
UPDATE_INTERVAL_CE = 0.25  # at which the device asks the small server about half of the images
NEVER_UPDATED = 10**6  # steps: more than any training has
TRAINING_FREE_SYSTEMS: dict[str, dict[str, Any]] = {
    "confidence": {"method": "confidence"},
    # with two classes they order the examples as "confidence" does; "softmax" always does: scores are scaled already
    **{f"confidence, {form}": {"method": "confidence", "confidence": form} for form in ("margin", "entropy")},
    "random": {"method": "random"},
    "oracle": {"method": "oracle"},
    "always ask": {"method": "always_ask"},
}
TWO_STAGE_SYSTEMS: dict[str, dict[str, Any]] = {
    "separate": {"method": "separate"},
    "two-stage": {"method": "two_stage"},
    "two-stage, on features": {"method": "two_stage", "rejector": "features"},
    "two sigmoids": {"method": "two_sigmoid"},
}
STACKED_REJECTORS = ("two-stage", "two-stage, on features", "two-stage, reads the image")  # inputs of the stacked one
WEIGHTED_SERVER_SYSTEMS = ("weighted server", "weighted server, convex")
WITHOUT_REJECTOR = ("always_ask", "always_keep")
FOLLOW_UP_COSTS = Costs(c1=1.2, ce=0.2)  # of the follow-up's stored run
FOLLOW_UP_TABLE_COSTS = (Costs(c1=1.0, ce=0.25), Costs(c1=1.25, ce=0.0), Costs(c1=1.25, ce=0.25))
IMAGE_REJECTOR_SYSTEMS: dict[str, dict[str, Any]] = {  # networks on the image, for the first client only
    "two-stage, reads the image": {"method": "two_stage", "rejector": "lenet"},
    "two-stage, linear": {"method": "two_stage", "rejector": "linear"},
    ON_DEVICE_CLASSIFIER: {
        "method": "always_ask",
        "server": "on_device_classifier",
        "server_preset": "",
        "rejector": "lenet",
    },
}
JOINT_SYSTEMS: dict[str, dict[str, Any]] = {
    "stage switching": {"method": "stage_switching"},
    "weighted server": {"method": "weighted_server"},
    "weighted server, convex": {"method": "learning_to_help", "alpha": "posterior"},
    # options that do not matter to them equal those of `config.dependencies`, so that distilled ones read the same run
    **{name: {"method": method, "bounded": True, "rejector": "mlp"} for name, method in TEACHER_METHODS.items()},
    "triage": {"method": "differentiable_triage"},
    "budgeted": {"method": "budgeted"},
}
MULTICLASS_EXCLUDED_BASELINES = (
    *SERVER_DEPENDENT,
    "random",
    "always ask",
    ON_DEVICE_CLASSIFIER,
)  # of a rejector on the device


def first_class_names(source: str, n_classes: int) -> tuple[str, ...]:
    """The first classes of a source, its usual pair first.

    Args:
        source: "cifar10" or "digits".
        n_classes: how many.

    Returns:
        Names.

    >>> first_class_names("digits", 3)
    ('1', '8', '0')
    """
    rest = [name for name in CLASSES[source] if name not in DEFAULT_PAIRS[source]]
    return (*DEFAULT_PAIRS[source], *rest)[:n_classes]


def multiclass_base_config(settings: Settings) -> ExperimentConfig:
    """The options that all runs of the chapter share: data, costs, a rejector on the client's scores, presets.

    >>> from companion.chapters.parameters import settings_for
    >>> multiclass_base_config(settings_for("07_multiclass", "paper")).server_network
    'residual_small'
    """
    return ExperimentConfig(
        method="confidence",
        client=settings.clients[0],
        c1=FOLLOW_UP_COSTS.c1,
        ce=FOLLOW_UP_COSTS.ce,
        bounded=False,
        server_network=settings.server_network,
        rejector="scores",
        server_preset=settings.server_preset,
        source=settings.data or "cifar10",
        classes=first_class_names(settings.data or "cifar10", settings.n_classes),
        sizes=settings.sizes,
        precision=settings.precision,
    )


def multiclass_grid(settings: Settings) -> dict[tuple[str, str], ExperimentConfig]:
    """Every method at the printed costs, seed 0 of each.

    Args:
        settings: of the chapter.

    Returns:
        (client, name) -> configuration; clients after the first one have the systems that train no server, and no
        network on images.

    >>> from companion.chapters.parameters import settings_for
    >>> sum(client == "follow_up" for client, _ in multiclass_grid(settings_for("07_multiclass", "paper")))
    24
    """
    common, joint = multiclass_base_config(settings), _joint_configs(settings)
    standalone = {
        name: replace(common, **options)
        for name, options in (TRAINING_FREE_SYSTEMS | TWO_STAGE_SYSTEMS | IMAGE_REJECTOR_SYSTEMS).items()
    }
    distilled = {
        f"{name}, distilled": _config_with_server(joint[name], settings, "distilled") for name in TEACHER_METHODS
    }
    runs = {(settings.clients[0], name): config for name, config in (standalone | joint | distilled).items()}
    for client in settings.clients[1:]:
        runs |= {
            (client, name): replace(config, client=client)
            for name, config in standalone.items()
            if name not in IMAGE_REJECTOR_SYSTEMS
        }
    return runs


def compared_systems(settings: Settings, client: str) -> dict[str, ComparedSystem]:
    """Every system of a client; the stacked rejector is included, which needs no run of its own.

    Args:
        settings: of the chapter.
        client: one of the settings' clients.

    Returns:
        Name -> configuration, or the stacked rejectors.

    >>> from companion.chapters.parameters import settings_for
    >>> systems = compared_systems(settings_for("07_multiclass", "paper"), "lenet")
    >>> [config.rejector for config in systems[STACKED_NAME].rejector_configs]
    ['scores', 'features']
    """
    configs = {
        name: config for (config_client, name), config in multiclass_grid(settings).items() if config_client == client
    }
    return {**configs, STACKED_NAME: Stacked(tuple(configs[name] for name in STACKED_REJECTORS if name in configs))}


def confidence_with_same_server(settings: Settings) -> dict[str, ExperimentConfig]:
    """For each system of the first client, confidence with the same server, seed 0 of each.

    A system that trains its server continues where the plain server stops, so its server has had one more pass over
    the data; a comparison with confidence and the plain server would attribute this to the rejector.

    Args:
        settings: of the chapter.

    Returns:
        Name of a system of `compared_systems` -> configuration; the on-device classifier, which has no server, is
        compared with confidence and the plain server.

    >>> from companion.chapters.parameters import settings_for
    >>> counterparts = confidence_with_same_server(settings_for("07_multiclass", "paper"))
    >>> [counterparts[name].server for name in ("two-stage", "stage switching", "one-vs-all, distilled")]
    ['plain_server', 'stage_switching', 'one_vs_all']
    """
    joint = _joint_configs(settings)
    of_server = {name: name.removesuffix(", distilled") for name in compared_systems(settings, settings.clients[0])}
    same_server = {name: _config_with_server(config, settings, "confidence") for name, config in joint.items()}
    plain = replace(multiclass_base_config(settings), method="confidence")
    return {name: same_server.get(server, plain) for name, server in of_server.items()}


def _joint_configs(settings: Settings) -> dict[str, ExperimentConfig]:
    """The systems that train a server, with the plain server's weights as a warm start."""
    trains: dict[str, Any] = {"preset": "fine_tuning", "server_preset": "", "warm_start_preset": settings.server_preset}
    return {
        name: replace(multiclass_base_config(settings), **trains, **options) for name, options in JOINT_SYSTEMS.items()
    }


def _config_with_server(joint_config: ExperimentConfig, settings: Settings, method: str) -> ExperimentConfig:
    """A method on the device with the server, or the decisions, of a joint training."""
    return replace(
        multiclass_base_config(settings),
        method=method,
        server=joint_config.method,
        server_preset=joint_config.preset,
        warm_start_preset=joint_config.warm_start_preset,
        alpha=joint_config.alpha,
    )


def form_grid(settings: Settings) -> dict[tuple[str, float], ExperimentConfig]:
    """The stage-switching forms at each c1, for one server: (form, c1) -> configuration, seed 0 of each."""
    config = replace(multiclass_base_config(settings), method="stage_rejector", ce=SLOPE_CE)
    return {(form, c1): replace(config, form=form, c1=c1) for form in STAGE_SWITCHING_FORMS for c1 in settings.c1_grid}


def follow_up_table_grid(settings: Settings) -> dict[tuple[Costs, str], ExperimentConfig]:
    """Confidence, two-stage and two forms of stage switching at the costs of the follow-up's tables."""
    methods: dict[str, dict[str, Any]] = {
        "confidence": {"method": "confidence"},
        "two-stage": {"method": "two_stage"},
        "stage, nonnegative": {"method": "stage_rejector", "form": "nonnegative"},
        "stage, released": {"method": "stage_rejector", "form": "released"},
    }
    return {
        (costs, name): replace(multiclass_base_config(settings), c1=costs.c1, ce=costs.ce, **options)
        for costs in (FOLLOW_UP_COSTS, *FOLLOW_UP_TABLE_COSTS)
        for name, options in methods.items()
    }


def printed_run_forms(settings: Settings) -> dict[str, ExperimentConfig]:
    """The released and the shifted form of the loss at the costs of the printed run, by the name of the form."""
    table = follow_up_table_grid(settings)
    return {form: table[FOLLOW_UP_COSTS, f"stage, {form}"] for form in ("released", "nonnegative")}


def _small_config(settings: Settings, n_classes: int) -> ExperimentConfig:
    """A linear client and a LeNet server on few images, the same number for any number of classes."""
    source = settings.data or "cifar10"
    small: dict[str, Any] = {
        "client": "well_trained",
        "server_network": "lenet",
        "server_preset": "",
        "c1": 1.0,
        "ce": 0.1,
    }
    sizes = settings.subset_sizes if source == "cifar10" else ()  # digits are few, and all are used
    return replace(multiclass_base_config(settings), classes=first_class_names(source, n_classes), sizes=sizes, **small)


def class_count_grid(settings: Settings) -> dict[tuple[int, str], ExperimentConfig]:
    """Confidence, two-stage and oracle for several numbers of classes: (K, name) -> configuration, seed 0 of each."""
    return {
        (count, name): replace(_small_config(settings, count), method=method)
        for count in settings.class_counts
        for name, method in (("confidence", "confidence"), ("two-stage", "two_stage"), ("oracle", "oracle"))
    }


def update_interval_grid(settings: Settings, steps_per_epoch: int) -> dict[int, ExperimentConfig]:
    """Stage switching from new weights, with a copy of the server that is updated at an interval.

    Args:
        settings: of the chapter.
        steps_per_epoch: in an epoch.

    Returns:
        Steps between updates -> configuration, seed 0 of each; 1 is no delay, `NEVER_UPDATED` no update.
    """
    config = replace(
        _small_config(settings, max(settings.class_counts)), method="stage_switching", ce=UPDATE_INTERVAL_CE
    )
    return {
        steps: replace(config, update_every=steps)
        for steps in sorted({*settings.update_intervals, steps_per_epoch, NEVER_UPDATED})
    }


def all_multiclass_configs(settings: Settings, steps_per_epoch: int) -> list[ExperimentConfig]:
    """All runs of the chapter, each after its dependencies.

    Args:
        settings: of the chapter.
        steps_per_epoch: in an epoch of the trainings with a stale server.

    Returns:
        Configurations, ready for `sweep.sweep`.
    """
    grids: Sequence[Mapping[Any, ExperimentConfig]] = (
        multiclass_grid(settings),
        confidence_with_same_server(settings),
        form_grid(settings),
        follow_up_table_grid(settings),
        class_count_grid(settings),
        update_interval_grid(settings, steps_per_epoch),
    )
    configs = [config for grid in grids for config in grid.values()]
    runs = [run for config in configs for run in over_seeds(config, settings.seeds)]
    return with_dependencies([*runs, *_deciding_configs(settings, steps_per_epoch)])


def _deciding_configs(settings: Settings, steps_per_epoch: int) -> list[ExperimentConfig]:
    """The runs of further seeds, which decide the claims whose rules were changed after a look at the first ones."""
    systems = multiclass_grid(settings)
    names = ("stage switching", *WEIGHTED_SERVER_SYSTEMS)
    with_server = [systems[settings.clients[0], name] for name in names]
    with_server.append(confidence_with_same_server(settings)["stage switching"])
    intervals = update_interval_grid(settings, steps_per_epoch)
    small = [config for (_, name), config in class_count_grid(settings).items() if name != "oracle"]
    small += [intervals[1], intervals[steps_per_epoch]]
    forms = list(printed_run_forms(settings).values())
    return [
        run
        for configs, count in (
            (with_server, settings.server_decision_seeds),
            (small, settings.decision_seeds),
            (forms, settings.form_decision_seeds),
        )
        for config in configs
        for run in over_seeds(config, settings.seeds + count)[settings.seeds :]
    ]


class MulticlassResults(NamedTuple):
    """The results of the chapter's runs, as one list of predictions per system."""

    results: Mapping[ExperimentConfig, RunResult]
    seeds: int
    first_seed: int = 0

    def deciding(self, count: int) -> "MulticlassResults":
        """The results of `count` further seeds; these results themselves if there are none."""
        return self._replace(seeds=count, first_seed=self.seeds) if count else self

    def _over_seeds(self, config: ExperimentConfig) -> list[ExperimentConfig]:
        return over_seeds(config, self.first_seed + self.seeds)[self.first_seed :]

    def untuned(self, config: ComparedSystem, split: str = "test") -> list[Predictions]:
        """The predictions of a system on a split, one per seed, with the threshold r = 0.

        The on-device classifier appears as a client that never asks.
        """
        if isinstance(config, Stacked):
            return [self._stacked(alike, split) for alike in self._by_seed(config.rejector_configs)]
        predictions = [self.results[seeded_config].predictions(split) for seeded_config in self._over_seeds(config)]
        if config.server == "on_device_classifier":
            return [never_asking(p) for p in predictions]
        return predictions

    def _by_seed(self, configs: Sequence[ExperimentConfig]) -> Iterable[tuple[ExperimentConfig, ...]]:
        return zip(*(self._over_seeds(config) for config in configs), strict=True)

    def _stacked(self, configs: Sequence[ExperimentConfig], split: str) -> Predictions:
        client, rejectors = (
            self.results[dependencies(configs[0])[0]],
            [self.results[rejector_config] for rejector_config in configs],
        )
        calibration_data, evaluation_data = (
            (rejectors[0].predictions(split_name), multiclass_stacking_signals(client, rejectors, split_name))
            for split_name in ("calibration", split)
        )
        return with_stacked_rejector(*calibration_data, *evaluation_data, costs=configs[0].costs)

    def tuned_on_validation(self, config: ComparedSystem, costs: Costs | None = None) -> list[Predictions]:
        """The predictions on the test split, each seed with the threshold of least loss on the validation split.

        Args:
            config: of the system.
            costs: of the loss; those of the training if None.

        Returns:
            One prediction per seed. A system without a rejector has no threshold, and is returned unchanged.
        """
        test_predictions = self.untuned(config)
        if config.method in WITHOUT_REJECTOR:
            return test_predictions
        return tuned_on_validation(self.untuned(config, "validation"), test_predictions, costs=costs or config.costs)


def epoch_steps(settings: Settings) -> int:
    """Steps in an epoch of the trainings with a stale server."""
    config = update_interval_grid(settings, 1)[1]
    return ceil(len(dataset_for_config(config).train.y) / PRESETS[config.preset].batch_size)
