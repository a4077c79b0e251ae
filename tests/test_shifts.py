"""Corruptions: bytes in and out, the same every time, worse by degrees, and what their formulas say."""

import numpy as np
import oracles_drift as oracles
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from l2h import data, shifts
from l2h.data import Part

GENERATOR = np.random.default_rng(0)
DIGITS = data.load(source="digits").test


def images(n=4, size=32):
    return torch.from_numpy(np.random.default_rng(1).integers(0, 256, (n, 3, size, size), dtype=np.uint8))


@pytest.mark.parametrize("kind", shifts.CORRUPTIONS)
@pytest.mark.parametrize("severity", shifts.SEVERITIES)
def test_bytes_go_in_and_come_out_the_same_every_time(kind, severity):
    x = images()
    before = x.clone()
    out = shifts.corrupt(x, kind, severity=severity, seed=3)
    assert out.dtype == torch.uint8 and out.shape == x.shape
    assert (x == before).all() and not (out == x).all()
    assert (shifts.corrupt(x, kind, severity=severity, seed=3) == out).all()
    other = shifts.corrupt(x, kind, severity=severity, seed=4)
    assert bool((other == out).all()) is (kind not in ("noise", "fog"))


@pytest.mark.parametrize("kind", shifts.CORRUPTIONS)
def test_each_degree_is_further_from_the_image(kind):
    x = DIGITS.x
    far = [
        (shifts.corrupt(x, kind, severity=s).float() - x.float()).square().sum().item() for s in (0, *shifts.SEVERITIES)
    ]
    assert far[0] == 0 and (np.diff(far) > 0).all()


@given(st.floats(0.4, 1.5))
def test_blur_is_the_convolution(sigma):
    x = np.random.default_rng(0).random((1, 1, 9, 8))
    np.testing.assert_allclose(shifts.blur(x, sigma, GENERATOR)[0, 0], oracles.blurred(x[0, 0], sigma), atol=1e-12)


def test_noise_has_the_stated_deviation_and_no_drift():
    moved = shifts.noise(np.full((50, 3, 32, 32), 0.5), 0.1, np.random.default_rng(0)) - 0.5
    assert abs(moved.std() - 0.1) < 1e-3 and abs(moved.mean()) < 1e-3


def test_contrast_keeps_each_images_grey_level():
    x = images().numpy() / 255
    out = shifts.contrast(x, 0.3, GENERATOR)
    np.testing.assert_allclose(out.mean(axis=(1, 2, 3)), x.mean(axis=(1, 2, 3)))
    np.testing.assert_allclose(out.std(axis=(1, 2, 3)), 0.3 * x.std(axis=(1, 2, 3)))


def test_fog_only_whitens_and_reaches_its_density():
    x = np.zeros((3, 3, 32, 32))
    out = shifts.fog(x, 0.6, np.random.default_rng(0))
    assert (out >= x).all() and out.max(axis=(1, 2, 3)) == pytest.approx([0.6] * 3)
    assert out.std(axis=(2, 3)).min() > 0.01  # it is uneven


def test_no_severity_is_no_change():
    assert shifts.corrupt(DIGITS.x, "jpeg", severity=0) is DIGITS.x


def test_every_condition_has_its_images():
    seen = {name: shifts.under(DIGITS, name, source="digits") for name in shifts.conditions()}
    assert seen["clean"] is DIGITS
    for name, part in seen.items():
        assert len(part.x) == len(part.y) and part.x.dtype == torch.uint8
        assert (part.y is DIGITS.y) is (name != "unseen")


def test_the_class_never_seen_is_neither_of_the_pair():
    for source, (name, label) in shifts.UNSEEN_CLASSES.items():
        assert name not in data.PAIR[source] and label in (-1, 1)
    part = shifts.unseen("digits")
    assert (part.y == -1).all() and len(part.x) > 30


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: shifts.corrupt(images().float(), "fog", severity=1), TypeError, "uint8"),
        (lambda: shifts.corrupt(images()[0], "fog", severity=1), ValueError, "shape"),
        (lambda: shifts.corrupt(images(), "rain", severity=1), ValueError, "kind"),
        (lambda: shifts.corrupt(images(), "fog", severity=6), ValueError, "severity"),
        (lambda: shifts.under(DIGITS, "fog 9", source="digits"), ValueError, "condition"),
        (lambda: shifts.unseen("imagenet"), ValueError, "source"),
    ],
)
def test_what_does_not_exist_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_a_part_is_a_part():
    assert isinstance(shifts.under(DIGITS, "blur 2", source="digits"), Part)
