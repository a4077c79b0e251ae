"""Accuracy against coverage of systems of the record, with the threshold and the costs to be set by the reader.

The scores are those of one seed on the test images of chapter 06, from `systems.csv`, which
`python -m companion.build.system_scores` writes from the stored runs.
"""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from companion.chapters import html_figures
from companion.chapters.html_figures import Frame, Slider
from l2h.evaluation import metrics
from l2h.evaluation.curves import accuracy_coverage_curve
from l2h.evaluation.thresholds import min_loss_threshold
from l2h.problem import Costs, Predictions, asks

SYSTEMS_FILE = Path(__file__).parent / "systems.csv"
SYSTEMS_SHA256 = "6d15b376ce784884b07b57cbf3b35a2f29a64ce079dbca57eb5bac2ac877fddb"  # of the file
COVERAGE_FRAME = Frame(56, 12, 350, 264, left=0, right=1, bottom=0.7, top=0.95)  # as in coverage.svg
SHARE_STEP = 0.005  # of the slider of the threshold
COVERAGE_CAPTION = (
    "Solid: the system at every threshold. Dashed: random offloading to the same server. Dot: the chosen threshold. "
    "Square: the threshold of least loss on these images."
)
COVERAGE_RANGES = {  # name -> label, highest value, step, decimals
    "share": ("threshold <i>t</i>, from the one that sends no image to the one that sends all", 1.0, SHARE_STEP, 3),
    "c1": ("cost of an error of the server, <i>c</i><sub>1</sub>", 2.0, 0.05, 2),
    "ce": ("cost of asking, <i>c</i><sub>e</sub>", 1.0, 0.01, 2),
}
CELL_ROWS = {"kept": "kept", "asked": "asked"}
NUMBER_ROWS = {
    "accuracy": "accuracy of the system",
    "coverage": "coverage",
    "loss": "system loss",
    "least": "least loss of any threshold, on these images",
    "never": "loss of never asking",
    "always": "loss of always asking",
}


@dataclass(frozen=True)
class CoverageNumbers:
    """What the figure shows at one threshold.

    Args:
        threshold: t, of which r - t > 0 keeps.
        accuracy: of the system.
        coverage: share of the images that are kept.
        loss: system loss.
        least: the smallest system loss of any threshold.
        least_coverage: the coverage there.
        never: loss of never asking.
        always: loss of always asking.
        cells: kept, asked -> number of images, of those on which the client is right, and the server.
    """

    threshold: float
    accuracy: float
    coverage: float
    loss: float
    least: float
    least_coverage: float
    never: float
    always: float
    cells: dict[str, tuple[int, int, int]]


def read_systems(path: Path = SYSTEMS_FILE) -> dict[str, Predictions]:
    """The predictions of each system, as `metrics.predictions_from_correctness` codes them.

    Args:
        path: of a file that `companion.build.system_scores` wrote.

    Returns:
        Name of a system -> predictions.

    >>> systems = read_systems()
    >>> list(systems)[:2], len(systems["confidence"].y)
    (['learning to help', 'confidence'], 2000)
    """
    table = pd.read_csv(path, header=[0, 1, 2])
    client = table["client"].iloc[:, 0].to_numpy()
    return {
        name: metrics.predictions_from_correctness(client, *table[name].to_numpy().T)
        for name in dict.fromkeys(table.columns.get_level_values(0))
        if name != "client"
    }


def coverage_numbers(predictions: Predictions, share: float, costs: Costs) -> CoverageNumbers:
    """The numbers of the figure for one state of its controls.

    Args:
        predictions: of a system.
        share: of the images that the threshold sends, in [0, 1]; more are sent if scores are equal.
        costs: c1 and ce.
    """
    n_sent = round(share * len(predictions.r))
    threshold = float(np.sort(predictions.r)[n_sent - 1]) if n_sent else -np.inf
    system = kept_above(predictions, threshold)
    least = kept_above(predictions, min_loss_threshold(predictions, costs=costs))
    client_right, server_right = metrics.client_server_correctness(predictions)
    cells = {}
    for name, chosen in (("kept", ~asks(system.r)), ("asked", asks(system.r))):
        cells[name] = (int(chosen.sum()), int(client_right[chosen].sum()), int(server_right[chosen].sum()))
    reference = metrics.reference_losses(predictions, costs=costs)
    return CoverageNumbers(
        threshold,
        metrics.accuracy(system),
        metrics.coverage(system),
        metrics.system_loss(system, costs=costs),
        metrics.system_loss(least, costs=costs),
        metrics.coverage(least),
        reference.never,
        reference.always,
        cells,
    )


def kept_above(predictions: Predictions, threshold: float) -> Predictions:
    """The predictions with r > threshold kept; -inf keeps all."""
    return replace(predictions, r=np.where(predictions.r > threshold, 1.0, -1.0))


