"""Validates a chapter's parameters.

The parameters cell of a chapter holds literals; None stands for the value of the profile, which the chapter's settings
hold. A field of the settings that readers may change has its check in `PARAMETER_CHECKS`.
"""

import ast
import pkgutil
import re
from collections.abc import Callable
from dataclasses import fields, replace
from importlib import import_module
from math import isfinite
from types import ModuleType
from typing import Any

from IPython import get_ipython
from IPython.display import Markdown, display

from companion import chapters
from companion.chapters.settings import PROFILE_NAMES
from l2h import checks
from l2h.data import sources

DIGITS_NOTICE = (
    "> **Computed on digits, not on CIFAR-10.** CIFAR-10 was not at hand, or digits were asked for: every number and "
    "figure on this page comes from scikit-learn's bundled 8×8 digits, and says nothing about the paper's images."
)
LITERAL_TYPES = (type(None), bool, int, float, complex, str, bytes, list, tuple, dict, set)


def load_settings(name: str, namespace: dict[str, Any]) -> Any:
    """Check a chapter's parameters and return its settings, which hold a value for each.

    In IPython, a false assertion of a later cell is displayed instead of raised if a value differs from the profile's,
    or if digits are used at another profile than "quick".

    Args:
        name: of the chapter, as in its file's name.
        namespace: the notebook's globals().

    Returns:
        The settings of this chapter at the profile, with the explicit values in place; `data` names the available
        source.

    Raises:
        ValueError: for a chapter, a name or a value that does not exist, with those that do; and for a value with
            which this chapter cannot compute, with the reason.
        TypeError: for a value of a wrong type.

    >>> load_settings("05_cifar10", {"profile": "quick", "seeds": 3, "ce_grid": None, "data": "cifar10"})
    Settings(profile='quick', seeds=3, ce_grid=(0.0, 0.1), ce_compare=(0.1,), ..., data='cifar10', ...)
    """
    checks.one_of(chapters_with_settings(), chapter=name)
    allowed = parameter_names(name)
    if "__settings__" not in namespace:  # when the cell is executed again, the notebook's own variables are there, too
        _refuse_unknown(name, namespace, allowed)
    values = {parameter: namespace[parameter] for parameter in allowed if namespace.get(parameter) is not None}
    of_profile = settings_for(name, PARAMETER_CHECKS["profile"](values.pop("profile", "paper")))
    settings = replace(
        of_profile, **{parameter: PARAMETER_CHECKS[parameter](value) for parameter, value in values.items()}
    )
    for parameter in values:
        _refuse_unfit(name, parameter, getattr(settings, parameter))
    if "data" in allowed and settings.data is None:
        settings = replace(settings, data="digits" if sources.find_cifar10() is None else "cifar10")
    if "data" in allowed and settings.data == "digits":
        # the sizes are those of CIFAR-10's splits; all of the few digits are used
        settings = replace(settings, **{"sizes": ()} if hasattr(settings, "sizes") else {})
        display(Markdown(DIGITS_NOTICE))
    namespace["__settings__"] = settings
    _bind_assertions(namespace, _changed_parameters(settings, of_profile, values))
    return settings


def settings_for(chapter: str, profile: str) -> Any:
    """The settings of a chapter at a profile, with nothing changed.

    Args:
        chapter: one of `chapters_with_settings()`.
        profile: one of `PROFILE_NAMES`.

    Returns:
        The chapter's `Settings`.

    >>> settings_for("05_cifar10", "paper").seeds
    5
    """
    return replace(_settings_module(chapter).PROFILES[PROFILE_NAMES.index(profile)], chapter=chapter)


def chapters_with_settings() -> tuple[str, ...]:
    """The chapters that have a folder in this package, by name.

    >>> "01_problem" in chapters_with_settings()
    True
    """
    folders = (module.name for module in pkgutil.iter_modules(chapters.__path__) if module.ispkg)
    return tuple(re.sub(r"^ch(?=\d)", "", folder) for folder in folders)


def parameter_names(name: str) -> tuple[str, ...]:
    """The parameters that a reader may set in a chapter: the fields of its settings that have a check.

    >>> parameter_names("05_cifar10")
    ('profile', 'seeds', 'ce_grid', 'data')
    """
    return tuple(field.name for field in fields(settings_for(name, "paper")) if field.name in PARAMETER_CHECKS)


