"""What the chapter on many classes hands in for its claims: numbers that follow from theory, and those of runs."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch

from companion.chapters.ch07_multiclass import specialists
from companion.chapters.ch07_multiclass.analysis import slope_interval, trend_interval
from companion.chapters.ch07_multiclass.experiments import (
    WEIGHTED_SERVER_SYSTEMS,
    MulticlassResults,
    class_count_grid,
    confidence_with_same_server,
    follow_up_table_grid,
    form_grid,
    multiclass_grid,
    update_interval_grid,
)
from companion.claims.evidence import Evidence
from companion.proofs import counterexamples
from l2h.evaluation.comparisons import (
    client_difference_kept_asked,
    mean_difference,
    mean_interval,
    server_difference_on_asked,
)
from l2h.evaluation.curves import auc_contributions
from l2h.evaluation.metrics import client_server_correctness, keep_indicator, loss_per_example
from l2h.experiments.config import ExperimentConfig
from l2h.losses.stage_switching import STAGE_SWITCHING_FORMS
from l2h.losses.surrogate import as_multiclass, multiclass_surrogate_loss, surrogate_loss
from l2h.problem import Costs, Predictions, asks
from l2h.theory import multiclass
from l2h.theory.bayes import bayes_rejector, pointwise_bayes_risk

CLASS_COUNTS = (2, 3, 5, 10)  # of classes
N_POINTS = 2000  # random points for each number of classes
ALPHA_GRID = np.geomspace(0.5, 8, 41)
BETA_GRID = (2.0, 4.0, 8.0)
SPECIALIST_COSTS = Costs(c1=1.0, ce=0.15)  # of the testbed
PredictionsOf = Callable[[ExperimentConfig], Sequence[Predictions]]  # the test predictions of a run, one per seed


def theory_evidence() -> dict[str, Any]:
    """The evidence that needs no run: the same at every profile.

    Returns:
        Evidence by claim.

    >>> theory_evidence()["two-classes-are-a-special-case"].high < 1e-6
    True
    """
    joint = counterexamples.joint_stage_objective()["joint-stage-objective"]
    return {
        "many-classes-bayes-rules": Evidence.exact(max(_excess_of_rules(count) for count in CLASS_COUNTS)),
        "confidence-has-a-price": {
            "never more": Evidence.exact(max(over for count in CLASS_COUNTS for over in _excess_over_bound(count))),
            "attained": Evidence.exact(max(_distance_to_bound(count) for count in CLASS_COUNTS)),
        },
        "stage-minimiser-consistent": {form: Evidence.exact(stage_regret(form)) for form in STAGE_SWITCHING_FORMS[:2]},
        "joint-stage-objective-consistent": {"stated": Evidence.certified(joint)},
        "two-classes-are-a-special-case": Evidence.exact(_two_class_difference()),
        "plain-cross-entropy-does-not-specialise": _weighted_server_evidence(),
        "one-alpha-specialises-and-asks": {
            name: Evidence.exact(_min_convex_excess(pairs))
            for name, pairs in (("two classes", 1), ("four classes", 2), ("ten classes", 5))
        },
    }


def run_evidence(results: MulticlassResults, settings: Any, *, steps_per_epoch: int, data: str) -> dict[str, Any]:
    """The evidence of the runs.

    Args:
        results: what the systems said.
        settings: of the chapter.
        steps_per_epoch: in an epoch of the delayed trainings.
        data: SHA-256 of the data set.

    Returns:
        Evidence by claim.
    """
    configs = {
        name: config for (client, name), config in multiclass_grid(settings).items() if client == settings.clients[0]
    }
    predictions_of, costs = results.untuned, configs["stage switching"].costs
    stage, special, convex = (
        results.tuned_on_validation(configs[name]) for name in ("stage switching", *WEIGHTED_SERVER_SYSTEMS)
    )
    confident = predictions_of(confidence_with_same_server(settings)["stage switching"])
    by_form, by_update_interval, evidence = (
        form_grid(settings),
        update_interval_grid(settings, steps_per_epoch),
        partial(Evidence.measured, data=data),
    )
    slope = partial(slope_interval, covariate=settings.c1_grid)
    of_server, sent, loss_function = _server_correctness, _ask_values, partial(loss_per_example, costs=costs)
    update_loss_function = partial(loss_per_example, costs=by_update_interval[1].costs)
    at_follow_up_costs = {
        name: predictions_of(config)
        for (table_costs, name), config in follow_up_table_grid(settings).items()
        if table_costs == costs
    }
    return {
        "many-classes-beat-confidence": evidence(
            _mean_difference(auc_contributions), predictions_of(configs["stage switching"]), confident
        ),
        "many-classes-find-hard-examples": evidence(
            partial(client_difference_kept_asked, level=0.975),
            stage,  # for the difference, 95 % by Bonferroni
        ),
        "reversed-sign-shows-in-the-slope": {
            form: _slope_evidence(slope, [predictions_of(by_form[form, c1]) for c1 in settings.c1_grid], data)
            for form in STAGE_SWITCHING_FORMS
        },
        "reversed-sign-sends-more": evidence(
            _mean_difference(sent), at_follow_up_costs["stage, released"], at_follow_up_costs["stage, nonnegative"]
        ),
        "moderate-server": evidence(
            partial(mean_interval, per_example=of_server), predictions_of(configs["always ask"])
        )
        if settings.network.startswith("residual")
        else Evidence.absent("this profile trains a smaller server than the claim is about"),
        "specialised-server-better-where-asked": {
            "in stages": evidence(server_difference_on_asked, special, stage),
            "convex": evidence(server_difference_on_asked, convex, stage),
        },
        "specialised-system-better": evidence(_mean_difference(loss_function), special, stage),
        "gap-to-confidence-grows-with-classes": _trend_evidence(predictions_of, settings, data),
        "stale-copies-are-harmless": {
            "loss": evidence(
                _mean_difference(update_loss_function),
                predictions_of(by_update_interval[steps_per_epoch]),
                predictions_of(by_update_interval[1]),
            ),
            "offload rate": evidence(
                _mean_difference(sent),
                predictions_of(by_update_interval[steps_per_epoch]),
                predictions_of(by_update_interval[1]),
            ),
        },
    }


def confidence_excess_risks(ce: np.ndarray) -> dict[str, list[float]]:
    """What the best rule of p alone may lose at c1 = 1 and each cost of asking, for each number of classes.

    Args:
        ce: (k,) costs of asking.

    Returns:
        Number of classes, in words -> k excess risks.

    >>> confidence_excess_risks(np.array([0.25]))["2"]
    [0.0]
    """
    return {
        f"{K}": [multiclass.max_confidence_excess_risk(classes=K, costs=Costs(1.0, float(cost))) for cost in ce]
        for K in CLASS_COUNTS
    }


def stage_regret(form: str) -> float:
    """The largest regret of the stage-switching minimiser over a grid of error probabilities and costs.

    >>> stage_regret("paper") < 1e-9 < stage_regret("released")
    True
    """
    p, server_error = np.meshgrid(np.linspace(0, 1, 101), np.linspace(0, 1, 101))
    worst = 0.0
    for c1 in (0.0, 0.5, 1.0, 1.25):
        for ce in (0.0, 0.05, 0.25, 0.5):
            costs = Costs(c1, ce)
            r = multiclass.stage_minimiser(p, server_error, costs=costs, form=form)
            attained = np.where(asks(r), ce + c1 * server_error, p)
            worst = max(worst, float((attained - pointwise_bayes_risk(server_error, p, costs=costs)).max()))
    return worst


def _mean_difference(per_example: Callable[[Predictions], Any]) -> Callable[..., Any]:
    return partial(mean_difference, per_example=per_example)


def _ask_values(predictions: Predictions) -> np.ndarray:
    return 1 - keep_indicator(predictions)


def _server_correctness(predictions: Predictions) -> np.ndarray:
    return client_server_correctness(predictions)[1] * 1.0


def _slope_evidence(
    slope: Callable[..., Any], predictions_by_setting: list[Sequence[Predictions]], data: str
) -> Evidence:
    estimate, low, high = slope(predictions_by_setting)
    first_predictions = predictions_by_setting[0]
    return Evidence(estimate, low, high, n=len(first_predictions[0].y), seeds=len(first_predictions), data=data)


def _trend_evidence(predictions_of: PredictionsOf, settings: Any, data: str) -> Evidence:
    configs, class_counts = class_count_grid(settings), settings.numbers
    learned, confident = (
        [predictions_of(configs[count, name]) for count in class_counts] for name in ("two-stage", "confidence")
    )
    estimate, low, high = trend_interval(learned, confident, np.log(class_counts))
    return Evidence(estimate, low, high, seeds=settings.seeds, data=data)


def _random_points(n_classes: int) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray, Costs]]:
    """Random posteriors, the client's labels and their error probabilities, at several costs."""
    generator = np.random.default_rng(n_classes)
    for c1, ce in generator.uniform(0, 1.5, (8, 2)):
        eta = generator.dirichlet(np.full(n_classes, 0.5), N_POINTS)
        client = generator.integers(n_classes, size=N_POINTS)
        yield eta, client, 1 - np.take_along_axis(eta, client[:, None], 1)[:, 0], Costs(c1, ce)


