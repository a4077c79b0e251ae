"""The runs of chapter 10: for each task and seed a client, and helpers that the public estimator fits for it."""

import math
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from functools import lru_cache, partial
from typing import Any, NamedTuple

import numpy as np
from sklearn.utils import check_random_state

from companion.chapters.ch10_domains.settings import Settings
from companion.chapters.ch10_domains.tasks import IMAGES, DomainTask, TaskSplits, data_digest, task_splits, tasks_of
from companion.chapters.systems import COMPARISON_CE
from l2h.data import domains
from l2h.data.published import NotAvailableError
from l2h.evaluation.metrics import predictions_from_correctness
from l2h.experiments import run
from l2h.experiments.fingerprint import PACKAGE, Code, Definition, key
from l2h.experiments.run_log import log_facts
from l2h.experiments.store import Store
from l2h.experiments.sweep import map_in_processes
from l2h.problem import Costs, Predictions
from l2h.serving.estimator.clients import given_answers
from l2h.serving.estimator.examples import LabelledInputs, split_rows
from l2h.serving.estimator.settings import CLIENT_SCORES, FitSettings
from l2h.serving.estimator.training import FittedParts, fit_parts
from l2h.serving.scores import score_labels

HELPER_METHODS = {"learning to help": "learning_to_help", "two-stage": "two_stage", "separate": "separate"}
PLAIN_SERVER = "two-stage"  # its server was trained alone, and is that of the client's confidence, too
HELPER_SYSTEMS = (*HELPER_METHODS, "confidence")
# All other methods that `LearningToHelpClassifier` fits, by the names that they have in other chapters. No claim is
# about them; each is a run of its own.
FURTHER_METHODS = {
    "stage switching": "stage_switching",
    "stage rejector": "stage_rejector",
    "weighted server": "weighted_server",
    "two sigmoids": "two_sigmoid",
    "Mozannar-Sontag, distilled": "distilled",
    "triage": "differentiable_triage",
    "budgeted": "budgeted",
    "confidence, specialist": "confidence_specialist",
}
RUN_KIND = "domain run"  # of these runs in the log of all runs
CPU_SECONDS = "cpu_seconds"  # beside the parts in a stored result
R_DIGITS = 6  # significant digits of a stored score
FIRST_SEED = 4  # seed 0 was looked at before the rules were written, and 1 to 3 left one of the claims undecided


@dataclass(frozen=True)
class DomainRun:
    """One run: a client, and a helper of each method, for one task and seed.

    Args:
        task: name in `tasks.TASKS`.
        seed: of all draws and trainings.
        n_client: most examples of the client.
        n_fit: most examples of the helper.
        n_test: most examples of a part.
        epochs: of each training of rejector and server; None for those of the estimator.
    """

    task: str
    seed: int
    n_client: int
    n_fit: int
    n_test: int
    epochs: int | None = None


@dataclass(frozen=True, kw_only=True)
class MethodRun(DomainRun):
    """One run of a further method: the client of the `DomainRun` with the same fields, and a helper.

    Args:
        method: one of the values of FURTHER_METHODS.
    """

    method: str


class AvailableTasks(NamedTuple):
    """The tasks whose data are at hand, and what readers have to know of the data."""

    tasks: dict[str, DomainTask]
    banners: tuple[str, ...]  # on data sets that are missing, or of which there is only a part


def available_tasks(settings: Settings) -> AvailableTasks:
    """The tasks of a chapter's settings whose data are at hand; without a data folder those of installed packages.

    Args:
        settings: of the chapter.
    """
    wanted, banners = tasks_of(settings.tasks, settings.data or "cifar10"), []
    if settings.data == "digits":
        banners.append("No published data set is read: all tasks are tables that installed packages ship.")
    available = {}
    for name, task in wanted.items():
        try:
            data = domains.load(name)
        except NotAvailableError as error:
            banners.append(f"Left out: {error}.")
        else:
            available[name] = task
            banners += [data.banner] if data.banner else []
    return AvailableTasks(available, tuple(banners))


