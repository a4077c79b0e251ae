"""Microcontrollers: what a rejector beside the client needs of them, from measured inferences.

`boards.csv` holds facts from MLPerf Tiny v1.2 and v1.3 (MLCommons, Apache-2.0; repositories mlcommons/tiny_results_v1.2
and tiny_results_v1.3, `results.txt` and `systems/*.json` of each submission): latency and energy of one inference of
three networks of 8-bit integers on the same board with the same software, and the memory that the submission states;
its kB and MB count here as 1,000 and 1,000,000 bytes, on the safe side. MLPerf is a trade mark of MLCommons.

The three networks:

- image classification, ResNet-8 on CIFAR-10: nearly all its operations are convolutions;
- keyword spotting, a network of depthwise separable convolutions on the 49 x 10 features of a second of speech; and
- anomaly detection, a dense autoencoder. On most boards a multiplication in a dense layer takes longer than in a
  convolution, since each weight is read for one multiplication alone, so that the third network, not the first,
  gives the latency of a multilayer perceptron.
"""

import csv
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from l2h import checks

BOARD_TABLE = Path(__file__).with_name("boards.csv")
# Bosch's results in v1.2 for float32 over int8 on Cortex-M7 and M4: 2.7 and 3.0 (ResNet-8), 3.8 and 2.8 (dense).
FLOAT32_SLOWDOWN = 3.0


class NetworkNeeds(NamedTuple):
    """What one inference of a network needs, whatever the board."""

    weights: int  # parameters that are stored, normalisation folded into the layers
    convolution_macs: int  # multiplications with an addition in convolutions
    dense_macs: int  # those in dense layers
    activations: int  # the most numbers that are kept at a time
    separable_macs: int = 0  # those in a network of depthwise separable convolutions

    @property
    def operations(self) -> int:
        """Multiplications and additions, each counted as one operation."""
        return 2 * (self.convolution_macs + self.separable_macs + self.dense_macs)


RESNET8 = NetworkNeeds(weights=77_706, convolution_macs=12_500_992, dense_macs=640, activations=3 * 16 * 32 * 32)
# The first layer, a plain convolution, counts with the separable ones: only the whole network was measured.
KEYWORD_NETWORK = NetworkNeeds(
    weights=22_604, convolution_macs=0, dense_macs=768, activations=2 * 64 * 25 * 5, separable_macs=2_656_000
)
KEYWORD_FEATURES = 49 * 10
DENSE_AUTOENCODER = (640, 128, 128, 128, 128, 8, 128, 128, 128, 128, 640)  # widths of its layers


def dense_network(*widths: int) -> NetworkNeeds:
    """The needs of a multilayer perceptron.

    Args:
        widths: of its layers from the input to the output, two or more, each >= 1.

    Raises:
        ValueError: if there are fewer, or a width is not a whole number >= 1.

    >>> dense_network(3072, 120, 1)
    NetworkNeeds(weights=368881, convolution_macs=0, dense_macs=368760, activations=3192, separable_macs=0)
    """
    checks.integer(2, layers=len(widths))
    checks.integer(1, **{f"width {i}": width for i, width in enumerate(widths)})
    pairs = list(pairwise(widths))
    return NetworkNeeds(
        weights=sum((before + 1) * after for before, after in pairs),
        convolution_macs=0,
        dense_macs=sum(before * after for before, after in pairs),
        activations=max(before + after for before, after in pairs),
    )


class Board(NamedTuple):
    """A measured microcontroller."""

    board: str
    processor: str
    megahertz: float
    ram_bytes: float
    flash_bytes: float
    resnet_seconds: float  # per inference of ResNet-8
    resnet_joules: float | None  # None: not measured
    keyword_seconds: float  # per inference of the keyword network
    keyword_joules: float | None
    dense_seconds: float  # per inference of the dense autoencoder
    dense_joules: float | None
    result: str  # round, division, submitter and software of the result


def boards() -> dict[str, Board]:
    """The measured boards by name, from the slowest to the fastest clock.

    >>> boards()["NUCLEO-G0B1RE"].resnet_seconds
    1.52207
    """
    with BOARD_TABLE.open(encoding="utf8", newline="") as file:
        return {row["board"]: _board(row) for row in csv.DictReader(file)}


class BoardUse(NamedTuple):
    """What a network needs of a board."""

    operations: int  # per inference
    seconds: float  # per inference
    joules: float | None  # per inference; None: not measured on this board
    flash_bytes: float  # for the weights
    ram_bytes: float  # for the activations


