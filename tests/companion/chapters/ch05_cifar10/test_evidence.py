"""Evidence of chapter 05 on made-up predictions."""

import numpy as np
import pytest
from helpers.samples import sample_runs

from companion.chapters.ch05_cifar10.evidence import (
    area_gains,
    difference_on,
    errors_found,
    measured_on,
    offload_reductions_by_client,
    table_one_evidence,
)
from l2h.evaluation.comparisons import client_difference_kept_asked, mean_difference, subset_interval
from l2h.evaluation.curves import auc_contributions
from l2h.problem import Predictions

SYSTEM, BASELINE = sample_runs(3, 300), sample_runs(3, 300, server=0.75)
Y = np.repeat([-1, 1], 10)
# Of each class 6 images are kept, the client is right on 3 of these and the server on 2; it is right on 1 of 4 asked.
KEPT = np.tile([1, 1, 1, 1, 1, 1, 0, 0, 0, 0], 2)
M = np.where(np.tile([1, 1, 1, 0, 0, 0, 1, 0, 0, 0], 2), Y, -Y)
E = np.where(np.tile([1, 1, 0, 0, 0, 0, 1, 1, 1, 1], 2), Y, -Y)
SMALL = [Predictions(M, KEPT - 0.5, E, Y)] * 2


def predictions(config, *, client="as_released"):
    return {"system": SYSTEM, "baseline": BASELINE}[config]


def test_evidence_is_measured_by_client_and_baseline():
    measured = measured_on("abc")
    gains = area_gains(predictions, "system", {"plain server": "baseline"}, ["as_released"], measured)
    expected = mean_difference(SYSTEM, BASELINE, auc_contributions)
    ((name, evidence),) = gains.items()
    assert name == "as_released, plain server"
    assert (evidence.estimate, evidence.low, evidence.high, evidence.data) == (*map(float, expected), "abc")
    found = errors_found(predictions, "system", ["as_released"], measured)["as_released"]
    assert found.estimate == pytest.approx(client_difference_kept_asked(SYSTEM).estimate)
    reduction = offload_reductions_by_client(predictions, "system", "system", ["as_released"], measured)["as_released"]
    assert (reduction.estimate, reduction.low, reduction.high) == (0, 0, 0)
    assert difference_on("kept")(SYSTEM) == subset_interval(SYSTEM, subset="kept", quantity="difference")


def test_table_one_gives_evidence_for_four_numbers():
    evidence = table_one_evidence(SYSTEM, "kept", measured_on("abc"))
    assert list(evidence) == ["airplanes, client", "airplanes, server", "automobiles, client", "automobiles, server"]
    assert all(item.reason for item in table_one_evidence([], "kept", measured_on("abc")).values())
    of_class = [0.5, 1 / 3] * 2
    assert [item.estimate for item in table_one_evidence(SMALL, "kept", measured_on("abc")).values()] == pytest.approx(
        of_class
    )


@pytest.mark.parametrize(("subset", "expected"), [("kept", 1 / 6), ("asked", -0.75)])
def test_client_and_server_differ_by_the_shares_that_are_right(subset, expected):
    assert difference_on(subset)(SMALL).estimate == pytest.approx(expected)


def test_errors_found_and_offload_reductions_are_shares_of_images():
    def of_config(config, *, client):
        expensive = [Predictions(p.m, np.ones(len(p.y)), p.e, p.y) for p in SMALL]
        return {"cheap": SMALL, "expensive": expensive, "not run": []}[config]

    found = errors_found(of_config, "cheap", ["lenet"], measured_on("abc"))
    assert list(found) == ["lenet"] and found["lenet"].estimate == pytest.approx(0.5 - 0.25)
    reduction = offload_reductions_by_client(of_config, "cheap", "expensive", ["lenet"], measured_on("abc"))["lenet"]
    assert (reduction.estimate, reduction.n, reduction.seeds) == (pytest.approx(0.4), 20, 2)
    assert (
        errors_found(of_config, "not run", ["lenet"], measured_on("abc"))["lenet"].reason == "not run at this profile"
    )


def test_an_unknown_subset_is_refused():
    with pytest.raises(ValueError, match="subset"):
        table_one_evidence(SMALL, "unknown", measured_on("abc"))
