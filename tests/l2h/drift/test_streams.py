"""Plans and courses: the change comes when it is said, and what comes has the distribution that is said."""

import numpy as np
import pytest

from l2h.drift import streams

Y = np.array([-1, 1, -1, 1, 1, -1])
LABELS = {name: Y for name in ("clean", *(f"noise {s}" for s in range(1, 6)))} | {"unseen": np.array([1, 1])}


@pytest.mark.parametrize("kind", streams.DRIFT_KINDS)
@pytest.mark.parametrize("gradual", [False, True])
def test_nothing_changes_before_the_change_and_something_does_at_it(kind, gradual):
    plan = streams.drift_schedule(kind, length=400, severity=3, gradual=gradual)
    assert plan.change_point == (100 if gradual else 200)
    early, late = slice(0, plan.change_point), slice(plan.change_point, None)
    assert (plan.condition[early] == "clean").all() and np.isnan(plan.positive_share[early]).all()
    assert (plan.unseen_share[early] == 0).all()
    differs = (plan.condition[late] != "clean") | ~np.isnan(plan.positive_share[late]) | (plan.unseen_share[late] > 0)
    assert differs.all()


def test_a_gradual_change_climbs_by_one_degree_at_a_time():
    plan = streams.drift_schedule("noise", length=400, severity=4, gradual=True)
    degree = [0 if name == "clean" else int(name.split()[1]) for name in plan.condition]
    assert set(np.diff(degree)) == {0, 1} and degree[-1] == 4
    assert degree[100:300] == [1] * 50 + [2] * 50 + [3] * 50 + [4] * 50


def test_a_stream_without_change_is_clean_to_its_end():
    plan = streams.drift_schedule(None, length=9)
    assert plan.change_point == 9 and set(plan.condition) == {"clean"} and (plan.unseen_share == 0).all()


def test_images_come_evenly_and_with_replacement():
    course = streams.fill_schedule(streams.drift_schedule(None, length=6000), LABELS, seed=0)
    assert np.abs(np.bincount(course.image) / 6000 - 1 / 6).max() < 0.02


def test_a_label_shift_has_the_stated_share():
    course = streams.fill_schedule(streams.drift_schedule("label shift", length=8000, severity=5), LABELS, seed=0)
    assert abs((Y[course.image[4000:]] == 1).mean() - 0.9) < 0.02


def test_the_class_never_seen_comes_in_the_stated_share_from_its_own_table():
    course = streams.fill_schedule(streams.drift_schedule("unseen class", length=8000, severity=5), LABELS, seed=0)
    unseen = course.condition == "unseen"
    assert not unseen[:4000].any() and abs(unseen[4000:].mean() - 0.6) < 0.03
    assert course.image[unseen].max() <= 1


def test_a_course_is_the_same_for_the_same_seed_only():
    plan = streams.drift_schedule("noise", length=100)
    first, again, other = (streams.fill_schedule(plan, LABELS, seed=seed).image for seed in (0, 0, 1))
    assert (first == again).all() and not (first == other).all()


def test_a_condition_without_table_is_missed():
    with pytest.raises(KeyError, match="fog 5"):
        streams.fill_schedule(streams.drift_schedule("fog", length=8), LABELS, seed=0)


def test_an_autocorrelated_stream_has_the_distribution_of_its_schedule_and_the_stated_dwell_time():
    drawn = streams.fill_schedule(streams.drift_schedule("noise", length=40_000, severity=1), LABELS, seed=0)
    course = streams.with_dwell_time(drawn, dwell_time=5, seed=1)
    assert np.abs(np.bincount(course.image) / 40_000 - 1 / 6).max() < 0.02
    assert (np.diff(course.image) != 0).mean() == pytest.approx(1 / 5 * 5 / 6, abs=0.01)  # a sixth comes to itself
    assert (course.condition == drawn.condition).mean() == 1.0 and course.change_point == drawn.change_point
    assert np.array_equal(streams.with_dwell_time(drawn, dwell_time=1, seed=1).image, drawn.image)


def test_autocorrelated_inputs_have_a_smaller_effective_number():
    drawn = streams.fill_schedule(streams.drift_schedule(None, length=400_000), LABELS, seed=0)
    spread = {
        stay: Y[streams.with_dwell_time(drawn, dwell_time=stay, seed=1).image].reshape(-1, 400).mean(axis=1).var()
        for stay in (1, 5)
    }
    assert spread[5] / spread[1] == pytest.approx(2 * 5 - 1, rel=0.2)


def test_what_is_in_view_goes_when_the_distribution_changes():
    drawn = streams.fill_schedule(streams.drift_schedule("noise", length=100, severity=1), LABELS, seed=0)
    course = streams.with_dwell_time(drawn, dwell_time=1e12, seed=1)
    assert set(course.condition[:50]) == {"clean"} and set(course.condition[50:]) == {"noise 1"}
    assert len(set(course.image[:50])) == len(set(course.image[50:])) == 1


def test_devices_spread_as_the_dirichlet_distribution_does():
    for a in (0.1, 1.0, 10.0):
        shares = streams.device_label_shares(4000, concentration=a, seed=0)
        assert abs(shares.mean() - 0.5) < 0.02
        assert shares.var() == pytest.approx(0.25 / (2 * a + 1), rel=0.1)  # of Beta(a, a)


def test_a_device_has_its_share_and_no_change():
    plan = streams.device_schedule(0.25, length=4000)
    course = streams.fill_schedule(plan, LABELS, seed=0)
    assert plan.change_point == 4000 and abs((Y[course.image] == 1).mean() - 0.25) < 0.02


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: streams.drift_schedule("rain", length=100), "kind"),
        (lambda: streams.drift_schedule("fog", length=100, severity=0), "severity"),
        (lambda: streams.drift_schedule("fog", length=7), "length"),
        (
            lambda: streams.with_dwell_time(
                streams.fill_schedule(streams.drift_schedule(None, length=8), LABELS, seed=0), dwell_time=0.5, seed=0
            ),
            "dwell_time",
        ),
        (lambda: streams.device_label_shares(0, concentration=1.0, seed=0), "n_devices >= 1"),
        (lambda: streams.device_label_shares(1, concentration=0.0, seed=0), "concentration"),
        (lambda: streams.device_schedule(1.5, length=10), "positive"),
        (lambda: streams.device_schedule(0.5, length=0), "length"),
    ],
)
def test_what_does_not_exist_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
