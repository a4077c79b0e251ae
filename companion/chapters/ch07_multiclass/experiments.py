"""The runs of the chapter on many classes, so that they can be made ahead, and what several of them say together.

One plain server per seed serves every method: rejectors are trained for it on answers that it gave out of fold, and
methods that train a server start from its weights and go on for one more pass over the data.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from math import ceil
from typing import Any, NamedTuple

import numpy as np

from companion.chapters.systems import ALONE, NEEDS_SERVER_MULTICLASS, OURS, TEACHERS, Compared, Stacked, _signals
from l2h.data.dataset import PAIR
from l2h.data.sources import CLASSES
from l2h.evaluation.bootstrap import intervals
from l2h.evaluation.curves import accuracy_coverage_curve, area_under_curve
from l2h.evaluation.intervals import Interval
from l2h.evaluation.metrics import kept, right_answers
from l2h.evaluation.thresholds import at_costs
from l2h.experiments.config import ExperimentConfig, needs
from l2h.experiments.run import Result
from l2h.experiments.sweep import over_seeds, with_dependencies
from l2h.losses.stage_switching import FORMS
from l2h.methods.stacking import stacked
from l2h.problem import Costs, Predictions, server_label
from l2h.training.config import RECIPES

BETWEEN = 0.65  # near the client's error: at c1 = 0 all forms ask about some images and not about others
EVEN = 0.25  # a cost of asking at which the small server is asked about half of the images
NEVER = 10**6  # steps: a copy of the server that is never renewed
READY: dict[str, dict[str, Any]] = {
    "confidence": {"method": "confidence"},
    # with two classes they order the examples as "confidence" does, and "softmax" always: clients are scaled already
    **{f"confidence, {form}": {"method": "confidence", "confidence": form} for form in ("margin", "entropy")},
    "random": {"method": "random"},
    "oracle": {"method": "oracle"},
    "always ask": {"method": "always_ask"},
}
FOR_A_SERVER: dict[str, dict[str, Any]] = {
    "separate": {"method": "separate"},
    "two-stage": {"method": "two_stage"},
    "two-stage, on features": {"method": "two_stage", "rejector": "features"},
    "two sigmoids": {"method": "two_sigmoid"},
}
WEIGHED = ("two-stage", "two-stage, on features", "two-stage, reads the image")  # by ours, beside the client's scores
SPECIALISED = ("specialised in stages", "specialised, convex")
WITHOUT_REJECTOR = ("always_ask", "always_keep")
PRINTED = Costs(c1=1.2, ce=0.2)  # of the follow-up's stored run
TABLES = (Costs(c1=1.0, ce=0.25), Costs(c1=1.25, ce=0.0), Costs(c1=1.25, ce=0.25))  # of the follow-up's tables
OF_IMAGES: dict[str, dict[str, Any]] = {  # networks on the image, of the first client alone
    "two-stage, reads the image": {"method": "two_stage", "rejector": "lenet"},
    "two-stage, linear": {"method": "two_stage", "rejector": "linear"},
    ALONE: {"method": "always_ask", "server": "device_classifier", "server_recipe": "", "rejector": "lenet"},
}
JOINT: dict[str, dict[str, Any]] = {
    "stage switching": {"method": "stage_switching"},
    "specialised in stages": {"method": "specialised"},
    "specialised, convex": {"method": "learning_to_help", "alpha": "posterior"},
    # what does not matter to them is as `runs.needs` has it, so that those who imitate them read the same run
    **{name: {"method": method, "squash": True, "rejector": "hidden"} for name, method in TEACHERS.items()},
    "triage": {"method": "differentiable_triage"},
    "budgeted": {"method": "budgeted"},
}
NOT_RIVALS = (*NEEDS_SERVER_MULTICLASS, "random", "always ask", ALONE)  # of a rejector on the device


def names_of(source: str, count: int) -> tuple[str, ...]:
    """The first classes of a source, its usual pair first.

    Args:
        source: "cifar10" or "digits".
        count: how many.

    Returns:
        Names.

    >>> names_of("digits", 3)
    ('1', '8', '0')
    """
    rest = [name for name in CLASSES[source] if name not in PAIR[source]]
    return (*PAIR[source], *rest)[:count]


def base(study: Any) -> ExperimentConfig:
    """What all runs of the chapter share: data, costs, a rejector on the client's scores, the recipes.

    >>> from companion.chapters.parameters import at_profile
    >>> base(at_profile("07_multiclass", "paper")).network
    'residual_small'
    """
    return ExperimentConfig(
        method="confidence",
        client=study.clients[0],
        c1=PRINTED.c1,
        ce=PRINTED.ce,
        squash=False,
        network=study.network,
        rejector="scores",
        server_recipe=study.recipe,
        source=study.data or "cifar10",
        classes=names_of(study.data or "cifar10", study.classes),
        sizes=study.sizes,
        precision=study.precision,
    )


def comparison(study: Any) -> dict[tuple[str, str], ExperimentConfig]:
    """Every method at the printed costs, seed 0 of each.

    Args:
        study: of the chapter.

    Returns:
        (client, name) -> configuration; clients after the first one have the systems that train no server, and no
        network on images.

    >>> from companion.chapters.parameters import at_profile
    >>> sum(client == "follow_up" for client, _ in comparison(at_profile("07_multiclass", "paper")))
    24
    """
    common, joint = base(study), _joint(study)
    alone = {name: replace(common, **told) for name, told in (READY | FOR_A_SERVER | OF_IMAGES).items()}
    taught = {f"{name}, distilled": _given(joint[name], study, "distilled") for name in TEACHERS}
    runs = {(study.clients[0], name): one for name, one in (alone | joint | taught).items()}
    for client in study.clients[1:]:
        runs |= {(client, name): replace(one, client=client) for name, one in alone.items() if name not in OF_IMAGES}
    return runs


def systems(study: Any, client: str) -> dict[str, Compared]:
    """Every system of a client, ours included, which takes no training of its own.

    Args:
        study: of the chapter.
        client: one of the study's.

    Returns:
        Name -> configuration, or what is weighed.

    >>> from companion.chapters.parameters import at_profile
    >>> [one.rejector for one in systems(at_profile("07_multiclass", "paper"), "lenet")[OURS].weighed]
    ['scores', 'features']
    """
    found = {name: one for (of, name), one in comparison(study).items() if of == client}
    return {**found, OURS: Stacked(tuple(found[name] for name in WEIGHED if name in found))}


def confidence_beside(study: Any) -> dict[str, ExperimentConfig]:
    """For each system of the first client, confidence with the very server of that system, seed 0 of each.

    A system that trains its server goes on where the plain server stops, so its server has had one more pass over
    the data; a comparison with confidence and the plain server would count that as a merit of the rejector.

    Args:
        study: of the chapter.

    Returns:
        Name of a system of `systems` -> configuration; the device classifier, which has no server, meets the plain one.

    >>> from companion.chapters.parameters import at_profile
    >>> beside = confidence_beside(at_profile("07_multiclass", "paper"))
    >>> beside["two-stage"].server, beside["stage switching"].server, beside["one-vs-all, distilled"].server
    ('plain_server', 'stage_switching', 'one_vs_all')
    """
    joint = _joint(study)
    of_server = {name: name.removesuffix(", distilled") for name in systems(study, study.clients[0])}
    given = {name: _given(one, study, "confidence") for name, one in joint.items()}
    plain = replace(base(study), method="confidence")
    return {name: given.get(server, plain) for name, server in of_server.items()}


def _joint(study: Any) -> dict[str, ExperimentConfig]:
    """The systems that train a server, from the plain one's weights."""
    trains: dict[str, Any] = {"recipe": "one_more", "server_recipe": "", "start": study.recipe}
    return {name: replace(base(study), **trains, **told) for name, told in JOINT.items()}


