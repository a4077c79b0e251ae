"""The report on a fitted helper: its metrics with intervals, and whether its loss is lower than simple policies'."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from hashlib import blake2b
from math import isnan
from typing import Any

import numpy as np

from l2h import checks
from l2h.evaluation.comparisons import mean_interval, table_one_intervals
from l2h.evaluation.crossed import crossed_intervals
from l2h.evaluation.curves import correctness_at_coverage
from l2h.evaluation.intervals import Interval, format_interval, proportion_interval
from l2h.evaluation.metrics import (
    SubsetAccuracy,
    TableOne,
    ask_indicator,
    client_server_correctness,
    correctness,
    keep_indicator,
    loss_per_example,
)
from l2h.evaluation.multiple_comparisons import OUTCOMES, comparison_outcome, simultaneous_differences
from l2h.evaluation.thresholds import with_threshold
from l2h.problem import Costs, Predictions, asks
from l2h.serving.estimator.gain import GainOverConfidence, NoForecast, gain_over_confidence

REPORT_LEVEL = 0.95
COVERAGES = np.linspace(0, 1, 21)  # of the accuracy-coverage curve
FEWEST = 30  # examples below which no difference is called significant: its interval relies on many examples
NONE = Interval(float("nan"), float("nan"), float("nan"))  # of an empty subset
TOO_FEW = "too few examples"
UNUSED = "examples that fit did not use"
UNKNOWN = "examples of which a loaded helper does not know whether fit used some"
VALIDATION = "the validation part of fit, on which the threshold was chosen, so that the report is too favourable"
PHRASES = {
    OUTCOMES[0]: "lower than that of",
    OUTCOMES[1]: "higher than that of",
    OUTCOMES[2]: "not significantly different from that of",
    TOO_FEW: f"on fewer than {FEWEST} examples, not compared with that of",
}


@dataclass(frozen=True)
class Report:
    """Metrics of a helper on labelled examples, each with a 95 % interval.

    Args:
        n: number of examples.
        data: which examples these are.
        costs: c1 and ce.
        metrics: "system_loss", "accuracy", "coverage", "offload_rate" -> interval. The shares have exact intervals of
            Clopper and Pearson, the loss Student's interval of its mean. Where all losses, or differences below, are
            equal, the interval allows for the values that n examples may lack.
        table: the paper's Table I: accuracy of client and server on the kept and on the asked examples, with exact
            intervals given the subset.
        curve: (21,) accuracies at the coverages 0, 0.05, ..., 1, with a band that holds for all of them at once.
        losses: policy -> interval of its system loss.
        differences: policy -> interval of the system's loss minus the policy's, paired by example and simultaneous.
        gain: what a rejector could gain over the client's confidence, what was to be expected, and what this one did.
    """

    n: int
    data: str
    costs: Costs
    metrics: Mapping[str, Interval]
    table: TableOne
    curve: Interval
    losses: Mapping[str, Interval]
    differences: Mapping[str, Interval]
    gain: GainOverConfidence | NoForecast

    @property
    def outcomes(self) -> dict[str, str]:
        """Policy -> whether the system is "better", "worse", or has "no significant difference", by its loss."""
        if self.n < FEWEST:
            return dict.fromkeys(self.differences, TOO_FEW)
        return {
            name: comparison_outcome(Interval(-loss.estimate, -loss.high, -loss.low))
            for name, loss in self.differences.items()
        }

    @property
    def sentence(self) -> str:
        """The verdict in plain words."""
        parts = []
        for outcome, phrase in PHRASES.items():
            names = [
                f"{name} (difference {_signed(self.differences[name])})"
                for name, given in self.outcomes.items()
                if given == outcome
            ]
            if names:
                parts.append(f"{phrase} {' and '.join(names)}")
        loss = format_interval(self.metrics["system_loss"])
        return f"On {self.n} examples the system's loss is {loss}; it is {'; it is '.join(parts)}."

    def as_dict(self) -> dict[str, Any]:
        """All numbers as strict JSON: intervals as {"estimate", "low", "high"}, None where a number is undefined."""
        tables = {
            subset: {name: _entry(interval) for name, interval in cell._asdict().items()}
            for subset, cell in self.table._asdict().items()
        }
        curve = [
            {"coverage": float(share), **_entry(Interval(*point))}
            for share, point in zip(COVERAGES, zip(*self.curve, strict=True), strict=True)
        ]
        return {
            "n": self.n,
            "data": self.data,
            "level": REPORT_LEVEL,
            "costs": {"c1": float(self.costs.c1), "ce": float(self.costs.ce)},
            "metrics": {name: _entry(interval) for name, interval in self.metrics.items()},
            "table_one": tables,
            "curve": curve,
            "losses": {name: _entry(interval) for name, interval in self.losses.items()},
            "differences": {name: _entry(interval) for name, interval in self.differences.items()},
            "outcomes": self.outcomes,
            "sentence": self.sentence,
            "gain": {
                "sentence": self.gain.sentence,
                **{name: _entry(interval) for name, interval in self.gain.figures.items()},
            },
        }

    def card_metrics(self) -> dict[str, dict[str, Any]]:
        """The numbers as a card holds them: name -> estimate, low, high, n and the data they come from."""
        named = dict(self.metrics)
        for subset, cell in self.table._asdict().items():
            named |= {f"client_accuracy_{subset}": cell.m, f"server_accuracy_{subset}": cell.e}
        for name, loss in self.losses.items():
            named[f"loss_of_{_identifier(name)}"] = loss
        for name, difference in self.differences.items():
            named[f"loss_minus_that_of_{_identifier(name)}"] = difference
        named |= self.gain.figures
        return {name: {**_entry(value), "n": self.n, "data": self.data} for name, value in named.items()}

    def __str__(self) -> str:
        lines = [
            f"Report on n = {self.n} ({self.data}), c1 = {self.costs.c1:g}, ce = {self.costs.ce:g}",
            self.sentence,
            self.gain.sentence,
            "",
        ]
        lines += [f"{name.replace('_', ' '):40s}{format_interval(value)}" for name, value in self.metrics.items()]
        lines += [f"{f'loss of {name}':40s}{format_interval(value)}" for name, value in self.losses.items()]
        lines += [f"{name.replace('_', ' '):40s}{format_interval(value)}" for name, value in self.gain.figures.items()]
        for subset, cell in self.table._asdict().items():
            title = f"{subset}, n = {cell.n.estimate:.0f}"
            lines.append(f"{title:40s}client {_shown(cell.m)}, server {_shown(cell.e)}")
        lines.append(f"Intervals have the level {REPORT_LEVEL:.0%}; those of the differences are simultaneous.")
        return "\n".join(lines)

    def plot(self, ax: Any) -> None:
        """Draw the accuracy-coverage curve with its band, and the point at which the device decides.

        Args:
            ax: matplotlib axes to draw into.
        """
        from l2h.plotting.lines import plot_bands  # matplotlib is optional

        plot_bands(
            ax, COVERAGES, {"system": self.curve}, xlabel="coverage (share kept on the device)",
            ylabel="accuracy (share of labels right)", markevery=0.12,
        )  # fmt: skip
        point = self.metrics["coverage"].estimate, self.metrics["accuracy"].estimate
        ax.plot(*point, marker="*", markersize=14, color="black", linestyle="none", label="threshold in use")
        ax.set_xlim(-0.02, 1.02)
        ax.legend()


def make_report(
    predictions: Predictions,
    *,
    costs: Costs,
    confidence: np.ndarray | None = None,
    client_scores: np.ndarray | None = None,
    threshold: float = 0.0,
    data: str = UNUSED,
) -> Report:
    """Evaluate a helper beside the client only, the server only, and the client's confidence.

    Args:
        predictions: of n >= 2 examples.
        costs: c1 and ce.
        confidence: (n,) scores r of a rule on the client's confidence, or None where the client has no scores.
        client_scores: (n,) or (n, K) scores, from whose probabilities a gain is forecast; None where there are none.
        threshold: of the helper. The curve is that of the scores before it is subtracted: of one as large as that which
            never asks, their differences are lost in rounding.
        data: which examples these are.

    Returns:
        `Report`.

    Raises:
        ValueError: if there are fewer than two examples.
    """
    n, tuned = len(predictions.y), with_threshold(predictions, threshold)
    checks.at_least(2, examples=n)
    policies = {
        "client only": replace(predictions, r=np.ones(n)),
        "server only": replace(predictions, r=-np.ones(n)),
    }
    if confidence is not None:
        policies["the client's confidence"] = replace(predictions, r=confidence)
    shares = {"accuracy": correctness, "coverage": keep_indicator, "offload_rate": ask_indicator}
    metrics = {"system_loss": _mean_loss(tuned, costs)}
    for name, per_example in shares.items():
        metrics[name] = proportion_interval(int(per_example(tuned).sum()), n, level=REPORT_LEVEL)
    return Report(
        n=n,
        data=data,
        costs=costs,
        metrics=metrics,
        table=_table_one(tuned),
        curve=_curve(predictions),
        losses={name: _mean_loss(policy, costs) for name, policy in policies.items()},
        differences=_differences(tuned, policies, costs),
        gain=gain_over_confidence(predictions, client_scores, costs=costs, level=REPORT_LEVEL),
    )


def _mean_loss(predictions: Predictions, costs: Costs) -> Interval:
    """The mean loss with Student's interval; no loss is below 0."""
    losses = loss_per_example(predictions, costs=costs)
    mean = mean_interval([predictions], partial(loss_per_example, costs=costs), level=REPORT_LEVEL)
    mean = _with_unseen(mean, losses, (0.0, _largest_loss(costs)), REPORT_LEVEL)
    return Interval(mean.estimate, max(mean.low, 0.0), mean.high)


