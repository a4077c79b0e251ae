"""Lines with bands: artists are the given numbers, and every axis is named."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from helpers.figures import labels, legend
from matplotlib.colors import to_hex

from l2h.plotting import lines as plotting_lines
from l2h.plotting import style

NAN = float("nan")
GRID = np.array([0.0, 0.25, 1.0])
NAMES = ["learning to help", "confidence"]


@pytest.fixture
def ax(tmp_path, monkeypatch):
    """Axes in the book's style; drawn once at the end, so that a warning while drawing fails, and nothing is saved."""
    monkeypatch.chdir(tmp_path)
    with style.style():
        figure, axes = plt.subplots()
        yield axes
        figure.canvas.draw()
    plt.close(figure)
    assert not list(tmp_path.iterdir())


def curve(height):
    return GRID * 0 + height, GRID * 0 + height - 0.1, GRID * 0 + height + 0.1


def assert_line_with_band(line, band, given):
    mean, low, high = given
    np.testing.assert_array_equal(line.get_xydata(), np.column_stack([GRID, mean]))
    corners = {tuple(corner) for corner in band.get_paths()[0].vertices}
    assert {*zip(GRID, low, strict=True), *zip(GRID, high, strict=True)} <= corners


def test_curves_are_the_given_ones_with_their_bands(ax):
    given = {name: curve(height) for name, height in zip(NAMES, (0.9, 0.8), strict=True)}
    plotting_lines.plot_accuracy_curves(ax, GRID, given)
    for line, band, values in zip(ax.lines, ax.collections, given.values(), strict=True):
        assert_line_with_band(line, band, values)
        assert to_hex(band.get_facecolor()[0]) == to_hex(line.get_color())
    assert labels(ax) == ("coverage (share of images kept on the device)", "accuracy (share of images right)")
    assert legend(ax) == NAMES


def test_a_method_looks_the_same_in_figures_that_share_an_order(ax):
    plotting_lines.plot_accuracy_curves(ax, GRID, {"confidence": curve(0.8)}, order=NAMES)
    assert ax.lines[0].get_color() == style.line_style("confidence", NAMES)["color"] != style.COLOURS[0]


def test_a_name_outside_the_order_is_refused(ax):
    with pytest.raises(ValueError, match="expected a name among learning to help, confidence, got random"):
        plotting_lines.plot_accuracy_curves(ax, GRID, {"random": curve(0.8)}, order=NAMES)


def test_what_was_given_is_left_as_it_was(ax):
    given = {"one": curve(0.5)}
    for array in given["one"]:
        array.setflags(write=False)
    before = [array.copy() for array in given["one"]]
    plotting_lines.plot_accuracy_curves(ax, GRID, given)
    np.testing.assert_array_equal(given["one"], before)


def test_bands_name_the_given_axes_and_leave_the_legend_to_the_caller(ax):
    plotting_lines.plot_bands(ax, GRID, {"c1 = 1": curve(0.5)}, xlabel="cost", ylabel="share")
    assert_line_with_band(ax.lines[0], ax.collections[0], curve(0.5))
    assert labels(ax) == ("cost", "share")
    assert ax.get_legend() is None
