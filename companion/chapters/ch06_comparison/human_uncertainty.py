"""Do systems send what people find hard? Rates by human uncertainty, and the Bayes rule under people's labels."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from l2h import checks
from l2h.data.cifar10h import Humans
from l2h.evaluation.bootstrap import intervals
from l2h.evaluation.comparisons import mean_interval
from l2h.evaluation.intervals import Interval
from l2h.evaluation.metrics import loss_by_example, sent
from l2h.problem import Costs, Predictions
from l2h.theory.bayes import rejector_rule, server_error, server_rule

FIFTHS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
BAYES = "Bayes, people's labels"


class Agreement(NamedTuple):
    """What systems send, seen beside people's answers about the same images."""

    edges: np.ndarray  # (k + 1,) limits of k groups of images, in bits of human entropy; k is 5 unless many tie
    shares: np.ndarray  # (k,) share of the images in each group: a fifth, or more where many tie
    rates: dict[str, list[Interval]]  # name -> share sent of each group; the Bayes rule comes last
    hard_minus_easy: dict[str, Interval]  # name -> share sent beyond the upper fifth's limit minus below the lower's
    as_bayes: dict[str, Interval]  # name -> share of images on which the decision is the Bayes rule's
    losses: dict[str, Interval]  # name -> system loss, the Bayes rule's with its server that knows people's answers


def with_people(systems: Mapping[str, Sequence[Predictions]], people: Humans, *, costs: Costs) -> Agreement:
    """Compare what systems send with what people say about the same test images.

    Args:
        systems: name -> predictions of one client on the test part, one per seed; all names with the same seeds.
        people: their answers, in the order of the test part.
        costs: c1 and ce of the Bayes rule.

    Returns:
        `Agreement`.

    Raises:
        ValueError: if there is no system, or the people's answers are not about these images.
    """
    if not systems:
        raise ValueError("expected at least one system, got none")
    first = next(iter(systems.values()))
    checks.same_length(predictions=first[0].y, people=people.eta)
    best = [bayes_under(people, one, costs=costs) for one in first]
    known = {**systems, BAYES: best}
    asked = {name: np.stack([sent(p) for p in several]) for name, several in known.items()}  # (S, n)
    edges = np.unique(np.quantile(people.entropy, FIFTHS))
    group = np.searchsorted(edges[1:-1], people.entropy, side="left")  # (n,) an image on a limit belongs below
    groups = np.eye(len(edges) - 1)[group].T  # (k, n)
    low, high = np.quantile(people.entropy, [FIFTHS[1], FIFTHS[-2]])
    easy, hard = people.entropy <= low, people.entropy >= high
    contrast = len(easy) * (hard / hard.sum() - easy / easy.sum())  # (n,)
    return Agreement(
        edges,
        groups.sum(axis=1) / groups.size * len(groups),
        {name: _rates(values, groups) for name, values in asked.items()},
        {name: intervals((values * contrast)[None])[0] for name, values in asked.items()},
        {name: intervals((values == asked[BAYES])[None].astype(float))[0] for name, values in asked.items()},
        {name: mean_interval(ps, lambda p: loss_by_example(p, costs=costs)) for name, ps in known.items()},
    )


def bayes_under(people: Humans, given: Predictions, *, costs: Costs) -> Predictions:
    r"""The Bayes rule where the shares of people's answers are P(Y|x), for a client whose label is known.

    .. math:: \eta = \eta_H, \quad p = 1[m = -1]\,\eta_H + 1[m = +1]\,(1 - \eta_H), \quad
              r^* = c_1 \min(\eta_H, 1 - \eta_H) + c_e - p

    Args:
        people: their answers about n images.
        given: predictions on these images; m and y are taken.
        costs: c1 and ce.

    Returns:
        Predictions with the Bayes rejector and server.

    Source: arXiv 2409.16253, Bayes rules, with CIFAR-10H's labels.
    """
    p = np.where(given.m > 0, 1 - people.eta, people.eta)
    r = rejector_rule(server_error(people.eta), p, costs=costs)
    return Predictions(given.m, r, server_rule(people.eta), given.y)


def _rates(asked: np.ndarray, groups: np.ndarray) -> list[Interval]:
    values = np.broadcast_to(asked, (len(groups), *asked.shape))  # (k, S, n)
    among = np.broadcast_to(groups[:, None], values.shape)
    return intervals(values.astype(float), among)
