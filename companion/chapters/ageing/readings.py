"""The readings of the sensors, batch by batch in the order of time; or, where they are not at hand, a stand-in."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from sklearn.datasets import load_digits

from l2h.data import domains
from l2h.data.published import NotAvailableError, installation_hint
from l2h.data.tables import GAS_DRIFT_MONTHS

STAND_IN = "digits whose columns age"
STAND_IN_CLASSES = 6
STAND_IN_SIZES = (200, 400, 120, 120, 120, 120)  # images in each batch
STAND_IN_GAIN, STAND_IN_OFFSET = 0.1, 1.0  # standard deviations per batch, of the logarithm and in grey levels


class Readings(NamedTuple):
    """Labelled measurements in batches."""

    x: np.ndarray  # (n, d) float64
    y: np.ndarray  # (n,) 0..K-1
    batch: np.ndarray  # (n,) numbers that do not fall; the first is the client's
    classes: tuple[str, ...]
    months: Mapping[int, str]  # batch -> its months
    facts: Mapping[str, Any]  # name, sha256, banner, licence, citation

    @property
    def are_of_sensors(self) -> bool:
        """Whether these are readings of the gas sensors, and not the stand-in."""
        return bool(self.facts["name"] != STAND_IN)


def load_readings(domain: str, *, n_readings: int) -> Readings:
    """The published data set, or the stand-in where it is not at hand.

    Args:
        domain: "gas_drift".
        n_readings: largest number of readings of a batch; of a larger one a random sample is used.
    """
    try:
        data = domains.load(domain)
    except NotAvailableError:  # its message names a folder of this machine
        return stand_in(f"The published data are not at hand. {installation_hint(domain)}")
    parts = [np.concatenate(arrays) for arrays in zip(*data.parts.values(), strict=True)]
    x, y, batch = (array[_sample_of_each(parts[2], n_readings)] for array in parts)
    months = {int(number): GAS_DRIFT_MONTHS[int(number)] for number in np.unique(batch)}
    return Readings(x.astype(float), y, batch, data.classes, months, data.metadata())


def _sample_of_each(batch: np.ndarray, largest: int) -> np.ndarray:
    """Positions of at most `largest` readings of each batch, in the order of batches and of the source."""
    generator = np.random.default_rng(0)
    rows = [np.flatnonzero(batch == number) for number in np.unique(batch)]
    return np.concatenate([np.sort(generator.permutation(part)[:largest]) for part in rows])


def stand_in(reason: str) -> Readings:
    r"""Images of six digits as tables of 64 columns, whose columns get a gain and an offset that drift.

    .. math:: x_j \mapsto x_j e^{g_j t} + o_j t, \qquad g_j \sim N(0, 0.1^2), \quad o_j \sim N(0, 1)

    with t = 0 for the first batch, 1 for the second, and so on.

    Args:
        reason: why the published set is not at hand.

    Returns:
        Readings whose facts say what they are.
    """
    x, y = load_digits(n_class=STAND_IN_CLASSES, return_X_y=True)
    generator = np.random.default_rng(0)
    rows = generator.permutation(len(y))[: sum(STAND_IN_SIZES)]
    gain, offset = generator.normal(size=(2, x.shape[1])) * [[STAND_IN_GAIN], [STAND_IN_OFFSET]]
    batch = np.repeat(np.arange(1, len(STAND_IN_SIZES) + 1), STAND_IN_SIZES)
    age = batch[:, None] - 1
    banner = f"{reason}. {STAND_IN.capitalize()} take their place: no number on this page is about gas sensors."
    facts = {"name": STAND_IN, "sha256": None, "banner": banner, "licence": domains.UCI_LICENCE}
    return Readings(
        x[rows] * np.exp(gain * age) + offset * age,
        y[rows],
        batch,
        tuple(map(str, range(STAND_IN_CLASSES))),
        {number: "simulated" for number in range(1, len(STAND_IN_SIZES) + 1)},
        facts | {"citation": "Alpaydin and Kaynak, Optical Recognition of Handwritten Digits, 1998"},
    )


def describe_readings(readings: Readings) -> str:
    """Banner, licence, citation and sizes of the data, in Markdown."""
    counts = {number: int((readings.batch == number).sum()) for number in readings.months}
    sizes = ", ".join(f"{number} ({readings.months[number]}): {count}" for number, count in counts.items())
    facts = readings.facts
    lines = [f"> **{facts['banner']}**\n"] if facts["banner"] else []
    lines.append(f"Licence: {facts['licence']}. Please cite: {facts['citation']}.\n")
    lines.append(f"Classes: {', '.join(readings.classes)}. Readings in each batch (its months): {sizes}.")
    return "\n".join(lines)
