"""The lists of runs of chapters 06 and 08: complete, shared, made once, and read as the chapters read them."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from companion.chapters import systems as chapters_systems
from companion.chapters.ch06_comparison import evidence as ch06_comparison_evidence
from companion.chapters.ch06_comparison import experiments as ch06_comparison_experiments
from companion.chapters.ch08_costs import experiments as ch08_costs_experiments
from companion.chapters.parameters import settings_for
from companion.chapters.settings import PROFILE_NAMES
from companion.claims import registry as claims_registry
from l2h.evaluation import comparisons, metrics, thresholds
from l2h.evaluation.curves import loss_curve
from l2h.evaluation.intervals import Interval
from l2h.evaluation.resources import IMAGE_BYTES, NetworkSize, network_size
from l2h.experiments import run, store
from l2h.experiments.config import ExperimentConfig
from l2h.experiments.sweep import over_seeds, sweep
from l2h.methods import registry as methods_registry
from l2h.models.networks import LeNet, linear_network, mlp
from l2h.plotting.style import REFERENCE_STYLES
from l2h.problem import Costs

STUDIES = {"06_comparison": ch06_comparison_experiments.comparison_grid, "08_costs": ch08_costs_experiments.cost_grid}
L2H = "learning to help"
SMALL = ("learning to help", "two-stage", "confidence", "on-device classifier")


@pytest.mark.parametrize("profile", PROFILE_NAMES)
@pytest.mark.parametrize("chapter", STUDIES)
def test_every_profile_has_its_runs_each_once_and_in_order(chapter, profile):
    study = settings_for(chapter, profile)
    design = STUDIES[chapter](study)
    listed = chapters_systems.all_configs(design, study.seeds)
    assert len(listed) == len(set(listed))
    for group in design.values():
        assert all(one in listed for config in group.values() for one in over_seeds(config, study.seeds))
    assert {one.precision for one in listed} == {study.precision}


def test_the_comparison_is_between_every_method_at_one_pair_of_costs():
    study = settings_for("06_comparison", "paper")
    places = ch06_comparison_experiments.comparison_grid(study)
    on_features = {"two-stage, on features"}
    for place, systems in places.items():
        assert set(chapters_systems.SYSTEMS) - set(systems) == (set() if place.startswith("lenet") else on_features)
    assert set(chapters_systems.SYSTEMS_IN_CLAIMS) < set(chapters_systems.SYSTEMS)
    assert len(places) == 6 and study.seeds >= 5
    used = {config.method for systems in places.values() for config in systems.values()}
    left_out = set(methods_registry.METHODS) - used - {"plain_server", "on_device_classifier"}
    lines, of_many_classes = {"oracle", "always_keep"}, {"stage_switching", "weighted_server", "stage_rejector"}
    assert left_out == lines | of_many_classes  # lines are drawn from the client and the server alone
    assert {(one.c1, one.ce) for systems in places.values() for one in systems.values()} == {
        (1.0, chapters_systems.COMPARISON_CE)
    }


def test_one_server_per_seed_and_pair_serves_every_client():
    study = settings_for("06_comparison", "paper")
    listed = chapters_systems.all_configs(ch06_comparison_experiments.comparison_grid(study), study.seeds)
    assert sum(one.method == "plain_server" for one in listed) == study.seeds * len(study.pairs)
    assert sum(one.method == "client" for one in listed) == study.seeds * len(study.pairs) * len(study.clients)


@pytest.mark.parametrize("profile", PROFILE_NAMES)
def test_one_client_has_all_that_a_rejector_may_read(profile):
    study = settings_for("08_costs", profile)
    inputs = ch08_costs_experiments.cost_grid(study)["rejector_inputs"]
    assert [one.rejector for one in inputs.values()] == list(study.rejector_inputs) == list(inputs)
    assert {one.client for one in inputs.values()} == {study.rejector_input_client} == {"lenet"}
    assert {"scores", "features"} < set(inputs)


def test_chapter_08_uses_what_chapter_06_trained():
    first, second = (settings_for(chapter, "paper") for chapter in STUDIES)
    known = set(chapters_systems.all_configs(ch06_comparison_experiments.comparison_grid(first), first.seeds))
    new = [
        one
        for one in chapters_systems.all_configs(ch08_costs_experiments.cost_grid(second), second.seeds)
        if one not in known
    ]
    assert {one.method for one in new} == {"learning_to_help"}
    assert len(new) < 150


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """A small comparison on digits, made once."""
    study = replace(
        settings_for("06_comparison", "quick"),
        data="digits",
        sizes=(),
        clients=ch06_comparison_evidence.COMPARED_CLIENTS[:2],
    )
    patch = pytest.MonkeyPatch()
    patch.setenv("L2H_RUNS", str(tmp_path_factory.mktemp("runs")))
    everyone = ch06_comparison_experiments.comparison_grid(study)
    places = {place: {name: systems[name] for name in SMALL} for place, systems in everyone.items()}
    configs = chapters_systems.all_configs(places, study.seeds)
    with ThreadPoolExecutor(1) as executor:
        results = dict(zip(configs, sweep(configs, executor=executor), strict=True))
    yield study, places, results
    patch.undo()


def test_runs_are_made_and_counted(digits):
    study, places, results = digits
    assert set(results) == set(chapters_systems.all_configs(places, study.seeds))
    number, seconds = run.training_summary(results.values())
    trained = [one for one in results if one.method not in methods_registry.TRAINING_FREE]
    assert number == len(trained) and seconds > 0
    assert len(list(store.Store().folder.rglob("*.json"))) > 0


@pytest.mark.parametrize("part", ["validation", "test"])
def test_answers_hold_every_system_and_ours(digits, part):
    study, places, results = digits
    for place, systems in places.items():
        said = chapters_systems.system_predictions(results, systems, study.seeds, split=part)
        assert list(said) == [*SMALL, chapters_systems.STACKED_NAME]
        assert all(len(of) == study.seeds for of in said.values())
        for ours, two_stage in zip(said[chapters_systems.STACKED_NAME], said["two-stage"], strict=True):
            np.testing.assert_array_equal(ours.m, two_stage.m, place)
            np.testing.assert_array_equal(ours.e, two_stage.e)
            assert not np.array_equal(ours.r, two_stage.r)


def test_the_device_alone_keeps_everything_and_pays_nothing(digits):
    study, places, results = digits
    alone = chapters_systems.system_predictions(results, next(iter(places.values())), study.seeds)[
        chapters_systems.ON_DEVICE_CLASSIFIER
    ]
    for p in alone:
        assert metrics.coverage(p) == 1
        wrong = (p.e >= 0) != (p.y > 0)
        assert metrics.system_loss(p, costs=Costs(c1=9, ce=9)) == pytest.approx(wrong.mean())


def test_evidence_is_given_for_every_place_or_said_to_be_absent(digits):
    study, places, results = digits
    test = {
        place: chapters_systems.system_predictions(results, systems, study.seeds) for place, systems in places.items()
    }
    first, second = places
    data = dict.fromkeys(places, "abc")
    found = ch06_comparison_evidence.evidence_by_setting(
        {first: Interval(0.1, 0.0, 0.2), second: None}, test, data=data
    )
    assert list(found) == ["as_released, easy pair", "well_trained, easy pair", "lenet, easy pair",
                           "as_released, hard pair", "well_trained, hard pair", "lenet, hard pair"]  # fmt: skip
    assert (found[first].estimate, found[first].low, found[first].high) == (0.1, 0.0, 0.2)
    assert (found[first].seeds, found[first].data) == (study.seeds, "abc")
    assert found[first].n == len(test[first][L2H][0].y)
    assert {one.reason for place, one in found.items() if place != first} == {"not run at this profile"}
    asked = ch06_comparison_evidence.evidence_by_setting(
        lambda said: Interval(0.5, 0.4, 0.6) if L2H in said else None, test, data=data
    )
    assert [one.estimate for one in asked.values()] == [0.5, 0.5, None, None, None, None]
    rules = claims_registry.chapter_claims("06_comparison")["beats-confidence-for-every-client"].rule.cases
    assert list(found) == list(rules)


def test_a_swap_takes_the_server_and_nothing_else(digits):
    study, places, results = digits
    said = chapters_systems.system_predictions(results, next(iter(places.values())), study.seeds)
    for one, other, new in zip(
        said["learning to help"],
        said["two-stage"],
        comparisons.with_other_server(said["learning to help"], said["two-stage"]),
        strict=True,
    ):
        np.testing.assert_array_equal(new.r, one.r)
        np.testing.assert_array_equal(new.e, other.e)


def test_other_costs_take_the_best_threshold_of_the_validation_part(digits):
    study, places, results = digits
    systems, costs = next(iter(places.values())), Costs(c1=1.0, ce=0.02)
    on, of = (
        chapters_systems.system_predictions(results, systems, study.seeds, split=part)["two-stage"]
        for part in ("validation", "test")
    )
    for validation, found in zip(on, thresholds.tuned_on_validation(on, on, costs=costs), strict=True):
        assert metrics.system_loss(found, costs=costs) == pytest.approx(loss_curve(validation, costs=costs).loss.min())
    assert len(thresholds.tuned_on_validation(on, of, costs=costs)) == study.seeds


def test_losses_over_costs_stand_beside_their_levels(digits):
    study, places, results = digits
    systems, priced = next(iter(places.values())), [Costs(c1=1.0, ce=ce) for ce in (0.0, 0.1, 0.6)]
    on, of = (
        chapters_systems.system_predictions(results, systems, study.seeds, split=part)
        for part in ("validation", "test")
    )
    for name in SMALL:
        mean, low, high = comparisons.losses_at_costs(priced, on[name], of[name])
        expected = [
            np.mean(
                [metrics.system_loss(p, costs=c) for p in thresholds.tuned_on_validation(on[name], of[name], costs=c)]
            )
            for c in priced
        ]
        assert mean == pytest.approx(expected) and (low <= mean).all() and (mean <= high).all()
    levels = comparisons.reference_losses_at_costs(priced, of["confidence"])
    assert list(levels) == list(REFERENCE_STYLES)
    assert levels["never ask"] == pytest.approx([np.mean([p.m != p.y for p in of["confidence"]])] * 3)
    served = np.mean([(p.e >= 0) != (p.y > 0) for p in of["confidence"]])
    assert levels["always ask"] == pytest.approx([served, served + 0.1, served + 0.6])
    assert (levels["oracle"] <= levels["random, best rate"]).all()


@pytest.mark.parametrize(
    ("name", "told", "flops", "sent"),
    [
        ("learning to help", {}, network_size(mlp(120)).flops + 3072, IMAGE_BYTES / 2),
        ("L2H, linear rejector", {}, network_size(linear_network()).flops + 3072, IMAGE_BYTES / 2),
        ("two-stage, on scores", {}, 4 + 6144, IMAGE_BYTES / 2),
        ("two-stage, on features", {"client": "lenet"}, 2 * (84 + 2) + network_size(LeNet()).flops, IMAGE_BYTES / 2),
        ("confidence", {}, 6144, IMAGE_BYTES / 2),
        ("confidence, specialist", {"client": "lenet"}, network_size(LeNet()).flops, IMAGE_BYTES / 2),
        ("random", {}, 3072, IMAGE_BYTES / 2),
        ("Mozannar-Sontag", {}, 3072, IMAGE_BYTES),
        ("Mozannar-Sontag, distilled", {}, network_size(mlp(120)).flops + 3072, IMAGE_BYTES / 2),
    ],
)
def test_what_half_a_coverage_spends(name, told, flops, sent):
    found = chapters_systems.system_resource_use(name, ExperimentConfig(**chapters_systems.SYSTEMS[name], **told), 0.5)
    assert found == (flops, sent)


def test_ours_reads_the_score_and_the_device_alone_sends_nothing():
    two_stage, alone = (
        ExperimentConfig(**chapters_systems.SYSTEMS[name])
        for name in ("two-stage", chapters_systems.ON_DEVICE_CLASSIFIER)
    )
    assert chapters_systems.system_resource_use(chapters_systems.STACKED_NAME, two_stage, 0.5) == (
        network_size(mlp(120)).flops + 6144,
        IMAGE_BYTES / 2,
    )
    assert chapters_systems.system_resource_use(chapters_systems.ON_DEVICE_CLASSIFIER, alone, 1.0) == (
        network_size(mlp(120)).flops,
        0,
    )
    assert chapters_systems.device_sizes(chapters_systems.ON_DEVICE_CLASSIFIER, alone)[0] == NetworkSize(0, 0)
    for name, read in (("scores", 2), ("features", 86)):
        own = chapters_systems.device_sizes("two-stage", replace(two_stage, client="lenet", rejector=name))[1]
        assert own == NetworkSize(parameters=read + 1, flops=2 * read)
    assert chapters_systems.device_sizes("two-stage", replace(two_stage, rejector="lenet"))[1] == network_size(LeNet())
