"""Money in, costs out: units cancel, and decisions agree with the accounts."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from l2h.evaluation.metrics import reference_losses
from l2h.pricing import (
    OffloadCost,
    UnitPrices,
    break_even_client_error,
    break_even_price,
    costs_from_prices,
    reference_losses_from_rates,
)
from l2h.problem import Costs, Predictions

amounts = st.floats(0, 10)
values = st.floats(0.01, 10)


@given(values, amounts, amounts, amounts, amounts, amounts, values)
def test_costs_are_money_over_money(device, server, waiting, traffic, fee, unit, currency):
    question = OffloadCost(milliseconds=unit, bytes=2 * unit, joules=3 * unit, fee=fee)
    prices = UnitPrices(device, server, millisecond=waiting, byte=traffic, joule=waiting)
    costs = costs_from_prices(question, prices)
    assert costs.c1 == pytest.approx(server / device)
    assert costs.ce * device == pytest.approx(fee + unit * waiting + 2 * unit * traffic + 3 * unit * waiting)
    rates = {"millisecond": waiting, "byte": traffic, "joule": waiting}
    abroad = UnitPrices(device * currency, server * currency, **{name: rate * currency for name, rate in rates.items()})
    again = costs_from_prices(OffloadCost(unit, 2 * unit, 3 * unit, fee * currency), abroad)
    assert (again.c1, again.ce) == pytest.approx((costs.c1, costs.ce))


@given(values, amounts, st.floats(0, 1), st.floats(0, 1), amounts)
def test_a_question_pays_where_the_account_says_so(device, server, p, p_e, fee):
    prices = UnitPrices(client_mistake=device, server_mistake=server)
    costs = costs_from_prices(OffloadCost(fee=fee), prices)
    kept, asked = p * device, p_e * server + fee
    if abs(kept - asked) > 1e-9:
        assert (p > break_even_client_error(costs, server_error=p_e)) == (kept > asked)
    assert break_even_price(prices, client_error=p, server_error=p_e) == pytest.approx(max(0, kept - p_e * server))


def test_what_has_no_price_is_refused():
    with pytest.raises(ValueError, match="finite milliseconds >= 0, got -1"):
        OffloadCost(milliseconds=-1)
    with pytest.raises(ValueError, match="finite fee >= 0"):
        OffloadCost(fee=float("inf"))
    with pytest.raises(ValueError, match="client_mistake > 0, got 0"):
        UnitPrices(client_mistake=0, server_mistake=1)
    with pytest.raises(ValueError, match="finite server_mistake >= 0"):
        UnitPrices(client_mistake=1, server_mistake=-1)
    with pytest.raises(ValueError, match=r"server_error in \[0, 1\]"):
        break_even_client_error(Costs(), server_error=1.5)
    with pytest.raises(ValueError, match=r"client_error in \[0, 1\]"):
        break_even_price(UnitPrices(1, 1), client_error=-0.1, server_error=0.1)


@given(st.lists(st.integers(0, 9), min_size=4, max_size=4).filter(any), amounts, amounts)
def test_levels_are_what_is_measured_on_any_counts_of_who_is_wrong(counts, c1, ce):
    client, server = (np.repeat(wrong, counts) for wrong in ([0, 0, 1, 1], [0, 1, 0, 1]))
    n, y = sum(counts), np.ones(sum(counts), dtype=int)
    arguments = {"client_error": client.sum() / n, "server_error": server.sum() / n, "both_wrong": counts[3] / n}
    measured = reference_losses(
        Predictions(m=1 - 2 * client, r=np.zeros(n), e=1.0 - 2 * server, y=y), costs=Costs(c1=c1, ce=ce)
    )
    assert reference_losses_from_rates(Costs(c1=c1, ce=ce), **arguments) == pytest.approx(measured)


@pytest.mark.parametrize("both_wrong", [0.05, 0.45])
def test_both_cannot_be_wrong_more_or_less_often_than_their_rates_allow(both_wrong):
    with pytest.raises(ValueError, match=r"expected both_wrong in \[0.1, 0.4\]"):
        reference_losses_from_rates(Costs(c1=1.0, ce=0.1), client_error=0.7, server_error=0.4, both_wrong=both_wrong)
    with pytest.raises(ValueError, match="server_error"):
        reference_losses_from_rates(Costs(c1=1.0, ce=0.1), client_error=0.7, server_error=1.4, both_wrong=0.4)
