"""The link between device and server: round trip, rates, losses, outages, and the energy of the radio.

The package ships quantiles of public measurements as facts, in `links.csv`; `quantile_table` derives them from the
measurements, which are not part of the package. Sources:

- 5G, LTE, HSPA+ (round trips and losses of ping bursts on a phone that downloads, Ireland, 2019-2020): Raca, Leahy,
  Sreenan and Quinlan, Beyond Throughput, The Next Generation, MMSys 2020.
- 4G, 3G (speed tests in Norway and Sweden): Trevisan, Khatouni and Giordano, ERRANT, Computer Networks 176, 2020.
- outages (uplinks while driving in the USA): Winstein, Sivaraman and Balakrishnan, Stochastic Forecasts, NSDI 2013, in
  the traces of Netravali et al., Mahimahi, ATC 2015.
"""

import csv
import gzip
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np

from l2h import checks

PERCENTS = (0, 1, 5, 10, 25, 50, 75, 90, 95, 99, 100)  # of the shipped table
LINK_TABLE = Path(__file__).with_name("links.csv")
BIN_SECONDS = 0.1  # of the capacity traces
BYTES_PER_MEGABIT = 1e6 / 8
MOST_LOSSES = 10  # of one message; more do not lengthen its delay
# Whose rates and losses stand for those of a link where they were not measured.
RATES_OF = {"5G": "4G", "LTE": "4G", "HSPA+": "3G", "4G": "4G", "3G": "3G"}
LOSSES_OF = {"5G": "5G", "LTE": "LTE", "HSPA+": "HSPA+", "4G": "LTE", "3G": "HSPA+"}
OUTAGES = ("ATT-LTE-driving.up", "TMobile-UMTS-driving.up", "Verizon-EVDO-driving.up")


@dataclass(frozen=True)
class Quantiles:
    """A distribution of positive numbers by its quantiles, linear in between.

    Args:
        percents: rising, from 0 to 100.
        values: as many, not falling, >= 0.

    Raises:
        ValueError: if the lengths differ, a number leaves its range, or the order is wrong.

    >>> Quantiles((0, 50, 100), (1.0, 2.0, 4.0)).at(np.array([0.0, 0.75]))
    array([1., 3.])
    """

    percents: tuple[float, ...]
    values: tuple[float, ...]

    def __post_init__(self) -> None:
        checks.same_length(percents=self.percents, values=self.values)
        checks.at_least(0, **{f"value at {p:g} %": v for p, v in zip(self.percents, self.values, strict=True)})
        if len(self.percents) < 2 or (self.percents[0], self.percents[-1]) != (0, 100):
            raise ValueError(f"expected percents from 0 to 100, got {self.percents}")
        if any(a >= b for a, b in pairwise(self.percents)) or any(a > b for a, b in pairwise(self.values)):
            raise ValueError(f"expected quantiles that rise, got {self.values} at {self.percents} %")

    @classmethod
    def constant(cls, value: float) -> "Quantiles":
        """The distribution of a number that never varies."""
        return cls((0, 100), (value, value))

    @classmethod
    def measured(cls, values: Iterable[float], percents: Iterable[float] = PERCENTS) -> "Quantiles":
        """The quantiles of measurements."""
        percents = tuple(percents)
        values = np.asarray(list(values), dtype=float)
        checks.at_least(1, measurements=len(values))
        return cls(percents, tuple(float(v) for v in np.percentile(values, percents)))

    def at(self, probability: np.ndarray) -> np.ndarray:
        """The quantiles at probabilities in [0, 1], of the same shape; uniform probabilities give draws."""
        return np.interp(100 * np.asarray(probability), self.percents, self.values)

    def mean(self) -> float:
        """The mean of the distribution."""
        return float(np.trapezoid(self.values, self.percents) / 100)


