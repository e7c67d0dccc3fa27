"""Ask a source for a range of sessions and land what it says: bytes, rows, coverage, ledger, in that order.

A crash between two steps leaves what is repeated at the next run; nothing is counted as known before it is landed.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Final

import polars as pl

from orion_assets.errors import SettingsError, SourceRejected, SourceUnavailable
from orion_assets.ingest.freshness import mark_histories, mark_stale, mark_touched
from orion_assets.ingest.landing import Landing, covered_tickers, is_by_ticker
from orion_assets.ingest.ledger import covered_cells, failed_cells, ledger_cells, with_news
from orion_assets.ingest.moment import Moment
from orion_assets.ingest.pieces import pieces
from orion_assets.market_hours import sessions_for
from orion_assets.schemas import ANSWERED, IN_OTHER_MARKETS, RAW_COVERAGE, RAW_SPLITS, RAW_TICKERS, TABLES
from orion_assets.settings import SYNTHETIC
from orion_assets.sources.protocols import Answer, Ask, Source
from orion_assets.store.archive import Archive
from orion_assets.store.lake import Lake
from orion_assets.store.state import State
from orion_assets.tables import Table
from orion_assets.transforms.actions import is_one_split
from orion_assets.transforms.pipeline import kin

LOG: Final = logging.getLogger(__name__)
# How far an edit may move an article's publication and still be seen as the same row
MOVES_WITHIN: Final = timedelta(days=45)


@dataclass(frozen=True)
class Desk:
    """Where answers are landed.

    Attributes:
        lake: Rows and coverage.
        archive: The bytes behind them.
        state: The state database.
        audits: How many old sessions are asked for again each day, over all datasets.
    """

    lake: Lake
    archive: Archive
    state: State
    audits: int = 0


@dataclass(frozen=True)
class Landed:
    """What came of asking.

    Attributes:
        table: The raw table.
        appended: Versions appended, with the table's columns.
        first_change: First session whose features the rows bear upon; None when nothing changed.
        not_due: Asked sessions whose close cut-off has not come.
    """

    table: Table
    appended: pl.DataFrame
    first_change: date | None = None
    not_due: tuple[date, ...] = ()

    @classmethod
    def nothing(cls, table: Table) -> "Landed":
        """Give what comes of not asking."""
        return cls(table, table.empty())

    @classmethod
    def of(cls, table: Table, parts: Iterable["Landed"]) -> "Landed":
        """Put together what came of several askings."""
        given = list(parts)
        changes = [part.first_change for part in given if part.first_change is not None]
        return cls(
            table,
            pl.concat([table.empty(), *(part.appended for part in given)]),
            min(changes, default=None),
            tuple(sorted({day for part in given for day in part.not_due})),
        )

    @property
    def rows(self) -> int:
        """Count the versions appended."""
        return self.appended.height

    @property
    def withdrawn(self) -> pl.DataFrame:
        """Give the versions among those appended that say that the source no longer has a row."""
        return self.appended.filter("is_deleted")


def refuse_mixture(desk: Desk, source: Source) -> None:
    """Refuse to land real data beside the synthetic market, or the other way round.

    Raises:
        SettingsError: Another source of the other kind answered here before.
    """
    landed = desk.lake.read(RAW_TICKERS)["source"].unique().to_list()
    others = {*desk.state.sources(), *landed} - {source.name}
    if others and SYNTHETIC in {source.name, *others}:
        held = ", ".join(sorted(others))
        raise SettingsError(
            f"source {source.name}: this lake holds what {held} said, and the synthetic market never stands beside real"
            " data. Set ORION_LAKE_URL, ORION_STORE_URL and ORION_STATE_URL to other places, or go on with"
            f" ORION_SOURCE={min(others)}"
        )


def land(
    desk: Desk,
    source: Source,
    ask: Ask,
    table: Table,
    moment: Moment,
    *,
    read: Callable[[Ask], Answer] | None = None,
) -> Landed:
    """Ask and land one raw table for a range of sessions; a repeated call lands nothing.

    Args:
        desk: Where to land.
        source: Whom to ask.
        ask: The range, the universe, the instant.
        table: The raw table that `ask.dataset` names.
        moment: The clock of the landing.
        read: How to ask; None asks the source itself.

    Raises:
        SourceRejected, SourceUnavailable, SettingsError: Nothing was written but the failed cells in the ledger.
        KnowledgeAhead: A replay finds rows known after its instant; nothing was written.
    """
    refuse_mixture(desk, source)
    try:
        answer = dated(read or source.read, moment)(question(ask, table))
        appended, held = _append(desk, ask, table, answer, moment)
    except (SourceRejected, SourceUnavailable, SettingsError) as e:
        answered = covered_cells(_coverage(desk.lake, table, ask))
        desk.state.record(failed_cells(ask, table, moment, str(e), answered))
        raise
    sessions = sessions_for(table.name, ask.start, ask.end)
    not_due = sessions.filter(pl.col("ts_close_cutoff") > moment.now)["session"].to_list()
    desk.state.record(
        _cells(desk, ask, table, not_due, moment, appended.with_columns(evidence=pl.lit(answer.evidence)))
    )
    LOG.info("%s: %d versions landed for %d sessions", table.name, appended.height, sessions.height)
    first_change = _first_touched(desk, table, appended, held) if appended.height else None
    return Landed(table, appended, first_change, tuple(not_due))


def dated(read: Callable[[Ask], Answer], moment: Moment) -> Callable[[Ask], Answer]:
    """Let answers say when they were asked for, where they do not: one may wait long for its turn to be landed."""

    def asked(ask: Ask) -> Answer:
        at = moment.landing()
        answer = read(ask)
        return answer if answer.ts_asked else replace(answer, ts_asked=at)

    return asked


def question(ask: Ask, table: Table) -> Ask:
    """Give what a source is asked to answer an ask: a cell of the whole market would be answered falsely by some."""
    return ask if is_by_ticker(table.name) else replace(ask, tickers=())


def _cells(
    desk: Desk, ask: Ask, table: Table, not_due: Sequence[date], moment: Moment, appended: pl.DataFrame
) -> pl.DataFrame:
    coverage = _coverage(desk.lake, table, ask)
    names = ask.tickers if is_by_ticker(table.name) and ask.tickers else None
    if names is not None:
        # What was asked of others in these sessions is not this answer's to tell
        coverage = coverage.filter(pl.col("ticker").is_in(list(names)))
    known = desk.state.cells(table.name, names, ask.start, ask.end, states=ANSWERED)
    return with_news(ledger_cells(coverage, table, ask, not_due, moment), known, appended, moment)


def land_all(desk: Desk, source: Source, ask: Ask, table: Table, moment: Moment) -> Iterator[Landed]:
    """Ask and land as `land`, a long range of minutes in pieces: yields what came of each, oldest first.

    A piece that was landed stays landed, whatever becomes of the next; a repeated call goes on from there.
    """
    for start, end in pieces(table, len(ask.tickers), ask.start, ask.end):
        yield land(desk, source, replace(ask, start=start, end=end), table, moment)


def restated(lake: Lake, source: Source, ask: Ask, moment: Moment) -> list[date]:
    """List the sessions of a range whose rows the source tells otherwise than they were landed; nothing is written.

    Args:
        lake: What was landed.
        source: Whom to ask; asking must cost nothing.
        ask: The range and the dataset.
        moment: The clock of a landing that could be made now.

    Raises:
        SourceRejected: The source cannot be read, or lacks most of what was landed.
    """
    table = TABLES[ask.dataset]
    parts = pieces(table, len(ask.tickers), ask.start, ask.end)
    return [
        day
        for start, end in parts
        for day in _restated_in(lake, source, replace(ask, start=start, end=end), table, moment)
    ]


def _restated_in(lake: Lake, source: Source, ask: Ask, table: Table, moment: Moment) -> list[date]:
    answer = source.read(ask)
    start, end = span(lake, table, ask, answer)
    fresh = landing_of(table, ask, answer, moment).new_versions(
        lake.read(table, start=start, end=end), _coverage(lake, table, ask)
    )
    mine = fresh.filter(pl.col("session").is_between(ask.start, ask.end, closed="left"))
    return mine["session"].unique().sort().to_list()


def _append(desk: Desk, ask: Ask, table: Table, answer: Answer, moment: Moment) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Commit bytes, rows and coverage; returns the rows that were new and those held before."""
    landing = landing_of(table, ask, answer, moment)
    appended, before = table.empty(), table.empty()
    is_kept = False

    def keep() -> None:
        """Archive the bytes before what refers to them; an answer that says nothing new leaves none."""
        nonlocal is_kept
        for document in () if is_kept else answer.documents:
            desk.archive.put(document.content)
        is_kept = True

    def versions(held: pl.DataFrame) -> pl.DataFrame:
        nonlocal appended, before
        # The instant of the commit, not of the ask: until then nobody could have read the rows
        fresh = replace(landing, landed=moment.landing()).new_versions(held, _coverage(desk.lake, table, ask))
        appended, before = table.conform(fresh), held
        if appended.height:
            keep()
            # Before the rows: a run that dies in between must not leave later features looking fresh
            _mark(desk, table, appended, held, moment)
        return appended

    def cells(held: pl.DataFrame) -> pl.DataFrame:
        mine = held.filter(pl.col("dataset") == table.name)
        told = replace(landing, landed=moment.landing()).new_coverage(ask.tickers or answer.tickers, mine, before)
        if told.height:
            keep()
        return RAW_COVERAGE.conform(told)

    start, end = span(desk.lake, table, ask, answer)
    # Rows before coverage: a cell must not count as answered while its rows may still be lost
    # Everybody's rows of a long range do not fit into memory, and one's own are all that is compared
    tickers = answer.tickers if is_by_ticker(table.name) else ()
    desk.lake.append(table, versions, start=start, end=end, tickers=tickers or None)
    if appended.height:
        # Again, for who began in between: he may have read what was there before
        _mark(desk, table, appended, before, moment)
    desk.lake.append(RAW_COVERAGE, cells, start=ask.start, end=ask.end, tickers=covered_tickers(ask))
    return appended, before


