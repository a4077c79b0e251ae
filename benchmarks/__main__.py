"""`make bench`: one line of JSON per figure, each relative to a baseline measured in the same run."""

import logging
import sys

from benchmarks import (
    doors,
    evaluation,
    helped_accuracy,
    serving,
    signals,
    simulation,
    step_efficiency,
    sweep,
    time_to_quality,
    workers,
)
from benchmarks.figures import line

BENCHMARKS = {
    "step_efficiency": step_efficiency.figures,
    "time_to_quality": time_to_quality.figures,
    "sweep": sweep.figures,
    "workers": workers.figures,
    "evaluation": evaluation.figures,
    "serving": serving.figures,
    "helped_accuracy": helped_accuracy.figures,
    "simulation": simulation.figures,
    "doors": doors.figures,
    "signals": signals.figures,
}


def main(names: list[str]) -> None:
    """Run the named benchmarks, or all."""
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(message)s")
    if unknown := set(names) - set(BENCHMARKS):
        raise SystemExit(f"expected names among {', '.join(BENCHMARKS)}, got {', '.join(sorted(unknown))}")
    for name in names or BENCHMARKS:
        for figure in BENCHMARKS[name]():
            print(line(figure), flush=True)


if __name__ == "__main__":  # worker processes import this module
    main(sys.argv[1:])
