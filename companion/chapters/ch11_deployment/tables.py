"""Tables of chapter 11 beside those of simulated deployments: boards, implied costs, and queues with formulas."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from companion.chapters.ch11_deployment.analysis import simulated
from companion.chapters.ch11_deployment.deployments import (
    BOARD_TASKS,
    HEAD_BYTES,
    LINKS,
    POLICIES,
    USER_PRICES,
    deployed_link,
    deployment,
    request_seconds,
)
from l2h.problem import Costs, Predictions
from l2h.serving.simulation import queues
from l2h.serving.simulation.boards import (
    Board,
    boards,
    dense_network,
    largest_that_fits,
    network_on_board,
    rejector_on_board,
)
from l2h.serving.simulation.links import Link, Radio
from l2h.serving.simulation.outcomes import (
    ExtraPerRequest,
    extra_per_request,
    implied_costs,
    keep_baseline,
    losses_of_wrong_costs,
)

HIDDEN_UNITS = (4, 8, 16, 30, 60, 120, 240, 480)  # of the rejectors that are tried on a board
LOADS = (0.5, 0.8, 0.9)
LOOPBACK_TABLE = Path(__file__).resolve().parents[3] / "book" / "11_deployment.loopback.csv"
BATCHES = 20  # of consecutive requests, whose means give the standard error of a simulated mean


def boards_table(share: float) -> pd.DataFrame:
    """What client and rejector need of each board, whether they fit, and the longest request that saves time.

    The clients are the networks of the benchmark, in 8-bit integers.

    Args:
        share: of inputs that are sent, in (0, 1].

    Returns:
        One row per task and board; no millijoules where they were not measured.
    """
    rows = {}
    for task_name, task in BOARD_TASKS.items():
        rejectors = [dense_network(task.inputs, units, 1) for units in HIDDEN_UNITS]
        hidden_units = dict(zip(rejectors, HIDDEN_UNITS, strict=True))
        for name, board in boards().items():
            bits8, bits32 = (
                rejector_on_board(board, task.rejector, client=task.client, bytes_per_number=size) for size in (1, 4)
            )
            largest = largest_that_fits(board, rejectors, client=task.client, bytes_per_number=4)
            rows[task_name, name] = {
                "client, ms": 1000 * bits8.client.seconds,
                "rejector, ms": 1000 * bits8.rejector.seconds,
                "client, mJ": _millijoules(bits8.client.joules),
                "rejector, mJ": _millijoules(bits8.rejector.joules),
                "longest request, ms": 1000 * longest_request(board, share, task_name),
                "flash memory, kB": board.flash_bytes / 1000,
                "fits, 8 bits": bits8.fits,
                "fits, 32 bits": bits32.fits,
                "hidden units that fit, 32 bits": hidden_units[largest] if largest else 0,
            }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(["task", "board"])


def _millijoules(joules: float | None) -> float:
    return float("nan") if joules is None else 1000 * joules


def longest_request(board: Board, share: float, task: str = "images") -> float:
    r"""Seconds of a request below which asking makes the mean answer come sooner; not positive where it never does.

    .. math:: t_m - t_r / q

    Args:
        board: of `boards()`.
        share: q of inputs that are sent, in (0, 1].
        task: a name in `deployments.BOARD_TASKS`.
    """
    networks = (BOARD_TASKS[task].client, BOARD_TASKS[task].rejector)
    client, rejector = (network_on_board(board, network) for network in networks)
    return client.seconds - rejector.seconds / share


def median_requests(n: int, task: str = "images") -> dict[str, float]:
    """The median of the seconds of a request, for three links with measured losses, from n simulated ones."""
    sent, names = BOARD_TASKS[task].inputs + HEAD_BYTES, ("5G", "LTE", "HSPA+")
    return {name: float(np.median(request_seconds(deployed_link(name), n, sent=sent))) for name in names}


def implied_costs_table(seed: Mapping[str, Predictions], *, devices: int, radio: Radio) -> pd.DataFrame:
    """What one request of learning to help needs beyond the device alone, and the ce that it implies, by link.

    Args:
        seed: name -> predictions.
        devices: how many.
        radio: of each device.

    Returns:
        One row per link, with the radio's tail and without.
    """
    rows = {}
    for link_name in LINKS:
        for tail, each in (("tail", radio), ("no tail", replace(radio, tail_watts=0.0))):
            extra = _extra_of_a_request(seed, deployed_link(link_name), each, devices)
            rows[link_name, tail] = extra._asdict() | {"ce": implied_costs(extra, USER_PRICES).ce}
    return pd.DataFrame(rows).T.rename_axis(["link", "radio"]).drop(columns="fee")


def _extra_of_a_request(seed: Mapping[str, Predictions], link: Link, radio: Radio, devices: int) -> ExtraPerRequest:
    asking = deployment(POLICIES["learning to help"], seed, link, devices=devices, radio=radio)
    return extra_per_request(simulated(asking), simulated(keep_baseline(asking)))


def wrong_costs_table(
    test: Mapping[float, Sequence[Predictions]],
    validation: Mapping[float, Sequence[Predictions]],
    true_ce: Sequence[float],
) -> pd.DataFrame:
    """The loss at each true ce of the systems that were trained for each ce, means over seeds.

    Args:
        test: ce of the training -> predictions on the test split, one per seed.
        validation: the same on the validation split.
        true_ce: costs of asking, c1 = 1.

    Returns:
        One row per true ce and ce of the training.
    """
    rows = {}
    n_seeds = len(next(iter(test.values())))
    for ce in true_ce:
        costs = Costs(c1=1.0, ce=ce)
        by_seed = []
        for s in range(n_seeds):
            tests, validations = ({trained: p[s] for trained, p in split.items()} for split in (test, validation))
            by_seed.append(np.array(losses_of_wrong_costs(tests, validations, costs=costs)))
        for trained, loss, retuned, excess in np.mean(by_seed, axis=0):
            rows[round(ce, 3), trained] = {
                "loss, r = 0": loss,
                "excess over the least": excess,
                "with a new threshold": retuned,
            }
    return pd.DataFrame(rows).T.rename_axis(["true ce", "trained for"])


def queue_validation_table(n: int, *, seed: int = 0) -> pd.DataFrame:
    """Mean waiting times of simulated queues and of the formulas, in mean service times.

    Args:
        n: requests of each queue.
        seed: of arrivals and service times.

    Returns:
        One row per queue and load; the last column is the difference in standard errors.
    """
    rows = {}
    for load in LOADS:
        generator = np.random.default_rng([seed, round(100 * load)])
        gaps, exponential_service = generator.exponential(1 / load, n), generator.exponential(1.0, n)
        arrival = np.cumsum(gaps)
        constant_wait = queues.single_server(arrival, np.ones(n)).start - arrival
        exponential_wait = queues.single_server(arrival, exponential_service).start - arrival
        four = queues.several_servers(arrival / 4, exponential_service, servers=4).start - arrival / 4
        erlang = queues.erlang_c(4 * load, 1.0, 4) / (4 - 4 * load)
        constant_formula, exponential_formula = (queues.pollaczek_khinchine(load, 1.0, v) for v in (0.0, 1.0))
        rows["constant service, 1 server", load] = _against_formula(constant_wait, constant_formula)
        rows["exponential service, 1 server", load] = _against_formula(exponential_wait, exponential_formula)
        rows["exponential service, 4 servers", load] = _against_formula(four, erlang)
    return pd.DataFrame(rows).T.rename_axis(["queue", "load"]).sort_index()


def service_validation_table() -> pd.DataFrame:
    """Latencies of the running service and of the simulator, from the committed table of `benchmarks.loopback`.

    Returns:
        One row per regime and quantile: seconds measured and simulated, and their ratio minus 1 with 95 % limits.
    """
    return pd.read_csv(LOOPBACK_TABLE).set_index(["regime", "quantile"])


def describe_measurement(table: pd.DataFrame) -> str:
    """When and where the running service was measured, in a sentence.

    Args:
        table: of `service_validation_table`.
    """
    ((day, machine),) = set(zip(table["day"], table["machine"], strict=True))
    return f"The service was measured on {day} ({machine})."


def _against_formula(waits: np.ndarray, formula: float) -> dict[str, float]:
    means = np.array([part.mean() for part in np.array_split(waits, BATCHES)])
    error = means.std(ddof=1) / np.sqrt(BATCHES)
    mean = waits.mean()
    return {"formula": formula, "simulated": mean, "standard error": error, "difference": (mean - formula) / error}
