"""Images of a torchvision data set are what its files hold, for CIFAR-100, SVHN and folders of images."""

import numpy as np
import pytest
from helpers import datasets
from PIL import Image
from torchvision import transforms
from torchvision.datasets import CIFAR100, SVHN, ImageFolder

from l2h.data.local import from_torchvision


class Listed:
    """Any images with numbered classes, as torchvision gives them."""

    def __init__(self, images, targets, classes=None):
        self.images, self.targets, self.classes = images, targets, classes

    def __getitem__(self, index):
        return self.images[index], self.targets[index]


def one_image(image):
    """The pixels (32, 32, 3) that come of one image."""
    x, _ = from_torchvision(Listed([image, image], [0, 1]), ("0", "1"))
    return x[0].numpy().transpose(1, 2, 0)


# the images


@pytest.mark.parametrize("train", [True, False])
def test_images_of_cifar100_are_what_its_files_hold(tmp_path, monkeypatch, train):
    held = datasets.cifar100(tmp_path, monkeypatch)["train" if train else "test"]
    x, y = from_torchvision(CIFAR100(tmp_path, train=train), ("oak_tree", "apple"))
    fine = np.array(held["fine_labels"])
    wanted = (fine == 0) | (fine == 99)
    np.testing.assert_array_equal(x.reshape(-1, 3072), held["data"][wanted])
    assert y.tolist() == np.where(fine[wanted] == 99, -1, 1).tolist()
    assert x.dtype.itemsize == 1 and x.shape == (10 if train else 2, 3, 32, 32)


def test_images_of_svhn_are_what_its_files_hold_and_ten_means_zero(tmp_path, monkeypatch):
    held = datasets.svhn(tmp_path, monkeypatch)["train"]
    x, y = from_torchvision(SVHN(tmp_path), ("3", "0", "7"))
    digit = held["y"][:, 0] % 10
    wanted = np.flatnonzero(np.isin(digit, (0, 3, 7)))
    np.testing.assert_array_equal(x, held["X"][..., wanted].transpose(3, 2, 0, 1))
    assert y.tolist() == [{3: 0, 0: 1, 7: 2}[number] for number in digit[wanted]]


def test_images_in_folders_are_shrunk_and_those_of_other_classes_are_not_opened(tmp_path):
    classes = datasets.imagenet(tmp_path)
    for path in (tmp_path / "train" / classes[1]).iterdir():
        path.write_bytes(b"no image")
    x, y = from_torchvision(ImageFolder(tmp_path / "train"), (classes[2], classes[0]))
    assert np.bincount(y + 1).tolist() == [12, 0, 12]
    assert x[y == 1].min() > 155 > x[y == -1].max()  # the first class is bright
    first = np.asarray(Image.open(tmp_path / "train" / classes[0] / f"{classes[0]}_00.png"))
    assert np.abs(x[0].numpy().transpose(1, 2, 0) - shrunk(first)).max() <= 1


def test_the_first_of_several_names_of_a_class_counts():
    """As torchvision names the classes of ImageNet."""
    images = [Image.new("RGB", (32, 32))] * 2
    x, y = from_torchvision(Listed(images, [1, 0], [("tench", "Tinca tinca"), ("goldfish",)]), ("tench", "goldfish"))
    assert y.tolist() == [1, -1] and len(x) == 2


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
def test_the_shorter_side_is_scaled_and_the_middle_is_kept(size):
    pixels = np.random.default_rng(sum(size)).integers(0, 256, (*size, 3), dtype=np.uint8)
    found = one_image(Image.fromarray(pixels)).astype(float)
    assert np.abs(found - shrunk(pixels)).max() <= 1.01  # Pillow rounds to bytes after either direction


def test_fine_stripes_become_grey_and_not_coarse_stripes():
    stripes = np.zeros((320, 320, 3), dtype=np.uint8)
    stripes[:, ::2] = 255
    assert np.abs(one_image(Image.fromarray(stripes)).astype(float) - 127.5).max() < 20


@pytest.mark.parametrize("mode", ["L", "RGBA", "CMYK"])
def test_other_modes_become_three_channels(mode):
    assert (one_image(Image.new("RGB", (50, 40), (200, 200, 200)).convert(mode)) == 200).all()


# bad input


@pytest.mark.parametrize("classes", [("0", "0"), ("0",), (), "01"])
def test_repeated_or_too_few_classes_are_refused(classes):
    with pytest.raises(ValueError, match="expected at least two classes, each once"):
        from_torchvision(Listed([], [0, 1]), classes)


def test_an_unknown_class_is_refused_with_those_that_are_known():
    with pytest.raises(ValueError, match="expected class to be one of 'cat', 'dog', got 'dgo'"):
        from_torchvision(Listed([], [0, 1], ["cat", "dog"]), ("cat", "dgo"))


def test_a_class_without_images_is_named():
    with pytest.raises(ValueError, match="expected an image of class 'dog', got none"):
        from_torchvision(Listed([], [0, 0], ["cat", "dog"]), ("cat", "dog"))


@pytest.mark.parametrize("bytes_kept", [0, 200, 1000])
def test_a_file_that_breaks_off_is_refused(tmp_path, bytes_kept):
    classes = datasets.imagenet(tmp_path)
    path = tmp_path / "train" / classes[0] / f"{classes[0]}_03.png"
    path.write_bytes(path.read_bytes()[:bytes_kept])
    with pytest.raises(ValueError, match="expected entry 3 to be an image"):
        from_torchvision(ImageFolder(tmp_path / "train"), classes[:2])


def test_a_data_set_with_a_transform_is_refused(tmp_path):
    classes = datasets.imagenet(tmp_path)
    with pytest.raises(ValueError, match="without a transform, got a Tensor"):
        from_torchvision(ImageFolder(tmp_path / "train", transforms.ToTensor()), classes[:2])