@dataclass(frozen=True)
class Outages:
    """When a link is down, in both directions; repeated without end.

    Args:
        start: (j,) rising seconds at which it goes down, >= 0.
        end: (j,) seconds at which it is up again, before the next start and at most `period`.
        period: seconds after which the pattern repeats, > 0.

    Raises:
        ValueError: if the times are not in this order.

    >>> Outages(start=np.array([2.0]), end=np.array([3.0]), period=10.0).wait(np.array([1.0, 2.25, 12.75]))
    array([0.  , 0.75, 0.25])
    """

    start: np.ndarray
    end: np.ndarray
    period: float

    def __post_init__(self) -> None:
        checks.one_dimensional(start=self.start, end=self.end)
        checks.positive(period=self.period)
        times = np.concatenate([[0.0], np.stack([self.start, self.end], axis=1).ravel(), [self.period]])
        checks.finite(times=times)
        if (np.diff(times) < 0).any():
            raise ValueError(f"expected 0 <= start <= end <= next start ... <= period {self.period:g} in this order")
        if len(self.start) and (self.end - self.start).sum() >= self.period:
            raise ValueError("expected a link that is up at times, got one that is always down")

    @classmethod
    def from_capacity(cls, packets: np.ndarray, seconds: float = BIN_SECONDS) -> "Outages":
        """The outages of a trace: runs of bins in which the link could carry nothing.

        Args:
            packets: (t,) what it could carry in each bin; begins anew at its first bin that is not 0.
            seconds: of a bin.
        """
        packets = np.asarray(packets)
        checks.one_dimensional(packets=packets)
        if not packets.any():
            raise ValueError("expected a trace with a bin that is not 0, got none")
        down = np.roll(packets, -int(np.flatnonzero(packets)[0])) == 0  # no outage crosses the end of the period
        change = np.diff(np.concatenate([[0], down.astype(int), [0]]))
        start, end = np.flatnonzero(change == 1), np.flatnonzero(change == -1)
        return cls(start * seconds, end * seconds, len(packets) * seconds)

    @classmethod
    def from_quantiles(cls, down: Quantiles, up: Quantiles, *, seed: int, n: int = 1000) -> "Outages":
        """A pattern of n independent outages and of the times between them, drawn from their quantiles, seconds."""
        checks.integer(1, n=n)
        streams = (np.random.default_rng([seed, i]) for i in (4, 5))  # 0 to 3 are those of `Link.delays`
        between, lengths = (q.at(stream.random(n)) for q, stream in zip((up, down), streams, strict=True))
        end = np.cumsum(between + lengths)
        return cls(np.maximum(end - lengths, np.concatenate([[0.0], end[:-1]])), end, float(end[-1]))

    def wait(self, time: np.ndarray) -> np.ndarray:
        """Seconds until the link is up at given times, >= 0, of the same shape; 0 where it is up."""
        place = np.asarray(time, dtype=float) % self.period
        index = np.searchsorted(self.start, place, side="right") - 1
        remaining = np.append(self.end, -np.inf)[index] - place  # index -1: before the first outage
        return np.maximum(remaining, 0.0)

    def share(self) -> float:
        """The share of time during which the link is down."""
        return float((self.end - self.start).sum() / self.period)


class Delays(NamedTuple):
    """What messages take on a link without outages, seconds, of one shape."""

    up: np.ndarray  # from the device to the server
    down: np.ndarray  # back


