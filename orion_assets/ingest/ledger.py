"""The ledger's rows: in which state every planned cell is, and why. Pure; what they are made of is in the lake.

freshness.py says what of them is published or stale, missing.py what is missing, rebuilding.py makes them anew.
"""

from collections.abc import Sequence
from datetime import date
from typing import Final

import polars as pl

from orion_assets.ingest.landing import is_by_ticker
from orion_assets.ingest.moment import Moment
from orion_assets.market_hours import sessions_for
from orion_assets.markets import market_named_in
from orion_assets.schemas import IN_OTHER_MARKETS, RAW_DAILY_BARS, TABLES, WHOLE_MARKET
from orion_assets.sources.protocols import Ask
from orion_assets.store.state import LEDGER_KEY, LEDGER_SCHEMA, State
from orion_assets.tables import UTC_US, Table
from orion_assets.transforms.bars import key_text
from orion_assets.transforms.versions import visible

PUBLISHED: Final = "feature_store"
# States of what was asked for and did not come
IN_VAIN: Final = ("failed", "quarantined", "not_entitled", "not_listed")
_BY_TICKER: Final = [name for name in TABLES if is_by_ticker(name)]
# Raw cells that features are made of; other markets have days of their own, and nothing is derived of them
IS_FEATURED: Final = ~pl.col("dataset").is_in(sorted({PUBLISHED, *IN_OTHER_MARKETS}))


def planned_cells(dataset: str, tickers: Sequence[str], start: date, end: date) -> pl.DataFrame:
    """Give the cells of a range: `session`, `ticker` (`*` where cells are kept for the whole market), `dataset`.

    The sessions are those of the dataset's market; a ticker that names its last date has no cell after it.
    """
    sessions = sessions_for(dataset, start, end).select("session")
    names = sorted(tickers) if is_by_ticker(dataset) else [WHOLE_MARKET]
    followed = pl.DataFrame({"ticker": names}, schema={"ticker": pl.String})
    cells = sessions.join(followed, how="cross").with_columns(dataset=pl.lit(dataset))
    market = market_named_in(dataset)
    if not market.expires:
        return cells
    last = pl.DataFrame(
        {"ticker": names, "_last": list(map(market.last_date, names))}, {"ticker": pl.String, "_last": pl.Date}
    )
    return cells.join(last, on="ticker").filter(pl.col("session") <= pl.col("_last")).drop("_last")


def covered_cells(coverage: pl.DataFrame) -> pl.DataFrame:
    """Give the ledger rows that RAW_COVERAGE rows stand for: the last answer about each cell at its close."""
    is_cell = (pl.col("ticker") == WHOLE_MARKET) != pl.col("dataset").is_in(_BY_TICKER)
    closes = coverage.filter((pl.col("cutoff") == "close") & is_cell)
    last = closes.sort(*LEDGER_KEY, "ts_known").unique(LEDGER_KEY, keep="last", maintain_order=True)
    return conformed(last.with_columns(detail=pl.lit("")))


def ledger_cells(
    coverage: pl.DataFrame, table: Table, ask: Ask, not_due: Sequence[date], moment: Moment
) -> pl.DataFrame:
    """Give the ledger rows of an answered ask: what coverage says, asked now, and `not_yet` where it says nothing."""
    answered = covered_cells(coverage).with_columns(ts_updated=pl.lit(moment.landing(), UTC_US))
    planned = planned_cells(table.name, ask.tickers, ask.start, ask.end).join(answered, on=LEDGER_KEY, how="anti")
    why = pl.when(pl.col("session").is_in(list(not_due))).then(pl.lit("the close cut-off has not come"))
    missing = planned.with_columns(
        state=pl.lit("not_yet"), detail=why.otherwise(pl.lit("the source ends before this session"))
    )
    return pl.concat([answered, conformed(filled(missing, moment))])


def with_news(cells: pl.DataFrame, known: pl.DataFrame, appended: pl.DataFrame, moment: Moment) -> pl.DataFrame:
    """Let the ledger rows of cells that were answered before say what has become of them.

    Args:
        cells: Ledger rows of an answered ask.
        known: What the ledger said of these cells before.
        appended: New versions of the raw table, with `evidence`, that of the answer.
        moment: The clock of the landing.

    Returns:
        `cells`: those that were answered before, in the same state, with the evidence and detail that they had; where
        rows were told otherwise since, with the new answer's evidence and a detail that counts them.
    """
    is_each = cells.height > 0 and is_by_ticker(cells["dataset"][0])
    who = pl.col("ticker") if is_each else pl.lit(WHOLE_MARKET)
    before = known.select(*LEDGER_KEY, "state", _evidence="evidence", _detail="detail", _is_known=True)
    changed = appended.group_by("session", ticker=who).agg(_rows=pl.len(), _new=pl.col("evidence").first())
    told = cells.join(before, on=[*LEDGER_KEY, "state"], how="left").join(changed, on=["session", "ticker"], how="left")
    again = pl.format("{} rows told otherwise on {}", "_rows", pl.lit(moment.landing().date().isoformat()))
    is_again = pl.col("_is_known").is_not_null() & pl.col("_rows").is_not_null()
    return told.with_columns(
        evidence=pl.when(is_again).then("_new").otherwise(pl.coalesce("_evidence", "evidence")),
        detail=pl.when(is_again).then(again).otherwise(pl.coalesce("_detail", "detail")),
    ).select(cells.columns)