def _given(joint: ExperimentConfig, study: Any, method: str) -> ExperimentConfig:
    """A method on the device that is given the server, or the decisions, of a joint training."""
    own = replace(base(study), method=method, server=joint.method, server_recipe=joint.recipe, start=joint.start)
    return replace(own, alpha=joint.alpha)


def signs(study: Any) -> dict[tuple[str, float], ExperimentConfig]:
    """The stage-switching forms at each c1, for one server: (form, c1) -> configuration, seed 0 of each."""
    one = replace(base(study), method="stage_rejector", ce=BETWEEN)
    return {(form, c1): replace(one, form=form, c1=c1) for form in FORMS for c1 in study.c1_grid}


def tables(study: Any) -> dict[tuple[Costs, str], ExperimentConfig]:
    """Confidence, two-stage and two forms of stage switching at the costs of the follow-up's tables."""
    methods: dict[str, dict[str, Any]] = {
        "confidence": {"method": "confidence"},
        "two-stage": {"method": "two_stage"},
        "stage, shifted": {"method": "stage_rejector", "form": "shifted"},
        "stage, released": {"method": "stage_rejector", "form": "released"},
    }
    return {
        (costs, name): replace(base(study), c1=costs.c1, ce=costs.ce, **told)
        for costs in (PRINTED, *TABLES)
        for name, told in methods.items()
    }


def _small(study: Any, count: int) -> ExperimentConfig:
    """A linear client and a LeNet server on few images, as many whatever the number of classes."""
    source = study.data or "cifar10"
    small: dict[str, Any] = {"client": "well_trained", "network": "lenet", "server_recipe": "", "c1": 1.0, "ce": 0.1}
    sizes = study.few if source == "cifar10" else ()  # digits are few, and all are used
    return replace(base(study), classes=names_of(source, count), sizes=sizes, **small)


