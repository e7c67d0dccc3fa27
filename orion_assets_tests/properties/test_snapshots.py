"""Weekly lists repeat themselves: leaving the repeats out changes nothing of the security master, at no instant."""

from datetime import date, timedelta

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from orion_assets import calendars
from orion_assets.schemas import RAW_TICKERS, SECURITIES
from orion_assets.transforms.securities import _related, _telling, _versions, securities
from orion_assets_tests.unit.transforms.rows import rows, utc

WEEKS = [date(2014, 1, 4) + timedelta(weeks=number) for number in range(9)]
ORDER = [*SECURITIES.key, "ts_known"]

dates = st.none() | st.sampled_from(WEEKS).flatmap(lambda week: st.sampled_from([week, week - timedelta(days=2)]))
facts = st.fixed_dictionaries(
    {
        "figi": st.sampled_from(["F1", "F2", None]),
        "list_date": dates,
        "delist_date": st.none() | dates,
        "name": st.sampled_from("nm"),
    }
)
# A list of the market, and how many weeks it stays so
lists = st.tuples(st.dictionaries(st.sampled_from("ABC"), facts, min_size=1), st.integers(1, 4))
# A row said late, anew or taken back: which, by how many days, and how
amendments = st.lists(st.tuples(st.integers(0, 99), st.integers(1, 20), st.sampled_from(["late", "name", "gone"])))


@st.composite
def weekly(draw) -> pl.DataFrame:
    """RAW_TICKERS rows of some weeks, most of which say what the one before said."""
    weeks = [market for market, length in draw(st.lists(lists, min_size=1, max_size=4)) for _ in range(length)]
    told = [
        {"ticker": ticker, "snapshot": week, "source": "files", "ts_known": utc(week, 12), **row}
        for week, market in zip(WEEKS, weeks, strict=False)
        for ticker, row in market.items()
    ]
    for number, days, kind in draw(amendments):
        row = told[number % len(told)]
        later = row["ts_known"] + timedelta(days=days)
        if kind == "late":
            row["ts_known"] = later
        else:
            told.append({**row, "ts_known": later, "is_deleted": kind == "gone", "name": "z"})
    given = rows(RAW_TICKERS, *told)
    return given.unique(["ticker", "snapshot", "ts_known"], keep="first", maintain_order=True)


def master(frame: pl.DataFrame) -> pl.DataFrame:
    return SECURITIES.conform(frame).sort(ORDER)


@settings(max_examples=80, deadline=None)
@given(weekly())
def test_the_master_is_the_same_with_and_without_the_snapshots_that_say_nothing_new(told):
    related = _related(told)

    assert_frame_equal(master(_versions(_telling(related))), master(_versions(related)), check_exact=True)


@settings(max_examples=30, deadline=None)
@given(weekly(), st.integers(0, 99))
def test_what_was_known_of_securities_does_not_change_when_the_future_arrives(told, number):
    instants = told["ts_known"].unique().sort()
    is_known = pl.col("ts_known") <= instants[number % len(instants)]

    then = master(securities(told.filter(is_known), calendars.sessions()).rows)
    now = master(securities(told, calendars.sessions()).rows.filter(is_known))

    assert_frame_equal(then.drop("known_until"), now.drop("known_until"), check_exact=True)


def test_a_market_that_stays_as_it_was_is_read_once():
    told = rows(RAW_TICKERS, *({"ticker": "A", "snapshot": week, "ts_known": utc(week, 12)} for week in WEEKS))

    assert _telling(_related(told)).height == 1