def _differences(predictions: Predictions, policies: Mapping[str, Predictions], costs: Costs) -> dict[str, Interval]:
    """Policy -> the system's loss minus the policy's, simultaneous."""
    loss, largest = partial(loss_per_example, costs=costs), _largest_loss(costs)
    differences = simultaneous_differences(
        [predictions], {name: [policy] for name, policy in policies.items()}, loss, level=REPORT_LEVEL
    )
    level = 1 - (1 - REPORT_LEVEL) / len(policies)
    return {
        name: _with_unseen(interval, loss(predictions) - loss(policies[name]), (-largest, largest), level)
        for name, interval in differences.items()
    }


def _largest_loss(costs: Costs) -> float:
    return max(1.0, costs.ce + costs.c1)


def _with_unseen(interval: Interval, values: np.ndarray, bounds: tuple[float, float], level: float) -> Interval:
    r"""The interval of a mean; where all values are equal, Student's has the length 0, and this one takes its place.

    .. math:: [v - u (v - a), v + u (b - v)]

    with the exact upper limit u of the probability of another value, of which n examples show none, between a and b.
    """
    if np.ptp(values) > 0:
        return interval
    unseen, value = proportion_interval(0, len(values), level=level).high, interval.estimate
    return Interval(value, value - unseen * (value - bounds[0]), value + unseen * (bounds[1] - value))


