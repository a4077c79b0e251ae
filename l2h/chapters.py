"""The strict front door for a chapter's parameters.

A chapter's parameters cell holds literals; None stands for the profile's value, which its study in `studies` holds.
A field of a study that readers may change has its check in `CHECKS`.
"""

from collections.abc import Callable
from dataclasses import fields, replace
from math import isfinite
from typing import Any

from IPython.display import Markdown, display

from l2h import checks, data
from l2h.studies import PROFILES, STUDIES, at_profile

BANNER = (
    "> **Computed on digits, not on CIFAR-10.** CIFAR-10 was not at hand, or digits were asked for: every number and "
    "figure on this page comes from scikit-learn's bundled 8×8 digits, and says nothing about the paper's images."
)
LITERALS = (type(None), bool, int, float, complex, str, bytes, list, tuple, dict, set)


def open_chapter(name: str, namespace: dict[str, Any]) -> Any:
    """Check a chapter's parameters and return its study, which holds a value for each.

    Args:
        name: of the chapter, as in its file's name.
        namespace: the notebook's globals().

    Returns:
        The profile's study of this chapter with the explicit values in place; `data` names the source at hand.

    Raises:
        ValueError: for a chapter, a name or a value that does not exist, with those that do.
        TypeError: for a value of a wrong type.

    >>> open_chapter("05_cifar10", {"profile": "quick", "seeds": 3, "ce_grid": None, "data": "cifar10"})
    Study05(profile='quick', seeds=3, ce_grid=(0.0, 0.1), ce_compare=(0.1,), ..., data='cifar10', ...)
    """
    checks.one_of(STUDIES, chapter=name)
    known = parameters(name)
    if "__study__" not in namespace:  # opened again in one session, a notebook has variables of its own
        _refuse_unknown(name, namespace, known)
    given = {one: namespace[one] for one in known if namespace.get(one) is not None}
    study = at_profile(name, CHECKS["profile"](given.pop("profile", "paper")))
    study = replace(study, **{one: CHECKS[one](value) for one, value in given.items()})
    if "data" in known and study.data is None:
        study = replace(study, data="digits" if data.find() is None else "cifar10")
    if "data" in known and study.data == "digits":
        whole = {"sizes": ()} if hasattr(study, "sizes") else {}  # sizes of CIFAR-10's parts; digits are few
        study = replace(study, **whole)
        display(Markdown(BANNER))
    namespace["__study__"] = study
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
