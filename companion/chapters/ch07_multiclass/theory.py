"""Numerical checks of the chapter's theorems, on random points, on grids and on the distribution with groups."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch

from companion.chapters.ch07_multiclass import specialists
from companion.proofs import losses
from l2h.losses.deferral import ask_cost
from l2h.losses.stage_switching import STAGE_SWITCHING_FORMS
from l2h.losses.surrogate import as_multiclass, multiclass_surrogate_loss, surrogate_loss
from l2h.problem import Costs, asks
from l2h.theory import multiclass
from l2h.theory.bayes import bayes_rejector, pointwise_bayes_risk

CLASS_COUNTS = (2, 3, 5, 10)
N_RANDOM_POINTS = 2000  # random points for each number of classes
ALPHA_GRID = np.geomspace(0.5, 8, 41)
BETA_GRID = (2.0, 4.0, 8.0)
SPECIALIST_COSTS = Costs(c1=1.0, ce=0.15)
STAGED_BETA = 2.0


def confidence_excess_risks(ce: np.ndarray) -> dict[str, list[float]]:
    """The largest excess risk of the best rule of p alone at c1 = 1 and each cost of asking.

    Args:
        ce: (k,) costs of asking.

    Returns:
        Number of classes, as text -> k excess risks.

    >>> confidence_excess_risks(np.array([0.25]))["2"]
    [0.0]
    """
    return {
        f"{K}": [multiclass.max_confidence_excess_risk(classes=K, costs=Costs(1.0, float(cost))) for cost in ce]
        for K in CLASS_COUNTS
    }


def confidence_excess_bound(n_classes: int, c1: float) -> float:
    """The bound on the excess risk of a rule of p alone, c1 (K - 2) / (4 (K - 1)).

    >>> confidence_excess_bound(3, 1.0)
    0.125
    """
    return c1 * (n_classes - 2) / (4 * (n_classes - 1))


def stage_switching_ask_thresholds(server_error: np.ndarray, *, costs: Costs) -> dict[str, np.ndarray]:
    """The least p at which the minimiser of each stage-switching form asks, cut to [0, 1]: (k,) per form.

    >>> stage_switching_ask_thresholds(np.array([0.5]), costs=Costs(1.0, 0.25))["released"]
    array([0.])
    """
    return {
        "paper, nonnegative": np.clip(ask_cost(server_error, costs=costs), 0, 1),
        "released": np.clip(costs.ce - costs.c1 * server_error, 0, 1),
    }


def joint_stage_risks(posterior_differences: np.ndarray, p: float, *, costs: Costs) -> list[list[float]]:
    """The least joint stage-switching risk with the likelier and with the other label of two classes.

    Args:
        posterior_differences: (k,) differences between the two posteriors.
        p: error probability of the client.
        costs: c1 and ce.

    Returns:
        k risks for the likelier label, and k for the other.
    """
    return [
        [
            multiclass.min_joint_stage_risk([(1 + gap) / 2, (1 - gap) / 2], p, label, costs=costs)
            for gap in posterior_differences
        ]
        for label in (0, 1)
    ]


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
            attained = np.where(asks(r), ask_cost(server_error, costs=costs), p)
            worst = max(worst, float((attained - pointwise_bayes_risk(server_error, p, costs=costs)).max()))
    return worst


def stage_statements_table() -> pd.DataFrame:
    """The statements about the stage-switching weights with their proofs' verdicts, and the regret of each form."""
    certificates = {**losses.stage_weight_signs(), **losses.released_stage_weight()}
    rows = {name: (certificate.statement, certificate.verdict) for name, certificate in certificates.items()}
    for form in STAGE_SWITCHING_FORMS:
        statement = f"largest regret of the minimiser of the {form} form, on a grid of p, P(e≠Y|x), c1 and ce"
        rows[f"regret, {form}"] = (statement, f"{stage_regret(form):.6f}")
    return pd.DataFrame.from_dict(rows, orient="index", columns=["statement", "verdict"])


class SpecialistRisks(NamedTuple):
    """Exact risks on the distribution with groups."""

    convex: list[float]  # of the convex form, at each alpha of `ALPHA_GRID`
    with_best_rejector: list[float]  # of the same servers with the best rejectors for them
    references: dict[str, float]  # of the solutions without an alpha


def specialist_risks(n_groups: int) -> SpecialistRisks:
    """The risks of the convex form with beta = 4 at each alpha, of plain cross-entropy and of training in stages."""
    atoms, costs = specialists.specialist_distribution(n_groups), SPECIALIST_COSTS
    convex = [specialists.solve_convex(atoms, costs=costs, alpha=float(alpha), beta=4.0) for alpha in ALPHA_GRID]
    improved = [specialists.with_best_rejector(atoms, solution.e, costs=costs) for solution in convex]
    references = {
        "plain cross-entropy": specialists.solve_plain(atoms, costs=costs),
        "in stages": specialists.solve_staged(atoms, costs=costs, beta=STAGED_BETA),
    }
    return SpecialistRisks(
        [specialists.system_risk(atoms, solution, costs=costs) for solution in convex],
        [specialists.system_risk(atoms, solution, costs=costs) for solution in improved],
        {name: specialists.system_risk(atoms, solution, costs=costs) for name, solution in references.items()},
    )


