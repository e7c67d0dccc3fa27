from datetime import date

import polars as pl
import pytest

from orion_assets import calendars
from orion_assets.quality.anomalies import STEADY, implausible, suspected_splits
from orion_assets.schemas import CLEAN_DAILY_BARS, CORPORATE_ACTIONS, SECURITIES
from orion_assets.transforms.adjust import split_factors
from orion_assets.transforms.identity import latest
from orion_assets_tests.unit.transforms.rows import HOUR, bar, close_cutoff, rows, split, utc

CALENDAR = calendars.sessions()
DAYS = CALENDAR.filter(pl.col("session") >= date(2014, 1, 2)).head(STEADY + 10)["session"].to_list()
LAST = DAYS[STEADY]
DAYS_OF_OLD = date(1990, 1, 2)


def found(*given: dict, start: date = DAYS[0], security: str = "F1", factor: float = 1.0) -> list[tuple]:
    series = rows(CLEAN_DAILY_BARS, *given).with_columns(
        security_id=pl.lit(security),
        split_factor=pl.when(pl.col("session") >= LAST).then(factor).otherwise(1.0),
    )
    listed = rows(SECURITIES, {"security_id": "F1", "ticker": "AAA"})
    return implausible(series, listed, CALENDAR, start).select("session", "rule").rows()


def day_of(session: date, close: float, **more) -> dict:
    """A bar with a range: one without is what a security shows on which nobody trades."""
    return bar(session, close, **more) | {"high": close * 1.01, "low": close * 0.99}


def steady(count: int = STEADY) -> list[dict]:
    return [day_of(day, 10.0 + number % 3, volume=1000.0) for number, day in enumerate(DAYS[:count])]


def test_a_quiet_series_is_accused_of_nothing():
    assert found(*steady(STEADY + 8)) == []


def test_a_steady_ticker_is_missed_from_its_first_session_without_a_bar():
    assert found(*steady(), bar(DAYS[STEADY + 2], 11.0)) == [(LAST, "missing")]


def test_each_of_a_few_bars_lost_within_sixty_sessions_is_told():
    days = CALENDAR.filter(pl.col("session") >= DAYS[0]).head(3 * STEADY)["session"].to_list()
    lost = {days[70], days[100], days[128]}
    given = [day_of(day, 10.0 + n % 3, volume=1000.0) for n, day in enumerate(days) if day not in lost]

    assert found(*given) == [(day, "missing") for day in sorted(lost)]


def test_one_that_often_does_not_trade_is_not_missed():
    given = [each for number, each in enumerate(steady()) if number not in (20, 30, 40)]

    assert found(*given, bar(DAYS[STEADY + 2], 11.0)) == []


def test_a_gap_is_told_in_the_run_of_the_bar_that_ends_it_and_in_no_later_one():
    given = [*steady(), bar(DAYS[STEADY + 1], 11.5), bar(DAYS[STEADY + 2], 11.0)]

    assert found(*given, start=DAYS[STEADY + 1]) == [(LAST, "missing")]
    assert found(*given, start=DAYS[STEADY + 2]) == []


def test_the_bar_of_the_session_before_said_again_is_accused():
    again = {**steady()[-1], "session": LAST}

    assert found(*steady(), again) == [(LAST, "repeated")]


def test_bars_alike_are_none_where_a_session_lies_between_or_nothing_moved():
    apart = {**steady()[-1], "session": DAYS[STEADY + 1]}
    flat = [bar(day, 5.0, volume=100.0) for day in DAYS[:2]]

    assert found(*steady(28), *steady()[31:], apart) == []
    assert found(*flat) == []


def test_after_silence_nobody_has_a_usual_volume():
    silent = [bar(day, 5.0, volume=0.0) for day in DAYS[:40]]

    assert found(*silent, bar(DAYS[40], 5.1, volume=1e6)) == []


def test_a_leap_back_to_elsewhere_is_another_leap():
    given = [*steady(), day_of(LAST, 1100.0, volume=1000.0), day_of(DAYS[STEADY + 1], 0.11, volume=1000.0)]

    assert found(*given) == [(LAST, "leap"), (DAYS[STEADY + 1], "leap")]


@pytest.mark.parametrize(("close", "accused"), [(1100.0, True), (0.11, True), (200.0, False)])
def test_a_leap_is_told_once_and_its_way_back_is_not(close, accused):
    given = [*steady(), bar(LAST, close, volume=1000.0), bar(DAYS[STEADY + 1], 11.0, volume=1000.0)]

    assert found(*given) == ([(LAST, "leap")] if accused else [])


def test_a_price_that_leaps_by_a_declared_split_does_not_leap():
    given = [*steady(), bar(LAST, 550.0, volume=20.0), bar(DAYS[STEADY + 1], 540.0, volume=21.0)]

    assert found(*given, factor=1 / 50) == []
    assert found(*given) == [(LAST, "leap")]


@pytest.mark.parametrize(("volume", "accused"), [(1e6, True), (1e5, False)])
def test_volume_in_other_units_is_accused(volume, accused):
    assert found(*steady(), bar(LAST, 10.5, volume=volume)) == ([(LAST, "volume")] if accused else [])


