"""Joint against separate training on the specialist's testbed: exact, and against a fine grid of thresholds."""

from fractions import Fraction

import numpy as np
import pytest

from companion.chapters.ch06_comparison.specialist import servers_with_best_rejectors
from l2h.theory.distributions import DISTRIBUTIONS

COSTS = [(Fraction(1), Fraction(3, 20)), (Fraction(1), Fraction(2, 5)), (Fraction(1, 2), Fraction(1, 10))]


def by_grid(sign, t, c1, ce):
    """Error, risk and offload rate of the server with threshold t, over the middles of 20,000 cells."""
    x = (np.arange(20_000) + 0.5) / 20_000
    eta = np.where((x <= 0.45) | (x > 0.75), 0.95, 0.05)
    p = np.where(x <= 0.45, 1 - eta, eta)
    label = np.where(x <= t, sign, -sign)
    wrong = np.where(label > 0, 1 - eta, eta)
    asking = c1 * wrong + ce
    return wrong.mean(), np.minimum(p, asking).mean(), (asking < p).mean()


@pytest.mark.parametrize(("c1", "ce"), COSTS)
def test_errors_and_risks_are_those_of_the_grid(c1, ce):
    for pair in servers_with_best_rejectors(c1, ce):
        found = by_grid(pair.sign, float(pair.threshold), float(c1), float(ce))
        assert found == pytest.approx((float(pair.error), float(pair.risk), float(pair.offload_rate)), abs=1e-9)


@pytest.mark.parametrize(("c1", "ce"), COSTS)
def test_no_threshold_between_the_ends_does_better(c1, ce):
    found = servers_with_best_rejectors(c1, ce)
    inside = [by_grid(sign, t, float(c1), float(ce)) for sign in (1, -1) for t in np.linspace(0, 1, 101)]
    assert min(one[0] for one in inside) >= float(min(pair.error for pair in found)) - 1e-9
    assert min(one[1] for one in inside) >= float(min(pair.risk for pair in found)) - 1e-9


def test_joint_training_wins_by_giving_up_what_the_client_can_do():
    found = servers_with_best_rejectors(Fraction(1), Fraction(3, 20))
    joint, separate = min(found, key=lambda pair: pair.risk), min(found, key=lambda pair: pair.error)
    assert (joint.risk, separate.risk) == (Fraction(7, 80), Fraction(11, 40))
    assert joint.error > separate.error
    assert (joint.offload_rate, separate.offload_rate) == (Fraction(1, 4), 0)
    assert separate.risk == DISTRIBUTIONS["specialist"].client_risk()
    assert sum(pair.error == separate.error for pair in found) == 1
