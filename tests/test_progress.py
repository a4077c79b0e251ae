"""What a sweep says while it runs."""

import logging
import re
from dataclasses import replace

import pytest

from l2h import progress
from l2h.runs import ExperimentConfig
from l2h.store import Store

RANDOM = ExperimentConfig("random", source="digits")
TRAINED = [replace(RANDOM, method="learning_to_help", seed=seed) for seed in range(4)]
CLIENT = replace(RANDOM, method="client")


def under_way():
    """Six runs, of which a quick one and two long ones are done."""
    known = progress.begin([CLIENT, *TRAINED, RANDOM])
    progress.done(known, CLIENT, 6.0)
    progress.done(known, TRAINED[0], 50.0)
    progress.done(known, TRAINED[1], 70.0)
    return known


def test_the_time_left_is_that_of_runs_of_the_same_kind():
    # two of 60 s; a random one as long as all did on average, 42 s; two at a time
    assert progress.time_left(under_way(), running=2) == "about 1:21 left"


def test_a_line_counts_what_is_done_what_runs_and_what_failed(caplog):
    caplog.set_level(logging.INFO)
    known = under_way()
    progress.failed(known, RANDOM, ValueError("why"))
    progress.tell(known, running=2)
    assert re.search(r"3 of 6 runs done, 2 running, 1 failed; 0:00 elapsed, about 1:00 left", caplog.text)


def test_lines_are_few_but_the_last_is_always_written(caplog):
    caplog.set_level(logging.INFO)
    known = progress.begin([RANDOM])
    progress.tell(known, running=1)
    progress.tell(known, running=1)
    progress.done(known, RANDOM, 1.0)
    progress.tell(known, running=0)
    assert [line.split(",")[0] for line in caplog.messages] == ["0 of 1 runs done", "1 of 1 runs done"]


def test_a_failure_shows_its_configuration_and_its_traceback(caplog):
    known = progress.begin([RANDOM])
    try:
        raise ValueError("why")
    except ValueError as error:
        progress.failed(known, RANDOM, error)
    assert f"failed: {RANDOM}" in caplog.text
    assert "Traceback" in caplog.text and "ValueError: why" in caplog.text


def test_failures_are_refused_with_the_first_and_how_to_go_on(tmp_path):
    known = under_way()
    progress.refuse_failures(known, Store(tmp_path))
    progress.failed(known, TRAINED[2], ValueError("why"))
    kept = f"3 of 6 runs were made and are kept in {tmp_path}; the same sweep makes the others"
    message = f"1 of 6 runs failed, 2 that need them were not begun; {kept}. The first that failed: {TRAINED[2]}: "
    with pytest.raises(RuntimeError, match=re.escape(message)) as refused:
        progress.refuse_failures(known, Store(tmp_path))
    assert isinstance(refused.value.__cause__, ValueError)
