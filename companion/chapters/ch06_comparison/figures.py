"""Figures of chapter 06: differences, ranks, losses beside reference losses, resource use, and human uncertainty."""

from collections.abc import Mapping, Sequence
from itertools import pairwise, product
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from companion.chapters.ch06_comparison.analysis import AccuracyAndCost, pareto_front
from companion.chapters.ch06_comparison.human_uncertainty import HumanComparison
from companion.chapters.ch06_comparison.primary import SMALLEST_EFFECT, Answer
from l2h.data.cifar10h import HumanLabels
from l2h.data.dataset import Split
from l2h.evaluation.intervals import Interval
from l2h.evaluation.metrics import client_server_correctness
from l2h.plotting.comparisons import FLOPS_LABEL, RESOURCE_LABELS, plot_accuracy_by_resource, plot_differences
from l2h.plotting.images import plot_images
from l2h.plotting.lines import plot_bands
from l2h.plotting.style import (
    COLOURS,
    COST_LABEL,
    OFFLOAD_RATE_LABEL,
    REFERENCE_STYLES,
    share_legend,
    subplot_grid,
)
from l2h.problem import Predictions


def plot_losses_by_cost(
    ax: Axes,
    ce: Any,
    losses: Mapping[str, Sequence[Any]],
    reference_losses: Mapping[str, Any],
    *,
    order: Sequence[str] = (),
) -> None:
    """System loss against the cost of asking: methods with bands, and the reference losses.

    Args:
        ax: where to draw.
        ce: (k,) costs of asking.
        losses: name -> (mean, low, high), (k,) each.
        reference_losses: a name of `style.REFERENCE_STYLES` -> (k,) losses.
        order: names that fix the line styles across figures; by default the names of the losses.
    """
    for name, level in reference_losses.items():
        ax.plot(ce, level, label=name, **REFERENCE_STYLES[name])
    plot_bands(ax, ce, losses, xlabel=COST_LABEL, ylabel="system loss (mistakes of the client)", order=order)


def plot_pair_differences(differences: pd.DataFrame, answers: Mapping[str, Mapping[str, Answer]]) -> None:
    """The difference on every pair of classes, one panel per primary question, with the mean and its interval.

    Args:
        differences: of `primary.pair_differences`.
        answers: of `primary.primary_answers`.
    """
    figure, axes = subplot_grid(len(answers), 2, (4.4, 2.4))
    for ax, (name, by_client) in zip(axes, answers.items(), strict=True):
        of_question = differences[differences.question == name]
        ax.axvspan(
            -SMALLEST_EFFECT, SMALLEST_EFFECT, color="black", alpha=0.08, lw=0, label=f"within ±{SMALLEST_EFFECT:g}"
        )
        ax.axvline(0, color="black", lw=0.8)
        for row, (client, answer) in enumerate(by_client.items()):
            values = np.sort(of_question[of_question.client == client].difference)
            heights = row + 0.12 + 0.3 * (np.arange(len(values)) % 5) / 5  # so that equal points stay visible
            ax.plot(values, heights, ".", ms=4, color=COLOURS[0], alpha=0.6, label="one pair" if not row else None)
            error = [
                [answer.interval.estimate - answer.interval.low],
                [answer.interval.high - answer.interval.estimate],
            ]
            ax.errorbar(
                answer.mean.estimate,
                row - 0.12,
                xerr=error,
                fmt="D",
                ms=5,
                capsize=3,
                color=COLOURS[1],
                label="mean with its interval" if not row else None,
            )
        ax.set_yticks(range(len(by_client)), list(by_client))
        ax.set(title=f"learning to help {name}" if name.startswith("minus") else name, xlabel="difference")
        ax.invert_yaxis()
    share_legend(figure, *axes)


def plot_offload_by_uncertainty(
    ax: Axes, edges: Any, shares: Any, rates: Mapping[str, Sequence[Interval]], *, order: Sequence[str] = ()
) -> None:
    """Offload rate, for groups of images by increasing disagreement of people.

    Args:
        ax: where to draw.
        edges: (k + 1,) limits of the groups in bits of human entropy.
        shares: (k,) share of the images in each group.
        rates: name -> k intervals; groups are equally wide on the axis.
        order: names that fix the line styles across figures; by default the names of the rates.
    """
    positions = np.arange(len(edges) - 1)
    bands = {name: Interval(*np.array(intervals, dtype=float).T) for name, intervals in rates.items()}
    xlabel = "entropy of human labels (bits; share of images)"
    plot_bands(ax, positions, bands, xlabel=xlabel, ylabel=OFFLOAD_RATE_LABEL, order=order)
    limits = zip(pairwise(edges), shares, strict=True)
    names = [f"{low:.2f} to\n{high:.2f}\n({share:.0%})" for (low, high), share in limits]
    ax.set_xticks(positions, names)
    ax.set_ylim(0, 1)
    ax.legend()


