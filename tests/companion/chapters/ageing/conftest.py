"""The stand-in with two seeds and small forests, and all policies on it."""

import pytest

from companion.chapters.ageing import experiments, readings

TREES = 4


@pytest.fixture(scope="package")
def aged():
    return readings.stand_in("nothing is at hand")


@pytest.fixture(scope="package")
def deployments(aged):
    return experiments.deploy_all(aged, n_trees=TREES, seeds=2)


@pytest.fixture(scope="package")
def runs(aged, deployments):
    return experiments.simulate_all_policies(deployments, aged, n_trees=TREES)
