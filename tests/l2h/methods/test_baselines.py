"""Servers alone, fixed and random decisions, and the Bayes rule of known label distributions."""

import numpy as np
import pytest
import torch
from helpers import tabular
from hypothesis import given
from hypothesis import strategies as st
from oracles import deferral

from l2h.methods import base, baselines, registry
from l2h.problem import Costs, asks, server_label


def trained(name, **options):
    options_with = {**vars(tabular.OPTIONS), **options}
    return registry.METHODS[name](tabular.splits(), costs=Costs(), seed=0, options=base.Options(**options_with))


@pytest.mark.parametrize("name", ["plain_server", "on_device_classifier"])
def test_a_classifier_on_everything_finds_the_likeliest_labels(name):
    each = tabular.one_of_each(tabular.splits().train)
    found = server_label(trained(name).e(each)).tolist()
    eta = [atom.eta for atom in tabular.ATOMS]
    assert all(eta[i][found[i]] == max(eta[i]) for i in range(len(eta)))


def test_held_out_scores_come_from_servers_that_did_not_see_the_example():
    """Each example has a picture of its own and a label of its own: nothing else can tell it."""
    splits = tabular.splits([tabular.Atom((1.0, 0.0), 1, 0.6), tabular.Atom((0.0, 1.0), 0, 0.6)])
    generator = torch.Generator().manual_seed(0)
    n = len(splits.train.y)
    noise = torch.randint(0, 256, (n, 3, 32, 32), generator=generator, dtype=torch.uint8)
    labels = 2 * torch.randint(0, 2, (n,), generator=generator) - 1
    helper = splits.train._replace(x=noise, y=labels)
    system = baselines.plain_server(base.Splits(helper, *splits[1:]), costs=Costs(), seed=0, options=tabular.OPTIONS)
    right = (server_label(system.e(helper)) == labels).sum(), (server_label(system.out_of_fold_scores) == labels).sum()
    assert right[0] == n and right[1] < 0.8 * n
    assert system.out_of_fold_scores.shape == labels.shape


@pytest.mark.parametrize("rate", [0.0, 0.2, 0.9, 1.0])
def test_random_questions_come_at_any_rate(rate):
    examples = tabular.splits().train
    many = base.Examples(*(None if column is None else column.repeat_interleave(50, 0) for column in examples))
    asked = asks(trained("random", budget=rate).r(many)).double().mean().item()
    assert asked == pytest.approx(rate, abs=0.02)


@given(
    weights=st.lists(st.integers(1, 9), min_size=2, max_size=5),
    m=st.integers(0, 4),
    c1=st.floats(0, 2),
    ce=st.floats(0, 1),
)
def test_the_bayes_rule_compares_the_best_answer_with_the_clients(weights, m, c1, ce):
    eta, m = np.array(weights) / sum(weights), m % len(weights)
    r, e = baselines.bayes_rejector_and_server(torch.tensor(eta)[None], torch.tensor([m]), costs=Costs(c1=c1, ce=ce))
    assert r.item() == pytest.approx(deferral.bayes_r(eta, m, c1, ce), abs=1e-12)
    assert eta[server_label(e).item()] == eta.max()


def test_what_is_no_distribution_has_no_bayes_rule():
    costs, half = Costs(), torch.full((1, 2), 0.5)
    with pytest.raises(ValueError, match=r"rows of eta that sum to 1, got 1\.5 to 1\.5"):
        baselines.bayes_rejector_and_server(half + 0.25, torch.tensor([0]), costs=costs)
    with pytest.raises(ValueError, match=r"m in 0\.\.1, got -1"):
        baselines.bayes_rejector_and_server(half, torch.tensor([-1]), costs=costs)
    with pytest.raises(ValueError, match="one length"):
        baselines.bayes_rejector_and_server(half, torch.tensor([0, 1]), costs=costs)
    with pytest.raises(ValueError, match=r"eta in \[0, 1\]"):
        baselines.bayes_rejector_and_server(torch.tensor([[1.5, -0.5]]), torch.tensor([0]), costs=costs)
