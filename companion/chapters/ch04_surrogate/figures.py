"""Figures of the chapter on the surrogate: each `draw_x` puts given numbers on given axes and computes nothing."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm

from l2h.plotting.lines import plot_bands
from l2h.plotting.style import ACCURACY_LABEL, COLOURS, LINE_STYLES, MARKERS, line_style

MU_LABEL = "best server's error probability $\\mu$"
P_LABEL = "client's error probability $p$"
SHADE_COLOUR = "0.9"


def plot_loss_surface(
    ax: Any, r: np.ndarray, e: np.ndarray, *, surrogate_values: np.ndarray, zero_one_values: np.ndarray
) -> None:
    """The surrogate as a wire surface above the steps of the generalized 0-1 loss.

    Args:
        ax: three-dimensional axes.
        r: (k,) rejector scores.
        e: (j,) server scores.
        surrogate_values: (j, k) the surrogate.
        zero_one_values: (j, k) the generalized 0-1 loss.
    """
    grid = np.meshgrid(r, e)
    ax.plot_surface(*grid, zero_one_values, color=COLOURS[4], rstride=1, cstride=1, linewidth=0, antialiased=False)
    ax.plot_wireframe(*grid, surrogate_values, color=COLOURS[0], linewidth=0.6, rstride=4, cstride=4)
    ax.set(xlabel="rejector's score $r$", ylabel="server's score $e$", xticks=[-1, 0, 1], yticks=[-1, 0, 1])
    ax.set_zlabel("loss (mistakes of the client)")
    ax.view_init(elev=24, azim=-125)
    ax.set_box_aspect(None, zoom=0.9)


def plot_logit_loss(ax: Axes, z: np.ndarray, losses: Mapping[str, np.ndarray], *, concave_from: float) -> None:
    """The loss along the logit of r, and the range where its last term is concave.

    Args:
        ax: where to draw.
        z: (k,) logits.
        losses: name -> (k,) losses.
        concave_from: the logit beyond which exp(alpha r(z)) is concave.
    """
    ax.axvspan(concave_from, z[-1], color=SHADE_COLOUR, label="$e^{\\alpha r(z)}$ is concave")
    for name, loss in losses.items():
        ax.plot(z, loss, label=name, markevery=0.1, **line_style(name, list(losses)))
    ax.set(xlabel="logit $z$ of the rejector, $r = 2\\sigma(z) - 1$", ylabel="loss (mistakes of the client)")
    ax.legend()


def plot_partial_min_risk(
    ax: Axes, r: np.ndarray, risks: Mapping[str, np.ndarray], minima: Mapping[str, Sequence[float]]
) -> None:
    """The partially minimised risk F(r) for several alphas, each with its minimum, and the line r = 0.

    Args:
        ax: where to draw.
        r: (k,) rejector scores.
        risks: name -> (k,) values of F.
        minima: name -> (r, F) of the minimum.
    """
    ax.axvspan(r[0], 0, color=SHADE_COLOUR)
    for name, risk in risks.items():
        appearance = line_style(name, list(risks))
        ax.plot(r, risk, label=name, color=appearance["color"], linestyle=appearance["linestyle"])
        ax.plot(*minima[name], color=appearance["color"], marker=appearance["marker"], markersize=9)
    ax.text(0.02, 0.03, "ask", transform=ax.transAxes)
    ax.text(0.98, 0.03, "keep", transform=ax.transAxes, ha="right")
    ax.set(xlabel="rejector's score $r$", ylabel="$F(r)$, surrogate risk at the best $e$", xlim=(r[0], r[-1]))
    ax.legend(loc="upper center")


def plot_ask_boundaries(ax: Axes, mu: np.ndarray, ask_cost: np.ndarray, boundaries: Mapping[str, np.ndarray]) -> None:
    """The region of the (mu, p) plane where the Bayes rule asks, and the boundary above which each alpha asks.

    Args:
        ax: where to draw.
        mu: (k,) error probabilities of the best server, increasing.
        ask_cost: (k,) cost of asking, c1 mu + ce.
        boundaries: name -> (k,) the p above which the surrogate's minimiser asks.
    """
    ax.fill_between(mu, ask_cost, 1, color=SHADE_COLOUR, label="the Bayes rule asks")
    ax.plot(mu, mu, color="black", linewidth=0.8, linestyle=":", label="deterministic client")
    ax.plot(mu, 1 - mu, color="black", linewidth=0.8, linestyle=":")
    for name, p in boundaries.items():
        ax.plot(mu, p, label=name, markevery=0.1, **line_style(name, list(boundaries)))
    ax.set(xlabel=MU_LABEL, ylabel=P_LABEL, xlim=(0, 0.5), ylim=(0, 1))
    ax.legend(loc="lower right")


def plot_ask_thresholds(ax: Axes, ce: np.ndarray, thresholds: Mapping[str, np.ndarray]) -> None:
    """The error probability from which on a rule asks, against the cost of asking.

    Args:
        ax: where to draw.
        ce: (k,) costs of asking.
        thresholds: name -> (k,) error probabilities.
    """
    for name, values in thresholds.items():
        ax.plot(ce, values, label=name, markevery=0.1, **line_style(name, list(thresholds)))
    ax.set(xlabel="cost of asking $c_e$ (mistakes of the client)", ylabel=f"asks above this {P_LABEL}", ylim=(0, 1))
    ax.legend()


def plot_accuracy_frontier(
    ax: Axes, coverage: np.ndarray, accuracy: np.ndarray, systems: Mapping[str, Mapping[str, tuple[float, float]]]
) -> None:
    """The best accuracy at each coverage, and the points of systems.

    Args:
        ax: where to draw.
        coverage: (k,) coverages, increasing.
        accuracy: (k,) accuracies of the frontier.
        systems: name -> label of a point -> (coverage, accuracy); the first and last points show their labels.
    """
    ax.plot(coverage, accuracy, color="0.6", label="asking where $p > \\tau$, all $\\tau$")
    for index, (name, points) in enumerate(systems.items()):
        marks: dict[str, Any] = {"linestyle": "none", "marker": MARKERS[index], "color": COLOURS[index]}
        ax.plot(*zip(*points.values(), strict=True), label=name, **marks)
        for label in {*list(points)[:1], *list(points)[-1:]}:
            alignment, text_offset = ("right", (-6, -14)) if index else ("left", (6, 6))
            ax.annotate(
                label, points[label], text_offset, textcoords="offset points", ha=alignment, color=COLOURS[index]
            )
    ax.set(
        xlabel="coverage (share kept on the device)",
        ylabel=ACCURACY_LABEL.replace("images", "inputs"),
        xlim=(0.5, 1.05),
    )
    ax.margins(y=0.15)
    ax.legend(loc="lower left")


def plot_excess_risk_bound(
    ax: Axes, excess: np.ndarray, *, proved_bound: np.ndarray, computed_envelope: np.ndarray
) -> None:
    """The largest excess risk for each excess surrogate risk: proved bound and computed envelope.

    Args:
        ax: where to draw.
        excess: (k,) excess surrogate risks > 0.
        proved_bound: (k,) the bound of a theorem.
        computed_envelope: (k,) the computed envelope.
    """
    ax.fill_between(excess, computed_envelope, 1e-9, color=SHADE_COLOUR)
    ax.plot(excess, proved_bound, color=COLOURS[1], linestyle=LINE_STYLES[1], label="proved bound")
    ax.plot(excess, computed_envelope, color=COLOURS[0], linestyle=LINE_STYLES[0], label="computed envelope")
    ax.set(xscale="log", yscale="log", xlabel="excess surrogate risk $R_S - R_S^*$", xlim=(excess[0], excess[-1]))
    ax.set(
        ylabel="excess risk $R - R^*$ (mistakes of the client)", ylim=(computed_envelope[0] / 2, proved_bound[-1] * 2)
    )
    ax.legend(loc="lower right")


def plot_excess_powers(
    ax: Axes, regrets: np.ndarray, measured: Mapping[str, np.ndarray], limits: Mapping[str, np.ndarray]
) -> None:
    """Excess surrogate risk of a wrong decision against its regret, and its leading terms.

    Args:
        ax: where to draw.
        regrets: (k,) regrets.
        measured: name -> (k,) excess surrogate risks.
        limits: name -> (k,) the leading term.
    """
    for name, values in measured.items():
        appearance = line_style(name, list(measured))
        ax.plot(regrets, values, label=name, linestyle="none", color=appearance["color"], marker=appearance["marker"])
        ax.plot(regrets, limits[name], color=appearance["color"], linestyle=appearance["linestyle"], linewidth=1)
    ax.set(xscale="log", yscale="log", xlabel="regret of the wrong decision (mistakes of the client)")
    ax.set(ylabel="excess surrogate risk")
    ax.legend()


def plot_learning_curves(
    ax: Axes,
    sample_sizes: Sequence[int],
    bands: Mapping[str, Sequence[Any]],
    limits: Mapping[str, float],
    approximation_error: Any,
) -> None:
    """Excess risk against the sample size: one band per rule, its limit, and the error of the best table.

    Args:
        ax: where to draw.
        sample_sizes: (k,) sample sizes.
        bands: name -> (mean, low, high), (k,) each.
        limits: name -> the exact excess risk of the rule in the population, drawn where it is not 0.
        approximation_error: (k,) mean excess risk of the best tables.
    """
    labels: dict[str, Any] = {"xlabel": "examples $n$", "ylabel": "excess risk (mistakes of the client)"}
    for name, (mean, low, high) in bands.items():
        plot_bands(ax, sample_sizes, {name: (mean, np.maximum(low, 0), high)}, order=list(bands), **labels)
        if limits[name] > 1e-9:
            colour = line_style(name, list(bands))["color"]
            ax.axhline(limits[name], color=colour, linestyle=(0, (6, 3)), linewidth=1)
    ax.plot(sample_sizes, approximation_error, color="black", linewidth=1, linestyle=(0, (1, 1)), label="best table")
    ax.set_yscale("symlog", linthresh=1e-5)
    ax.set(xscale="log", ylim=(0, 1))


def plot_regret_map(
    ax: Axes, alpha: np.ndarray, beta: np.ndarray, regrets: np.ndarray, curves: Mapping[str, np.ndarray]
) -> None:
    """Excess risk over the plane of (beta, alpha) as a heat map, with curves of alpha against beta.

    Args:
        ax: where to draw.
        alpha: (j,) increasing.
        beta: (k,) increasing.
        regrets: (j, k) excess risks >= 0.
        curves: name -> (k,) alphas.
    """
    colour_scale = PowerNorm(0.4, vmin=0)  # more contrast for small regrets
    mesh = ax.pcolormesh(beta, alpha, regrets, cmap="cividis", shading="nearest", norm=colour_scale)
    ax.figure.colorbar(mesh, ax=ax, label="excess risk (mistakes of the client)")
    for name, (colour, line) in zip(curves, (("white", "-"), (COLOURS[1], "--")), strict=False):
        ax.plot(beta, curves[name], label=name, color=colour, linestyle=line, linewidth=2)
    ax.set(xlabel="$\\beta$", ylabel="$\\alpha$", ylim=(alpha[0], alpha[-1]))
    ax.legend(loc="upper left", facecolor="0.5", labelcolor="white")
