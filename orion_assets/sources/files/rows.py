"""From sheets to what the files source says: one function a kind of block, each giving rows of `said_schema`.

Reading and value parsing stay out, as does what concerns several rows at once (settling.py).
"""

import re
from datetime import time, timedelta
from fractions import Fraction
from typing import Final

import polars as pl

from orion_assets import calendars
from orion_assets.schemas import (
    RAW_DAILY_BARS,
    RAW_DIVIDENDS,
    RAW_MINUTE_BARS,
    RAW_NEWS,
    RAW_SPLITS,
    RAW_TICKERS,
    RAW_VIX,
)
from orion_assets.sources import filing
from orion_assets.sources.files.options import (
    ActionColumn,
    Block,
    DailyBars,
    Dividends,
    MinuteBars,
    News,
    Splits,
    Tickers,
    Vix,
)
from orion_assets.sources.files.parsing import (
    NEW_YORK,
    Sheet,
    Sign,
    dates,
    flags,
    instants,
    joined,
    numbers,
    text,
    ticker_lists,
    tickers,
)
from orion_assets.sources.files.sheets import DIVIDEND_COLUMN, SPLIT_COLUMN
from orion_assets.sources.protocols import TS_ASSUMED, TS_STATED, said_schema
from orion_assets.tables import Table

SOURCE: Final = "files"
PROVENANCE: Final = ("source", "source_file", "source_row", "source_hash")
_PRICES: Final[dict[str, Sign]] = {"open": "price", "high": "price", "low": "price", "close": "price"}
_BAR: Final[dict[str, Sign]] = {**_PRICES, "volume": "not negative", "vwap": "optional", "trade_count": "optional"}
_MINUTE: Final = timedelta(minutes=1)
_BEYOND: Final = "which is beyond the calendar"
_RATIO: Final = re.compile(r"[+-]?\d{1,12}(\.\d{0,15})?([eE][+-]?\d{1,2})?")


def bars(sheet: Sheet, block: DailyBars) -> pl.DataFrame:
    """Give RAW_DAILY_BARS rows; a date without a session keeps its row with a problem."""
    values = numbers(sheet, _BAR).with_columns(
        tickers(sheet), dates(sheet, "session", block, block.bar_label).alias("session")
    )
    known = calendars.sessions().select("session", "ts_close")
    shut = pl.when(pl.col("ts_close").is_null()).then(pl.format("session: {} is not a trading session", "session"))
    rows = values.join(known, on="session", how="left", maintain_order="left").with_columns(
        ts_event=pl.coalesce("ts_close", _at("session", time(16))), problem=joined(shut, pl.col("problem"))
    )
    return _said(RAW_DAILY_BARS, sheet, block, rows, block.delay)


def minutes(sheet: Sheet, block: MinuteBars) -> pl.DataFrame:
    """Give RAW_MINUTE_BARS rows, filed by trading date; one outside of every session is left to the clean layer."""
    back = _MINUTE if block.bar_label == "end" else timedelta(0)
    opens = instants(sheet, "stamp", block).alias("ts_open") - back
    rows = numbers(sheet, _BAR).with_columns(tickers(sheet), opens)
    rows = rows.with_columns(session=calendars.trading_dates(pl.col("ts_open")), ts_event=pl.col("ts_open") + _MINUTE)
    return _said(RAW_MINUTE_BARS, sheet, block, rows, block.delay)


def vix(sheet: Sheet, block: Vix) -> pl.DataFrame:
    """Give RAW_VIX rows; a date without a session is filed under the next one."""
    rows = filing.vix(numbers(sheet, _PRICES).with_columns(date=dates(sheet, "date", block, block.bar_label)))
    sheet.refuse(rows["session"].is_null(), "date", _BEYOND)
    return _said(RAW_VIX, sheet, block, rows, block.delay)


