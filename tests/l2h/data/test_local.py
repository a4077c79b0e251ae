"""CIFAR-100, SVHN and ImageNet are read as their files hold them, from the user's folder, or the error says why not."""

import re
import shutil
import socket

import numpy as np
import pytest
from helpers import datasets
from PIL import Image

from l2h.data import local
from l2h.data.local import names, read

FILES = {
    "cifar100": [f"cifar-100-python/{name}" for name in ("train", "test", "meta")],
    "svhn": ["train_32x32.mat", "test_32x32.mat"],
}
EACH_FILE = [(source, file) for source, files in FILES.items() for file in files]
PAIRS = {"cifar100": ("oak_tree", "apple"), "svhn": ("3", "0"), "imagenet": ("n02102040", "n01440764")}


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    """The user has named no folder, and whoever asks the network fails."""
    monkeypatch.delenv("L2H_DATA", raising=False)
    monkeypatch.setattr(socket, "create_connection", lambda *_, **__: pytest.fail("asked the network"))


# what is read


def test_images_of_cifar100_are_what_its_files_hold(tmp_path, monkeypatch):
    held = datasets.cifar100(tmp_path, monkeypatch)
    images = read("cifar100", ("oak_tree", "apple"), tmp_path)
    for entry, x, y in ((held["train"], images.x, images.y), (held["test"], images.x_test, images.y_test)):
        fine = np.array(entry["fine_labels"])
        wanted = (fine == 0) | (fine == 99)
        np.testing.assert_array_equal(x.reshape(-1, 3072), entry["data"][wanted])
        np.testing.assert_array_equal(y, fine[wanted])
    assert images.x.shape == (10, 3, 32, 32) and images.x_test.shape == (2, 3, 32, 32)


def test_images_of_svhn_are_what_its_files_hold_and_ten_means_zero(tmp_path, monkeypatch):
    held = datasets.svhn(tmp_path, monkeypatch)
    images = read("svhn", ("3", "0"), tmp_path)
    for entry, x, y in ((held["train"], images.x, images.y), (held["test"], images.x_test, images.y_test)):
        digit = entry["y"][:, 0] % 10
        wanted = np.flatnonzero((digit == 0) | (digit == 3))
        for row, column in enumerate(wanted):
            for channel in range(3):
                np.testing.assert_array_equal(x[row, channel], entry["X"][:, :, channel, column])
        assert y.tolist() == digit[wanted].tolist()
    assert len(images.y) == 10 and len(images.y_test) == 2


def test_images_of_imagenet_come_from_the_folders_of_their_classes(tmp_path):
    classes = datasets.imagenet(tmp_path)
    images = read("imagenet", (classes[2], classes[0]), tmp_path)
    assert np.bincount(images.y).tolist() == [12, 0, 12] and np.bincount(images.y_test).tolist() == [3, 0, 3]
    for x, y in ((images.x, images.y), (images.x_test, images.y_test)):
        assert x.shape == (len(y), 3, 32, 32)
        assert x[y == 0].min() > 155 > x[y == 2].max()  # the first class is bright
    first = np.asarray(Image.open(tmp_path / "train" / classes[0] / f"{classes[0]}_00.png"))
    assert np.abs(images.x[0].transpose(1, 2, 0) - shrunk(first)).max() <= 1


@pytest.mark.parametrize("source", local.OTHERS)
def test_arrays_are_of_one_form_whatever_the_source(home, source):
    images = read(source, PAIRS[source], home)
    for x, y in ((images.x, images.y), (images.x_test, images.y_test)):
        assert x.dtype == np.uint8 and x.flags.c_contiguous and x.flags.owndata
        assert y.dtype == np.int64 and set(y) == {names(source, home).index(name) for name in PAIRS[source]}


