"""The certified envelope and the testbed's alphas, sampled; slightly more is not true."""

import numpy as np
import pytest
from oracles import theory

from companion.proofs.boxes import excess_envelope, interval_max, interval_min, logistic_distribution
from companion.proofs.prover import PROVED, enclosing_interval


def test_the_envelope_is_below_the_excess():
    mu, p = np.meshgrid(np.linspace(0, 0.5, 301), np.linspace(1e-6, 1, 1001))
    cost, pull = mu + 0.15, 2 * np.sqrt(mu * (1 - mu)) + 0.15
    alpha = pull / cost
    r = np.log(cost / p) / (1 + alpha)  # the minimiser of pull e^-r + p e^(alpha r)
    ratio = (pull * (1 - np.exp(-r)) + p * (1 - np.exp(alpha * r)))[abs(p - cost) >= 0.05]
    ratio /= (p - cost)[abs(p - cost) >= 0.05] ** 2
    assert 0.37 < ratio.min() < 0.39
    assert 0.37 > 1 / (2 * (1 + 1 + 0.15))  # more than theorem 4A proves
    assert excess_envelope()["envelope"].verdict == PROVED


def test_its_minimiser_is_the_surrogates():
    mu, p = 0.3, 0.6
    alpha = theory.g(mu, 1, 0.15, 2)
    expected = theory.best_r(mu, p, 1, 0.15, alpha, 2)
    assert np.log(0.45 / p) / (1 + float(alpha)) == pytest.approx(expected)


@pytest.mark.parametrize("ce", [0.0, 0.01, 0.0319])
def test_no_constant_alpha_on_the_logistic_testbed(ce):
    (gain, needed), (loss, allowed) = theory.logistic_client(-1, ce), theory.logistic_client(0.19, ce)
    assert gain > 0 > loss
    assert needed > allowed


def test_above_that_cost_nobody_asks_on_the_left():
    assert theory.logistic_client(-1, 0.0321)[0] < 0


def test_the_constant_that_is_right():
    for x in np.linspace(-1, 1, 4001):
        gain, needed = theory.logistic_client(x, 0.15)
        assert 0.25605 < x < 0.2561 or (gain > 0) == (needed < 2.49114) == (x >= 0.2561)
    assert [certificate.verdict for certificate in logistic_distribution().values()] == [PROVED] * 3


def test_larger_and_smaller_of_overlapping_intervals():
    a, b = enclosing_interval(0, 3), enclosing_interval(1, 2)
    assert interval_max(a, b) == enclosing_interval(1, 3)
    assert interval_min(a, b) == enclosing_interval(0, 2)
