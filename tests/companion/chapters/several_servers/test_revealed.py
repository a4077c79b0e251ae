"""What decisions reveal, on made-up decisions with a known answer."""

import numpy as np
import pytest
from helpers.deployment import predictions

from companion.chapters.parameters import settings_for
from companion.chapters.several_servers import experts, revealed
from companion.chapters.several_servers.routing import TRAINED, Routed
from l2h.problem import Predictions


@pytest.fixture(scope="module")
def task():
    return experts.load_task("digits")


def systems(actions):
    return [{("three experts", TRAINED): Routed(actions, np.zeros(len(actions)), np.zeros(len(actions), bool))}]


def test_whom_a_device_asks_may_reveal_all_and_that_it_asks_nothing(task):
    domain = task.domain_of[task.y_test]
    found = revealed.revealed_shares([predictions()], task, systems(domain + 1))
    assert found["whom it asks, of the domain"].mean() == pytest.approx(1.0, abs=0.01)
    assert found["whether it asks, of the domain"].mean() == pytest.approx(0.0, abs=1e-12)


def test_asking_for_one_class_reveals_it(task):
    y = np.array([-1, 1] * 100)
    told = Predictions(m=y, r=-y.astype(float), e=y.astype(float), y=y)
    shares = revealed.revealed_shares([told], task, systems(np.zeros(len(task.y_test), dtype=int)))
    assert shares["whether it asks, of two classes"].mean() == pytest.approx(1.0, abs=0.01)
    table = revealed.revealed_table(shares, revealed.label_entropies([told], task))
    assert table.loc["whether it asks, of two classes", "entropy, bits"] == pytest.approx(1.0)
    assert table.loc["whom it asks, of the domain", "revealed, bits"] == pytest.approx(0.0, abs=1e-12)


def test_the_correction_is_closer_to_the_truth():
    table = revealed.bias_table()
    error = table[["from frequencies", "corrected"]].sub(table["truth"], axis=0).abs()
    assert (error["corrected"] < error["from frequencies"] / 2).all()
    assert table.loc[("independent", 100), "truth"] == pytest.approx(0.0, abs=1e-12)


def test_the_run_whose_requests_are_looked_at_is_one_of_chapter_06():
    config = revealed.offload_config(settings_for("several_servers", "paper"))
    assert (config.method, config.ce, config.client) == ("learning_to_help", 0.1, "as_released")