def domain_runs(settings: Settings, tasks: Iterable[str]) -> list[DomainRun]:
    """All runs of the chapter.

    Args:
        settings: of the chapter.
        tasks: names in `tasks.TASKS`.
    """
    options = {
        name: (settings.image_fit, settings.n_test, settings.image_epochs)
        if name == IMAGES
        else (settings.n_fit, settings.n_test, None)
        for name in tasks
    }
    return [
        DomainRun(name, seed, settings.n_client, *options[name])
        for name in tasks
        for seed in range(FIRST_SEED, FIRST_SEED + settings.seeds)
    ]


def method_runs(settings: Settings, runs: Iterable[DomainRun]) -> list[MethodRun]:
    """The runs of the further methods.

    Args:
        settings: of the chapter.
        runs: all runs of the chapter, whose clients the methods help.
    """
    return [
        MethodRun(**asdict(each), method=method)
        for each in runs
        if each.task in settings.method_tasks
        for method in FURTHER_METHODS.values()
    ]


def compute(config: DomainRun) -> dict[str, Any]:
    """Train the client and the helpers of a run, and evaluate them on every part.

    Args:
        config: of the run.

    Returns:
        Part -> what JSON can hold: whether the client is right, its confidence, and for each system its scores r and
        whether its server is right.
    """
    limits = {"n_client": config.n_client, "n_fit": config.n_fit, "n_test": config.n_test}
    splits = task_splits(config.task, seed=config.seed, **limits)
    helpers = {
        name: fit_helper(splits, method, seed=config.seed, epochs=config.epochs)
        for name, method in HELPER_METHODS.items()
    }
    return {part: _part_result(splits, helpers, part) for part in splits.parts}


def compute_method(config: MethodRun) -> dict[str, Any]:
    """Train the client of a run and a helper of its method, and evaluate it on every part.

    Args:
        config: of the run.

    Returns:
        Part -> what JSON can hold: whether the client is right, the scores r, and whether the server is right.
    """
    limits = {"n_client": config.n_client, "n_fit": config.n_fit, "n_test": config.n_test}
    splits = task_splits(config.task, seed=config.seed, **limits)
    helper = fit_helper(splits, config.method, seed=config.seed, epochs=config.epochs)
    return {part: _method_result(splits, helper, part) for part in splits.parts}


def fit_helper(splits: TaskSplits, method: str, *, seed: int, epochs: int | None) -> FittedParts:
    """Fit rejector and server for the client of a task, exactly as `LearningToHelpClassifier.fit` does.

    The estimator's saving and serving are left aside, so that a change of these makes no run stale.

    Args:
        splits: the task.
        method: in `training.METHOD_NAMES`.
        seed: the estimator's random_state.
        epochs: the estimator's epochs.
    """
    classes, index = np.unique(splits.fit.y, return_inverse=True)
    answers = given_answers(None, splits.probabilities["fit"], classes, len(index), probabilities=True)
    fit_seed = int(check_random_state(seed).randint(2**31 - 1))
    settings = FitSettings(method, Costs(1.0, COMPARISON_CE), epochs=epochs, seed=fit_seed)
    data = LabelledInputs(splits.fit.x, index.astype(np.int64), *answers, classes)
    return fit_parts(data, split_rows(data.y, fit_seed), settings)


def _part_result(splits: TaskSplits, helpers: dict[str, FittedParts], part: str) -> dict[str, Any]:
    (x, y, _), probabilities = splits.parts[part], splits.probabilities[part]
    classes = np.unique(splits.fit.y)
    result: dict[str, Any] = {
        "client_right": (probabilities.argmax(1) == y).astype(int).tolist(),
        "confidence": _rounded(probabilities.max(1)),
    }
    for name, helper in helpers.items():
        server_right = classes[score_labels(helper.server(x))] == y
        result[name] = {"r": _rounded(helper.rejector(x)), "server_right": server_right.astype(int).tolist()}
    return result


def _method_result(splits: TaskSplits, helper: FittedParts, part: str) -> dict[str, Any]:
    (x, y, _), probabilities = splits.parts[part], splits.probabilities[part]
    classes = np.unique(splits.fit.y)
    client_scores = given_answers(None, probabilities, classes, len(y), probabilities=True).scores
    read = np.asarray(client_scores) if helper.rejector.reads == CLIENT_SCORES else x
    server_right = classes[score_labels(helper.server(x))] == y
    return {
        "client_right": (probabilities.argmax(1) == y).astype(int).tolist(),
        "r": _rounded(helper.rejector(read)),
        "server_right": server_right.astype(int).tolist(),
    }


