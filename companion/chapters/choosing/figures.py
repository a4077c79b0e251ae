"""Figures of the page on choosing the costs."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from l2h.plotting.style import COLOURS, COST_LABEL, REFERENCE_STYLES, line_style


def plot_possible_gain(ax: Axes, ce: Any, reference_losses: Mapping[str, Any]) -> None:
    """The reference losses, and the possible gain of a rejector: between random offloading and the oracle.

    Args:
        ax: where to draw.
        ce: (k,) costs of asking.
        reference_losses: each name of `style.REFERENCE_STYLES` -> (k,) losses.
    """
    limits = (reference_losses["random, best rate"], reference_losses["oracle"])
    ax.fill_between(ce, *limits, color=COLOURS[0], alpha=0.2, linewidth=0, label="possible gain of a rejector")
    for name, appearance in REFERENCE_STYLES.items():
        ax.plot(ce, reference_losses[name], label=name, **appearance)
    ax.set(xlabel=COST_LABEL, ylabel="system loss")


def plot_controlled_rates(
    ax: Axes, budgets: Any, rates: Mapping[str, Sequence[Any]], *, order: Sequence[str] = ()
) -> None:
    """Offload rates on new images against budgets; a rate above the dash exceeds its budget.

    Args:
        ax: where to draw.
        budgets: (k,) largest allowed offload rates.
        rates: name -> (low, middle, high) rates on new images, (k,) each.
        order: names that fix the line styles across figures; by default the names of the rates.
    """
    width = 0.012 * max(budgets)
    reach = (len(rates) + 1) * width
    ax.hlines(budgets, np.subtract(budgets, reach), np.add(budgets, reach), color="black", label="budget")
    for index, (name, (low, middle, high)) in enumerate(rates.items()):
        appearance = {**line_style(name, order or list(rates)), "linestyle": "none"}
        positions = np.asarray(budgets) + (index - (len(rates) - 1) / 2) * 2 * width
        ax.vlines(positions, low, high, color=appearance["color"], linewidth=2)
        ax.plot(positions, middle, label=name, **appearance)
    ax.set(xlabel="budget (largest allowed offload rate)", ylabel="offload rate on new images")
    ax.legend()
