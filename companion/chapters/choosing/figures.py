"""Figures of the page on choosing the costs."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from l2h.plotting.style import line_style


def plot_controlled_rates(
    ax: Axes, budgets: Any, rates: Mapping[str, Sequence[Any]], *, order: Sequence[str] = ()
) -> None:
    """Offload rates on new images against the budgets that were asked for; above its dash a budget is broken.

    Args:
        ax: where to draw.
        budgets: (k,) shares that may be sent.
        rates: name -> (low, middle, high) rates on new images, (k,) each.
        order: names that fix the looks across figures; by default the names of the rates.
    """
    width = 0.012 * max(budgets)
    reach = (len(rates) + 1) * width
    ax.hlines(budgets, np.subtract(budgets, reach), np.add(budgets, reach), color="black", label="budget")
    for index, (name, (low, middle, high)) in enumerate(rates.items()):
        appearance = {**line_style(name, order or list(rates)), "linestyle": "none"}
        positions = np.asarray(budgets) + (index - (len(rates) - 1) / 2) * 2 * width
        ax.vlines(positions, low, high, color=appearance["color"], linewidth=2)
        ax.plot(positions, middle, label=name, **appearance)
    ax.set(xlabel="budget (share that may be sent)", ylabel="share sent of new images")
    ax.legend()
