"""Learning to help on a table: the calibrated alphas lead to the Bayes decision, the released constant does not."""

import numpy as np
import pytest
import torch
from helpers import tabular
from oracles import deferral, multiclass

from l2h.methods import base, error_estimation, learning_to_help
from l2h.methods.base import class_indices
from l2h.problem import Costs, asks, server_label
from l2h.theory import calibration

COSTS = Costs(c1=1.0, ce=0.18)
# theory: at x2 the client errs in 85 %, and the mean error is about 0.18; the released alpha is 1 and keeps there
ATOMS = [*[tabular.Atom((0.0, 1.0), 1, 0.95)] * 4, tabular.Atom((0.15, 0.85), 0, 0.55)]
RECIPE = base.Options(server_network="linear", rejector="linear", training=tabular.TABLE).training


def decision(alpha, bounded=False, splits=None, costs=COSTS):
    splits = tabular.splits(ATOMS) if splits is None else splits
    options = base.Options(
        server_network="linear",
        rejector="linear",
        training=RECIPE,
        alpha=alpha,
        bounded=bounded,
        error_estimator="isotonic",
    )
    system = learning_to_help.learning_to_help(splits, costs=costs, seed=0, options=options)
    each = tabular.one_of_each(splits.train)
    return asks(system.r(each)).tolist(), server_label(system.e(each)).tolist()


def knowing_client(etas, errors):
    """Parts of two classes whose client knows more than x: at each atom it errs in a share of its own."""
    examples = tabular.splits([tabular.Atom(eta, 1, 0.6) for eta in etas]).train
    wrong = torch.zeros(len(etas), tabular.SHARE, dtype=torch.bool)
    for row, p in zip(wrong, errors, strict=True):
        row[: round(tabular.SHARE * p)] = True
    m = torch.where(wrong.flatten(), -examples.y, examples.y)
    assert ((m != examples.y).view(len(etas), -1).sum(1) == tabular.SHARE * torch.tensor(errors)).all()
    return base.Splits(*[examples._replace(m=m)] * 3)


@pytest.mark.parametrize("bounded", [False, True])
@pytest.mark.parametrize("alpha", ["deterministic", "estimated"])
def test_a_calibrated_alpha_asks_where_the_client_errs(alpha, bounded):
    asked, answers = decision(alpha, bounded)
    assert asked == [False] * 4 + [True] and answers == [1] * 5


@pytest.mark.parametrize("bounded", [False, True])
def test_named_failure_the_released_constant_keeps_where_the_client_errs_in_85_of_100(bounded):
    asked, _ = decision("released", bounded)
    assert asked == [False] * 5


def test_the_estimated_alpha_is_the_clamped_formula_at_the_estimate_of_each_example():
    splits = tabular.splits(ATOMS)
    options = base.Options(error_estimator="isotonic", bounded=False)
    alpha = learning_to_help.alpha_for_rule("estimated", splits, COSTS, 2.0, options=options)
    p = np.repeat([0.0] * 4 + [0.85], tabular.SHARE)
    np.testing.assert_allclose(alpha, calibration.alpha_from_p(p, costs=COSTS, beta=2.0), rtol=1e-5)
    for_bounded = learning_to_help.alpha_for_rule(
        "estimated", splits, COSTS, 2.0, options=base.Options(error_estimator="isotonic")
    )
    np.testing.assert_allclose(for_bounded, calibration.alpha_from_p(p, costs=COSTS, beta=2.0, bounded=True), rtol=1e-5)


@pytest.mark.parametrize("name", error_estimation.ERROR_ESTIMATORS)
def test_any_estimate_gives_an_alpha(name):
    splits = tabular.splits(ATOMS)
    alpha = learning_to_help.alpha_for_rule("estimated", splits, COSTS, 2.0, options=base.Options(error_estimator=name))
    assert alpha.shape == splits.train.y.shape and bool((alpha > 0).all())


