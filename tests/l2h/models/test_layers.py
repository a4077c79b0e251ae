"""The layers: ranges, and the exactness of the convolution over tiles."""

import pytest
import torch
from helpers.convolution import gradients, plain
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from l2h.models.layers import KERNEL_SIDE, ConvPool, ScoreHead, pool_tiles, tile_windows


def test_bounded_scores_are_twice_the_sigmoid_minus_one():
    t = torch.tensor([[-1e4], [-1.0], [0.0], [2.0], [1e4]])
    expected = torch.tensor([-1.0, -0.4621172, 0.0, 0.7615942, 1.0])
    assert torch.allclose(ScoreHead(bounded=True)(t), expected)
    assert torch.equal(ScoreHead(bounded=False)(t), t[:, 0])


@settings(max_examples=30, deadline=None)
@given(
    n=st.integers(1, 9),
    channels=st.integers(1, 4),
    outputs=st.integers(1, 5),
    tile=st.sampled_from([(2, 2), (2, 4), (4, 2), (4, 4)]),
    steps=st.tuples(st.integers(2, 4), st.integers(2, 4)),
    levels=st.sampled_from([1, 3, 1000]),  # few levels make ties between neighbours
    seed=st.integers(0, 2**31),
)
def test_tiles_compute_the_convolution_in_value_and_gradient(n, channels, outputs, tile, steps, levels, seed):
    generator = torch.Generator().manual_seed(seed)
    block = ConvPool(channels, outputs, tile=tile)
    shape = (n, channels, *(4 * step for step in steps))
    x = (torch.randint(0, levels, shape, generator=generator) / levels).requires_grad_()
    wanted, got = plain(block)(x), block(x.permute(1, 2, 3, 0)).permute(3, 0, 1, 2)
    assert torch.allclose(got, wanted, atol=1e-5)
    tensors = [x, *block.parameters()]
    if levels == 1000:  # rounding decides between equal neighbours, and so where their gradient goes
        for mine, theirs in zip(gradients(got, tensors), gradients(wanted, tensors), strict=True):
            assert torch.allclose(mine, theirs, atol=1e-4, rtol=1e-4)


def test_of_equal_neighbours_the_first_gets_the_gradient():
    block = ConvPool(1, 1, tile=(2, 2))
    nn.init.zeros_(block.convolution.weight)
    nn.init.ones_(block.convolution.bias)
    x = torch.ones(1, 8, 8, 1) + torch.arange(64.0).view(1, 8, 8, 1)
    (mine,) = gradients(block(x), [block.convolution.weight])
    (theirs,) = gradients(plain(block)(x.permute(3, 0, 1, 2)).permute(1, 2, 3, 0), [block.convolution.weight])
    assert torch.allclose(mine, theirs)


@pytest.mark.parametrize("tile", [(1, 2), (2, 3), (8, 4)])
def test_a_tile_of_another_size_is_refused(tile):
    with pytest.raises(ValueError, match="to be one of 2, 4"):
        ConvPool(1, 1, tile=tile)


@pytest.mark.parametrize("side", [9, 10])
def test_maps_that_do_not_fit_the_tiles_are_refused(side):
    with pytest.raises(ValueError, match="expected maps whose sides fit tiles"):
        ConvPool(1, 1, tile=(4, 4))(torch.zeros(1, side, 8, 2))


def test_a_single_output_loses_its_axis_and_several_keep_theirs():
    assert ScoreHead(bounded=False)(torch.zeros(4, 1)).shape == (4,)
    assert ScoreHead(bounded=True)(torch.zeros(4, 3)).shape == (4, 3)


@pytest.mark.parametrize("tile", [(2, 2), (4, 2)])
def test_a_window_is_what_a_tile_of_the_output_depends_on(tile):
    maps = torch.randn(2, 12, 8, 3, generator=torch.Generator().manual_seed(0))
    windows = tile_windows(maps, tile)
    high, wide = (side + KERNEL_SIDE - 1 for side in tile)
    rows, columns = (12 - KERNEL_SIDE + 1) // tile[0], (8 - KERNEL_SIDE + 1) // tile[1]
    assert windows.shape == (2, high, wide, rows, columns, 3)
    for i in range(rows):
        for j in range(columns):
            top, left = i * tile[0], j * tile[1]
            assert torch.equal(windows[:, :, :, i, j], maps[:, top : top + high, left : left + wide])


def test_the_gradient_of_windows_adds_up_where_they_overlap():
    maps = torch.randn(1, 8, 8, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: tile_windows(x, (2, 4)), (maps,))


def test_pooled_tiles_are_the_rectified_maxima_of_squares():
    """With tiles of 2 x 2, each tile is one square, and the order of the tiles is that of the maps."""
    maps = torch.randn(5, 3, 8, 6, generator=torch.Generator().manual_seed(0))  # (n, channels, height, width)
    bias = torch.tensor([0.5, -0.5, -9.0])
    squares = maps.unflatten(3, (-1, 2)).unflatten(2, (-1, 2))  # (n, channels, rows, 2, columns, 2)
    quarters = squares.permute(3, 5, 1, 2, 4, 0).reshape(4, -1)
    found = pool_tiles(quarters, bias, tile=(2, 2), grid=(4, 3, 5))
    wanted = functional.relu(functional.max_pool2d(maps + bias[:, None, None], 2))
    torch.testing.assert_close(found.permute(3, 0, 1, 2), wanted)


def test_the_matrix_contains_the_kernel_once_for_each_position_of_a_tile():
    block = ConvPool(2, 3, tile=(4, 2))
    matrix, kernel = block.matrix(), block.convolution.weight
    assert matrix.shape == (2 * 8 * 6, 4 * 2 * 3)
    assert (matrix != 0).sum() == 4 * 2 * kernel.numel()
    torch.testing.assert_close(matrix.sum(), 4 * 2 * kernel.sum())
