"""Ask a source for a range of sessions and land what it says: bytes, rows, coverage, ledger, in that order.

A crash between two steps leaves what is repeated at the next run; nothing is counted as known before it is landed.
"""

import logging
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Final

import polars as pl

from orion_assets import calendars
from orion_assets.errors import OrionError
from orion_assets.ingest.landing import NOT_VALUES, Landing, Moment
from orion_assets.ingest.ledger import failed_cells, is_by_ticker, ledger_cells, mark_stale
from orion_assets.schemas import RAW_COVERAGE, RAW_TICKERS, UTC_US, Table
from orion_assets.sources.protocols import TS_ASSUMED, TS_STATED, Answer, Ask, Source
from orion_assets.store.archive import Archive
from orion_assets.store.lake import Lake
from orion_assets.store.state import State

LOG: Final = logging.getLogger(__name__)
# How far an edit may move an article's publication or a split's ex-date and still be seen as the same row
MOVES_WITHIN: Final = timedelta(days=45)


@dataclass(frozen=True)
class Desk:
    """Where answers are landed: the lake, the archive of bytes, the state database."""

    lake: Lake
    archive: Archive
    state: State


@dataclass(frozen=True)
class Landed:
    """What came of asking.

    Attributes:
        table: The raw table.
        rows: Versions appended.
        first_change: First session whose rows changed; None when none did.
        not_due: Asked sessions whose close cut-off has not come.
    """

    table: str
    rows: int
    first_change: date | None
    not_due: tuple[date, ...] = field(default=())


def land(desk: Desk, source: Source, ask: Ask, table: Table, moment: Moment) -> Landed:
    """Ask and land one raw table for a range of sessions; a repeated call lands nothing.

    Args:
        desk: Where to land.
        source: Whom to ask.
        ask: The range, the universe, the instant.
        table: The raw table that `ask.dataset` names.
        moment: The clock of the landing.

    Raises:
        SourceRejected, SourceUnavailable: Nothing was written but the failed cells in the ledger.
        KnowledgeAhead: A replay finds rows known after its instant; nothing was written.
    """
    try:
        # A cell of the whole market would be answered falsely by some tickers only
        answer = source.read(ask if is_by_ticker(table.name) else replace(ask, tickers=()))
    except OrionError as e:
        desk.state.record(failed_cells(ask, table, moment, str(e)))
        raise
    for document in answer.documents:
        desk.archive.put(document.content)
    sessions = calendars.sessions(ask.start, ask.end)
    following = calendars.sessions(ask.start).head(sessions.height + 1)
    landing = Landing(table, answer, following, moment)
    covered = _coverage(desk.lake, table, ask)
    appended = pl.DataFrame()

    def versions(held: pl.DataFrame) -> pl.DataFrame:
        nonlocal appended
        appended = table.conform(landing.new_versions(held, covered))
        if appended.height:
            # Before the rows: a run that dies in between must not leave later features looking fresh
            mark_stale(desk.state, _first_touched(appended), moment)
        return appended

    def cells(held: pl.DataFrame) -> pl.DataFrame:
        mine = held.filter(pl.col("dataset") == table.name)
        return RAW_COVERAGE.conform(landing.new_coverage(ask.tickers or answer.tickers, mine))

    # Rows before coverage: a cell must not count as answered while its rows may still be lost
    around = timedelta(0) if "session" in table.key else MOVES_WITHIN
    desk.lake.append(table, versions, start=ask.start - around, end=ask.end + around)
    desk.lake.append(RAW_COVERAGE, cells, start=ask.start, end=ask.end)
    not_due = sessions.filter(pl.col("ts_close_cutoff") > moment.now)["session"].to_list()
    desk.state.record(ledger_cells(_coverage(desk.lake, table, ask), table, ask, not_due, moment))
    LOG.info("%s: %d versions landed for %d sessions", table.name, appended.height, sessions.height)
    first_change = _first_touched(appended) if appended.height else None
    return Landed(table.name, appended.height, first_change, tuple(not_due))


def land_tickers(desk: Desk, source: Source, moment: Moment) -> Landed:
    """Ask and land the reference snapshot of every ticker the source lists."""
    ask = Ask(RAW_TICKERS.name, calendars.FIRST_DATE, calendars.LAST_DATE, (), moment.now)
    answer = source.read(ask)
    for document in answer.documents:
        desk.archive.put(document.content)
    said = _stamped_reference(answer, moment)
    values = [name for name in RAW_TICKERS.names if name not in NOT_VALUES]
    is_stated = pl.col("availability") == "observed"

    def versions(held: pl.DataFrame) -> pl.DataFrame:
        last = held.sort("ts_known").unique(RAW_TICKERS.key, keep="last")
        # A stated version may be any of those held, another is held against the last one: A -> B -> A is two changes
        stated = said.filter(is_stated).join(held, on=[*values, "ts_known"], how="anti", nulls_equal=True)
        changed = pl.concat([stated, said.filter(~is_stated)]).join(last, on=values, how="anti", nulls_equal=True)
        clocks = last.select(*RAW_TICKERS.key, _last="ts_known")
        later = pl.max_horizontal(pl.lit(moment.now, UTC_US), pl.col("_last") + pl.duration(microseconds=1))
        is_newest = (pl.col("ts_known") > pl.col("_last")).fill_null(value=True)
        return (
            changed.join(clocks, on=RAW_TICKERS.key, how="left")
            .with_columns(
                ts_known=pl.when(pl.col("_last").is_null() | (is_stated & is_newest)).then("ts_known").otherwise(later)
            )
            .select(RAW_TICKERS.names)
        )

    commit = desk.lake.append(RAW_TICKERS, versions, start=None, end=None)
    return Landed(RAW_TICKERS.name, commit.rows, None)


def _stamped_reference(answer: Answer, moment: Moment) -> pl.DataFrame:
    return answer.rows.with_columns(
        ts_known=pl.coalesce(TS_STATED, TS_ASSUMED),
        ts_ingested=pl.lit(moment.now, UTC_US),
        availability=pl.when(pl.col(TS_STATED).is_null()).then(pl.lit("assumed")).otherwise(pl.lit("observed")),
    ).select(RAW_TICKERS.names)


def _first_touched(rows: pl.DataFrame) -> date:
    """Find the first session that rows bear upon: a moved ex-date may lie before the session they are filed under."""
    days = [rows[name].sort().to_list()[0] for name in ("session", "ex_date") if name in rows.columns]
    return min(days)


def _coverage(lake: Lake, table: Table, ask: Ask) -> pl.DataFrame:
    return lake.read(RAW_COVERAGE, start=ask.start, end=ask.end).filter(pl.col("dataset") == table.name)
