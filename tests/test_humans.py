"""Human labels: checked files, the order of the test part, and what is derived from the shares."""

import os
import shutil

import numpy as np
import pytest

from l2h import data, humans, sources

SHARES = np.zeros((4, 10))
SHARES[0, [3, 5]] = 0.75, 0.25  # a cat
SHARES[1, [3, 5, 0]] = 0.2, 0.6, 0.2  # a dog
SHARES[2, 0] = 1.0  # an airplane: not of the pair
SHARES[3, 7] = 1.0  # a dog that all take for a horse


def test_the_shares_of_a_pair():
    found = humans._of_pair(SHARES, 50 * SHARES, np.array([3, 5, 0, 5]), ("cat", "dog"))
    np.testing.assert_allclose(found.eta, [0.25, 0.75, 0.5])
    np.testing.assert_allclose(found.outside, [0, 0.2, 1])
    np.testing.assert_allclose(found.answers, [50, 50, 50])
    entropy = [-(0.75 * np.log2(0.75) + 0.25 * np.log2(0.25)), -(0.4 * np.log2(0.2) + 0.6 * np.log2(0.6)), 0]
    np.testing.assert_allclose(found.entropy, entropy)
    swapped = humans._of_pair(SHARES, 50 * SHARES, np.array([3, 5, 0, 5]), ("dog", "cat"))
    np.testing.assert_allclose(swapped.eta, 1 - found.eta)


@pytest.fixture
def folder():
    """Where CIFAR-10H lies on this machine."""
    found = data.find()
    if found is None or not (found / humans.FOLDER).is_dir():
        pytest.skip("CIFAR-10H is not at hand")
    return found


def test_people_agree_with_the_labels_in_the_order_of_the_test_part(folder):
    for classes, least in ((("airplane", "automobile"), 0.99), (("dog", "cat"), 0.97)):
        found, y = humans.load(classes), data.load(classes).test.y.numpy()
        assert len(found.eta) == len(y) == 2000
        assert np.sum((found.eta > 0.5) == (y > 0)) >= least * len(y)
        assert found.answers.min() >= 47 and (found.entropy >= 0).all()


@pytest.fixture
def at(monkeypatch):
    """Let CIFAR-10 be found in a given place."""
    humans._files.cache_clear()
    return lambda place: monkeypatch.setattr(sources, "find", lambda folder: place)


def test_without_the_files_there_is_nothing(at, tmp_path):
    at(None)
    assert humans.load(("cat", "dog")) is None
    at(tmp_path)
    assert humans.load(("cat", "dog")) is None
    (tmp_path / humans.FOLDER).mkdir()
    (tmp_path / humans.FOLDER / "cifar10h-probs.npy").write_bytes(b"half of it")
    assert humans.load(("cat", "dog")) is None


def test_another_file_is_refused(at, tmp_path):
    at(tmp_path)
    (tmp_path / humans.FOLDER).mkdir()
    for name in humans.SHA256:
        np.save(tmp_path / humans.FOLDER / name, SHARES)
    with pytest.raises(ValueError, match=r"expected .*cifar10h-probs.npy with SHA-256 436ae.*, got [0-9a-f]{64}"):
        humans.load(("cat", "dog"))


def test_a_folder_may_be_named(folder, tmp_path):
    shutil.copytree(folder / "cifar-10-batches-py", tmp_path / "cifar-10-batches-py", copy_function=os.symlink)
    humans._files.cache_clear()
    assert humans.load(("cat", "dog"), folder=tmp_path) is None
    assert humans.load(("cat", "dog"), folder=folder) is not None
    with pytest.raises(ValueError, match="class of cifar10"):
        humans.load(("cat", "8"))
