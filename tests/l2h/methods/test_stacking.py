"""A stacked rejector: it finds the informative signal, obeys the costs, and is refused what does not fit."""

import numpy as np
import pytest

from l2h.evaluation import metrics
from l2h.evaluation.curves import accuracy_coverage_curve, area_under_curve, error_auroc_contributions
from l2h.methods.stacking import RejectorSignals, with_stacked_client_error, with_stacked_rejector
from l2h.problem import Costs, Predictions

COSTS = Costs(c1=1.0, ce=0.1)
BOTH = pytest.mark.parametrize("stack", [with_stacked_rejector, with_stacked_client_error])


def draw(n, seed):
    """A client whose errors show in its score or in a rejector, half and half; a server right nine times in ten."""
    generator = np.random.default_rng(seed)
    y = generator.choice([-1, 1], n)
    hidden, shown = generator.random(n) < 0.2, generator.random(n) < 0.2
    m = np.where(hidden | shown, -y, y)
    score = m * np.where(shown, generator.uniform(0, 0.5, n), generator.uniform(0.4, 1, n))
    r = np.where(hidden, -1.0, 1.0) + generator.normal(size=n)
    e = np.where(generator.random(n) < 0.9, y, -y) * 1.0
    return Predictions(m, r, e, y), score


@pytest.fixture(scope="module")
def splits():
    return draw(2000, 0), draw(4000, 1)


def of(splits, *, stack=with_stacked_rejector, rejectors=True, costs=COSTS):
    (calibration, score), (test, test_score) = splits
    signals = [RejectorSignals(s, [p.r] if rejectors else []) for p, s in ((calibration, score), (test, test_score))]
    return stack(calibration, signals[0], test, signals[1], costs=costs)


@BOTH
def test_two_signals_rank_better_than_either(splits, stack):
    both, confidence, rejector = of(splits, stack=stack), of(splits, stack=stack, rejectors=False), splits[1][0]
    areas = [area_under_curve(accuracy_coverage_curve(p)) for p in (both, confidence, rejector)]
    ranks = [error_auroc_contributions(p).mean() for p in (both, confidence, rejector)]
    assert areas[0] > max(areas[1:]) and ranks[0] > max(ranks[1:])


@BOTH
def test_the_client_and_the_server_stay_as_they_are(splits, stack):
    both, given = of(splits, stack=stack), splits[1][0]
    for name in ("m", "e", "y"):
        np.testing.assert_array_equal(getattr(both, name), getattr(given, name))


@BOTH
def test_its_zero_obeys_the_costs(splits, stack):
    cheap, expensive = (of(splits, stack=stack, costs=Costs(c1=1.0, ce=ce)) for ce in (0.02, 0.4))
    assert metrics.offload_rate(cheap) > metrics.offload_rate(expensive)
    for p, ce in ((cheap, 0.02), (expensive, 0.4)):
        loss = metrics.system_loss(p, costs=Costs(c1=1.0, ce=ce))
        never = np.mean(p.m != p.y)
        always = np.mean((p.e >= 0) != (p.y > 0)) + ce
        assert loss < min(never, always)


@BOTH
def test_a_client_that_never_errs_is_never_helped(splits, stack):
    (calibration, score), _ = splits
    perfect = Predictions(calibration.y, calibration.r, calibration.e, calibration.y)
    signals = RejectorSignals(score, [])
    assert metrics.offload_rate(stack(perfect, signals, perfect, signals, costs=COSTS)) == 0


def test_the_client_error_alone_leaves_the_server_out_of_the_order(splits):
    (calibration, score), test = splits
    shifted = Predictions(calibration.m, calibration.r, -calibration.e, calibration.y)  # 9 of 10 are wrong, not 1
    good, bad = (of(((split, score), test), stack=with_stacked_client_error).r for split in (calibration, shifted))
    error = np.mean((calibration.e >= 0) != (calibration.y > 0))
    np.testing.assert_allclose(bad - good, (1 - error) - error)
    expected = of(((Predictions(calibration.m, calibration.r, 1.0 * calibration.y, calibration.y), score), test))
    np.testing.assert_allclose(good - error, expected.r)  # a server without errors gives both rejectors the same order


@BOTH
def test_signals_have_to_fit(splits, stack):
    (calibration, score), (test, test_score) = splits
    with pytest.raises(ValueError, match="the same rejectors twice, got 1 and 0 of them"):
        stack(calibration, RejectorSignals(score, [calibration.r]), test, RejectorSignals(test_score, []), costs=COSTS)
    with pytest.raises(ValueError, match="calibration: 2000, signals: 4000"):
        stack(calibration, RejectorSignals(test_score, []), test, RejectorSignals(test_score, []), costs=COSTS)
    with pytest.raises(ValueError, match="predictions: 4000, signals: 2000"):
        stack(calibration, RejectorSignals(score, []), test, RejectorSignals(score, []), costs=COSTS)
    with pytest.raises(ValueError, match=r"client_scores: 2000, rejector_scores\[0\]: 4000"):
        stack(calibration, RejectorSignals(score, [test.r]), test, RejectorSignals(test_score, [test.r]), costs=COSTS)


def test_signals_of_8_bits_count_as_the_numbers_they_are():
    n, generator = 60, np.random.default_rng(0)
    score, r = generator.integers(-128, 128, (2, n)).astype(np.int8)
    score[:5] = -128
    label = np.where(generator.random(n) < 0.5, 1, -1)
    p = Predictions(m=label, r=np.zeros(n), e=generator.normal(size=n), y=np.where(generator.random(n) < 0.7, 1, -1))
    whole, exact = RejectorSignals(score, [r]), RejectorSignals(score.astype(float), [r.astype(float)])
    found, expected = (
        with_stacked_rejector(p, signals, p, signals, costs=Costs(1.0, 0.1)).r for signals in (whole, exact)
    )
    assert np.array_equal(found, expected)
