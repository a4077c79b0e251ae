"""Validates a chapter's parameters.

The parameters cell of a chapter holds literals; None stands for the value of the profile, which the chapter's settings
hold. A field of the settings that readers may change has its check in `PARAMETER_CHECKS`.
"""

import ast
from collections.abc import Callable
from dataclasses import fields, replace
from math import isfinite
from typing import Any, NamedTuple

from IPython import get_ipython
from IPython.display import Markdown, display

from companion.chapters.ch01_problem import settings as ch01_problem_settings
from companion.chapters.ch02_bayes import settings as ch02_bayes_settings
from companion.chapters.ch03_bound import settings as ch03_bound_settings
from companion.chapters.ch04_surrogate import settings as ch04_surrogate_settings
from companion.chapters.ch05_cifar10 import settings as ch05_cifar10_settings
from companion.chapters.ch06_comparison import settings as ch06_comparison_settings
from companion.chapters.ch07_multiclass import settings as ch07_multiclass_settings
from companion.chapters.ch08_costs import settings as ch08_costs_settings
from companion.chapters.ch09_drift import settings as ch09_drift_settings
from companion.chapters.choosing import settings as choosing_settings
from companion.chapters.settings import PROFILES, ChapterSettings
from l2h import checks
from l2h.data import sources

DIGITS_NOTICE = (
    "> **Computed on digits, not on CIFAR-10.** CIFAR-10 was not at hand, or digits were asked for: every number and "
    "figure on this page comes from scikit-learn's bundled 8×8 digits, and says nothing about the paper's images."
)
LITERAL_TYPES = (type(None), bool, int, float, complex, str, bytes, list, tuple, dict, set)
QUICK_SPLIT_SIZES = (1000, 1000, 1000, 1000)  # images of the client, helper, calibration and validation parts at quick
RELEASED_CE_GRID = (0.0, 0.01, 0.05, 0.10, 0.15, 0.16, 0.18)  # the released formula ends at its constant 0.18
COARSE_CE_GRID = (0.0, 0.05, 0.15, 0.3, 0.5, 0.75)
FINE_CE_GRID = tuple(k / 40 for k in range(31))
SAMPLE_SIZES = (50, 100, 200, 400, 800)
HALF_DECADES = (100, 316, 1000, 3162, 10_000, 31_623, 100_000, 316_228, 1_000_000)


def load_settings(name: str, namespace: dict[str, Any]) -> Any:
    """Check a chapter's parameters and return its study, which holds a value for each.

    In IPython, assertions of later cells report what does not hold instead of failing, if a value differs from the
    profile's, or if digits are used at another profile than "quick".

    Args:
        name: of the chapter, as in its file's name.
        namespace: the notebook's globals().

    Returns:
        The profile's study of this chapter with the explicit values in place; `dataset` names the source at hand.

    Raises:
        ValueError: for a chapter, a name or a value that does not exist, with those that do; and for a value with
            which this chapter cannot compute, with the reason.
        TypeError: for a value of a wrong type.

    >>> load_settings("05_cifar10", {"profile": "quick", "seeds": 3, "ce_grid": None, "data": "cifar10"})
    Study05(profile='quick', seeds=3, ce_grid=(0.0, 0.1), ce_compare=(0.1,), ..., data='cifar10', ...)
    """
    checks.one_of(CHAPTER_SETTINGS, chapter=name)
    allowed = parameter_names(name)
    if "__study__" not in namespace:  # opened again in one session, a notebook has variables of its own
        _refuse_unknown(name, namespace, allowed)
    values = {parameter: namespace[parameter] for parameter in allowed if namespace.get(parameter) is not None}
    recorded = settings_for(name, PARAMETER_CHECKS["profile"](values.pop("profile", "paper")))
    settings = replace(
        recorded, **{parameter: PARAMETER_CHECKS[parameter](value) for parameter, value in values.items()}
    )
    for parameter in values:
        _refuse_unfit(name, parameter, getattr(settings, parameter))
    if "data" in allowed and settings.data is None:
        settings = replace(settings, data="digits" if sources.find_cifar10() is None else "cifar10")
    if "data" in allowed and settings.data == "digits":
        overrides = {"sizes": ()} if hasattr(settings, "sizes") else {}  # sizes of CIFAR-10's parts; digits are few
        settings = replace(settings, **overrides)
        display(Markdown(DIGITS_NOTICE))
    namespace["__study__"] = settings
    _bind_assertions(namespace, _differences(settings, recorded, values))
    return settings