def news(sheet: Sheet, block: News) -> pl.DataFrame:
    """Give RAW_NEWS rows, one a row of the file; `feed` is the ticker whose rows they are, where one is said."""
    published = instants(sheet, "published", block)
    ids = text(sheet, "article_id")
    sheet.refuse(ids.is_null(), "article_id", "where an id must stand")
    cutoffs = calendars.sessions()
    # The first cut-off at or after the instant ends the window (previous cut-off, this one]
    at = cutoffs["ts_close_cutoff"].cast(pl.Int64).search_sorted(published.cast(pl.Int64), side="left")
    sheet.refuse(at >= cutoffs.height, "published", _BEYOND)
    no_ticker = pl.repeat([], sheet.rows.height, dtype=pl.List(pl.String), eager=True)
    tags = ticker_lists(sheet, block.tickers_separator) if sheet.has("tickers") else no_ticker
    feed = tickers(sheet) if sheet.ticker is not None else text(sheet, "ticker")
    titles = text(sheet, "title")
    rows = pl.DataFrame(
        {
            "article_id": ids,
            "session": cutoffs["session"].gather(at),
            "tags": tags,
            "feed": feed,
            "title": titles.fill_null(""),
            **{name: text(sheet, name) for name in ("description", "publisher", "url")},
            "ts_event": published,
        }
    ).with_columns(
        tickers=pl.concat_list("tags", pl.concat_list("feed")).list.drop_nulls().list.unique().list.sort(),
        problem=pl.when(pl.col("title") == "").then(pl.lit("title: is empty")),
    )
    said = _said(RAW_NEWS, sheet, block, rows, block.delay)
    return said.with_columns(feed=feed)


def splits(sheet: Sheet, block: Splits) -> pl.DataFrame:
    """Give RAW_SPLITS rows of a file or of the mapping's own rows."""
    rows = _actions(sheet, block, "split")
    after = text(sheet, "ratio") if sheet.has("ratio") else text(sheet, "shares_after")
    ones = pl.repeat("1", sheet.rows.height, dtype=pl.String, eager=True)
    before = text(sheet, "shares_before") if sheet.has("shares_before") else ones
    name = "ratio" if sheet.has("ratio") else "shares_after / shares_before"
    return _said(RAW_SPLITS, sheet, block, rows.hstack(_ratios(after, before, name)), block.delay)


def dividends(sheet: Sheet, block: Dividends) -> pl.DataFrame:
    """Give RAW_DIVIDENDS rows of a file or of the mapping's own rows."""
    rows = _actions(sheet, block, "dividend").hstack(numbers(sheet, {"cash_amount": "positive"}))
    kind = text(sheet, "dividend_type").str.to_lowercase().replace("regular", None)
    rows = rows.with_columns(kind.alias("dividend_type"), text(sheet, "currency").alias("currency"))
    # Two of one day are two events; a regular one keeps the id that it has without a type
    made = pl.coalesce("said_id", pl.format("{}:{}", "event_id", "dividend_type"), "event_id")
    rows = rows.with_columns(event_id=made)
    return _said(RAW_DIVIDENDS, sheet, block, rows, block.delay)


def bar_splits(sheet: Sheet, block: DailyBars, column: ActionColumn) -> pl.DataFrame:
    """Give RAW_SPLITS rows of a ratio column of bars; 1, 0 and empty are none."""
    kept = _with_action(sheet, block, SPLIT_COLUMN, none=(0.0, 1.0))
    ratio = text(kept, SPLIT_COLUMN)
    ones = pl.repeat("1", kept.rows.height, dtype=pl.String, eager=True)
    rows = _bar_actions(kept, block, "split").hstack(_ratios(ratio, ones, kept.theirs[SPLIT_COLUMN]))
    return _said(RAW_SPLITS, kept, block, rows, column.delay)


def bar_dividends(sheet: Sheet, block: DailyBars, column: ActionColumn) -> pl.DataFrame:
    """Give RAW_DIVIDENDS rows of a cash column of bars; 0 and empty are none."""
    kept = _with_action(sheet, block, DIVIDEND_COLUMN, none=(0.0,))
    cash = numbers(kept, {DIVIDEND_COLUMN: "positive"}).rename({DIVIDEND_COLUMN: "cash_amount"})
    rows = _bar_actions(kept, block, "dividend").hstack(cash)
    rows = rows.with_columns(dividend_type=pl.lit(None, pl.String), currency=pl.lit(None, pl.String))
    return _said(RAW_DIVIDENDS, kept, block, rows, column.delay)


