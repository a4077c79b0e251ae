"""Human labels: checked files, the order of the test part, and what is derived from the shares."""

import hashlib
from types import SimpleNamespace

import numpy as np
import pytest

from l2h.data import cifar10h, dataset, sources

SHARES = np.zeros((4, 10))
SHARES[0, [3, 5]] = 0.75, 0.25  # a cat
SHARES[1, [3, 5, 0]] = 0.2, 0.6, 0.2  # a dog
SHARES[2, 0] = 1.0  # an airplane: not of the pair
SHARES[3, 7] = 1.0  # a dog that all take for a horse


def test_the_shares_of_a_pair():
    found = cifar10h._pair_labels(SHARES, 50 * SHARES, np.array([3, 5, 0, 5]), ("cat", "dog"))
    np.testing.assert_allclose(found.eta, [0.25, 0.75, 0.5])
    np.testing.assert_allclose(found.other_class_share, [0, 0.2, 1])
    np.testing.assert_allclose(found.n_annotations, [50, 50, 50])
    entropy = [-(0.75 * np.log2(0.75) + 0.25 * np.log2(0.25)), -(0.4 * np.log2(0.2) + 0.6 * np.log2(0.6)), 0]
    np.testing.assert_allclose(found.entropy, entropy)
    swapped = cifar10h._pair_labels(SHARES, 50 * SHARES, np.array([3, 5, 0, 5]), ("dog", "cat"))
    np.testing.assert_allclose(swapped.eta, 1 - found.eta)


def test_people_agree_with_the_labels_in_the_order_of_the_test_part():
    """Where CIFAR-10H lies; elsewhere nothing may come in its place."""
    found = sources.find_cifar10()
    at_hand = found is not None and all(
        (found / cifar10h.CIFAR10H_FOLDER / name).is_file() for name in cifar10h.CIFAR10H_SHA256
    )
    for classes, least in ((("airplane", "automobile"), 0.99), (("dog", "cat"), 0.97)):
        people = cifar10h.load_human_labels(classes)
        assert (people is not None) == at_hand
        if people is not None:
            y = dataset.load_dataset(classes).test.y.numpy()
            assert len(people.eta) == len(y) == 2000
            assert np.sum((people.eta > 0.5) == (y > 0)) >= least * len(y)
            assert people.n_annotations.min() >= 47 and (people.entropy >= 0).all()


@pytest.fixture
def at(monkeypatch):
    """Let CIFAR-10 be found in a given place."""
    cifar10h._read_arrays.cache_clear()
    return lambda index: monkeypatch.setattr(sources, "find_cifar10", lambda folder: index)


def test_without_the_files_there_is_nothing(at, tmp_path):
    at(None)
    assert cifar10h.load_human_labels(("cat", "dog")) is None
    at(tmp_path)
    assert cifar10h.load_human_labels(("cat", "dog")) is None
    (tmp_path / cifar10h.CIFAR10H_FOLDER).mkdir()
    (tmp_path / cifar10h.CIFAR10H_FOLDER / "cifar10h-probs.npy").write_bytes(b"half of it")
    assert cifar10h.load_human_labels(("cat", "dog")) is None


def test_another_file_is_refused(at, tmp_path):
    at(tmp_path)
    (tmp_path / cifar10h.CIFAR10H_FOLDER).mkdir()
    for name in cifar10h.CIFAR10H_SHA256:
        np.save(tmp_path / cifar10h.CIFAR10H_FOLDER / name, SHARES)
    with pytest.raises(ValueError, match=r"expected .*cifar10h-probs.npy with SHA-256 436ae.*, got [0-9a-f]{64}"):
        cifar10h.load_human_labels(("cat", "dog"))


def test_a_folder_may_be_named(monkeypatch, tmp_path):
    """Of its own files, with digests that are theirs, and the test labels of four images."""
    with_people, without = tmp_path / "with", tmp_path / "without"
    without.mkdir()
    (with_people / cifar10h.CIFAR10H_FOLDER).mkdir(parents=True)
    digests = {}
    for name, values in zip(cifar10h.CIFAR10H_SHA256, (SHARES, 50 * SHARES), strict=True):
        np.save(with_people / cifar10h.CIFAR10H_FOLDER / name, values)
        digests[name] = hashlib.sha256((with_people / cifar10h.CIFAR10H_FOLDER / name).read_bytes()).hexdigest()
    labels = SimpleNamespace(y_test=np.array([3, 5, 0, 5]))
    monkeypatch.setattr(cifar10h, "CIFAR10H_SHA256", digests)
    monkeypatch.setattr(sources, "find_cifar10", lambda folder: folder)
    monkeypatch.setattr(sources, "read_images", lambda source, folder: (folder, labels))
    cifar10h._read_arrays.cache_clear()
    assert cifar10h.load_human_labels(("cat", "dog"), folder=without) is None
    named = cifar10h.load_human_labels(("cat", "dog"), folder=with_people)
    expected = cifar10h._pair_labels(SHARES, 50 * SHARES, labels.y_test, ("cat", "dog"))
    assert all(np.array_equal(one, other) for one, other in zip(named, expected, strict=True))
    with pytest.raises(ValueError, match="class of cifar10"):
        cifar10h.load_human_labels(("cat", "8"))
