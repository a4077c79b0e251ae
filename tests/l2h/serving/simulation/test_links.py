"""Delays and outages follow their definitions; the shipped table is what the derivation gives."""

import gzip

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from l2h.data import sources
from l2h.serving.simulation import links
from l2h.serving.simulation.links import Link, Outages, Quantiles, Radio


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=50), st.lists(st.floats(0, 1), min_size=1, max_size=20))
@settings(max_examples=50, deadline=None)
def test_quantiles_of_measurements_stay_in_their_range_and_rise(values, probabilities):
    quantiles = Quantiles.measured(values)
    drawn = quantiles.at(np.sort(probabilities))
    assert (np.diff(drawn) >= 0).all()
    assert min(values) <= drawn[0] and drawn[-1] <= max(values)
    assert quantiles.at(np.array([0.5])) == pytest.approx(np.median(values))


def test_the_mean_is_that_of_the_draws():
    quantiles = Quantiles((0, 10, 100), (0.0, 1.0, 5.0))
    assert quantiles.mean() == pytest.approx(quantiles.at(np.linspace(0, 1, 100_001)).mean(), rel=1e-4)
    assert Quantiles.constant(3.0).mean() == 3.0


@given(st.lists(st.integers(0, 3), min_size=1, max_size=30).filter(any), st.integers(0, 100))
@settings(max_examples=80, deadline=None)
def test_the_wait_for_the_end_of_an_outage_is_that_until_the_next_bin_with_capacity(packets, time):
    outages = Outages.from_capacity(np.array(packets), seconds=1.0)
    turned = (
        packets[next(i for i, p in enumerate(packets) if p) :] + packets[: next(i for i, p in enumerate(packets) if p)]
    )
    expected = next(wait for wait in range(len(turned) + 1) if turned[(time + wait) % len(turned)])
    assert outages.wait(np.array([float(time)])).tolist() == [float(expected)]
    assert outages.share() == pytest.approx(packets.count(0) / len(packets))


def test_outages_from_quantiles_have_their_lengths():
    down, up = Quantiles((0, 100), (1.0, 3.0)), Quantiles((0, 100), (5.0, 15.0))
    outages = Outages.from_quantiles(down, up, seed=0)
    lengths, between = outages.end - outages.start, outages.start - np.append(0.0, outages.end[:-1])
    assert len(lengths) == 1000
    assert lengths.mean() == pytest.approx(2.0, rel=0.05) and between.mean() == pytest.approx(10.0, rel=0.05)
    assert outages.share() == pytest.approx(1 / 6, rel=0.06)
    assert abs(np.corrcoef(lengths, between)[0, 1]) < 0.1
    assert not np.array_equal(outages.start, Outages.from_quantiles(down, up, seed=1).start)


def test_a_message_takes_half_a_round_trip_and_its_bytes():
    link = Link(Quantiles.constant(0.1), up=Quantiles.constant(1e5), down=Quantiles.constant(1e6))
    delays = link.delays((3, 2), sent=3000, received=2000, seed=0)
    assert delays.up.shape == delays.down.shape == (3, 2)
    assert np.allclose(delays.up, 0.05 + 0.03) and np.allclose(delays.down, 0.05 + 0.002)


def test_losses_double_the_time_out():
    link = Link(Quantiles.constant(0.1), Quantiles.constant(1e6), Quantiles.constant(1e6), loss=0.3)
    delays = link.delays((20_000,), sent=0, received=0, seed=0)
    losses = np.log2((delays.up - 0.05) / 0.3 + 1)
    assert np.allclose(losses, losses.round(), atol=1e-9)
    assert [np.mean(losses.round() >= k) for k in (1, 2)] == pytest.approx([0.3, 0.09], rel=0.05)
    assert not np.array_equal(delays.up, delays.down)
    assert (link.delays((9,), sent=0, received=0, seed=0).up == delays.up[:9]).all()


def test_a_seed_draws_the_same_probabilities_on_every_link():
    fast, slow = Quantiles((0, 100), (0.1, 0.2)), Quantiles((0, 100), (1.0, 2.0))
    rate = Quantiles.constant(1e9)
    trips = [Link(q, rate, rate).delays((50,), sent=0, received=0, seed=3).up for q in (fast, slow)]
    assert np.allclose(10 * trips[0], trips[1])


def test_a_link_without_variation_has_the_medians():
    plain = links.measured_link("LTE", outages="ATT-LTE-driving.up").without_variation()
    assert plain.round_trip.values == (0.084, 0.084) and plain.loss == 0 and plain.outages is None


@pytest.mark.parametrize(("name", "milliseconds"), [("5G", 72), ("LTE", 84), ("HSPA+", 123), ("4G", 84.8), ("3G", 80)])
def test_the_shipped_table_has_the_published_medians(name, milliseconds):
    link = links.measured_link(name)
    assert link.round_trip.at(np.array(0.5)) == pytest.approx(milliseconds / 1000)
    assert 0 < link.loss < 0.05
    assert link.up.values[0] < link.up.values[-1] < 7e6  # bytes per second


