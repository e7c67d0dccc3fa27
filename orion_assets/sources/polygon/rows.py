"""From the results of a page to what Polygon says of a raw table: one function a table, each row held against its ask.

A row that cannot be placed makes its page untrusted; a row that cannot be read keeps its place, with a problem.
"""

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from typing import Any, Final

import polars as pl

from orion_assets.calendars import NEW_YORK, trading_dates
from orion_assets.errors import AnswerDistrusted
from orion_assets.sources import filing
from orion_assets.tables import UTC_US, Table

SOURCE: Final = "polygon"
DELAY: Final = filing.DELAY
# Midnight of UTC to the second is a date without a time: the article came at some time of that day
NEWS_DELAY: Final = pl.when(pl.col("ts_event").dt.time() == time(0)).then(timedelta(days=1)).otherwise(DELAY)
FIELDS: Final[Mapping[str, pl.DataType]] = {
    "T": pl.String(),
    **dict.fromkeys(("o", "h", "l", "c", "v", "vw", "n"), pl.Float64()),
    "t": pl.Int64(),
}
PRICES: Final = ("o", "h", "l", "c")
NAMES: Final = {"o": "open", "h": "high", "l": "low", "c": "close", "v": "volume", "vw": "vwap", "n": "trade_count"}
# What Flat Files have no column of, and what they tell where calls may leave it out
UNTOLD_BY_FILES: Final = (NAMES["vw"],)
TOLD_BY_FILES: Final = (NAMES["n"],)
# 2001 to 2033 in milliseconds; in seconds, micro- or nanoseconds it would be another century
_MS: Final = (1_000_000_000_000, 2_000_000_000_000)
_TICKER: Final = r"^[A-Za-z0-9][A-Za-z0-9.:/-]{0,30}$"


def ticker_days(rows: pl.DataFrame, ticker: str, span: tuple[date, date], zone: str) -> pl.DataFrame:
    """Give the days of a range answer.

    Args:
        rows: FIELDS and `problem`, one row a day, in the order of the answer; T is null but for a vendor that
            errs.
        ticker: Whom was asked for.
        span: The days [start, end) that were asked for.
        zone: In which its days begin at midnight.

    Returns:
        `ticker`, `session`, `_row` (1-based), the fields, `problem`; a day that is told twice alike stands once.

    Raises:
        AnswerDistrusted: A stamp is no midnight of the zone within the span, one day is told twice differently, or a
            row names another ticker.
    """
    _refuse_rows(rows, rows["T"] != ticker, f"another ticker, and {ticker} was asked for")
    at = _instants(rows).dt.convert_time_zone(zone)
    _refuse_rows(rows, at.dt.time() != time(0), f"a stamp that is not midnight in {zone}")
    placed = rows.with_columns(ticker=pl.lit(ticker), session=at.dt.date()).with_row_index("_row", 1)
    is_outside = (placed["session"] < span[0]) | (placed["session"] >= span[1])
    _refuse_rows(placed, is_outside, f"a day outside [{span[0]}, {span[1]})")
    once = placed.unique([name for name in placed.columns if name != "_row"], keep="first", maintain_order=True)
    _refuse_rows(once, once["session"].is_duplicated(), "a day that is told twice, differently")
    return once


def ticker_minutes(rows: pl.DataFrame, ticker: str, span: tuple[date, date]) -> pl.DataFrame:
    """Give the minutes of a range answer, each once, in order.

    Args:
        rows: FIELDS and `problem`, one row a minute, in the order of the answer.
        ticker: Whom was asked for.
        span: The New York dates [start, end) that were asked for.

    Returns:
        `ticker`, `ts_open` (UTC), `_row` (1-based), the fields, `problem`.

    Raises:
        AnswerDistrusted: A stamp is no full minute, or outside the span; one minute is told twice, differently; a row
            names another ticker.
    """
    _refuse_rows(rows, rows["T"] != ticker, f"another ticker, and {ticker} was asked for")
    at = _instants(rows)
    _refuse_rows(rows, rows["t"] % 60_000 != 0, "a stamp that is no full minute")
    first, end = (int(datetime(each.year, each.month, each.day, tzinfo=NEW_YORK).timestamp()) * 1000 for each in span)
    _refuse_rows(rows, (rows["t"] < first) | (rows["t"] >= end), f"a minute outside [{span[0]}, {span[1]})")
    placed = rows.with_columns(ticker=pl.lit(ticker), ts_open=at.cast(UTC_US)).with_row_index("_row", 1)
    if (rows["t"].slice(1) > rows["t"].head(max(0, rows.height - 1))).all():
        return placed
    once = placed.unique([name for name in placed.columns if name != "_row"], keep="first", maintain_order=True)
    _refuse_rows(once, once["ts_open"].is_duplicated(), "a minute that is told twice, differently")
    return once.sort("ts_open")


