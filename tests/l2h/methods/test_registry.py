"""Every method sees the client only through labels and scores, and decides as its definition says."""

import inspect
import re
from dataclasses import replace
from functools import cache
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
import torch
from torch import nn

from l2h import checks
from l2h.data.dataset import load_dataset
from l2h.methods import base, baselines, confidence, learning_to_help, registry
from l2h.problem import Costs, asks, server_label
from l2h.theory import calibration
from l2h.training import loop
from l2h.training.config import TrainConfig

COSTS = Costs(c1=1.0, ce=0.1)
OPTIONS = base.Options(training=TrainConfig(epochs=2, batch_size=32, lr=1e-3))


@pytest.fixture(scope="module")
def splits():
    """Digits with a client that errs on a third of the examples, and a server that errs on a tenth."""
    dataset, generator = load_dataset(source="digits"), torch.Generator().manual_seed(0)

    def examples(data_split):
        x, y = data_split
        wrong = torch.rand(len(y), generator=generator) < 1 / 3
        score = torch.where(wrong, -y, y) * (0.1 + torch.rand(len(y), generator=generator) * torch.where(wrong, 1, 3))
        server = torch.where(torch.rand(len(y), generator=generator) < 0.1, -y, y).float()
        teacher = torch.rand(len(y), generator=generator) - 0.5
        features = torch.rand(len(y), 5, generator=torch.Generator().manual_seed(len(y)))
        return base.Examples(x, y, 2 * (score >= 0).long() - 1, score, server, teacher, features)

    return base.Splits(
        *(examples(data_split) for data_split in (dataset.train, dataset.calibration, dataset.validation))
    )


@pytest.fixture(scope="module")
def many():
    """Three digits with a client that errs on a third of the examples, and a server that errs on a tenth."""
    dataset, generator = load_dataset(("1", "3", "8"), source="digits"), torch.Generator().manual_seed(0)

    def scores(y, errors):
        wrong = torch.rand(len(y), generator=generator) < errors
        favoured = torch.where(wrong, (y + 1) % 3, y)
        return torch.rand(len(y), 3, generator=generator) + 2 * torch.nn.functional.one_hot(favoured, 3)

    def examples(data_split):
        x, y = data_split
        score, server = scores(y, 1 / 3), scores(y, 1 / 10)
        return base.Examples(x, y, score.argmax(1), score, server, torch.rand(len(y), generator=generator) - 0.5)

    return base.Splits(
        *(examples(data_split) for data_split in (dataset.train, dataset.calibration, dataset.validation))
    )


def answers(name, splits, options=OPTIONS, costs=COSTS, seed=0):
    system = registry.METHODS[name](splits, costs=costs, seed=seed, options=options)
    return system.r(splits.validation), system.e(splits.validation)


@pytest.mark.parametrize("name", registry.METHODS)
def test_every_method_answers_every_example(splits, name):
    r, e = answers(name, splits)
    assert r.shape == e.shape == splits.validation.y.shape
    assert torch.isfinite(r).all() and torch.isfinite(e).all()


@pytest.mark.parametrize("name", [name for name in registry.METHODS if name != "learning_to_help"])
def test_every_method_answers_for_many_classes(many, name):
    r, e = answers(name, many)
    assert r.shape == many.validation.y.shape and e.shape == (len(r), 3)
    assert torch.isfinite(r).all() and torch.isfinite(e).all()


def test_for_many_classes_alpha_is_a_number_or_comes_from_the_posterior(many):
    with pytest.raises(ValueError, match="expected alpha for 3 classes to be one of 'posterior', got 'deterministic'"):
        answers("learning_to_help", many)
    with pytest.raises(ValueError, match="expected bounded=False for alpha 'posterior'"):
        answers("learning_to_help", many, replace(OPTIONS, alpha="posterior"))
    for alpha in (1.5, "posterior"):
        r, e = answers("learning_to_help", many, replace(OPTIONS, alpha=alpha, bounded=False))
        assert r.shape == many.validation.y.shape and e.shape == (len(r), 3)