def weighted_server_excess(group_counts: tuple[int, ...] = (2, 5)) -> Mapping[str, float]:
    """The smallest excess risk of plain cross-entropy, and the largest of training in stages, over group counts."""
    plain: list[float] = []
    staged: list[float] = []
    for n_groups in group_counts:
        atoms = specialists.specialist_distribution(n_groups)
        least = specialists.min_system_risk(atoms, costs=SPECIALIST_COSTS)
        solutions = (
            specialists.solve_plain(atoms, costs=SPECIALIST_COSTS),
            specialists.solve_staged(atoms, costs=SPECIALIST_COSTS, beta=STAGED_BETA),
        )
        for excess, solution in zip((plain, staged), solutions, strict=True):
            excess.append(specialists.system_risk(atoms, solution, costs=SPECIALIST_COSTS) - least)
    return {"plain": min(plain), "in stages": max(staged)}


def min_convex_excess(n_groups: int) -> float:
    """The smallest excess risk of the convex form over all pairs of `ALPHA_GRID` and `BETA_GRID`."""
    atoms = specialists.specialist_distribution(n_groups)
    solutions = (
        specialists.solve_convex(atoms, costs=SPECIALIST_COSTS, alpha=float(alpha), beta=beta)
        for beta in BETA_GRID
        for alpha in ALPHA_GRID
    )
    least = specialists.min_system_risk(atoms, costs=SPECIALIST_COSTS)
    return min(specialists.system_risk(atoms, solution, costs=SPECIALIST_COSTS) for solution in solutions) - least


def _random_points(n_classes: int) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray, Costs]]:
    """Random posteriors, the client's labels and their error probabilities, at several costs."""
    generator = np.random.default_rng(n_classes)
    for c1, ce in generator.uniform(0, 1.5, (8, 2)):
        eta = generator.dirichlet(np.full(n_classes, 0.5), N_RANDOM_POINTS)
        client = generator.integers(n_classes, size=N_RANDOM_POINTS)
        yield eta, client, 1 - np.take_along_axis(eta, client[:, None], 1)[:, 0], Costs(c1, ce)


def bayes_rules_excess(n_classes: int) -> float:
    """The risk of the Bayes rules minus the least of all K + 1 actions, at the worst of the random points."""
    worst = 0.0
    for eta, _, p, costs in _random_points(n_classes):
        label, mu = multiclass.bayes_label(eta), multiclass.multiclass_server_error(eta)
        asking = ask_cost(1 - np.take_along_axis(eta, label[:, None], 1)[:, 0], costs=costs)
        attained = np.where(asks(bayes_rejector(mu, p, costs=costs)), asking, p)
        actions = np.column_stack([p, ask_cost(1 - eta, costs=costs)])
        worst = max(worst, float((attained - actions.min(1)).max()))
    return worst


def confidence_bound_violation(n_classes: int) -> float:
    """The largest excess risk of the best rule of p minus its bound, on random points with p in steps of 0.1."""
    worst = -np.inf
    for eta, client, p, costs in _random_points(n_classes):
        level = np.round(p, 1)  # so that many points share a p
        others = np.where(np.arange(n_classes) == client[:, None], 0, eta)
        scaled = others * (level / np.where(p > 0, p, 1))[:, None]
        scaled[np.arange(N_RANDOM_POINTS), client] = 1 - level
        mu = multiclass.multiclass_server_error(scaled / scaled.sum(1, keepdims=True))
        excess = multiclass.confidence_excess_risk(
            np.full(N_RANDOM_POINTS, 1 / N_RANDOM_POINTS), level, mu, costs=costs
        )
        worst = max(worst, excess - confidence_excess_bound(n_classes, costs.c1))
    return worst


def confidence_bound_slack(n_classes: int) -> float:
    """The bound minus the excess risk of the example with a client that is always wrong."""
    spread = (n_classes - 2) / (n_classes - 1)
    costs = Costs(1.0, 1 - spread / 2)
    attained = multiclass.confidence_excess_risk([0.5, 0.5], [1, 1], [0, 1 - 1 / (n_classes - 1)], costs=costs)
    return confidence_excess_bound(n_classes, 1.0) - attained


def two_class_difference() -> float:
    """The largest relative difference between L_S and its form for K classes with K = 2."""
    generator, worst = torch.Generator().manual_seed(0), 0.0
    for alpha, beta, c1, ce in ((1.0, 2.0, 1.0, 0.15), (2.5, 1.0, 0.7, 0.0), (0.3, 4.0, 1.3, 0.4)):
        r, e = 5 * torch.randn(2, N_RANDOM_POINTS, generator=generator, dtype=torch.float64)
        m, y = 2 * torch.randint(2, (2, N_RANDOM_POINTS), generator=generator) - 1
        options: dict[str, Any] = {"costs": Costs(c1, ce), "alpha": alpha, "beta": beta}
        two_class = surrogate_loss(r, e, m, y, **options)
        columns, m_class, y_class = as_multiclass(e, m, y)
        many = multiclass_surrogate_loss(r, columns, m_class, y_class, **options)
        worst = max(worst, ((two_class - many).abs() / two_class).max().item())
    return worst