@pytest.mark.parametrize("trace", links.OUTAGES)
def test_the_shipped_outages_last_about_as_long_as_in_the_traces(trace):
    share = {"ATT-LTE-driving.up": 0.148, "TMobile-UMTS-driving.up": 0.089, "Verizon-EVDO-driving.up": 0.111}[trace]
    outages = links.measured_link("LTE", outages=trace, seed=1).outages
    assert outages.share() == pytest.approx(share, abs=0.04)


@pytest.fixture
def measurements(tmp_path):
    """A folder in the form of the extracts."""
    rows = [("5G", 70, 0), ("5G", 80, 20), ("HSDPA", 999, 0)]
    lines = ["mode,rtt_avg_ms,loss_percent", *(",".join(map(str, row)) for row in rows)]
    (tmp_path / "5g_ireland_rtt.csv").write_text("\n".join(lines))
    (tmp_path / "errant_speedtests.csv").write_text(
        "access_technology,rtt_ms,upload_mbps,download_mbps\n4G,50,8,16\n4G,70,4,8\n"
    )
    with gzip.open(tmp_path / "cellular_capacity_100ms.csv.gz", "wt") as file:
        file.write("trace,packets\nATT-LTE-driving.up,5 0 0 3 4 0 1 2\nother.up,0 1\n")
    return tmp_path


def test_the_table_is_derived_from_measurements(measurements, tmp_path):
    rows = {(row.source, row.quantity): row for row in links.quantile_table(measurements)}
    assert rows["5G", "round trip ms"].n == 2 and rows["5G", "round trip ms"].mean == 75
    assert rows["5G", "loss %"].mean == 10
    assert rows["4G", "up Mbit/s"].quantiles.at(np.array(0.5)) == 6
    assert rows["ATT-LTE-driving.up", "outage s"].quantiles.values[0] == pytest.approx(0.1)
    assert rows["ATT-LTE-driving.up", "between outages s"].mean == pytest.approx(0.2)
    assert not {source for source, _ in rows} & {"HSDPA", "other.up"}
    links.write_quantiles(tmp_path / "table.csv", rows.values())
    again = links.read_quantiles(tmp_path / "table.csv")
    assert [row[:3] for row in again] == [row[:3] for row in rows.values()]
    for row, other in zip(again, rows.values(), strict=True):
        assert row.quantiles.values == pytest.approx(other.quantiles.values, rel=1e-4)


def test_the_shipped_table_is_derived_from_the_published_measurements(tmp_path):
    """Where L2H_DATA has the extracts; elsewhere the table that is read and written again is the same."""
    folder = sources.configured_folder()
    at_hand = folder is not None and (folder / "links").exists()
    links.write_quantiles(
        tmp_path / "t.csv", links.quantile_table(folder / "links") if at_hand else links.read_quantiles()
    )
    assert (tmp_path / "t.csv").read_text() == links.LINK_TABLE.read_text()


def test_traces_are_played_as_they_were(measurements):
    outages = links.outages_of_traces(measurements / "cellular_capacity_100ms.csv.gz")
    assert set(outages) == {"ATT-LTE-driving.up", "other.up"}
    first = outages["ATT-LTE-driving.up"]
    assert first.start == pytest.approx([0.1, 0.5]) and first.end == pytest.approx([0.3, 0.6])
    assert first.period == pytest.approx(0.8)


def test_the_shipped_table_has_no_row_that_nothing_reads():
    quantities = {(row.source, row.quantity) for row in links.read_quantiles()}
    trips = {(name, "round trip ms") for name in links.RATES_OF}
    rates = {(name, f"{way} Mbit/s") for name in links.RATES_OF.values() for way in ("up", "down")}
    losses = {(name, "loss %") for name in links.LOSSES_OF.values()}
    patterns = {(trace, kind) for trace in links.OUTAGES for kind in ("outage s", "between outages s")}
    assert quantities == trips | rates | losses | patterns


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: links.measured_link("6G"), "name to be one of '5G', 'LTE'"),
        (lambda: links.measured_link("5G", outages="none"), "outages to be one of 'ATT-LTE-driving.up'"),
        (lambda: Quantiles((0, 100), (2.0, 1.0)), "quantiles that rise"),
        (lambda: Quantiles((0, 50), (1.0, 2.0)), "percents from 0 to 100"),
        (lambda: Quantiles((0, 100), (1.0, float("nan"))), "finite value at 100 %"),
        (lambda: Quantiles((0, 100), (-1.0, 2.0)), "value at 0 % >= 0, got -1"),
        (lambda: Quantiles.measured([]), "measurements >= 1, got 0"),
        (lambda: Link(Quantiles.constant(0), Quantiles.constant(0), Quantiles.constant(1)), "up > 0, got 0"),
        (lambda: Link(Quantiles.constant(0), Quantiles.constant(1), Quantiles.constant(1), loss=1.0), "1 - loss > 0"),
        (lambda: Link.constant(0.1).delays((2,), sent=-1, received=0, seed=0), "sent >= 0, got -1"),
        (lambda: Outages(np.array([2.0]), np.array([1.0]), 5.0), "in this order"),
        (lambda: Outages(np.array([0.0]), np.array([5.0]), 5.0), "a link that is up at times"),
        (lambda: Outages.from_capacity(np.zeros(4)), "a trace with a bin that is not 0"),
        (lambda: Radio(watts=-1.0), "watts >= 0, got -1"),
    ],
)
def test_bad_input_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
