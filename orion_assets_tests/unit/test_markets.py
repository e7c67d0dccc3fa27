"""Markets as data, and their sessions; every date and instant here is written out by hand."""

from datetime import UTC, date, datetime

import polars as pl
import pytest

from orion_assets import calendars
from orion_assets.market_hours import sessions_for, sessions_of, traded_in, trading_dates
from orion_assets.markets import CRYPTO, EQUITIES, FX, INDICES, MARKETS, OPTIONS, market_named_in, market_of
from orion_assets.schemas import BY_SESSION, IN_OTHER_MARKETS, RAW_DAILY_BARS, RAW_MINUTE_BARS, STORED, TABLES, table_of


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)


def hours(market, start: date, end: date) -> dict[date, tuple[datetime, datetime]]:
    rows = sessions_of(market, start, end).select("session", "ts_open", "ts_close").iter_rows()
    return {session: (opens, closes) for session, opens, closes in rows}


@pytest.mark.parametrize(
    ("ticker", "market"),
    [
        ("AAPL", EQUITIES),
        ("KIMpL", EQUITIES),
        ("BRK.B", EQUITIES),
        ("TCEHY", EQUITIES),
        # Letters alone are no prefix
        ("X", EQUITIES),
        ("XOM", EQUITIES),
        ("C", EQUITIES),
        ("X:BTCUSD", CRYPTO),
        ("C:EURUSD", FX),
        ("I:SPX", INDICES),
        ("O:AAPL250117C00150000", OPTIONS),
    ],
)
def test_a_ticker_tells_its_market_by_its_prefix(ticker, market):
    assert market_of(ticker) is market


@pytest.mark.parametrize(
    ("ticker", "last"),
    [
        ("O:AAPL250117C00150000", date(2025, 1, 17)),
        ("O:SPXW240229P05000000", date(2024, 2, 29)),
        # An adjusted contract bears a digit in its root
        ("O:F1240119C00012000", date(2024, 1, 19)),
    ],
)
def test_an_option_tells_its_last_date(ticker, last):
    assert OPTIONS.last_date(ticker) == last


def test_what_does_not_expire_has_no_last_date():
    assert [market.last_date(market.example) for market in (EQUITIES, CRYPTO, FX, INDICES)] == [None] * 4


@pytest.mark.parametrize(
    "ticker",
    [
        "O:AAPL",
        "O:AAPL250230C00150000",
        "O:AAPL250117X00150000",
        "O:AAPL250117C0015000",
        "C:EUR",
        "C:EUR/USD",
        "X:",
        "I: A",
    ],
)
def test_a_ticker_that_no_source_could_list_is_refused_with_an_example(ticker):
    market = market_of(ticker)

    with pytest.raises(ValueError, match=f"write it like {market.example}"):
        market.check(ticker)


def test_a_table_tells_its_market_by_the_end_of_its_name():
    assert market_named_in("raw_minute_bars_crypto") is CRYPTO
    assert market_named_in("daily_options") is OPTIONS
    assert {market_named_in(table.name) for table in (*BY_SESSION, *STORED)} == {EQUITIES}
    assert {market_named_in(name) for name in IN_OTHER_MARKETS} == set(MARKETS.values())


def test_tables_of_a_market_differ_in_name_and_units_alone():
    for market in MARKETS.values():
        for table in (RAW_DAILY_BARS, RAW_MINUTE_BARS):
            made = table_of(table, market)
            assert made is TABLES[f"{table.name}_{market.name}"]
            assert (made.schema, made.key) == (table.schema, table.key)
    units = {column.name: column.unit for column in table_of(RAW_DAILY_BARS, INDICES).columns}
    assert (units["close"], units["volume"]) == ("points", "")


def test_crypto_has_every_day_of_utc():
    found = hours(CRYPTO, date(2024, 3, 8), date(2024, 3, 13))

    # Friday to Tuesday over a change of New York's clocks
    assert found == {date(2024, 3, day): (utc(2024, 3, day), utc(2024, 3, day + 1)) for day in (8, 9, 10, 11, 12)}


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        # Thursday to Tuesday; clocks go forward on Sunday the 10th
        (
            date(2024, 3, 7),
            date(2024, 3, 13),
            {
                date(2024, 3, 7): (utc(2024, 3, 6, 22), utc(2024, 3, 7, 22)),
                date(2024, 3, 8): (utc(2024, 3, 7, 22), utc(2024, 3, 8, 22)),
                date(2024, 3, 11): (utc(2024, 3, 10, 21), utc(2024, 3, 11, 21)),
                date(2024, 3, 12): (utc(2024, 3, 11, 21), utc(2024, 3, 12, 21)),
            },
        ),
        # Friday to Monday; clocks go back on Sunday the 3rd
        (
            date(2024, 11, 1),
            date(2024, 11, 5),
            {
                date(2024, 11, 1): (utc(2024, 10, 31, 21), utc(2024, 11, 1, 21)),
                date(2024, 11, 4): (utc(2024, 11, 3, 22), utc(2024, 11, 4, 22)),
            },
        ),
        # Christmas: nobody shuts the market
        (
            date(2024, 12, 25),
            date(2024, 12, 26),
            {date(2024, 12, 25): (utc(2024, 12, 24, 22), utc(2024, 12, 25, 22))},
        ),
    ],
)
def test_a_session_of_currencies_runs_from_five_to_five_in_new_york(start, end, expected):
    assert hours(FX, start, end) == expected


