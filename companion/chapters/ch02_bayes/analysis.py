"""Analysis of chapter 02: optimal actions, risk curves, and the checks by brute force and by simulation."""

from collections.abc import Iterable, Sequence
from fractions import Fraction

import numpy as np
import pandas as pd
from scipy.optimize import minimize_scalar
from scipy.stats import norm

from companion.chapters.ch02_bayes import brute_force
from l2h.evaluation import intervals
from l2h.losses.zero_one import generalized_zero_one_loss
from l2h.problem import Costs
from l2h.theory.bayes import CLIENT_KINDS, bayes_server, ever_optimal
from l2h.theory.distributions import DISTRIBUTIONS, Distribution

DISTRIBUTIONS_BY_LABEL = {
    label: DISTRIBUTIONS[name]
    for label, name in {"T1": "gaussians", "T2": "xor", "T3": "logistic", "T4": "atoms"}.items()
}
SIMULATED_COSTS = (Costs(1.0, 0.0), Costs(1.0, 0.15), Costs(0.5, 0.1))


def optimal_actions_table(cost_pairs: Iterable[Costs]) -> pd.DataFrame:
    """For each pair of costs and kind of client, the actions that are strictly better somewhere.

    >>> optimal_actions_table([Costs(1.0, 0.0)]).loc["c1 = 1, ce = 0", "free"]
    'ask and keep'
    """
    rows = {}
    for costs in cost_pairs:
        better = {client: ever_optimal(costs, client=client)._asdict() for client in CLIENT_KINDS}
        rows[f"c1 = {costs.c1:g}, ce = {costs.ce:g}"] = {
            client: " and ".join(action for action in actions if actions[action]) or "neither"
            for client, actions in better.items()
        }
    return pd.DataFrame(rows).T.rename_axis("ever strictly better")


def offload_rates(cost_pairs: Sequence[Costs]) -> dict[str, list[float]]:
    """The offload rate of the Bayes rejector on T1, T3 and T4, for each pair of costs.

    >>> offload_rates([Costs(1.0, 0.0)])["T4"]
    [1.0]
    """
    return {
        label: [float(distribution.ask_rate(distribution.bayes_rejector(costs))) for costs in cost_pairs]
        for label, distribution in DISTRIBUTIONS_BY_LABEL.items()
        if label != "T2"  # its integrals over the plane take longest
    }


def server_risk(distribution: Distribution) -> float:
    """The error probability of the best server on all inputs.

    >>> server_risk(DISTRIBUTIONS["atoms"])
    0.1875
    """
    return distribution.risk(lambda x: -np.ones(len(x)), costs=Costs(1.0, 0.0))


def risk_curves(distribution: Distribution, ce_grid: np.ndarray) -> dict[str, np.ndarray]:
    """Risks against ce at c1 = 1: both constant decisions, the better of the two, and the Bayes system.

    >>> curves = risk_curves(DISTRIBUTIONS["atoms"], np.array([0.0, 0.15]))
    >>> curves["server only"].tolist(), curves["Bayes system"].tolist()
    ([0.1875, 0.3375], [0.1875, 0.225])
    """
    client_only = float(distribution.client_risk()) + 0 * ce_grid
    server_only = server_risk(distribution) + ce_grid
    return {
        "client only": client_only,
        "server only": server_only,
        "always the better of the two": np.minimum(client_only, server_only),
        "Bayes system": np.array([float(distribution.bayes_risk(Costs(1.0, ce))) for ce in ce_grid]),
    }


def gain_over_constant_decisions(distribution: Distribution, *, ce: float) -> float:
    """Risk of the better constant decision minus the Bayes risk, at c1 = 1.

    >>> round(gain_over_constant_decisions(DISTRIBUTIONS["atoms"], ce=0.15), 4)
    0.1075
    """
    best_constant = min(float(distribution.client_risk()), server_risk(distribution) + ce)
    return best_constant - float(distribution.bayes_risk(Costs(1.0, ce)))


