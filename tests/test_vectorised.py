"""Many configurations trained at once against each trained alone."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from l2h import augment, data, losses, methods, models, systems, train, vectorised
from l2h.problem import Costs
from l2h.systems import Examples, Options, Parts
from l2h.vectorised import Stack

COSTS = (Costs(c1=1.0, ce=0.0), Costs(c1=0.8, ce=0.15), Costs(c1=1.2, ce=0.1))
ALPHAS = ("released", "client_error", 2.5)
SEEDS = (3, 1, 4)


@pytest.fixture(scope="module")
def parts():
    """The digits as three clients see them."""
    dataset, told = data.load(source="digits"), []
    for seed in SEEDS:
        client = train.fit_client(dataset.client, form="well_trained", seed=seed)
        seen = [getattr(dataset, part) for part in ("helper", "calibration", "validation")]
        scores = [train.scores(client, x) for x, _ in seen]
        told.append(
            Parts(*(Examples(x, y, 2 * (s >= 0).long() - 1, s) for (x, y), s in zip(seen, scores, strict=True)))
        )
    return told


def in_double(parts):
    return [
        Parts(*(one._replace(score=one.score.double()) for one in (p.helper, p.calibration, p.validation)))
        for p in parts
    ]


def together_and_alone(parts, **options):
    told = [Options(alpha=alpha, **options) for alpha in ALPHAS]
    alone = [
        methods.learning_to_help(p, costs=c, seed=s, options=o)
        for p, c, s, o in zip(parts, COSTS, SEEDS, told, strict=True)
    ]
    return vectorised.learning_to_help(parts, costs=COSTS, seeds=SEEDS, options=told), alone


def assert_close(together, alone, parts, tolerance):
    for one, other, p in zip(together, alone, parts, strict=True):
        assert one.history == pytest.approx(other.history, rel=1e-6, abs=tolerance)
        for name in "re":
            close = getattr(one, name)(p.validation) - getattr(other, name)(p.validation)
            assert close.abs().max() < tolerance


@pytest.mark.parametrize(
    "options",
    [{}, {"squash": False}, {"network": "linear", "rejector": "lenet"}, {"network": "one_hidden_layer", "hidden": 7}],
    ids=str,
)
def test_together_they_become_what_each_becomes_alone(parts, options):
    together, alone = together_and_alone(parts, **options)
    assert len({system.history for system in together}) == 3
    assert_close(together, alone, parts, 1e-4)


def test_in_double_precision_not_even_many_small_steps_part_them(parts, monkeypatch):
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        recipe = replace(train.RELEASED, epochs=2, flip=True)
        together, alone = together_and_alone(in_double(parts), recipe=recipe)
        assert_close(together, alone, in_double(parts), 1e-10)
    finally:
        torch.set_default_dtype(before)


def test_the_surrogate_of_each_configuration_has_its_own_costs():
    generator = torch.Generator().manual_seed(0)
    r, e = 4 * torch.randn(2, 3, 50, generator=generator)
    m, y = 2 * torch.randint(0, 2, (2, 3, 50), generator=generator) - 1
    alpha = 1 + torch.rand(3, 50, generator=generator)
    c1, ce = (torch.tensor([[getattr(one, name)] for one in COSTS]) for name in ("c1", "ce"))
    all_at_once = vectorised.surrogate(r, e, m, y, c1=c1, ce=ce, alpha=alpha, beta=1.5)
    for k, costs in enumerate(COSTS):
        alone = losses.surrogate(r[k], e[k], m[k], y[k], costs=costs, alpha=alpha[k], beta=1.5)
        assert torch.allclose(all_at_once[k], alone, rtol=1e-6)


@pytest.mark.parametrize("build", [models.linear, models.rejector, models.LeNet])
@pytest.mark.parametrize("outputs", [1, 10])
def test_a_slice_of_a_stack_is_one_network_in_value_and_gradient(build, outputs):
    with train.seeded(0):
        networks = [build(outputs=outputs) for _ in range(3)]
    x = torch.randn(3, 5, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    scores = Stack(networks)(x)
    alone = torch.stack([network(one) for network, one in zip(networks, x, strict=True)])
    assert torch.allclose(scores, alone, atol=1e-5)
    weights = [w for network in networks for w in network.parameters()]
    gradients = [torch.autograd.grad(several.square().sum(), weights) for several in (scores, alone)]
    assert all(torch.allclose(*pair, rtol=1e-4, atol=1e-4) for pair in zip(*gradients, strict=True))


@pytest.mark.parametrize(
    "networks",
    [
        (models.linear(), models.rejector()),
        (models.rejector(3), models.rejector(4)),
        (models.linear(), models.linear(2)),
    ],
)
def test_networks_of_several_architectures_are_refused(networks):
    with pytest.raises(ValueError, match="expected networks of one architecture, got"):
        Stack(networks)


def test_a_layer_of_another_kind_is_refused():
    stack = Stack([nn.Sequential(nn.Flatten(), nn.Linear(12, 1), nn.Tanh())] * 2)
    with pytest.raises(ValueError, match="expected layers of linear, rejector and LeNet, got Tanh"):
        stack(torch.zeros(2, 5, 12))


def test_images_are_flipped_as_a_training_alone_flips_them():
    x = torch.arange(12, dtype=torch.uint8).view(2, 1, 1, 6).expand(2, 1, 1, 6)
    config = replace(train.FAST, batch_size=2)
    ((batch, images),) = vectorised._batches(x, [torch.Generator().manual_seed(seed) for seed in SEEDS], config)
    for k, seed in enumerate(SEEDS):
        generator = torch.Generator().manual_seed(seed)
        order = torch.randperm(2, generator=generator)
        assert torch.equal(batch[k], order)
        assert torch.equal(images[k], train.inputs(augment.flipped(x[order], generator)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hidden": 7}, "expected one set of images, and options that differ in alpha and estimate alone"),
        ({"beta": 1.0}, "expected one set of images, and options that differ in alpha and estimate alone"),
    ],
)
def test_options_that_differ_are_refused(parts, change, message):
    told = [Options(alpha=1.0), Options(alpha=1.0, **change)]
    with pytest.raises(ValueError, match=message):
        vectorised.learning_to_help(parts[:2], costs=COSTS[:2], seeds=SEEDS[:2], options=told)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rejector": "scores"}, "expected rejectors that read the image, got 'scores'"),
        ({"rejector": "features"}, "expected rejectors that read the image, got 'features'"),
        ({"recipe": replace(train.FAST, shift=2)}, "expected a recipe that does not shift images, got shift=2"),
    ],
)
def test_options_that_cannot_be_followed_are_refused(parts, options, message):
    with pytest.raises(ValueError, match=message):
        vectorised.learning_to_help(
            parts[:1], costs=COSTS[:1], seeds=SEEDS[:1], options=[Options(alpha=1.0, **options)]
        )


def test_other_images_a_started_server_and_more_classes_are_refused(parts):
    told = {"costs": COSTS[:2], "seeds": SEEDS[:2], "options": [Options(), Options()]}
    other = parts[1]._replace(helper=parts[1].helper._replace(x=parts[1].helper.x.clone()))
    with pytest.raises(ValueError, match="expected one set of images"):
        vectorised.learning_to_help([parts[0], other], **told)
    started = parts[1]._replace(weights=systems.weights_of(models.LeNet()))
    many = parts[1]._replace(helper=parts[1].helper._replace(score=torch.zeros(len(parts[1].helper.y), 3)))
    for wrong in (started, many):
        with pytest.raises(ValueError, match="expected two classes and servers that start anew"):
            vectorised.learning_to_help([parts[0], wrong], **told)


def test_a_training_that_diverges_is_named(parts):
    x, y, m, *_ = parts[0].helper
    with train.seeded(0):
        rejectors, servers = ([models.linear() for _ in range(2)] for _ in range(2))
    nn.init.constant_(rejectors[1][1].bias, float("inf"))
    with pytest.raises(FloatingPointError, match=r"epoch 1 of configurations \[1\]; lower lr"):
        vectorised.fit_jointly(
            *(x, y, m.expand(2, -1)),
            rejectors=rejectors,
            servers=servers,
            costs=COSTS[:2],
            alphas=torch.ones(2, len(y)),
            beta=2.0,
            config=train.FAST,
            seeds=(0, 1),
        )