def crowd(count: int, *, doubled: int) -> list[tuple]:
    """Accuse a market of so many tickers, of which some trade twice as much as usual in the last session."""
    given = [
        day_of(
            day, 10.0 + number % 3, ticker=f"T{ticker:02}", volume=1000.0 * (1 + (number == 20 and ticker < doubled))
        )
        for number, day in enumerate(DAYS[:21])
        for ticker in range(count)
    ]
    series = rows(CLEAN_DAILY_BARS, *given).with_columns(security_id="ticker", split_factor=pl.lit(1.0))
    told = implausible(series, SECURITIES.empty(), CALENDAR, DAYS[0])
    return told.select("ticker", "session", "rule").rows()


@pytest.mark.parametrize(("count", "doubled", "is_accused"), [(20, 20, True), (20, 10, False), (19, 19, False)])
def test_volumes_that_are_doubled_for_everybody_are_the_vendors(count, doubled, is_accused):
    assert crowd(count, doubled=doubled) == ([("*", DAYS[20], "volumes")] if is_accused else [])


def test_a_bar_outside_every_listing_is_accused_where_listings_are_known():
    assert found(bar(LAST, 10.0), security="unknown:AAA") == [(LAST, "unlisted")]
    assert found(bar(LAST, 10.0, ticker="ZZZ"), security="unknown:ZZZ") == []


def test_no_bars_accuse_nobody():
    assert found() == []


def bars(*given: dict) -> pl.DataFrame:
    return rows(CLEAN_DAILY_BARS, *given)


def series(last: date, before: list[tuple[float, float]], opening: float, close: float, volume: float) -> pl.DataFrame:
    """Flat bars of (close, volume) up to the session before `last`, and that session with its own open."""
    sessions = calendars.sessions(date(2000, 1, 1), last).tail(len(before))["session"].to_list()
    given = [bar(session, price, volume=traded) for session, (price, traded) in zip(sessions, before, strict=True)]
    final = bar(last, close, volume=volume) | {"open": opening, "high": max(opening, close), "low": min(opening, close)}
    return bars(*given, final)


def suspects(given: pl.DataFrame, *splits: dict) -> list[tuple]:
    named = split_factors(*latest(given, rows(CORPORATE_ACTIONS, *splits), SECURITIES.empty()))
    return suspected_splits(named, DAYS_OF_OLD).select("session", "close_before", "open", "ratio").rows()


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


@pytest.mark.parametrize(("opening", "close"), [(50.0, 50.0), (51.0, 48.0), (42.0, 43.0), (62.0, 60.0), (36.0, 36.0)])
def test_ordinary_days_are_not_suspected(opening, close):
    assert suspects(series(APPLE, [(50.0, 1e6)] * 4, opening, close, 1e6)) == []


@pytest.mark.parametrize(
    ("opening", "is_found"), [(50.0, True), (51.2, True), (51.3, False), (48.8, True), (48.7, False)]
)
def test_the_open_must_be_within_two_and_a_half_percent_of_the_ratio(opening, is_found):
    assert bool(suspects(series(APPLE, [(100.0, 1e6)] * 4, opening, opening, 2e6))) is is_found


def test_a_split_in_the_first_sessions_has_no_usual_money_and_is_suspected_all_the_same():
    assert len(suspects(series(APPLE, [(100.0, 1e6)], 50.0, 50.0, 90e6))) == 1


@pytest.mark.parametrize(
    "shares", [2, 6, 8, 12, 18, 33, 64, 100, 1 / 6, 1 / 8, 1 / 12, 1 / 18, 1 / 100, 3 / 2, 4 / 3, 5 / 4]
)
def test_a_split_by_any_usual_ratio_is_suspected_and_told_by_it(shares):
    (row,) = suspects(series(APPLE, [(50.0, 1e6)] * 4, 50 / shares, 50 / shares, 1e6 * shares))

    assert row[3] == pytest.approx(shares)


def test_a_fall_by_a_fifth_on_twice_the_usual_money_is_no_split():
    assert suspects(series(APPLE, [(50.0, 1e6)] * 4, 40.0, 40.0, 2.5e6)) == []


@pytest.mark.parametrize("times", [100, 8])
def test_the_way_back_from_a_shifted_decimal_point_is_no_split(times):
    wrong = [(33.0, 1e6)] * 4 + [(33.0 * times, 0.8e6)]

    assert suspects(series(APPLE, wrong, 33.1, 33.2, 1e6)) == []


def test_the_withdrawn_and_the_replaced_are_not_looked_at():
    good = bar(APPLE, 88.0, close_cutoff(APPLE) + HOUR)

    assert suspects(pl.concat([APPLE_BARS, bars(good)])) == []


def test_tickers_are_looked_at_by_themselves():
    other = series(APPLE, [(44.0, 1e6)] * 4, 44.0, 44.0, 1e6).with_columns(ticker=pl.lit("AAB"))

    assert len(suspects(pl.concat([APPLE_BARS, other]))) == 1


def test_no_bars_no_suspects():
    assert suspects(CLEAN_DAILY_BARS.empty()) == []