def market_days(rows: pl.DataFrame, session: date, zone: str = NEW_YORK.key) -> pl.DataFrame:
    """Give the bars of a grouped answer: every ticker of one session.

    Args:
        rows: FIELDS and `problem`.
        session: The day that was asked for.
        zone: Whose day it is.

    Returns:
        As `ticker_days`. A ticker told twice differently keeps one row, without values and with a problem.

    Raises:
        AnswerDistrusted: A stamp is of another day.
    """
    days = _instants(rows).dt.convert_time_zone(zone).dt.date()
    _refuse_rows(rows, days != session, f"a stamp that is not of {session}")
    named = rows.with_row_index("_row", 1).with_columns(
        ticker=pl.col("T").fill_null(""),
        session=pl.lit(session),
        problem=filing.joined(
            pl.when(~pl.col("T").str.contains(_TICKER).fill_null(value=False)).then(pl.lit("T: is not a ticker")),
            pl.col("problem"),
        ),
    )
    once = named.unique([name for name in named.columns if name != "_row"], keep="first", maintain_order=True)
    is_twice = pl.col("ticker").is_duplicated()
    blank = [pl.when(~is_twice).then(pl.col(name)).alias(name) for name in NAMES]
    told = pl.when(is_twice).then(pl.lit("told twice in one answer, differently"))
    marked = once.with_columns(*blank, problem=filing.joined(told, pl.col("problem")))
    return marked.unique("ticker", keep="first", maintain_order=True)


def bars(days: pl.DataFrame) -> pl.DataFrame:
    """Give RAW_DAILY_BARS rows of placed days, without provenance; bounds that no bar can pass make problems."""
    beyond = filing.beyond_any(days, (*PRICES, "vw"), ("v", "n"))
    rows = filing.bars(days.with_columns(problem=filing.joined(*beyond, pl.col("problem"))))
    return rows.with_columns(**{name: pl.col(short) for short, name in NAMES.items()})


def minutes(placed: pl.DataFrame) -> pl.DataFrame:
    """Give RAW_MINUTE_BARS rows of placed minutes, without provenance, filed by trading date."""
    beyond = filing.beyond_any(placed, (*PRICES, "vw"), ("v", "n"))
    return placed.with_columns(
        session=trading_dates(pl.col("ts_open")),
        ts_event=pl.col("ts_open") + timedelta(minutes=1),
        problem=filing.joined(*beyond, pl.col("problem")),
        **{name: pl.col(short) for short, name in NAMES.items()},
    )


def of_file(held: pl.DataFrame) -> pl.DataFrame:
    """Give the rows of a flat file the names of an answer's fields; a ticker that is none is a problem."""
    is_ticker = pl.col("ticker").str.contains(_TICKER)
    return held.with_columns(
        **{short: pl.col(name) for short, name in NAMES.items() if name in held.columns},
        vw=pl.lit(None, pl.Float64),
        problem=filing.joined(pl.when(~is_ticker).then(pl.lit("ticker: is not a ticker")), pl.col("problem")),
    )


def vix_days(days: pl.DataFrame) -> pl.DataFrame:
    """Give RAW_VIX rows of placed days, without provenance; a day without a session is filed under the next one."""
    rows = filing.vix(days.rename({"session": "date"}))
    return rows.with_columns(**{NAMES[short]: pl.col(short) for short in PRICES})


def said(table: Table, rows: pl.DataFrame, name: str, sha256: str, delay: timedelta | pl.Expr = DELAY) -> pl.DataFrame:
    """Give rows the provenance of their page and the clocks of the source."""
    return filing.said(table, rows, source=SOURCE, name=name, sha256=sha256, delay=delay)


def refuse_another(envelope: Mapping[str, Any], ticker: str) -> None:
    """Refuse a page about another ticker.

    Raises:
        AnswerDistrusted: It does not name the one that was asked for.
    """
    said = envelope.get("ticker")
    if said != ticker:
        raise AnswerDistrusted(f"it is about {said!r}, and {ticker} was asked for", is_worth_asking=True)


def _instants(rows: pl.DataFrame) -> pl.Series:
    """Read the stamps.

    Raises:
        AnswerDistrusted: One is absent, or not milliseconds.
    """
    _refuse_rows(rows, rows["t"].is_null(), "no stamp t that can be read")
    _refuse_rows(rows, (rows["t"] < _MS[0]) | (rows["t"] > _MS[1]), "a stamp t that is not milliseconds since 1970")
    return rows["t"].cast(pl.Datetime("ms")).dt.replace_time_zone("UTC")


def _refuse_rows(rows: pl.DataFrame, is_wrong: pl.Series, what: str) -> None:
    # By series and not by a filter each: nearly always there is nothing to find
    if is_wrong.any():
        wrong = rows.filter(is_wrong)
        shown = {name: value for name, value in wrong.row(0, named=True).items() if value is not None}
        raise AnswerDistrusted(f"{wrong.height} rows have {what}, the first {str(shown)[:160]}", is_worth_asking=True)
