"""The tasks of chapter 10: data of several domains, and for each a client that is weaker for a reason."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from companion.chapters.ch10_domains.settings import DOMAINS, PACKAGED_TABLES
from l2h.data import domains
from l2h.data.dataset import Split
from l2h.data.labelled import LabelledData, LabelledExamples, select
from l2h.serving.estimator.scorers import as_table
from l2h.training.clients import fit_client
from l2h.training.loop import predict_scores

CLIENT_SUBJECTS = (1, 2)  # of the smartwatch data, for the client; the other training subjects are the helper's
FORECAST_EXAMPLES = 1000  # labelled examples from which the gain is forecast
CLIENT_PENALTY = 0.1  # C of the clients' logistic regression
QUARTER = "it has the first quarter of the measurements"
IMAGES = "cifar100"  # the task of photographs, whose client is a network
UNUSED_PARTS = ("out_of_scope_train", "out_of_scope_validation")

ClientRows = Callable[[LabelledData, np.ndarray], np.ndarray]  # data as sent, a random half of its training rows


def random_half(data: LabelledData, half: np.ndarray) -> np.ndarray:
    """The training rows of a client that learnt from the same source as the helper."""
    return half


def half_of_known_domains(data: LabelledData, half: np.ndarray) -> np.ndarray:
    """The training rows of a client that knows some domains of queries."""
    return half & np.isin(data.train.y, [data.classes.index(name) for name in domains.KNOWN_DOMAINS])


def first_subjects(data: LabelledData, half: np.ndarray) -> np.ndarray:
    """The training rows of a client that was fitted on two subjects."""
    return np.isin(data.train.group, CLIENT_SUBJECTS)


def first_months(data: LabelledData, half: np.ndarray) -> np.ndarray:
    """The training rows of a client that was fitted when the sensors were new."""
    return np.asarray(data.train.group == domains.FIRST_GAS_BATCH)


class DomainTask(NamedTuple):
    """A data set with a client.

    Args:
        title: for readers.
        weakness: why the client is weaker than a server can be.
        client_views: what the client senses: views of the data, one after another.
        server_views: what the device records and can send.
        client_rows: the training examples that the client learns from; the helper gets the others.
    """

    title: str
    weakness: str
    client_views: tuple[str, ...]
    server_views: tuple[str, ...]
    client_rows: ClientRows = random_half


class TaskSplits(NamedTuple):
    """One task with a trained client: what a helper is fitted on, and the parts on which systems are evaluated."""

    classes: tuple[str, ...]
    fit: LabelledExamples  # which the client was not trained on, as the device sends them
    parts: dict[str, LabelledExamples]  # "validation", "test" and, for some data, further ones
    probabilities: dict[str, np.ndarray]  # "fit" and the names of the parts -> the client's probabilities (n, K)


TASKS: dict[str, DomainTask] = {
    "cifar100": DomainTask(
        "CIFAR-100, 20 superclasses", "it is a small network, LeNet", ("superclasses",), ("superclasses",)
    ),
    "clinc150": DomainTask(
        "queries to an assistant (CLINC150)",
        "it knows 3 of the 10 domains",
        ("domains", "ngrams"),
        ("domains", "ngrams"),
        half_of_known_domains,
    ),
    "fsdd": DomainTask(
        "spoken digits (FSDD)", "it hears the first fifth of the word", ("first_fifth", "log_mel"), ("log_mel",)
    ),
    "smartwatch": DomainTask(
        "exercises on a smartwatch (SPAR)",
        "it reads the mean acceleration, and knows two subjects",
        ("mean_acceleration",),
        (),
        first_subjects,
    ),
    "gas_drift": DomainTask("gas sensors that age", "it was trained in the first months", (), (), first_months),
    **{
        name: DomainTask(f"{name.replace('_', ' ')} (a packaged table)", QUARTER, ("first_measurements",), ())
        for name in PACKAGED_TABLES
    },
}


def tasks_of(names: Sequence[str], data: str) -> dict[str, DomainTask]:
    """The tasks that are computed from the data at hand.

    Args:
        names: in TASKS.
        data: "cifar10" for published data sets, or "digits" for what installed packages ship alone.

    Returns:
        Name -> task.
    """
    return {name: TASKS[name] for name in names if data == "cifar10" or name not in DOMAINS}


@lru_cache(maxsize=2)
def _views(name: str) -> tuple[LabelledData, LabelledData]:
    """The data as the client senses them, and as the device sends them, with the same examples in the same order."""
    data = domains.load(name)
    return domains.view(data, *TASKS[name].client_views), domains.view(data, *TASKS[name].server_views)


@lru_cache(maxsize=len(TASKS))
def data_digest(name: str) -> str:
    """The SHA-256 of the data of a task.

    Args:
        name: in TASKS.
    """
    return _views(name)[1].sha256


def task_splits(name: str, *, seed: int, n_client: int, n_fit: int, n_test: int) -> TaskSplits:
    """A task with a client that is trained on examples of its own.

    Args:
        name: in TASKS.
        seed: of the draw of the client's and of the helper's examples, and of the client's training.
        n_client: most examples of the client.
        n_fit: most examples of the helper.
        n_test: most examples of a part, drawn alike for all seeds; of "validation" at most FORECAST_EXAMPLES.

    Returns:
        `TaskSplits`.
    """
    sensed, sent = _views(name)
    random = np.random.default_rng(seed)
    half = np.isin(np.arange(len(sent.train.y)), random.permutation(len(sent.train.y))[::2])
    of_client = TASKS[name].client_rows(sent, half)
    client_rows = drawn_rows(sent.train.y, of_client, n_client, random)
    fit_rows = drawn_rows(sent.train.y, ~of_client, n_fit, random)
    client = _fit_client(name, select(sensed.train, client_rows), len(sent.classes), seed)
    parts, probabilities = {}, {"fit": client(sensed.train.x[fit_rows])}
    for part, examples in sent.parts.items():
        if part != "train" and part not in UNUSED_PARTS:
            most = min(n_test, FORECAST_EXAMPLES) if part == "validation" else n_test
            rows = np.sort(np.random.default_rng(0).permutation(len(examples.y))[:most])
            parts[part] = _as_sent(name, select(examples, rows))
            probabilities[part] = client(sensed.parts[part].x[rows])
    return TaskSplits(sent.classes, _as_sent(name, select(sent.train, fit_rows)), parts, probabilities)


def part_groups(name: str, part: str, n_test: int) -> np.ndarray:
    """The groups, such as subjects, of the examples of a part on which `task_splits` evaluates systems.

    Args:
        name: in TASKS.
        part: of the task's data, other than "train" and "validation".
        n_test: as for `task_splits`.

    Returns:
        (n,) groups.
    """
    groups = _views(name)[1].parts[part].group
    return np.asarray(groups[np.sort(np.random.default_rng(0).permutation(len(groups))[:n_test])])


class ExampleSizes(NamedTuple):
    """What one example of a task is, for the sizes of networks and of messages."""

    sent: np.ndarray  # (1, ...) as the device sends it
    client_inputs: int  # numbers that the client reads
    client_classes: int  # that the client knows
    classes: int


@lru_cache(maxsize=len(TASKS))
def example_sizes(name: str) -> ExampleSizes:
    """The sizes of one example of a task.

    Args:
        name: in TASKS.
    """
    sensed, sent = _views(name)
    known = TASKS[name].client_rows(sent, np.ones(len(sent.train.y), dtype=bool))
    return ExampleSizes(
        _as_sent(name, select(sent.train, np.arange(1))).x,
        int(sensed.train.x[0].size),
        len(np.unique(sent.train.y[known])),
        len(sent.classes),
    )


def drawn_rows(y: np.ndarray, mask: np.ndarray, n: int, random: np.random.Generator) -> np.ndarray:
    """At most n rows of a mask at random; two of each class that occurs come first, so that none is lost.

    Args:
        y: (N,) labels.
        mask: (N,) rows that may be drawn.
        n: how many.
        random: of the draw.

    Returns:
        Rows in rising order.
    """
    rows = random.permutation(np.flatnonzero(mask))
    ranks = pd.Series(y[rows]).groupby(y[rows]).cumcount().to_numpy()  # 0 for the first row of each class
    return np.sort(rows[np.argsort(ranks >= 2, kind="stable")][:n])


def _as_sent(name: str, examples: LabelledExamples) -> LabelledExamples:
    """Sound as a sequence of frames, not of bands; digits at the resolution at which they were scanned, 8 x 8."""
    if name == "fsdd":
        return examples._replace(x=examples.x.swapaxes(1, 2))
    return examples._replace(x=examples.x[:, 0, 2::4, 2::4]) if name == "digits" else examples


def _fit_client(name: str, examples: LabelledExamples, n_classes: int, seed: int) -> Callable[[np.ndarray], np.ndarray]:
    """A function from what the client senses to its probabilities (n, K); a class that it does not know has none."""
    if name == IMAGES:
        split = Split(torch.from_numpy(examples.x), torch.from_numpy(examples.y))
        network = fit_client(split, kind="lenet", seed=seed)
        return lambda x: predict_scores(network, torch.from_numpy(x)).softmax(1).double().numpy()
    model = make_pipeline(StandardScaler(), LogisticRegression(C=CLIENT_PENALTY, max_iter=1000))
    model.fit(as_table(examples.x), examples.y)

    def probabilities(x: np.ndarray) -> np.ndarray:
        known = np.zeros((len(x), n_classes))
        known[:, model.classes_] = model.predict_proba(as_table(x))
        return known

    return probabilities
