"""The primary answers of chapter 06: four questions and three clients, over all pairs of CIFAR-10's classes."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from companion.chapters.ch06_comparison.analysis import LEARNING_TO_HELP
from companion.chapters.ch06_comparison.class_pairs import COVERAGE_PERCENT, PAIR_CLIENTS, SMALL_REJECTOR
from companion.chapters.pairs_evidence import SMALLEST_EFFECT, by_pair, evidence_on_pairs
from companion.chapters.systems import STACKED_NAME
from companion.claims.evidence import Evidence
from l2h.evaluation.class_pairs import ClassPairsMean, class_pairs_mean
from l2h.evaluation.intervals import Interval
from l2h.evaluation.multiple_comparisons import equivalence_intervals, holm_intervals

CHOICE_CLASS = "truck"  # its pairs served the choice of the variant, and are not judged
DEVICE_BASELINES = (LEARNING_TO_HELP, "confidence", "separate", "two-stage", "two-stage, on scores")


class Answer(NamedTuple):
    """The answer to one question for one client."""

    mean: ClassPairsMean  # over pairs of classes
    interval: Interval  # at the level of its step in Holm's procedure
    equivalence: Interval  # the same for two one-sided tests
    simultaneous: Interval  # of all answers at once, by Bonferroni
    better: int  # number of pairs with a difference above zero
    pairs: int


def area_difference(baseline: str) -> Callable[[pd.DataFrame], pd.Series]:
    """The question by how much the area of learning to help exceeds that of a baseline.

    Args:
        baseline: name of a system.

    Returns:
        A function from the table of `class_pairs.read_pairs_table` to one difference per pair, client and seed.
    """

    def difference(table: pd.DataFrame) -> pd.Series:
        areas = table.pivot(index=["classes", "client", "seed"], columns="system", values="area")
        return areas[LEARNING_TO_HELP] - areas[baseline]

    return difference


def server_difference(table: pd.DataFrame) -> pd.Series:
    """The joint server's accuracy minus the plain server's, where the joint rejector's score is in its lower half.

    Args:
        table: of `class_pairs.read_pairs_table`.

    Returns:
        One difference per pair, client and seed.
    """
    joint = table[table.system == LEARNING_TO_HELP].set_index(["classes", "client", "seed"])
    return joint.server_on_half - joint.plain_on_half


QUESTIONS: dict[str, Callable[[pd.DataFrame], pd.Series]] = {
    "minus confidence, area": area_difference("confidence"),
    "minus separate, area": area_difference("separate"),
    "minus two-stage, area": area_difference("two-stage"),
    "joint minus plain server, accuracy on the lower half of r": server_difference,
}
CLAIM_OF_QUESTION = dict(
    zip(
        QUESTIONS,
        ("beats-confidence-for-every-client", "joint-beats-separate", "joint-beats-two-stage", "server-specialises"),
        strict=True,
    )
)


def primary_answers(table: pd.DataFrame) -> dict[str, dict[str, Answer]]:
    """The answers to the primary questions, with Holm's procedure over the whole family.

    Args:
        table: of `class_pairs.read_pairs_table`.

    Returns:
        Question -> client -> `Answer`.
    """
    values = {(name, client): by_pair(ask(table), client) for name, ask in QUESTIONS.items() for client in PAIR_CLIENTS}
    means = {key: class_pairs_mean(*pairs_and_values) for key, pairs_and_values in values.items()}
    statistics = (
        [mean.estimate for mean in means.values()],
        [mean.standard_error for mean in means.values()],
        [mean.degrees_of_freedom for mean in means.values()],
    )
    intervals = dict(zip(means, holm_intervals(*statistics), strict=True))
    equivalence = dict(zip(means, equivalence_intervals(*statistics, margin=SMALLEST_EFFECT), strict=True))
    answers: dict[str, dict[str, Answer]] = {name: {} for name in QUESTIONS}
    for (name, client), mean in means.items():
        _, of_pairs = values[name, client]
        better, pairs = int((of_pairs.mean(axis=1) > 0).sum()), len(of_pairs)
        simultaneous = mean.interval(level=1 - 0.05 / len(means))
        answers[name][client] = Answer(
            mean, intervals[name, client], equivalence[name, client], simultaneous, better=better, pairs=pairs
        )
    return answers


def primary_evidence(answers: Mapping[str, Mapping[str, Answer]], *, seeds: int) -> dict[str, dict[str, Evidence]]:
    """Evidence on the claims about the primary questions, by client.

    Args:
        answers: of `primary_answers`.
        seeds: per pair.

    Returns:
        Id of a claim -> client -> evidence.
    """
    comparisons = sum(map(len, answers.values()))
    return {
        CLAIM_OF_QUESTION[name]: {
            client: evidence_on_pairs(
                answer.mean, answer.interval, answer.equivalence, answer.pairs, seeds, comparisons
            )
            for client, answer in by_client.items()
        }
        for name, by_client in answers.items()
    }


def small_rejector_difference(table: pd.DataFrame) -> pd.Series:
    """By how much the area with a linear rejector exceeds that of confidence, where it was trained.

    Args:
        table: of `class_pairs.read_pairs_table`.

    Returns:
        One difference per pair, client and seed; NaN where it was not trained.
    """
    areas = table.pivot(index=["classes", "client", "seed"], columns="system", values="area")
    return areas[SMALL_REJECTOR] - areas["confidence"]


def hard_minus_easy(table: pd.DataFrame) -> pd.Series:
    """The share that learning to help sends of images that are hard for people, minus that of easy ones.

    Args:
        table: of `class_pairs.read_pairs_table`.

    Returns:
        One difference per pair, client and seed.
    """
    return table[table.system == LEARNING_TO_HELP].set_index(["classes", "client", "seed"]).hard_minus_easy


def worst_difference_of_variant(table: pd.DataFrame) -> dict[str, Evidence]:
    """Evidence on the least difference in accuracy of the variant to any baseline at any coverage, by client.

    The pairs that served its choice are left out. The limits are the least of the 95 % intervals: the least lower limit
    exceeds the least difference only if the lower limit of that very difference does, so that it needs no correction
    over baselines and coverages (Berger 1982, Technometrics 24(4)).

    Args:
        table: of `class_pairs.read_pairs_table`.
    """
    seeds = int(table.seed.nunique())
    return {
        client: Evidence(*least, seeds=seeds, units="pairs of classes")
        for client, least in _least_differences(table, level=0.95).items()
    }


def describe_variant(table: pd.DataFrame) -> str:
    """One sentence on the limits of the variant's least differences with Bonferroni's correction, as the rule once was.

    Args:
        table: of `class_pairs.read_pairs_table`.
    """
    comparisons = len(DEVICE_BASELINES) * len(COVERAGE_PERCENT) * len(PAIR_CLIENTS)
    least = _least_differences(table, level=1 - 0.05 / comparisons)
    limits = ", ".join(f"{interval.low:+.4f} ({client})" for client, interval in least.items())
    return (
        "The least lower limit needs no correction for the number of baselines and coverages. With Bonferroni's "
        f"correction over all {comparisons} comparisons, which the rule had before, it would be {limits}."
    )


def _least_differences(table: pd.DataFrame, *, level: float) -> dict[str, Interval]:
    judged = table[~table.classes.str.split("/").map(lambda pair: CHOICE_CLASS in pair)]
    differences = [one for baseline in DEVICE_BASELINES for one in _accuracy_differences(judged, baseline)]
    least = {}
    for client in PAIR_CLIENTS:
        intervals = [class_pairs_mean(*by_pair(one, client)).interval(level=level) for one in differences]
        least[client] = Interval(*map(float, np.min(np.array(intervals), axis=0)))
    return least


def _accuracy_differences(table: pd.DataFrame, baseline: str) -> list[pd.Series]:
    names = [f"accuracy_at_{percent}" for percent in COVERAGE_PERCENT]
    accuracies = table.pivot(index=["classes", "client", "seed"], columns="system", values=names)
    return [accuracies[name][STACKED_NAME] - accuracies[name][baseline] for name in names]


def seeds_of(table: pd.DataFrame) -> int:
    """How many seeds every pair has."""
    return int(table.seed.nunique())


def answer_table(answers: Mapping[str, Mapping[str, Answer]]) -> pd.DataFrame:
    """The primary answers in words that an engineer can act on.

    Args:
        answers: of `primary_answers`.

    Returns:
        One row per question and client: the mean difference with its interval, the pairs on which it is above zero,
        and the answer.
    """
    rows = {
        (name, client): {
            "difference": f"{answer.mean.estimate:+.4f} [{answer.interval.low:+.4f}, {answer.interval.high:+.4f}]",
            "better on": f"{answer.better} of {answer.pairs} pairs",
            "a new pair": "[{:+.3f}, {:+.3f}]".format(*answer.mean.new_pair_interval()[1:]),
            "answer": answer_in_words(answer),
        }
        for name, by_client in answers.items()
        for client, answer in by_client.items()
    }
    return pd.DataFrame(rows).T


def answer_in_words(answer: Answer) -> str:
    """Better, worse, or no difference of the size of the margin; and whether a difference reaches the margin.

    That it is smaller follows from the tests of equivalence, that it is larger from simultaneous intervals.

    >>> mean, interval = ClassPairsMean(0.002, 0.001, 40.0, 0.0, 0.0), Interval(0.002, 0.001, 0.003)
    >>> answer_in_words(Answer(mean, interval, interval, interval, better=30, pairs=45))
    'better, by less than 0.01'
    """
    negligible = answer.equivalence.low > -SMALLEST_EFFECT and answer.equivalence.high < SMALLEST_EFFECT
    if answer.interval.low <= 0 <= answer.interval.high:
        return f"no difference of {SMALLEST_EFFECT:g}" if negligible else "undecided"
    direction = "better" if answer.interval.low > 0 else "worse"
    if negligible:
        return f"{direction}, by less than {SMALLEST_EFFECT:g}"
    beyond = answer.simultaneous.low >= SMALLEST_EFFECT or answer.simultaneous.high <= -SMALLEST_EFFECT
    return f"{direction}, {'by more than' if beyond else 'undecided whether by'} {SMALLEST_EFFECT:g}"


def describe_joint_training(answers: Mapping[str, Mapping[str, Answer]]) -> str:
    """One sentence on joint training for the landing page and the chapter's opening.

    Args:
        answers: of `primary_answers`.

    Returns:
        A sentence that holds for all clients together.
    """
    apart = [answer for name in ("minus separate, area", "minus two-stage, area") for answer in answers[name].values()]
    largest = max(answer.equivalence.high for answer in apart)
    worse = sum(answer.interval.high < 0 for answer in apart)
    better = sum(answer.interval.low > 0 for answer in apart)
    return (
        f"On average over pairs of classes ({apart[0].pairs} pairs of CIFAR-10), training rejector and server together "
        f"has no advantage larger than {max(largest, 0.0):.3f} in area over training them apart; of {len(apart)} "
        f"comparisons, it is significantly better in {better} and worse in {worse}."
    )


def pair_differences(table: pd.DataFrame, questions: Sequence[str] = tuple(QUESTIONS)) -> pd.DataFrame:
    """One difference per question, client and pair, for figures.

    Args:
        table: of `class_pairs.read_pairs_table`.
        questions: names in QUESTIONS.

    Returns:
        Columns question, client, classes, difference.
    """
    rows = []
    for name in questions:
        differences = QUESTIONS[name](table)
        for client in PAIR_CLIENTS:
            pairs, values = by_pair(differences, client)
            rows += [
                {"question": name, "client": client, "classes": "/".join(pair), "difference": value}
                for pair, value in zip(pairs, values.mean(axis=1), strict=True)
            ]
    return pd.DataFrame(rows)
