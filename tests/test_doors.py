"""Random input at every door ends in success or in one sentence; `make bench` tries more of it, with the same seed."""

import random

import pytest
from helpers.mutations import changed_bytes, changed_json

from benchmarks import doors

FEW = {"parameters": 300, "commands": 150, "variables": 100, "store": 100, "claims": 60, "data": 50, "records": 60}


@pytest.mark.parametrize("door", doors.DOORS)
def test_whatever_comes_the_door_takes_it_or_says_why_not_and_nothing_is_lost(door):
    assert doors.bad_ends(door, FEW[door]) == []


def test_every_door_has_its_cases_in_the_benchmark():
    assert sum(doors.CASES.values()) == 10_000
    assert set(doors.CASES) == set(doors.DOORS) == set(FEW)


def test_a_case_that_ends_badly_is_found_with_its_number(monkeypatch, tmp_path):
    def one_of_three(rng, folder):
        (folder / "mine").write_text("mine")
        kind = rng.randrange(3)
        with doors.nothing_lost(folder), doors.refused_in_words("mine", (ValueError,)):
            if kind == 0:
                raise KeyError("mine")
            if kind == 1:
                (folder / "mine").unlink()

    monkeypatch.setattr(doors, "DOORS", {"one_of_three": one_of_three})
    found = doors.bad_ends("one_of_three", 12)
    assert {line.split(": ", 1)[1] for line in found} >= {"KeyError: 'mine'"}
    assert any("lost or changed" in line for line in found) and len(found) < 12
    number = int(found[0].split(": ")[0].split()[1])
    with pytest.raises(doors.BadEnd):
        doors.run_case("one_of_three", number, tmp_path)
    with pytest.raises(RuntimeError, match=f"one_of_three {number}: "):
        list(doors.figures({"one_of_three": 12}))


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        (ValueError("expected x, got y"), True),
        (ValueError("no name"), False),
        (ValueError(), False),
        (OSError(2, "x"), True),
    ],
)
def test_an_error_must_say_what_is_wrong_and_where(error, passes):
    try:
        with doors.refused_in_words("x"):
            raise error
    except doors.BadEnd:
        assert not passes
    else:
        assert passes


def test_changes_are_changes():
    rng = random.Random(0)
    assert sum(changed_bytes(b"abc" * 50, rng) != b"abc" * 50 for _ in range(50)) > 40
    assert sum(changed_json({"a": [1, {"b": 2}]}, rng) != {"a": [1, {"b": 2}]} for _ in range(50)) > 40