def _table_one(predictions: Predictions) -> TableOne:
    """Table I with exact intervals of the accuracies given the subset, which hold for few examples, too."""
    cells = []
    m, e = (right.astype(int) for right in client_server_correctness(predictions))
    asked = asks(predictions.r)
    for members, cell in zip((~asked, asked), table_one_intervals([predictions], level=REPORT_LEVEL), strict=True):
        n = int(members.sum())
        share = proportion_interval(n, len(members), level=REPORT_LEVEL)
        rates = [
            proportion_interval(int(right[members].sum()), n, level=REPORT_LEVEL) if n else NONE for right in (m, e)
        ]
        size = Interval(*(limit * len(members) for limit in share))
        cells.append(SubsetAccuracy(size, rates[0], rates[1], cell.difference))
    return TableOne(*cells)


def _curve(predictions: Predictions) -> Interval:
    """Accuracies at all coverages, with a simultaneous band."""
    values = correctness_at_coverage(predictions, COVERAGES)[:, None, :]  # (k, 1, n)
    points = crossed_intervals(values, simultaneous=True, level=REPORT_LEVEL)
    return Interval(*(np.array(limits) for limits in zip(*points, strict=True)))


def row_hashes(x: np.ndarray) -> np.ndarray:
    """A 64-bit hash of each row, by which rows are recognised.

    Args:
        x: (n, ...) of any type.

    Returns:
        (n,) unsigned integers.

    >>> hashes = row_hashes(np.array([[1.0, 2.0], [1.0, 2.0], [0.0, 2.0]]))
    >>> bool(hashes[0] == hashes[1]), bool(hashes[0] == hashes[2])
    (True, False)
    """
    rows = np.ascontiguousarray(x).reshape(len(x), -1)
    digests = b"".join(blake2b(row.tobytes(), digest_size=8).digest() for row in rows)
    return np.frombuffer(digests, dtype="<u8").copy()


def _entry(interval: Interval) -> dict[str, float | None]:
    return {
        name: None if isnan(value) else float(value)
        for name, value in zip(("estimate", "low", "high"), interval, strict=True)
    }


def _identifier(name: str) -> str:
    return name.removeprefix("the ").replace("'s", "").replace(" ", "_")


def _signed(interval: Interval) -> str:
    return f"{interval.estimate:+.3f} [{interval.low:+.3f}, {interval.high:+.3f}]"


def _shown(interval: Interval) -> str:
    return "none" if isnan(interval.estimate) else format_interval(interval)
