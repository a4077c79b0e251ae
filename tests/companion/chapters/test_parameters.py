"""Parameters of chapters: what a reader may set, what is refused and with which message."""

import ast
import json
import math
from dataclasses import FrozenInstanceError, asdict, fields
from importlib import import_module
from types import SimpleNamespace

import pytest
from IPython.core.interactiveshell import InteractiveShell

from companion.build import notebooks
from companion.chapters import parameters
from companion.chapters.parameters import (
    DIGITS_NOTICE,
    PARAMETER_CHECKS,
    chapters_with_settings,
    load_settings,
    parameter_names,
    settings_for,
)
from companion.chapters.settings import PROFILE_NAMES
from l2h.data import sources

CHAPTERS = chapters_with_settings()
NONE = {"profile": "quick", "seeds": None, "ce_grid": None, "data": "cifar10"}


def settings_module(name):
    return import_module(f"companion.chapters.{'ch' * name[0].isdigit()}{name}.settings")


def of_all_profiles(name):
    return settings_module(name).PROFILES


def requirements(name):
    return getattr(settings_module(name), "REQUIREMENTS", {})


@pytest.fixture
def shown(monkeypatch):
    """What the chapter displayed."""
    found = []
    monkeypatch.setattr(parameters, "display", lambda page: found.append(page.data))
    return found


@pytest.mark.parametrize("name", CHAPTERS)
def test_every_chapter_has_settings_per_profile_that_json_can_hold(name):
    profiles = [settings_for(name, profile) for profile in PROFILE_NAMES]
    assert [settings.profile for settings in profiles] == list(PROFILE_NAMES)
    assert {settings.chapter for settings in profiles} == {name}
    assert len({type(settings) for settings in profiles}) == 1
    for profile in PROFILE_NAMES:
        json.dumps(asdict(settings_for(name, profile)), allow_nan=False)


@pytest.mark.parametrize("name", CHAPTERS)
def test_every_value_of_every_profile_passes_its_own_check(name):
    for settings in of_all_profiles(name):
        for parameter in set(parameter_names(name)) - {"data"}:
            value = getattr(settings, parameter)
            assert PARAMETER_CHECKS[parameter](value) == value


@pytest.mark.parametrize("name", CHAPTERS)
def test_none_is_the_value_of_the_profile(name, shown):
    source = {"data": "cifar10"} if "data" in parameter_names(name) else {}
    settings = load_settings(name, dict.fromkeys(parameter_names(name)) | {"profile": "paper"} | source)
    assert asdict(settings) == asdict(settings_for(name, "paper")) | source
    assert shown == []


def test_an_explicit_value_wins():
    settings = load_settings("05_cifar10", NONE | {"seeds": 7, "ce_grid": [0, 0.15]})
    assert (settings.profile, settings.seeds, settings.ce_grid) == ("quick", 7, (0.0, 0.15))


def test_settings_cannot_be_changed():
    with pytest.raises(FrozenInstanceError):
        load_settings("05_cifar10", dict(NONE)).seeds = 3


@pytest.mark.parametrize("value", [0.1, 1, "two", None, True, [1], (1,), {"a": 1}, {1}, b"x", 1j])
def test_a_name_that_does_not_exist_is_refused_with_those_that_do(value):
    with pytest.raises(ValueError, match=r"expected parameters of 05_cifar10 among profile, .*seeds.*, got sedes$"):
        load_settings("05_cifar10", NONE | {"sedes": value})


def test_what_a_notebook_holds_besides_is_no_parameter():
    own = {
        "In": [""],
        "Out": {},
        "_": 1,
        "__name__": "__main__",
        "_dh": [],
        "json": json,
        "load_settings": load_settings,
    }
    assert load_settings("05_cifar10", NONE | own | {"get_ipython": print, "exit": SimpleNamespace()}).seeds == 2


def test_a_notebook_may_be_opened_again_with_its_variables_around():
    notebook = dict(NONE)
    first = load_settings("05_cifar10", notebook)
    notebook.update(accuracy=0.9, seeds=3)
    assert (first.seeds, load_settings("05_cifar10", notebook).seeds) == (2, 3)


def test_a_fixed_value_of_the_profile_is_no_parameter():
    fixed = {field.name for field in fields(settings_for("05_cifar10", "paper"))} - set(parameter_names("05_cifar10"))
    assert fixed
    for name in fixed:
        with pytest.raises(ValueError, match=f"got {name}$"):
            load_settings("05_cifar10", NONE | {name: 1})


