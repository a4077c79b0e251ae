"""What is fitted, and how: the methods that run on a device, their options, and which models each can fit."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from torch import nn

from l2h import checks
from l2h.methods import registry
from l2h.methods.base import MethodOptions
from l2h.problem import Costs
from l2h.serving.estimator.scorers import is_sklearn_model

TEACHER = "mozannar_sontag"  # whose decisions the method "distilled" imitates
CLIENT_SCORES = "client_scores"  # the rejector that reads the client's scores instead of x
TRAINED_BEFORE = ("confidence", "separate", "two_stage", "two_sigmoid", "stage_rejector", "always_ask", "always_keep")
# These train rejector and server together.
JOINT_METHODS = ("learning_to_help", "stage_switching", "weighted_server", "differentiable_triage", "budgeted")
OWN_SERVER = (*JOINT_METHODS, "confidence_specialist", "distilled")
METHOD_NAMES = (*OWN_SERVER, *TRAINED_BEFORE)
FIXED_DECISIONS = {"always_ask": -1.0, "always_keep": 1.0}  # r of every input
CONFIDENCE_METHODS = ("confidence", "confidence_specialist")
REFUSED = {
    **dict.fromkeys(
        registry.TEACHERS, "its decision needs the server's scores; method='distilled' imitates it on the device"
    ),
    "oracle": "its decision needs the true label and the server",
    "random": "its decision does not depend on the input",
    "plain_server": "it has no rejector; method='always_ask' is the same server, asked for every input",
    "on_device_classifier": "it replaces the frozen client by another model",
}
METHOD_OPTIONS = {  # method -> the fields of `MethodOptions` that it reads and that no other parameter sets
    "learning_to_help": ("alpha", "beta"),
    "stage_switching": ("form", "update_every"),
    "weighted_server": ("beta", "update_every"),
    "stage_rejector": ("form",),
}


class FitSettings(NamedTuple):
    """What is fitted, and how."""

    method: str
    costs: Costs
    rejector: Any = None
    server: Any = None
    budget: float | None = None
    epochs: int | None = None
    seed: int = 0
    method_options: Mapping[str, Any] | None = None


def check_settings(settings: FitSettings, *, has_scores: bool) -> None:
    """Refuse a method that does not run on a device, and models and options that it cannot fit or does not read.

    Args:
        settings: method, its options, rejector and server.
        has_scores: whether the client gives scores.

    Raises:
        ValueError: with the reason.
        TypeError: if a rejector or server is neither a torch module nor a scikit-learn estimator.
    """
    method, rejector = settings.method, settings.rejector
    if method in REFUSED:
        raise ValueError(f"expected a method that decides on the device, got {method!r}: {REFUSED[method]}")
    checks.one_of(METHOD_NAMES, method=method)
    _check_method_options(settings)
    for role, model in {"rejector": rejector, "server": settings.server}.items():
        score_reader = role == "rejector" and isinstance(model, str) and model == CLIENT_SCORES
        if not (model is None or isinstance(model, nn.Module) or is_sklearn_model(model) or score_reader):
            also = f", or {CLIENT_SCORES!r}" if role == "rejector" else ""
            raise TypeError(
                f"expected a torch module, a scikit-learn estimator, or None{also} as {role}, got {_named(model)}"
            )
    if is_sklearn_model(rejector) and method != "two_stage":
        raise ValueError(
            f"expected method='two_stage' for a scikit-learn estimator as rejector, got {method!r}, which trains "
            "torch modules by gradient"
        )
    if is_sklearn_model(settings.server) and method not in TRAINED_BEFORE:
        raise ValueError(
            f"expected one of the methods {', '.join(TRAINED_BEFORE)} for a scikit-learn estimator as server, "
            f"got {method!r}, which trains torch modules by gradient"
        )
    if isinstance(rejector, str) and method in (*JOINT_METHODS, *CONFIDENCE_METHODS):
        raise ValueError(f"expected a rejector of its own, as method {method!r} has, got {rejector!r}")
    if not has_scores and (method in CONFIDENCE_METHODS or isinstance(rejector, str)):
        reader = f"rejector={rejector!r}" if isinstance(rejector, str) else f"method={method!r}"
        raise ValueError(f"expected a client with scores for {reader}, got one that gives labels alone")
    if settings.budget is not None and method == "always_ask":
        raise ValueError(
            f"expected budget=None for method='always_ask', which asks for every input, got {settings.budget}"
        )
    if settings.budget is not None and not 0 < settings.budget < 1:
        raise ValueError(f"expected a budget in (0, 1), or None, got {settings.budget}")


def _named(model: Any) -> str:
    return f"the class {model.__name__}" if isinstance(model, type) else repr(model)


def _check_method_options(settings: FitSettings) -> None:
    """Refuse options that the method does not read, and values out of range."""
    options = settings.method_options
    if options is None:
        return
    if not isinstance(options, Mapping):
        raise ValueError(f"expected method_options as a dict, or None, got {options!r}")
    known = METHOD_OPTIONS.get(settings.method, ())
    unknown = [name for name in options if name not in known]
    if unknown:
        expected = f"options among {', '.join(known)}" if known else "no options"
        raise ValueError(f"expected {expected} for the method {settings.method!r}, got {unknown[0]!r}")
    MethodOptions(**options)
