"""Evidence of chapter 07: complete for its claims, and computed as its rules say."""

from dataclasses import replace

import numpy as np
import pytest

from companion.chapters.ch07_multiclass import evidence as ch07_multiclass_evidence
from companion.chapters.ch07_multiclass import experiments
from companion.chapters.parameters import settings_for
from companion.claims import registry, verdicts
from companion.claims.evidence import Evidence
from l2h.evaluation import metrics
from l2h.evaluation.comparisons import client_difference_kept_asked, server_difference_on_asked
from l2h.experiments import sweep
from l2h.problem import Predictions

SETTINGS = replace(settings_for("07_multiclass", "quick"), data="cifar10")
CLAIMS = registry.chapter_claims("07_multiclass")


@pytest.fixture(scope="module")
def theory():
    return ch07_multiclass_evidence.theory_evidence()


def predictions(config):
    """Three classes, a client that is right on half, and a rejector that asks less as c1 grows, or more if reversed."""
    y = np.tile([0, 1, 2], 40)
    generator = np.random.default_rng(config.seed)
    m = np.where(generator.random(120) < 0.5, y, (y + 1) % 3)
    e = np.eye(3)[np.where(generator.random(120) < 0.8, y, (y + 2) % 3)]
    sign = 1 if config.form == "released" else -1
    return Predictions(m, generator.random(120) - 0.5 - 0.2 * sign * config.c1, e, y)


class ToyResults:
    """Systems that were never trained, in place of `experiments.MulticlassResults`."""

    def deciding(self, count):
        return self

    def untuned(self, config):
        return [predictions(one) for one in sweep.over_seeds(config, 3)]

    def tuned_on_validation(self, config):
        return [replace(p, r=p.r - 0.01) for p in self.untuned(config)]


of = ToyResults().untuned


def cases(handed_in):
    return {None} if isinstance(handed_in, Evidence) else set(handed_in)


def test_theory_and_runs_cover_every_claim_and_case_of_the_chapter(theory):
    handed_in = theory | ch07_multiclass_evidence.run_evidence(ToyResults(), SETTINGS, steps_per_epoch=4, data="0" * 64)
    absent = {name for name, claim in CLAIMS.items() if claim.rule.form == "absent"}
    assert set(handed_in) == set(CLAIMS) - absent
    for name, given in handed_in.items():
        expected = {None} if CLAIMS[name].rule.form == "holds" else set(CLAIMS[name].rule.cases)
        assert cases(given) == expected, name


def test_the_verdicts_of_theory(theory):
    by_case = {
        name: {verdicts.SINGLE_CASE: given} if isinstance(given, Evidence) else given for name, given in theory.items()
    }
    found = {name: verdicts.claim_verdict(CLAIMS[name].rule, given) for name, given in by_case.items()}
    assert found.pop("joint-stage-objective-consistent") == "false"
    assert found.pop("one-alpha-specialises-and-asks") == "holds only under a condition"
    assert set(found.values()) == {"reproduced"}


def test_the_sign_of_the_weight_shows_in_the_slopes():
    slopes = ch07_multiclass_evidence.run_evidence(ToyResults(), SETTINGS, steps_per_epoch=4, data="0" * 64)[
        "reversed-sign-shows-in-the-slope"
    ]
    assert slopes["released"].low > 0 > slopes["shifted"].high
    rates = [
        np.mean([metrics.offload_rate(p) for p in of(experiments.form_grid(SETTINGS)["released", c1])])
        for c1 in SETTINGS.c1_grid
    ]
    assert slopes["released"].estimate == pytest.approx(np.polyfit(SETTINGS.c1_grid, rates, 1)[0])
    assert slopes["released"].seeds == 3 and slopes["released"].n == 120


def test_the_claim_on_the_server_is_about_the_residual_one_only():
    smaller = ch07_multiclass_evidence.run_evidence(ToyResults(), SETTINGS, steps_per_epoch=4, data="0" * 64)[
        "moderate-server"
    ]
    assert smaller.reason and "smaller server" in smaller.reason
    settings = replace(SETTINGS, server_network="residual_small")
    assert (
        ch07_multiclass_evidence.run_evidence(ToyResults(), settings, steps_per_epoch=4, data="0" * 64)[
            "moderate-server"
        ].estimate
        > 0.7
    )


def test_systems_are_compared_at_tuned_thresholds_and_forms_at_r_0():
    found = ch07_multiclass_evidence.run_evidence(ToyResults(), SETTINGS, steps_per_epoch=4, data="0" * 64)
    stage = experiments.multiclass_grid(SETTINGS)["follow_up", "stage switching"]
    assert found["many-classes-find-hard-examples"].estimate == pytest.approx(
        client_difference_kept_asked(ToyResults().tuned_on_validation(stage)).estimate
    )
    at_printed = {
        form: experiments.follow_up_table_grid(SETTINGS)[experiments.FOLLOW_UP_COSTS, f"stage, {form}"]
        for form in ("nonnegative", "released")
    }
    rates = {form: np.mean([metrics.offload_rate(p) for p in of(one)]) for form, one in at_printed.items()}
    assert found["reversed-sign-sends-more"].estimate == pytest.approx(rates["released"] - rates["nonnegative"])


def test_claims_with_a_margin_have_limits_for_equivalence_and_a_number_of_seeds():
    found = ch07_multiclass_evidence.run_evidence(ToyResults(), SETTINGS, steps_per_epoch=4, data="0" * 64)
    for name, claim in CLAIMS.items():
        for case, bounds in claim.rule.cases.items():
            if "margin" in bounds:
                evidence = found[name] if isinstance(found[name], Evidence) else found[name][case]
                assert evidence.low <= evidence.equivalence_low <= evidence.equivalence_high <= evidence.high
                assert evidence.units == "seeds" and evidence.seeds == 3


def test_a_specialised_server_is_compared_where_its_own_system_asks():
    found = ch07_multiclass_evidence.run_evidence(ToyResults(), SETTINGS, steps_per_epoch=4, data="0" * 64)
    grid = experiments.compared_systems(SETTINGS, "follow_up")
    names = ("stage switching", *experiments.WEIGHTED_SERVER_SYSTEMS)
    stage, staged, convex = (ToyResults().tuned_on_validation(grid[name]) for name in names)
    for case, specialised in (("in stages", staged), ("convex", convex)):
        expected = server_difference_on_asked(specialised, stage)
        evidence = found["specialised-server-better-where-asked"][case]
        assert (evidence.estimate, evidence.low, evidence.high) == tuple(map(float, expected))
