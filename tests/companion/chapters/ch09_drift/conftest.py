"""Two systems whose streams are small."""

import pytest
from helpers.drift import toy_system

from companion.chapters.ch09_drift import experiments


@pytest.fixture(scope="module")
def systems():
    return [toy_system(seed) for seed in range(2)]


@pytest.fixture(scope="module")
def drift_streams(systems):
    return experiments.sample_streams(systems[0].tables, length=400, seeds=2)