def best_threshold_excess_risk(distribution: Distribution, costs: Costs) -> float:
    """The excess risk of the best rejector that asks where p exceeds a threshold.

    Args:
        distribution: on [-1, 1], with p increasing in x, so that thresholds on p are thresholds on x.
        costs: c1 and ce.

    Returns:
        The smallest excess risk over all thresholds: searched on a grid, then by bounded minimisation.

    >>> round(best_threshold_excess_risk(DISTRIBUTIONS["logistic"], Costs(1.0, 0.15)), 9)
    0.0
    """

    def risk_of_asking_above(threshold: float) -> float:
        return distribution.risk(lambda x: threshold - x, costs=costs)

    thresholds = np.linspace(-1, 1, 201)
    grid_risks = [risk_of_asking_above(threshold) for threshold in thresholds]
    neighbours = np.clip(np.argmin(grid_risks) + np.array([-1, 1]), 0, len(thresholds) - 1)
    refined = minimize_scalar(
        risk_of_asking_above, bounds=thresholds[neighbours], method="bounded", options={"xatol": 1e-10}
    )
    return float(min(refined.fun, *grid_risks) - distribution.bayes_risk(costs))


def compare_all_rules(n_distributions: int, n_atoms: int) -> tuple[dict[str, int], int]:
    """Compare the Bayes rule with every decision rule on random finite distributions, in exact arithmetic.

    Args:
        n_distributions: number of distributions, in turn for each kind of client.
        n_atoms: atoms of each; there are 3^n_atoms rules.

    Returns:
        The number of rules by kind of client, and the number of distributions on which the risk of the Bayes rule, the
        smallest risk of all rules and the formula of the Bayes risk are not all equal.

    >>> compare_all_rules(3, 2)
    ({'deterministic': 9, 'independent': 9, 'free': 9}, 0)
    """
    generator = np.random.default_rng(0)
    n_rules, n_discrepancies = dict.fromkeys(CLIENT_KINDS, 0), 0
    for number in range(n_distributions):
        client = CLIENT_KINDS[number % len(CLIENT_KINDS)]
        atoms = brute_force.random_atoms(n_atoms, client=client, generator=generator)
        c1, ce = (Fraction(int(generator.integers(upper)), 20) for upper in (41, 21))
        risks = brute_force.all_decision_rule_risks(atoms, c1=c1, ce=ce)
        formula = sum(atom.mass * min(atom.p, c1 * min(atom.eta, 1 - atom.eta) + ce) for atom in atoms)
        bayes = risks[brute_force.bayes_decision_rule(atoms, c1=c1, ce=ce)]
        n_rules[client] += len(risks)
        n_discrepancies += not bayes == min(risks.values()) == formula
    return n_rules, n_discrepancies


def simulation_differences(n_samples: int, *, level: float) -> dict[str, intervals.Interval]:
    """Simulated minus computed Bayes risk on T1 to T4 for three pairs of costs.

    Args:
        n_samples: examples of each distribution.
        level: confidence level of each interval.

    Returns:
        Label and costs -> z interval of the difference.
    """
    differences = {}
    for seed, (label, distribution) in enumerate(DISTRIBUTIONS_BY_LABEL.items()):
        x, y, m = distribution.sample(n_samples, np.random.default_rng(seed))
        for costs in SIMULATED_COSTS:
            r, e = distribution.bayes_rejector(costs)(x), bayes_server(distribution.eta(x))
            losses = generalized_zero_one_loss(r, e, m, y, costs=costs)
            name = f"{label}: c1 = {costs.c1:g}, ce = {costs.ce:g}"
            differences[name] = intervals.z_interval(losses - float(distribution.bayes_risk(costs)), level=level)
    return differences


def max_z_score(differences: Iterable[intervals.Interval], *, level: float) -> float:
    """The largest absolute z score of differences with z intervals.

    >>> round(max_z_score([intervals.Interval(1.0, -1.0, 3.0)], level=0.95), 2)
    0.98
    """
    relative_errors = [abs(item.estimate) / (item.high - item.estimate) for item in differences]
    return float(max(relative_errors) * norm.isf((1 - level) / 2))
