"""Corruptions: bytes in and out, the same every time, worse by degrees, and what their formulas say."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from oracles import drift

from l2h.data import corruptions, dataset
from l2h.data.dataset import Split

GENERATOR = np.random.default_rng(0)
DIGITS = dataset.load_dataset(source="digits").test


def images(n=4, size=32):
    return torch.from_numpy(np.random.default_rng(1).integers(0, 256, (n, 3, size, size), dtype=np.uint8))


@pytest.mark.parametrize("kind", corruptions.CORRUPTIONS)
@pytest.mark.parametrize("severity", corruptions.SEVERITIES)
def test_bytes_go_in_and_come_out_the_same_every_time(kind, severity):
    x = images()
    before = x.clone()
    out = corruptions.corrupt(x, kind, severity=severity, seed=3)
    assert out.dtype == torch.uint8 and out.shape == x.shape
    assert (x == before).all() and not (out == x).all()
    assert (corruptions.corrupt(x, kind, severity=severity, seed=3) == out).all()
    other = corruptions.corrupt(x, kind, severity=severity, seed=4)
    assert bool((other == out).all()) is (kind not in ("noise", "fog"))


@pytest.mark.parametrize("kind", corruptions.CORRUPTIONS)
def test_each_degree_is_further_from_the_image(kind):
    x = DIGITS.x
    far = [
        (corruptions.corrupt(x, kind, severity=s).float() - x.float()).square().sum().item()
        for s in (0, *corruptions.SEVERITIES)
    ]
    assert far[0] == 0 and (np.diff(far) > 0).all()


@given(st.floats(0.4, 1.5))
def test_blur_is_the_convolution(sigma):
    x = np.random.default_rng(0).random((1, 1, 9, 8))
    np.testing.assert_allclose(corruptions.blur(x, sigma, GENERATOR)[0, 0], drift.blurred(x[0, 0], sigma), atol=1e-12)


def test_noise_has_the_stated_deviation_and_no_drift():
    moved = corruptions.noise(np.full((50, 3, 32, 32), 0.5), 0.1, np.random.default_rng(0)) - 0.5
    assert abs(moved.std() - 0.1) < 1e-3 and abs(moved.mean()) < 1e-3


def test_contrast_keeps_each_images_grey_level():
    x = images().numpy() / 255
    out = corruptions.contrast(x, 0.3, GENERATOR)
    np.testing.assert_allclose(out.mean(axis=(1, 2, 3)), x.mean(axis=(1, 2, 3)))
    np.testing.assert_allclose(out.std(axis=(1, 2, 3)), 0.3 * x.std(axis=(1, 2, 3)))


def test_fog_only_whitens_and_reaches_its_density():
    x = np.zeros((3, 3, 32, 32))
    out = corruptions.fog(x, 0.6, np.random.default_rng(0))
    assert (out >= x).all() and out.max(axis=(1, 2, 3)) == pytest.approx([0.6] * 3)
    assert out.std(axis=(2, 3)).min() > 0.01  # it is uneven


def test_no_severity_is_no_change():
    assert corruptions.corrupt(DIGITS.x, "jpeg", severity=0) is DIGITS.x


def test_every_condition_has_its_images():
    seen = {name: corruptions.under_condition(DIGITS, name, source="digits") for name in corruptions.condition_names()}
    assert seen["clean"] is DIGITS
    for name, part in seen.items():
        assert len(part.x) == len(part.y) and part.x.dtype == torch.uint8
        assert (part.y is DIGITS.y) is (name != "unseen")


def test_the_class_never_seen_is_neither_of_the_pair():
    for source, (name, label) in corruptions.UNSEEN_CLASSES.items():
        assert name not in dataset.DEFAULT_PAIRS[source] and label in (-1, 1)
    part = corruptions.unseen_class_examples("digits")
    assert (part.y == -1).all() and len(part.x) > 30


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: corruptions.corrupt(images().float(), "fog", severity=1), TypeError, "uint8"),
        (lambda: corruptions.corrupt(images()[0], "fog", severity=1), ValueError, "shape"),
        (lambda: corruptions.corrupt(images(), "rain", severity=1), ValueError, "kind"),
        (lambda: corruptions.corrupt(images(), "fog", severity=6), ValueError, "severity"),
        (lambda: corruptions.under_condition(DIGITS, "fog 9", source="digits"), ValueError, "condition"),
        (lambda: corruptions.unseen_class_examples("imagenet"), ValueError, "source"),
    ],
)
def test_what_does_not_exist_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_a_part_is_a_part():
    assert isinstance(corruptions.under_condition(DIGITS, "blur 2", source="digits"), Split)