def _mark(desk: Desk, table: Table, appended: pl.DataFrame, held: pl.DataFrame, moment: Moment) -> None:
    if table.name in IN_OTHER_MARKETS:
        # No feature reads another market
        return
    if table.is_intraday:
        # No daily feature and no file of a ticker holds anything of a minute
        mark_touched(desk.state, appended["session"].unique().to_list(), moment)
        return
    first = _first_touched(desk, table, appended, held)
    mark_stale(desk.state, first, moment)
    # A split bears upon its twin, which may be published where it is not
    told = appended.with_columns(session=pl.lit(first)) if table.name == RAW_SPLITS.name else appended
    mark_histories(desk.state, desk.lake, told, moment)


def landing_of(table: Table, ask: Ask, answer: Answer, moment: Moment) -> Landing:
    """Give what lands an answer."""
    following = sessions_for(table.name, ask.start).head(sessions_for(table.name, ask.start, ask.end).height + 1)
    return Landing(table, answer, following, moment, is_partial=ask.is_partial)


def span(lake: Lake, table: Table, ask: Ask, answer: Answer) -> tuple[date, date]:
    """Find the sessions that hold every row the answer may be about: one that moved stays where it was first filed."""
    if is_by_ticker(table.name):
        return ask.start, ask.end
    if "ex_date" not in table.names:
        return ask.start - MOVES_WITHIN, ask.end + MOVES_WITHIN
    # A mistyped year moves an ex-date far, and there are few actions
    is_asked = pl.col("ex_date").is_between(ask.start - timedelta(days=7), ask.end, closed="left")
    is_told = pl.col("event_id").is_in(answer.rows["event_id"].to_list())
    homes = lake.read(table).filter(is_asked | is_told)["session"].to_list()
    return min([ask.start, *homes]), max([ask.end, *(home + timedelta(days=1) for home in homes)])