def parameter_names(name: str) -> tuple[str, ...]:
    """The names that a reader may set in a chapter.

    Args:
        name: of the chapter, a key of `CHAPTER_SETTINGS`.

    Returns:
        The fields of its study that have a check.

    >>> parameter_names("05_cifar10")
    ('profile', 'seeds', 'ce_grid', 'data')
    """
    return tuple(field.name for field in fields(CHAPTER_SETTINGS[name][0]) if field.name in PARAMETER_CHECKS)


def _refuse_unknown(name: str, namespace: dict[str, Any], allowed: tuple[str, ...]) -> None:
    unknown = [
        variable
        for variable, value in namespace.items()
        if isinstance(value, LITERAL_TYPES) and not variable.startswith("_") and variable not in (*allowed, "In", "Out")
    ]
    if unknown:
        raise ValueError(f"expected parameters of {name} among {', '.join(allowed)}, got {', '.join(unknown)}")


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
    checks.one_of(sources.CLASSES, data=value)
    return str(value)


PARAMETER_CHECKS: dict[str, Callable[[Any], Any]] = {
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
RELEASED = RELEASED_CE_GRID[-1]
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
THEORY_SETTINGS: dict[str, tuple[ChapterSettings, ...]] = {
    "02_bayes": (
        ch02_bayes_settings.Settings("quick", n_samples=100_000, ce_grid=COARSE_CE_GRID, n_distributions=30, n_atoms=4),
        ch02_bayes_settings.Settings(
            "paper", n_samples=2_000_000, ce_grid=FINE_CE_GRID, n_distributions=400, n_atoms=5
        ),
        ch02_bayes_settings.Settings(
            "full", n_samples=20_000_000, ce_grid=FINE_CE_GRID, n_distributions=2000, n_atoms=6
        ),
    ),
    "03_bound": (
        ch03_bound_settings.Settings(
            "quick", 1000, (50, 100, 200, 400), 100, 100, images=500, erm_grid=(100, 1000, 10_000), n_erm_samples=20
        ),
        ch03_bound_settings.Settings(
            "paper",
            10_000,
            SAMPLE_SIZES,
            500,
            1500,
            images=0,
            erm_grid=(*SAMPLE_SIZES, 10_000, 100_000),
            n_erm_samples=200,
        ),
        ch03_bound_settings.Settings(
            "full",
            100_000,
            (*SAMPLE_SIZES, 1600),
            2000,
            5000,
            images=0,
            erm_grid=(*SAMPLE_SIZES, 100_000),
            n_erm_samples=1000,
        ),
    ),
    "04_surrogate": (
        ch04_surrogate_settings.Settings("quick", seeds=3),
        ch04_surrogate_settings.Settings(
            "paper", seeds=10, sample_sizes=HALF_DECADES, grid=201, heat_map_shape=(48, 36)
        ),
        ch04_surrogate_settings.Settings(
            "full", seeds=40, sample_sizes=HALF_DECADES, grid=401, heat_map_shape=(96, 72)
        ),
    ),
    "errata": (
        ChapterSettings("quick"),
        ChapterSettings("paper"),
        ChapterSettings("full"),
    ),  # the same at every profile,
}
CHAPTER_SETTINGS: dict[str, tuple[ChapterSettings, ...]] = {
    "01_problem": (
        ch01_problem_settings.Settings("quick", seeds=1, sizes=QUICK_SPLIT_SIZES, precision="float64"),
        ch01_problem_settings.Settings("paper", seeds=3, sizes=()),
        ch01_problem_settings.Settings("full", seeds=10, sizes=()),
    ),
    **THEORY_SETTINGS,
    "05_cifar10": (
        ch05_cifar10_settings.Settings(
            "quick",
            seeds=2,
            ce_grid=(0.0, 0.1),
            ce_compare=(0.1,),
            released_seeds=0,
            sizes=QUICK_SPLIT_SIZES,
            precision="float64",
        ),
        ch05_cifar10_settings.Settings("paper", seeds=5, ce_grid=RELEASED_CE_GRID),
        ch05_cifar10_settings.Settings(
            "full",
            seeds=20,
            ce_grid=RELEASED_CE_GRID,
            released_seeds=20,
            clients=("as_released", "well_trained", "lenet"),
        ),
    ),
    "06_comparison": (
        ch06_comparison_settings.Settings(
            "quick",
            seeds=2,
            claimed_systems_only=True,
            clients=("as_released",),
            pairs=("easy pair",),
            sizes=QUICK_SPLIT_SIZES,
            precision="float64",
        ),
        ch06_comparison_settings.Settings("paper", seeds=5),
        ch06_comparison_settings.Settings("full", seeds=20),
    ),
    "07_multiclass": (
        ch07_multiclass_settings.Settings(
            "quick",
            seeds=2,
            n_classes=3,
            clients=("follow_up",),
            server_network="one_hidden_layer",
            server_preset="fast",
            c1_grid=(0.0, 0.25, 0.75),
            class_counts=(2, 3),
            subset_sizes=(200, 400, 200, 200),
            update_intervals=(1,),
            n_resamples=400,
            sizes=(300, 900, 300, 300),
            precision="float64",
        ),
        ch07_multiclass_settings.Settings("paper", seeds=3),
        ch07_multiclass_settings.Settings("full", seeds=5, server_network="residual_large", server_preset="large"),
    ),
    "08_costs": (
        ch08_costs_settings.Settings(
            "quick",
            seeds=2,
            ce_grid=(0.02, 0.3),
            c1_grid=(0.5, 1.0),
            alphas=(0.5, 6.0),
            betas=(2.0,),
            alpha_rules=("released", "deterministic"),
            error_estimators=("isotonic",),
            servers=("linear", "lenet"),
            hidden_units=(4, 120),
            rejector_inputs=("scores", "features", "hidden"),
            clients=("as_released",),
            sizes=QUICK_SPLIT_SIZES,
            precision="float64",
        ),
        ch08_costs_settings.Settings("paper", seeds=3),
        ch08_costs_settings.Settings(
            "full",
            seeds=10,
            ce_grid=(0.02, 0.05, 0.1, 0.2, 0.3, 0.5),
            c1_grid=(0.25, 0.5, 1.0, 1.5, 2.0),
            alphas=(0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0),
            betas=(0.5, 1.0, 2.0, 4.0, 8.0),
            clients=("as_released", "well_trained", "lenet"),
            pairs=("easy pair", "hard pair"),
        ),
    ),
    "choosing": (
        choosing_settings.Settings("quick"),
        choosing_settings.Settings("paper"),
        choosing_settings.Settings("full"),
    ),
    "09_drift": (
        ch09_drift_settings.Settings(
            "quick",
            seeds=3,
            n_samples=200,
            length=1200,
            stationary_length=1000,
            severities=(1, 2, 3, 4),
            n_images=200,
            n_devices=15,
            sizes=QUICK_SPLIT_SIZES,
            precision="float64",
        ),
        ch09_drift_settings.Settings("paper", seeds=5, n_samples=2000),
        ch09_drift_settings.Settings("full", seeds=20, n_samples=10_000, length=20_000),
    ),
}


def settings_for(chapter: str, profile: str) -> Any:
    """The study of a chapter at a profile, with nothing changed.

    Args:
        chapter: of the chapter, a key of `CHAPTER_SETTINGS`.
        profile: one of `PROFILES`.

    Returns:
        A `ChapterSettings`.

    >>> settings_for("05_cifar10", "paper").seeds
    5
    """
    return replace(CHAPTER_SETTINGS[chapter][PROFILES.index(profile)], chapter=chapter)
