from datetime import date

import polars as pl
import pytest

from orion_assets.quality.rules import BARS, FEATURES, NEWS, REFERENCE, SECURITY, VIX, Finder
from orion_assets.schemas import (
    CLEAN_DAILY_BARS,
    CLEAN_NEWS,
    CLEAN_VIX,
    FEATURE_MARKET,
    RAW_TICKERS,
    SECURITIES,
)
from orion_assets_tests.unit.transforms.rows import HOUR, MON, TICK, TUE, bar, close_cutoff, rows, utc

FINDERS = {finder.name: finder for finder in (*BARS, *NEWS, *FEATURES, *REFERENCE, *SECURITY)} | {
    "on_exchange_days": VIX[1]
}
NAN = float("nan")


def accused(name: str, frame: pl.DataFrame) -> int:
    return FINDERS[name].accused(frame).height


def bars(*given: dict) -> pl.DataFrame:
    return rows(CLEAN_DAILY_BARS, *given)


def ohlc(low_to_high: tuple[float, float, float, float], **more) -> dict:
    return bar(MON, 1.0) | dict(zip(("open", "high", "low", "close"), low_to_high, strict=True)) | more


@pytest.mark.parametrize(
    ("prices", "count"),
    [
        ((10.0, 11.0, 9.0, 10.5), 0),
        ((10.0, 10.0, 10.0, 10.0), 0),
        ((11.0, 10.9, 9.0, 10.0), 1),
        ((10.0, 10.9, 9.0, 11.0), 1),
        ((8.9, 11.0, 9.0, 10.0), 1),
        ((10.0, 11.0, 9.0, 8.9), 1),
        ((10.0, 10.000000001, 10.0, 10.0000000100), 0),
    ],
    ids=["in order", "flat", "open above", "close above", "open below", "close below", "by rounding alone"],
)
def test_prices_in_order(prices, count):
    assert accused("prices_in_order", bars(ohlc(prices))) == count


def test_prices_of_the_vix_may_be_absent_and_are_held_against_each_other_where_they_are_there():
    day = {"date": MON, "session": MON, "close": 12.0}
    good, bad = {**day, "high": 12.0}, {**day, "low": 12.5}

    assert VIX[0].accused(rows(CLEAN_VIX, day)).is_empty()
    assert VIX[0].accused(rows(CLEAN_VIX, good)).is_empty()
    assert VIX[0].accused(rows(CLEAN_VIX, bad)).height == 1


@pytest.mark.parametrize(
    ("prices", "volume", "count"),
    [
        ((10.0, 10.0, 10.0, 10.0), 0.0, 1),
        ((10.0, 10.0, 10.0, 10.0), 1.0, 0),
        ((10.0, 11.0, 10.0, 10.0), 0.0, 0),
        ((10.0, 11.0, 10.0, 11.0), 0.0, 0),
    ],
    ids=["flat without volume", "flat with volume", "a range without volume", "a change without volume"],
)
def test_traded(prices, volume, count):
    assert accused("traded", bars(ohlc(prices, volume=volume))) == count


@pytest.mark.parametrize(("vwap", "count"), [(None, 0), (9.0, 0), (11.0, 0), (8.99, 1), (11.01, 1)])
def test_vwap_in_range(vwap, count):
    assert accused("vwap_in_range", bars(ohlc((10.0, 11.0, 9.0, 10.0), vwap=vwap))) == count


def test_a_vix_day_on_a_closed_day_is_reported():
    saturday = {"date": date(2014, 6, 7), "session": date(2014, 6, 9), "close": 12.0}

    assert accused("on_exchange_days", rows(CLEAN_VIX, saturday, {"date": MON, "session": MON, "close": 12.0})) == 1


@pytest.mark.parametrize(("count", "found"), [(10, 0), (11, 1)])
def test_few_tickers(count, found):
    article = {"article_id": "1", "session": MON, "tickers": [f"T{n}" for n in range(count)], "title": "x"}
    places = {"open_session": TUE, "close_session": MON, "story_id": "1", "sentiment": 0.0}

    assert accused("few_tickers", rows(CLEAN_NEWS, article | places)) == found


@pytest.mark.parametrize(
    ("value", "count"), [(1.0, 0), (None, 0), (NAN, 1), (float("inf"), 1), (float("-inf"), 1)], ids=str
)
def test_features_are_finite_or_null(value, count):
    assert accused("sound", rows(FEATURE_MARKET, {"session": MON, "cutoff": "close", "vix_change": value})) == count


