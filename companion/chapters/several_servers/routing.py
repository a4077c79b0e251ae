"""Routing between several servers: estimated Bayes rule, trained rejector, and the limit of any rejector."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from sklearn.linear_model import LogisticRegression

from companion.chapters.several_servers import experts
from companion.chapters.several_servers.experts import EXPERT_COUNT, ModelErrors
from l2h.evaluation.crossed import crossed_intervals
from l2h.evaluation.intervals import format_interval
from l2h.experiments.sweep import map_in_processes
from l2h.losses.routing import routing_loss
from l2h.problem import Costs
from l2h.theory.several_servers import action_of_scores, bayes_action, costs_by_action

REJECTOR_COLUMNS = 512  # features that a rejector on the device reads
WEIGHT_PENALTY = 1e-4  # of the trained rejector's squared weights
ROUTER_STEPS = 100  # of LBFGS, which ends earlier where it converges
BAYES, TRAINED, ORACLE = "estimated Bayes rule", "trained rejector", "knows all errors"
SERVER_SETS = {  # columns of `ModelErrors.servers_wrong`
    "one big server": (EXPERT_COUNT,),
    "three experts": tuple(range(EXPERT_COUNT)),
    "all four servers": tuple(range(EXPERT_COUNT + 1)),
}


class Routed(NamedTuple):
    """What a system does with the test examples."""

    actions: np.ndarray  # (n,) 0 keeps, j asks the j-th server of its set
    losses: np.ndarray  # (n,)
    correct: np.ndarray  # (n,)


class ErrorProbabilities(NamedTuple):
    """Estimated probabilities of errors of the test examples."""

    client: np.ndarray  # (n,)
    servers: np.ndarray  # (n, 4)


def server_costs(expert_ce: float, big_ce: float) -> tuple[Costs, ...]:
    """The costs of the experts and of the big server, which all have c1 = 1."""
    return (*[Costs(c1=1.0, ce=expert_ce)] * EXPERT_COUNT, Costs(c1=1.0, ce=big_ce))


def error_probabilities(answers: ModelErrors) -> ErrorProbabilities:
    """Logistic regressions of the errors of client and servers on a rejector's features."""
    x, x_test = answers.x[:, :REJECTOR_COLUMNS], answers.x_test[:, :REJECTOR_COLUMNS]

    def probability(wrong: np.ndarray) -> np.ndarray:
        if wrong.all() or not wrong.any():
            return np.full(len(x_test), float(wrong[0]))
        return np.asarray(LogisticRegression(C=10.0, max_iter=300).fit(x, wrong).predict_proba(x_test)[:, 1])

    servers = [probability(column) for column in answers.servers_wrong.T]
    return ErrorProbabilities(probability(answers.client_wrong), np.column_stack(servers))