def test_more_than_two_scores_need_a_rule_for_many_classes():
    signs = tabular.splits(ATOMS).train
    numbers = signs._replace(
        y=class_indices(signs.y, signs), client_scores=torch.stack([-signs.client_scores, signs.client_scores], 1) / 2
    )
    with pytest.raises(ValueError, match="alpha for 2 classes to be one of 'posterior', got 'deterministic'"):
        learning_to_help.learning_to_help(base.Splits(*[numbers] * 3), costs=COSTS, seed=0, options=base.Options())


ALIKE = [(0.05, 0.95), (0.15, 0.85), (0.65, 0.35), (0.45, 0.55)]  # mu = 0.05, 0.15, 0.35, 0.45


@pytest.mark.parametrize("bounded", [False, True])
def test_the_clients_error_rate_gives_the_right_alpha_for_a_client_that_errs_alike_everywhere(bounded):
    """The client errs in 40 % whatever x, so that the server is worth its 0.15 where it errs in less than 25 %."""
    splits, costs = knowing_client(ALIKE, [0.4] * 4), Costs(c1=1.0, ce=0.15)
    assert learning_to_help.alpha_for_rule("client_error", splits, costs, 2.0) == pytest.approx(
        (0.15 + 2 * (0.25 * 0.75) ** 0.5) / 0.4
    )
    asked, answers = decision("client_error", bounded, splits=splits, costs=costs)
    assert asked == [True, True, False, False] and answers == [1, 1, -1, 1]


def test_named_failure_the_deterministic_alpha_keeps_what_a_client_that_knows_more_than_x_should_ask():
    """Same client: the second atom costs 0.3 to ask and 0.4 to keep."""
    splits, costs = knowing_client(ALIKE, [0.4] * 4), Costs(c1=1.0, ce=0.15)
    asked, _ = decision("deterministic", splits=splits, costs=costs)
    assert asked == [True, False, False, False]


def test_named_failure_the_clients_error_rate_hides_where_it_errs():
    """It errs in 17 % on the whole, less than a question costs, so that alpha is 1; in the last atom in 85 %."""
    free = base.Options(bounded=False)
    assert learning_to_help.alpha_for_rule("client_error", tabular.splits(ATOMS), COSTS, 2.0, options=free) == 1.0
    assert decision("client_error")[0] == [False] * 5
    assert deferral.bayes_r(ATOMS[-1].eta, ATOMS[-1].m, COSTS.c1, COSTS.ce) < 0


THREE = Costs(c1=1.0, ce=0.1)
FREE = base.Options(bounded=False)


def posterior_alpha(eta, costs, beta):
    """alpha at which the slope of the surrogate at r = 0 is alpha (p - c1 mu - ce), with the server's part searched."""
    pull = beta / 2 * costs.c1 * multiclass.floor_of_server(eta, beta) + costs.ce
    return pull / (costs.c1 * (1 - max(eta)) + costs.ce)


@pytest.mark.parametrize("beta", [1.0, 2.0])
def test_the_alpha_of_the_posterior_is_its_formula_at_the_known_posterior_of_each_example(beta):
    alpha = learning_to_help.alpha_for_rule("posterior", tabular.splits(), THREE, beta, options=FREE)
    expected = np.repeat([posterior_alpha(atom.eta, THREE, beta) for atom in tabular.ATOMS], tabular.SHARE)
    np.testing.assert_allclose(alpha, expected, rtol=1e-4)


def test_a_server_that_is_too_sure_gives_the_same_alpha():
    """Its temperature is taken from the calibration part."""
    examples = tabular.splits().train
    sure = base.Splits(*[examples._replace(server_scores=5 * examples.server_scores)] * 3)
    alphas = [
        learning_to_help.alpha_for_rule("posterior", splits, THREE, 2.0, options=FREE)
        for splits in (tabular.splits(), sure)
    ]
    torch.testing.assert_close(*alphas, rtol=1e-4, atol=0)


