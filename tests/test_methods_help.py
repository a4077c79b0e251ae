"""Learning to help on a table: the calibrated alphas lead to the Bayes decision, the released constant does not."""

import numpy as np
import pytest
import tabular
import torch

from l2h import calibration, estimate, methods
from l2h.problem import Costs, asks, server_label
from l2h.systems import class_numbers

COSTS = Costs(c1=1.0, ce=0.18)
# theory: at x2 the client errs in 85 %, and the mean error is about 0.18; the released alpha is 1 and keeps there
ATOMS = [*[tabular.Atom((0.0, 1.0), 1, 0.95)] * 4, tabular.Atom((0.15, 0.85), 0, 0.55)]
RECIPE = methods.Options(network="linear", rejector="linear", recipe=tabular.TABLE).recipe


def decision(alpha, squash=False, atoms=ATOMS):
    parts = tabular.parts(atoms)
    options = methods.Options(
        network="linear", rejector="linear", recipe=RECIPE, alpha=alpha, squash=squash, estimate="isotonic"
    )
    system = methods.learning_to_help(parts, costs=COSTS, seed=0, options=options)
    each = tabular.one_of_each(parts.helper)
    return asks(system.r(each)).tolist(), server_label(system.e(each)).tolist()


@pytest.mark.parametrize("squash", [False, True])
@pytest.mark.parametrize("alpha", ["deterministic", "estimated"])
def test_a_calibrated_alpha_asks_where_the_client_errs(alpha, squash):
    asked, answers = decision(alpha, squash)
    assert asked == [False] * 4 + [True] and answers == [1] * 5


@pytest.mark.parametrize("squash", [False, True])
def test_named_failure_the_released_constant_keeps_where_the_client_errs_in_85_of_100(squash):
    asked, _ = decision("released", squash)
    assert asked == [False] * 5


def test_the_estimated_alpha_is_the_clamped_formula_at_the_estimate_of_each_example():
    parts = tabular.parts(ATOMS)
    options = methods.Options(estimate="isotonic", squash=False)
    alpha = methods.alpha_of("estimated", parts, COSTS, 2.0, options=options)
    p = np.repeat([0.0] * 4 + [0.85], tabular.SHARE)
    np.testing.assert_allclose(alpha, calibration.alpha_from_p(p, costs=COSTS, beta=2.0), rtol=1e-5)
    squashed = methods.alpha_of("estimated", parts, COSTS, 2.0, options=methods.Options(estimate="isotonic"))
    np.testing.assert_allclose(squashed, calibration.alpha_from_p(p, costs=COSTS, beta=2.0, squash=True), rtol=1e-5)


@pytest.mark.parametrize("name", estimate.ESTIMATORS)
def test_any_estimate_gives_an_alpha(name):
    parts = tabular.parts(ATOMS)
    alpha = methods.alpha_of("estimated", parts, COSTS, 2.0, options=methods.Options(estimate=name))
    assert alpha.shape == parts.helper.y.shape and bool((alpha > 0).all())


def test_more_than_two_scores_need_a_rule_for_many_classes():
    signs = tabular.parts(ATOMS).helper
    numbers = signs._replace(y=class_numbers(signs.y, signs), score=torch.stack([-signs.score, signs.score], 1) / 2)
    with pytest.raises(ValueError, match="alpha for 2 classes to be one of 'posterior', got 'deterministic'"):
        methods.learning_to_help(methods.Parts(*[numbers] * 3), costs=COSTS, seed=0, options=methods.Options())