def _excess_of_rules(n_classes: int) -> float:
    """The Bayes rules' risk less the least of all K + 1 actions, at the worst of the random points."""
    worst = 0.0
    for eta, _, p, costs in _random_points(n_classes):
        label, mu = multiclass.bayes_label(eta), multiclass.multiclass_server_error(eta)
        answer = costs.ce + costs.c1 * (1 - np.take_along_axis(eta, label[:, None], 1)[:, 0])
        attained = np.where(asks(bayes_rejector(mu, p, costs=costs)), answer, p)
        actions = np.column_stack([p, costs.ce + costs.c1 * (1 - eta)])
        worst = max(worst, float((attained - actions.min(1)).max()))
    return worst


def _excess_over_bound(n_classes: int) -> Iterator[float]:
    """By how much the best rule of p loses more than its bound, on random points with p in steps of 0.1."""
    for eta, client, p, costs in _random_points(n_classes):
        level = np.round(p, 1)  # so that many points share a p
        others = np.where(np.arange(n_classes) == client[:, None], 0, eta)
        scaled = others * (level / np.where(p > 0, p, 1))[:, None]
        scaled[np.arange(N_POINTS), client] = 1 - level
        mu = multiclass.multiclass_server_error(scaled / scaled.sum(1, keepdims=True))
        excess = multiclass.confidence_excess_risk(np.full(N_POINTS, 1 / N_POINTS), level, mu, costs=costs)
        yield excess - confidence_excess_bound(n_classes, costs.c1)


