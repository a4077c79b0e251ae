"""Write the test predictions behind the figure of accuracy against coverage, from stored runs of chapter 06.

`python -m companion.build.system_scores` reads seed 0 of six systems at `paper` in the paper's setting. It trains
nothing, and refuses to start where a run is missing.
"""

import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pandas as pd

from companion.build import console, notebooks
from companion.chapters.ch06_comparison import experiments
from companion.chapters.parameters import settings_for
from l2h.evaluation.metrics import client_server_correctness
from l2h.experiments import run
from l2h.experiments.store import Store, write_atomically
from l2h.problem import Predictions

SETTING = "as_released, easy pair"  # the paper's
FIGURE_SYSTEMS = ("learning to help", "confidence", "separate", "two-stage", "triage", "random")
KEY_DIGITS = 16  # of a run's key, as in the summaries beside the record
SCORE_DIGITS = 5
FILE = notebooks.ROOT / "companion" / "chapters" / "choosing" / "systems.csv"


def main(path: Path = FILE) -> int:
    """The command: write the file; it ends as `console.run_command` says."""

    def written() -> int:
        table = score_table(stored_predictions(Store()))
        write_atomically(path, table.to_csv(index=False, float_format=f"%.{SCORE_DIGITS}g"))
        return 0

    return console.run_command(written)


def stored_predictions(store: Store) -> dict[tuple[str, str], Predictions]:
    """The test predictions of the systems, from the store.

    Args:
        store: that holds the runs.

    Returns:
        Name of a system and key of its run -> predictions.

    Raises:
        FileNotFoundError: if runs are missing, with their names.
    """
    settings = replace(settings_for("06_comparison", "paper"), data="cifar10")
    grid = experiments.comparison_grid(settings)[SETTING]
    keys = {name: run.run_key(grid[name]) for name in FIGURE_SYSTEMS}
    missing = [name for name, key in keys.items() if key not in store]
    if missing:
        raise FileNotFoundError(
            f"expected the runs of {len(FIGURE_SYSTEMS)} systems in {store.folder}, got none of {missing}"
        )
    return {(name, key[:KEY_DIGITS]): run.run(grid[name], store=store).predictions() for name, key in keys.items()}


def score_table(predictions: Mapping[tuple[str, str], Predictions]) -> pd.DataFrame:
    """One row per image: whether the client is right, and for each system its r and whether its server is right.

    Args:
        predictions: name of a system and key of its run -> predictions on the same images with the same client.

    Returns:
        A table whose columns have three headings: system, run, and "r", "server right" or "client right".
    """
    columns = {}
    for (name, key), system in predictions.items():
        client_right, server_right = client_server_correctness(system)
        columns["client", "the same for all", "client right"] = client_right.astype(int)
        columns[name, key, "r"] = system.r
        columns[name, key, "server right"] = server_right.astype(int)
    return pd.DataFrame(columns)


if __name__ == "__main__":
    sys.exit(main())
