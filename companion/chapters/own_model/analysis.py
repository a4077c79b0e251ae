"""Tables of the page on a frozen model of one's own."""

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from companion.chapters.own_model.experiments import AWAY, PHASES
from companion.claims.evidence import Evidence
from l2h.problem import asks
from l2h.serving.device import DeviceAnswer
from l2h.serving.estimator.classifier import LearningToHelpClassifier
from l2h.serving.estimator.report import Report
from l2h.serving.http.protocol import encode_request


def answer_shares(answers: Mapping[str, Sequence[DeviceAnswer]]) -> pd.DataFrame:
    """The shares of the inputs of each phase that were kept, answered by the server, and by the client in its place.

    Args:
        answers: phase -> the answer for each input.

    Returns:
        One row per phase; the columns kept, server, fallback.
    """
    rows = {}
    for phase, each in answers.items():
        sources = Counter(answer.source for answer in each)
        rows[phase] = [sources[source] / len(each) for source in ("client", "server", "fallback")]
    return pd.DataFrame.from_dict(rows, orient="index", columns=["kept", "server", "fallback"]).round(3)


def request_bytes(x: np.ndarray) -> dict[str, int]:
    """The size of a request for one input, headers of HTTP aside, by its form.

    Args:
        x: (1, ...) uint8.

    Returns:
        Form -> bytes.
    """
    forms = {"binary": (x, True), "JSON": (x, False), "binary, float32": (x.astype(np.float32), True)}
    return {name: len(encode_request(each, binary=binary)[1]) for name, (each, binary) in forms.items()}


class RestoredAgreement(NamedTuple):
    """How a restored helper differs from the one that was saved, on n inputs."""

    largest_difference: float  # of r
    decisions: int  # that differ: keep or ask
    labels: int  # that differ


def restored_agreement(
    fitted: LearningToHelpClassifier, restored: LearningToHelpClassifier, x: np.ndarray
) -> RestoredAgreement:
    """Compare a helper with the one that was loaded from its folder.

    Args:
        fitted: as it was trained.
        restored: from the folder; it runs on ONNX Runtime.
        x: (n, ...) inputs.
    """
    first, second = (helper.decision_function(x) for helper in (fitted, restored))
    labels = int((fitted.predict(x) != restored.predict(x)).sum())
    return RestoredAgreement(float(np.abs(first - second).max()), int((asks(first) != asks(second)).sum()), labels)


def agreement_evidence(found: RestoredAgreement) -> dict[str, Evidence]:
    """Evidence that a helper decides after saving as it did before.

    Args:
        found: of `restored_agreement`.
    """
    return {
        "scores": Evidence.exact(found.largest_difference),
        "decisions": Evidence.exact(found.decisions + found.labels),
    }


def outage_evidence(
    answers: Mapping[str, Sequence[DeviceAnswer]], helper: LearningToHelpClassifier, x: np.ndarray
) -> dict[str, Evidence]:
    """Evidence on the answers around an outage: inputs without the answer that they should have.

    Args:
        answers: phase -> the answer for each input, of x in turn.
        helper: of the same folder.
        x: (n, ...) inputs.

    Returns:
        "while the server answers": labels that are not the system's; "while it is away": those that are not the
        client's.
    """
    system, client = helper.predict(x), helper.classes_[helper.client_.answers(x, x).m]
    cases = {phase: ("while the server answers", system) for phase in PHASES}
    cases[AWAY] = ("while it is away", client)
    wrong = {case: 0 for case, _ in cases.values()}
    inputs = itertools.cycle(range(len(x)))
    for phase, each in answers.items():
        case, labels = cases[phase]
        wrong[case] += sum(answer.label != labels[row] for answer, row in zip(each, inputs, strict=False))
    return {case: Evidence.exact(float(count)) for case, count in wrong.items()}


def report_table(report: Report) -> pd.DataFrame:
    """The numbers of a report: metrics, losses of the simple policies, and differences to them.

    Args:
        report: of `LearningToHelpClassifier.report`.

    Returns:
        One row per number with its 95 % interval.
    """
    rows = {name.replace("_", " "): interval for name, interval in report.metrics.items()}
    rows |= {f"loss of {name}": interval for name, interval in report.losses.items()}
    rows |= {f"loss minus that of {name}": interval for name, interval in report.differences.items()}
    return pd.DataFrame.from_dict(rows, orient="index", columns=["estimate", "low", "high"]).astype(float).round(3)
