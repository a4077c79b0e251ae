"""Audit the record: `python -m companion.build.audit --runs 20 --seed 7` trains a random sample of its runs again.

Beside each record lies a summary of every run that it rests on. The audit draws some of these runs, trains them on this
machine, with the clients and servers that they need, in an empty store, and compares the results with the summaries.

The machine that made the record computes the same numbers to the last bit. Another processor adds in another order;
training enlarges such rounding errors, and some test images get another prediction. Measured for eleven runs of the
chapters on CIFAR-10 in float32, trained with AVX-512 kernels and again with SSE kernels (ATEN_CPU_CAPABILITY=default,
ONEDNN_MAX_CPU_ISA=SSE41, MKL_CBWR=COMPATIBLE): the accuracies and the area differ by at most 0.011, the offload rate by
at most 0.021. The tolerances are more than twice that. For the mean over the runs they are divided by the square root
of the number of runs, because the differences have both signs.

In chapter 10 the test part is often another population than the training part, on which a network's answers are less
stable. Measured for 77 systems of these runs in the same way: the accuracy of a client does not differ, that of a
server differs by at most 0.029, the area by at most 0.022. In two more the server is less accurate than the client that
it helps, since its training failed: there they differ by up to 0.176 and 0.081. The tolerances are twice that or more.
"""

import argparse
import math
import sys
import tempfile
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
from nbformat import NotebookNode

from companion.build import console, domain_summaries, execute, notebooks, summaries
from companion.build.beside import RUN_SUMMARIES
from companion.build.domain_summaries import DomainSystem
from companion.build.execute import print_line
from companion.build.notebooks import Folders
from companion.chapters.ch10_domains.experiments import sweep_domains
from l2h import checks
from l2h.experiments import shifted, sweep
from l2h.experiments.run_log import LoggedRun
from l2h.experiments.store import Store

N_RUNS, SEED = 20, 7
MAX_CPU_SECONDS = 300.0  # recorded processor seconds of all trainings of a draw: some minutes on two cores
TOLERANCES = dict.fromkeys(("accuracy", "client_accuracy", "server_accuracy", "area"), 0.03) | {"offload_rate": 0.05}
DOMAIN_TOLERANCES = {"client_accuracy": 0.03, "server_accuracy": 0.06, "area": 0.05}
FAILED_TOLERANCES = {"client_accuracy": 0.03, "server_accuracy": 0.36, "area": 0.17}  # where a server's training failed
UNTIMED_SECONDS = 75.0  # for a run of chapter 10 from a store of before they were timed; the slowest, on photographs
CONDITION_TOLERANCE = 0.06  # of an accuracy on corrupted images, where more images lie near the decision boundary


class RecordedRun(NamedTuple):
    """A run of the committed records; of those of chapter 10 one of its systems."""

    chapters: tuple[str, ...]  # whose records rest on it
    run: LoggedRun | DomainSystem
    summary: dict[str, Any]  # its row of the summaries


class Difference(NamedTuple):
    """A figure of the record beside the same figure on this machine."""

    run: str  # what the figure is of, in words
    name: str
    recorded: float
    now: float
    tolerance: float

    def text(self) -> str:
        """One line.

        >>> Difference("confidence, seed 0", "accuracy", 0.9, 0.8, 0.03).text()
        'confidence, seed 0: accuracy 0.9000 in the record, 0.8000 on this machine; tolerance 0.0300'
        """
        numbers = f"{self.recorded:.4f} in the record, {self.now:.4f} on this machine"
        return f"{self.run}: {self.name} {numbers}; tolerance {self.tolerance:.4f}"

    @property
    def is_contradiction(self) -> bool:
        """Whether the difference is larger than a change of processor explains."""
        return not abs(self.now - self.recorded) <= self.tolerance


