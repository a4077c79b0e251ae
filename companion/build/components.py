"""Write the variance components of the record of chapter 06, which the page on intervals reads, into its folder.

`python -m companion.build.components` computes them from the stored runs of chapter 06 at `paper`, and the processor
seconds from the summaries beside its record. It trains nothing, and refuses to start where a run is missing.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from companion.build import console, notebooks, summaries
from companion.chapters.ch06_comparison import experiments
from companion.chapters.parameters import settings_for
from companion.chapters.systems import all_configs
from l2h.evaluation.comparisons import differences_per_example
from l2h.evaluation.crossed import variance_components
from l2h.evaluation.curves import auc_contributions
from l2h.evaluation.metrics import client_server_correctness, keep_indicator
from l2h.experiments import run
from l2h.experiments.store import Store, write_atomically
from l2h.problem import Predictions

REFERENCE = "learning to help"
SEPARATE_SERVER = "two-stage"  # a system with the server trained alone
AREA, SERVER_ACCURACY = "area", "server accuracy on asked"
COVARIANCE_SETTINGS = ("as_released, easy pair", "well_trained, hard pair")  # whose covariances are kept
SIGNIFICANT_DIGITS = 6
FOLDER = notebooks.ROOT / "companion" / "chapters" / "intervals"


def main(folder: Path = FOLDER) -> int:
    """The command: write the three files; it ends as `console.run_command` says."""

    def written() -> int:
        systems_by_setting = stored_systems(Store())
        for name, table in {
            "components": component_table(systems_by_setting),
            "covariances": covariance_table({name: systems_by_setting[name] for name in COVARIANCE_SETTINGS}),
            "seconds": seconds_table(summaries.read_summaries(notebooks.ROOT / "book" / "06_comparison.ipynb")),
        }.items():
            write_atomically(folder / f"{name}.csv", table.to_csv(index=False, float_format=f"%.{SIGNIFICANT_DIGITS}g"))
        return 0

    return console.run_command(written)


def stored_systems(store: Store) -> dict[str, dict[str, list[Predictions]]]:
    """The test predictions of chapter 06 at `paper` in every setting, from the store.

    Args:
        store: that holds the runs.

    Returns:
        Setting -> name of a system -> predictions, one per seed.

    Raises:
        FileNotFoundError: if runs are missing, with their number.
    """
    settings = replace(settings_for("06_comparison", "paper"), data="cifar10")
    grid = experiments.comparison_grid(settings)
    configs = all_configs(grid, settings.seeds)
    missing = sum(run.run_key(config) not in store for config in configs)
    if missing:
        raise FileNotFoundError(
            f"expected all {len(configs)} runs of chapter 06 in {store.folder}, got {missing} missing"
        )
    results = {config: run.run(config, store=store) for config in configs}
    return dict(experiments.predictions_by_setting(results, grid, settings.seeds))


def component_table(systems_by_setting: Mapping[str, Mapping[str, Sequence[Predictions]]]) -> pd.DataFrame:
    """The variance components of each difference of learning to help to a baseline.

    Args:
        systems_by_setting: setting -> systems.

    Returns:
        One row per setting, quantity and baseline: the mean, the numbers of seeds and images, the three components, and
        the share of images that count.
    """
    rows = []
    for setting, systems in systems_by_setting.items():
        for baseline, values in _area_differences(systems).items():
            rows.append(_row(setting, AREA, baseline, float(values.mean()), values, 1.0))
        values, asked = _server_differences(systems)
        if asked.any():
            difference = float(values[asked].mean())
            linear = asked * (values - difference) / asked.mean()
            share = float(asked.mean())
            rows.append(_row(setting, SERVER_ACCURACY, "server trained alone", difference, linear, share))
    return pd.DataFrame(rows)


def _row(
    setting: str, quantity: str, baseline: str, difference: float, values: np.ndarray, share: float
) -> dict[str, object]:
    seeds, images = values.shape
    counts = {"difference": difference, "seeds": seeds, "images": images, "share": share}
    return {"setting": setting, "quantity": quantity, "baseline": baseline, **counts} | variance_components(
        values
    )._asdict()


def _area_differences(systems: Mapping[str, Sequence[Predictions]]) -> dict[str, np.ndarray]:
    return {
        name: differences_per_example(systems[REFERENCE], predictions, auc_contributions)
        for name, predictions in systems.items()
        if name != REFERENCE
    }


def _server_differences(systems: Mapping[str, Sequence[Predictions]]) -> tuple[np.ndarray, np.ndarray]:
    """Correctness of the joint server minus that of the separate one, and which images learning to help asks."""

    def server_correctness(predictions: Predictions) -> np.ndarray:
        return client_server_correctness(predictions)[1].astype(float)

    values = differences_per_example(systems[REFERENCE], systems[SEPARATE_SERVER], server_correctness)
    return values, np.stack([keep_indicator(p) == 0 for p in systems[REFERENCE]])


def covariance_table(systems_by_setting: Mapping[str, Mapping[str, Sequence[Predictions]]]) -> pd.DataFrame:
    """Matrices of mean squares and products of the differences in area of a setting.

    Args:
        systems_by_setting: setting -> systems, of which all settings have the same.

    Returns:
        One row per setting, source of variation and baseline, with one column per baseline.
    """
    rows = []
    for setting, systems in systems_by_setting.items():
        by_baseline = _area_differences(systems)
        values = np.stack(list(by_baseline.values()))
        values = values - values.mean(axis=(1, 2), keepdims=True)
        k, seeds, images = values.shape
        of_seed, of_image = values.mean(axis=2), values.mean(axis=1)
        residual = (values - of_seed[:, :, None] - of_image[:, None]).reshape(k, -1)
        products = {
            "seeds": images * of_seed @ of_seed.T / (seeds - 1),
            "images": seeds * of_image @ of_image.T / (images - 1),
            "residual": residual @ residual.T / (seeds - 1) / (images - 1),
        }
        for part, matrix in products.items():
            for baseline, row in zip(by_baseline, matrix, strict=True):
                rows.append(
                    {"setting": setting, "part": part, "baseline": baseline, **dict(zip(by_baseline, row, strict=True))}
                )
    return pd.DataFrame(rows)


def seconds_table(runs: pd.DataFrame) -> pd.DataFrame:
    """Mean processor seconds of the runs of a chapter by client and method.

    Args:
        runs: as `summaries.read_summaries` gives them.

    Returns:
        One row per client and method, with the number of runs.
    """
    groups = runs[runs.cpu_seconds > 0].groupby(["client", "method"], as_index=False)
    return groups.agg(cpu_seconds=("cpu_seconds", "mean"), runs=("cpu_seconds", "size"))


if __name__ == "__main__":
    sys.exit(main())