@pytest.mark.parametrize("source", local.OTHERS)
def test_the_argument_comes_before_the_variable(home, tmp_path, monkeypatch, source):
    expected = read(source, PAIRS[source], str(home))
    monkeypatch.setenv("L2H_DATA", str(home))
    assert all(map(np.array_equal, read(source, PAIRS[source]), expected))
    monkeypatch.setenv("L2H_DATA", "/nowhere")
    assert all(map(np.array_equal, read(source, PAIRS[source], home), expected))
    with pytest.raises(FileNotFoundError, match="/nowhere"):
        read(source, PAIRS[source])


def test_a_folder_is_only_read(home):
    def snapshot():
        return {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in home.rglob("*")}

    before = snapshot()
    for source in local.OTHERS:
        read(source, PAIRS[source], home)
    assert snapshot() == before


# names


def test_names_are_in_the_order_of_their_numbers(home):
    assert names("cifar100", home) == tuple(datasets.FINE) and len(datasets.FINE) == 100
    assert names("svhn") == tuple("0123456789")
    assert names("imagenet", home) == ("n01440764", "n02102040", "n03000684")


def test_a_file_beside_the_folders_of_the_classes_is_no_class(home):
    (home / "train" / "README").write_text("about these images")
    assert names("imagenet", home) == ("n01440764", "n02102040", "n03000684")


# how images are shrunk


def triangle(size, start, length):
    """The weights (32, size) of a triangular filter, as wide as an output pixel on either side, at least one pixel."""
    scale = length / 32
    width = max(scale, 1.0)
    weights = np.zeros((32, size))
    for i in range(32):
        centre = start + (i + 0.5) * scale
        for k in range(size):
            weights[i, k] = max(0.0, 1 - abs(k + 0.5 - centre) / width)
    return weights / weights.sum(axis=1, keepdims=True)


def shrunk(pixels):
    """A crop in the middle, as large as the shorter side, filtered down to 32 x 32."""
    height, width, _ = pixels.shape
    side = min(height, width)
    rows = triangle(height, (height - side) / 2, side)
    columns = triangle(width, (width - side) / 2, side)
    return np.einsum("ih,jw,hwc->ijc", rows, columns, pixels.astype(float))


