"""Faults of the fake vendor in the rows of an answer: whose they are, when, how many, and what they say."""

from datetime import date, datetime
from zoneinfo import ZoneInfo

import pytest

from orion_assets.clock import FixedClock
from orion_assets.sources.synthetic.vendor import faults_rows
from orion_assets.sources.synthetic.vendor.faults import FaultPlan, Rule
from orion_assets.sources.synthetic.vendor.server import fake_vendor
from orion_assets_tests.raw_http import ask
from orion_assets_tests.unit.sources.erring import DAILY, GROUPED, LAST, NOW, Seen

MINUTES = f"/v2/aggs/ticker/SAAA/range/1/minute/{LAST}/{LAST}?limit=50000"
NEWS, SPLITS = "/v2/reference/news", "/v3/reference/splits"
SEEN = Seen()


@SEEN.of("wrong_ticker")
def test_another_ticker_stands_in_rows(around):
    healthy, got = around(GROUPED, "wrong_ticker", rows=2)

    assert [row["T"] for row in got.rows[:3]] == ["WRONG", "WRONG", healthy.rows[2]["T"]]


@SEEN.of("out_of_range")
def test_rows_of_another_year_come_along(around):
    healthy, got = around(DAILY, "out_of_range", days=-365)

    assert healthy.rows[0]["t"] - got.rows[0]["t"] == 365 * 86_400_000
    assert got.rows[1:] == healthy.rows[1:]


@SEEN.of("out_of_order")
def test_rows_come_shuffled_and_the_same_way_each_time(market, around):
    healthy, got = around(DAILY, "out_of_order")

    with fake_vendor(market, clock=FixedClock(NOW), faults=FaultPlan([Rule("out_of_order")])) as other:
        again = ask(other.port, DAILY).rows
    assert got.rows != healthy.rows
    assert sorted(got.rows, key=lambda row: row["t"]) == healthy.rows
    assert again == got.rows


@SEEN.of("overlap")
def test_a_page_starts_with_the_end_of_the_one_before(around):
    healthy, got = around.pages("overlap", rows=3)

    assert got[1].rows == healthy[0].rows[-3:] + healthy[1].rows


@SEEN.of("duplicate_row")
@pytest.mark.parametrize(("factor", "differs"), [(1.01, True), (1, False)])
def test_a_ticker_comes_twice(around, factor, differs):
    healthy, got = around(GROUPED, "duplicate_row", row=2, factor=factor)

    assert got.rows[:-1] == healthy.rows
    assert got.rows[-1]["T"] == healthy.rows[2]["T"]
    assert (got.rows[-1]["c"] != healthy.rows[2]["c"]) == differs
    assert got.json["resultsCount"] == len(healthy.rows) + 1


@SEEN.of("bad_number")
@pytest.mark.parametrize("value", ["NaN", "Infinity", "null", '"12.5"', "1e400"])
def test_a_number_is_none(around, value):
    healthy, got = around(GROUPED, "bad_number", value=value, member="c", row=1)

    assert f'"c":{value},'.encode() in got.body
    others = [row for place, row in enumerate(got.rows) if place != 1]
    assert others == [row for place, row in enumerate(healthy.rows) if place != 1]


@SEEN.of("impossible")
@pytest.mark.parametrize(
    ("kind", "is_wrong"),
    [
        ("negative_price", lambda row: row["c"] < 0),
        ("zero_price", lambda row: row["o"] == row["h"] == row["l"] == row["c"] == 0),
        ("negative_volume", lambda row: row["v"] < 0),
        ("high_below_low", lambda row: row["h"] < row["l"]),
        ("vw_outside", lambda row: row["vw"] > row["h"]),
    ],
)
def test_a_bar_cannot_be(around, kind, is_wrong):
    healthy, got = around(GROUPED, "impossible", kind=kind)

    assert [is_wrong(row) for row in got.rows[:2]] == [True, False]
    assert not is_wrong(healthy.rows[0])


@SEEN.of("huge", "garbage_ticker")
def test_a_row_is_rubbish(around, vendor):
    _, huge = around(GROUPED, "huge")
    vendor.faults.clear()
    _, garbage = around(GROUPED, "garbage_ticker")

    assert huge.rows[0]["h"] == 1e13
    with pytest.raises(UnicodeDecodeError):
        garbage.body.decode()


