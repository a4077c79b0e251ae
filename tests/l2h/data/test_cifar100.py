"""CIFAR-100: both editions give the images, labels and superclasses that their files hold."""

import pickle

import numpy as np
import pytest
from helpers import publications

from l2h.data import cifar100


@pytest.mark.parametrize("edition", [0, 1])
def test_images_are_what_the_files_hold(tmp_path, edition):
    read = cifar100.read_cifar100(publications.write(tmp_path, "cifar100", edition))
    held = publications.cifar100_images()
    for x, y, images in ((read.x, read.y, held["train"]), (read.x_test, read.y_test, held["test"])):
        assert x.dtype == np.uint8 and x.shape == (12, 3, 32, 32)
        np.testing.assert_array_equal(x, images.reshape(12, 32, 32, 3).transpose(0, 3, 1, 2))
        assert y.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert (read.classes, read.superclasses) == (("apple", "baby", "pear"), ("fruit", "people"))
    assert read.superclass_of == (0, 1, 0)


def test_a_class_in_two_superclasses_is_refused(tmp_path):
    home = publications.write(tmp_path, "cifar100")
    train = pickle.loads((home / "train").read_bytes())
    train["coarse_labels"][0] = 1
    (home / "train").write_bytes(pickle.dumps(train))
    with pytest.raises(ValueError, match=r"expected one superclass for each class of .*, got 4 pairs"):
        cifar100.read_cifar100(home)
