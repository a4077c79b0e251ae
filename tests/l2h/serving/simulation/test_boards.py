"""Operations are counted as defined, and the measured networks take the measured time and energy."""

import pytest

from l2h.evaluation.resources import network_size
from l2h.models.networks import mlp
from l2h.serving.simulation import boards
from l2h.serving.simulation.boards import (
    DENSE_AUTOENCODER,
    KEYWORD_FEATURES,
    KEYWORD_NETWORK,
    RESNET8,
    dense_network,
    network_on_board,
    rejector_on_board,
)

MLP = dense_network(3072, 120, 1)
BOARDS = boards.boards()


def test_the_reference_network_is_counted_layer_by_layer():
    # output side, output channels, input channels, side of the kernel
    layers = [(32, 16, 3, 3), *2 * [(32, 16, 16, 3)]]
    for side, width in ((16, 32), (8, 64)):
        layers += [(side, width, width // 2, 3), (side, width, width, 3), (side, width, width // 2, 1)]
    assert RESNET8.convolution_macs == sum(side**2 * out * into * kernel**2 for side, out, into, kernel in layers)
    assert RESNET8.weights == sum(out * (into * kernel**2 + 1) for _, out, into, kernel in layers) + 65 * 10
    assert RESNET8.dense_macs == 64 * 10
    assert dense_network(*DENSE_AUTOENCODER).dense_macs == 264_192


def test_the_keyword_network_is_counted_layer_by_layer():
    positions, width = 25 * 5, 64  # 49 x 10 features with a stride of 2
    first, depthwise, pointwise = 10 * 4, 3 * 3, width
    assert KEYWORD_FEATURES == 490
    assert KEYWORD_NETWORK.separable_macs == positions * width * (first + 4 * (depthwise + pointwise))
    assert KEYWORD_NETWORK.weights == width * ((first + 1) + 4 * (depthwise + 1 + pointwise + 1)) + 65 * 12
    # as published, with four numbers of a normalisation for each channel of nine layers
    assert KEYWORD_NETWORK.weights + 4 * 9 * width == 24_908
    assert KEYWORD_NETWORK.dense_macs == 64 * 12 and KEYWORD_NETWORK.activations == 2 * positions * width


def test_an_mlp_is_counted_as_its_network_is():
    size = network_size(mlp(120))
    assert (MLP.weights, MLP.operations) == (size.parameters, size.flops)


@pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
def test_the_measured_networks_take_what_was_measured(board):
    measured = [
        (RESNET8, board.resnet_seconds, board.resnet_joules, 2e-4),
        (KEYWORD_NETWORK, board.keyword_seconds, board.keyword_joules, 5e-4),
        (dense_network(*DENSE_AUTOENCODER), board.dense_seconds, board.dense_joules, 1e-6),
    ]  # the last: of the first two networks, the share of dense layers, whose time comes from the third
    assert len({joules is None for _, _, joules, _ in measured}) == 1
    for network, seconds, joules, rounding in measured:
        use = network_on_board(board, network)
        assert use.seconds == pytest.approx(seconds, rel=rounding)
        assert use.joules == (None if joules is None else pytest.approx(joules, rel=rounding))
    assert board.dense_seconds < board.keyword_seconds < board.resnet_seconds
    assert 0.005 < board.resnet_seconds < 2 and board.flash_bytes > board.ram_bytes


def test_the_boards_are_ordered_by_their_clocks():
    clocks = [board.megahertz for board in BOARDS.values()]
    assert clocks == sorted(clocks) and len(clocks) == 7


def test_a_rejector_fits_if_both_memories_suffice():
    small, large = BOARDS["NUCLEO-U385RG-Q"], BOARDS["NUCLEO-L4R5ZI-P"]
    assert rejector_on_board(small, MLP).fits
    as_floats = rejector_on_board(small, MLP, bytes_per_number=4)
    assert not as_floats.fits
    assert as_floats.free_flash_bytes == 1_000_000 - 4 * MLP.weights - RESNET8.weights
    assert rejector_on_board(large, MLP, bytes_per_number=4).fits
    assert not rejector_on_board(large, MLP, bytes_per_number=4, other_flash_bytes=600_000).fits
    assert not rejector_on_board(small, MLP, client_bytes_per_number=4, other_ram_bytes=100_000).fits
    assert rejector_on_board(small, MLP).free_ram_bytes == 256_000 - RESNET8.activations


def test_floats_take_longer():
    board = BOARDS["NUCLEO-U575ZI-Q"]
    small, large = (network_on_board(board, MLP, bytes_per_number=size) for size in (1, 4))
    assert large.seconds / small.seconds == large.joules / small.joules == pytest.approx(boards.FLOAT32_SLOWDOWN)
    assert (large.flash_bytes, large.ram_bytes) == (4 * small.flash_bytes, 4 * small.ram_bytes)


def test_the_largest_rejector_that_fits():
    candidates = [dense_network(3072, width, 1) for width in (8, 32, 120, 1000)]
    board = BOARDS["NUCLEO-G0B1RE"]
    assert boards.largest_that_fits(board, candidates) == candidates[2]
    assert boards.largest_that_fits(board, candidates, bytes_per_number=4) == candidates[1]
    assert boards.largest_that_fits(board, candidates, other_flash_bytes=500_000.0) is None


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: dense_network(3072), "layers >= 2, got 1"),
        (lambda: dense_network(3072, 0, 1), "whole width 1 >= 1, got 0"),
        (lambda: network_on_board(BOARDS["EK-RA8D1"], MLP, bytes_per_number=2), "bytes_per_number to be one of 1, 4"),
        (lambda: rejector_on_board(BOARDS["EK-RA8D1"], MLP, other_ram_bytes=-1), "other_ram_bytes >= 0, got -1"),
    ],
)
def test_bad_input_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