def coverage_figure(
    system: str = "learning to help", *, share: float = 0.3, costs: Costs = Costs(c1=1.0, ce=0.1)
) -> str:
    """The figure in HTML.

    Args:
        system: that is shown at first.
        share: of the images that its threshold sends at first, in [0, 1].
        costs: at first; c1 in [0, 2] and ce in [0, 1].

    Returns:
        HTML, complete in itself.

    Raises:
        ValueError: if there is no such system, or a value lies outside its slider's range.

    >>> "sends 30.0 % of the images" in coverage_figure()
    True
    """
    systems = read_systems()
    if system not in systems:
        raise ValueError(f"expected a system among {', '.join(systems)}, got {system}")
    values = {"share": share, "c1": costs.c1, "ce": costs.ce}
    for name, value in values.items():
        if not 0 <= value <= COVERAGE_RANGES[name][1]:
            raise ValueError(f"expected {name} in [0, {COVERAGE_RANGES[name][1]:g}], got {value:g}")
    numbers = coverage_numbers(systems[system], share, costs)
    controls = html_figures.choice("system", "the system", systems, system) + "".join(
        html_figures.slider(name, _slider(name, value, numbers)) for name, value in values.items()
    )
    return html_figures.figure(
        "l2h-coverage",
        label="Accuracy against coverage",
        drawing=_drawing(systems[system], numbers),
        caption=COVERAGE_CAPTION,
        controls=controls,
        summary=_summary(system, numbers, costs),
        numbers=_tables(numbers),
        script=(Path(__file__).parent / "coverage.js").read_text(encoding="utf-8"),
        data=_script_data(systems),
    )


def score_text(value: float) -> str:
    """A threshold as text.

    >>> score_text(-0.12345), score_text(float("-inf"))
    ('−0.1235', '−∞')
    """
    if np.isinf(value):
        return "−∞"
    return f"{value:.4f}".replace("-", "−")


def _slider(name: str, value: float, numbers: CoverageNumbers) -> Slider:
    label, highest, step, decimals = COVERAGE_RANGES[name]
    text = score_text(numbers.threshold) if name == "share" else f"{value:.{decimals}f}"
    return Slider(label, 0, highest, step, value, text)


def _drawing(predictions: Predictions, numbers: CoverageNumbers) -> str:
    curve = accuracy_coverage_curve(predictions)
    least_accuracy = float(np.interp(numbers.least_coverage, curve.coverage, curve.accuracy))
    x, y = COVERAGE_FRAME.position(numbers.coverage, numbers.accuracy)
    least_x, least_y = COVERAGE_FRAME.position(numbers.least_coverage, least_accuracy)
    start, end = (COVERAGE_FRAME.position(0, curve.accuracy[place])[1] for place in (0, -1))
    n = len(predictions.r)
    shown = np.isin(np.round(curve.coverage * n), np.arange(0, n + 1, 10))
    return html_figures.drawn(
        (Path(__file__).parent / "coverage.svg").read_text(encoding="utf-8"),
        {
            "curve": {"points": COVERAGE_FRAME.points(zip(curve.coverage[shown], curve.accuracy[shown], strict=True))},
            "random": {"y1": float(start), "y2": float(end)},
            "point": {"cx": x, "cy": y},
            "least": {"x": least_x - 7, "y": least_y - 7},
        },
    )


def _summary(system: str, numbers: CoverageNumbers, costs: Costs) -> str:
    return (
        f"With the threshold t = {score_text(numbers.threshold)}, {system} sends {100 * (1 - numbers.coverage):.1f} % "
        f"of the images: accuracy {100 * numbers.accuracy:.2f} %, system loss {numbers.loss:.4f} at "
        f"c1 = {costs.c1:.2f} and ce = {costs.ce:.2f}. The least loss of any threshold on these "
        f"images is {numbers.least:.4f}, where it sends {100 * (1 - numbers.least_coverage):.1f} %."
    )


def _tables(numbers: CoverageNumbers) -> str:
    cells = {f"{name}|{label}": cell_texts(*numbers.cells[name]) for name, label in CELL_ROWS.items()}
    values = {f"{name}|{label}": (f"{getattr(numbers, name):.4f}",) for name, label in NUMBER_ROWS.items()}
    head = ("images", "number", "client right", "server right", "client minus server")
    return html_figures.table("The four cells", head, cells) + html_figures.table(
        "Accuracy and loss", ("quantity", "value"), values
    )


def cell_texts(number: int, client_right: int, server_right: int) -> tuple[str, str, str, str]:
    """A row of the table of the four cells.

    >>> cell_texts(4, 3, 1), cell_texts(0, 0, 0)
    (('4', '75.0 %', '25.0 %', '50.0'), ('0', '–', '–', '–'))
    """
    if number == 0:
        return ("0", "–", "–", "–")
    difference = f"{100 * (client_right - server_right) / number:.1f}".replace("-", "−")
    return str(number), f"{100 * client_right / number:.1f} %", f"{100 * server_right / number:.1f} %", difference


def _script_data(systems: dict[str, Predictions]) -> str:
    """The systems as JSON: scores in increasing order, and for each image 1 for a right client + 2 for a server."""
    data = {}
    for name, predictions in systems.items():
        order = np.argsort(predictions.r, kind="stable")
        client_right, server_right = metrics.client_server_correctness(predictions)
        outcomes = (client_right + 2 * server_right)[order]
        data[name] = {"r": predictions.r[order].tolist(), "right": "".join(map(str, outcomes))}
    return json.dumps(data, separators=(",", ":"))