def reference(sheet: Sheet, block: Tickers, first_bars: pl.DataFrame) -> pl.DataFrame:
    """Give RAW_TICKERS rows; without a date of its own a ticker's snapshot is the later of first bar and listing.

    A delisting after the snapshot is a snapshot of its own, dated that day: before it nobody knew.
    """
    words = {name: text(sheet, name) for name in ("figi", "name", "type", "exchange")}
    days = {name: _day(sheet, name, block) for name in ("snapshot", "list_date", "delist_date")}
    told = [name for name in ("list_date", "delist_date") if sheet.has(name)]
    unread = [
        pl.Series(f"{name}_problem", text(sheet, name)).to_frame().select(
            pl.when(days[name].is_null()).then(pl.format(f"{name}: '{{}}' is not a date", pl.col(f"{name}_problem")))
        ).to_series()
        for name in told
    ]  # fmt: skip
    seen = pl.max_horizontal("first_bar", "list_date")
    snapshots = pl.coalesce("snapshot", pl.lit(block.snapshot, dtype=pl.Date), seen)
    rows = (
        pl.DataFrame({"ticker": tickers(sheet), **words, **days})
        .hstack([series.alias(f"p{index}") for index, series in enumerate(unread)])
        .join(first_bars, on="ticker", how="left", maintain_order="left")
        .with_columns(
            snapshot=snapshots,
            problem=joined(*(f"p{index}" for index in range(len(unread)))) if unread else pl.lit(None, dtype=pl.String),
        )
    )
    sheet.refuse(
        rows["snapshot"].is_null(), "ticker", "whose snapshot has no date", "map snapshot, or set snapshot in the block"
    )
    said = _said(RAW_TICKERS, sheet, block, rows.with_columns(ts_event=_at("snapshot", time(0))), block.delay)
    is_ahead = (pl.col("delist_date") > pl.col("snapshot")) & pl.col(TS_STATED).is_null()
    # Of the snapshots that name one the last, and none where the file itself speaks of that day
    last = said.filter(is_ahead).sort("snapshot").unique(["ticker", "delist_date"], keep="last", maintain_order=True)
    ended = last.with_columns(snapshot="delist_date").join(said, on=["ticker", "snapshot"], how="anti")
    ended = ended.with_columns(_at("snapshot", time(0)).alias(clock) for clock in ("ts_event", TS_ASSUMED))
    listed = said.with_columns(delist_date=pl.when(~is_ahead.fill_null(value=False)).then("delist_date"))
    return pl.concat([listed, ended.with_columns(pl.col(TS_ASSUMED) + block.delay)])


def first_seen(rows: pl.DataFrame) -> pl.DataFrame:
    """Give RAW_TICKERS rows of bare tickers, each dated by its first bar."""
    kept = rows.filter(~pl.col("is_deleted")).sort("session", "source_file", "source_row", maintain_order=True)
    first = kept.unique(subset="ticker", keep="first", maintain_order=True).sort("ticker")
    empty = {name: pl.lit(None, dtype=dtype) for name, dtype in said_schema(RAW_TICKERS).items()}
    named = {"snapshot": pl.col("session"), "ts_event": _at("session", time(0)), TS_ASSUMED: _at("session", time(0))}
    carried = {name: pl.col(name) for name in ("ticker", "is_deleted", *PROVENANCE)}
    return first.select(**(empty | named | carried))


def _said(table: Table, sheet: Sheet, block: Block, rows: pl.DataFrame, delay: timedelta) -> pl.DataFrame:
    never = pl.repeat(None, rows.height, dtype=pl.Datetime("us", "UTC"), eager=True)
    stated = instants(sheet, "ts_known", block, form="rfc3339", may_be_empty=True) if sheet.has("ts_known") else never
    is_deleted = flags(sheet, "is_deleted")
    rows = rows.with_columns(
        stated.alias(TS_STATED),
        (pl.col("ts_event") + delay).alias(TS_ASSUMED),
        is_deleted.alias("is_deleted"),
        source=pl.lit(SOURCE),
        source_file=pl.lit(sheet.file),
        source_row=sheet.rows["source_row"],
        source_hash=pl.lit(sheet.sha256),
    )
    early = pl.lit(None, dtype=pl.String)
    if table in (RAW_DAILY_BARS, RAW_MINUTE_BARS, RAW_VIX, RAW_NEWS):
        told = pl.format("ts_known: {} is before the row became true, {}", TS_STATED, "ts_event")
        early = pl.when(pl.col(TS_STATED) < pl.col("ts_event")).then(told)
    # A withdrawal carries no values, so nothing of it can be unreadable
    problem = pl.when(~pl.col("is_deleted")).then(joined(pl.col("problem"), early))
    return rows.with_columns(problem=problem).select(
        pl.col(name).cast(dtype) for name, dtype in said_schema(table).items()
    )