@pytest.mark.parametrize("costs", [THREE, Costs(c1=0.8, ce=0.15)])
def test_the_alpha_of_the_posterior_leads_to_the_bayes_decision_and_the_best_answers_of_three_classes(costs):
    asked, answers = decision("posterior", splits=tabular.splits(), costs=costs)
    r = [deferral.bayes_r(atom.eta, atom.m, costs.c1, costs.ce) for atom in tabular.ATOMS]
    assert min(map(abs, r)) > 0.015
    assert asked == [value <= 0 for value in r]
    assert all(atom.eta[k] == max(atom.eta) for atom, k, ask in zip(tabular.ATOMS, answers, asked, strict=True) if ask)


def test_the_alpha_of_the_posterior_is_right_for_a_client_that_knows_more_than_x():
    """Asking costs 0.2 in the first two atoms and 0.45 in the others; the client errs in less, then in more."""
    splits = knowing_client([(0.05, 0.95), (0.05, 0.95), (0.7, 0.3), (0.7, 0.3)], [0.1, 0.3, 0.3, 0.6])
    assert decision("posterior", splits=splits, costs=Costs(c1=1.0, ce=0.15))[0] == [False, True, False, True]


# A coin toss between two labels, which no server helps with, and three labels of which the client says the worst;
# three pictures of each, because two pictures in all would be each other's negative.
TOSS = [tabular.Atom((0.5, 0.5, 0.0), 0, 0.5), tabular.Atom((0.2, 0.4, 0.4), 0, 0.4)] * 3
LITTLE = Costs(c1=1.0, ce=0.05)


def toss(server=None):
    """With the given posterior of a server, or the true one."""
    examples = tabular.splits(TOSS).train
    eta = torch.tensor([atom.eta for atom in TOSS] if server is None else [server] * len(TOSS))
    known = eta.clamp(min=1e-9).log().repeat_interleave(tabular.SHARE, 0)  # a score of -inf is none
    return base.Splits(*[examples._replace(server_scores=known)] * 3)


def test_the_alpha_of_the_posterior_tells_a_toss_from_a_question():
    assert [deferral.bayes_r(atom.eta, atom.m, 1.0, 0.05) <= 0 for atom in TOSS] == [False, True] * 3
    assert decision("posterior", splits=toss(), costs=LITTLE)[0] == [False, True] * 3


@pytest.mark.parametrize(("alpha", "asked"), [(1.8, [False, False]), (2.3, [True, False]), (3.2, [True, True])])
def test_named_failure_no_single_alpha_serves_three_classes(alpha, asked):
    """The toss needs alpha < 2.1 to be kept, the question alpha > 2.5 to be asked."""
    assert decision(alpha, splits=toss(), costs=LITTLE)[0] == asked * 3


def test_named_failure_the_posterior_of_a_server_that_knows_nothing_is_a_single_alpha():
    splits = toss(server=[1 / 3] * 3)
    alpha = learning_to_help.alpha_for_rule("posterior", splits, LITTLE, 2.0, options=FREE)
    np.testing.assert_allclose(alpha, posterior_alpha([1 / 3] * 3, LITTLE, 2.0), rtol=1e-4)
    assert decision("posterior", splits=splits, costs=LITTLE)[0] == [True, True] * 3


def test_the_alpha_of_the_posterior_refuses_scores_for_which_it_is_not_calibrated():
    """A server that never errs: asking costs 0.15, keeping 0.4; alpha is 1, and e in (-1, 1) could not say so."""
    splits = knowing_client([(0.0, 1.0), (1.0, 0.0)] * 3, [0.4, 0.05] * 3)
    splits = base.Splits(*[splits.train._replace(server_scores=9.0 * splits.train.y)] * 3)
    costs = Costs(c1=1.0, ce=0.15)
    np.testing.assert_allclose(
        learning_to_help.alpha_for_rule("posterior", splits, costs, 2.0, options=FREE), 1.0, rtol=1e-3
    )
    assert decision("posterior", splits=splits, costs=costs)[0] == [True, False] * 3
    assert decision(1.0, True, splits=splits, costs=costs)[0] == [False, False] * 3
    with pytest.raises(ValueError, match="expected bounded=False for alpha 'posterior'"):
        decision("posterior", True, splits=splits, costs=costs)
