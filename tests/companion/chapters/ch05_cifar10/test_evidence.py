"""Evidence of chapter 05 on made-up predictions."""

import numpy as np
import pytest
from helpers.samples import sample_runs
from scipy import stats

from companion.chapters.ch05_cifar10.evidence import (
    area_gains,
    difference_on,
    errors_found,
    measured_on,
    offload_reductions_by_client,
    printed_evidence,
)
from companion.claims.registry import bounds_by_claim
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
# The printed accuracies of client and server, on airplanes and on automobiles.
PRINTED = {"printed-kept": ((0.92, 0.94), (0.84, 0.96)), "printed-sent": ((0.68, 0.88), (0.39, 0.95))}


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


def test_each_printed_number_is_compared_with_a_new_run():
    evidence = printed_evidence(SYSTEM, SYSTEM, data="abc")
    for name, bounds in bounds_by_claim("05_cifar10").items():
        if name.startswith("printed-"):
            assert set(evidence[name]) == set(bounds)
    share = [(p.r <= 0).mean() for p in SYSTEM]
    half = stats.t.ppf(0.975, 2) * np.std(share, ddof=1) * np.sqrt(4 / 3)
    sent = evidence["printed-system"]["sent"]
    np.testing.assert_allclose([sent.estimate, sent.high], [np.mean(share) - 0.474, np.mean(share) - 0.474 + half])
    assert (sent.n, sent.seeds, sent.units, sent.data) == (300, 3, "seeds", "abc")


def test_numbers_of_table_one_are_those_of_their_subset_and_class():
    three = [*SMALL, SMALL[0]]
    evidence = printed_evidence(three, three, data="abc")
    for name, of_subset in (("printed-kept", (0.5, 1 / 3)), ("printed-sent", (0.25, 1.0))):
        for case, printed in zip(("airplanes", "automobiles"), PRINTED[name], strict=True):
            for classifier, expected, number in zip(("client", "server"), of_subset, printed, strict=True):
                assert evidence[name][f"{case}, {classifier}"].estimate == pytest.approx(expected - number)
    assert evidence["printed-client"]["all"].estimate == pytest.approx(0.4 - 0.71)
    assert evidence["printed-server"]["holds"].estimate == pytest.approx(0.6 - 0.9385)


def test_too_few_runs_and_empty_subsets_are_no_evidence():
    few = printed_evidence([], SMALL, data="abc")
    assert few["printed-server"]["holds"].reason == "not run at this profile"
    assert few["printed-client"]["all"].reason == "a prediction interval needs 3 runs, this profile has 2"
    keeps = [Predictions(p.m, np.ones(len(p.y)), p.e, p.y) for p in (*SMALL, SMALL[0])]
    assert printed_evidence(keeps, keeps, data="abc")["printed-sent"]["airplanes, client"].reason == (
        "there is no such example"
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