@pytest.mark.parametrize("size", [(64, 64), (64, 96), (150, 70), (33, 47), (32, 40), (20, 16)])
def test_the_shorter_side_is_scaled_and_the_middle_is_kept(tmp_path, size):
    pixels = np.random.default_rng(sum(size)).integers(0, 256, (*size, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "image.png")
    found = local._image(str(tmp_path / "image.png")).transpose(1, 2, 0)
    assert np.abs(found.astype(float) - shrunk(pixels)).max() <= 1.01  # Pillow rounds to bytes after either direction


def test_fine_stripes_become_grey_and_not_coarse_stripes(tmp_path):
    stripes = np.zeros((320, 320, 3), dtype=np.uint8)
    stripes[:, ::2] = 255
    Image.fromarray(stripes).save(tmp_path / "stripes.png")
    assert np.abs(local._image(str(tmp_path / "stripes.png")).astype(float) - 127.5).max() < 20


@pytest.mark.parametrize("mode", ["L", "RGBA", "CMYK"])
def test_other_modes_become_three_channels(tmp_path, mode):
    path = tmp_path / "image.tif"
    Image.new("RGB", (50, 40), (200, 200, 200)).convert(mode).save(path)
    assert (local._image(str(path)) == 200).all()


# bad input


@pytest.mark.parametrize("ask", [names, lambda source: read(source, ("a", "b"))])
def test_an_unknown_source_is_refused(ask):
    with pytest.raises(ValueError, match="one of 'cifar100', 'svhn', 'imagenet', got 'cifar10'"):
        ask("cifar10")


@pytest.mark.parametrize("source", local.OTHERS)
def test_without_a_folder_the_error_says_what_is_expected_where(source):
    with pytest.raises(FileNotFoundError, match=f"{source} is not at hand: .*Nothing is downloaded.*L2H_DATA.*http"):
        read(source, PAIRS[source])


@pytest.mark.parametrize("source", local.OTHERS)
def test_a_blank_folder_is_refused(monkeypatch, source):
    monkeypatch.setenv("L2H_DATA", " ")
    with pytest.raises(ValueError, match=r"got a blank\. Nothing is downloaded"):
        read(source, PAIRS[source])


@pytest.mark.parametrize("source", local.OTHERS)
def test_an_unknown_class_is_refused_with_those_that_are_known(home, source):
    with pytest.raises(ValueError, match=f"expected class of {source} to be one of .*, got 'appel'") as caught:
        read(source, (PAIRS[source][0], "appel"), home)
    assert all(repr(name) in str(caught.value) for name in names(source, home))


def test_of_many_classes_an_error_shows_some():
    known = [f"n{number:08}" for number in range(1000)]
    with pytest.raises(ValueError, match=r"'n00000009', \.\.\. \(1000 in all\), got 'dog'") as caught:
        local.refuse_unknown(["n00000999", "dog"], known, "imagenet")
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(("source", "file"), EACH_FILE)
def test_a_missing_file_is_named(home, source, file):
    (home / file).unlink()
    expected = f"no {(home / file).name} in {(home / file).parent}. Nothing is downloaded"
    with pytest.raises(FileNotFoundError, match=re.escape(expected)):
        read(source, PAIRS[source], home)


@pytest.mark.parametrize(("source", "file"), EACH_FILE)
def test_a_file_that_is_not_the_published_one_is_refused(home, source, file):
    content = bytearray((home / file).read_bytes())
    published = datasets.md5(home / file)
    content[-2] ^= 1
    (home / file).write_bytes(content)
    with pytest.raises(ValueError, match=f"not {source} as published") as caught:
        read(source, PAIRS[source], home)
    for told in (str(home / file), published, datasets.md5(home / file), f"{len(content)} bytes"):
        assert told in str(caught.value)
    assert not any(str(home / other) in str(caught.value) for other in FILES[source] if other != file)


def test_names_that_are_not_the_published_ones_are_not_unpickled(home, monkeypatch):
    (home / "cifar-100-python" / "meta").write_bytes(b"any code")
    monkeypatch.setattr(local.pickle, "loads", lambda *_, **__: pytest.fail("unpickled"))
    with pytest.raises(ValueError, match="not cifar100 as published"):
        names("cifar100", home)


@pytest.mark.parametrize("empty", [True, False], ids=["empty", "absent"])
def test_a_folder_without_classes_is_refused(tmp_path, empty):
    if empty:
        (tmp_path / "train").mkdir()
    with pytest.raises(FileNotFoundError, match=f"no folder of a class in {tmp_path}/train. Nothing is downloaded"):
        names("imagenet", tmp_path)


@pytest.mark.parametrize("part", ["train", "val"])
def test_a_class_without_images_is_named(home, part):
    shutil.rmtree(home / part / "n01440764")
    if part == "train":  # else the class would be unknown
        (home / part / "n01440764").mkdir()
        (home / part / "n01440764" / "notes.txt").write_text("no image")
    with pytest.raises(FileNotFoundError, match=f"no image in {home / part / 'n01440764'}. Nothing is downloaded"):
        read("imagenet", PAIRS["imagenet"], home)


@pytest.mark.parametrize("bytes_kept", [0, 200, 1000])
def test_a_file_that_breaks_off_is_named(home, bytes_kept):
    path = home / "train" / "n01440764" / "n01440764_03.png"
    path.write_bytes(path.read_bytes()[:bytes_kept])
    with pytest.raises(ValueError, match=f"expected an image in {path}: .*Replace or delete"):
        read("imagenet", PAIRS["imagenet"], home)


def test_images_of_other_classes_are_not_opened(home):
    for path in (home / "train" / "n03000684").iterdir():
        path.write_bytes(b"no image")
    assert len(read("imagenet", PAIRS["imagenet"], home).y) == 24
