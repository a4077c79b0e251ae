"""Mutual information against exact values, and its correction and interval in simulations with a known truth."""

import numpy as np
import pytest

from l2h.evaluation.mutual_information import (
    bias_of_frequencies,
    entropy_bits,
    mutual_information,
    pointwise_information,
    share_of_entropy,
)

INDEPENDENT = np.outer([0.3, 0.7], [0.1] * 10)
DEPENDENT = np.array([[0.05, 0.05, 0.20], [0.30, 0.30, 0.10]])


def draw(joint, n, generator):
    cells = generator.choice(joint.size, size=n, p=joint.ravel())
    return np.unravel_index(cells, joint.shape)


def truth(joint):
    product = np.outer(joint.sum(1), joint.sum(0))
    return float((joint * np.log2(joint / product)).sum())


def test_the_mean_is_the_information_of_the_frequencies():
    counts = np.array([[3, 1], [2, 4]])
    first = np.repeat([0, 0, 1, 1], counts.ravel())
    second = np.repeat([0, 1, 0, 1], counts.ravel())
    assert pointwise_information(first, second).mean() == pytest.approx(truth(counts / 10))


def test_equal_variables_reveal_the_entropy():
    labels = np.repeat([0, 1, 2, 3], 25)
    assert entropy_bits(labels) == pytest.approx(2.0)
    assert share_of_entropy(labels, labels).mean() == pytest.approx(1 - bias_of_frequencies(labels, labels) / 2.0)


@pytest.mark.parametrize("joint", [INDEPENDENT, DEPENDENT])
def test_the_correction_removes_most_of_the_bias(joint):
    generator = np.random.default_rng(0)
    pairs = [draw(joint, 300, generator) for _ in range(2000)]
    raw = np.mean([pointwise_information(*pair).mean() for pair in pairs])
    corrected = np.mean([pointwise_information(*pair).mean() - bias_of_frequencies(*pair) for pair in pairs])
    assert abs(corrected - truth(joint)) < 0.25 * abs(raw - truth(joint)) + 5e-4
    assert raw > truth(joint)


@pytest.mark.parametrize("joint", [INDEPENDENT, DEPENDENT])
def test_the_interval_covers_the_truth_about_as_often_as_it_says(joint):
    generator = np.random.default_rng(1)
    covered = 0
    for _ in range(400):
        interval = mutual_information(*draw(joint, 500, generator))
        covered += interval.low <= truth(joint) <= interval.high
    assert covered / 400 > 0.92


def test_the_values_of_the_share_have_its_mean_and_its_spread():
    generator = np.random.default_rng(2)
    shares, errors = [], []
    for _ in range(300):
        first, second = draw(DEPENDENT, 800, generator)
        values = share_of_entropy(first, second)
        shares.append(values.mean())
        errors.append(values.std(ddof=1) / np.sqrt(800))
        expected = pointwise_information(first, second).mean() - bias_of_frequencies(first, second)
        assert values.mean() == pytest.approx(expected / entropy_bits(second))
    assert np.mean(errors) == pytest.approx(np.std(shares), rel=0.15)


@pytest.mark.parametrize(("first", "second"), [([0, 1], [0]), ([], []), ([[0]], [[0]])])
def test_bad_input_is_refused(first, second):
    with pytest.raises(ValueError, match="expected"):
        pointwise_information(first, second)


def test_labels_that_are_all_alike_have_nothing_to_reveal():
    with pytest.raises(ValueError, match="entropy of the labels"):
        share_of_entropy([0, 1], [3, 3])
