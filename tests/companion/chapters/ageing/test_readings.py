"""The readings are those of the published set, or a stand-in that says so."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

from companion.chapters.ageing import readings
from companion.chapters.ageing.readings import STAND_IN, STAND_IN_SIZES, load_readings
from l2h.data import domains
from l2h.data.labelled import LabelledData, LabelledExamples


def published(sizes):
    """A data set as `domains.load` gives it, with batches 1 to 3 of these sizes, one in each part."""
    parts = {
        name: LabelledExamples(np.full((n, 2), number, np.float32), np.zeros(n, int), np.full(n, number))
        for number, (name, n) in enumerate(zip(("train", "validation", "test"), sizes, strict=True), 1)
    }
    fields = dict.fromkeys(("content", "split", "group_kind", "source"), "")
    return LabelledData(
        "gas_drift", ("Ethanol",), parts, licence="research only", citation="Vergara", requested="gas_drift", **fields
    )


def test_without_the_published_set_the_stand_in_says_so(monkeypatch, tmp_path):
    monkeypatch.setenv("L2H_DATA", str(tmp_path))
    loaded = load_readings("gas_drift", n_readings=10)
    assert not loaded.are_of_sensors and loaded.facts["name"] == STAND_IN
    assert str(tmp_path) not in loaded.facts["banner"], "a page never tells where it was made"
    assert loaded.facts["banner"].startswith("The published data are not at hand. Set L2H_DATA to a folder")
    assert loaded.facts["banner"].endswith("no number on this page is about gas sensors.")


def test_only_the_later_batches_of_the_stand_in_have_aged(aged):
    assert [int((aged.batch == number).sum()) for number in aged.months] == list(STAND_IN_SIZES)
    images = {tuple(image) for image in load_digits().data}
    unchanged = np.array([tuple(row) in images for row in aged.x])
    assert unchanged[aged.batch == 1].all() and not unchanged[aged.batch > 1].any()


def test_a_column_of_the_stand_in_moves_by_its_offset_and_gain(aged):
    # The first column of every digit is zero, so that its offset is all that it has.
    first_column = [set(aged.x[aged.batch == number, 0]) for number in aged.months]
    assert [len(values) for values in first_column] == [1] * len(STAND_IN_SIZES)
    steps = np.diff([values.pop() for values in first_column])
    assert steps == pytest.approx(np.full(len(steps), steps[0])) and steps[0] != 0


def test_batches_stay_in_order_and_large_ones_are_sampled(monkeypatch):
    monkeypatch.setattr(domains, "load", lambda _: published((3, 5, 2)))
    loaded = load_readings("gas_drift", n_readings=4)
    assert loaded.batch.tolist() == [1, 1, 1, 2, 2, 2, 2, 3, 3]
    assert loaded.x[:, 0].tolist() == loaded.batch.tolist() and loaded.x.dtype == float
    assert loaded.are_of_sensors and loaded.months == {1: "1-2", 2: "3-10", 3: "11-13"}


def test_a_sample_keeps_the_order_of_the_source():
    rows = readings._sample_of_each(np.repeat([1, 2], [100, 3]), 10)
    assert (np.diff(rows) > 0).all() and len(rows) == 13


def test_licence_citation_and_banner_are_shown(monkeypatch, aged):
    monkeypatch.setattr(domains, "load", lambda _: published((3, 5, 2)))
    text = readings.describe_readings(load_readings("gas_drift", n_readings=9))
    assert "Licence: research only. Please cite: Vergara." in text and "2 (3-10): 5" in text
    assert not text.startswith(">")
    assert readings.describe_readings(aged).startswith(
        "> **nothing is at hand. Digits whose columns age take their place"
    )
