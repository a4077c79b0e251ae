"""Parts of the data, thresholds, and that what is deployed decides as the method of the registry does."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from l2h.evaluation.metrics import offload_rate, system_loss
from l2h.evaluation.thresholds import min_loss_threshold, with_threshold
from l2h.methods import registry
from l2h.methods.base import SERVER_NETWORKS
from l2h.problem import Costs, Predictions, asks
from l2h.serving.estimator import training
from l2h.serving.estimator.examples import LabelledInputs, as_examples, part_predictions, split_rows
from l2h.serving.estimator.settings import FIXED_DECISIONS, METHOD_NAMES, TEACHER, FitSettings
from l2h.serving.scores import scores_from_probabilities

COSTS = Costs(1.0, 0.1)


def examples(n_classes, n=90, seed=0):
    """A table whose first column shows the class; the client reads it with noise, and knows how sure it is."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, n_classes, n)
    x = np.column_stack([y + 0.3 * rng.normal(size=n), rng.normal(size=n)]).astype(np.float32)
    noise = rng.random((n, n_classes)) + np.eye(n_classes)[y] * (x[:, 1:] > 0)
    probabilities = noise / noise.sum(1, keepdims=True)
    scores = scores_from_probabilities(probabilities)
    m = (scores >= 0).astype(int) if n_classes == 2 else scores.argmax(1)
    return LabelledInputs(x, y, m, scores, np.arange(n_classes))


@pytest.mark.parametrize("method", METHOD_NAMES)
@pytest.mark.parametrize("n_classes", [2, 3])
def test_what_is_deployed_has_the_scores_of_the_registry(method, n_classes, monkeypatch):
    systems = {}

    def recording(name, fit):
        def call(splits, **options):
            systems[name] = fit(splits, **options)
            return systems[name]

        return call

    names = (method, "plain_server", TEACHER)
    monkeypatch.setattr(registry, "METHODS", {name: recording(name, registry.METHODS[name]) for name in names})
    data = examples(n_classes)
    rows = split_rows(data.y, 0)
    parts = training.fit_parts(data, rows, FitSettings(method, COSTS, epochs=1))
    deployed = part_predictions(parts.rejector, parts.server, data)
    if method in FIXED_DECISIONS:
        assert (asks(deployed.r) == (method == "always_ask")).all()
        return
    given = as_examples(data, deployed.e)
    r, e = (part(given).numpy() for part in systems[method][:2])
    shift = (deployed.r - r).mean() if method == "budgeted" else 0  # its own threshold is another constant
    assert np.allclose(deployed.r, r + shift, atol=1e-5)
    if method not in ("separate", "two_stage"):
        assert np.allclose(deployed.e, e, atol=1e-5)


def test_the_registered_networks_of_a_fit_go_with_it():
    before = set(SERVER_NETWORKS)
    training.fit_parts(examples(2), split_rows(examples(2).y, 0), FitSettings("two_stage", COSTS, epochs=1))
    assert set(SERVER_NETWORKS) == before


def test_global_settings_of_torch_are_as_before():
    data, settings = examples(2), FitSettings("learning_to_help", COSTS, epochs=1)
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    torch.set_default_dtype(torch.float64)
    torch.set_num_threads(2)
    try:
        training.fit_parts(data, split_rows(data.y, 0), settings)
        assert torch.get_default_dtype() == torch.float64 and torch.get_num_threads() == 2
    finally:
        torch.set_default_dtype(torch.float32)
        torch.set_num_threads(threads)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(
    "rejector", [LogisticRegression(C=1e4), KNeighborsClassifier(9)], ids=["weights", "drawn rows"]
)
def test_a_scikit_learn_rejector_asks_where_asking_costs_less(rejector):
    """Inputs 0 and 1: the client is wrong there with probability 0.05 and 0.5, the server is right; ce = 0.2."""
    n = 800
    x = (np.arange(n) % 2).astype(np.float32)[:, None]
    y = np.arange(n) // 2 % 2
    wrong = (np.arange(n) // 4) % 20 < np.where(x[:, 0] == 0, 1, 10)
    inputs = np.column_stack([x, y]).astype(np.float32)  # the server sees the label
    data = LabelledInputs(inputs, y, np.where(wrong, 1 - y, y), None, np.arange(2))
    settings = FitSettings("two_stage", Costs(1.0, 0.2), rejector, LogisticRegression())
    parts = training.fit_parts(data, split_rows(y, 0), settings)
    asked = asks(parts.rejector(inputs))
    assert (asked == (x[:, 0] == 1)).all()


@pytest.mark.parametrize("right", [True, False])
def test_a_rejector_of_one_target_alone_is_constant(right):
    data = examples(2)
    m = data.y if right else 1 - data.y
    settings = FitSettings("two_stage", Costs(1.0, 0.0), LogisticRegression(), KNeighborsClassifier(1))
    if not right:  # the server is right everywhere, the client nowhere
        data = data._replace(x=np.column_stack([data.y, data.y]).astype(np.float32) * 9)
    parts = training.fit_parts(data._replace(m=m), split_rows(data.y, 0), settings)
    assert (parts.rejector(data.x) == (1.0 if right else -1.0)).all()


def test_the_threshold_has_the_least_loss_and_lies_between_two_scores():
    rng = np.random.default_rng(0)
    r = rng.normal(size=200).astype(np.float32)
    y = rng.choice([-1, 1], 200)
    p = Predictions(m=np.where(rng.random(200) < 0.6, y, -y), r=r, e=y * 1.0, y=y)
    threshold = training.choose_threshold(p, FitSettings("two_stage", COSTS))
    assert float(np.float32(threshold)) == threshold and threshold not in r
    best = with_threshold(p, min_loss_threshold(p, costs=COSTS))
    assert system_loss(with_threshold(p, threshold), costs=COSTS) == system_loss(best, costs=COSTS)


@pytest.mark.parametrize("budget", [0.001, 0.3])
def test_the_budget_is_a_limit(budget):
    rng = np.random.default_rng(0)
    y = np.ones(300, dtype=int)
    p = Predictions(m=-y, r=rng.normal(size=300).astype(np.float32), e=1.0 * y, y=y)
    threshold = training.choose_threshold(p, FitSettings("two_stage", COSTS, budget=budget))
    limited = with_threshold(p, np.float32(threshold))
    assert offload_rate(limited) <= budget and (budget < 0.01) == (offload_rate(limited) == 0)
    assert np.isfinite(limited.r).all()


def test_random_states_that_are_none_get_the_seed():
    assert training.seeded_clone(LogisticRegression(), 5).random_state == 5
    assert training.seeded_clone(LogisticRegression(random_state=1), 5).random_state == 1
