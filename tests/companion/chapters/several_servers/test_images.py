"""Smaller images and features: what is sent, and what a linear decoder restores."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from companion.chapters.parameters import settings_for
from companion.chapters.several_servers import images, revealed


def test_a_smaller_image_holds_the_means_of_squares():
    x = torch.zeros(1, 3, 32, 32, dtype=torch.uint8)
    x[..., :16, :16] = 200
    small = images.shrunk(x, 2)
    assert small.dtype == torch.uint8 and small.shape == x.shape
    assert torch.equal(small, x)
    assert images.shrunk(x, 1).unique().tolist() == [50]
    assert torch.equal(images.shrunk(x, 32), x)


def test_a_decoder_restores_what_is_linear_in_what_was_sent():
    generator = np.random.default_rng(0)
    pixels, pixels_test = generator.normal(size=(400, 6)), generator.normal(size=(300, 6))
    mixing = np.linalg.qr(generator.normal(size=(6, 6)))[0]
    assert images.restored_variance(pixels @ mixing, pixels, pixels_test @ mixing, pixels_test) > 0.98
    noise, noise_test = generator.normal(size=(400, 2)), generator.normal(size=(300, 2))
    assert abs(images.restored_variance(noise, pixels, noise_test, pixels_test)) < 0.05
    half = images.restored_variance(pixels[:, :3], pixels, pixels_test[:, :3], pixels_test)
    assert half == pytest.approx(0.5, abs=0.08)


def test_each_way_to_send_has_its_numbers():
    settings = replace(settings_for("several_servers", "quick"), data="digits", sizes=())
    found = images.ways_to_send(revealed.offload_config(settings), (32, 8), seed=0)
    assert {name: way.numbers for name, way in found.items()} == {
        "32 x 32 pixels": 3072, "8 x 8 pixels": 192, "120 features": 120
    }  # fmt: skip
    assert found["32 x 32 pixels"].restored == 1.0 > found["8 x 8 pixels"].restored > 0
    assert len({len(way.correct) for way in found.values()}) == 1
    table = images.sent_table([found, found])
    assert table.loc["120 features", "numbers"] == 120
