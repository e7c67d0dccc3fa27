"""From results of other shapes to what Polygon says of a raw table: actions, articles, listings.

As in rows.py: what cannot be placed makes its page untrusted, what cannot be read keeps its place with a problem.
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final, cast

import polars as pl

from orion_assets.calendars import NEW_YORK
from orion_assets.errors import AnswerDistrusted
from orion_assets.sources import filing
from orion_assets.sources.bodies import Row, day_of, instant_of, number_of, ratio_of, rows_of, text_of
from orion_assets.sources.polygon.routes import FIRST_SESSION
from orion_assets.tables import UTC_US


def splits(found: Sequence[Row], span: tuple[date, date]) -> pl.DataFrame:
    """Give RAW_SPLITS rows, without provenance; an event that is told twice alike stands once.

    Args:
        found: Results of the splits route.
        span: Execution dates [start, end) that were asked for.

    Raises:
        AnswerDistrusted: A result has no ticker, no date, or a date outside the span.
    """
    rows = [_action(row, "execution_date", span) for row in found]
    shares = [ratio_of(row.get("split_to"), row.get("split_from")) for row in found]
    told = [
        None
        if after and before
        else f"split_from {row.get('split_from')!r}, split_to {row.get('split_to')!r}: no ratio"
        for row, (after, before) in zip(found, shares, strict=True)
    ]
    frame = _dated(rows).with_columns(
        shares_after=pl.Series([after for after, _ in shares], dtype=pl.Int64),
        shares_before=pl.Series([before for _, before in shares], dtype=pl.Int64),
        problem=pl.Series(told, dtype=pl.String),
    )
    return _each_once(frame)


def dividends(found: Sequence[Row], span: tuple[date, date]) -> pl.DataFrame:
    """Give RAW_DIVIDENDS rows, without provenance; amounts are as paid, of the shares of the ex-date.

    Args:
        found: Results of the dividends route.
        span: Ex-dates [start, end) that were asked for.

    Raises:
        AnswerDistrusted: As `splits`.
    """
    types = [_unusual(row, "distribution_type", _REGULAR) for row in found]
    rows = [_action(row, "ex_dividend_date", span, each) for row, each in zip(found, types, strict=True)]
    cash = [number_of(row.get("cash_amount")) for row in found]
    told = [
        None if paid is not None and paid > 0 else f"cash_amount: {row.get('cash_amount')!r} is no payment"
        for row, paid in zip(found, cash, strict=True)
    ]
    frame = _dated(rows).with_columns(
        cash_amount=pl.Series(cash, dtype=pl.Float64),
        dividend_type=pl.Series(types, dtype=pl.String),
        currency=pl.Series([_unusual(row, "currency", _DOLLARS) for row in found], dtype=pl.String),
        problem=pl.Series(told, dtype=pl.String),
    )
    return _each_once(frame)


def news(found: Sequence[Row], window: tuple[datetime, datetime]) -> pl.DataFrame:
    """Give RAW_NEWS rows, without provenance, filed under the session whose close cut-off ends their window.

    Args:
        found: Results of the news route.
        window: Publication after the first instant, up to and including the second.

    Raises:
        AnswerDistrusted: An article has no id, no time of publication, or one outside the window.
    """
    rows = [_article(row, window) for row in found]
    schema = {
        "article_id": pl.String(),
        "ts_event": UTC_US,
        "tickers": pl.List(pl.String()),
        **dict.fromkeys(("title", "description", "publisher", "url", "problem"), pl.String()),
    }
    frame = pl.DataFrame(rows, schema=schema, orient="row").with_row_index("_row", 1)
    filed = filing.articles(frame)
    # The last of an id stands: pages overlap where an article came in while they were read
    return filed.unique("article_id", keep="last", maintain_order=True)


def listings(found: Sequence[Row], as_of: date) -> pl.DataFrame:
    """Give RAW_TICKERS rows of a listing, without provenance.

    A delisted ticker is a snapshot of its last date, known when it had ended: on the next date another company may
    bear the ticker.

    Args:
        found: Results of the tickers route.
        as_of: The date that was asked for.

    Raises:
        AnswerDistrusted: A result has no ticker.
    """
    rows: list[dict[str, Any]] = []
    for row in found:
        ticker = text_of(row, "ticker")
        if ticker is None:
            raise AnswerDistrusted(f"a listing without a ticker: {str(row)[:160]}", is_worth_asking=True)
        ended = day_of(row.get("delisted_utc"))
        words = {name: text_of(row, theirs) for name, theirs in _LISTED.items()}
        snapshot = min(as_of, ended - timedelta(days=1)) if ended else as_of
        told = min(as_of, ended) if ended else as_of
        dates = {"snapshot": snapshot, "list_date": None, "delist_date": ended, "_told": told}
        rows.append({"ticker": ticker, **words, **dates})
    # One company stands twice where its registry number changed
    return _snapshots(rows).unique(["ticker", "snapshot"], keep="last", maintain_order=True)


def events(result: Row, asked: str) -> pl.DataFrame:
    """Give RAW_TICKERS rows of the tickers that a security took, without provenance: a snapshot of each first date.

    The name that comes with them is that of today, which nobody knew then: it is left out.

    Args:
        result: The result of the events route.
        asked: The FIGI, or the ticker, that was asked for.

    Returns:
        A row a change of ticker, the first of them with its date as `list_date`, unless the vendor's own history
        begins there; none where the vendor knows no FIGI, since nothing would tell whose they are.

    Raises:
        AnswerDistrusted: The security is another one, or an event has no ticker, no date, or another's date.
    """
    figi = text_of(result, "composite_figi")
    changes = [each for each in rows_of(result.get("events") or [], "events") if each.get("type") == "ticker_change"]
    told = sorted((_change(each) for each in changes), key=lambda change: change[0])
    if figi is None:
        return _snapshots([])
    if asked not in (figi, *(ticker for _, ticker in told)):
        raise AnswerDistrusted(f"it is about {figi}, and {asked} was asked for", is_worth_asking=True)
    if len({day for day, _ in told}) < len(told):
        raise AnswerDistrusted(f"{figi} takes two tickers on one date: {told}", is_worth_asking=True)
    rows = [
        {
            "ticker": ticker,
            "figi": figi,
            "snapshot": day,
            "list_date": day if number == 0 and day > FIRST_SESSION else None,
            "_told": day,
        }
        for number, (day, ticker) in enumerate(told)
    ]
    return _snapshots(rows)


_DOLLARS: Final = frozenset({"USD", "usd"})
_REGULAR: Final = frozenset({"recurring", "unknown"})
_LISTED: Final = {"figi": "composite_figi", "name": "name", "type": "type", "exchange": "primary_exchange"}


def _change(event: Row) -> tuple[date, str]:
    day, change = day_of(event.get("date")), event.get("ticker_change")
    ticker = text_of(cast("Row", change), "ticker") if isinstance(change, dict) else None
    if day is None or ticker is None:
        raise AnswerDistrusted(f"a change of ticker without a date or a ticker: {str(event)[:160]}")
    return day, ticker


def _snapshots(rows: Sequence[Row]) -> pl.DataFrame:
    """Give rows the midnight of New York at which `_told` became true."""
    schema = {
        **dict.fromkeys(("ticker", *_LISTED), pl.String()),
        **dict.fromkeys(("snapshot", "list_date", "delist_date", "_told"), pl.Date()),
    }
    frame = pl.DataFrame(rows, schema=schema).with_row_index("_row", 1)
    midnight = pl.col("_told").cast(pl.Datetime("us")).dt.replace_time_zone(NEW_YORK.key)
    return frame.with_columns(ts_event=midnight.dt.convert_time_zone("UTC"), problem=pl.lit(None, pl.String)).drop(
        "_told"
    )


def _action(row: Row, name: str, span: tuple[date, date], kind: str | None = None) -> tuple[str, str, date]:
    ticker, day = text_of(row, "ticker"), day_of(row.get(name))
    if ticker is None or day is None or not span[0] <= day < span[1]:
        raise AnswerDistrusted(
            f"an action without a ticker or with no {name} in [{span[0]}, {span[1]}): {str(row)[:160]}",
            is_worth_asking=True,
        )
    # Older events have no id of the vendor's own
    made = ":".join(filter(None, (ticker, str(day), name.partition("_")[0], kind)))
    return text_of(row, "id") or made, ticker, day


def _dated(rows: Sequence[tuple[str, str, date]]) -> pl.DataFrame:
    schema = {"event_id": pl.String(), "ticker": pl.String(), "ex_date": pl.Date()}
    return filing.actions(pl.DataFrame(rows, schema=schema, orient="row").with_row_index("_row", 1))


def _unusual(row: Row, name: str, usual: frozenset[str]) -> str | None:
    """Give a word; None where there is none or it says what is usual."""
    word = text_of(row, name)
    return None if word is None or word in usual else word


def _each_once(frame: pl.DataFrame) -> pl.DataFrame:
    once = frame.unique([name for name in frame.columns if name != "_row"], keep="first", maintain_order=True)
    is_twice = pl.col("event_id").is_duplicated()
    told = pl.when(is_twice).then(pl.lit("told twice under one id, differently"))
    return once.with_columns(problem=pl.coalesce("problem", told)).unique("event_id", keep="first", maintain_order=True)


def _article(row: Row, window: tuple[datetime, datetime]) -> tuple[Any, ...]:
    name, published = text_of(row, "id"), instant_of(row.get("published_utc"))
    if name is None or published is None or not window[0] < published <= window[1]:
        raise AnswerDistrusted(
            f"an article without an id, or not published in ({window[0].isoformat()}, {window[1].isoformat()}]:"
            f" {str(row)[:160]}",
            is_worth_asking=True,
        )
    tickers, publisher = row.get("tickers"), row.get("publisher")
    tags = cast("list[object]", tickers) if isinstance(tickers, list) else []
    tagged = sorted({each for each in tags if isinstance(each, str) and each})
    whose = text_of(cast("Row", publisher), "name") if isinstance(publisher, dict) else None
    title = text_of(row, "title")
    problem = None if title else "title: is empty"
    return (
        name,
        published,
        tagged,
        title or "",
        text_of(row, "description"),
        whose,
        text_of(row, "article_url"),
        problem,
    )
