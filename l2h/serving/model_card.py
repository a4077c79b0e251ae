"""The readable model card of a helper, README.md in its folder, made from the content of card.json."""

from collections.abc import Mapping, Sequence
from typing import Any

FORECAST = (
    " The gains over the confidence are in area under the accuracy-coverage curve. The expected one is a forecast from"
    " other tasks and the client's scores on these data; its interval is for a new task."
)
TEMPLATE = """# A helper for a frozen model

A device carries a model m that cannot change. This folder holds a rejector r that decides on the device which inputs
the server's model e answers. The device asks where r - t <= 0, and keeps its own label m elsewhere.
`card.json` holds the same facts for programs, and counts where the two differ.

## Decision
{decision}

## Files
{files}
{missing}
## Evaluation
{metrics}

## Data it was fitted on
{data}

## How it was fitted
{options}

## Versions
{versions}

## Limits
- The threshold and the metrics hold for data like those of the evaluation. After a change of the inputs, of the costs,
  of the frozen model or of the server, measure again.
- A helper can answer only with the classes above.
- Files that were changed after saving are refused, since their digests do not fit.
- A digest finds damage. It does not prove who made the folder: take it only from a source that you trust.

## How to serve it
```
l2h serve FOLDER
l2h ask FOLDER input.npy
```
In Python, without torch:
```python
from l2h.serving.onnx.sessions import load_parts

card, parts = load_parts("FOLDER")
r = parts["rejector"](x)["r"]
```
"""


def model_card(content: Mapping[str, Any]) -> str:
    """A model card in Markdown.

    Args:
        content: of card.json, as JSON reads it.

    Returns:
        The text of README.md.
    """
    missing = [f"- no {name}: {_plain(reason)}" for name, reason in content["missing"].items()]
    rows = [(name, part["file"], part["reads"], part["sha256"]) for name, part in content["parts"].items()]
    return TEMPLATE.format(
        decision=_decision(content),
        files=_table(("part", "file", "reads", "SHA-256"), rows),
        missing="".join(f"{line}\n" for line in missing),
        metrics=_metrics(content["metrics"]),
        **{name: _listed(content[name]) for name in ("data", "options", "versions")},
    )


def _decision(content: Mapping[str, Any]) -> str:
    x, costs = content["input"], content["costs"]
    return _listed(
        {
            "classes, in the order of their index": content["classes"],
            "cost c1 of an error of the server": costs["c1"],
            "cost ce of asking": costs["ce"],
            "threshold t of r": content["threshold"],
            "method": content["method"],
            "one input x": f"{x['dtype']} of shape ({', '.join(map(str, x['shape']))})",
        }
    )


def _metrics(metrics: Mapping[str, Any]) -> str:
    rows = [(name, *(_figure(entry[key]) for key in ("estimate", "low", "high"))) for name, entry in metrics.items()]
    if not rows:
        return "No metrics were saved."
    table = _table(("metric", "estimate", "low", "high"), rows)
    forecast = FORECAST if "expected_gain_over_confidence" in metrics else ""
    return f"Each estimate has its interval. {_measured_on(metrics)}{forecast}\n\n{table}"


def _measured_on(metrics: Mapping[str, Any]) -> str:
    """On which data the metrics were measured, as their entries say: those that chose a threshold flatter it."""
    sources = dict.fromkeys((str(entry.get("n", "")), str(entry.get("data", ""))) for entry in metrics.values())
    if not all(data for _, data in sources):
        return "On which data they were measured is not stated."
    return "Measured on " + " and on ".join(f"{n} of {_plain(data)}".removeprefix(" of ") for n, data in sources) + "."


def _figure(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.4g}"


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(_plain(cell) for cell in line) + " |" for line in lines)


def _listed(entries: Mapping[str, Any]) -> str:
    return "\n".join(f"- {_plain(name)}: {_plain(value)}" for name, value in entries.items()) or "- not stated"


def _plain(value: Any) -> str:
    """A value as one line of text in which no character means anything to Markdown or HTML."""
    if isinstance(value, Mapping):
        return "; ".join(f"{_plain(name)}: {_plain(entry)}" for name, entry in value.items())
    if isinstance(value, list):
        return ", ".join(map(_plain, value))
    text = " ".join(str(value).split())
    return "".join(f"\\{each}" if each in "\\`*[]<>|#" else each for each in text)
