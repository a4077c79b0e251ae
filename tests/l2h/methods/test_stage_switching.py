"""Stage-switching and the server that specialises: who learns from whom, from where, and their decisions on a table."""

import math
from dataclasses import replace

import pytest
import torch
from helpers import tabular
from oracles import deferral
from torch import nn

from l2h.data.dataset import load_dataset
from l2h.losses import stage_switching, surrogate
from l2h.losses.surrogate import as_multiclass
from l2h.methods import base, baselines, fitting, registry
from l2h.methods.stage_switching import StaleServer
from l2h.problem import Costs, asks, server_label
from l2h.training import loop
from l2h.training.config import TrainConfig

COSTS = Costs(c1=1.0, ce=0.2)
RECIPE = TrainConfig(epochs=2, batch_size=32, lr=1e-3)
OPTIONS = base.Options(training=RECIPE, server_network="mlp", hidden_units=120, bounded=False)
STILL = replace(OPTIONS, training=replace(RECIPE, epochs=1, lr=1e-12))


def splits_of(names):
    """Digits with a client that errs on a third of the examples, and a server that errs on a tenth."""
    dataset, generator = load_dataset(names, source="digits"), torch.Generator().manual_seed(0)

    def labels(y, errors):
        other = -y if len(names) == 2 else (y + 1) % len(names)
        return torch.where(torch.rand(len(y), generator=generator) < errors, other, y)

    def scores(y):
        return y.double() if len(names) == 2 else nn.functional.one_hot(y, len(names)).double()

    def examples(split):
        x, y = split
        m = labels(y, 1 / 3)
        return base.Examples(x, y, m, scores(m), scores(labels(y, 1 / 10)))

    return base.Splits(*(examples(split) for split in (dataset.train, dataset.calibration, dataset.validation)))


@pytest.fixture(scope="module", params=[("3", "8"), ("1", "3", "8")], ids=["two", "three"])
def splits(request):
    return splits_of(request.param)


def fitted(name, splits, options=OPTIONS, costs=COSTS):
    system = registry.METHODS[name](splits, costs=costs, seed=0, options=options)
    return system.r(splits.validation), system.e(splits.validation)


def test_the_stage_server_is_the_same_whatever_rejector_and_costs(splits):
    first = fitted("stage_switching", splits)[1]
    for options, costs in (
        (replace(OPTIONS, form="released"), COSTS),
        (OPTIONS, Costs(0.5, 0.0)),
        (replace(OPTIONS, update_every=3), COSTS),
    ):
        assert torch.equal(fitted("stage_switching", splits, options, costs)[1], first)


def test_a_specialised_server_depends_on_its_rejector(splits):
    first, other = (fitted("weighted_server", splits, costs=costs)[1] for costs in (COSTS, Costs(1.0, 1.0)))
    assert not torch.allclose(first, other)


def test_the_forms_lead_to_other_rejectors(splits):
    rs = [
        fitted("stage_switching", splits, replace(OPTIONS, form=form))[0]
        for form in stage_switching.STAGE_SWITCHING_FORMS
    ]
    assert not torch.allclose(rs[0], rs[1]) and not torch.allclose(rs[1], rs[2])


def test_a_stale_copy_changes_the_rejector_only(splits):
    rs = [
        fitted("stage_switching", splits, replace(OPTIONS, update_every=update_every))[0]
        for update_every in (1, 2, 1000)
    ]
    assert not torch.equal(rs[0], rs[1]) and not torch.equal(rs[1], rs[2])


def test_the_copy_is_renewed_every_so_many_steps():
    server = nn.Linear(1, 1, bias=False)
    rejector = nn.Linear(2, 1, bias=False)  # of something else than x
    module = StaleServer(rejector, server, update_every=3, rejector_reads_x=False)
    x, seen = torch.ones(1, 1), []
    for step in range(7):
        nn.init.constant_(server.weight, step)
        r, e, copy = module(x)
        assert r is None and e.item() == step and not copy.requires_grad
        seen.append(int(copy))
    assert seen == [0, 0, 0, 3, 3, 3, 6]
    assert [name for name, _ in module.named_parameters()] == ["rejector.weight", "server.weight"]