def test_an_index_is_true_a_quarter_of_an_hour_after_the_exchange_half_days_too():
    # Wednesday before Independence Day closes at 13:00, the 4th is none
    assert hours(INDICES, date(2024, 7, 2), date(2024, 7, 6)) == {
        date(2024, 7, 2): (utc(2024, 7, 2, 13, 30), utc(2024, 7, 2, 20, 15)),
        date(2024, 7, 3): (utc(2024, 7, 3, 13, 30), utc(2024, 7, 3, 17, 15)),
        date(2024, 7, 5): (utc(2024, 7, 5, 13, 30), utc(2024, 7, 5, 20, 15)),
    }


def test_equities_and_options_have_the_exchange_s_own_sessions():
    start, end = date(2024, 1, 2), date(2025, 1, 1)

    assert sessions_of(EQUITIES, start, end).equals(calendars.sessions(start, end))
    assert sessions_of(OPTIONS, start, end).equals(calendars.sessions(start, end))
    assert sessions_for("raw_news", start, end).equals(calendars.sessions(start, end))


@pytest.mark.parametrize("market", MARKETS.values(), ids=MARKETS)
def test_every_session_opens_before_it_closes_and_its_cut_offs_lie_in_order(market):
    days = sessions_of(market)
    columns = ("ts_open", "ts_close", "ts_open_cutoff", "ts_close_cutoff")

    assert days.schema == calendars.sessions().schema
    assert days.null_count().sum_horizontal().item() == 0
    assert days.select((pl.col("ts_open") < pl.col("ts_close")).all()).item()
    # What lands after a close and before the next open cut-off was seen live
    assert days.select((pl.col("ts_close_cutoff") < pl.col("ts_open_cutoff").shift(-1)).all()).item()
    assert all(days[name].is_sorted() and days[name].n_unique() == days.height for name in ("session", *columns))
    assert days["position"].to_list() == list(range(days["position"][0], days["position"][0] + days.height))


def test_where_trading_never_pauses_sessions_follow_one_another_without_a_gap_but_weekends():
    days = sessions_of(CRYPTO)
    assert days.head(-1)["ts_close"].to_list() == days["ts_open"].to_list()[1:]

    gaps = sessions_of(FX).select(gap=pl.col("ts_open").shift(-1) - pl.col("ts_close"))["gap"].drop_nulls()
    # Two days from Friday's five o'clock to Sunday's, an hour less or more where clocks change
    assert sorted({gap.total_seconds() / 3600 for gap in gaps.unique()}) == [0, 47, 48, 49]


@pytest.mark.parametrize(
    ("market", "instant", "session"),
    [
        (CRYPTO, utc(2024, 3, 9, 23, 59), date(2024, 3, 9)),
        (CRYPTO, utc(2024, 3, 10), date(2024, 3, 10)),
        (FX, utc(2024, 3, 8, 21, 59), date(2024, 3, 8)),
        # Friday 17:00 is no session's
        (FX, utc(2024, 3, 8, 22), date(2024, 3, 9)),
        (FX, utc(2024, 3, 10, 21), date(2024, 3, 11)),
        (INDICES, utc(2024, 3, 11, 3, 59), date(2024, 3, 10)),
        (INDICES, utc(2024, 3, 11, 4), date(2024, 3, 11)),
        (OPTIONS, utc(2024, 3, 11, 13, 30), date(2024, 3, 11)),
    ],
)
def test_an_instant_falls_into_the_session_of_its_market(market, instant, session):
    frame = pl.DataFrame({"at": [instant]}, {"at": pl.Datetime("us", "UTC")})

    assert frame.select(trading_dates(market, pl.col("at"))).item() == session


def test_minutes_of_an_index_may_stand_at_any_hour_of_new_york_s_date():
    (row,) = traded_in(INDICES, date(2024, 3, 11), date(2024, 3, 12)).rows(named=True)

    assert (row["ts_first"], row["ts_last"]) == (utc(2024, 3, 11, 4), utc(2024, 3, 12, 4))


def test_a_range_beyond_the_calendar_is_refused_for_every_market():
    for market in (EQUITIES, *MARKETS.values()):
        with pytest.raises(ValueError, match="outside the calendar"):
            sessions_of(market, date(1980, 1, 1))