@pytest.mark.parametrize("name", registry.METHODS)
def test_what_a_decision_needs_is_what_it_reads(splits, name):
    system = registry.METHODS[name](splits, costs=COSTS, seed=0, options=OPTIONS)
    known, other = splits.validation, splits.validation._replace(client_scores=-5 * splits.validation.client_scores)
    assert (system.r(known) - system.r(other)).abs().max().item() > 0 if system.needs_client_scores else True
    assert torch.equal(system.r(known), system.r(other)) or system.needs_client_scores
    blind = known._replace(server_scores=-splits.validation.server_scores)
    assert torch.equal(system.r(known), system.r(blind)) != (system.needs_server and name in registry.TWO_STAGE)


def test_who_decides_with_the_server():
    assert set(registry.TEACHERS) < set(registry.JOINT) and set(registry.TRAINING_FREE) < set(registry.TWO_STAGE)


@pytest.mark.parametrize("name", ["learning_to_help", "two_stage", "two_sigmoid", "separate", "distilled", "budgeted"])
@pytest.mark.parametrize("rejector", base.REJECTORS)
def test_any_rejector_can_run_on_the_device(splits, name, rejector):
    options = base.Options(rejector=rejector, hidden_units=3, training=OPTIONS.training)
    system = registry.METHODS[name](splits, costs=COSTS, seed=0, options=options)
    assert system.r(splits.validation).shape == splits.validation.y.shape
    assert system.needs_client_scores == (rejector in ("scores", "features"))


@pytest.mark.parametrize("name", ["learning_to_help", "plain_server", "on_device_classifier", "random"])
def test_the_seed_decides(splits, name):
    first, again, other = (
        registry.METHODS[name](splits, costs=COSTS, seed=seed, options=OPTIONS) for seed in (0, 0, 1)
    )
    answers = [torch.cat([s.r(splits.validation), s.e(splits.validation)]) for s in (first, again, other)]
    assert torch.equal(answers[0], answers[1]) and not torch.equal(answers[0], answers[2])


def test_the_oracle_asks_exactly_where_asking_is_cheaper(splits):
    examples = splits.validation
    r = baselines.oracle(splits, costs=COSTS, seed=0, options=OPTIONS).r(examples)
    asking = COSTS.c1 * (server_label(examples.server_scores) != examples.y) + COSTS.ce
    assert torch.equal(asks(r), asking <= (examples.m != examples.y) * 1.0)


def test_confidence_orders_by_the_size_of_the_score(splits):
    examples = splits.validation
    r = confidence.confidence(splits, costs=COSTS, seed=0, options=OPTIONS).r(examples)
    assert torch.equal(r.argsort(), examples.client_scores.double().abs().argsort())


def test_confidence_asks_less_when_asking_costs_more(splits):
    rates = [
        asks(confidence.confidence(splits, costs=Costs(1.0, ce), seed=0, options=OPTIONS).r(splits.validation)).sum()
        for ce in (0.0, 0.2, 0.4)
    ]
    assert rates[0] > rates[1] > rates[2]


def test_always_is_always(splits):
    keep, ask = (
        asks(registry.METHODS[name](splits, costs=COSTS, seed=0, options=OPTIONS).r(splits.validation))
        for name in ("always_keep", "always_ask")
    )
    assert not keep.any() and ask.all()


def test_ready_made_rejectors_need_a_server(splits):
    alone = splits.validation._replace(server_scores=None)
    for name in ("random", "oracle", "always_keep", "always_ask"):
        with pytest.raises(ValueError, match=r"examples\.server_scores, got None"):
            registry.METHODS[name](splits, costs=COSTS, seed=0, options=OPTIONS).e(alone)
    with pytest.raises(ValueError, match=r"examples\.server_scores, got None"):
        confidence.confidence(splits._replace(calibration=alone), costs=COSTS, seed=0, options=OPTIONS)


def test_alpha_rules(splits):
    error = int((splits.calibration.m != splits.calibration.y).sum()) / len(splits.calibration.y)
    expected = {
        "released": calibration.alpha_released(0.18, costs=COSTS, beta=2.0),
        "client_error": calibration.alpha_from_p(error, costs=COSTS, beta=2.0),
        "deterministic": calibration.alpha_deterministic(costs=COSTS, beta=2.0),
    }
    assert (*expected, "estimated", "posterior") == tuple(learning_to_help.ALPHA_RULES) == base.ALPHA_RULE_NAMES
    found = {rule: learning_to_help.alpha_for_rule(rule, splits, COSTS, 2.0) for rule in expected}
    assert found == pytest.approx({rule: float(alpha) for rule, alpha in expected.items()})
    assert len(set(found.values())) == 3