def main(arguments: list[str] | None = None, folders: Folders | None = None) -> int:
    """The command: a line per run on stdout; exit code 1 if a run contradicts the record; see `console.run_command`."""
    parser = argparse.ArgumentParser(prog="python -m companion.build.audit", description="Audit the record's runs.")
    add_arguments(parser)
    options = parser.parse_args(arguments)

    def audited() -> int:
        lines = audit(options.runs, seed=options.seed, folders=folders or Folders())
        sys.stderr.write("".join(f"{line}\n" for line in lines))
        return 1 if lines else 0

    return console.run_command(audited)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the audit to a command."""
    parser.add_argument("--runs", type=_at_least_one, default=N_RUNS, help=f"how many runs to train, {N_RUNS}")
    parser.add_argument("--seed", type=_natural, default=SEED, help=f"of the draw, any whole number, {SEED}")


def audit(n_runs: int, *, seed: int, folders: Folders, max_cpu_seconds: float = MAX_CPU_SECONDS) -> list[str]:
    """Draw runs of the records, train them again, and compare.

    Args:
        n_runs: how many.
        seed: of the draw.
        folders: where the records lie.
        max_cpu_seconds: as in `draw`.

    Returns:
        One line per contradiction.

    Raises:
        FileNotFoundError: if the data of the runs are not at hand.
        ValueError: if there are no summaries, or if summaries are not those of their record.
        RuntimeError: if a run fails.
    """
    recorded = read_recorded_runs(folders)
    drawn = _with_data(draw(recorded, n_runs, seed=seed, max_cpu_seconds=max_cpu_seconds))
    print_line(f"audit: {len(drawn)} of {len(recorded)} runs, drawn with seed {seed}, are trained again")
    with tempfile.TemporaryDirectory(prefix="l2h-audit-") as folder:
        store = Store(Path(folder))
        train([one.run for one in drawn], store)
        current = [_summarize(one.run, store) for one in drawn]
    differences = [compare(one, now) for one, now in zip(drawn, current, strict=True)]
    for one, found in zip(drawn, differences, strict=True):
        largest = max(found, key=lambda difference: abs(difference.now - difference.recorded))
        print_line(f"  {largest.run} ({', '.join(one.chapters)}): largest difference {_size(largest)}")
    every = [difference for found in differences for difference in found]
    means = mean_differences(every)
    print_line("".join(f"  mean of the runs: {difference.name} {_size(difference)}\n" for difference in means).rstrip())
    return [difference.text() for difference in [*every, *means] if difference.is_contradiction]


def _with_data(drawn: Sequence[RecordedRun]) -> list[RecordedRun]:
    """The drawn runs whose data are at hand; of those of chapter 10 that are left out, a line says so."""
    plain = [one.run for one in drawn if isinstance(one.run, LoggedRun)]
    if any(run.config.source == "cifar10" for run in plain) and execute.cifar10_folder() is None:
        raise FileNotFoundError(
            "expected CIFAR-10, on which the runs were made, found none; set L2H_DATA to its folder"
        )
    kept = [one for one in drawn if isinstance(one.run, LoggedRun) or domain_summaries.has_its_data(one.summary)]
    left_out = [one for one in drawn if one not in kept]
    if not kept:
        raise FileNotFoundError(
            f"expected the data on which {run_label(drawn[0].run)} was made, found none or others; set L2H_DATA to the "
            "folder that has them"
        )
    for one in left_out:
        print_line(f"audit: not trained, since its data are not at hand, or are others: {run_label(one.run)}")
    return kept


def _summarize(run: LoggedRun | DomainSystem, store: Store) -> dict[str, Any]:
    if isinstance(run, LoggedRun):
        return summaries.summarize(run, store)
    return domain_summaries.summarize_system(run, store)


def read_recorded_runs(folders: Folders) -> list[RecordedRun]:
    """Every run on which a record rests, once, in the order of the chapters.

    Args:
        folders: where the records lie.

    Returns:
        The runs.

    Raises:
        ValueError: if no record has summaries, or if summaries are not those that the record's execution wrote.
    """
    recorded: dict[tuple[Any, ...], RecordedRun] = {}
    for name in notebooks.chapter_names(folders.book):
        path = folders.book / f"{name}.ipynb"
        notebook = notebooks.read_notebook(path)
        files = [path] if notebook is not None and RUN_SUMMARIES.path(path).exists() else []
        if files and not RUN_SUMMARIES.belongs_to(cast(NotebookNode, notebook), path):
            raise ValueError(f"expected the summaries of {path} as its execution wrote them, got others")
        full_table = folders.book / f"{name}.full.csv"
        files += [full_table] if RUN_SUMMARIES.path(full_table).exists() else []
        for row in (row for file in files for row in summaries.read_summaries(file).to_dict("records")):
            run = domain_summaries.domain_system(row) if summaries.is_of_domains(row) else summaries.logged_run(row)
            chapters = recorded[key].chapters if (key := _identity(run)) in recorded else ()
            recorded[key] = RecordedRun((*chapters, *({name} - set(chapters))), run, row)
    if not recorded:
        raise ValueError(f"expected summaries of runs beside the records in {folders.book}, got none")
    return list(recorded.values())


def _identity(run: LoggedRun | DomainSystem) -> tuple[Any, ...]:
    return summaries.identity(run) if isinstance(run, LoggedRun) else tuple(run)


def _trainings(run: LoggedRun | DomainSystem) -> list[tuple[Any, ...]]:
    """What has to be trained for a run; all systems of a run of chapter 10 are trained together."""
    if isinstance(run, LoggedRun):
        return [summaries.identity(each) for each in summaries.runs_with_dependencies([run])]
    return [(run.run,)]


def draw(
    recorded: Sequence[RecordedRun], n_runs: int, *, seed: int, max_cpu_seconds: float = MAX_CPU_SECONDS
) -> list[RecordedRun]:
    """Draw runs at random, each with the same probability.

    The draw ends early, before the run with which all trainings, those of clients and servers included, would take
    longer than the limit.

    Args:
        recorded: all runs.
        n_runs: how many to draw.
        seed: of the draw.
        max_cpu_seconds: limit in processor seconds, as recorded; at least one run is drawn.

    Returns:
        The drawn runs.
    """
    seconds = {_trainings(one.run)[-1]: _cpu_seconds(one.summary) for one in recorded}
    drawn: list[RecordedRun] = []
    trained: set[tuple[Any, ...]] = set()
    for index in np.random.default_rng(seed).permutation(len(recorded))[:n_runs]:
        candidate = recorded[index]
        needed = trained.union(_trainings(candidate.run))
        if drawn and sum(seconds.get(key, 0.0) for key in needed) > max_cpu_seconds:
            break
        drawn.append(candidate)
        trained = needed
    return drawn


def _cpu_seconds(summary: dict[str, Any]) -> float:
    seconds = float(summary["cpu_seconds"])
    return UNTIMED_SECONDS if math.isnan(seconds) else seconds


def train(runs: Sequence[LoggedRun | DomainSystem], store: Store) -> None:
    """Train runs and keep their results.

    Args:
        runs: of any kind.
        store: for the results.
    """
    logged_runs = [one for one in runs if isinstance(one, LoggedRun)]
    sweep.sweep([logged.config for logged in logged_runs if logged.conditions is None], store=store)
    sweep_domains(list(dict.fromkeys(one.run for one in runs if isinstance(one, DomainSystem))), store)
    corrupted = [
        (shifted.Conditions(**one.conditions), one.config) for one in logged_runs if one.conditions is not None
    ]
    for conditions, group in groupby(sorted(corrupted, key=lambda pair: str(pair[0])), key=lambda pair: pair[0]):
        shifted.sweep_under_corruption([config for _, config in group], conditions, store=store)


def compare(recorded: RecordedRun, current: dict[str, Any]) -> list[Difference]:
    """The figures of a summary beside those of the same run on this machine.

    Args:
        recorded: the run with its summary.
        current: its summary as `summaries.summarize` makes it now.

    Returns:
        One difference per figure that the summary has.
    """
    label = run_label(recorded.run)
    on_conditions = [name for name in recorded.summary if name.startswith(summaries.ACCURACY_ON)]
    tolerances = TOLERANCES if isinstance(recorded.run, LoggedRun) else _domain_tolerances(recorded.summary)
    tolerances = tolerances | dict.fromkeys(on_conditions, CONDITION_TOLERANCE)
    figures = [name for name in tolerances if not math.isnan(recorded.summary.get(name, math.nan))]
    now = {name: math.nan if current.get(name) is None else float(current[name]) for name in figures}
    return [Difference(label, name, float(recorded.summary[name]), now[name], tolerances[name]) for name in figures]


def _domain_tolerances(summary: dict[str, Any]) -> dict[str, float]:
    failed = summary["server_accuracy"] < summary["client_accuracy"]
    return FAILED_TOLERANCES if failed else DOMAIN_TOLERANCES


def mean_differences(differences: Sequence[Difference]) -> list[Difference]:
    """The means over runs of each figure: differences by rounding have both signs, so that their mean is smaller.

    Args:
        differences: of all drawn runs.

    Returns:
        One difference per figure; where all runs have one tolerance, that of the mean is this one divided by the
        square root of their number.
    """
    means = []
    for name in TOLERANCES:
        alike = [one for one in differences if one.name == name]
        if alike:
            recorded, now = np.mean([(one.recorded, one.now) for one in alike], axis=0)
            tolerance = math.sqrt(sum(one.tolerance**2 for one in alike)) / len(alike)
            means.append(Difference("mean of the runs", name, recorded, now, tolerance))
    return means


def run_label(run: LoggedRun | DomainSystem) -> str:
    """A run in words: its configuration, and whether its test images are corrupted; of chapter 10 its system."""
    if isinstance(run, LoggedRun):
        return f"{run.config}{' on corrupted images' if run.conditions else ''}"
    return f"{run.system} of {run.run}"


def _size(difference: Difference) -> str:
    return f"{difference.now - difference.recorded:+.4f} ({difference.name})"


def _at_least_one(text: str) -> int:
    return _whole_number(text, 1)


def _natural(text: str) -> int:
    return _whole_number(text, 0)


def _whole_number(text: str, bound: int) -> int:
    try:
        checks.integer(bound, number=int(text))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
