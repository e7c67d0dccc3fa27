"""The ledger: in which state every planned cell is. An index over raw_coverage and quarantine, which can rebuild it."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Final, NamedTuple

import polars as pl

from orion_assets import calendars
from orion_assets.ingest.landing import WHOLE_MARKET, is_by_ticker
from orion_assets.ingest.moment import Moment
from orion_assets.schemas import ANSWERED, QUARANTINE, RAW_COVERAGE, TABLES
from orion_assets.sources.protocols import Ask
from orion_assets.store.lake import Lake
from orion_assets.store.state import LEDGER_SCHEMA, State
from orion_assets.tables import UTC_US, Table
from orion_assets.transforms.versions import visible

PUBLISHED: Final = "feature_store"
_CELL: Final = ("dataset", "ticker", "session")
_BY_TICKER: Final = [name for name in TABLES if is_by_ticker(name)]


def covered_cells(coverage: pl.DataFrame) -> pl.DataFrame:
    """Give the ledger rows that RAW_COVERAGE rows stand for: the last answer about each cell at its close."""
    is_cell = (pl.col("ticker") == WHOLE_MARKET) != pl.col("dataset").is_in(_BY_TICKER)
    closes = coverage.filter((pl.col("cutoff") == "close") & is_cell)
    last = closes.sort(*_CELL, "ts_known").unique(_CELL, keep="last", maintain_order=True)
    return _conformed(last.with_columns(detail=pl.lit("")))


def ledger_cells(
    coverage: pl.DataFrame, table: Table, ask: Ask, not_due: Sequence[date], moment: Moment
) -> pl.DataFrame:
    """Give the ledger rows of an answered ask: what coverage says, and `not_yet` where it says nothing."""
    answered = covered_cells(coverage)
    planned = _planned(table.name, ask.tickers, ask.start, ask.end).join(answered, on=_CELL, how="anti")
    why = pl.when(pl.col("session").is_in(list(not_due))).then(pl.lit("the close cut-off has not come"))
    missing = planned.with_columns(
        state=pl.lit("not_yet"), detail=why.otherwise(pl.lit("the source ends before this session"))
    )
    return pl.concat([answered, _conformed(_filled(missing, moment))])


def failed_cells(ask: Ask, table: Table, moment: Moment, reason: str) -> pl.DataFrame:
    """Give the ledger rows of an ask that failed whole."""
    failed = _planned(table.name, ask.tickers, ask.start, ask.end).with_columns(
        state=pl.lit("failed"), detail=pl.lit(reason)
    )
    return _conformed(_filled(failed, moment))


def quarantined_cells(held: pl.DataFrame, raw: pl.DataFrame, clean: pl.DataFrame) -> pl.DataFrame:
    """Give the ledger rows of cells whose row, as the source has it now, was held back and left nothing standing.

    Args:
        held: QUARANTINE rows of one origin that is kept by ticker.
        raw: Its rows, all versions.
        clean: Rows of the clean table, all versions.
    """
    cell = ["ticker", "session"]
    standing = visible(raw, cell).select(*cell, "ts_known")
    lost = held.join(standing, on=[*cell, "ts_known"], how="semi").join(visible(clean, cell), on=cell, how="anti")
    one_each = lost.sort("rule").unique(cell, keep="first", maintain_order=True)
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


def settle(state: State, start: date, end: date, moment: Moment) -> None:
    """Say that the features of the sessions [start, end) were derived and published.

    What another run landed since this one began may not have been derived from: its mark stays.
    """
    sessions = calendars.sessions(start, end).select("session")
    begun = moment.started or moment.now

    def settled(cells: pl.DataFrame) -> pl.DataFrame:
        marks = {session: _marks(text) for session, text in cells.select("session", "evidence").iter_rows()}
        left = [
            [mark for mark in marks.get(session, ()) if mark.run != moment.run and mark.at >= begun]
            for session in sessions["session"]
        ]
        return _published(
            sessions.with_columns(evidence=pl.Series([_text(each) for each in left], dtype=pl.String)), moment
        )

    state.revise(settled, dataset=PUBLISHED, start=start, end=end)


def mark_stale(state: State, first: date, moment: Moment) -> None:
    """Say that what was published from a session on awaits derivation: a series changes with what comes before it."""
    mark = Mark(moment.run, moment.landing())

    def marked(cells: pl.DataFrame) -> pl.DataFrame:
        texts = [_text([*_marks(text), mark]) for text in cells["evidence"]]
        return _published(cells.select("session", evidence=pl.Series(texts, dtype=pl.String)), moment)

    state.revise(marked, dataset=PUBLISHED, start=first)


class Mark(NamedTuple):
    """A landing that features have not been derived from: the run it was part of, and when."""

    run: str
    at: datetime


def _marks(text: str | None) -> list[Mark]:
    parts = (part.rpartition("@") for part in (text or "").split())
    return [Mark(run, datetime.fromisoformat(at)) for run, _, at in parts]


def _text(marks: Sequence[Mark]) -> str:
    # One a run is enough: its last
    last = {mark.run: mark for mark in sorted(marks, key=lambda mark: mark.at)}
    return " ".join(f"{mark.run}@{mark.at.isoformat()}" for mark in last.values())


def _published(cells: pl.DataFrame, moment: Moment) -> pl.DataFrame:
    """Give ledger rows of the publication: `session`, and in `evidence` the marks that are left."""
    is_stale = pl.col("evidence") != ""
    why = pl.when(is_stale).then(pl.lit("raw changed since: derive again with orion update")).otherwise(pl.lit(""))
    told = _filled(cells.with_columns(dataset=pl.lit(PUBLISHED), ticker=pl.lit(WHOLE_MARKET)), moment)
    state = pl.when(is_stale).then(pl.lit("not_yet")).otherwise(pl.lit("data"))
    return _conformed(told.with_columns(evidence=cells["evidence"]).with_columns(state=state, detail=why))


def stale_span(state: State) -> tuple[date, date] | None:
    """Give the sessions [start, end) that hold every one answered in raw and not published since; None without any."""
    cells = state.cells()
    published = cells.filter((pl.col("dataset") == PUBLISHED) & (pl.col("state") == "data")).select("session")
    answered = cells.filter((pl.col("dataset") != PUBLISHED) & pl.col("state").is_in((*ANSWERED, "quarantined")))
    stale = answered.select("session").unique().join(published, on="session", how="anti")["session"].sort().to_list()
    return (stale[0], stale[-1] + timedelta(days=1)) if stale else None


def holes(state: State, dataset: str, tickers: Sequence[str], span: tuple[date, date]) -> list[date]:
    """List the sessions of a span in which a planned cell was not answered: never asked, not yet, or failed.

    Args:
        state: The state database.
        dataset: The raw table.
        tickers: The followed tickers; read where cells are kept by ticker.
        span: [start, end) of the sessions that are planned.
    """
    known = state.cells(dataset=dataset, start=span[0], end=span[1])
    answered = known.filter(pl.col("state").is_in((*ANSWERED, "quarantined")))
    return _planned(dataset, tickers, *span).join(answered, on=_CELL, how="anti")["session"].unique().sort().to_list()


def rebuild(lake: Lake, state: State, raw: Table, clean: Table) -> int:
    """Make the ledger anew from the lake; returns the number of cells.

    What the lake cannot know stays: what was published, and cells that were asked for and not answered.
    """
    cells = covered_cells(lake.read(RAW_COVERAGE))
    known = state.cells().drop("attempts")
    unanswered = known.filter(pl.col("state").is_in(["failed", "not_yet"]) & (pl.col("dataset") != PUBLISHED))
    kept = [known.filter(pl.col("dataset") == PUBLISHED), unanswered.join(cells, on=_CELL, how="anti")]
    held = lake.read(QUARANTINE).filter(pl.col("origin") == raw.name)
    state.clear()
    state.record(pl.concat([cells, *kept]))
    state.record(quarantined_cells(held, lake.read(raw), lake.read(clean)))
    return cells.height


def _planned(dataset: str, tickers: Sequence[str], start: date, end: date) -> pl.DataFrame:
    sessions = calendars.sessions(start, end).select("session")
    names = sorted(tickers) if is_by_ticker(dataset) else [WHOLE_MARKET]
    followed = pl.DataFrame({"ticker": names}, schema={"ticker": pl.String})
    return sessions.join(followed, how="cross").with_columns(dataset=pl.lit(dataset))


def _filled(cells: pl.DataFrame, moment: Moment) -> pl.DataFrame:
    now = pl.lit(moment.now, UTC_US)
    return cells.with_columns(
        rows=pl.lit(0, pl.Int64), source=pl.lit(""), evidence=pl.lit(""), ts_known=now, ts_ingested=now
    )


def _conformed(cells: pl.DataFrame) -> pl.DataFrame:
    return cells.with_columns(ts_updated="ts_ingested").select(name for name in LEDGER_SCHEMA if name != "attempts")
