"""From Alpaca's pages to what it says of a raw table: one function a table, each row held against its ask.

A row that cannot be placed makes its page untrusted; a row that cannot be read keeps its place, with a problem.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any, Final, cast

import polars as pl

from orion_assets.calendars import NEW_YORK, trading_dates
from orion_assets.errors import AnswerDistrusted
from orion_assets.sources import filing
from orion_assets.sources.alpaca.requests import midnight
from orion_assets.sources.bodies import Row, day_of, instant_of, number_of, object_of, ratio_of, rows_of, text_of
from orion_assets.sources.responses import Passing
from orion_assets.tables import UTC_US

_FIELDS: Final = {"o": "open", "h": "high", "l": "low", "c": "close", "v": "volume", "vw": "vwap", "n": "trade_count"}
_REQUIRED: Final = ("o", "h", "l", "c", "v")
_MINUTE: Final = timedelta(minutes=1)


def token_of(envelope: Mapping[str, Any]) -> str | None:
    """Give what names the next page; None on the last one.

    Raises:
        Passing: The page does not say: it may not be whole.
    """
    token = envelope.get("next_page_token", 0)
    if token is None or token == "":
        return None
    if not isinstance(token, str):
        raise Passing(f"next_page_token is {token!r}, so that nobody can tell whether more pages follow")
    return token


def bars(envelope: Mapping[str, Any], tickers: Collection[str], span: tuple[date, date]) -> pl.DataFrame:
    """Give RAW_DAILY_BARS rows of a page, without provenance.

    Args:
        envelope: The page: `bars`, by ticker.
        tickers: Who was asked for.
        span: Sessions [start, end) that were asked for.

    Raises:
        Passing: There are no `bars`, or they are not lists of objects.
        AnswerDistrusted: A ticker was not asked for, or a stamp is no midnight of New York within the span.
    """
    rows = [(ticker, _day(ticker, row, span), *_values(row)) for ticker, row in _of_tickers(envelope, tickers)]
    return filing.bars(_frame(rows, "session", pl.Date()))


def minutes(envelope: Mapping[str, Any], tickers: Collection[str], span: tuple[date, date]) -> pl.DataFrame:
    """Give RAW_MINUTE_BARS rows of a page, without provenance, filed by trading date.

    Args:
        envelope: The page: `bars`, by ticker.
        tickers: Who was asked for.
        span: New York's dates [start, end) that were asked for.

    Raises:
        Passing: There are no `bars`, or they are not lists of objects.
        AnswerDistrusted: A ticker was not asked for, or a stamp is no full minute within the span.
    """
    inside = midnight(span[0]), midnight(span[1])
    rows = [(ticker, _minute(ticker, row, inside), *_values(row)) for ticker, row in _of_tickers(envelope, tickers)]
    frame = _frame(rows, "ts_open", UTC_US)
    return frame.with_columns(session=trading_dates(pl.col("ts_open")), ts_event=pl.col("ts_open") + _MINUTE)


def news(envelope: Mapping[str, Any], window: tuple[datetime, datetime]) -> pl.DataFrame:
    """Give RAW_NEWS rows of a page, without provenance, filed by the last change, which the vendor's window is about.

    Args:
        envelope: The page: `news`.
        window: Articles after the first instant, up to and including the second; one at the first is left out.

    Raises:
        Passing: There is no `news`, or it is no list of objects.
        AnswerDistrusted: An article has no id, no instants, or none within the window.
    """
    rows = [_article(row, window) for row in rows_of(envelope.get("news"), "news")]
    schema = {
        "article_id": pl.String(),
        "ts_event": UTC_US,
        "ts_true": UTC_US,
        "tickers": pl.List(pl.String()),
        **dict.fromkeys(("title", "description", "publisher", "url", "problem"), pl.String()),
    }
    frame = pl.DataFrame(rows, schema=schema, orient="row").with_row_index("_row", 1)
    # Both ends are included by the vendor, and the first belongs to the window before
    return filing.articles(frame.filter(pl.col("ts_event") > window[0]))


def splits(envelope: Mapping[str, Any], kinds: Sequence[str], span: tuple[date, date]) -> pl.DataFrame:
    """Give RAW_SPLITS rows of a page, without provenance; those processed in the span with an ex-date outside are not.

    Args:
        envelope: The page: `corporate_actions`, by kind.
        kinds: Those that were asked for.
        span: Ex-dates [start, end) that were asked for.

    Raises:
        Passing: There are no `corporate_actions`, or they are not lists of objects.
        AnswerDistrusted: An action has no id, ticker or date, or is of another kind.
    """
    placed = _actions(envelope, kinds, span)
    shares = [ratio_of(row.get("new_rate"), row.get("old_rate")) for _, row in placed]
    told = [
        None if after else f"new_rate {row.get('new_rate')!r}, old_rate {row.get('old_rate')!r}: no ratio"
        for (_, row), (after, _) in zip(placed, shares, strict=True)
    ]
    return _filed([place for place, _ in placed]).with_columns(
        shares_after=pl.Series([after for after, _ in shares], dtype=pl.Int64),
        shares_before=pl.Series([before for _, before in shares], dtype=pl.Int64),
        problem=pl.Series(told, dtype=pl.String),
    )


def dividends(envelope: Mapping[str, Any], kinds: Sequence[str], span: tuple[date, date]) -> pl.DataFrame:
    """Give RAW_DIVIDENDS rows of a page, without provenance; amounts are per share as paid. As `splits`."""
    placed = _actions(envelope, kinds, span)
    cash = [number_of(row.get("rate")) for _, row in placed]
    told = [
        None if paid is not None and paid > 0 else f"rate: {row.get('rate')!r} is no payment"
        for (_, row), paid in zip(placed, cash, strict=True)
    ]
    types = ["special" if row.get("special") is True else None for _, row in placed]
    return _filed([place for place, _ in placed]).with_columns(
        cash_amount=pl.Series(cash, dtype=pl.Float64),
        dividend_type=pl.Series(types, dtype=pl.String),
        currency=pl.lit(None, pl.String),
        problem=pl.Series(told, dtype=pl.String),
    )


def _of_tickers(envelope: Mapping[str, Any], tickers: Collection[str]) -> Iterator[tuple[str, Row]]:
    found = object_of(envelope.get("bars"), "bars")
    if stranger := sorted(set(found) - set(tickers)):
        raise AnswerDistrusted(f"it holds bars of {stranger[0]!r}, not asked for", is_worth_asking=True)
    for ticker, of_ticker in found.items():
        for row in rows_of(of_ticker, f"the bars of {ticker}"):
            yield ticker, row


def _frame(rows: Sequence[tuple[Any, ...]], place: str, dtype: pl.DataType) -> pl.DataFrame:
    fields = dict.fromkeys(_FIELDS.values(), pl.Float64())
    schema = {"ticker": pl.String(), place: dtype, "problem": pl.String(), **fields}
    frame = pl.DataFrame(rows, schema=schema, orient="row").with_row_index("_row", 1)
    beyond = filing.beyond_any(frame, ("open", "high", "low", "close", "vwap"), ("volume", "trade_count"))
    return frame.with_columns(problem=filing.joined(pl.col("problem"), *beyond))


def _minute(ticker: str, row: Row, inside: tuple[datetime, datetime]) -> datetime:
    at = instant_of(row.get("t"))
    if at is None or at.second or at.microsecond or not inside[0] <= at < inside[1]:
        raise AnswerDistrusted(
            f"{ticker}: {row.get('t')!r} is no full minute in [{inside[0].isoformat()}, {inside[1].isoformat()})",
            is_worth_asking=True,
        )
    return at


def _day(ticker: str, row: Row, span: tuple[date, date]) -> date:
    at = instant_of(row.get("t"))
    local = at.astimezone(NEW_YORK) if at else None
    if local is None or local.time() != time() or not span[0] <= local.date() < span[1]:
        raise AnswerDistrusted(
            f"{ticker}: {row.get('t')!r} is no midnight of New York in [{span[0]}, {span[1]})", is_worth_asking=True
        )
    return local.date()


def _values(row: Row) -> tuple[Any, ...]:
    """Give what is wrong with a bar, None where nothing is, and its numbers."""
    values = [number_of(row.get(name)) for name in _FIELDS]
    told = [
        f"{name}: {str(row[name])[:40]!r} is not a number" if row.get(name) is not None else f"{name}: is missing"
        for name, value in zip(_FIELDS, values, strict=True)
        if value is None and (name in _REQUIRED or row.get(name) is not None)
    ]
    return "; ".join(told) or None, *values


def _article(row: Row, window: tuple[datetime, datetime]) -> tuple[Any, ...]:
    number, made, changed = row.get("id"), instant_of(row.get("created_at")), instant_of(row.get("updated_at"))
    # By either clock, since nobody could ask a real key which of them the window is about
    inside = [at for at in (changed, made) if at is not None and window[0] <= at <= window[1]]
    if not isinstance(number, int | str) or made is None or changed is None or not inside:
        raise AnswerDistrusted(
            f"an article without an id, or neither made nor changed in [{window[0].isoformat()},"
            f" {window[1].isoformat()}]: {str(row)[:160]}",
            is_worth_asking=True,
        )
    symbols = row.get("symbols")
    tags = cast("list[object]", symbols) if isinstance(symbols, list) else []
    title = text_of(row, "headline")
    return (
        str(number),
        inside[0],
        max(made, changed),
        sorted({each for each in tags if isinstance(each, str) and each}),
        title or "",
        text_of(row, "summary"),
        text_of(row, "source"),
        text_of(row, "url"),
        None if title else "headline: is empty",
    )


def _actions(
    envelope: Mapping[str, Any], kinds: Sequence[str], span: tuple[date, date]
) -> list[tuple[tuple[Any, ...], Row]]:
    found = object_of(envelope.get("corporate_actions"), "corporate_actions")
    if stranger := sorted(set(found) - set(kinds)):
        raise AnswerDistrusted(f"it holds {stranger[0]!r}, not asked for", is_worth_asking=True)
    placed: list[tuple[tuple[Any, ...], Row]] = []
    for number, row in enumerate((row for kind in kinds for row in rows_of(found.get(kind, []), kind)), 1):
        event_id, ticker, ex_date = text_of(row, "id"), text_of(row, "symbol"), day_of(row.get("ex_date"))
        if event_id is None or ticker is None or ex_date is None:
            raise AnswerDistrusted(f"an action without an id, a symbol or an ex_date: {str(row)[:160]}")
        if span[0] <= ex_date < span[1]:
            placed.append(((number, event_id, ticker, ex_date), row))
    return placed


def _filed(places: Sequence[tuple[Any, ...]]) -> pl.DataFrame:
    schema = {"_row": pl.Int64(), "event_id": pl.String(), "ticker": pl.String(), "ex_date": pl.Date()}
    return filing.actions(pl.DataFrame(places, schema=schema, orient="row"))