def plot_area_differences(
    differences: Mapping[str, Mapping[str, Interval]], baselines: Sequence[str], *, n_columns: int
) -> None:
    """A figure with one panel per setting: differences in area, learning to help minus each baseline.

    Args:
        differences: setting -> baseline -> difference.
        baselines: in the order of the rows; a row is blank where a setting lacks the baseline.
        n_columns: panels in a row.
    """
    size = (3.9, 1.3 + 0.24 * len(baselines))
    _, axes = subplot_grid(len(differences), n_columns, size, sharey=True)
    for ax, (setting, row) in zip(axes, differences.items(), strict=True):
        plot_differences(ax, {name: row.get(name) for name in baselines}, quantity="difference in area")
        ax.set_title(setting)


def plot_resource_use(
    systems_by_setting: Mapping[str, Mapping[str, AccuracyAndCost]], *, n_columns: int, order: Sequence[str]
) -> None:
    """A figure of accuracy against operations, then against bytes, one panel per setting each.

    Args:
        systems_by_setting: setting -> name of a system -> `AccuracyAndCost`; random offloading is left out.
        n_columns: panels in a row.
        order: names that fix the markers.
    """
    panels = [(label, index, setting) for index, label in enumerate(RESOURCE_LABELS) for setting in systems_by_setting]
    figure, axes = subplot_grid(len(panels), n_columns, (3.5, 3.2))
    for ax, (label, index, setting) in zip(axes, panels, strict=True):
        systems = {name: system for name, system in systems_by_setting[setting].items() if name != "random"}
        points = {name: (system.resource_use[index], system.accuracy) for name, system in systems.items()}
        front, log = pareto_front(systems, index), label == FLOPS_LABEL
        plot_accuracy_by_resource(ax, points, resource=label, order=order, pareto_front=front, log=log)
        ax.set_title(setting)
    share_legend(figure, *axes)


def plot_surest_images(
    test: Split, predictions: Predictions, human_labels: HumanLabels | None, *, title: str, n_images: int = 8
) -> None:
    """A figure of test images in four rows: of each class those with the highest and the lowest rejector scores.

    Args:
        test: images and labels of the test split.
        predictions: of one seed.
        human_labels: of the same images; None where CIFAR-10H is not available.
        title: of the figure.
        n_images: images in a row.
    """
    right = np.where(np.stack(client_server_correctness(predictions)), "right", "wrong")
    figure, axes = subplot_grid(4 * n_images, n_images, (1.2, 2.0))
    figure.suptitle(title)
    for row, (label, sign) in enumerate(product((-1, 1), (-1, 1))):
        order = np.argsort(sign * predictions.r, kind="stable")
        indices = order[predictions.y[order] == label][:n_images]
        captions = [f"{'kept' if sign < 0 else 'asked'}\nm {m}\ne {e}" for m, e in right[:, indices].T]
        if human_labels is not None:
            bits = human_labels.entropy[indices]
            captions = [f"{text}\n{entropy:.2f} bits" for text, entropy in zip(captions, bits, strict=True)]
        plot_images(axes[row * n_images : (row + 1) * n_images], test.x[indices], captions)


def plot_human_uncertainty(
    comparisons: Mapping[str, HumanComparison], *, n_columns: int, order: Sequence[str] = ()
) -> None:
    """A figure of offload rates by human uncertainty, one panel per setting; a note where CIFAR-10H is not available.

    Args:
        comparisons: setting -> comparison with human labels.
        n_columns: panels in a row.
        order: names that fix the line styles.
    """
    figure, axes = subplot_grid(max(1, len(comparisons)), n_columns, (3.7, 3.4), sharey=True)
    for ax, (setting, comparison) in zip(axes, comparisons.items(), strict=False):
        plot_offload_by_uncertainty(ax, comparison.edges, comparison.shares, comparison.rates, order=order)
        ax.set(title=setting, ylabel="offload rate")
    if comparisons:
        share_legend(figure, *axes)
    else:
        note = "not testable here:\nCIFAR-10H is not available"
        axes[0].text(0.5, 0.5, note, ha="center", transform=axes[0].transAxes)