def by_classes(study: Any) -> dict[tuple[int, str], ExperimentConfig]:
    """Confidence, two-stage and oracle for several numbers of classes: (K, name) -> configuration, seed 0 of each."""
    return {
        (count, name): replace(_small(study, count), method=method)
        for count in study.numbers
        for name, method in (("confidence", "confidence"), ("two-stage", "two_stage"), ("oracle", "oracle"))
    }


def delayed(study: Any, steps: int) -> dict[int, ExperimentConfig]:
    """Stage switching from new weights, with a copy of the server that is renewed every so many steps.

    Args:
        study: of the chapter.
        steps: in an epoch.

    Returns:
        Steps between renewals -> configuration, seed 0 of each; 1 is no delay, NEVER no renewal.
    """
    one = replace(_small(study, max(study.numbers)), method="stage_switching", ce=EVEN)
    return {refresh: replace(one, refresh=refresh) for refresh in sorted({*study.refreshes, steps, NEVER})}


def every_run(study: Any, steps: int) -> list[ExperimentConfig]:
    """All runs of the chapter, with those that they need.

    Args:
        study: of the chapter.
        steps: in an epoch of the delayed trainings.

    Returns:
        Configurations, every run after what it needs.
    """
    designs: Sequence[Mapping[Any, ExperimentConfig]] = (
        *(comparison(study), confidence_beside(study), signs(study), tables(study), by_classes(study)),
        delayed(study, steps),
    )
    configs = [config for design in designs for config in design.values()]
    return with_dependencies(run for config in configs for run in over_seeds(config, study.seeds))


class Systems(NamedTuple):
    """The results of a study, read as its figures and tables need them: one list of predictions per run."""

    results: Mapping[ExperimentConfig, Result]
    seeds: int

    def as_trained(self, config: Compared, part: str = "test") -> list[Predictions]:
        """The predictions of a system on a part, one per seed, with the rejector's own threshold 0.

        The device's own classifier stands there as a client that never asks.
        """
        if isinstance(config, Stacked):
            return [self._weighed(alike, part) for alike in self._by_seed(config.weighed)]
        said = [self.results[one].predictions(part) for one in over_seeds(config, self.seeds)]
        if config.server == "device_classifier":
            return [replace(p, m=server_label(p.e), r=np.ones(len(p.y))) for p in said]
        return said

    def _by_seed(self, configs: Sequence[ExperimentConfig]) -> Iterable[tuple[ExperimentConfig, ...]]:
        return zip(*(over_seeds(one, self.seeds) for one in configs), strict=True)

    def _weighed(self, alike: Sequence[ExperimentConfig], part: str) -> Predictions:
        client, rejectors = self.results[needs(alike[0])[0]], [self.results[one] for one in alike]
        known, given = ((rejectors[0].predictions(of), _signals(client, rejectors, of)) for of in ("calibration", part))
        return stacked(*known, *given, costs=alike[0].costs)

    def tuned(self, config: Compared, costs: Costs | None = None) -> list[Predictions]:
        """The same on the test part, each seed with the threshold of least loss on the validation part.

        Args:
            config: of the system.
            costs: at which the loss is taken; those of the training if None.

        Returns:
            One prediction per seed. A system without a rejector has no threshold, and is left as it is.
        """
        given = self.as_trained(config)
        if config.method in WITHOUT_REJECTOR:
            return given
        return at_costs(self.as_trained(config, "validation"), given, costs=costs or config.costs)


def areas(several: Sequence[Predictions]) -> list[float]:
    """The area under accuracy against coverage, one per seed."""
    return [area_under_curve(accuracy_coverage_curve(p)) for p in several]


def servers_where_asked(first: Sequence[Predictions], second: Sequence[Predictions]) -> Interval:
    """Accuracy of the first systems' servers minus that of the second ones', on what the first ones send.

    Args:
        first: predictions of one system, one per seed.
        second: predictions of another, paired: the same seeds and examples.

    Returns:
        The difference with its limits, pooled over seeds; NaN where nothing is sent.
    """
    differ = np.array([right_answers(a)[1] * 1.0 - right_answers(b)[1] for a, b in zip(first, second, strict=True)])
    sent = 1 - np.array([kept(p) for p in first])
    return intervals(differ[None], sent[None], signed=True)[0]


def client_apart(several: Sequence[Predictions]) -> Interval:
    """Accuracy of the client on what is kept minus on what is sent; limits from both intervals, each at 97.5 %."""
    right = np.array([right_answers(p)[0] * 1.0 for p in several])
    keep = np.array([kept(p) for p in several])
    stay, go = intervals(np.stack([right, right]), np.stack([keep, 1 - keep]), level=0.975)
    return Interval(stay.estimate - go.estimate, stay.low - go.high, stay.high - go.low)


def steps_in_epoch(examples: int) -> int:
    """Steps of the fast recipe in one pass over some examples.

    >>> steps_in_epoch(RECIPES["fast"].batch_size + 1)
    2
    """
    return ceil(examples / RECIPES["fast"].batch_size)