def network_on_board(board: Board, network: NetworkNeeds, *, bytes_per_number: int = 1) -> BoardUse:
    r"""Latency, energy and memory of a network on a board.

    .. math:: t = n_{\mathrm{conv}} \frac{t_{\mathrm{ResNet}}}{n_{\mathrm{ResNet}}}
              + n_{\mathrm{sep}} \frac{t_{\mathrm{keyword}}}{n_{\mathrm{keyword}}}
              + n_{\mathrm{dense}} \frac{t_{\mathrm{autoencoder}}}{n_{\mathrm{autoencoder}}}

    for n multiplications, and the same for joules. This scales a measurement and is not one.

    Args:
        board: of `boards()`.
        network: its needs.
        bytes_per_number: of weights and activations: 1, as measured; or 4, for which time and energy are multiplied by
            FLOAT32_SLOWDOWN.

    Returns:
        `BoardUse`.

    Raises:
        ValueError: if bytes_per_number is neither.

    >>> use = network_on_board(boards()["NUCLEO-U575ZI-Q"], dense_network(3072, 120, 1))
    >>> use.operations, round(use.seconds, 4), use.flash_bytes
    (737520, 0.0045, 368881)
    """
    checks.one_of((1, 4), bytes_per_number=bytes_per_number)
    factor = 1.0 if bytes_per_number == 1 else FLOAT32_SLOWDOWN
    convolution = 2 * network.convolution_macs / RESNET8.operations
    separable = 2 * network.separable_macs / KEYWORD_NETWORK.operations
    dense = network.dense_macs / dense_network(*DENSE_AUTOENCODER).dense_macs
    shares = (convolution, separable, dense)
    seconds = (board.resnet_seconds, board.keyword_seconds, board.dense_seconds)
    joules = [each for each in (board.resnet_joules, board.keyword_joules, board.dense_joules) if each is not None]
    measured = len(joules) == len(shares)
    return BoardUse(
        operations=network.operations,
        seconds=factor * sum(share * each for share, each in zip(shares, seconds, strict=True)),
        joules=factor * sum(share * each for share, each in zip(shares, joules, strict=True)) if measured else None,
        flash_bytes=network.weights * bytes_per_number,
        ram_bytes=network.activations * bytes_per_number,
    )


class Fit(NamedTuple):
    """A rejector beside a client on a board."""

    fits: bool  # whether the memory suffices for both
    rejector: BoardUse
    client: BoardUse
    free_flash_bytes: float  # left over; negative: missing
    free_ram_bytes: float


def rejector_on_board(
    board: Board,
    rejector: NetworkNeeds,
    *,
    client: NetworkNeeds = RESNET8,
    bytes_per_number: int = 1,
    client_bytes_per_number: int = 1,
    other_flash_bytes: float = 0.0,
    other_ram_bytes: float = 0.0,
) -> Fit:
    """Whether a rejector fits beside the client, and what each needs.

    Both lie in flash memory. They run one after the other, so they share the memory for activations.

    Args:
        board: of `boards()`.
        rejector: its needs.
        client: those of the client.
        bytes_per_number: of the rejector, 1 or 4.
        client_bytes_per_number: of the client, 1 or 4.
        other_flash_bytes: what program, runtime and network software need; not in the table, and not little.
        other_ram_bytes: the same for RAM.

    Returns:
        `Fit`.

    Raises:
        ValueError: if a number is out of range.

    >>> rejector_on_board(boards()["NUCLEO-U385RG-Q"], dense_network(3072, 120, 1), bytes_per_number=4).fits
    False
    """
    checks.at_least(0, other_flash_bytes=other_flash_bytes, other_ram_bytes=other_ram_bytes)
    own = network_on_board(board, rejector, bytes_per_number=bytes_per_number)
    clients = network_on_board(board, client, bytes_per_number=client_bytes_per_number)
    flash = board.flash_bytes - own.flash_bytes - clients.flash_bytes - other_flash_bytes
    ram = board.ram_bytes - max(own.ram_bytes, clients.ram_bytes) - other_ram_bytes
    return Fit(fits=flash >= 0 and ram >= 0, rejector=own, client=clients, free_flash_bytes=flash, free_ram_bytes=ram)


def largest_that_fits(
    board: Board, rejectors: Sequence[NetworkNeeds], *, client: NetworkNeeds = RESNET8, **options: float
) -> NetworkNeeds | None:
    """Of several rejectors the one with the most weights that fits beside the client; None if none does.

    Args:
        board: of `boards()`.
        rejectors: their needs.
        client: needs of the client.
        options: those of `rejector_on_board`.
    """
    fitting = [
        needs
        for needs in rejectors
        if rejector_on_board(board, needs, client=client, **options).fits  # type: ignore[arg-type]
    ]
    return max(fitting, key=lambda needs: needs.weights, default=None)


def _board(row: dict[str, str]) -> Board:
    numbers: dict[str, Any] = {name: float(row[name]) if row[name] else None for name in Board._fields[2:-1]}
    return Board(board=row["board"], processor=row["processor"], result=row["result"], **numbers)
