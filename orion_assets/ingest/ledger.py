"""The ledger: in which state every planned cell is. An index over raw_coverage and quarantine, which can rebuild it."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Final

import polars as pl

from orion_assets import calendars
from orion_assets.ingest.landing import ANSWERED, WHOLE_MARKET, Moment
from orion_assets.schemas import QUARANTINE, RAW_COVERAGE, UTC_US, Table
from orion_assets.sources.protocols import Ask
from orion_assets.store.lake import Lake
from orion_assets.store.state import LEDGER_SCHEMA, State

PUBLISHED: Final = "feature_store"
_CELL: Final = ("dataset", "ticker", "session")
_ORIGINS: Final = ("raw_daily_bars", "raw_vix", "raw_news", "raw_splits", "raw_dividends")


def is_by_ticker(dataset: str) -> bool:
    """Say whether a dataset's cells are kept by ticker; the others have one cell a session, `*`."""
    return dataset == "raw_daily_bars"


def covered_cells(coverage: pl.DataFrame) -> pl.DataFrame:
    """Give the ledger rows that RAW_COVERAGE rows stand for: the last answer about each cell at its close."""
    is_cell = (pl.col("ticker") == WHOLE_MARKET) != (pl.col("dataset") == "raw_daily_bars")
    closes = coverage.filter((pl.col("cutoff") == "close") & is_cell)
    last = closes.sort(*_CELL, "ts_known").unique(_CELL, keep="last", maintain_order=True)
    return _conformed(last.with_columns(detail=pl.lit("")))


def ledger_cells(
    coverage: pl.DataFrame, table: Table, ask: Ask, not_due: Sequence[date], moment: Moment
) -> pl.DataFrame:
    """Give the ledger rows of an answered ask: what coverage says, and `not_yet` where it says nothing."""
    answered = covered_cells(coverage)
    planned = _planned(ask, table).join(answered, on=_CELL, how="anti")
    why = pl.when(pl.col("session").is_in(list(not_due))).then(pl.lit("the close cut-off has not come"))
    missing = planned.with_columns(
        state=pl.lit("not_yet"), detail=why.otherwise(pl.lit("the source ends before this session"))
    )
    return pl.concat([answered, _conformed(_filled(missing, moment))])


def failed_cells(ask: Ask, table: Table, moment: Moment, reason: str) -> pl.DataFrame:
    """Give the ledger rows of an ask that failed whole."""
    failed = _planned(ask, table).with_columns(state=pl.lit("failed"), detail=pl.lit(reason))
    return _conformed(_filled(failed, moment))


def quarantined_cells(held: pl.DataFrame, clean: pl.DataFrame) -> pl.DataFrame:
    """Give the ledger rows of cells whose only row was held back.

    Args:
        held: QUARANTINE rows of one origin.
        clean: Visible rows of the clean table, with `session` and, where kept by ticker, `ticker`.
    """
    by_ticker = held.filter(pl.col("origin") == "raw_daily_bars")
    lost = by_ticker.join(clean.select("ticker", "session"), on=["ticker", "session"], how="anti")
    one_each = lost.sort("ts_known").unique(["ticker", "session"], keep="last", maintain_order=True)
    return _conformed(
        one_each.with_columns(
            dataset="origin",
            state=pl.lit("quarantined"),
            rows=pl.lit(1, pl.Int64),
            source=pl.lit(""),
            evidence=pl.concat_str("source_file", pl.lit(" row "), pl.col("source_row").cast(pl.String)),
            detail=pl.concat_str("rule", pl.lit(": "), "found"),
            ts_ingested="ts_known",
        )
    )


def published_cells(start: date, end: date, moment: Moment) -> pl.DataFrame:
    """Give the ledger rows of sessions [start, end) whose features were derived and published."""
    sessions = calendars.sessions(start, end).select("session")
    cells = sessions.with_columns(dataset=pl.lit(PUBLISHED), ticker=pl.lit(WHOLE_MARKET), state=pl.lit("data"))
    return _conformed(_filled(cells.with_columns(detail=pl.lit("")), moment))


def mark_stale(state: State, first: date, moment: Moment) -> None:
    """Say that what was published from a session on awaits derivation: a series changes with what comes before it."""
    published = state.cells(dataset=PUBLISHED, start=first).filter(pl.col("state") == "data")
    stale = published.with_columns(
        state=pl.lit("not_yet"),
        detail=pl.lit("raw changed since: derive again with orion update"),
        ts_ingested=pl.lit(moment.now, UTC_US),
    )
    state.record(_conformed(stale))


def stale_span(state: State) -> tuple[date, date] | None:
    """Give the sessions [start, end) that hold every one answered in raw and not published since; None without any."""
    published = state.cells(dataset=PUBLISHED).filter(pl.col("state") == "data").select("session")
    bars = state.cells(dataset="raw_daily_bars").filter(pl.col("state").is_in(ANSWERED)).select("session").unique()
    stale = bars.join(published, on="session", how="anti")["session"].sort().to_list()
    return (stale[0], stale[-1] + timedelta(days=1)) if stale else None


def rebuild(lake: Lake, state: State, clean: Table) -> int:
    """Make the ledger anew from the lake; returns the number of cells."""
    cells = covered_cells(lake.read(RAW_COVERAGE))
    visible = lake.read(clean).filter(pl.col("known_until").is_null() & ~pl.col("is_deleted"))
    held = lake.read(QUARANTINE).filter(pl.col("origin").is_in(_ORIGINS))
    published = state.cells(dataset=PUBLISHED).drop("attempts")
    state.clear()
    state.record(pl.concat([cells, published]))
    state.record(quarantined_cells(held, visible))
    return cells.height


def _planned(ask: Ask, table: Table) -> pl.DataFrame:
    sessions = calendars.sessions(ask.start, ask.end).select("session")
    tickers = sorted(ask.tickers) if is_by_ticker(table.name) else [WHOLE_MARKET]
    followed = pl.DataFrame({"ticker": tickers}, schema={"ticker": pl.String})
    return sessions.join(followed, how="cross").with_columns(dataset=pl.lit(table.name))


def _filled(cells: pl.DataFrame, moment: Moment) -> pl.DataFrame:
    now = pl.lit(moment.now, UTC_US)
    return cells.with_columns(
        rows=pl.lit(0, pl.Int64), source=pl.lit(""), evidence=pl.lit(""), ts_known=now, ts_ingested=now
    )


def _conformed(cells: pl.DataFrame) -> pl.DataFrame:
    return cells.with_columns(ts_updated="ts_ingested").select(name for name in LEDGER_SCHEMA if name != "attempts")
