from datetime import date

import polars as pl
import pytest

from orion_assets.schemas import CLEAN_DAILY_BARS, CORPORATE_ACTIONS, SECURITIES, TICKER_BARS
from orion_assets.transforms.history import ticker_bars
from orion_assets_tests.unit.transforms.rows import (
    HOUR,
    MON,
    THU,
    TUE,
    WED,
    bar,
    close_cutoff,
    dividend,
    rows,
    split,
    told,
    utc,
)

KNOWN = utc(MON, 12)
DAYS = pl.DataFrame({"session": [MON, TUE, WED, THU]})


def borne(security_id: str, ticker: str, valid_from=MON, valid_to=None) -> dict:
    interval = {"security_id": security_id, "ticker": ticker, "valid_from": valid_from, "valid_to": valid_to}
    return {**interval, "is_start_known": True, "ts_known": KNOWN}


def made(bars, actions=(), securities=(), tickers=("AAA",), asked=DAYS) -> pl.DataFrame:
    frames = rows(CLEAN_DAILY_BARS, *bars), rows(CORPORATE_ACTIONS, *actions), rows(SECURITIES, *securities)
    return TICKER_BARS.conform(ticker_bars(*frames, asked, tickers))


def test_every_basis_stands_beside_the_traded_price():
    found = made([bar(MON, 100.0), bar(TUE, 50.0), bar(WED, 40.0)], [split(TUE, 2, 1, KNOWN), dividend(WED, 10.0)])

    assert told(found, "session", "close", "close_split") == [(MON, 100.0, 50.0), (TUE, 50.0, 50.0), (WED, 40.0, 40.0)]
    assert found["close_total_return"].to_list() == pytest.approx([40.0, 40.0, 40.0])
    assert found["volume_split"].to_list() == [200.0, 100.0, 100.0]


def test_the_last_version_of_a_bar_counts_and_a_withdrawn_one_is_not_there():
    later = close_cutoff(WED)
    given = [bar(MON, 10.0), bar(MON, 11.0, later), bar(TUE, 12.0), bar(TUE, 12.0, later + HOUR, is_deleted=True)]

    assert told(made(given), "session", "close", "ts_known") == [(MON, 11.0, later)]


def test_a_renamed_security_is_adjusted_by_its_later_life_and_shows_its_own_rows():
    given = [bar(MON, 20.0, ticker="FB"), bar(TUE, 20.0, ticker="FB"), bar(WED, 10.0, ticker="META")]
    known = (borne("F1", "FB", MON, WED), borne("F1", "META", WED))

    found = made(given, [split(WED, 2, 1, KNOWN, ticker="META")], known, tickers=("FB",))

    assert told(found, "ticker", "session", "close_split", "security_id") == [
        ("FB", MON, 10.0, "F1"),
        ("FB", TUE, 10.0, "F1"),
    ]


def test_a_reused_ticker_shows_two_securities_each_in_its_own_units():
    given = [bar(MON, 10.0), bar(TUE, 10.0), bar(WED, 50.0), bar(THU, 25.0)]
    known = (borne("OLD", "AAA", MON, WED), borne("NEW", "AAA", WED))

    found = made(given, [split(THU, 2, 1, KNOWN)], known)

    assert told(found, "security_id", "close_split") == [("OLD", 10.0), ("OLD", 10.0), ("NEW", 25.0), ("NEW", 25.0)]


def test_where_nobody_was_asked_for_dividends_there_is_no_total_return():
    found = made([bar(MON, 10.0), bar(TUE, 11.0)], asked=DAYS.head(1))

    assert found["close_total_return"].to_list() == [None, None]
    assert found["close_split"].to_list() == [10.0, 11.0]


def test_no_bars_give_no_rows():
    assert made([], asked=pl.DataFrame({"session": [date(2014, 6, 2)]})).is_empty()
