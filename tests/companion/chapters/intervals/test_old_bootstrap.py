"""The old bootstrap against its definition, one resample at a time."""

import numpy as np
import pytest

from companion.chapters.intervals import old_bootstrap
from companion.chapters.intervals.old_bootstrap import (
    old_half_widths,
    old_simultaneous_half_widths,
    resampled_deviations,
)

VALUES = np.random.default_rng(0).normal(size=(2, 4, 30)) + np.random.default_rng(1).normal(size=(2, 4, 1))


def by_hand(values, draws):
    """Rows and columns drawn with replacement, less rows alone, plus Student's deviation of the rows' means."""
    generator, (seeds, n) = np.random.default_rng(5), values.shape
    error = values.mean(axis=1).std(ddof=1) / np.sqrt(seeds)
    for _ in range(draws):
        rows, columns = generator.integers(seeds, size=seeds), generator.integers(n, size=n)
        yield values[rows][:, columns].mean() - values[rows].mean() + error * generator.standard_t(seeds - 1)


def test_deviations_have_the_distribution_of_resampling_by_hand():
    found = resampled_deviations(VALUES, n_resamples=8000, seed=0)
    for row, values in zip(found, VALUES, strict=True):
        expected = np.quantile(list(by_hand(values, 8000)), [0.1, 0.5, 0.9])
        assert np.quantile(row, [0.1, 0.5, 0.9]) == pytest.approx(expected, abs=0.06)


def test_one_seed_resamples_images_only():
    found = resampled_deviations(VALUES[:, :1], n_resamples=4000, seed=0)
    assert found.std(axis=1) == pytest.approx(VALUES[:, 0].std(axis=1) / np.sqrt(30), rel=0.1)


def test_a_half_width_is_a_quantile_and_a_family_is_wider(monkeypatch):
    alone = old_half_widths(VALUES, n_resamples=500)
    assert alone == pytest.approx(np.quantile(abs(resampled_deviations(VALUES, n_resamples=500, seed=0)), 0.95, axis=1))
    together = old_simultaneous_half_widths(np.stack([VALUES, VALUES[::-1]]), n_resamples=500)
    assert together.shape == (2, 2) and (together[0] > alone).all()
    assert together[0] / alone == pytest.approx([together[0, 0] / alone[0]] * 2)
    monkeypatch.setattr(old_bootstrap, "RESAMPLES_AT_A_TIME", 7)
    assert old_half_widths(VALUES, n_resamples=500) == pytest.approx(alone, rel=0.3)