def _first_touched(desk: Desk, table: Table, rows: pl.DataFrame, held: pl.DataFrame) -> date:
    """Find the first session that rows bear upon: a moved ex-date was, or is, elsewhere than where they are filed."""
    parts = [rows.select(day="session")]
    if "ex_date" in rows.columns:
        dated = pl.concat([rows, held.join(rows, on="event_id", how="semi")]).select("ticker", day="ex_date")
        parts.append(dated.select("day"))
        if table.name == RAW_SPLITS.name:
            parts.append(_twins(desk.lake, dated))
    return pl.concat(parts)["day"].sort().to_list()[0]


def _twins(lake: Lake, dated: pl.DataFrame) -> pl.DataFrame:
    """Give the `day` of each split that is held near one of `dated`: which of two counts may have changed for both.

    Of all who share a series with one of them: a renamed company's split may be told under both names.
    """
    tickers = kin(lake.read(RAW_TICKERS), dated["ticker"].unique().to_list())
    held = lake.read(RAW_SPLITS).filter(pl.col("ticker").is_in(tickers)).select("ex_date").unique()
    both = dated.select("day").unique().join(held, how="cross")
    return both.filter(is_one_split(pl.col("day"), pl.col("ex_date"))).select(day="ex_date")


def _coverage(lake: Lake, table: Table, ask: Ask) -> pl.DataFrame:
    told = lake.read(RAW_COVERAGE, start=ask.start, end=ask.end, tickers=covered_tickers(ask))
    return told.filter(pl.col("dataset") == table.name)