@SEEN.of("epoch")
@pytest.mark.parametrize(("unit", "scale"), [("s", 1e-3), ("us", 1e3), ("ns", 1e6)])
def test_times_are_of_another_unit(around, unit, scale):
    healthy, got = around(GROUPED, "epoch", unit=unit)

    assert [row["t"] for row in got.rows] == [int(row["t"] * scale) for row in healthy.rows]


@SEEN.of("missing")
def test_half_of_the_tickers_are_missing(around):
    healthy, got = around(GROUPED, "missing", share=0.5)

    assert 2 < len(got.rows) < len(healthy.rows) - 2
    assert got.json["resultsCount"] == len(got.rows)
    assert [row for row in healthy.rows if row in got.rows] == got.rows


@SEEN.of("restated")
def test_a_bar_is_restated_on_every_route(around, vendor):
    day = date(2026, 11, 19)
    grouped = f"/v2/aggs/grouped/locale/us/market/stocks/{day}?adjusted=false"
    before = {row["T"]: row["c"] for row in ask(vendor.port, grouped).rows}
    daily, after = around(DAILY.replace("limit=20", "limit=500"), "restated", ticker="SAAA", session=day, factor=1.5)

    told = {row["T"]: row["c"] for row in ask(vendor.port, grouped).rows}
    assert told == before | {"SAAA": pytest.approx(before["SAAA"] * 1.5)}
    changed = [(old["c"], new["c"]) for old, new in zip(daily.rows, after.rows, strict=True) if old != new]
    assert changed == [(before["SAAA"], pytest.approx(before["SAAA"] * 1.5))]


@SEEN.of("late_start")
def test_a_list_begins_later_than_was_asked(around):
    healthy, got = around(NEWS, "late_start", rows=2)

    assert got.rows == healthy.rows[2:]
    assert got.json["count"] == len(got.rows)


@SEEN.of("short_list")
def test_a_list_is_shorter_than_its_count(around):
    healthy, got = around(NEWS, "short_list", rows=2)

    assert got.rows == healthy.rows[:-2]
    assert got.json["count"] == healthy.json["count"] == len(healthy.rows)


@SEEN.of("duplicate_split", "cancelled_split")
def test_splits_come_twice_or_no_longer(around, vendor):
    healthy, twice = around(SPLITS, "duplicate_split")
    vendor.faults.clear()
    _, fewer = around(SPLITS, "cancelled_split", ticker="SAAB")

    assert len(twice.rows) == 2 * len(healthy.rows)
    assert len({row["id"] for row in twice.rows}) == len(twice.rows)
    assert len({(row["ticker"], row["split_to"]) for row in twice.rows}) < len(twice.rows)
    assert fewer.rows == [row for row in healthy.rows if row["ticker"] != "SAAB"] != healthy.rows


@SEEN.of("doubled_volumes")
def test_volumes_are_doubled(around):
    healthy, got = around(GROUPED, "doubled_volumes")

    assert [row["v"] for row in got.rows] == pytest.approx([2 * row["v"] for row in healthy.rows])


@SEEN.of("minute_hole")
def test_a_minute_is_missing_for_everybody(around):
    healthy, got = around(MINUTES, "minute_hole", at="10:31", minutes=2)

    lost = [row["t"] for row in healthy.rows if row not in got.rows]
    clocks = [datetime.fromtimestamp(t / 1000, ZoneInfo("America/New_York")).strftime("%H:%M") for t in lost]
    assert clocks == ["10:31", "10:32"]


@SEEN.of("news_edited", "news_backdated", "news_midnight", "news_same_id")
def test_news_is_edited_backdated_dated_only_or_told_twice(around, vendor):
    got = {}
    for fault in ("news_edited", "news_backdated", "news_midnight", "news_same_id"):
        vendor.faults.clear()
        healthy, answer = around(NEWS, fault)
        got[fault] = answer.rows
        assert [row["id"] for row in answer.rows[:10]] == [row["id"] for row in healthy.rows]

    first = healthy.rows[0]
    assert got["news_edited"][0]["title"] == "CORRECTED: " + first["title"]
    at = datetime.fromisoformat(first["published_utc"])
    assert (at - datetime.fromisoformat(got["news_backdated"][0]["published_utc"])).days == 2
    assert got["news_midnight"][0]["published_utc"] == f"{at:%Y-%m-%d}T00:00:00Z"
    assert got["news_same_id"][-1]["id"] == first["id"]
    assert got["news_same_id"][-1]["title"] != first["title"]


def test_every_fault_there_is_is_seen_by_a_test():
    SEEN.assert_all(faults_rows.FAULTS)
