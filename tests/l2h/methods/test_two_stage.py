"""Rejectors for a server that stays as it is, trained on a table: the Bayes decision, or a named failure."""

import pytest
import torch
from helpers import tabular
from oracles import deferral

from l2h.methods import registry
from l2h.methods.base import Splits
from l2h.problem import Costs, asks

GRID = [Costs(c1=1.0, ce=0.1), Costs(c1=1.0, ce=0.35), Costs(c1=0.5, ce=0.22), Costs(c1=1.5, ce=0.05)]
R = torch.tensor([deferral.bayes_r(atom.eta, atom.m, 1.0, 0.1) for atom in tabular.ATOMS])


@pytest.fixture(scope="module")
def splits():
    """With the best server given, and a teacher that knows what asking costs more than keeping."""
    helper = tabular.splits().train._replace(teacher_scores=R.repeat_interleave(tabular.SHARE))
    return Splits(helper, helper, helper)


def trained(name, splits, costs=GRID[0]):
    return registry.METHODS[name](splits, costs=costs, seed=0, options=tabular.OPTIONS)


def asked(system, splits):
    return torch.nonzero(asks(system.r(tabular.one_of_each(splits.train))))[:, 0].tolist()


@pytest.mark.parametrize("costs", GRID)
@pytest.mark.parametrize("name", ["two_stage", "two_sigmoid"])
def test_two_stages_find_the_best_rejector_for_their_server_at_any_costs(splits, name, costs):
    r = [deferral.bayes_r(atom.eta, atom.m, costs.c1, costs.ce) for atom in tabular.ATOMS]
    assert min(abs(value) for value in r) > 0.015
    assert asked(trained(name, splits, costs), splits) == [i for i, value in enumerate(r) if value <= 0]


def test_two_sigmoids_estimate_what_asking_costs_more_than_keeping(splits):
    assert trained("two_sigmoid", splits).r(tabular.one_of_each(splits.train)).tolist() == pytest.approx(
        R.tolist(), abs=0.01
    )


def test_a_server_that_gives_the_worst_answers_is_never_asked(splits):
    worst = Splits(*(split._replace(server_scores=-split.server_scores) for split in splits[:3]))
    assert asked(trained("two_stage", worst), worst) == []


def test_named_failure_a_separate_rejector_does_not_know_where_the_server_errs(splits):
    """Atoms 5 and 6 are hard for everybody: asking about them costs more than keeping."""
    assert asked(trained("separate", splits), splits) == sorted([*tabular.ASKED, 5, 6])


def test_a_separate_rejector_suffices_where_the_server_errs_alike_everywhere():
    atoms = [tabular.Atom(eta, m, 0.6) for eta in ((0.8, 0.1, 0.1), (0.1, 0.1, 0.8)) for m in (0, 1, 2)]
    splits = tabular.splits(atoms)
    r = [deferral.bayes_r(atom.eta, atom.m, 1.0, 0.1) for atom in atoms]
    assert asked(trained("separate", splits), splits) == [i for i, value in enumerate(r) if value <= 0]


def test_a_student_decides_as_its_teacher(splits):
    assert asked(trained("distilled", splits), splits) == tabular.ASKED


def test_named_failure_a_student_that_sees_less_than_its_teacher(splits):
    """All atoms look alike: the student follows the mean of what asking costs more, here that of asking everywhere."""
    blind = Splits(*(split._replace(x=torch.zeros_like(split.x)) for split in splits[:3]))
    assert R.sum() < 0
    assert asked(trained("distilled", blind), blind) == list(range(len(tabular.ATOMS)))


def test_a_student_needs_a_teacher(splits):
    alone = Splits(*(split._replace(teacher_scores=None) for split in splits[:3]))
    with pytest.raises(ValueError, match=r"examples\.teacher_scores, got None"):
        trained("distilled", alone)


@pytest.mark.parametrize("name", ["separate", "two_stage", "two_sigmoid"])
def test_a_server_must_be_given(splits, name):
    alone = Splits(*(split._replace(server_scores=None) for split in splits[:3]))
    with pytest.raises(ValueError, match=r"examples\.server_scores, got None"):
        trained(name, alone)


@pytest.mark.parametrize("name", ["separate", "two_stage", "two_sigmoid"])
def test_two_classes_coded_either_way_agree(name):
    signs, numbers = tabular.both_codings()
    one, other = (trained(name, Splits(*[examples] * 3)) for examples in (signs, numbers))
    torch.testing.assert_close(one.r(signs), other.r(numbers), atol=1e-6, rtol=0)
