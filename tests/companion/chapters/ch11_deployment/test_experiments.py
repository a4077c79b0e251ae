"""Chapter 11 trains nothing but what chapters 06 and 08 train at paper, and further seeds that decide one claim."""

from dataclasses import replace
from types import SimpleNamespace

from companion.chapters.ch06_comparison.experiments import comparison_grid
from companion.chapters.ch08_costs.experiments import all_cost_configs, cost_grid
from companion.chapters.ch11_deployment.experiments import (
    COMPARED,
    all_deployment_configs,
    deployment_grid,
    new_threshold_runs,
    systems_by_seed,
)
from companion.chapters.parameters import settings_for
from companion.chapters.summaries import SweptRuns
from companion.chapters.systems import all_configs
from l2h.experiments.sweep import with_dependencies

PAPER = settings_for("11_deployment", "paper")
GRID = deployment_grid(PAPER)


def runs_of_chapters_06_and_08():
    compared, costs = (settings_for(name, "paper") for name in ("06_comparison", "08_costs"))
    known = {*all_configs(comparison_grid(compared), compared.seeds), *all_cost_configs(costs, cost_grid(costs))}
    return set(with_dependencies(known))


def test_at_paper_every_run_of_the_first_seeds_is_one_of_chapters_06_and_08():
    assert set(all_configs(GRID, PAPER.seeds)) <= runs_of_chapters_06_and_08()


def test_no_chapter_has_trained_with_the_seeds_that_decide():
    runs = all_deployment_configs(PAPER, GRID)
    further = {run for run in runs if run.seed >= PAPER.seeds}
    trained = {run for run in further if run.method == "learning_to_help"}
    assert {run.ce for run in trained} == {0.02, 0.3} and len(trained) == 2 * PAPER.decision_seeds == 24
    assert not trained & runs_of_chapters_06_and_08()
    assert runs[: len(runs) - len(further)] == all_configs(GRID, PAPER.seeds), "the first seeds come first"


def test_the_seeds_that_decide_come_after_those_that_were_seen():
    config = GRID["costs"][0.3]
    results = {replace(config, seed=seed): SimpleNamespace(predictions=lambda split, seed=seed: seed)
               for seed in range(40)}  # fmt: skip
    for seeds, first in ((5, 9), (20, 20)):
        settings = replace(PAPER, seeds=seeds, decision_seeds=3)
        runs = SweptRuns(results, seeds)
        assert new_threshold_runs(runs, settings).predictions(config) == [first, first + 1, first + 2]
        assert new_threshold_runs(runs, replace(settings, decision_seeds=0)) == runs


def test_systems_are_read_seed_by_seed():
    grid = deployment_grid(settings_for("11_deployment", "quick"))["systems"]
    runs = SimpleNamespace(predictions=lambda config: [(config.method, seed) for seed in range(2)])
    assert systems_by_seed(runs, grid) == [{name: (grid[name].method, seed) for name in COMPARED} for seed in range(2)]
