"""The strict front door for a chapter's parameters.

A chapter's parameters cell holds literals; None stands for the profile's value, which its study in `studies` holds.
A field of a study that readers may change has its check in `CHECKS`, and what one chapter needs of it in `NEEDS`.

The assertions of a chapter bind the parameters of its profiles. With a reader's own parameters they report what does
not hold and let the chapter go on.
"""

import ast
from collections.abc import Callable
from dataclasses import fields, replace
from math import isfinite
from typing import Any, NamedTuple

from IPython import get_ipython
from IPython.display import Markdown, display

from l2h import checks, data
from l2h.studies import PROFILES, RELEASED_COSTS, STUDIES, at_profile

BANNER = (
    "> **Computed on digits, not on CIFAR-10.** CIFAR-10 was not at hand, or digits were asked for: every number and "
    "figure on this page comes from scikit-learn's bundled 8×8 digits, and says nothing about the paper's images."
)
LITERALS = (type(None), bool, int, float, complex, str, bytes, list, tuple, dict, set)


def open_chapter(name: str, namespace: dict[str, Any]) -> Any:
    """Check a chapter's parameters and return its study, which holds a value for each.

    In IPython, assertions of later cells report what does not hold instead of failing, if a value differs from the
    profile's, or if digits are used at another profile than "quick".

    Args:
        name: of the chapter, as in its file's name.
        namespace: the notebook's globals().

    Returns:
        The profile's study of this chapter with the explicit values in place; `data` names the source at hand.

    Raises:
        ValueError: for a chapter, a name or a value that does not exist, with those that do; and for a value with
            which this chapter cannot compute, with the reason.
        TypeError: for a value of a wrong type.

    >>> open_chapter("05_cifar10", {"profile": "quick", "seeds": 3, "ce_grid": None, "data": "cifar10"})
    Study05(profile='quick', seeds=3, ce_grid=(0.0, 0.1), ce_compare=(0.1,), ..., data='cifar10', ...)
    """
    checks.one_of(STUDIES, chapter=name)
    known = parameters(name)
    if "__study__" not in namespace:  # opened again in one session, a notebook has variables of its own
        _refuse_unknown(name, namespace, known)
    given = {one: namespace[one] for one in known if namespace.get(one) is not None}
    recorded = at_profile(name, CHECKS["profile"](given.pop("profile", "paper")))
    study = replace(recorded, **{one: CHECKS[one](value) for one, value in given.items()})
    for one in given:
        _refuse_unfit(name, one, getattr(study, one))
    if "data" in known and study.data is None:
        study = replace(study, data="digits" if data.find() is None else "cifar10")
    if "data" in known and study.data == "digits":
        whole = {"sizes": ()} if hasattr(study, "sizes") else {}  # sizes of CIFAR-10's parts; digits are few
        study = replace(study, **whole)
        display(Markdown(BANNER))
    namespace["__study__"] = study
    _bind_assertions(namespace, _differences(study, recorded, given))
    return study


def parameters(name: str) -> tuple[str, ...]:
    """The names that a reader may set in a chapter.

    Args:
        name: of the chapter, a key of `STUDIES`.

    Returns:
        The fields of its study that have a check.

    >>> parameters("05_cifar10")
    ('profile', 'seeds', 'ce_grid', 'data')
    """
    return tuple(field.name for field in fields(STUDIES[name][0]) if field.name in CHECKS)


def _refuse_unknown(name: str, namespace: dict[str, Any], known: tuple[str, ...]) -> None:
    unknown = [
        one
        for one, value in namespace.items()
        if isinstance(value, LITERALS) and not one.startswith("_") and one not in (*known, "In", "Out")
    ]
    if unknown:
        raise ValueError(f"expected parameters of {name} among {', '.join(known)}, got {', '.join(unknown)}")


