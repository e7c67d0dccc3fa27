from datetime import date

import polars as pl
import pytest

from orion_assets import calendars
from orion_assets.quality.rules import ACTIONS, BARS, FEATURES, NEWS, REFERENCE, SECURITY, VIX, Finder, suspected_splits
from orion_assets.schemas import (
    CLEAN_DAILY_BARS,
    CLEAN_NEWS,
    CLEAN_VIX,
    CORPORATE_ACTIONS,
    FEATURE_MARKET,
    RAW_TICKERS,
    SECURITIES,
)
from orion_assets.transforms.adjust import split_factors
from orion_assets.transforms.identity import latest
from orion_assets_tests.unit.transforms.rows import HOUR, MON, TICK, TUE, bar, close_cutoff, rows, split, utc

FINDERS = {finder.name: finder for finder in (*ACTIONS, *BARS, *NEWS, *FEATURES, *REFERENCE, *SECURITY)} | {
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
        (ACTIONS, CORPORATE_ACTIONS),
        (VIX, CLEAN_VIX),
        (NEWS, CLEAN_NEWS),
        (FEATURES, FEATURE_MARKET),
        (REFERENCE, RAW_TICKERS),
        (SECURITY, SECURITIES),
    ],
    ids=["bars", "actions", "vix", "news", "features", "reference", "securities"],
)
def test_nobody_is_accused_of_an_empty_table(finders: tuple[Finder, ...], table):
    for finder in finders:
        assert finder.accused(table.empty()).is_empty()
        assert finder.severity in {"warn", "error"}


def test_an_action_that_no_security_bore_is_accused():
    known = [{"security_id": name, "ticker": "AAA", "ex_date": MON} for name in ("F1", "unknown:AAA")]

    assert accused("borne", rows(CORPORATE_ACTIONS, *known)) == 1


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


def series(last: date, before: list[tuple[float, float]], opening: float, close: float, volume: float) -> pl.DataFrame:
    """Flat bars of (close, volume) up to the session before `last`, and that session with its own open."""
    sessions = calendars.sessions(date(2000, 1, 1), last).tail(len(before))["session"].to_list()
    given = [bar(session, price, volume=traded) for session, (price, traded) in zip(sessions, before, strict=True)]
    final = bar(last, close, volume=volume) | {"open": opening, "high": max(opening, close), "low": min(opening, close)}
    return bars(*given, final)


def suspects(given: pl.DataFrame, *splits: dict) -> list[tuple]:
    named = split_factors(*latest(given, rows(CORPORATE_ACTIONS, *splits), SECURITIES.empty()))
    return suspected_splits(named).select("session", "close_before", "open", "ratio").rows()


# AAPL went 2:1 on 2005-02-28: 88.99 before, 44.68 at the open, and twice the shares for the usual money
APPLE = date(2005, 2, 28)
APPLE_BARS = series(APPLE, [(88.0, 22e6), (87.5, 24e6), (88.2, 21e6), (88.99, 22.8e6)], 44.68, 44.86, 46.4e6)
# The profit warning of 2000-09-28: 53.50 before, 28.19 at the open, more than ten times the usual shares
CRASH = date(2000, 9, 29)
CRASH_BARS = series(CRASH, [(53.0, 8e6), (52.0, 9e6), (53.5, 8.5e6), (53.50, 8.7e6)], 28.19, 25.75, 130e6)


def test_the_split_of_apple_is_suspected_while_no_action_explains_it():
    assert suspects(APPLE_BARS) == [(APPLE, 88.99, 44.68, 2.0)]


def test_a_split_that_an_action_explains_is_not():
    assert suspects(APPLE_BARS, split(APPLE, 2, 1, utc(APPLE, 13))) == []


def test_an_action_of_another_ratio_explains_nothing():
    # 3:1 on a fall by 2:1 leaves a jump by 3/2
    assert [row[3] for row in suspects(APPLE_BARS, split(APPLE, 3, 1, utc(APPLE, 13)))] == [pytest.approx(2 / 3)]


def test_the_crash_of_apple_is_no_split():
    assert suspects(CRASH_BARS) == []


def test_a_crash_by_exactly_one_half_is_told_by_the_money_that_was_traded():
    usual = [(53.50, 8e6)] * 4

    assert suspects(series(CRASH, usual, 26.75, 26.75, 16e6)) == [(CRASH, 53.5, 26.75, 2.0)]
    assert suspects(series(CRASH, usual, 26.75, 26.75, 8 * 8e6)) == []


def test_a_reverse_split_is_suspected():
    found = suspects(series(APPLE, [(0.5, 20e6)] * 4, 10.1, 10.0, 1e6))

    assert found == [(APPLE, 0.5, 10.1, pytest.approx(1 / 20))]


def test_a_reverse_split_that_an_action_explains_is_not():
    given = series(APPLE, [(0.5, 20e6)] * 4, 10.1, 10.0, 1e6)

    assert suspects(given, split(APPLE, 1, 20, utc(APPLE, 13))) == []


@pytest.mark.parametrize(("opening", "close"), [(50.0, 50.0), (51.0, 48.0), (40.0, 41.0), (62.0, 60.0), (36.0, 36.0)])
def test_ordinary_days_are_not_suspected(opening, close):
    assert suspects(series(APPLE, [(50.0, 1e6)] * 4, opening, close, 1e6)) == []


@pytest.mark.parametrize(
    ("opening", "is_found"), [(50.0, True), (51.2, True), (51.3, False), (48.8, True), (48.7, False)]
)
def test_the_open_must_be_within_two_and_a_half_percent_of_the_ratio(opening, is_found):
    assert bool(suspects(series(APPLE, [(100.0, 1e6)] * 4, opening, opening, 2e6))) is is_found


def test_a_split_in_the_first_sessions_has_no_usual_money_and_is_suspected_all_the_same():
    assert len(suspects(series(APPLE, [(100.0, 1e6)], 50.0, 50.0, 90e6))) == 1


def test_the_withdrawn_and_the_replaced_are_not_looked_at():
    good = bar(APPLE, 88.0, close_cutoff(APPLE) + HOUR)

    assert suspects(pl.concat([APPLE_BARS, bars(good)])) == []


def test_tickers_are_looked_at_by_themselves():
    other = series(APPLE, [(44.0, 1e6)] * 4, 44.0, 44.0, 1e6).with_columns(ticker=pl.lit("AAB"))

    assert len(suspects(pl.concat([APPLE_BARS, other]))) == 1


def test_no_bars_no_suspects():
    assert suspects(CLEAN_DAILY_BARS.empty()) == []
