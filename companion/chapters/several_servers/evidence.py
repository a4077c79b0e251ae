"""Evidence for the claims on several servers and on what requests reveal."""

from collections.abc import Mapping, Sequence

import numpy as np

from companion.chapters.paired_evidence import evidence_on_differences
from companion.chapters.several_servers.images import Sent
from companion.chapters.several_servers.revealed import SharesByCase
from companion.chapters.several_servers.routing import BAYES, TRAINED, Routed
from companion.claims.evidence import Evidence
from companion.claims.registry import bounds_by_claim

PAGE = "several_servers"
RoutedBySeed = Sequence[Mapping[tuple[str, str], Routed]]


def _losses(systems: RoutedBySeed, servers: str, decision: str) -> np.ndarray:
    return np.array([seed[servers, decision].losses for seed in systems])


def routing_gains(systems: RoutedBySeed, *, data: str) -> dict[str, Evidence]:
    """Evidence on the loss with one big server minus that with three experts, by the way to decide.

    Args:
        systems: of each seed.
        data: SHA-256 of the data set.
    """
    return {
        decision: evidence_on_differences(
            _losses(systems, "one big server", decision) - _losses(systems, "three experts", decision),
            bounds=bounds_by_claim(PAGE)["experts-beat-one-big-server"][decision],
            data=data,
        )
        for decision in (BAYES, TRAINED)
    }


def losses_of_training(systems: RoutedBySeed, *, data: str) -> dict[str, Evidence]:
    """Evidence on the loss of the trained rejector minus that of the estimated Bayes rule, by set of servers.

    Args:
        systems: of each seed.
        data: SHA-256 of the data set.
    """
    return {
        servers: evidence_on_differences(
            _losses(systems, servers, TRAINED) - _losses(systems, servers, BAYES), bounds=bounds, data=data
        )
        for servers, bounds in bounds_by_claim(PAGE)["trained-router-as-good-as-bayes-rule"].items()
    }


def shares_revealed(shares: SharesByCase, *, data: Mapping[str, str]) -> dict[str, Evidence]:
    """Evidence on the share of the label's entropy that a decision reveals.

    Args:
        shares: of `revealed_shares`.
        data: SHA-256 of the data set, by the end of a case's name.
    """
    bounds = bounds_by_claim(PAGE)["a-decision-reveals-little-of-the-label"]
    return {
        case: evidence_on_differences(values, bounds=bounds[case], data=data[case.rpartition(", ")[2]])
        for case, values in shares.items()
    }


def accuracy_lost(by_seed: Sequence[Mapping[str, Sent]], *, raw: str, data: str) -> dict[str, Evidence]:
    """Evidence on the accuracy with raw images minus that with what is sent in their place.

    Args:
        by_seed: the ways to send of each seed.
        raw: name of the raw image.
        data: SHA-256 of the data set.
    """
    return {
        way: evidence_on_differences(
            np.array([seed[raw].correct.astype(float) - seed[way].correct for seed in by_seed]),
            bounds=bounds,
            data=data,
        )
        for way, bounds in bounds_by_claim(PAGE)["smaller-images-cost-little-accuracy"].items()
    }