def _distance_to_bound(n_classes: int) -> float:
    """What the example with a client that is always wrong falls short of the bound."""
    spread = (n_classes - 2) / (n_classes - 1)
    costs = Costs(1.0, 1 - spread / 2)
    attained = multiclass.confidence_excess_risk([0.5, 0.5], [1, 1], [0, 1 - 1 / (n_classes - 1)], costs=costs)
    return confidence_excess_bound(n_classes, 1.0) - attained


def confidence_excess_bound(n_classes: int, c1: float) -> float:
    """The bound on what a rule of p alone loses, c1 (K - 2) / (4 (K - 1)).

    >>> confidence_excess_bound(3, 1.0)
    0.125
    """
    return c1 * (n_classes - 2) / (4 * (n_classes - 1))


def _two_class_difference() -> float:
    """The largest relative difference between L_S and its form for K classes with K = 2."""
    generator, worst = torch.Generator().manual_seed(0), 0.0
    for alpha, beta, c1, ce in ((1.0, 2.0, 1.0, 0.15), (2.5, 1.0, 0.7, 0.0), (0.3, 4.0, 1.3, 0.4)):
        r, e = 5 * torch.randn(2, N_POINTS, generator=generator, dtype=torch.float64)
        m, y = 2 * torch.randint(2, (2, N_POINTS), generator=generator) - 1
        options: dict[str, Any] = {"costs": Costs(c1, ce), "alpha": alpha, "beta": beta}
        columns, m_class, y_class = as_multiclass(e, m, y)
        two_class, many = (
            surrogate_loss(r, e, m, y, **options),
            multiclass_surrogate_loss(r, columns, m_class, y_class, **options),
        )
        worst = max(worst, ((two_class - many).abs() / two_class).max().item())
    return worst


def _weighted_server_evidence() -> dict[str, Evidence]:
    excess: dict[str, list[float]] = {"plain": [], "in stages": []}
    for pairs in (2, 5):
        atoms = specialists.specialist_distribution(pairs)
        least = specialists.min_system_risk(atoms, costs=SPECIALIST_COSTS)
        solved = (
            specialists.solve_plain(atoms, costs=SPECIALIST_COSTS),
            specialists.solve_staged(atoms, costs=SPECIALIST_COSTS, beta=2.0),
        )
        for excesses, solution in zip(excess.values(), solved, strict=True):
            excesses.append(specialists.system_risk(atoms, solution, costs=SPECIALIST_COSTS) - least)
    return {"plain": Evidence.exact(min(excess["plain"])), "in stages": Evidence.exact(max(excess["in stages"]))}


def _min_convex_excess(n_groups: int) -> float:
    """The smallest excess risk of the convex form over all alphas and betas."""
    atoms = specialists.specialist_distribution(n_groups)
    solved = (
        specialists.solve_convex(atoms, costs=SPECIALIST_COSTS, alpha=float(a), beta=beta)
        for beta in BETA_GRID
        for a in ALPHA_GRID
    )
    least = specialists.min_system_risk(atoms, costs=SPECIALIST_COSTS)
    return min(specialists.system_risk(atoms, solution, costs=SPECIALIST_COSTS) for solution in solved) - least
