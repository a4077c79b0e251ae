"""The split is disjoint, stratified and fixed, labels follow the order of the classes, a dataset says what it is."""

import hashlib
import itertools
import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from torchvision import transforms
from torchvision.datasets import CIFAR10

from l2h.data import dataset as data_dataset
from l2h.data import sources

PARTS = ("client", "train", "calibration", "validation", "test")
SHA256 = {
    "cifar10": "05263d604b378db967523872c63c6bfcb186979ab212cb0250075151643383e0",
    "digits": "c28517a60c3bbd615aca36938290b5cf3eaa58bcd99385857f0124c1d8b53e7c",
}


@pytest.fixture(params=[None, "digits"])
def source(request, monkeypatch):
    """CIFAR-10 where it lies on this machine, else digits; and digits in any case."""
    monkeypatch.setattr(sources, "_download", lambda cache: "tests download nothing")
    return sources.read_images(request.param)[0]


def counts(part):
    return torch.unique(part.y, return_counts=True)[1]


# what is loaded


def test_the_default_is_the_pair_with_its_fixed_split(source):
    dataset = data_dataset.load_dataset(source=source)
    assert dataset.classes == data_dataset.DEFAULT_PAIRS[source]
    assert dataset.sha256 == SHA256[source]
    for name in PARTS:
        x, y = getattr(dataset, name)
        assert x.dtype == torch.uint8 and x.shape == (len(y), 3, 32, 32)
        assert y.dtype == torch.int64 and y.unique().tolist() == [-1, 1]


def test_default_sizes_are_a_fifth_three_fifths_and_two_tenths(source):
    sizes = data_dataset.load_dataset(source=source).metadata()["sizes"]
    n = sum(sizes[name] for name in PARTS[:4])
    for name, share in zip(PARTS, (0.2, 0.6, 0.1, 0.1), strict=False):
        assert abs(sizes[name] - share * n) < 3
    assert source == "digits" or list(sizes.values()) == [2000, 6000, 1000, 1000, 2000]


def test_every_part_holds_the_classes_in_proportion(source):
    dataset = data_dataset.load_dataset(sources.CLASSES[source][:3], source=source)
    share = counts(data_dataset.all_training_examples(dataset)) / len(data_dataset.all_training_examples(dataset).y)
    for name in PARTS[:4]:
        part = getattr(dataset, name)
        assert (counts(part) - share * len(part.y)).abs().max() <= 3


def test_the_parts_together_are_the_training_images_of_the_classes(source):
    images = sources.read_images(source)[1]
    names = sources.CLASSES[source]
    wanted = np.isin(images.y, [names.index(name) for name in data_dataset.DEFAULT_PAIRS[source]])
    parts = data_dataset.all_training_examples(data_dataset.load_dataset(source=source))
    assert sorted(hash(x.tobytes()) for x in images.x[wanted]) == sorted(hash(x.numpy().tobytes()) for x in parts.x)


def test_training_joins_the_four_parts_in_order():
    dataset = data_dataset.load_dataset(source="digits")
    together, start = data_dataset.all_training_examples(dataset), 0
    for name in PARTS[:4]:
        x, y = getattr(dataset, name)
        assert torch.equal(together.x[start : start + len(y)], x)
        assert torch.equal(together.y[start : start + len(y)], y)
        start += len(y)
    assert start == len(together.y)


def test_labels_follow_the_order_of_two_classes(source):
    first, second = data_dataset.DEFAULT_PAIRS[source]
    images = sources.read_images(source)[1]
    one, other = (
        data_dataset.load_dataset((first, second), source=source),
        data_dataset.load_dataset((second, first), source=source),
    )
    assert torch.equal(one.test.x, other.test.x) and torch.equal(one.test.y, -other.test.y)
    of_first = torch.from_numpy(images.x_test[images.y_test == sources.CLASSES[source].index(first)])
    assert torch.equal(one.test.x[one.test.y == -1], of_first)
    assert one.sha256 != other.sha256


def test_three_and_more_classes_are_numbered_in_order(source):
    names = sources.CLASSES[source]
    images = sources.read_images(source)[1]
    dataset = data_dataset.load_dataset([names[7], names[2], names[4]], source=source)
    assert dataset.classes == (names[7], names[2], names[4])
    for label, number in enumerate((7, 2, 4)):
        of_class = torch.from_numpy(images.x_test[images.y_test == number])
        assert torch.equal(dataset.test.x[dataset.test.y == label], of_class)
    assert data_dataset.load_dataset(names, source=source).train.y.unique().tolist() == list(range(10))


def test_class_names_are_those_of_the_files(source):
    folder = sources.find_cifar10() if source == "cifar10" else None
    names = CIFAR10(folder, train=False).classes if folder else map(str, load_digits().target_names)
    assert tuple(names) == sources.CLASSES[source]


def test_sizes_choose_a_subset(source):
    sizes = data_dataset.SplitSizes(client=20, train=31, calibration=12, validation=14)
    dataset = data_dataset.load_dataset(source=source, sizes=sizes)
    assert [len(getattr(dataset, name).y) for name in PARTS[:4]] == list(sizes)
    assert torch.equal(dataset.test.x, data_dataset.load_dataset(source=source).test.x)


