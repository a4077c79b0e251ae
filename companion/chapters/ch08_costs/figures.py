"""Figures of chapter 08."""

import pandas as pd
from matplotlib.axes import Axes

from l2h.plotting.images import plot_heat_map


def plot_alpha_beta_map(ax: Axes, table: pd.DataFrame, *, title: str, highlighted: tuple[float, float]) -> None:
    """A heat map of a metric over alpha and beta.

    Args:
        ax: where to draw.
        table: of `analysis.metric_map`.
        title: name of the metric.
        highlighted: alpha and beta of the recommended choice, framed.
    """
    alphas, betas = list(table.index), list(table.columns)
    plot_heat_map(
        ax,
        table.to_numpy(),
        rows=alphas,
        columns=betas,
        labels=("$\\alpha$", "$\\beta$"),
        title=title,
        highlighted=(alphas.index(highlighted[0]), betas.index(highlighted[1])),
    )