@pytest.mark.parametrize(("known", "count"), [(close_cutoff(MON), 0), (close_cutoff(MON) - TICK, 1)])
def test_no_feature_is_known_before_it_is_true(known, count):
    row = {"session": MON, "cutoff": "close", "ts_event": close_cutoff(MON), "ts_known": known}

    assert accused("sound", rows(FEATURE_MARKET, row)) == count


def test_a_look_ahead_in_an_earlier_version_is_found_too():
    row = {"session": MON, "cutoff": "close", "ts_event": close_cutoff(MON), "ts_known": close_cutoff(MON) - HOUR}

    assert accused("sound", rows(FEATURE_MARKET, {**row, "known_until": close_cutoff(MON)})) == 1


@pytest.mark.parametrize("name", ["prices_in_order", "traded", "vwap_in_range"])
@pytest.mark.parametrize("over", [{"known_until": utc(TUE, 12)}, {"is_deleted": True}], ids=["replaced", "withdrawn"])
def test_versions_that_no_longer_hold_are_not_accused(name, over):
    bad = {
        "prices_in_order": ohlc((12.0, 11.0, 9.0, 10.0)),
        "traded": ohlc((1.0, 1.0, 1.0, 1.0), volume=0.0),
        "vwap_in_range": ohlc((10.0, 11.0, 9.0, 10.0), vwap=20.0),
    }[name]

    assert accused(name, bars(bad)) == 1
    assert accused(name, bars(bad | over)) == 0


@pytest.mark.parametrize(
    ("finders", "table"),
    [
        (BARS, CLEAN_DAILY_BARS),
        (VIX, CLEAN_VIX),
        (NEWS, CLEAN_NEWS),
        (FEATURES, FEATURE_MARKET),
        (REFERENCE, RAW_TICKERS),
        (SECURITY, SECURITIES),
    ],
    ids=["bars", "vix", "news", "features", "reference", "securities"],
)
def test_nobody_is_accused_of_an_empty_table(finders: tuple[Finder, ...], table):
    for finder in finders:
        assert finder.accused(table.empty()).is_empty()
        assert finder.severity in {"warn", "error"}


def listed(begins: date | None, ends: date | None, **more) -> dict:
    return {"ticker": "AAA", "snapshot": TUE, "list_date": begins, "delist_date": ends, **more}


@pytest.mark.parametrize(
    ("begins", "ends", "count"),
    [(MON, TUE, 0), (MON, MON, 1), (TUE, MON, 1), (None, MON, 0), (TUE, None, 0)],
    ids=["a day", "no day", "backwards", "no begin", "no end"],
)
def test_listed_before_delisted(begins, ends, count):
    assert accused("listed_before_delisted", rows(RAW_TICKERS, listed(begins, ends))) == count


def test_a_listing_that_was_corrected_or_is_held_is_not_accused():
    wrong, right = listed(TUE, MON), listed(MON, TUE, ts_known=utc(TUE, 23))

    assert accused("listed_before_delisted", rows(RAW_TICKERS, wrong, right)) == 0
    assert accused("listed_before_delisted", rows(RAW_TICKERS, {**wrong, "problem": "name: torn"})) == 0


def security(security_id: str, begins: date, ends: date | None, ticker: str = "AAA") -> dict:
    return {"security_id": security_id, "ticker": ticker, "valid_from": begins, "valid_to": ends}


@pytest.mark.parametrize(("ends", "count"), [(MON, 1), (date(2014, 6, 1), 1), (TUE, 0), (None, 0)])
def test_intervals_in_order(ends, count):
    assert accused("intervals_in_order", rows(SECURITIES, security("F1", MON, ends))) == count


APRIL, MAY, JULY = date(2014, 4, 1), date(2014, 5, 1), date(2014, 7, 1)


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ([("F1", APRIL, MON), ("F2", MON, None)], []),
        ([("F1", APRIL, TUE), ("F2", MON, None)], ["F2"]),
        ([("F1", APRIL, None), ("F2", MON, None)], ["F2"]),
        ([("F1", APRIL, JULY), ("F2", MAY, MON), ("F3", TUE, None)], ["F2", "F3"]),
        ([("F1", APRIL, JULY), ("F2", MON, MON)], []),
    ],
    ids=["one after the other", "overlap", "both open", "within a long one", "empty, told by another rule"],
)
def test_one_security_a_ticker(given, found):
    frame = rows(SECURITIES, *(security(*interval) for interval in given), security("Z", APRIL, None, "ZZZ"))

    assert FINDERS["one_security_a_ticker"].accused(frame)["security_id"].to_list() == found