@dataclass(frozen=True)
class Link:
    """A link from a device to the server.

    A message takes half a round trip, and its bytes at the link's rate. A lost message is sent again after a round trip
    and the retransmission time-out, which doubles with each further loss, as in TCP. A message that is due during an
    outage waits for its end.

    Args:
        round_trip: seconds.
        up, down: rates, bytes per second, > 0.
        loss: probability that a message is lost in one direction, in [0, 1).
        retransmission: seconds, >= 0, beyond the round trip; 0.2 is the least time-out of TCP on Linux.
        outages: None: the link is never down.

    Raises:
        ValueError: if a number is out of range.
    """

    round_trip: Quantiles
    up: Quantiles
    down: Quantiles
    loss: float = 0.0
    retransmission: float = 0.2
    outages: Outages | None = None

    def __post_init__(self) -> None:
        checks.positive(up=self.up.values[0], down=self.down.values[0], **{"1 - loss": 1 - self.loss})
        checks.at_least(0, loss=self.loss, retransmission=self.retransmission)

    @classmethod
    def constant(cls, round_trip: float, *, rate: float = 1e7) -> "Link":
        """A link without variation, loss or outage: its round trip in seconds and its rate in bytes per second."""
        return cls(Quantiles.constant(round_trip), Quantiles.constant(rate), Quantiles.constant(rate))

    def without_variation(self) -> "Link":
        """The same link with its median round trip and rates for all messages, no losses and no outages."""
        trip, up, down = (Quantiles.constant(float(q.at(np.array(0.5)))) for q in (self.round_trip, self.up, self.down))
        return Link(trip, up, down)

    def delays(self, shape: tuple[int, ...], *, sent: float, received: float, seed: int) -> Delays:
        """Draw the delays of messages.

        Args:
            shape: of the answer.
            sent: bytes of a message to the server.
            received: bytes of its answer.
            seed: the same seed draws the same probabilities on every link.

        Returns:
            `Delays`.
        """
        checks.at_least(0, sent=sent, received=received)
        trips, ups, downs, lost = (np.random.default_rng([seed, i]) for i in range(4))
        round_trip = self.round_trip.at(trips.random(shape))
        up, down = (
            round_trip / 2 + size / rate.at(draws.random(shape))
            for size, rate, draws in ((sent, self.up, ups), (received, self.down, downs))
        )
        if self.loss:
            for delay in (up, down):
                losses = np.minimum(lost.geometric(1 - self.loss, shape) - 1, MOST_LOSSES)
                delay += (round_trip + self.retransmission) * (2.0**losses - 1)
        return Delays(up, down)


def measured_link(name: str, *, outages: str | None = None, seed: int = 0) -> Link:
    """A link from the shipped quantiles of public measurements.

    The round trips of 5G, LTE and HSPA+ were measured during a download, so queueing in the network is included. Their
    uplinks were not measured, and 4G and 3G have no measured losses: RATES_OF and LOSSES_OF name what stands for them.
    The measured losses are those of pings, lost on either way; here a message is lost as often on each way.

    Args:
        name: one of 5G, LTE, HSPA+, 4G, 3G.
        outages: a trace of OUTAGES, from whose quantiles outages are drawn; None: no outages.
        seed: of the outages.

    Raises:
        ValueError: if a name is unknown.

    >>> round(float(measured_link("5G").round_trip.at(np.array(0.5))), 6)  # the median
    0.072
    """
    checks.one_of(RATES_OF, name=name)
    table = {(row.source, row.quantity): row for row in read_quantiles()}

    def scaled(source: str, quantity: str, factor: float) -> Quantiles:
        row = table[source, quantity].quantiles
        return replace(row, values=tuple(value * factor for value in row.values))

    pattern = None
    if outages is not None:
        checks.one_of(OUTAGES, outages=outages)
        lengths, between = (table[outages, quantity].quantiles for quantity in ("outage s", "between outages s"))
        pattern = Outages.from_quantiles(lengths, between, seed=seed)
    up, down = (scaled(RATES_OF[name], f"{way} Mbit/s", BYTES_PER_MEGABIT) for way in ("up", "down"))
    loss = table[LOSSES_OF[name], "loss %"].mean / 100
    return Link(scaled(name, "round trip ms", 1e-3), up, down, loss=loss, outages=pattern)


class TableRow(NamedTuple):
    """A row of the shipped table."""

    source: str  # a radio mode, or a trace
    quantity: str  # with its unit
    n: int  # number of measurements
    mean: float
    quantiles: Quantiles


