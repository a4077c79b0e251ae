"""Clients and servers of the page on several servers: what each can know, and what it was fitted on."""

import numpy as np
import pytest

from companion.chapters.several_servers import experts


@pytest.fixture(scope="module")
def task():
    return experts.load_task("digits")


def test_each_domain_has_one_expert_and_each_class_a_domain(task):
    groups = experts.expert_domains(task.domain_of)
    assert len(groups) == experts.EXPERT_COUNT
    assert sorted(np.concatenate(groups)) == sorted(set(task.domain_of))
    assert len(task.domain_of) == len(set(task.y_train))


def test_least_squares_recovers_separable_classes():
    generator = np.random.default_rng(0)
    y = generator.integers(2, 5, 300)
    x = np.eye(3)[y - 2] * 10 + generator.normal(size=(300, 3))
    model = experts.fit_linear(x, y, columns=3)
    assert (model.predict(x) == y).mean() > 0.99
    assert set(experts.fit_linear(x, y, columns=1).predict(x)) <= {2, 3, 4}


def test_an_expert_is_wrong_outside_its_domains_and_the_big_server_knows_all(task):
    found = experts.answers(task, seed=0)
    domain = task.domain_of[task.y_test]
    for j, known in enumerate(experts.expert_domains(task.domain_of)):
        assert found.servers_wrong_test[~np.isin(domain, known), j].all()
        assert found.servers_wrong_test[np.isin(domain, known), j].mean() < 0.3
    assert found.client_wrong_test[~np.isin(domain, task.known)].all()
    assert found.servers_wrong_test[:, -1].mean() < 0.15


def test_rejectors_learn_from_the_other_half(task):
    found = experts.answers(task, seed=0)
    assert len(found.x) + len(task.y_train) // 2 + len(task.y_train) % 2 == len(task.y_train)
    other = experts.answers(task, seed=1)
    assert not np.array_equal(found.x, other.x)
    assert np.array_equal(found.x_test, other.x_test)


def test_without_the_queries_digits_stand_in_with_a_banner(monkeypatch, tmp_path):
    monkeypatch.setenv("L2H_DATA", str(tmp_path))
    task = experts.load_task("cifar10")
    assert task.name == "digits" and "no number on queries" in task.banner