def fit_router(x: np.ndarray, action_costs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The linear rejector of the least routing loss with a penalty, by LBFGS from zero.

    Args:
        x: (n, d) features.
        action_costs: (n, k + 1) what each action cost.

    Returns:
        Weights (d, k + 1) and constants (k + 1,).
    """
    inputs, targets = torch.from_numpy(x), torch.from_numpy(action_costs)
    weights = torch.zeros(x.shape[1], targets.shape[1], dtype=torch.float64, requires_grad=True)
    constants = torch.zeros(targets.shape[1], dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([weights, constants], max_iter=ROUTER_STEPS, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = routing_loss(inputs @ weights + constants, targets).mean() + WEIGHT_PENALTY * (weights**2).sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    return weights.detach().numpy(), constants.detach().numpy()


def trained_actions(answers: ModelErrors, servers: Sequence[int], costs: Sequence[Costs]) -> np.ndarray:
    """The actions of a trained rejector on the test examples, (n,).

    Args:
        answers: with the errors from which it learns.
        servers: columns of the servers.
        costs: of these servers.
    """
    occurred = costs_by_action(answers.client_wrong, answers.servers_wrong[:, servers], costs=costs)
    weights, constants = fit_router(answers.x[:, :REJECTOR_COLUMNS], occurred)
    return np.asarray(action_of_scores(answers.x_test[:, :REJECTOR_COLUMNS] @ weights + constants))


def outcome(answers: ModelErrors, servers: Sequence[int], costs: Sequence[Costs], actions: np.ndarray) -> Routed:
    """Losses and correctness of given actions on the test examples."""
    wrong = answers.servers_wrong_test[:, servers]
    losses = costs_by_action(answers.client_wrong_test, wrong, costs=costs)
    chosen = np.column_stack([answers.client_wrong_test, wrong])
    rows = np.arange(len(actions))
    return Routed(actions, losses[rows, actions], ~chosen[rows, actions])


def routed_systems(
    answers: ModelErrors, estimates: ErrorProbabilities, *, expert_ce: float, big_ce: float
) -> dict[tuple[str, str], Routed]:
    """Every set of servers with every way to decide, and the client alone.

    Args:
        answers: of one seed.
        estimates: of the same seed.
        expert_ce: cost of asking an expert.
        big_ce: cost of asking the big server.

    Returns:
        (servers, decision) -> outcome.
    """
    all_costs = server_costs(expert_ce, big_ce)
    keep = outcome(answers, (0,), all_costs[:1], np.zeros(len(answers.x_test), dtype=int))
    found = {("none", "keeps"): keep}
    for name, servers in SERVER_SETS.items():
        costs = [all_costs[j] for j in servers]
        occurred = costs_by_action(answers.client_wrong_test, answers.servers_wrong_test[:, servers], costs=costs)
        decisions = {
            BAYES: bayes_action(estimates.client, estimates.servers[:, servers], costs=costs),
            TRAINED: trained_actions(answers, servers, costs),
            ORACLE: action_of_scores(-occurred),
        }
        for decision, actions in decisions.items():
            found[name, decision] = outcome(answers, servers, costs, actions)
    return found


def routed_systems_of_seeds(
    source: str, seeds: Sequence[int], *, expert_ce: float, big_ce: float
) -> list[dict[tuple[str, str], Routed]]:
    """`routed_systems` of several seeds, from the data on, in L2H_WORKERS processes.

    Args:
        source: of the data, as for `experts.load_task`.
        seeds: of the halves of the training examples.
        expert_ce: cost of asking an expert.
        big_ce: cost of asking the big server.

    Returns:
        (servers, decision) -> outcome, for each seed.
    """
    return map_in_processes(partial(_routed_systems_of_seed, source, expert_ce, big_ce), seeds)


def _routed_systems_of_seed(source: str, expert_ce: float, big_ce: float, seed: int) -> dict[tuple[str, str], Routed]:
    found = experts.answers(experts.load_task(source), seed=seed)
    return routed_systems(found, error_probabilities(found), expert_ce=expert_ce, big_ce=big_ce)


def routing_table(by_seed: Sequence[Mapping[tuple[str, str], Routed]]) -> pd.DataFrame:
    """Loss with its interval over seeds and test examples, accuracy, and the share that is asked.

    Args:
        by_seed: the systems of each seed.

    Returns:
        One row per system.
    """
    rows = {}
    for name in by_seed[0]:
        systems = [seed[name] for seed in by_seed]
        (loss,) = crossed_intervals(np.array([system.losses for system in systems])[None])
        rows[name] = {
            "loss": format_interval(loss),
            "accuracy": np.mean([system.correct.mean() for system in systems]),
            "asked": np.mean([(system.actions > 0).mean() for system in systems]),
        }
    return pd.DataFrame(rows).T.rename_axis(["servers", "decision"])


def losses_over_big_ce(
    answers: Sequence[ModelErrors], estimates: Sequence[ErrorProbabilities], *, expert_ce: float, grid: Sequence[float]
) -> dict[str, np.ndarray]:
    """The loss of the estimated Bayes rule for each set of servers, over the cost of the big server.

    Args:
        answers: one per seed.
        estimates: one per seed.
        expert_ce: cost of asking an expert.
        grid: costs of asking the big server.

    Returns:
        Set of servers -> (number of seeds, number of costs) losses.
    """
    found = {name: np.empty((len(answers), len(grid))) for name in SERVER_SETS}
    for s, (answer, estimate) in enumerate(zip(answers, estimates, strict=True)):
        for k, big_ce in enumerate(grid):
            for name, servers in SERVER_SETS.items():
                costs = [server_costs(expert_ce, big_ce)[j] for j in servers]
                actions = bayes_action(estimate.client, estimate.servers[:, servers], costs=costs)
                found[name][s, k] = outcome(answer, servers, costs, actions).losses.mean()
    return found
