"""What a training sees of an image: itself, its mirror image, or itself a little aside, and nothing else."""

import pytest
import torch

from l2h.augment import augmented


def test_flips_mirror_about_half_of_the_images_and_nothing_else():
    x = torch.randint(0, 256, (400, 3, 4, 4), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    flipped = augmented(x, torch.Generator().manual_seed(0), flip=True)
    mirrored = (flipped == x.flip(-1)).flatten(1).all(1)
    same = (flipped == x).flatten(1).all(1)
    assert (mirrored ^ same).all()
    assert 150 < mirrored.sum() < 250


def test_shifts_move_each_image_by_whole_pixels_and_repeat_its_edge():
    x = torch.randint(0, 256, (40, 3, 8, 6), dtype=torch.uint8)
    shifted = augmented(x, torch.Generator().manual_seed(0), shift=2)
    padded = torch.nn.functional.pad(x.float(), (2, 2, 2, 2), mode="replicate").to(torch.uint8)
    moves = []
    for image, whole in zip(shifted, padded, strict=True):
        windows = {(i, j): whole[:, i : i + 8, j : j + 6] for i in range(5) for j in range(5)}
        moves += [where for where, window in windows.items() if torch.equal(window, image)]
    assert len(moves) == 40 and {i for i, _ in moves} == {j for _, j in moves} == set(range(5))


def test_without_changes_anything_stays_as_it_is():
    x = torch.randn(4, 2)
    assert augmented(x, torch.Generator()) is x


def test_only_images_can_be_changed_and_only_forward():
    for change in ({"flip": True}, {"shift": 1}):
        with pytest.raises(ValueError, match=r"to flip or shift, got shape \(4, 2\)"):
            augmented(torch.zeros(4, 2), torch.Generator(), **change)
    with pytest.raises(ValueError, match="shift >= 0"):
        augmented(torch.zeros(1, 1, 2, 2), torch.Generator(), shift=-1)
