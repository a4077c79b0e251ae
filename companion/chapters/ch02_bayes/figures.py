"""Figures of the chapter on Bayes rules: decision regions, gains of asking, risks and offload rates, simulations."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Polygon

from l2h.evaluation.intervals import Interval
from l2h.plotting.style import COLOURS, COST_LABEL, line_style

RISK_LABEL = "risk (mistakes of the client)"
REGION_STYLES: dict[str, dict[str, Any]] = {
    "keep": {"facecolor": "#0072B24D", "label": "keep"},
    "minus": {"facecolor": "#009E7340", "hatch": "---", "label": "ask: $-1$"},
    "plus": {"facecolor": "#E69F0040", "hatch": "|||", "label": "ask: $+1$"},
}


def plot_decision_regions(ax: Axes, polygons: Any, *, title: str) -> None:
    r"""Decision regions in the unit square of eta and p, and the two lines of deterministic clients.

    Args:
        ax: where to draw.
        polygons: `DecisionRegions` of corners (eta, p).
        title: of the panel.
    """
    for name, appearance in REGION_STYLES.items():
        ax.add_patch(Polygon(getattr(polygons, name), edgecolor="black", linewidth=1.2, **appearance))
    for start in (0, 1):
        ax.plot([0, 1], [start, 1 - start], color="black", linestyle="--", linewidth=1)
    ax.set(xlabel=r"$\eta = P(Y = 1 \mid x)$", ylabel=r"$p = P(M \neq Y \mid x)$", xlim=(0, 1), ylim=(0, 1))
    ax.set(title=title, aspect="equal", xticks=[0, 0.5, 1], yticks=[0, 0.5, 1])
    ax.grid(False)


def plot_asking_gains(ax: Axes, p: Any, gains: Mapping[str, tuple[Any, float]]) -> None:
    """Gain of asking for a deterministic client against its error probability, with a marker at the threshold.

    Args:
        ax: where to draw.
        p: (k,) error probabilities.
        gains: name -> ((k,) gains, the threshold p_t).
    """
    ax.axhline(0, color="black", linewidth=1)
    for name, (gain, threshold) in gains.items():
        appearance = line_style(name, list(gains))
        marker = appearance.pop("marker")
        ax.plot(p, gain, label=f"{name}, $p_t$ = {threshold:.3f}", **appearance)
        ax.plot([threshold], [0], marker=marker, markersize=8, color=appearance["color"], markeredgecolor="black")
    ax.set(xlabel="error probability of the client, $p$", ylabel="gain of asking (mistakes of the client)", xlim=(0, 1))
    ax.legend()


def plot_risks(ax: Axes, ce: Any, risks: Mapping[str, Any], *, title: str) -> None:
    """Risks of systems against the cost of asking; the area between the last two is shaded.

    Args:
        ax: where to draw.
        ce: (k,) costs of asking.
        risks: name -> (k,) risks; the last is the lowest, and the one before it is compared with it.
        title: of the panel.
    """
    *_, alternative, best = risks.values()
    ax.fill_between(ce, np.asarray(best, dtype=float), np.asarray(alternative, dtype=float), color="0.85", linewidth=0)
    for name, risk in risks.items():
        ax.plot(ce, risk, label=name, markevery=0.2, **line_style(name, list(risks)))
    ax.set(xlabel=COST_LABEL, ylabel=RISK_LABEL, title=title, xlim=(min(ce), max(ce)))


def plot_ask_rates(ax: Axes, costs: Any, rates: Mapping[str, Any], *, xlabel: str) -> None:
    """Offload rate of the Bayes rejector against a cost.

    Args:
        ax: where to draw.
        costs: (k,) costs.
        rates: name -> (k,) offload rates.
        xlabel: name and unit of the cost.
    """
    for name, rate in rates.items():
        ax.plot(costs, rate, label=name, **line_style(name, list(rates)))
    ax.set(xlabel=xlabel, ylabel="share of inputs asked about", ylim=(-0.03, 1.03))
    ax.legend()


def plot_simulation_differences(ax: Axes, names: Sequence[str], differences: Sequence[Interval]) -> None:
    """Simulated minus computed values with intervals, one row each, and a line of no difference.

    Args:
        ax: where to draw.
        names: k names.
        differences: k intervals.
    """
    rows = np.arange(len(names))
    estimate, low, high = (1e3 * np.array(part, dtype=float) for part in zip(*differences, strict=True))
    ax.axvline(0, color="black", linewidth=1)
    ax.hlines(rows, low, high, color=COLOURS[0], linewidth=2)
    ax.plot(estimate, rows, linestyle="none", marker="o", color=COLOURS[0])
    ax.set_yticks(rows, names)
    ax.invert_yaxis()
    ax.set(xlabel="simulated minus computed risk (thousandths of a mistake of the client)")
