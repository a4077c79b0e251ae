"""The tasks of chapter 10: who learns from which examples, on data that installed packages ship."""

import numpy as np
import pytest

from companion.chapters.ch10_domains import tasks
from companion.chapters.ch10_domains.settings import DOMAINS, PACKAGED_TABLES
from l2h.data import domains
from l2h.data.labelled import LabelledData, LabelledExamples

LIMITS = {"n_client": 60, "n_fit": 40, "n_test": 30}


def test_every_task_has_views_that_its_data_know():
    assert set(tasks.TASKS) == {*DOMAINS, *PACKAGED_TABLES}
    for name, task in tasks.TASKS.items():
        assert set(task.client_views) <= set(domains.VIEWS[name])
        assert task.server_views == domains.SERVER_VIEWS[name]


def test_on_digits_the_tasks_are_what_packages_ship():
    assert list(tasks.tasks_of(("fsdd", "wine", "segments"), "digits")) == ["wine", "segments"]
    assert list(tasks.tasks_of(("fsdd", "wine"), "cifar10")) == ["fsdd", "wine"]


def test_client_and_helper_learn_from_different_examples():
    split = tasks.task_splits("breast_cancer", seed=1, n_client=1000, n_fit=1000, n_test=1000)
    data = domains.load("breast_cancer")
    rows = {row.tobytes() for row in split.fit.x}
    n_client = len(data.train.y) // 2 + len(data.train.y) % 2
    assert len(rows) == len(split.fit.y) == len(data.train.y) - n_client
    assert rows.isdisjoint(row.tobytes() for part in split.parts.values() for row in part.x)


def test_another_seed_draws_other_examples_to_learn_from_and_the_same_to_test_on():
    first, second = (tasks.task_splits("wine", seed=seed, **LIMITS) for seed in (1, 2))
    assert not np.array_equal(first.fit.x, second.fit.x)
    assert np.array_equal(first.parts["test"].x, second.parts["test"].x)
    assert {len(first.fit.y), *(len(part.y) for part in first.parts.values())} == {40, 30}


def test_probabilities_are_those_of_a_client_that_has_a_quarter_of_the_measurements():
    split = tasks.task_splits("wine", seed=1, **LIMITS)
    for part, probabilities in split.probabilities.items():
        examples = split.fit if part == "fit" else split.parts[part]
        assert probabilities.shape == (len(examples.y), 3)
        assert probabilities.sum(1) == pytest.approx(1)
    right = split.probabilities["fit"].argmax(1) == split.fit.y
    assert 0.4 < right.mean() < 1


def test_digits_are_sent_as_they_were_scanned():
    split = tasks.task_splits("digits", seed=1, **LIMITS)
    assert split.fit.x.shape == (40, 8, 8) and split.fit.x.dtype == np.uint8


@pytest.mark.parametrize("n_test", [20, 1000])
def test_the_groups_are_those_of_the_examples_that_are_evaluated(n_test):
    split = tasks.task_splits("wine", seed=1, n_client=60, n_fit=40, n_test=n_test)
    assert tasks.part_groups("wine", "test", n_test).tolist() == split.parts["test"].group.tolist()


def test_the_sizes_of_an_example_are_those_that_are_sent_and_read():
    digits = tasks.example_sizes("digits")
    assert (digits.sent.shape, digits.sent.dtype) == ((1, 8, 8), np.uint8)
    assert (digits.client_inputs, digits.client_classes, digits.classes) == (3 * 32 * 32 // 4, 10, 10)
    assert tasks.example_sizes("wine")[1:] == (4, 3, 3)


def test_two_rows_of_each_class_are_drawn_first():
    y = np.array([0] * 50 + [1, 1, 1] + [2])
    rows = tasks.drawn_rows(y, np.arange(54) != 0, 6, np.random.default_rng(0))
    assert len(rows) == 6 and 0 not in rows
    assert np.bincount(y[rows]).tolist() == [3, 2, 1]
    assert sorted(tasks.drawn_rows(y, y > 0, 99, np.random.default_rng(0))) == [50, 51, 52, 53]


def data_of(classes, y, group):
    examples = LabelledExamples(np.zeros((len(y), 1)), np.array(y), np.array(group))
    return LabelledData(
        "made", classes, dict.fromkeys(("train", "validation", "test"), examples), *[""] * 6, requested="made"
    )  # fmt: skip


def test_a_client_learns_from_what_its_age_and_place_allow():
    half = np.array([True, True, False, True])
    queries = data_of(("home", "banking", "kitchen_and_dining", "utility"), [0, 1, 2, 3], [0, 1, 2, 3])
    assert tasks.half_of_known_domains(queries, half).tolist() == [True, False, False, True]
    subjects = data_of(("a",), [0] * 4, [1, 2, 3, 4])
    assert tasks.first_subjects(subjects, half).tolist() == [True, True, False, False]
    batches = data_of(("a",), [0] * 4, [1, 2, 1, 2])
    assert tasks.first_months(batches, half).tolist() == [True, False, True, False]