def _rounded(values: np.ndarray) -> list[float]:
    return [float(f"{value:.{R_DIGITS}g}") for value in values.tolist()]


class DomainResult:
    """The stored result of a run.

    Args:
        config: of the run.
        parts: as `compute` or `compute_method` gives them.
        cpu_seconds: of the computation; NaN where the store does not know it.
    """

    def __init__(self, config: DomainRun, parts: dict[str, Any], cpu_seconds: float = math.nan) -> None:
        self.config, self.parts, self.cpu_seconds = config, parts, cpu_seconds

    def predictions(self, system: str, part: str = "test") -> Predictions:
        """The predictions of a system, as `predictions_from_correctness` codes them.

        Args:
            system: in HELPER_SYSTEMS, or, where `with_methods` has put it there, in FURTHER_METHODS; the result of a
                method's run has that of its method.
            part: of the task's data.
        """
        result = self.parts[part]
        if isinstance(self.config, MethodRun):
            own = result
        else:
            own = result[PLAIN_SERVER if system == "confidence" else system]
        r = result["confidence"] if system == "confidence" else own["r"]
        return predictions_from_correctness(result["client_right"], r, own["server_right"])


def with_methods(results: Iterable[DomainResult]) -> list[DomainResult]:
    """The results of all runs of several helpers, each with the systems of the further methods for the same client.

    Args:
        results: of runs of both kinds, in any order.

    Raises:
        ValueError: if a method's run had another client.
    """
    results, names = list(results), {method: name for name, method in FURTHER_METHODS.items()}
    found = {
        each.config: DomainResult(each.config, dict(each.parts), each.cpu_seconds)
        for each in results
        if not isinstance(each.config, MethodRun)
    }
    for result in results:
        if isinstance(result.config, MethodRun):
            together = found[_without_method(result.config)]
            for part, own in result.parts.items():
                if own["client_right"] != together.parts[part]["client_right"]:
                    raise ValueError(f"expected the client of {together.config} in {result.config}, got another one")
                system = {names[result.config.method]: {"r": own["r"], "server_right": own["server_right"]}}
                together.parts[part] = together.parts[part] | system
    return list(found.values())


def _without_method(config: MethodRun) -> DomainRun:
    return DomainRun(**{field.name: getattr(config, field.name) for field in fields(DomainRun)})


def run_domain(config: DomainRun, store: Store | None = None) -> DomainResult:
    """The result of a run, from the store or computed now.

    Args:
        config: of the run, of either kind.
        store: that keeps results; by default the one of all runs.
    """
    store = store or Store()
    log_facts(RUN_KIND, asdict(config))
    known = store.get(domain_run_key(config))
    if known is None:
        start = time.process_time()
        known = compute_method(config) if isinstance(config, MethodRun) else compute(config)
        known[CPU_SECONDS] = round(time.process_time() - start, 2)
        store.put(domain_run_key(config), known)
    parts = {name: part for name, part in known.items() if name != CPU_SECONDS}
    return DomainResult(config, parts, known.get(CPU_SECONDS, math.nan))


def domain_run_key(config: DomainRun) -> str:
    """The digest of all that a run depends on: configuration, data, code and versions of libraries.

    Args:
        config: of the run.
    """
    root = "compute_method" if isinstance(config, MethodRun) else "compute"
    facts = asdict(config)
    return key(run=facts, data=data_digest(config.task), code=_code_digest(root), versions=run.library_versions())


@lru_cache(maxsize=2)
def _code_digest(function: str) -> str:
    return Code(PACKAGE, PACKAGE.parent / "companion").fingerprint([Definition(__name__, function)])


def sweep_domains(configs: Sequence[DomainRun], store: Store | None = None) -> list[DomainResult]:
    """The results of many runs, computed in L2H_WORKERS processes where the store lacks them.

    A run that is done stays in the store, so that an interrupted sweep continues where it was.

    Args:
        configs: of the runs, of either kind.
        store: that keeps results; by default the one of all runs.

    Returns:
        Results in the order of the configurations.
    """
    store = store or Store()
    missing = [config for config in configs if domain_run_key(config) not in store]
    map_in_processes(partial(run_domain, store=store), missing)
    return [run_domain(config, store) for config in configs]
