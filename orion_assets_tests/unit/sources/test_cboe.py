"""Cboe's file is read whole and strictly, and its known defects are landed as they are."""

import os
import re
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest

from orion_assets.errors import AnswerDistrusted, SourceUnavailable
from orion_assets.sources import cboe
from orion_assets.sources.cboe import CboeSource, open_cboe, parse
from orion_assets.sources.protocols import Ask
from orion_assets.sources.responses import Passing
from orion_assets_tests.far_sides import CLOCK, limited, transport_to
from orion_assets_tests.scripted_server import answer, raw, scripted

DATA = Path(os.environ.get("EXAMPLE_DATA", Path(__file__).parents[4] / "shared" / "data"))
REAL = DATA / "vix" / "vix-daily.csv"
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
HEAD = b"DATE,OPEN,HIGH,LOW,CLOSE\r\n"
GOOD = (
    HEAD
    + b"11/26/2025,18.500000,18.600000,17.000000,17.190000\r\n11/28/2025,17.300000,17.900000,16.200000,16.350000\r\n"
)


@pytest.fixture
def real() -> bytes:
    if not REAL.is_file():
        pytest.skip(f"no example data at {REAL}; set EXAMPLE_DATA")
    # The copy writes dates as ISO 8601; Cboe's own file does not
    return re.sub(rb"(?m)^(\d{4})-(\d\d)-(\d\d)", rb"\2/\3/\1", REAL.read_bytes())


@pytest.fixture
def server():
    with scripted() as running:
        yield running


@pytest.fixture
def source(server):
    with transport_to(server.url, "cboe", cboe.judge, {}) as transport:
        yield CboeSource(transport)


def ask(start, end, now=NOW) -> Ask:
    return Ask("raw_vix", start, end, (), now)


def test_every_day_of_the_real_file_is_read(real):
    days = parse(real)

    assert (days.height, days["date"].min(), days["date"].max()) == (9_235, date(1990, 1, 2), date(2026, 7, 23))
    assert days["problem"].is_null().all()
    assert not days.select("open", "high", "low", "close").null_count().sum_horizontal().item()


def test_the_known_defects_of_the_real_file_are_kept(real):
    days = parse(real)

    flat = days.filter(pl.all_horizontal(pl.col("open") == pl.col(name) for name in ("high", "low", "close")))
    is_crooked = (pl.col("low") > pl.min_horizontal("open", "close")) | (
        pl.col("high") < pl.max_horizontal("open", "close")
    )
    assert (flat.height, days.filter(is_crooked).height) == (506, 47)
    assert days.filter(date=date(2006, 2, 8)).select("open", "high").row(0) == (41.60, 13.61)


def test_days_of_the_real_file_on_which_the_exchange_rests_are_filed_under_the_session_after(server, source, real):
    server.say(answer(real, is_packed=True))

    rows = source.read(ask(date(1990, 1, 2), date(2026, 7, 24))).rows

    closed = rows.filter(pl.col("session") != pl.col("date"))
    assert (rows.height, closed.height) == (9_235, 33)
    assert (closed["session"] > closed["date"]).all()
    assert closed.filter(date=date(2025, 11, 27))["session"].to_list() == [date(2025, 11, 28)]


def test_one_call_answers_whatever_the_range(server, source, real):
    server.say(answer(real))

    long, short = (
        source.read(ask(date(1990, 1, 2), date(2026, 7, 24))),
        source.read(ask(date(2008, 11, 20), date(2008, 11, 21))),
    )

    assert server.requests == 2
    assert server.heads[0].startswith("GET /api/global/us_indices/daily_prices/VIX_History.csv HTTP/1.1")
    assert long.evidence == short.evidence
    assert short.rows.select("date", "close").rows() == [(date(2008, 11, 20), 80.86)]


def test_the_file_is_silent_about_what_comes_after_it(server, source):
    server.say(answer(GOOD))

    told = source.read(ask(date(2025, 11, 24), date(2025, 12, 6)))

    assert told.through == date(2025, 11, 28)
    assert told.rows["date"].to_list() == [date(2025, 11, 26), date(2025, 11, 28)]


def test_a_value_counts_from_half_an_hour_after_the_close_half_days_too(server, source):
    server.say(answer(GOOD))

    rows = source.read(ask(date(2025, 11, 24), date(2025, 12, 6))).rows

    assert rows["ts_event"].to_list() == [
        datetime(2025, 11, 26, 21, 15, tzinfo=UTC),
        datetime(2025, 11, 28, 18, 15, tzinfo=UTC),
    ]
    assert rows["ts_assumed"].to_list() == [
        datetime(2025, 11, 26, 21, 30, tzinfo=UTC),
        datetime(2025, 11, 28, 18, 30, tzinfo=UTC),
    ]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "header"),
        (HEAD, "no row"),
        (GOOD.replace(b"OPEN,HIGH", b"HIGH,OPEN"), "header"),
        (GOOD[:-30], "fields"),
        (GOOD[:-4], "within a number"),
        (GOOD + b"12/01/2025,18.1,", "fields"),
        (GOOD.replace(b"17.19", b"17,19"), "fields"),
        (b"\xff\xfe" + GOOD, "plain text"),
    ],
)  # fmt: skip
def test_another_file_or_part_of_one_is_refused(body, says):
    with pytest.raises(Passing, match=says):
        parse(body)


def test_a_file_without_its_last_line_end_is_whole():
    assert parse(GOOD.rstrip()).height == 2


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (GOOD.replace(b"11/28/2025", b"2025-11-28"), "no date"),
        (GOOD.replace(b"11/28/2025", b"28/11/2025"), "no date"),
        (GOOD.replace(b"11/28/2025", b"2/28/2026"), "no date"),
        (GOOD.replace(b"11/28/2025", b"11/26/2025"), "ascend"),
        (GOOD.replace(b"11/28/2025", b"11/25/2025"), "ascend"),
    ],
)
def test_dates_that_cannot_be_placed_make_the_file_untrusted(body, says):
    with pytest.raises(AnswerDistrusted, match=says):
        parse(body)


@pytest.mark.parametrize("number", [b"", b"n/a", b"-1.0", b"NaN", b"1e3", b"18.5x"])
def test_what_is_no_number_keeps_its_row_with_a_problem(number):
    days = parse(GOOD.replace(b"18.500000", number))

    assert days["open"].to_list() == [None, 17.3]
    assert days["problem"].to_list() == [f"open: '{number.decode()}' is not a number", None]


def test_a_cut_file_is_asked_for_again_and_then_given_up(server, source):
    server.say(raw(GOOD, length=len(GOOD) + 100), answer(GOOD[:-30]))

    with pytest.raises(SourceUnavailable, match="fields"):
        source.read(ask(date(2025, 11, 24), date(2025, 12, 6)))

    assert server.requests == 2


def test_it_supplies_the_vix_alone(source):
    with pytest.raises(ValueError, match="raw_daily_bars is not supplied"):
        source.read(Ask("raw_daily_bars", date(2025, 11, 24), date(2025, 12, 6), ("AAPL",), NOW))


def test_today_is_asked_for_tomorrow():
    (route,) = open_cboe(limited, CLOCK).routes(date(2026, 11, 20))

    assert route.refusal(date(2026, 11, 20)) == "not_yet"
    assert route.refusal(date(1990, 1, 2)) is None
    assert route.longest > 9_300
