"""The figure of the page on several servers."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes

from l2h.evaluation.intervals import pointwise_t_intervals
from l2h.plotting.lines import plot_bands


def plot_losses(ax: Axes, big_ce: Sequence[float], losses: Mapping[str, np.ndarray], *, expert_ce: float) -> None:
    """The loss of each set of servers over the cost of the big server, with bands over seeds.

    Args:
        ax: where to draw.
        big_ce: costs of asking the big server.
        losses: set of servers -> (number of seeds, number of costs).
        expert_ce: cost of asking an expert, a dotted line.
    """
    bands = {name: pointwise_t_intervals(values) for name, values in losses.items()}
    plot_bands(ax, big_ce, bands, xlabel="cost of asking the big server", ylabel="loss", order=list(losses))
    ax.axvline(expert_ce, color="black", linewidth=1, linestyle=":", label="cost of asking an expert")
    ax.legend()
