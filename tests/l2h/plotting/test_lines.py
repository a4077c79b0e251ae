"""Figures: what lands in the artists is what was given, every axis is named, and looks differ twice."""

from itertools import combinations, pairwise

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.colors import to_hex
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from companion.chapters.ch01_problem import figures as ch01_problem_figures
from companion.chapters.ch05_cifar10 import figures as ch05_cifar10_figures
from l2h.evaluation.intervals import Interval
from l2h.evaluation.metrics import SubsetAccuracy, TableOne
from l2h.plotting import comparisons, style
from l2h.plotting import images as plotting_images
from l2h.plotting import lines as plotting_lines

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


def cell(n, m, e):
    return SubsetAccuracy(*(Interval(value, value - 0.05, value + 0.05) for value in (n, m, e, m - e)))


def labels(ax):
    return ax.get_xlabel(), ax.get_ylabel()


def legend(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def texts(ax):
    return [text.get_text() for text in ax.texts]


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


def test_every_pair_of_looks_differs_and_neighbours_differ_without_colour():
    names = [str(k) for k in range(28)]
    looks = [style.line_style(name, names) for name in names]
    assert all(a != b for a, b in combinations(looks, 2))
    assert all(a["marker"] != b["marker"] and a["color"] != b["color"] for a, b in combinations(looks[:7], 2))
    assert all(a["linestyle"] != b["linestyle"] for a, b in pairwise(looks))


def test_colours_are_seen_against_white():
    def luminance(colour):
        linear = [
            c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in plt.matplotlib.colors.to_rgb(colour)
        ]
        return float(np.dot([0.2126, 0.7152, 0.0722], linear))

    assert all(1.05 / (luminance(colour) + 0.05) > 2 for colour in style.COLOURS)


def test_offload_rates_stand_beside_printed_ones(ax):
    ch05_cifar10_figures.plot_offload_rates(
        ax, GRID, {"ours": curve(0.4)}, references={"printed": ([0.0, 0.15], [0.45, 0.2])}
    )
    assert_line_with_band(ax.lines[0], ax.collections[0], curve(0.4))
    assert ax.lines[1].get_xydata().tolist() == [[0, 0.45], [0.15, 0.2]]
    assert ax.lines[1].get_linestyle() == "None"
    assert labels(ax) == ("cost of asking $c_e$ (mistakes of the client)", "offload rate (share of images sent)")
    assert legend(ax) == ["ours", "printed"]


def test_offload_rates_need_no_reference(ax):
    ch05_cifar10_figures.plot_offload_rates(ax, GRID, {"ours": curve(0.4)})
    assert legend(ax) == ["ours"]


def test_four_cells_show_bars_intervals_and_printed_numbers(ax):
    cells = TableOne(kept=cell(1052, 0.88, 0.95), asked=cell(948, 0.5, 0.92))
    comparisons.plot_table_one(
        ax, cells, reference=TableOne(SubsetAccuracy(1, 0.84, 0.96, NAN), SubsetAccuracy(1, NAN, 0.95, NAN))
    )
    assert [bar.get_height() for bar in ax.patches] == [0.88, 0.95, 0.5, 0.92]
    assert [bar.get_hatch() for bar in ax.patches] == [None, "//", None, "//"]
    limits = [[y for _, y in lines.get_segments()[0]] for lines in ax.collections]
    np.testing.assert_array_equal(limits, [one[1:] for part in cells for one in (part.m, part.e)])
    printed = [line.get_ydata() for line in ax.lines]
    np.testing.assert_array_equal(printed, [[0.84, 0.96], [NAN, 0.95]])
    assert {"differ. -0.07", "differ. -0.42", "0.88", "0.95", "0.50", "0.92"} <= set(texts(ax))
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["kept\nn = 1052", "sent\nn = 948"]
    assert labels(ax) == ("portion (images, chosen by the rejector)", "accuracy (share of images right)")
    assert sorted(legend(ax)) == ["client m", "printed", "server e"]


def test_an_empty_portion_says_that_it_has_no_accuracy(ax):
    comparisons.plot_table_one(ax, TableOne(kept=cell(2000, 0.7, 0.9), asked=cell(0, NAN, NAN)))
    assert texts(ax).count("none") == 2
    assert "differ. none" in texts(ax)
    assert not ax.lines


def test_differences_stand_on_a_line_of_no_difference(ax):
    given = [Interval(0.02, -0.01, 0.05), Interval(-0.03, -0.06, -0.01), Interval(0.0, 0.0, 0.0)]
    ch05_cifar10_figures.plot_differences_by_coverage(ax, GRID, given)
    zero, points = ax.lines
    assert list(zero.get_ydata()) == [0, 0]
    np.testing.assert_array_equal(points.get_xydata(), np.column_stack([GRID, [one.estimate for one in given]]))
    bars = [[tuple(end) for end in bar] for bar in ax.collections[0].get_segments()]
    assert bars == [[(x, one.low), (x, one.high)] for x, one in zip(GRID, given, strict=True)]
    assert labels(ax) == (
        "coverage (share of images kept on the device)",
        "difference in accuracy (share right)",
    )


def test_history_counts_epochs_from_one(ax):
    ch01_problem_figures.plot_training_loss(ax, {"client": [0.9, 0.5], "server": [0.8, 0.4, 0.2]})
    assert ax.lines[1].get_xydata().tolist() == [[1, 0.8], [2, 0.4], [3, 0.2]]
    assert labels(ax) == ("epoch (passes over the training images)", "training loss (mean per image)")
    assert legend(ax) == ["client", "server"]


@pytest.mark.parametrize("array", [np.asarray, torch.from_numpy])
def test_images_come_with_their_captions_and_other_axes_stay_blank(ax, array):
    images = np.random.default_rng(0).integers(256, size=(2, 3, 32, 32)).astype(np.uint8)
    axes = ax.figure.subplots(1, 3)
    plotting_images.plot_images(axes, array(images), ["airplane", "automobile"])
    for one, image, caption in zip(axes, images, ["airplane", "automobile"], strict=False):
        np.testing.assert_array_equal(one.images[0].get_array(), np.moveaxis(image, 0, -1))
        assert one.get_title() == caption
    assert not axes[2].images
    assert not any(one.axison for one in axes)


@pytest.mark.parametrize(("places", "captions"), [(1, ["a", "b"]), (2, ["a"])])
def test_images_without_a_place_or_a_caption_are_refused(ax, places, captions):
    with pytest.raises(ValueError, match="expected 2 captions and as many axes, got"):
        plotting_images.plot_images([ax] * places, np.zeros((2, 3, 8, 8), dtype=np.uint8), captions)


def test_the_component_map_names_the_parts_and_the_decision(ax):
    ch01_problem_figures.plot_components(ax)
    said = " ".join(texts(ax))
    for part in (
        "client\n$m(x)$",
        "rejector\n$r(x)$",
        "server\n$e(x)$",
        "$r(x) > 0$",
        "$r(x) \\leq 0$",
        "$c_e$",
        "device",
    ):
        assert part in said
    assert sum(isinstance(patch, FancyBboxPatch) for patch in ax.patches) == 4
    assert sum(isinstance(patch, FancyArrowPatch) for patch in ax.patches) == 5


def test_the_style_ends_with_its_block():
    before = plt.rcParams["font.size"], plt.rcParams["figure.dpi"], plt.rcParams["axes.grid"]
    with style.style():
        # 11 points on a page of 4.8 inches are 11.5 pixels where the figure is shown 360 pixels wide
        assert plt.rcParams["font.size"] / 72 / plt.rcParams["figure.figsize"][0] * 360 > 11
        assert plt.rcParams["figure.facecolor"] == plt.rcParams["axes.facecolor"] == "white"
    assert (plt.rcParams["font.size"], plt.rcParams["figure.dpi"], plt.rcParams["axes.grid"]) == before


def test_what_was_given_is_left_as_it_was(ax):
    given = {"one": curve(0.5)}
    for array in given["one"]:
        array.setflags(write=False)
    before = [array.copy() for array in given["one"]]
    plotting_lines.plot_accuracy_curves(ax, GRID, given)
    np.testing.assert_array_equal(given["one"], before)