def read_quantiles(path: Path = LINK_TABLE) -> list[TableRow]:
    """The rows of the shipped table, or of another file of the same form."""
    with path.open(encoding="utf8", newline="") as file:
        return [
            TableRow(row[0], row[1], int(row[2]), float(row[3]), Quantiles(PERCENTS, tuple(float(v) for v in row[4:])))
            for row in list(csv.reader(file))[1:]
        ]


def write_quantiles(path: Path, rows: Iterable[TableRow]) -> None:
    """Write rows in the form that `read_quantiles` reads, numbers with 5 digits."""
    with path.open("w", encoding="utf8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["source", "quantity", "n", "mean", *(f"{p} %" for p in PERCENTS)])
        for row in rows:
            numbers = (row.mean, *row.quantiles.values)
            writer.writerow([row.source, row.quantity, row.n, *(f"{number:.5g}" for number in numbers)])


def quantile_table(folder: Path) -> Iterator[TableRow]:
    """The quantiles of measurements in a folder.

    Args:
        folder: with `5g_ireland_rtt.csv` (mode, rtt_avg_ms, loss_percent), `errant_speedtests.csv`
            (access_technology, rtt_ms, upload_mbps, download_mbps) and `cellular_capacity_100ms.csv.gz` (trace, numbers
            of packets separated by blanks).

    Returns:
        The rows of the shipped table.
    """
    values: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    for row in _rows(folder / "5g_ireland_rtt.csv"):
        if row["mode"] in RATES_OF:
            values[row["mode"], "round trip ms"].append(float(row["rtt_avg_ms"]))
            values[row["mode"], "loss %"].append(float(row["loss_percent"]))
    for row in _rows(folder / "errant_speedtests.csv"):
        names = {"round trip ms": "rtt_ms", "up Mbit/s": "upload_mbps", "down Mbit/s": "download_mbps"}
        for quantity, column in names.items():
            values[row["access_technology"], quantity].append(float(row[column]))
    for name, pattern in outages_of_traces(folder / "cellular_capacity_100ms.csv.gz").items():
        if name in OUTAGES:
            lengths = pattern.end - pattern.start
            values[name, "outage s"] = list(lengths)
            values[name, "between outages s"] = list(np.diff(pattern.start) - lengths[:-1])
    for (source, quantity), numbers in values.items():
        yield TableRow(source, quantity, len(numbers), float(np.mean(numbers)), Quantiles.measured(numbers))


def outages_of_traces(path: Path) -> dict[str, Outages]:
    """The outages in traces of capacity, as they were, for `Link.outages` in place of those drawn from quantiles.

    Args:
        path: a CSV file, compressed with gzip: a head, then lines of a trace's name, a comma, and the number of packets
            that it could carry in each 0.1 s, separated by blanks.

    Returns:
        Name -> outages.
    """
    with gzip.open(path, "rt", encoding="utf8") as file:
        lines = (line.partition(",") for line in list(file)[1:])
        return {name: Outages.from_capacity(np.array(packets.split(), dtype=int)) for name, _, packets in lines}


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf8", newline="") as file:
        yield from csv.DictReader(file)


@dataclass(frozen=True)
class Radio:
    """Energy that the radio takes from the battery of a device; no value is built in, since none was measured here.

    Args:
        joules_per_byte_sent: >= 0.
        joules_per_byte_received: >= 0.
        watts: of the radio during an exchange, >= 0.
        tail_watts: after an exchange, until the radio sleeps again, >= 0.
        tail_seconds: how long that takes, >= 0; another exchange of the same device ends it earlier.

    Raises:
        ValueError: if a number is negative or not finite.
    """

    joules_per_byte_sent: float = 0.0
    joules_per_byte_received: float = 0.0
    watts: float = 0.0
    tail_watts: float = 0.0
    tail_seconds: float = 0.0

    def __post_init__(self) -> None:
        checks.at_least(0, **vars(self))
