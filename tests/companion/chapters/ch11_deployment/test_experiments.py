"""Chapter 11 trains nothing that chapters 06 and 08 do not train at paper."""

from types import SimpleNamespace

from companion.chapters.ch06_comparison.experiments import comparison_grid
from companion.chapters.ch08_costs.experiments import all_cost_configs, cost_grid
from companion.chapters.ch11_deployment.experiments import COMPARED, deployment_grid, systems_by_seed
from companion.chapters.parameters import settings_for
from companion.chapters.systems import all_configs


def test_at_paper_every_run_is_one_of_chapters_06_and_08():
    compared, costs = (settings_for(name, "paper") for name in ("06_comparison", "08_costs"))
    known = set(all_configs(comparison_grid(compared), compared.seeds)) | set(all_cost_configs(costs, cost_grid(costs)))
    settings = settings_for("11_deployment", "paper")
    assert set(all_configs(deployment_grid(settings), settings.seeds)) <= known


def test_systems_are_read_seed_by_seed():
    grid = deployment_grid(settings_for("11_deployment", "quick"))["systems"]
    runs = SimpleNamespace(predictions=lambda config: [(config.method, seed) for seed in range(2)])
    assert systems_by_seed(runs, grid, "as_released") == [
        {name: (grid["as_released", name].method, seed) for name in COMPARED} for seed in range(2)
    ]
