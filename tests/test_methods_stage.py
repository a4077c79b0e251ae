"""Stage-switching and the server that specialises: who learns from whom, and from where a training starts."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from l2h import losses, losses_stage, methods, systems, train
from l2h.data import load
from l2h.losses_stage import in_columns
from l2h.methods_stage import Delayed
from l2h.problem import Costs
from l2h.train import TrainConfig

COSTS = Costs(c1=1.0, ce=0.2)
RECIPE = TrainConfig(epochs=2, batch_size=32, lr=1e-3)
OPTIONS = methods.Options(recipe=RECIPE, network="one_hidden_layer", hidden=120, squash=False)
STILL = replace(OPTIONS, recipe=replace(RECIPE, epochs=1, lr=1e-12))


def parts_of(names):
    """Digits with a client that errs on a third of the examples, and a server that errs on a tenth."""
    dataset, generator = load(names, source="digits"), torch.Generator().manual_seed(0)

    def labels(y, errors):
        other = -y if len(names) == 2 else (y + 1) % len(names)
        return torch.where(torch.rand(len(y), generator=generator) < errors, other, y)

    def scores(y):
        return y.double() if len(names) == 2 else nn.functional.one_hot(y, len(names)).double()

    def examples(part):
        x, y = part
        m = labels(y, 1 / 3)
        return methods.Examples(x, y, m, scores(m), scores(labels(y, 1 / 10)))

    return methods.Parts(*(examples(part) for part in (dataset.helper, dataset.calibration, dataset.validation)))


@pytest.fixture(scope="module", params=[("3", "8"), ("1", "3", "8")], ids=["two", "three"])
def parts(request):
    return parts_of(request.param)


def fitted(name, parts, options=OPTIONS, costs=COSTS):
    system = methods.METHODS[name](parts, costs=costs, seed=0, options=options)
    return system.r(parts.validation), system.e(parts.validation)


def test_the_stage_server_is_the_same_whatever_rejector_and_costs(parts):
    first = fitted("stage_switching", parts)[1]
    for options, costs in (
        (replace(OPTIONS, form="released"), COSTS),
        (OPTIONS, Costs(0.5, 0.0)),
        (replace(OPTIONS, refresh=3), COSTS),
    ):
        assert torch.equal(fitted("stage_switching", parts, options, costs)[1], first)


def test_a_specialised_server_depends_on_its_rejector(parts):
    first, other = (fitted("specialised", parts, costs=costs)[1] for costs in (COSTS, Costs(1.0, 1.0)))
    assert not torch.allclose(first, other)


def test_the_forms_lead_to_other_rejectors(parts):
    rs = [fitted("stage_switching", parts, replace(OPTIONS, form=form))[0] for form in losses_stage.FORMS]
    assert not torch.allclose(rs[0], rs[1]) and not torch.allclose(rs[1], rs[2])


def test_a_stale_copy_changes_the_rejector_only(parts):
    rs = [fitted("stage_switching", parts, replace(OPTIONS, refresh=refresh))[0] for refresh in (1, 2, 1000)]
    assert not torch.equal(rs[0], rs[1]) and not torch.equal(rs[1], rs[2])


def test_the_copy_is_renewed_every_so_many_steps():
    server = nn.Linear(1, 1, bias=False)
    module, x, seen = Delayed(None, server, refresh=3), torch.ones(1, 1), []
    for step in range(7):
        nn.init.constant_(server.weight, step)
        r, e, copy = module(x)
        assert r is None and e.item() == step and not copy.requires_grad
        seen.append(int(copy))
    assert seen == [0, 0, 0, 3, 3, 3, 6]
    assert [name for name, _ in module.named_parameters()] == ["server.weight"]


def test_without_delay_the_copy_is_the_server():
    module = Delayed(nn.Linear(2, 1), nn.Linear(2, 3), refresh=1)
    r, e, copy = module(torch.ones(4, 2))
    assert r.shape == (4, 1) and torch.equal(e, copy) and not copy.requires_grad


@pytest.mark.parametrize("name", ["stage_switching", "specialised", "learning_to_help"])
@pytest.mark.parametrize("rejector", ["hidden", "scores"])
def test_a_training_starts_from_the_plain_server_and_a_rejector_for_it(parts, name, rejector):
    plain = methods.plain_server(parts, costs=COSTS, seed=1, options=OPTIONS)
    started = parts._replace(weights=plain.weights)
    options = replace(STILL, rejector=rejector, alpha=1.0)
    r, e = fitted(name, started, options)
    assert torch.allclose(e, plain.e(parts.validation), atol=1e-5)
    assert r.std() > 0.01  # a new rejector would hardly tell examples apart
    with pytest.raises(ValueError, match=r"examples\.server, got None"):
        fitted(name, started._replace(helper=parts.helper._replace(server=None)), options)


@pytest.mark.parametrize("name", ["mozannar_sontag", "one_vs_all"])
def test_a_server_with_one_output_more_starts_with_the_plain_servers_answers(parts, name):
    plain = methods.plain_server(parts, costs=COSTS, seed=1, options=OPTIONS)
    e = fitted(name, parts._replace(weights=plain.weights), STILL)[1]
    assert torch.allclose(e, plain.e(parts.validation), atol=1e-4)


def test_weights_survive_a_round_trip_and_fit_one_network_only():
    with train.seeded(0):
        one, other = (systems.SERVER_NETWORKS["residual_small"](3, squash=False) for _ in range(2))
    one(torch.randn(8, 3, 32, 32))  # moves the running means
    systems.set_weights(other, systems.weights_of(one))
    x = torch.randn(2, 3, 32, 32)
    assert torch.equal(one.eval()(x), other.eval()(x))
    with pytest.raises(ValueError, match=r"expected 8 weights for this network, got 9"):
        systems.set_weights(nn.Linear(3, 2), torch.zeros(9))


def test_two_classes_train_alike_in_one_column_and_in_two():
    """The surrogate for K classes, with K = 2, gives the rejector and the server of the surrogate of two classes."""
    parts, trained = parts_of(("3", "8")), []

    def in_two(r, e, m, y, alpha):
        return losses_stage.surrogate_classes(r, *in_columns(e, m, y), costs=COSTS, alpha=alpha, beta=2.0)

    def in_one(r, e, m, y, alpha):
        return losses.surrogate(r, e, m, y, costs=COSTS, alpha=alpha, beta=2.0)

    for loss in (in_one, in_two):
        with train.seeded(0):
            on, server = systems.device(parts, OPTIONS), systems.server_network(parts, OPTIONS, outputs=1)
        systems.fit_both(on, server, parts.helper, loss, options=OPTIONS, seed=0, alpha=1.9)
        trained.append((on.scores(parts.validation), systems.of_server(server)(parts.validation)))
    for binary, many in zip(*trained, strict=True):
        assert (binary - many).abs().max().item() < 1e-6


def test_bad_options_are_refused():
    with pytest.raises(ValueError, match="one of 'paper'"):
        methods.Options(form="printed")
    with pytest.raises(ValueError, match="refresh >= 1"):
        methods.Options(refresh=0)
