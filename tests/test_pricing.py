"""Money in, costs out: units cancel, and decisions agree with the accounts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from l2h.pricing import Prices, Question, break_even, costs_of, most_for_a_question
from l2h.problem import Costs

amounts = st.floats(0, 10)
values = st.floats(0.01, 10)


@given(values, amounts, amounts, amounts, amounts, amounts, values)
def test_costs_are_money_over_money(device, server, waiting, traffic, fee, unit, currency):
    question = Question(milliseconds=unit, bytes=2 * unit, joules=3 * unit, fee=fee)
    prices = Prices(device, server, millisecond=waiting, byte=traffic, joule=waiting)
    costs = costs_of(question, prices)
    assert costs.c1 == pytest.approx(server / device)
    assert costs.ce * device == pytest.approx(fee + unit * waiting + 2 * unit * traffic + 3 * unit * waiting)
    rates = {"millisecond": waiting, "byte": traffic, "joule": waiting}
    abroad = Prices(device * currency, server * currency, **{name: rate * currency for name, rate in rates.items()})
    again = costs_of(Question(unit, 2 * unit, 3 * unit, fee * currency), abroad)
    assert (again.c1, again.ce) == pytest.approx((costs.c1, costs.ce))


@given(values, amounts, st.floats(0, 1), st.floats(0, 1), amounts)
def test_a_question_pays_where_the_account_says_so(device, server, p, p_e, fee):
    prices = Prices(device_mistake=device, server_mistake=server)
    costs = costs_of(Question(fee=fee), prices)
    kept, asked = p * device, p_e * server + fee
    if abs(kept - asked) > 1e-9:
        assert (p > break_even(costs, server_error=p_e)) == (kept > asked)
    assert most_for_a_question(prices, device_error=p, server_error=p_e) == pytest.approx(max(0, kept - p_e * server))


def test_what_has_no_price_is_refused():
    with pytest.raises(ValueError, match="finite milliseconds >= 0, got -1"):
        Question(milliseconds=-1)
    with pytest.raises(ValueError, match="finite fee >= 0"):
        Question(fee=float("inf"))
    with pytest.raises(ValueError, match="device_mistake > 0, got 0"):
        Prices(device_mistake=0, server_mistake=1)
    with pytest.raises(ValueError, match="finite server_mistake >= 0"):
        Prices(device_mistake=1, server_mistake=-1)
    with pytest.raises(ValueError, match=r"server_error in \[0, 1\]"):
        break_even(Costs(), server_error=1.5)
    with pytest.raises(ValueError, match=r"device_error in \[0, 1\]"):
        most_for_a_question(Prices(1, 1), device_error=-0.1, server_error=0.1)
