"""Figures of the chapter on the surrogate: what lands in the artists is what was given, and every axis is named."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_hex

from companion.chapters.ch04_surrogate import figures
from l2h.plotting import style

GRID = np.linspace(0.1, 0.9, 5)


@pytest.fixture
def figure():
    """A figure in the book's style; drawn once at the end, so that a warning while drawing fails."""
    with style.style():
        made = plt.figure()
        yield made
        made.canvas.draw()
    plt.close(made)


@pytest.fixture
def ax(figure):
    return figure.add_subplot()


def legend(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def named(ax):
    return bool(ax.get_xlabel()) and bool(ax.get_ylabel())


def test_a_surface_stands_above_the_steps(figure):
    ax = figure.add_subplot(projection="3d")
    r, e = np.linspace(-1, 1, 9), np.linspace(-1, 1, 5)
    figures.plot_loss_surface(ax, r, e, surrogate_values=np.full((5, 9), 2.0), zero_one_values=np.zeros((5, 9)))
    steps, net = ax.collections
    assert np.unique(np.asarray(steps._faces)[..., 2]).tolist() == [0]
    assert {height for line in net._segments3d for height in line[:, 2]} == {2}
    assert named(ax) and ax.get_zlabel()


def test_the_logit_marks_where_the_term_is_concave(ax):
    losses = {"m ≠ y": GRID, "m = y": 1 - GRID}
    figures.plot_logit_loss(ax, GRID, losses, concave_from=0.5)
    for line, loss in zip(ax.lines, losses.values(), strict=True):
        np.testing.assert_array_equal(line.get_xydata(), np.column_stack([GRID, loss]))
    (span,) = ax.patches
    assert (span.get_x(), span.get_width()) == pytest.approx((0.5, 0.4))
    assert legend(ax)[1:] == list(losses) and named(ax)


def test_the_reduced_risk_shows_its_minima_and_both_sides(ax):
    r, risks = GRID - 0.5, {"small": GRID, "large": 2 * GRID}
    minima = {"small": (-0.1, 0.2), "large": (0.1, 0.3)}
    figures.plot_partial_min_risk(ax, r, risks, minima)
    curves, points = ax.lines[::2], ax.lines[1::2]
    for curve, point, name in zip(curves, points, risks, strict=True):
        np.testing.assert_array_equal(curve.get_ydata(), risks[name])
        assert (point.get_xdata()[0], point.get_ydata()[0]) == minima[name]
        assert point.get_color() == curve.get_color()
    assert [text.get_text() for text in ax.texts] == ["ask", "keep"]
    assert legend(ax) == list(risks) and named(ax)


def test_the_plane_shades_where_asking_is_cheaper(ax):
    mu = np.linspace(0, 0.5, 6)
    figures.plot_ask_boundaries(ax, mu, mu + 0.1, {"calibrated": mu + 0.1, "constant": mu})
    corners = {tuple(np.round(corner, 9)) for corner in ax.collections[0].get_paths()[0].vertices}
    assert {(0.0, 0.1), (0.5, 0.6), (0.0, 1.0), (0.5, 1.0)} <= corners
    np.testing.assert_allclose(ax.lines[1].get_ydata(), 1 - mu)
    np.testing.assert_allclose(ax.lines[3].get_ydata(), mu)
    assert legend(ax) == ["the Bayes rule asks", "deterministic client", "calibrated", "constant"] and named(ax)


def test_thresholds_are_the_given_ones(ax):
    figures.plot_ask_thresholds(ax, GRID, {"Bayes": GRID, "released": GRID / 2})
    np.testing.assert_array_equal(ax.lines[1].get_xydata(), np.column_stack([GRID, GRID / 2]))
    assert legend(ax) == ["Bayes", "released"] and named(ax)


def test_systems_stand_on_the_frontier_and_the_ends_say_their_cost(ax):
    systems = {"Bayes": {"0": (0.8, 0.9), "0.1": (0.85, 0.88), "0.2": (0.9, 0.85)}, "released": {"0": (0.6, 0.9)}}
    figures.plot_accuracy_frontier(ax, GRID, GRID[::-1], systems)
    assert ax.lines[1].get_xydata().tolist() == [list(point) for point in systems["Bayes"].values()]
    assert sorted(text.get_text() for text in ax.texts) == ["0", "0", "0.2"]
    assert {text.get_text(): text.xy for text in ax.texts}["0.2"] == (0.9, 0.85)
    assert legend(ax)[1:] == ["Bayes", "released"] and named(ax)


def test_transfer_shades_below_the_computed_envelope(ax):
    excess = np.geomspace(1e-4, 1, 5)
    figures.plot_excess_risk_bound(ax, excess, proved_bound=2 * excess, computed_envelope=excess)
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), 2 * excess)
    np.testing.assert_array_equal(ax.lines[1].get_ydata(), excess)
    assert ax.collections[0].get_paths()[0].vertices[:, 1].max() == 1
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    assert legend(ax) == ["proved bound", "computed envelope"] and named(ax)


def test_powers_show_points_and_their_limit(ax):
    figures.plot_excess_powers(ax, GRID, {"from p": GRID**4}, {"from p": 2 * GRID**4})
    points, line = ax.lines
    assert points.get_linestyle() == "None"
    np.testing.assert_array_equal(points.get_ydata(), GRID**4)
    np.testing.assert_array_equal(line.get_ydata(), 2 * GRID**4)
    assert legend(ax) == ["from p"] and named(ax)


def test_descent_shows_bands_limits_and_what_the_cells_allow(ax):
    sizes = [100, 1000]
    bands = {"from mu": ([0.1, 0.01], [-0.1, 0.0], [0.2, 0.02]), "constant": ([0.2, 0.2], [0.1, 0.1], [0.3, 0.3])}
    figures.plot_learning_curves(ax, sizes, bands, {"from mu": 0.0, "constant": 0.15}, np.array([0.01, 0.001]))
    lines = {line.get_label(): line for line in ax.lines}
    assert list(lines["from mu"].get_ydata()) == [0.1, 0.01]
    assert list(lines["best table"].get_ydata()) == [0.01, 0.001]
    levels = [list(line.get_ydata()) for line in ax.lines if line.get_label().startswith("_")]
    assert levels == [[0.15, 0.15]]  # no line for a limit of 0
    corners = ax.collections[0].get_paths()[0].vertices
    assert corners[:, 1].min() == 0  # a band is cut where an excess cannot be
    assert to_hex(ax.collections[0].get_facecolor()[0]) == to_hex(lines["from mu"].get_color())
    assert ax.get_yscale() == "symlog" and named(ax)


def test_heat_is_the_given_regret_under_the_curves(ax):
    alpha, beta = np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0])
    regrets = np.arange(6.0).reshape(3, 2) / 10
    figures.plot_regret_map(ax, alpha, beta, regrets, {"single": beta, "switch": beta + 1})
    np.testing.assert_array_equal(ax.collections[0].get_array(), regrets)
    np.testing.assert_array_equal(ax.lines[1].get_xydata(), np.column_stack([beta, beta + 1]))
    assert len(ax.figure.axes) == 2 and ax.figure.axes[1].get_ylabel()
    assert legend(ax) == ["single", "switch"] and named(ax)