def test_without_delay_the_copy_is_the_server():
    module = StaleServer(nn.Linear(2, 1), nn.Linear(2, 3), update_every=1)
    r, e, copy = module(torch.ones(4, 2))
    assert r.shape == (4, 1) and torch.equal(e, copy) and not copy.requires_grad


@pytest.mark.parametrize("name", ["stage_switching", "weighted_server", "learning_to_help"])
@pytest.mark.parametrize("rejector", ["mlp", "scores"])
def test_a_training_starts_from_the_plain_server_and_a_rejector_for_it(splits, name, rejector):
    plain = baselines.plain_server(splits, costs=COSTS, seed=1, options=OPTIONS)
    started = splits._replace(server_weights=plain.server_weights)
    options = replace(STILL, rejector=rejector, alpha=1.0)
    r, e = fitted(name, started, options)
    assert torch.allclose(e, plain.e(splits.validation), atol=1e-5)
    assert r.std() > 0.01  # a new rejector would hardly tell examples apart
    with pytest.raises(ValueError, match=r"examples\.server_scores, got None"):
        fitted(name, started._replace(train=splits.train._replace(server_scores=None)), options)


@pytest.mark.parametrize("name", ["mozannar_sontag", "one_vs_all"])
def test_a_server_with_one_output_more_starts_with_the_plain_servers_answers(splits, name):
    plain = baselines.plain_server(splits, costs=COSTS, seed=1, options=OPTIONS)
    e = fitted(name, splits._replace(server_weights=plain.server_weights), STILL)[1]
    assert torch.allclose(e, plain.e(splits.validation), atol=1e-4)


def test_two_classes_train_alike_in_one_column_and_in_two():
    """The surrogate for K classes, with K = 2, gives the rejector and the server of the surrogate of two classes."""
    splits, trained = splits_of(("3", "8")), []

    def in_two(r, e, m, y, alpha):
        return surrogate.multiclass_surrogate_loss(r, *as_multiclass(e, m, y), costs=COSTS, alpha=alpha, beta=2.0)

    def in_one(r, e, m, y, alpha):
        return surrogate.surrogate_loss(r, e, m, y, costs=COSTS, alpha=alpha, beta=2.0)

    for loss in (in_one, in_two):
        with loop.seeded(0):
            on, server = fitting.build_rejector(splits, OPTIONS), fitting.build_server(splits, OPTIONS, n_outputs=1)
        fitting.fit_rejector_and_server(on, server, splits.train, loss, options=OPTIONS, seed=0, alpha=1.9)
        trained.append((on.scores(splits.validation), fitting.server_score_function(server)(splits.validation)))
    for binary, many in zip(*trained, strict=True):
        assert (binary - many).abs().max().item() < 1e-6


def test_bad_options_are_refused():
    with pytest.raises(ValueError, match="one of 'paper'"):
        base.Options(form="printed")
    with pytest.raises(ValueError, match="update_every >= 1"):
        base.Options(update_every=0)


# c1 + ce <= 1: no weight of the paper's form is negative. The last costs are for the shifted form alone.
BOUNDED = [Costs(c1=0.8, ce=0.15), Costs(c1=0.5, ce=0.22)]
LARGE = Costs(c1=1.0, ce=0.1)
BOTH = [(form, costs) for form in ("paper", "nonnegative") for costs in BOUNDED] + [("nonnegative", LARGE)]


def on_a_table(name, splits, costs, **options):
    """The scores r and the answers of a system trained on a table, for one example of each atom."""
    told = base.Options(**{**vars(tabular.OPTIONS), **options})
    system = registry.METHODS[name](splits, costs=costs, seed=0, options=told)
    each = tabular.one_of_each(splits.train)
    return system.r(each), server_label(system.e(each))


def asked(r):
    return torch.nonzero(asks(r))[:, 0].tolist()


def bayes_asked(costs, answers=None):
    """Where asking a server with these answers, or the best ones, costs no more than the client; no tie is near."""
    gains = [
        deferral.bayes_r(atom.eta, atom.m, costs.c1, costs.ce)
        if answers is None
        else costs.ce + costs.c1 * (1 - atom.eta[answers[i]]) - (1 - atom.eta[atom.m])
        for i, atom in enumerate(tabular.ATOMS)
    ]
    assert min(map(abs, gains)) > 0.015
    return [i for i, gain in enumerate(gains) if gain <= 0]