def _refuse_unfit(name: str, parameter: str, value: Any) -> None:
    for need in NEEDS.get((name, parameter), ()):
        if not need.met(value):
            shown = list(value) if isinstance(value, tuple) else value
            raise ValueError(f"expected {need.words} in {parameter} of {name}, got {shown!r}: {need.reason}")


def _differences(study: Any, recorded: Any, given: Any) -> list[str]:
    """The reader's own parameters in words; without data, since claims are tested on digits at quick, too."""
    own = [one for one in given if one != "data" and getattr(study, one) != getattr(recorded, one)]
    if getattr(study, "data", None) == "digits" and study.profile != "quick":
        own.append("data")
    return [f"{one} = {getattr(study, one)!r}" for one in own]


class ReportingAssertions(ast.NodeTransformer):
    """Turns `assert claim` into `if not claim: __report__("claim")`, for IPython's `ast_transformers`."""

    def visit_Assert(self, node: ast.Assert) -> ast.If:
        """The statement in place of an assertion."""
        report = ast.Expr(ast.Call(ast.Name("__report__", ast.Load()), [ast.Constant(ast.unparse(node.test))], []))
        found = ast.If(ast.UnaryOp(ast.Not(), node.test), [report], [])
        return ast.fix_missing_locations(ast.copy_location(found, node))


def _bind_assertions(namespace: dict[str, Any], own: list[str]) -> None:
    """Let the assertions of later cells report, if there are parameters of the reader's own, and fail otherwise."""
    shell = get_ipython()
    if shell is None:
        return
    others = [one for one in shell.ast_transformers if not isinstance(one, ReportingAssertions)]
    shell.ast_transformers = [*others, ReportingAssertions()] if own else others

    def report(claim: str) -> None:
        words = f"This chapter asserts it of the parameters of its profiles; here {', '.join(own)}."
        display(Markdown(f"> **Does not hold here:** `{claim}`. {words}"))

    namespace["__report__"] = report


def _profile(value: Any) -> str:
    checks.one_of(PROFILES, profile=value)
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
    checks.one_of(data.CLASSES, data=value)
    return str(value)


CHECKS: dict[str, Callable[[Any], Any]] = {
    "profile": _profile,
    "seeds": _count("seeds"),
    "draws": _count("draws"),
    "ce_grid": _ce_grid,
    "data": _data,
}


class Need(NamedTuple):
    """What a chapter needs of a parameter to compute all that it shows."""

    met: Callable[[Any], bool]
    words: str
    reason: str


def _at_least(count: int, what: str, reason: str) -> Need:
    return Need(lambda value: value >= count, f"at least {count} {what}", reason)


SEEDS = _at_least(2, "seeds", "its intervals are computed from the spread over seeds")
RELEASED = RELEASED_COSTS[-1]
AT_MOST = Need(
    lambda costs: max(costs) <= RELEASED,
    f"costs in [0, {RELEASED:g}]",
    f"the released formula for alpha has no value above its constant {RELEASED:g}",
)
ZERO = Need(lambda costs: 0 in costs, "a cost 0", "its figures and claims use the systems trained at cost 0")
POSITIVE = Need(lambda costs: min(costs) > 0, "costs > 0", "at cost 0 the alpha for all clients may be infinite")
DIFFERENT = Need(
    lambda costs: len(set(costs)) >= 2,
    "at least two different costs",
    "it compares the systems of the smallest and of the largest",
)

NEEDS: dict[tuple[str, str], tuple[Need, ...]] = {
    ("02_bayes", "draws"): (_at_least(100, "draws", "its normal intervals need errors of every rule"),),
    ("04_surrogate", "ce_grid"): (AT_MOST,),
    ("05_cifar10", "ce_grid"): (AT_MOST, ZERO, DIFFERENT),
    ("06_comparison", "seeds"): (SEEDS,),
    ("07_multiclass", "seeds"): (SEEDS,),
    ("08_costs", "ce_grid"): (POSITIVE, DIFFERENT),
    ("09_drift", "seeds"): (SEEDS,),
}