def _at(column: str, clock: time) -> pl.Expr:
    local = pl.col(column).dt.combine(clock).dt.cast_time_unit("us").dt.replace_time_zone(NEW_YORK)
    return local.dt.convert_time_zone("UTC")


def _session_at_or_after(sheet: Sheet, column: str, days: pl.Series) -> pl.Series:
    sessions = filing.sessions_from(days)
    sheet.refuse(sessions.is_null(), column, _BEYOND)
    return sessions


def _actions(sheet: Sheet, block: Block, kind: str) -> pl.DataFrame:
    days = dates(sheet, "ex_date", block)
    ids = text(sheet, "event_id")
    rows = pl.DataFrame({"said_id": ids, "ticker": tickers(sheet), "ex_date": days})
    made = pl.format("{}:{}:" + kind, "ticker", "ex_date")
    rows = rows.with_columns(event_id=pl.coalesce("said_id", made), ts_event=_at("ex_date", time(9, 30)))
    return rows.with_columns(session=_session_at_or_after(sheet, "ex_date", days))


def _bar_actions(sheet: Sheet, block: DailyBars, kind: str) -> pl.DataFrame:
    days = dates(sheet, "session", block, block.bar_label)
    rows = pl.DataFrame({"ticker": tickers(sheet), "ex_date": days})
    rows = rows.with_columns(
        event_id=pl.format("{}:{}:" + kind, "ticker", "ex_date"), ts_event=_at("ex_date", time(9, 30))
    )
    return rows.with_columns(session=_session_at_or_after(sheet, "session", days))


def _with_action(sheet: Sheet, block: DailyBars, column: str, *, none: tuple[float, ...]) -> Sheet:
    found = text(sheet, column)
    value = found.cast(pl.Float64, strict=False)
    states = found.is_not_null() & ~value.is_in(none).fill_null(value=False)
    rows = sheet.rows
    if sheet.has("ts_known"):
        rows, states = _versions_with_action(sheet, block, states)
    return sheet.holding(rows.filter(states))


def _versions_with_action(sheet: Sheet, block: DailyBars, states: pl.Series) -> tuple[pl.DataFrame, pl.Series]:
    """Turn a later version of a bar that no longer states the action into the action's withdrawal."""
    said = bars(sheet, block).select("ticker", "session", "is_deleted", TS_STATED)
    order = said.with_columns(states=states, at=pl.int_range(pl.len())).sort(TS_STATED, nulls_last=False)
    begun = order.with_columns(begun=pl.col("states").cum_max().over("ticker", "session")).sort("at")
    is_deleted = (begun["is_deleted"] | ~states).cast(pl.String)
    return sheet.rows.with_columns(is_deleted.alias("is_deleted")), begun["begun"]


def _day(sheet: Sheet, column: str, block: Block) -> pl.Series:
    if sheet.has(column) and sheet.rows[column].dtype == pl.Date():
        return sheet.rows[column]
    found = text(sheet, column).str.to_date(block.date_format, strict=False)
    if column == "snapshot" and sheet.has(column):
        sheet.refuse(found.is_null() & text(sheet, column).is_not_null(), column, "which is no date")
    return found


def _ratios(after: pl.Series, before: pl.Series, name: str) -> pl.DataFrame:
    told = [_ratio(up, down, name) for up, down in zip(after, before, strict=True)]
    return pl.DataFrame(
        told, schema={"shares_after": pl.Int64, "shares_before": pl.Int64, "problem": pl.String}, orient="row"
    )


def _ratio(after: str | None, before: str | None, name: str) -> tuple[int | None, int | None, str | None]:
    shown = str(after) if before == "1" else f"{after} / {before}"
    parts = [*(after or "").replace(":", "/").split("/"), *((before or "").split("/"))]
    if not 2 <= len(parts) <= 3 or not all(_RATIO.fullmatch(part.strip()) for part in parts):
        return None, None, f"{name}: '{shown}' is not a ratio of shares"
    up, *downs = [Fraction(part.strip()) for part in parts]
    down = downs[0] if len(downs) == 1 else downs[0] * downs[1]
    if up <= 0 or down <= 0:
        return None, None, f"{name}: {shown} is not positive"
    if up.denominator == down.denominator == 1:
        return up.numerator, down.numerator, None
    exact = (up / down).limit_denominator(10_000)
    if exact.numerator == 0:
        return None, None, f"{name}: {shown} is too small for a ratio of shares"
    return exact.numerator, exact.denominator, None