def risk(r, answers, atoms, costs):
    """The risk of decisions and answers, class numbers, on atoms of equal mass."""
    terms = [
        costs.ce + costs.c1 * (1 - atom.eta[answer]) if ask else 1 - atom.eta[atom.m]
        for atom, ask, answer in zip(atoms, asks(r).tolist(), answers, strict=True)
    ]
    return sum(terms) / len(terms)


@pytest.mark.parametrize(("form", "costs"), BOTH)
def test_the_stage_rejector_finds_the_bayes_decision_for_the_best_server(form, costs):
    r, _ = on_a_table("stage_rejector", tabular.splits(), costs, form=form)
    assert asked(r) == bayes_asked(costs)


@pytest.mark.parametrize("form", ["paper", "nonnegative"])
def test_the_stage_rejector_finds_the_bayes_decision_for_any_server(form):
    """A server that always says 1 errs elsewhere than the best one, and is asked elsewhere."""
    costs, splits = BOUNDED[1], tabular.splits()
    one = torch.tensor([0.0, 1.0, 0.0]).repeat(len(splits.train.y), 1)
    r, _ = on_a_table("stage_rejector", base.Splits(*[splits.train._replace(server_scores=one)] * 3), costs, form=form)
    assert asked(r) == bayes_asked(costs, [1] * len(tabular.ATOMS)) != bayes_asked(costs)


@pytest.mark.parametrize(("form", "costs"), BOTH)
def test_stage_switching_finds_the_bayes_decision_and_the_best_answers(form, costs):
    r, answers = on_a_table("stage_switching", tabular.splits(), costs, form=form)
    assert asked(r) == bayes_asked(costs)
    assert all(atom.eta[answer] == max(atom.eta) for atom, answer in zip(tabular.ATOMS, answers, strict=True))


@pytest.mark.parametrize("update_every", [2, 20])
def test_stage_switching_with_a_delayed_copy_finds_the_bayes_decision(update_every):
    r, _ = on_a_table("stage_switching", tabular.splits(), LARGE, update_every=update_every)
    assert asked(r) == bayes_asked(LARGE) == tabular.ASKED


def test_named_failure_a_copy_that_is_never_renewed_leads_to_the_decision_for_an_untrained_server():
    splits, costs = tabular.splits(), LARGE
    with loop.seeded(0):
        fitting.build_rejector(splits, tabular.OPTIONS)  # drawn before the server
        server = fitting.build_server(splits, tabular.OPTIONS, n_outputs=3)
    first = server_label(fitting.server_score_function(server)(tabular.one_of_each(splits.train))).tolist()
    r, answers = on_a_table("stage_switching", splits, costs, update_every=10_000)
    assert asked(r) == bayes_asked(costs, first) != bayes_asked(costs)
    assert answers.tolist() != first  # the server itself learns on


def test_named_failure_the_papers_form_runs_away_where_its_weight_of_asking_is_negative():
    """At c1 + ce > 1, atoms 5 and 6: 1 - ce - c1 mu < 0. The decision is right, but r grows as long as it trains."""
    costs = Costs(c1=1.0, ce=0.5)
    rs = {
        form: on_a_table("stage_rejector", tabular.splits(), costs, form=form)[0] for form in ("paper", "nonnegative")
    }
    assert asked(rs["paper"]) == asked(rs["nonnegative"]) == bayes_asked(costs) == [1]
    for i in (5, 6):
        p, mu = 1 - tabular.ATOMS[i].eta[tabular.ATOMS[i].m], 1 - max(tabular.ATOMS[i].eta)
        keep, ask = 1 - p, 1 - costs.ce - costs.c1 * mu
        assert ask < 0 < ask + 0.5
        assert rs["nonnegative"][i].item() == pytest.approx(math.log((keep + 0.5) / (ask + 0.5)), abs=0.1)
        assert rs["paper"][i].item() > 10


# theory: a client that the best server agrees with where both err in 15 %, and that errs in 90 % where it errs in 10 %
REVERSED = [*[tabular.Atom((0.85, 0.15), 0, 0.8)] * 9, tabular.Atom((0.1, 0.9), 0, 0.6)]


