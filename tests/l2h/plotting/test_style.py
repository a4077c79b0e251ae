"""Line styles differ, colours are visible, and the style ends with its block."""

from itertools import combinations, pairwise

import matplotlib.pyplot as plt
import numpy as np

from l2h.plotting import style


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


def test_the_style_ends_with_its_block():
    before = plt.rcParams["font.size"], plt.rcParams["figure.dpi"], plt.rcParams["axes.grid"]
    with style.style():
        # 11 points on a page of 4.8 inches are 11.5 pixels where the figure is shown 360 pixels wide
        assert plt.rcParams["font.size"] / 72 / plt.rcParams["figure.figsize"][0] * 360 > 11
        assert plt.rcParams["figure.facecolor"] == plt.rcParams["axes.facecolor"] == "white"
    assert (plt.rcParams["font.size"], plt.rcParams["figure.dpi"], plt.rcParams["axes.grid"]) == before