def test_a_dataset_says_what_it_is(source):
    dataset = data_dataset.load_dataset(source=source)
    facts = dataset.metadata()
    assert json.loads(json.dumps(facts)) == facts
    assert facts["name"] == dataset.name == f"{source} {'/'.join(data_dataset.DEFAULT_PAIRS[source])}"
    assert (facts["source"], facts["classes"]) == (source, list(data_dataset.DEFAULT_PAIRS[source]))
    assert facts["sizes"] == {name: len(getattr(dataset, name).y) for name in PARTS}
    content = b"".join(array.numpy().tobytes() for name in PARTS for array in getattr(dataset, name))
    assert facts["sha256"] == hashlib.sha256(content).hexdigest()


def test_a_changed_tensor_does_not_reach_the_next_dataset(source):
    before = data_dataset.load_dataset(source=source)
    before.test.x.zero_()
    before.client.x.zero_()
    assert data_dataset.load_dataset(source=source).sha256 == before.sha256 == SHA256[source]


# the split


@given(st.lists(st.integers(0, 3), min_size=4, max_size=200), st.data())
def test_any_split_is_disjoint_fixed_and_in_proportion(numbers, draw):
    labels, n = np.array(numbers), len(numbers)
    sizes = data_dataset.SplitSizes(*(draw.draw(st.integers(1, n // 4)) for _ in range(4)))
    where = data_dataset._split_indices(labels, sizes)
    assert [len(part) for part in where] == list(sizes)
    chosen = np.concatenate(where)
    assert len(set(chosen.tolist())) == sum(sizes) and chosen.min() >= 0 and chosen.max() < n
    for part, again in zip(where, data_dataset._split_indices(labels, sizes), strict=True):
        np.testing.assert_array_equal(part, again)
        for label in set(numbers):
            # ranks are (k + 1/2) / count, so a prefix of the order errs by at most 1/2 + K/2 times the class's share
            share = (labels == label).mean()
            assert abs((labels[part] == label).sum() - share * len(part)) <= 1 + len(set(numbers)) * share + 1e-9


def test_the_split_does_not_follow_the_order_of_the_files():
    labels = np.repeat([0, 1], 500)
    for part in data_dataset._split_indices(labels, None):
        for label in (0, 1):
            assert abs(np.mean(part[labels[part] == label]) - 249.5 - 500 * label) < 100


# the hard pair


def test_the_default_digits_are_the_pair_on_which_a_linear_client_errs_most():
    pixels, digit = load_digits(return_X_y=True)
    pixels = pixels / 8 - 1
    errors = {}
    for pair in itertools.combinations(range(10), 2):
        x, y, wrong = pixels[np.isin(digit, pair)], digit[np.isin(digit, pair)], []
        for split in range(10):
            order = np.random.default_rng(split).permutation(len(y))
            client, test = np.split(order, [len(y) * 3 // 20])[0], order[-len(y) // 4 :]
            model = LogisticRegression(max_iter=1000).fit(x[client], y[client])
            wrong.append(np.mean(model.predict(x[test]) != y[test]))
        errors["/".join(map(str, pair))] = np.mean(wrong)
    assert max(errors, key=errors.get) == "/".join(data_dataset.DEFAULT_PAIRS["digits"])
    assert errors["1/8"] > 0.04 > 3 * np.median(list(errors.values()))


# pixels


def test_pixels_are_those_of_the_released_notebook():
    x = np.random.default_rng(0).permutation(np.repeat(np.arange(256, dtype=np.uint8), 12)).reshape(32, 32, 3)
    released = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.5,) * 3, (0.5,) * 3)])
    scaled = data_dataset.scale_pixels(torch.from_numpy(x).permute(2, 0, 1))
    assert scaled.dtype == torch.float32
    assert torch.equal(scaled, released(x))
    assert (scaled.min(), scaled.max()) == (-1, 1)


def test_pixels_leave_the_bytes_as_they_are_and_are_not_scaled_twice():
    x = torch.arange(256, dtype=torch.uint8)
    scaled = data_dataset.scale_pixels(x)
    assert torch.equal(x, torch.arange(256, dtype=torch.uint8))
    with pytest.raises(TypeError, match=r"expected pixels of type uint8, got torch\.float32"):
        data_dataset.scale_pixels(scaled)


# bad input


@pytest.mark.parametrize("classes", [("3", "3"), ("3",), (), "38", ("1", "2", "1")])
def test_repeated_or_too_few_classes_are_refused(classes):
    with pytest.raises(ValueError, match="expected at least two classes, each once"):
        data_dataset.load_dataset(classes, source="digits")


def test_an_unknown_class_is_refused_with_those_that_are_known(source):
    with pytest.raises(ValueError) as caught:
        data_dataset.load_dataset((sources.CLASSES[source][0], "airplne"), source=source)
    assert "'airplne'" in str(caught.value) and source in str(caught.value)
    assert all(repr(name) in str(caught.value) for name in sources.CLASSES[source])


@pytest.mark.parametrize("sizes", [(200, 60, 7, 1), (10, 10, 0, 10), (10, 10, -1, 10), (10, 10.0, 10, 10)])
def test_sizes_that_are_not_there_are_refused(sizes):
    with pytest.raises(ValueError, match="sum up to at most 267 training images, got SplitSizes"):
        data_dataset.load_dataset(source="digits", sizes=data_dataset.SplitSizes(*sizes))


def test_an_unknown_source_is_refused():
    with pytest.raises(ValueError, match="'cifar10', 'digits', got 'mnist'"):
        data_dataset.load_dataset(source="mnist")
