"""Motion, gas sensors and packaged tables are what their files hold."""

import sys

import numpy as np
import pytest
from helpers import publications
from sklearn.datasets import load_breast_cancer, load_wine

from l2h.data import tables


@pytest.mark.parametrize("edition", [0, 1])
def test_windows_are_whole_and_of_one_recording(tmp_path, edition):
    read = tables.read_smartwatch(publications.write(tmp_path, "smartwatch", edition))
    recordings, (exercise, subject) = publications.motion()
    assert read.x.shape == (140, 100, 6) and read.x.dtype == np.float32
    for k, recording in enumerate(recordings):
        np.testing.assert_array_equal(read.x[2 * k : 2 * k + 2].reshape(200, 6), recording[:200].astype(np.float32))
    np.testing.assert_array_equal(read.exercise, exercise.repeat(2))
    np.testing.assert_array_equal(read.subject, subject.repeat(2))
    assert read.exercises == tuple(publications.EXERCISES)
    assert read.exercise.dtype == read.subject.dtype == np.int64


def test_a_recording_shorter_than_a_window_has_none():
    assert tables.cut_windows(np.ones((99, 6))).shape == (0, 100, 6)
    assert tables.cut_windows(np.ones((100, 6))).shape == (1, 100, 6)


def test_the_mean_acceleration_has_neither_rotation_nor_motion():
    x = np.random.default_rng(0).normal(size=(4, 100, 6)).astype(np.float32)
    mean = tables.mean_acceleration(x)
    np.testing.assert_allclose(mean, [[window[:, k].mean() for k in range(3)] for window in x], rtol=1e-4, atol=1e-6)
    other = x[:, ::-1].copy()
    other[:, :, 3:] = 0
    np.testing.assert_allclose(tables.mean_acceleration(other), mean, atol=1e-6)


def test_the_first_measurements_are_a_quarter():
    x = np.arange(26).reshape(2, 13)
    np.testing.assert_array_equal(tables.first_measurements(x), x[:, :4])
    images = np.arange(2 * 3 * 8 * 5).reshape(2, 3, 8, 5)
    np.testing.assert_array_equal(tables.first_measurements(images), images[:, :, :2])


@pytest.mark.parametrize("edition", [0, 1])
def test_gas_readings_are_what_the_files_hold(tmp_path, edition):
    read = tables.read_gas_drift(publications.write(tmp_path, "gas_drift", edition))
    x, gas, batch = publications.gas_readings()
    np.testing.assert_array_equal(read.x, x.astype(np.float32))
    np.testing.assert_array_equal(read.gas, gas)
    np.testing.assert_array_equal(read.batch, batch)  # 10 comes after 4, not after 1
    assert read.x.dtype == np.float32 and read.gas.dtype == read.batch.dtype == np.int64
    assert set(batch) <= set(tables.GAS_DRIFT_MONTHS)


@pytest.mark.parametrize("damage", [lambda line: line.replace(" 7:", " 8:"), lambda line: line.rsplit(" ", 2)[0]])
def test_a_line_that_is_no_reading_is_named(tmp_path, damage):
    lines = ["1;10.000000 " + " ".join(f"{k}:1.5" for k in range(1, 129)) + " "] * 3
    lines[1] = damage(lines[1])
    (tmp_path / "uci270.zip").write_bytes(publications.zipped({"batch1.dat": "\n".join(lines).encode()}))
    with pytest.raises(ValueError, match=r"expected gas;concentration 1:value .* in line 2 of batch1.dat"):
        tables.read_gas_drift(tmp_path)


def test_an_unknown_gas_is_refused(tmp_path):
    line = "7;10.000000 " + " ".join(f"{k}:1.5" for k in range(1, 129))
    (tmp_path / "uci270.zip").write_bytes(publications.zipped({"batch1.dat": line.encode()}))
    with pytest.raises(ValueError, match=r"expected gas - 1 in batch1.dat in 0..5, got 6"):
        tables.read_gas_drift(tmp_path)


@pytest.mark.parametrize(
    ("read", "bundled"), [(tables.read_wine, load_wine), (tables.read_breast_cancer, load_breast_cancer)]
)
def test_packaged_tables_are_what_scikit_learn_ships(read, bundled):
    table, held = read(), bundled()
    np.testing.assert_array_equal(table.x, held.data.astype(np.float32))
    np.testing.assert_array_equal(table.y, held.target)
    assert table.classes == tuple(held.target_names)


def test_segments_are_balanced_and_need_river(monkeypatch):
    table = tables.read_segments()
    assert table.x.shape == (2310, 18) and np.bincount(table.y).tolist() == [330] * 7
    assert table.classes == ("brickface", "cement", "foliage", "grass", "path", "sky", "window")
    monkeypatch.setitem(sys.modules, "river.datasets", None)
    with pytest.raises(ModuleNotFoundError, match=r"shipped by river, which is not installed: install l2h\[drift\]"):
        tables.read_segments()
