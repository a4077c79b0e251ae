"""Tables of chapter 05 against direct computations."""

import numpy as np
import pytest
from helpers.samples import sample_runs

from companion.chapters.ch05_cifar10.analysis import (
    PRINTED_RESULTS,
    image_captions,
    loss_and_rates,
    results_as_printed,
    significant_coverages,
    split_seeds_by_class,
    surest_images,
    table_one_with_printed,
)
from l2h.evaluation.intervals import Interval
from l2h.evaluation.metrics import system_loss
from l2h.problem import Costs

SYSTEM = sample_runs(3, 300)


def test_coverages_are_listed_by_the_sign_of_their_interval():
    differences = [Interval(0.1, 0.05, 0.2), Interval(0.0, -0.1, 0.1), Interval(-0.1, -0.2, -0.05)]
    table = significant_coverages([0.1, 0.2, 0.3], differences)
    assert list(table.values()) == ["0.10", "0.30"]
    assert set(significant_coverages([0.2], differences[1:2]).values()) == {"none"}


def test_the_loss_comes_first_in_a_row():
    costs = Costs(c1=1.0, ce=0.15)
    loss = np.mean([system_loss(p, costs=costs) for p in SYSTEM])
    row = loss_and_rates(SYSTEM, costs)
    assert list(row) == ["system loss", "accuracy", "offload rate"]
    assert row["system loss"].startswith(f"{loss:.3f} [")


def test_table_one_stands_beside_the_printed_numbers():
    rows = table_one_with_printed(SYSTEM, ("airplane", "automobile"))
    assert list(rows) == [("automobile", "kept"), ("airplane", "kept"), ("automobile", "asked"), ("airplane", "asked")]
    assert (rows["airplane", "asked"]["printed m"], rows["automobile", "kept"]["printed e"]) == (0.68, 0.96)
    kept = [(p.m[(p.y == 1) & (p.r > 0)] == 1).sum() for p in SYSTEM]
    of = [((p.y == 1) & (p.r > 0)).sum() for p in SYSTEM]
    assert rows["automobile", "kept"]["m"].startswith(f"{sum(kept) / sum(of):.2f} [")


@pytest.mark.parametrize(("subset", "sign"), [("kept", 1), ("asked", -1)])
def test_the_surest_images_have_the_most_extreme_scores(subset, sign):
    p = SYSTEM[0]
    indices = surest_images(p, -1, subset, 5)
    assert len(indices) == 5 and (p.y[indices] == -1).all()
    others = np.setdiff1d(np.flatnonzero(p.y == -1), indices)
    assert (sign * p.r[indices]).min() >= (sign * p.r[others]).max()
    captions = image_captions(p, indices, subset)
    assert captions[0].splitlines()[0] == subset
    for index, caption in zip(indices, captions, strict=True):
        assert ("m right" in caption) == (p.m[index] == p.y[index])
        assert ("e right" in caption) == ((p.e[index] >= 0) == (p.y[index] > 0))


def test_results_have_the_printed_names():
    results = results_as_printed(SYSTEM)
    assert list(results) == list(PRINTED_RESULTS)
    assert results["client accuracy on all images"].startswith(f"{np.mean([(p.m == p.y).mean() for p in SYSTEM]):.3f}")
    assert results["offload rate"].startswith(f"{np.mean([(p.r <= 0).mean() for p in SYSTEM]):.3f}")


def test_classes_are_split_by_their_labels():
    split = split_seeds_by_class(SYSTEM)
    assert {name: {int(y) for p in part for y in p.y} for name, part in split.items()} == {
        "airplanes": {-1}, "automobiles": {1},
    }  # fmt: skip
    assert split_seeds_by_class([]) == {"airplanes": [], "automobiles": []}
