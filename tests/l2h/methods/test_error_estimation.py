"""Estimates from calibration data."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit
from sklearn.metrics import brier_score_loss

from l2h.methods import error_estimation


def test_temperature_recovers_the_scale_of_overconfident_scores():
    random = np.random.default_rng(0)
    logit = random.normal(0, 2, 40_000)
    y = np.where(random.random(40_000) < expit(logit), 1, -1)
    found = error_estimation.fit_temperature(torch.tensor(3 * logit), torch.tensor(y))
    assert found == pytest.approx(3, rel=0.05)


def test_temperature_of_a_classifier_without_mistakes_is_as_cold_as_allowed():
    y = torch.tensor([1, -1, 1])
    assert error_estimation.fit_temperature(y * 2.0, y) < 0.05


def test_the_error_rate_counts():
    assert error_estimation.error_rate(torch.tensor([1, -1, 1]), torch.tensor([1, 1, -1])) == 2 / 3


@pytest.mark.parametrize("function", [error_estimation.error_rate, error_estimation.fit_temperature])
def test_lengths_must_agree(function):
    with pytest.raises(ValueError, match="one length"):
        function(torch.zeros(2), torch.ones(3))


def test_an_empty_part_has_no_error_rate():
    with pytest.raises(ValueError, match="at least one example"):
        error_estimation.error_rate(torch.zeros(0), torch.zeros(0))


def test_bad_labels_and_scores_have_no_temperature():
    with pytest.raises(ValueError, match=r"y in \{-1, \+1\}"):
        error_estimation.fit_temperature(torch.zeros(2), torch.tensor([0, 1]))
    with pytest.raises(ValueError, match="finite scores"):
        error_estimation.fit_temperature(torch.tensor([0.0, float("nan")]), torch.tensor([1, 1]))


# --- P(M != Y | x) ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def known():
    """Images of two brightnesses: the client errs in 40 % of the dark and 10 % of the bright ones, and knows it."""
    generator = np.random.default_rng(0)
    n = 3000
    bright = generator.random(n) < 0.5
    p = np.where(bright, 0.1, 0.4)
    wrong = generator.random(n) < p
    y = np.where(generator.random(n) < 0.5, 1, -1)
    m = np.where(wrong, -y, y)
    score = m * 3.0 * np.log((1 - p) / p)  # three times too sure
    noise = generator.integers(0, 60, (n, 3, 32, 32)) + 150 * bright[:, None, None, None]
    columns = noise.astype(np.uint8), score, m, y
    return *map(torch.from_numpy, columns), p


@pytest.mark.parametrize("name", [name for name in error_estimation.ERROR_ESTIMATORS if name != "constant"])
def test_every_estimator_finds_a_probability_that_its_inputs_tell(known, name):
    x, score, m, y, p = known
    found = error_estimation.fit_error_estimator(name, x=x[:2000], scores=score[:2000], m=m[:2000], y=y[:2000])(
        x[2000:], score[2000:]
    )
    assert found.dtype == torch.float64 and found.shape == (1000,)
    assert np.abs(found.numpy() - p[2000:]).max() < (0.2 if name in ("network", "neighbours") else 0.03)
    wrong = (m != y)[2000:].numpy()
    assert brier_score_loss(wrong, found.numpy()) < brier_score_loss(wrong, np.full(1000, wrong.mean()))


def test_the_constant_is_the_error_rate(known):
    x, score, m, y, _ = known
    found = error_estimation.fit_error_estimator("constant", x=x, scores=score, m=m, y=y)(x[:3], score[:3])
    assert found.tolist() == pytest.approx([error_estimation.error_rate(m, y)] * 3)


def test_isotonic_estimates_fall_as_confidence_rises(known):
    x, score, m, y, _ = known
    p = error_estimation.fit_error_estimator("isotonic", x=x, scores=score, m=m, y=y)(x, score)
    order = score.abs().argsort()
    assert (p[order].diff() <= 1e-12).all()


@pytest.mark.parametrize("name", error_estimation.ERROR_ESTIMATORS)
def test_a_client_without_mistakes_gets_a_small_estimate(known, name):
    x, _, _, y, _ = known
    never = error_estimation.fit_error_estimator(name, x=x[:200], scores=9.0 * y[:200], m=y[:200], y=y[:200])(
        x[:200], 9.0 * y[:200]
    )
    assert (never < 0.2).all() and (never >= 0).all()


@pytest.mark.parametrize("name", error_estimation.ERROR_ESTIMATORS)
def test_many_classes_have_estimates_too(known, name):
    x, _, _, _, p = known
    generator = np.random.default_rng(1)
    y = torch.from_numpy(generator.integers(0, 3, 900))
    m = torch.where(torch.from_numpy(generator.random(900) < p[:900]), (y + 1) % 3, y)
    score = torch.nn.functional.one_hot(m, 3) * torch.from_numpy(np.log(2 * (1 - p[:900]) / p[:900]))[:, None]
    found = error_estimation.fit_error_estimator(name, x=x[:900], scores=score, m=m, y=y)(x[:900], score)
    assert found.shape == (900,) and (found >= 0).all() and (found <= 1).all()
    if name in ("temperature", "isotonic", "logistic"):
        assert np.abs(found.numpy() - p[:900]).max() < 0.06


def test_the_network_repeats_itself_with_its_seed(known):
    x, score, m, y, _ = known
    first, again, other = (
        error_estimation.fit_error_estimator("network", x=x[:200], scores=score[:200], m=m[:200], y=y[:200], seed=seed)(
            x[:9], score[:9]
        )
        for seed in (0, 0, 1)
    )
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_bad_requests_for_estimates_are_refused(known):
    x, score, m, y, _ = known
    with pytest.raises(ValueError, match="one of 'constant'"):
        error_estimation.fit_error_estimator("guess", x=x, scores=score, m=m, y=y)
    with pytest.raises(ValueError, match="one length"):
        error_estimation.fit_error_estimator("constant", x=x[:2], scores=score, m=m, y=y)
    with pytest.raises(ValueError, match="at least one example"):
        error_estimation.fit_error_estimator("constant", x=x[:0], scores=score[:0], m=m[:0], y=y[:0])


# --- scores of many classes -------------------------------------------------------------------------------------------


@given(score=st.lists(st.floats(-6, 6), min_size=4, max_size=9), temperature=st.floats(0.2, 5))
def test_one_score_and_two_say_the_same(score, temperature):
    one = torch.tensor(score, dtype=torch.float64)
    logit = np.array(score) / temperature
    two = torch.stack([-one / 2, one / 2], dim=1)
    expected = np.stack([expit(-logit), expit(logit)], axis=1)
    for scores in (one, two):
        np.testing.assert_allclose(error_estimation.class_probabilities(scores, temperature), expected, atol=1e-9)


def test_one_score_and_two_have_the_same_temperature():
    random = np.random.default_rng(0)
    one = torch.tensor(random.normal(0, 2, 400))
    y = torch.tensor(np.where(random.random(400) < expit(one.numpy() / 3), 1, -1))
    two = torch.stack([-one / 2, one / 2], dim=1)
    assert error_estimation.fit_temperature(one, y) == pytest.approx(
        error_estimation.fit_temperature(two, (y + 1) // 2), rel=1e-6
    )


def test_features_tell_confidence_margin_and_entropy():
    logs = np.log([[0.5, 0.3, 0.2]])
    found = error_estimation.score_features(torch.from_numpy(2 * logs), 2.0).numpy()
    expected = [*logs[0], np.log(0.5 / 0.3), -(np.exp(logs) * logs).sum()]
    np.testing.assert_allclose(found, [expected], rtol=1e-6)
    assert (
        error_estimation.score_features(torch.tensor([[99.0, 0.0, 0.0]]), 1.0).abs().max()
        <= error_estimation.MAX_FEATURE
    )


def test_temperatures_are_positive_and_labels_are_numbers():
    for function in (error_estimation.class_probabilities, error_estimation.score_features):
        with pytest.raises(ValueError, match="temperature > 0"):
            function(torch.zeros(2), 0.0)
    with pytest.raises(ValueError, match=r"y in 0\.\.2, got 3"):
        error_estimation.fit_temperature(torch.zeros(2, 3), torch.tensor([0, 3]))


def test_scores_of_8_bits_count_as_the_numbers_they_are():
    score = torch.tensor([-128, 127, -128, 3], dtype=torch.int8)
    y = torch.tensor([-1, 1, 1, 1], dtype=torch.int8)
    assert error_estimation.fit_temperature(score, y) == error_estimation.fit_temperature(score.float(), y.float())
    assert torch.equal(
        error_estimation.score_features(score, 20.0), error_estimation.score_features(score.float(), 20.0)
    )


def test_labels_that_are_not_coded_as_the_scores_demand_are_refused():
    x, two = torch.zeros(2, 3, 32, 32), torch.tensor([-1, 1])
    with pytest.raises(ValueError, match=r"y in \{-1, \+1\}, got 0"):
        error_estimation.fit_error_estimator("constant", x=x, scores=torch.zeros(2), m=two, y=torch.tensor([0, 1]))
    with pytest.raises(ValueError, match=r"m in 0\.\.2, got -1"):
        error_estimation.fit_error_estimator("constant", x=x, scores=torch.zeros(2, 3), m=two, y=torch.tensor([0, 1]))
