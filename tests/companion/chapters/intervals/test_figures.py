"""Figures of the page on intervals: artists hold the given numbers, and every axis is named."""

from matplotlib.figure import Figure

from companion.chapters.intervals.figures import plot_coverage, plot_half_widths
from companion.chapters.intervals.simulation import Coverage


def test_coverage_stands_beside_its_band():
    ax = Figure().subplots()
    plot_coverage(
        ax, {"new": {3: Coverage(95, 100, 2.0), 5: Coverage(94, 100, 2.0)}, "old": {5: Coverage(99, 100, 3.0)}}
    )
    assert [text for text in ax.get_legend_handles_labels()[1]] == ["asked for", "nominal", "new", "old"]
    assert ax.containers[0].lines[0].get_ydata().tolist() == [0.95, 0.94]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["3", "5"]
    assert ax.get_xlabel() == "seeds" and "coverage" in ax.get_ylabel()


def test_half_widths_are_lines():
    ax = Figure().subplots()
    plot_half_widths(ax, (3, 5), {"a": [0.02, 0.01]}, xlabel="seeds")
    assert list(ax.lines[0].get_ydata()) == [0.02, 0.01]
    assert ax.get_xlabel() == "seeds" and "half-width" in ax.get_ylabel() and ax.get_yscale() == "log"
