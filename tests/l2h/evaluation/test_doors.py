"""Functions of the evaluation refuse an argument of the wrong form by its name, whichever argument it is."""

import numpy as np
import pytest

from l2h.evaluation.calibration import calibration_error
from l2h.evaluation.intervals import poisson_rate, power_law_exponent, proportion_interval, z_interval
from l2h.evaluation.multiple_comparisons import equivalence_intervals, holm_intervals
from l2h.evaluation.mutual_information import mutual_information
from l2h.evaluation.random_effects import random_effects
from l2h.evaluation.thresholds import budget_threshold, threshold_between, threshold_grid

NUMBERS = np.array([0.1, 0.4, 0.2, 0.9])
LABELS = np.array([0, 1, 1, 0])
FUNCTIONS = {
    "calibration_error": (calibration_error, {"p": NUMBERS, "outcomes": LABELS}),
    "mutual_information": (mutual_information, {"first": LABELS, "second": LABELS[::-1]}),
    "random_effects": (random_effects, {"estimates": NUMBERS, "standard_errors": NUMBERS, "property_values": NUMBERS}),
    "z_interval": (z_interval, {"values": NUMBERS}),
    "threshold_between": (lambda r: threshold_between(r, 0.3), {"r": NUMBERS}),
    "threshold_grid": (lambda r: threshold_grid(r, 5), {"r": NUMBERS}),
    "budget_threshold": (lambda r: budget_threshold(r, budget=0.5), {"r": NUMBERS}),
}
ARGUMENTS = [(name, argument) for name, (_, good) in FUNCTIONS.items() for argument in good]
SEVERAL = [("calibration_error", "outcomes"), ("mutual_information", "second"), ("random_effects", "standard_errors")]
FINITE = [(name, argument) for name, argument in ARGUMENTS if argument not in ("first", "second")]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_good_arguments_are_taken(name):
    function, good = FUNCTIONS[name]
    function(**good)


@pytest.mark.parametrize(("name", "argument"), ARGUMENTS)
def test_a_column_in_place_of_numbers_is_refused(name, argument):
    function, good = FUNCTIONS[name]
    with pytest.raises(ValueError, match=rf"expected {argument} of shape \(n,\), got shape \(4, 1\)"):
        function(**{**good, argument: good[argument][:, None]})


@pytest.mark.parametrize(("name", "argument"), SEVERAL)
def test_an_argument_that_is_longer_than_the_others_is_refused(name, argument):
    function, good = FUNCTIONS[name]
    with pytest.raises(ValueError, match=f"one length, got .*{argument}: 8"):
        function(**{**good, argument: np.tile(good[argument], 2)})


@pytest.mark.parametrize(("name", "argument"), FINITE)
def test_what_is_not_finite_is_refused(name, argument):
    function, good = FUNCTIONS[name]
    wrong = np.where(np.arange(4) == 2, np.nan, good[argument])
    with pytest.raises(ValueError, match=argument):
        function(**{**good, argument: wrong})


@pytest.mark.parametrize("intervals", [holm_intervals, lambda *given: equivalence_intervals(*given, margin=0.1)])
def test_a_family_with_a_number_that_is_not_finite_is_refused(intervals):
    for position, name in enumerate(("estimates", "standard_errors")):
        given = [NUMBERS, NUMBERS, 5.0]
        given[position] = np.append(NUMBERS[:3], np.inf)
        with pytest.raises(ValueError, match=f"finite {name}, got 1 entries"):
            intervals(*given)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: proportion_interval(0, 0), "n >= 1, got 0"),
        (lambda: poisson_rate(-1, 5), "events >= 0, got -1"),
        (lambda: poisson_rate(1, 0), "steps >= 1, got 0"),
        (lambda: threshold_grid(NUMBERS, 2), "n_thresholds >= 3, got 2"),
        (lambda: z_interval([0.5]), "n >= 2, got 1"),
    ],
)
def test_too_small_a_number_is_refused_by_its_name(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_numbers_of_single_precision_are_computed_in_double_precision():
    single = NUMBERS.astype(np.float32)
    double = single.astype(float)
    assert random_effects(single, single).mean_interval() == random_effects(double, double).mean_interval()
    values = np.stack([single, 2 * single])
    assert power_law_exponent(LABELS + np.arange(1, 5), values) == power_law_exponent(
        (LABELS + np.arange(1, 5)).astype(float), values.astype(float)
    )
    # as a number of single precision 0.1 is a little above 0.1, so that the threshold 0.1 keeps it
    assert threshold_between(np.float32([0.1, -1.0]), 0.1) < np.float32(0.1)


def test_integer_standard_errors_and_estimates_are_numbers():
    assert (
        random_effects([1, 2, 4], [1, 1, 1]).mean_interval()
        == random_effects([1.0, 2.0, 4.0], [1.0, 1.0, 1.0]).mean_interval()
    )
