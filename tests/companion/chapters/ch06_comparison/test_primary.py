"""The primary answers, on a table of pairs whose differences are known."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest

from companion.chapters import pairs_evidence
from companion.chapters.ch06_comparison import primary
from companion.chapters.ch06_comparison.class_pairs import COVERAGE_PERCENT, PAIR_CLIENTS
from companion.claims import registry
from companion.claims.evidence import Evidence
from l2h.evaluation.class_pairs import ClassPairsMean, class_pairs_mean
from l2h.evaluation.intervals import Interval

LETTERS = [*"abcdef", "truck"]
BASELINES = ("confidence", "separate", "two-stage", "two-stage, on scores", "stacked")


def made(advantage, *, noise=0.001, seeds=3):
    """A table in which learning to help exceeds every baseline by a number of each client."""
    generator, rows = np.random.default_rng(0), []
    for pair in combinations(LETTERS, 2):
        for client in PAIR_CLIENTS:
            for seed in range(seeds):
                level = 0.8 + noise * generator.normal()
                for system in ("learning to help", *BASELINES):
                    helps = system == "learning to help"
                    value = level + noise * generator.normal() + helps * advantage[client]
                    rows.append(
                        {"classes": "/".join(pair), "client": client, "seed": seed, "system": system, "area": value}
                        | {f"accuracy_at_{percent}": value for percent in COVERAGE_PERCENT}
                        | {"server_on_half": value, "plain_on_half": 0.8, "hard_minus_easy": 0.1 + value - level}
                    )
                    if seed == 0 and helps:
                        rows.append({**rows[-1], "system": "L2H, linear rejector", "area": level - 0.05})
    return pd.DataFrame(rows)


ADVANTAGE = {"as_released": 0.05, "well_trained": 0.0, "lenet": -0.05}


@pytest.fixture(scope="module")
def table():
    return made(ADVANTAGE)


@pytest.fixture(scope="module")
def answers(table):
    return primary.primary_answers(table)


def test_differences_are_paired_by_pair_client_and_seed(table):
    difference = primary.area_difference("separate")(table)
    by_hand = table[table.system == "learning to help"].set_index(["classes", "client", "seed"]).area
    by_hand = (by_hand - table[table.system == "separate"].set_index(["classes", "client", "seed"]).area).sort_index()
    assert difference.equals(by_hand.loc[difference.index])
    pairs, values = pairs_evidence.by_pair(difference, "lenet")
    assert values[pairs.index(("b", "d"))].tolist() == by_hand["b/d", "lenet"].tolist()


def test_an_answer_is_better_worse_or_no_difference(answers):
    for name, by_client in answers.items():
        assert [answer.mean.estimate for answer in by_client.values()] == pytest.approx([0.05, 0, -0.05], abs=0.002)
        words = [primary.answer_in_words(answer) for answer in by_client.values()]
        assert words == ["better, by more than 0.01", "no difference of 0.01", "worse, by more than 0.01"], name
        assert [(answer.better, answer.pairs) for answer in by_client.values()][::2] == [(21, 21), (0, 21)]


def test_intervals_of_the_family_are_wider_than_one_alone(answers, table):
    for name, by_client in answers.items():
        for client, answer in by_client.items():
            alone = class_pairs_mean(*pairs_evidence.by_pair(primary.QUESTIONS[name](table), client)).interval()
            assert answer.interval.low <= alone.low and alone.high <= answer.interval.high


def test_evidence_is_that_of_the_claims(answers):
    found = primary.primary_evidence(answers, seeds=3)
    claims = registry.chapter_claims("06_comparison")
    for name, evidence in found.items():
        assert list(evidence) == list(claims[name].rule.cases)
    one = found["joint-beats-separate"]["lenet"]
    answer = answers["minus separate, area"]["lenet"]
    assert (one.low, one.high, one.comparisons, one.seeds) == (answer.interval.low, answer.interval.high, 12, 3)
    assert (one.equivalence_low, one.equivalence_high) == (answer.equivalence.low, answer.equivalence.high)


def test_secondary_evidence_is_not_adjusted(table):
    found = pairs_evidence.secondary_evidence(primary.hard_minus_easy(table), clients=PAIR_CLIENTS)
    one = found["as_released"]
    expected = class_pairs_mean(*pairs_evidence.by_pair(primary.hard_minus_easy(table), "as_released"))
    assert (one.estimate, one.low, one.high) == expected.interval()
    assert (one.equivalence_low, one.equivalence_high) == expected.interval(level=0.9)[1:]
    assert one.seeds == 3 and one.comparisons is None


def test_a_system_that_few_seeds_have_counts_these(table):
    found = pairs_evidence.secondary_evidence(primary.small_rejector_difference(table), clients=PAIR_CLIENTS)
    assert found["lenet"].seeds == 1
    assert found["lenet"].estimate == pytest.approx(-0.05, abs=0.002)


def test_the_variant_is_judged_on_pairs_without_the_class_of_its_choice():
    table = made(dict.fromkeys(PAIR_CLIENTS, 0.0), noise=1e-4)
    with_choice_class = table.classes.str.contains("truck") & (table.system == "stacked")
    accuracies = [f"accuracy_at_{percent}" for percent in COVERAGE_PERCENT]
    table.loc[with_choice_class, accuracies] -= 0.5
    found = primary.worst_difference_of_variant(table)
    assert all(evidence.low > -0.001 for evidence in found.values())
    table.loc[table.system == "separate", "accuracy_at_70"] += 0.2
    worse = primary.worst_difference_of_variant(table)
    assert [evidence.estimate for evidence in worse.values()] == pytest.approx([-0.2] * 3, abs=0.001)
    assert worse["lenet"].comparisons is None
    assert all(isinstance(evidence, Evidence) and evidence.low < -0.2 < evidence.high for evidence in worse.values())


def test_the_sentence_names_the_largest_advantage_of_joint_training(answers):
    text = primary.describe_joint_training(answers)
    apart = [
        answers[name][client] for name in ("minus separate, area", "minus two-stage, area") for client in PAIR_CLIENTS
    ]
    assert f"{max(answer.equivalence.high for answer in apart):.3f}" in text
    assert "(21 pairs of CIFAR-10)" in text and "better in 2 and worse in 2" in text


def test_the_sentence_on_the_variant_has_the_corrected_limits_of_each_client(table):
    differences = [one for name in primary.DEVICE_BASELINES for one in _differences_without_truck(table, name)]
    lowest = min(
        class_pairs_mean(*pairs_evidence.by_pair(one, "lenet")).interval(level=1 - 0.05 / 135).low
        for one in differences
    )
    text = primary.describe_variant(table)
    assert f"{lowest:+.4f} (lenet)" in text and "(as_released), " in text
    assert lowest < primary.worst_difference_of_variant(table)["lenet"].low


def _differences_without_truck(table, baseline):
    kept = table[~table.classes.str.contains("truck")].set_index(["classes", "client", "seed"])
    for percent in COVERAGE_PERCENT:
        accuracy = kept[f"accuracy_at_{percent}"]
        yield (accuracy[kept.system == "stacked"] - accuracy[kept.system == baseline]).sort_index()


@pytest.mark.parametrize(
    ("interval", "equivalence", "words"),
    [
        ((0.002, 0.001, 0.003), (0.001, 0.003), "better, by less than 0.01"),
        ((0.009, 0.001, 0.017), (0.002, 0.016), "better, undecided whether by 0.01"),
        ((-0.02, -0.03, -0.011), (-0.029, -0.012), "worse, by more than 0.01"),
        ((0.005, -0.005, 0.015), (-0.003, 0.013), "undecided"),
    ],
)
def test_answers_in_words(interval, equivalence, words):
    mean = ClassPairsMean(interval[0], 0.001, 40.0, 0.0, 0.0)
    answer = primary.Answer(mean, Interval(*interval), Interval(interval[0], *equivalence), Interval(*interval), 30, 45)
    assert primary.answer_in_words(answer) == words


def test_the_table_of_answers_has_a_row_per_question_and_client(answers):
    shown = primary.answer_table(answers)
    assert list(shown.index) == [(name, client) for name in primary.QUESTIONS for client in PAIR_CLIENTS]
    assert shown.loc[("minus separate, area", "lenet"), "better on"] == "0 of 21 pairs"


def test_figures_get_one_difference_per_pair(table):
    found = primary.pair_differences(table)
    assert len(found) == 4 * 3 * 21
    one = found[(found.question == "minus two-stage, area") & (found.client == "lenet")].set_index("classes")
    pairs, values = pairs_evidence.by_pair(primary.QUESTIONS["minus two-stage, area"](table), "lenet")
    assert one.difference["a/truck"] == pytest.approx(values[pairs.index(("a", "truck"))].mean())