def failed_cells(
    ask: Ask, table: Table, moment: Moment, reason: str, known: pl.DataFrame, *, state: str = "failed"
) -> pl.DataFrame:
    """Give the ledger rows of an ask that came to nothing; the cells of `known` were answered before and stay so."""
    planned = planned_cells(table.name, ask.tickers, ask.start, ask.end).join(known, on=LEDGER_KEY, how="anti")
    return told_cells(planned, moment, reason, state=state)


def told_cells(cells: pl.DataFrame, moment: Moment, reason: str, *, state: str = "failed") -> pl.DataFrame:
    """Give the ledger rows of cells (`dataset`, `ticker`, `session`) that nothing was landed of, and why."""
    return conformed(filled(cells.with_columns(state=pl.lit(state), detail=pl.lit(reason)), moment))


def unfilled_cells(state: State, dataset: str, start: date, end: date) -> pl.DataFrame:
    """Give the cells of [start, end) that were asked for in vain: `ticker`, `session`, `state`, `detail`.

    Those of which a row was landed that is held back are the quarantine's to tell.
    """
    told = state.cells(dataset, start=start, end=end, states=IN_VAIN).filter(pl.col("rows") == 0)
    return told.select("ticker", "session", "state", "detail").sort("session", "ticker")


def quarantined_cells(
    held: pl.DataFrame, raw: pl.DataFrame, clean: pl.DataFrame, origin: Table = RAW_DAILY_BARS
) -> pl.DataFrame:
    """Give the ledger rows of cells whose rows, as the source has them now, were held back and left nothing standing.

    Args:
        held: QUARANTINE rows of one origin.
        raw: Its rows, all versions.
        clean: Rows of the clean table, all versions.
        origin: The raw table, one that is kept by ticker.
    """
    cell = ["ticker", "session"]
    standing = visible(raw, origin.key).select(*cell, "ts_known", row_key=key_text(origin))
    is_standing = held.join(standing, on=[*cell, "ts_known", "row_key"], how="semi")
    lost = is_standing.join(visible(clean, origin.key), on=cell, how="anti")
    return _one_each(lost, origin)


def doubted_cells(held: pl.DataFrame, raw: pl.DataFrame, origin: Table) -> pl.DataFrame:
    """Give the ledger rows of the whole market's cells in which rows, as the source has them now, were held back.

    Args:
        held: QUARANTINE rows of one origin.
        raw: Its rows, all versions.
        origin: The raw table, one whose cells are the whole market's.
    """
    row = ["session", "ts_known", "row_key"]
    standing = visible(raw, origin.key).select("session", "ts_known", row_key=key_text(origin))
    mine = held.join(standing, on=row, how="semi").with_columns(ticker=pl.lit(WHOLE_MARKET))
    return _one_each(mine, origin)


def _one_each(held: pl.DataFrame, origin: Table) -> pl.DataFrame:
    """Give the ledger rows of the cells of QUARANTINE rows; a row of a closed day fills none."""
    cell = ["ticker", "session"]
    planned = held.join(sessions_for(origin.name).select("session"), on="session", how="semi")
    counted = planned.with_columns(rows=pl.col("row_key").n_unique().over(cell).cast(pl.Int64))
    one_each = counted.sort("rule", "row_key").unique(cell, keep="first", maintain_order=True)
    return conformed(
        one_each.with_columns(
            dataset="origin",
            state=pl.lit("quarantined"),
            source=pl.lit(""),
            evidence=pl.concat_str("source_file", pl.lit(" row "), pl.col("source_row").cast(pl.String)),
            detail=pl.concat_str("rule", pl.lit(": "), "found"),
            ts_ingested="ts_known",
        )
    )


def filled(cells: pl.DataFrame, moment: Moment) -> pl.DataFrame:
    """Add to cells what a run says of those of which nothing was landed."""
    now = pl.lit(moment.now, UTC_US)
    return cells.with_columns(
        rows=pl.lit(0, pl.Int64), source=pl.lit(""), evidence=pl.lit(""), ts_known=now, ts_ingested=now
    )


def conformed(cells: pl.DataFrame) -> pl.DataFrame:
    """Give the columns of the ledger; a cell was last said when `ts_ingested` says."""
    return cells.with_columns(ts_updated="ts_ingested").select(name for name in LEDGER_SCHEMA if name != "attempts")