def test_a_number_is_its_own_rule(splits):
    assert learning_to_help.alpha_for_rule(1.5, splits, COSTS, 2.0) == 1.5


@pytest.mark.parametrize("bounded", [True, False])
def test_bounded_scores_have_an_alpha_of_their_own(splits, bounded):
    costs, options = Costs(c1=0.5, ce=0.02), base.Options(bounded=bounded)
    p = (splits.calibration.m != splits.calibration.y).double().mean().item()
    arguments = {"costs": costs, "beta": 2.0, "bounded": bounded}
    found = {
        rule: learning_to_help.alpha_for_rule(rule, splits, costs, 2.0, options=options)
        for rule in ("deterministic", "client_error")
    }
    assert found["deterministic"] == pytest.approx(calibration.alpha_deterministic(**arguments))
    assert found["client_error"] == pytest.approx(float(calibration.alpha_from_p(p, **arguments)))
    assert calibration.alpha_deterministic(**{**arguments, "bounded": not bounded}) != pytest.approx(
        found["deterministic"]
    )


@pytest.mark.parametrize("network", [name for name in base.SERVER_NETWORKS if name != "residual_large"])  # a GPU's
def test_any_network_can_serve(splits, network):
    options = base.Options(server_network=network, hidden_units=3, training=OPTIONS.training)
    for method in (learning_to_help.learning_to_help, baselines.plain_server):
        e = method(splits, costs=COSTS, seed=0, options=options).e(splits.validation)
        assert e.shape == splits.validation.y.shape


def test_the_released_constant_ends_where_its_square_root_does(splits):
    with pytest.raises(ValueError, match=r"0\.18"):
        learning_to_help.alpha_for_rule("released", splits, Costs(1.0, 0.19), 2.0)


def test_bad_options_are_refused(splits):
    with pytest.raises(ValueError, match="one of 'released'"):
        base.Options(alpha="guess")
    with pytest.raises(ValueError, match="one of 'released'"):
        learning_to_help.alpha_for_rule("guess", splits, COSTS, 2.0)
    with pytest.raises(ValueError, match="alpha > 0"):
        base.Options(alpha=0.0)
    with pytest.raises(ValueError, match="hidden_units >= 1"):
        base.Options(hidden_units=0)
    with pytest.raises(ValueError, match="one of 'linear'"):
        base.Options(server_network="guess")
    with pytest.raises(ValueError, match="beta > 0"):
        base.Options(beta=0)


TRAINED = [name for name in registry.METHODS if name not in (*registry.TRAINING_FREE, "confidence")]


@pytest.fixture
def elsewhere(monkeypatch):
    """A device that keeps no numbers, and refuses those of any other: what reads them on the way is left out."""
    monkeypatch.setattr(loop, "requested_accelerator", lambda: torch.device("meta"))
    monkeypatch.setattr(loop, "make_optimizer", lambda network, _: torch.optim.SGD(network.parameters(), lr=0.1))
    monkeypatch.setattr(torch.Tensor, "item", lambda _: 0.0)
    for guard in ("binary_labels", "positive", "probabilities", "class_labels"):
        monkeypatch.setattr(checks, guard, lambda *_, **__: None)


@pytest.mark.parametrize("name", TRAINED)
@pytest.mark.parametrize("rejector", ["mlp", "scores", "features"])
def test_every_training_keeps_to_one_device(splits, elsewhere, name, rejector):
    options = replace(OPTIONS, rejector=rejector, update_every=2)
    with pytest.raises(NotImplementedError, match="Cannot copy out of meta tensor"):  # on its way home, once trained
        registry.METHODS[name](splits, costs=COSTS, seed=0, options=options)


def test_numbers_of_another_device_are_noticed(splits, elsewhere):
    x, y, *_ = splits.train
    with pytest.raises(RuntimeError, match="on device cpu is not on the expected device meta"):
        loop.fit(nn.Linear(3072, 1), x.flatten(1), (y,), lambda e, t: e[:, 0] + y[:32], config=OPTIONS.training, seed=0)