@pytest.mark.parametrize(
    ("parameter", "value", "error", "message"),
    [
        ("seeds", True, TypeError, "expected seeds to be a count, a whole number >= 1, got True"),
        ("seeds", 2.0, TypeError, "got 2.0"),
        ("seeds", "2", TypeError, "got '2'"),
        ("seeds", [1, 2], TypeError, "got [1, 2]"),
        ("seeds", 0, ValueError, "expected a finite seeds >= 1, got 0"),
        ("ce_grid", 0.1, TypeError, "expected ce_grid to be a list of numbers >= 0, as in [0, 0.1], got 0.1"),
        ("ce_grid", [], TypeError, "got []"),
        ("ce_grid", ["0.1"], TypeError, "got ['0.1']"),
        ("ce_grid", [True], TypeError, "got [True]"),
        ("ce_grid", "0.1", TypeError, "got '0.1'"),
        ("ce_grid", [0.1, -0.1], ValueError, "expected finite numbers >= 0 in ce_grid, got [0.1, -0.1]"),
        ("ce_grid", [math.nan], ValueError, "got [nan]"),
        ("ce_grid", [math.inf], ValueError, "got [inf]"),
        ("data", "mnist", ValueError, "expected data to be one of 'cifar10', 'digits', got 'mnist'"),
        ("data", 10, ValueError, "got 10"),
        ("profile", "slow", ValueError, "expected profile to be one of 'quick', 'paper', 'full', got 'slow'"),
        ("profile", ["quick"], ValueError, "got ['quick']"),
    ],
)
def test_a_wrong_value_is_refused_in_words(parameter, value, error, message):
    with pytest.raises(error) as refused:
        load_settings("05_cifar10", NONE | {parameter: value})
    assert message in str(refused.value)


@pytest.mark.parametrize(("value", "error"), [(0, ValueError), (1.5, TypeError), (True, TypeError), ("9", TypeError)])
def test_the_number_of_samples_is_a_count(value, error):
    with pytest.raises(error, match="n_samples"):
        load_settings("02_bayes", {"profile": "quick", "n_samples": value, "ce_grid": None})


def test_a_constant_that_was_imported_is_no_parameter():
    namespace = {"profile": "quick", "KINDS": ("a", "b"), "LABELS": {"a": 1}, "_hidden": 1}
    assert load_settings("02_bayes", namespace).profile == "quick"
    with pytest.raises(ValueError, match="got kinds"):
        load_settings("02_bayes", {"profile": "quick", "kinds": ("a", "b")})


def test_an_unknown_chapter_is_refused():
    with pytest.raises(ValueError, match=r"expected chapter to be one of '.*'01_problem', "):
        load_settings("99_nowhere", {})


@pytest.mark.parametrize(("folder", "source"), [(None, "digits"), ("/data", "cifar10")])
def test_the_data_at_hand_are_taken_unless_named(monkeypatch, shown, folder, source):
    monkeypatch.setattr(sources, "find_cifar10", lambda: folder)
    assert load_settings("05_cifar10", NONE | {"data": None}).data == source
    assert shown == [DIGITS_NOTICE] * (source == "digits")


def test_digits_that_were_asked_for_are_announced_and_all_used(shown):
    settings = load_settings("05_cifar10", NONE | {"data": "digits"})
    assert (settings.data, settings.sizes, shown) == ("digits", (), [DIGITS_NOTICE])


LEAST = {
    "seeds": {
        "06_comparison": 2,
        "07_multiclass": 2,
        "09_drift": 2,
        "10_domains": 2,
        "11_deployment": 2,
        "ageing": 2,
        "several_servers": 2,
    },
    "n_samples": {"02_bayes": 100},
}
COUNTS = [(name, one) for name in CHAPTERS for one in ("seeds", "n_samples") if one in parameter_names(name)]
COSTS = [name for name in CHAPTERS if "ce_grid" in parameter_names(name)]


def opened(name, **given):
    source = {"data": "cifar10"} if "data" in parameter_names(name) else {}
    return load_settings(name, dict.fromkeys(parameter_names(name)) | {"profile": "quick"} | source | given)


@pytest.mark.parametrize(("name", "parameter"), COUNTS)
def test_fewer_than_a_chapter_needs_are_refused_at_the_door(name, parameter):
    least = LEAST[parameter].get(name, 1)
    assert getattr(opened(name, **{parameter: least}), parameter) == least
    with pytest.raises(ValueError, match=rf"expected .*{least}.*got {least - 1}"):
        opened(name, **{parameter: least - 1})


