"""Augmentation: what it changes, and that it changes nothing else."""

import torch

from l2h.training.augment import random_flip, random_translation


def test_flips_mirror_about_half_of_the_images_and_nothing_else():
    x = torch.randint(0, 256, (400, 3, 4, 4), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    mirrored_or_not = random_flip(x, torch.Generator().manual_seed(0))
    mirrored = (mirrored_or_not == x.flip(-1)).flatten(1).all(1)
    same = (mirrored_or_not == x).flatten(1).all(1)
    assert (mirrored ^ same).all()
    assert 150 < mirrored.sum() < 250


def test_shifts_move_each_image_by_whole_pixels_and_repeat_its_edge():
    x = torch.randint(0, 256, (40, 3, 8, 6), dtype=torch.uint8)
    shifted = random_translation(x, 2, torch.Generator().manual_seed(0))
    padded = torch.nn.functional.pad(x.float(), (2, 2, 2, 2), mode="replicate").to(torch.uint8)
    moves = []
    for image, whole in zip(shifted, padded, strict=True):
        windows = {(i, j): whole[:, i : i + 8, j : j + 6] for i in range(5) for j in range(5)}
        moves += [where for where, window in windows.items() if torch.equal(window, image)]
    assert len(moves) == 40 and {i for i, _ in moves} == {j for _, j in moves} == set(range(5))
    assert torch.equal(random_translation(x, 0, torch.Generator()), x)