# Of each method, the test that holds its decision or its answers against what is known; a new method needs one.
ORACLES = {
    "plain_server": "test_baselines.test_a_classifier_on_everything_finds_the_likeliest_labels",
    "on_device_classifier": "test_baselines.test_a_classifier_on_everything_finds_the_likeliest_labels",
    "learning_to_help": "test_learning_to_help.test_a_calibrated_alpha_asks_where_the_client_errs",
    "stage_switching": "test_stage_switching.test_stage_switching_finds_the_bayes_decision_and_the_best_answers",
    "weighted_server": "test_stage_switching.test_a_specialised_server_answers_for_what_it_is_sent",
    "mozannar_sontag": "test_learning_to_defer.test_learning_to_defer_finds_the_bayes_decision_and_the_best_answers",
    "one_vs_all": "test_learning_to_defer.test_learning_to_defer_finds_the_bayes_decision_and_the_best_answers",
    "realizable": "test_learning_to_defer.test_realizable_decides_right_here_but_answers_at_random_what_it_keeps",
    "differentiable_triage": "test_learning_to_defer."
    "test_triage_finds_the_bayes_decision_where_most_labels_are_the_mean",
    "budgeted": "test_learning_to_defer.test_a_budget_is_spent_where_it_helps_most",
    "confidence": "test_confidence."
    "test_confidence_suffices_where_it_is_calibrated_and_the_server_errs_alike_everywhere",
    "confidence_specialist": "test_confidence.test_a_specialist_is_the_bayes_classifier_on_what_it_is_sent",
    "separate": "test_two_stage.test_a_separate_rejector_suffices_where_the_server_errs_alike_everywhere",
    "two_stage": "test_two_stage.test_two_stages_find_the_best_rejector_for_their_server_at_any_costs",
    "two_sigmoid": "test_two_stage.test_two_stages_find_the_best_rejector_for_their_server_at_any_costs",
    "distilled": "test_two_stage.test_a_student_decides_as_its_teacher",
    "stage_rejector": "test_stage_switching.test_the_stage_rejector_finds_the_bayes_decision_for_the_best_server",
    "random": "test_baselines.test_random_questions_come_at_any_rate",
    "oracle": "test_registry.test_the_oracle_asks_exactly_where_asking_is_cheaper",
    "always_ask": "test_registry.test_always_is_always",
    "always_keep": "test_registry.test_always_is_always",
}
# Where theory says that a method does not decide as the Bayes rule, the test that names the case.
FAILURES = {
    "learning_to_help": "test_learning_to_help."
    "test_named_failure_the_released_constant_keeps_where_the_client_errs_in_85_of_100",
    "stage_switching": "test_stage_switching.test_named_failure_the_server_of_stage_switching_serves_everybody",
    "weighted_server": "test_stage_switching.test_named_failure_with_a_small_beta_the_server_does_not_specialise",
    "realizable": "test_learning_to_defer.test_realizable_decides_right_here_but_answers_at_random_what_it_keeps",
    "differentiable_triage": "test_learning_to_defer.test_named_failure_triage_asks_where_most_labels_say_so",
    "budgeted": "test_learning_to_defer.test_named_failure_a_budget_knows_no_zero",
    "confidence": "test_confidence.test_named_failure_confidence_does_not_know_where_the_server_errs",
    "confidence_specialist": "test_confidence.test_named_failure_a_specialist_has_not_learnt_what_it_is_not_sent",
    "separate": "test_two_stage.test_named_failure_a_separate_rejector_does_not_know_where_the_server_errs",
    "distilled": "test_two_stage.test_named_failure_a_student_that_sees_less_than_its_teacher",
    "stage_rejector": "test_stage_switching."
    "test_named_failure_the_released_form_asks_where_the_server_errs_as_often_as_the_client",
}


def test_every_method_has_an_oracle():
    assert set(ORACLES) == set(registry.METHODS) >= set(FAILURES)


@cache
def functions_of(module):
    """The functions of a test module of this folder."""
    spec = spec_from_file_location(module, Path(__file__).with_name(f"{module}.py"))
    loaded = module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return vars(loaded)


@pytest.mark.parametrize(("name", "oracle"), [*ORACLES.items(), *FAILURES.items()])
def test_the_oracle_of_a_method_exists_and_runs_it(name, oracle):
    """Its source, or a function of its module that it calls, names the method."""
    module, test = oracle.split(".")
    functions = functions_of(module)
    source = inspect.getsource(functions[test])
    called = [f for word in re.findall(r"(\w+)\(", source) if inspect.isfunction(f := functions.get(word))]
    assert test.startswith("test_")
    assert re.search(rf'"{name}"|\.{name}\(', "".join(map(inspect.getsource, [functions[test], *called])))