@pytest.mark.parametrize("name", COSTS)
@pytest.mark.parametrize(
    ("grid", "refused", "words"),
    [
        ([0.0, 0.3], ("04_surrogate", "05_cifar10", "08_costs"), "got [0.0, 0.3]: "),
        ([0.05, 0.1], ("05_cifar10",), "expected a cost 0 in ce_grid of 05_cifar10, got [0.05, 0.1]: its figures"),
        ([0.1, 0.1], ("05_cifar10", "08_costs"), "got [0.1, 0.1]: "),
        ([0, 0], ("05_cifar10", "08_costs"), "got [0.0, 0.0]: "),
        ([0.18, 0.0], ("08_costs",), "expected costs > 0 in ce_grid of 08_costs, got [0.18, 0.0]: at cost 0"),
        ([0.5, 2.0, 0.5], ("04_surrogate", "05_cifar10"), "expected costs in [0, 0.18] in ce_grid of "),
    ],
)
def test_costs_with_which_a_chapter_cannot_compute_are_refused_with_the_reason(name, grid, refused, words):
    if name in refused:
        with pytest.raises(ValueError) as error:
            opened(name, ce_grid=grid)
        assert words in str(error.value)
    else:
        assert opened(name, ce_grid=grid).ce_grid == tuple(map(float, grid))


@pytest.mark.parametrize("name", CHAPTERS)
def test_every_profile_has_what_its_chapter_needs(name):
    for settings, parameter in [
        (settings, parameter) for settings in of_all_profiles(name) for parameter in parameter_names(name)
    ]:
        assert all(
            requirement.met(getattr(settings, parameter)) for requirement in requirements(name).get(parameter, ())
        )


@pytest.mark.parametrize("name", CHAPTERS)
def test_requirements_are_about_parameters(name):
    assert set(requirements(name)) <= set(parameter_names(name))


@pytest.fixture
def shell(monkeypatch):
    """A session in which chapters are opened, and what is read from its cells."""
    session = InteractiveShell()
    monkeypatch.setattr(parameters, "get_ipython", lambda: session)
    return session


def asserted(shell, name, **given):
    """Open a chapter in a session, and run a cell with a claim that does not hold there."""
    source = {"data": "cifar10"} if "data" in parameter_names(name) else {}
    shell.user_ns.update(dict.fromkeys(parameter_names(name)) | {"profile": "quick"} | source | given)
    load_settings(name, shell.user_ns)
    ran = shell.run_cell("low = 0\ndef claim():\n    assert low > 0, 'gain'\nclaim()\nreached = True")
    return type(ran.error_in_exec) if ran.error_in_exec else None


OWN = {"seeds": 5, "n_samples": 1234, "ce_grid": [0, 0.01, 0.1]}


@pytest.mark.parametrize(
    ("name", "parameter"), [(name, one) for name in CHAPTERS for one in OWN if one in parameter_names(name)]
)
def test_assertions_bind_the_parameters_of_the_profile_only(shell, shown, name, parameter):
    value = [0.01, 0.1] if (name, parameter) == ("08_costs", "ce_grid") else OWN[parameter]
    assert asserted(shell, name, **{parameter: value}) is None
    assert shell.user_ns["reached"] and len(shown) == 1
    words = repr(tuple(map(float, value)) if parameter == "ce_grid" else value)
    assert shown[0].startswith("> **Does not hold here:** `low > 0`. ") and f"here {parameter} = {words}." in shown[0]
    # Opened again with the profile's own value, the session has assertions that fail.
    assert asserted(shell, name, **{parameter: getattr(settings_for(name, "quick"), parameter)}) is AssertionError


def test_on_digits_assertions_bind_where_they_are_tested(shell, shown):
    assert asserted(shell, "05_cifar10", data="digits") is AssertionError
    assert asserted(shell, "05_cifar10", data="digits", profile="paper") is None
    assert "here data = 'digits'." in shown[-1]


def test_an_assertion_that_holds_reports_nothing(shell, shown):
    asserted(shell, "choosing", n_samples=7)
    shown.clear()
    assert shell.run_cell("assert low == 0").success and shown == []


@pytest.mark.parametrize("name", [name for name in notebooks.chapter_names() if name in CHAPTERS])
def test_no_assertion_stands_in_the_cell_that_opens_its_chapter(name):
    cells = [cell.source for cell in notebooks.code_cells(notebooks.read_source(name))]
    (opening,) = [cell for cell in cells if "load_settings(" in cell]
    assert not any(isinstance(node, ast.Assert) for node in ast.walk(ast.parse(opening)))
