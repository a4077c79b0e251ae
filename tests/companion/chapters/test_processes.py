"""Several processes give what one gives, in the same order."""

import os

import pytest

from companion.chapters.processes import map_in_processes


def process_of(item):
    return item, os.getpid()


@pytest.mark.parametrize("workers", ["1", "2"])
def test_results_come_in_order_from_as_many_processes_as_asked_for(workers, monkeypatch):
    monkeypatch.setenv("L2H_WORKERS", workers)
    found = map_in_processes(process_of, [3, 1, 2])
    assert [item for item, _ in found] == [3, 1, 2]
    assert {process == os.getpid() for _, process in found} == {workers == "1"}


def test_one_item_or_none_needs_no_further_process(monkeypatch):
    monkeypatch.setenv("L2H_WORKERS", "2")
    assert map_in_processes(process_of, [7]) == [(7, os.getpid())]
    assert map_in_processes(process_of, []) == []


@pytest.mark.parametrize("workers", ["0", "-1", "two", "1.5"])
def test_a_wrong_number_of_workers_is_refused(workers, monkeypatch):
    monkeypatch.setenv("L2H_WORKERS", workers)
    with pytest.raises(ValueError, match="whole number >= 1, got"):
        map_in_processes(process_of, [1, 2])