@pytest.mark.parametrize("name", ["stage_rejector", "stage_switching"])
def test_named_failure_the_released_form_asks_where_the_server_errs_as_often_as_the_client(name):
    """It asks where p > ce - c1 P(e≠Y): everywhere, at twice the risk of the Bayes rule, and more than the client's."""
    costs, splits = Costs(c1=1.0, ce=0.2), tabular.splits(REVERSED)
    found = {form: on_a_table(name, splits, costs, form=form) for form in ("released", "nonnegative")}
    assert asked(found["nonnegative"][0]) == [9] and asked(found["released"][0]) == list(range(10))
    risks = {form: risk(r, ((e + 1) // 2).tolist(), REVERSED, costs) for form, (r, e) in found.items()}
    assert risks == pytest.approx({"nonnegative": 0.165, "released": 0.345})
    assert risks["released"] > sum(1 - atom.eta[atom.m] for atom in REVERSED) / 10  # keeping everything: 0.225


@pytest.mark.parametrize("form", stage_switching.STAGE_SWITCHING_FORMS)
@pytest.mark.parametrize("name", ["stage_rejector", "stage_switching"])
def test_the_forms_agree_where_mistakes_of_the_server_cost_nothing(name, form):
    costs = Costs(c1=0.0, ce=0.45)
    r, _ = on_a_table(name, tabular.splits(), costs, form=form)
    assert asked(r) == bayes_asked(costs) == [1, 2, 3, 5, 6, 7]


@pytest.mark.parametrize("costs", [*BOUNDED, LARGE])
def test_a_specialised_server_that_sees_all_is_the_bayes_classifier_on_what_it_is_sent(costs):
    r, answers = on_a_table("weighted_server", tabular.splits(), costs)
    assert asked(r) == bayes_asked(costs)
    assert all(tabular.ATOMS[i].eta[answers[i]] == max(tabular.ATOMS[i].eta) for i in asked(r))


# The testbed on which a server must specialise: it sees one image, while the device sees how sure the client is.
# The rejector's few weights need larger steps than a table's many.
SHARED = [*[tabular.Atom((0.95, 0.05), 0, 0.9)] * 3, tabular.Atom((0.05, 0.95), 0, 0.6)]


@pytest.fixture(scope="module")
def shared():
    """With the plain server, from which a training starts: it answers as the client does, for the three of four."""
    examples = tabular.splits(SHARED).train
    examples = examples._replace(x=torch.zeros_like(examples.x))
    plain = baselines.plain_server(base.Splits(*[examples] * 3), costs=Costs(), seed=0, options=tabular.OPTIONS)
    examples = examples._replace(server_scores=plain.e(examples))
    assert (server_label(examples.server_scores) == -1).all()
    return base.Splits(*[examples] * 3, server_weights=plain.server_weights)


def on_one_image(name, shared, **options):
    """Which atoms are sent, the one answer, and the risk."""
    costs = Costs(c1=1.0, ce=0.15)
    preset = replace(tabular.TABLE, batch_size=40, lr=3e-3)
    r, answers = on_a_table(name, shared, costs, rejector="scores", training=preset, **options)
    (answer,) = set(((answers + 1) // 2).tolist())
    return asked(r), answer, risk(r, [answer] * len(SHARED), SHARED, costs)


def test_a_specialised_server_answers_for_what_it_is_sent(shared):
    """While it serves all, r = log 4 on the three and log 1.1/0.95 on the one: 0.1875 against 0.216, so it turns."""
    assert on_one_image("weighted_server", shared, beta=2.0) == ([3], 1, pytest.approx(7 / 80))


def test_named_failure_with_a_small_beta_the_server_does_not_specialise(shared):
    """Even if it answered for the one, r = log 22 and log 0.2/0.95 would leave the three more weight, 0.51 to 0.30."""
    assert on_one_image("weighted_server", shared, beta=0.25) == ([], 0, pytest.approx(11 / 40))


@pytest.mark.parametrize("form", ["paper", "nonnegative"])
@pytest.mark.parametrize("name", ["stage_rejector", "stage_switching"])
def test_named_failure_the_server_of_stage_switching_serves_everybody(shared, name, form):
    """It learns as if alone; for the answers that it gives, keeping all is right."""
    assert on_one_image(name, shared, form=form) == ([], 0, pytest.approx(11 / 40))
