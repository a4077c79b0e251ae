"""Regions of policies in chapter 11 against prices by hand."""

import numpy as np
import pytest
from helpers.deployment import RADIO, predictions

from companion.chapters.ch11_deployment import regions
from companion.chapters.ch11_deployment.deployments import RECEIVED_BYTES, SENT_BYTES
from l2h.evaluation.metrics import offload_rate
from l2h.pricing import UnitPrices
from l2h.problem import server_label
from l2h.serving.simulation.links import Radio

P = predictions()
SYSTEMS = [{"confidence": P, "learning to help": P}]
PRICES = UnitPrices(client_mistake=0.1, server_mistake=0.3, millisecond=1e-5, byte=1e-9, joule=1e-3)


def prices(request, client, radio=RADIO):
    found = regions.mean_prices(
        SYSTEMS, request_seconds=np.array([request]), client_seconds=np.array([client]), radio=radio, prices=PRICES
    )
    return {name: float(value[0, 0]) for name, value in found.items()}


def test_the_constant_policies_have_the_price_of_their_mistakes_and_seconds():
    found = prices(0.2, 0.5)
    assert found["keep"] == pytest.approx(0.1 * (P.m != P.y).mean() + 0.01 * 0.5)
    joules = 3.5e-6 * SENT_BYTES + 1.0 * 0.2 + 10.0
    request = 1e-9 * (SENT_BYTES + RECEIVED_BYTES) + 1e-3 * joules
    assert found["ask"] == pytest.approx(0.3 * (server_label(P.e) != P.y).mean() + 0.01 * 0.2 + request)


def test_a_rejector_saves_the_client_where_it_asks_and_confidence_does_not():
    slow, fast = prices(0.2, 2.0, Radio()), prices(0.2, 1.0, Radio())
    per_second = {name: (slow[name] - fast[name]) / 0.01 for name in slow}
    share = offload_rate(P)
    expected = {
        "keep": 1,
        "confidence": 1,
        "learning to help": 1 - share + regions.relative_rejector_seconds(),
        "ask": 0,
    }
    assert per_second == pytest.approx(expected, abs=1e-9)


def test_the_least_price_is_found_everywhere():
    found = {"keep": np.array([[0.0, 2.0]]), "ask": np.array([[1.0, 1.0]])}
    np.testing.assert_array_equal(regions.least_price(found), [[0, 1]])
