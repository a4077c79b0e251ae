"""`make mutants`: what it draws, and how it counts what became of the mutants; mutmut itself is not needed."""

import tomllib
from pathlib import Path
from types import SimpleNamespace

import pytest

from benchmarks import mutants

ROOT = Path(mutants.__file__).resolve().parents[1]
NAMES = [f"l2h.problem.x_asks__mutmut_{number}" for number in range(50)]


def test_a_draw_is_the_same_for_the_same_seed_whatever_the_order_of_the_names():
    sample = mutants.drawn(NAMES, 10, seed=7)
    assert mutants.drawn(NAMES[::-1], 10, seed=7) == sample
    assert sample == sorted(set(sample)) and set(sample) < set(NAMES) and len(sample) == 10
    assert mutants.drawn(NAMES, 10, seed=8) != sample


def test_no_more_mutants_are_drawn_than_there_are():
    assert mutants.drawn(NAMES, 400, seed=7) == sorted(NAMES)


def test_every_mutant_has_its_turn():
    assert set().union(*(mutants.drawn(NAMES, 10, seed) for seed in range(100))) == set(NAMES)


def test_the_modules_of_the_core_are_those_that_a_pattern_names(tmp_path, monkeypatch):
    for path in ("l2h/problem.py", "l2h/losses/a.py", "l2h/losses/a.txt", "companion/b.py", "tests/losses/a.py"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    monkeypatch.chdir(tmp_path)
    found = mutants.core(["l2h/losses/*.py", "companion/*.py", "tests/*"])
    assert list(map(str, found)) == ["companion/b.py", "l2h/losses/a.py"]


def test_every_module_and_every_test_in_the_configuration_exists(monkeypatch):
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf8"))["tool"]["mutmut"]
    monkeypatch.chdir(ROOT)
    assert [pattern for pattern in settings["only_mutate"] if not mutants.core([pattern])] == []
    selected = [*settings["pytest_add_cli_args_test_selection"], *settings["also_copy"], *settings["source_paths"]]
    assert [path for path in selected if not Path(path).exists()] == []


def test_killed_mutants_and_those_that_hang_or_crash_are_noticed_and_all_others_are_shown():
    found = {
        "a": "killed", "b": "timeout", "c": "segfault", "d": "survived", "e": "no tests", "f": "suspicious",
        "g": "skipped", "h": "not checked",
    }  # fmt: skip
    text, enough = mutants.report(found, lambda name: f"- {name}\n+ changed")
    shown = [f"{name}: {found[name]}\n- {name}\n+ changed" for name in "defgh"]
    assert text == "\n".join([*shown, "3 of 8 mutants were noticed (37.5%); expected 95%"])
    assert not enough


@pytest.mark.parametrize(("survivors", "enough"), [(0, True), (5, True), (6, False)])
def test_ninety_five_of_a_hundred_are_enough(survivors, enough):
    found = {str(number): "survived" if number < survivors else "killed" for number in range(100)}
    assert mutants.report(found, str)[1] is enough


@pytest.fixture
def mutmut(tmp_path, monkeypatch):
    """What the command asks of mutmut: `statuses` of mutants, the exit `code` of a run, and the `commands` so far."""
    state = SimpleNamespace(statuses=dict.fromkeys(NAMES, "killed"), code=0, commands=[])

    def run(command, stdout, stderr):
        state.commands.append(command)
        return SimpleNamespace(returncode=state.code)

    monkeypatch.setattr(mutants, "all_names", lambda: NAMES)
    monkeypatch.setattr(mutants, "results", lambda names: {name: state.statuses[name] for name in names})
    monkeypatch.setattr(mutants, "LOG", tmp_path / "mutants" / "run.log")
    monkeypatch.setattr(mutants.subprocess, "run", run)
    differences = SimpleNamespace(get_diff_for_mutant=lambda name: f"the change of {name}")
    monkeypatch.setitem(mutants.sys.modules, "mutmut.mutation.diff_apply", differences)
    return state


def test_the_command_runs_what_it_draws(mutmut, capsys):
    assert mutants.main(["--number", "10", "--seed", "3"]) == 0
    (command,) = mutmut.commands
    assert command[-10:] == mutants.drawn(NAMES, 10, seed=3) and command[-12:-10] == ["--max-children", "1"]
    assert capsys.readouterr().out.endswith("10 of 10 mutants were noticed (100.0%); expected 95%\n")


def test_the_command_runs_named_mutants_and_fails_where_too_many_survive(mutmut, capsys):
    mutmut.statuses[NAMES[4]] = "survived"
    assert mutants.main(["--only", NAMES[4], NAMES[5]]) == 1
    assert mutmut.commands[0][-2:] == NAMES[4:6]
    assert f"{NAMES[4]}: survived\nthe change of {NAMES[4]}\n1 of 2 mutants" in capsys.readouterr().out


def test_a_failure_of_mutmut_is_no_result(mutmut, capsys):
    mutmut.code = 1
    assert mutants.main([]) == 2
    assert "were noticed" not in (printed := capsys.readouterr()).out and printed.err.startswith("mutmut failed; ")


@pytest.mark.parametrize("words", [["--number", "0"], ["--number", "-1"], ["--number", "many"], ["--only"]])
def test_no_mutants_are_refused_in_words_before_anything_runs(mutmut, capsys, words):
    with pytest.raises(SystemExit) as refused:
        mutants.main(words)
    assert refused.value.code == 2 and mutmut.commands == []
    assert f"error: argument {words[0]}: expected " in capsys.readouterr().err
