"""Images and heat maps: artists, captions and numbers are the given ones."""

import numpy as np
import pytest
import torch

from l2h.plotting import images as plotting_images
from l2h.plotting.images import plot_heat_map


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
def test_images_without_a_position_or_a_caption_are_refused(ax, places, captions):
    with pytest.raises(ValueError, match="expected 2 captions and as many axes, got"):
        plotting_images.plot_images([ax] * places, np.zeros((2, 3, 8, 8), dtype=np.uint8), captions)


def test_a_map_can_be_read_without_its_colours(ax):
    table = [[0.1, 0.2, np.nan], [0.3, 0.4, 0.5]]
    plot_heat_map(
        ax, table, rows=["r0", "r1"], columns=[1, 2, 3], labels=("row", "column"), title="share", highlighted=(1, 2)
    )
    written = {text.get_position(): text.get_text() for text in ax.texts}
    assert written == {(0, 0): "0.10", (1, 0): "0.20", (2, 0): "none", (0, 1): "0.30", (1, 1): "0.40", (2, 1): "0.50"}
    frame = ax.patches[0]
    assert (frame.get_x(), frame.get_y(), frame.get_fill()) == (1.5, 0.5, False)
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["1", "2", "3"]
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["r0", "r1"]
    assert (ax.get_ylabel(), ax.get_xlabel(), ax.get_title()) == ("row", "column", "share")
    dark = {text.get_text(): text.get_color() for text in ax.texts}
    assert dark["0.50"] == "white" and dark["0.10"] == "black"


def test_a_map_needs_no_mark(ax):
    plot_heat_map(ax, [[1.0]], rows=["a"], columns=["b"], labels=("row", "column"), title="share")
    assert not ax.patches