def _settings_module(chapter: str) -> ModuleType:
    folder = f"ch{chapter}" if chapter[:1].isdigit() else chapter
    return import_module(f"companion.chapters.{folder}.settings")


def _refuse_unknown(name: str, namespace: dict[str, Any], allowed: tuple[str, ...]) -> None:
    # constants that a cell has imported are in upper case, and no parameter is
    literals = [key for key, value in namespace.items() if isinstance(value, LITERAL_TYPES) and not key.isupper()]
    unknown = [key for key in literals if not key.startswith("_") and key not in (*allowed, "In", "Out")]
    if unknown:
        raise ValueError(f"expected parameters of {name} among {', '.join(allowed)}, got {', '.join(unknown)}")


def _refuse_unfit(name: str, parameter: str, value: Any) -> None:
    for requirement in getattr(_settings_module(name), "REQUIREMENTS", {}).get(parameter, ()):
        if not requirement.met(value):
            got = list(value) if isinstance(value, tuple) else value
            raise ValueError(
                f"expected {requirement.expected} in {parameter} of {name}, got {got!r}: {requirement.reason}"
            )


def _changed_parameters(settings: Any, of_profile: Any, names: dict[str, Any]) -> list[str]:
    """The parameters that differ from the profile's, as text; data at quick left out, where claims are tested, too."""
    changed = [name for name in names if name != "data" and getattr(settings, name) != getattr(of_profile, name)]
    if getattr(settings, "data", None) == "digits" and settings.profile != "quick":
        changed.append("data")
    return [f"{name} = {getattr(settings, name)!r}" for name in changed]


class ReportingAssertions(ast.NodeTransformer):
    """Turns `assert claim` into `if not claim: __report__("claim")`, for IPython's `ast_transformers`."""

    def visit_Assert(self, node: ast.Assert) -> ast.If:
        """The statement in place of an assertion."""
        report = ast.Expr(ast.Call(ast.Name("__report__", ast.Load()), [ast.Constant(ast.unparse(node.test))], []))
        statement = ast.If(ast.UnaryOp(ast.Not(), node.test), [report], [])
        return ast.fix_missing_locations(ast.copy_location(statement, node))


def _bind_assertions(namespace: dict[str, Any], changed: list[str]) -> None:
    """Let a false assertion of a later cell be displayed if any parameter was changed, and raised otherwise."""
    shell = get_ipython()
    if shell is None:
        return
    others = [transformer for transformer in shell.ast_transformers if not isinstance(transformer, ReportingAssertions)]
    shell.ast_transformers = [*others, ReportingAssertions()] if changed else others

    def report(claim: str) -> None:
        context = f"This chapter asserts it for the parameters of its profiles; here {', '.join(changed)}."
        display(Markdown(f"> **Does not hold here:** `{claim}`. {context}"))

    namespace["__report__"] = report


def _profile(value: Any) -> str:
    checks.one_of(PROFILE_NAMES, profile=value)
    return str(value)


def _count(name: str) -> Callable[[Any], int]:
    def check(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise TypeError(f"expected {name} to be a count, a whole number >= 1, got {value!r}")
        checks.at_least(1, **{name: value})
        return value

    return check


def _ce_grid(value: Any) -> tuple[float, ...]:
    numbers = value if isinstance(value, list | tuple) else ()
    if not numbers or not all(isinstance(ce, int | float) and not isinstance(ce, bool) for ce in numbers):
        raise TypeError(f"expected ce_grid to be a list of numbers >= 0, as in [0, 0.1], got {value!r}")
    if not all(ce >= 0 and isfinite(ce) for ce in numbers):
        raise ValueError(f"expected finite numbers >= 0 in ce_grid, got {value!r}")
    return tuple(float(ce) for ce in numbers)


def _data(value: Any) -> str:
    checks.one_of(sources.CLASSES, data=value)
    return str(value)


PARAMETER_CHECKS: dict[str, Callable[[Any], Any]] = {
    "profile": _profile,
    "seeds": _count("seeds"),
    "n_samples": _count("n_samples"),
    "ce_grid": _ce_grid,
    "data": _data,
}
