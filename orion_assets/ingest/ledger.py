"""The ledger: in which state every planned cell is. An index over raw_coverage and quarantine, which can rebuild it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

import polars as pl

from orion_assets import calendars
from orion_assets.ingest.landing import is_by_ticker
from orion_assets.ingest.moment import Moment
from orion_assets.market_hours import sessions_for
from orion_assets.markets import EQUITIES, MARKETS, market_named_in
from orion_assets.schemas import (
    ANSWERED,
    CLEAN_DAILY_BARS,
    CLEAN_MINUTE_BARS,
    IN_OTHER_MARKETS,
    QUARANTINE,
    RAW_COVERAGE,
    RAW_DAILY_BARS,
    RAW_MINUTE_BARS,
    RAW_TICKERS,
    TABLES,
    WHOLE_MARKET,
    table_of,
)
from orion_assets.sources.protocols import Ask
from orion_assets.store.lake import Lake
from orion_assets.store.state import LEDGER_SCHEMA, STATES, State
from orion_assets.tables import UTC_US, Table
from orion_assets.transforms.bars import key_text
from orion_assets.transforms.pipeline import kin
from orion_assets.transforms.versions import visible

PUBLISHED: Final = "feature_store"
NEAR_SESSIONS: Final = 20
RECENT: Final = 5
# States in which a source has spoken of a cell, for good or ill
_KNOWN: Final = (*ANSWERED, "quarantined")
# States of what was asked for and did not come
IN_VAIN: Final = ("failed", "quarantined", "not_entitled", "not_listed")
_CELL: Final = ("dataset", "ticker", "session")
_BY_TICKER: Final = [name for name in TABLES if is_by_ticker(name)]
_CLEANED: Final = {
    table_of(raw, market): table_of(clean, market)
    for market in (EQUITIES, *MARKETS.values())
    for raw, clean in ((RAW_DAILY_BARS, CLEAN_DAILY_BARS), (RAW_MINUTE_BARS, CLEAN_MINUTE_BARS))
}
# What features are made of; other markets have days of their own, and nothing is derived of them
_IS_FEATURED: Final = ~pl.col("dataset").is_in(sorted(IN_OTHER_MARKETS))
_IS_ASKED: Final = (pl.col("dataset") != PUBLISHED) & _IS_FEATURED


@dataclass(frozen=True)
class Coverage:
    """How far a range of sessions is filled.

    Attributes:
        followed: Tickers whose bars are wanted.
        datasets: The raw tables that were ever asked for, and `feature_store`.
        closed: `session`: those of the range whose close cut-off has come, so that all of them can be answered.
        unfilled: `dataset`, `session`: a cell of it was never asked for, is not yet answered or failed; of
            `feature_store`, it was not derived and published from raw as it stands.
    """

    followed: Sequence[str]
    datasets: Sequence[str]
    closed: pl.DataFrame
    unfilled: pl.DataFrame


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
    last = closes.sort(*_CELL, "ts_known").unique(_CELL, keep="last", maintain_order=True)
    return _conformed(last.with_columns(detail=pl.lit("")))


def ledger_cells(
    coverage: pl.DataFrame, table: Table, ask: Ask, not_due: Sequence[date], moment: Moment
) -> pl.DataFrame:
    """Give the ledger rows of an answered ask: what coverage says, and `not_yet` where it says nothing."""
    answered = covered_cells(coverage)
    planned = planned_cells(table.name, ask.tickers, ask.start, ask.end).join(answered, on=_CELL, how="anti")
    why = pl.when(pl.col("session").is_in(list(not_due))).then(pl.lit("the close cut-off has not come"))
    missing = planned.with_columns(
        state=pl.lit("not_yet"), detail=why.otherwise(pl.lit("the source ends before this session"))
    )
    return pl.concat([answered, _conformed(_filled(missing, moment))])


def failed_cells(
    ask: Ask, table: Table, moment: Moment, reason: str, known: pl.DataFrame, *, state: str = "failed"
) -> pl.DataFrame:
    """Give the ledger rows of an ask that came to nothing; the cells of `known` were answered before and stay so."""
    planned = planned_cells(table.name, ask.tickers, ask.start, ask.end).join(known, on=_CELL, how="anti")
    return told_cells(planned, moment, reason, state=state)


def told_cells(cells: pl.DataFrame, moment: Moment, reason: str, *, state: str = "failed") -> pl.DataFrame:
    """Give the ledger rows of cells (`dataset`, `ticker`, `session`) that nothing was landed of, and why."""
    return _conformed(_filled(cells.with_columns(state=pl.lit(state), detail=pl.lit(reason)), moment))


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
    # A row of a closed day is held too, but there is no cell that it could fill
    planned = lost.join(sessions_for(origin.name).select("session"), on="session", how="semi")
    counted = planned.with_columns(rows=pl.col("row_key").n_unique().over(cell).cast(pl.Int64))
    one_each = counted.sort("rule", "row_key").unique(cell, keep="first", maintain_order=True)
    return _conformed(
        one_each.with_columns(
            dataset="origin",
            state=pl.lit("quarantined"),
            source=pl.lit(""),
            evidence=pl.concat_str("source_file", pl.lit(" row "), pl.col("source_row").cast(pl.String)),
            detail=pl.concat_str("rule", pl.lit(": "), "found"),
            ts_ingested="ts_known",
        )
    )


def settle(state: State, start: date, end: date, moment: Moment) -> None:
    """Say that the features of the sessions [start, end) were derived and published, from raw as this run found it.

    A run beside this one that landed meanwhile is found by `stale_sessions`. What this run wrote over may then have
    been read by others: that counts as a landing of its own.
    """
    sessions = calendars.sessions(start, end).select("session")
    begun = pl.lit(moment.started or moment.now, UTC_US)
    told = sessions.with_columns(dataset=pl.lit(PUBLISHED), ticker=pl.lit(WHOLE_MARKET), state=pl.lit("data"))
    cells = _filled(told.with_columns(detail=pl.lit("")), moment)
    state.record(_conformed(cells.with_columns(evidence=pl.lit(moment.run), ts_known=begun)))
    stale = stale_sessions(state).filter(pl.col("session").is_between(start, end, closed="left"))
    for first in stale["session"].sort().head(1):
        state.log_landing(moment.run, first, moment.real())


def mark_stale(state: State, first: date, moment: Moment) -> None:
    """Say that features from a session on await derivation: a series changes with what comes before it."""
    state.log_landing(moment.run, first, moment.real())


def mark_histories(state: State, lake: Lake, appended: pl.DataFrame, moment: Moment) -> None:
    """Say whose files hold what is told otherwise now: rows up to the last session that was published.

    Args:
        state: The state database.
        lake: Where the reference says who shares a series with whom.
        appended: New versions of one raw table; without a ticker they bear upon everybody.
        moment: The clock of the landing.
    """
    last = state.count_sessions(["data"], dataset=PUBLISHED)["session"].max()
    told = appended.filter(pl.col("session") <= last) if last else appended.clear()
    if told.is_empty():
        return
    if "tickers" in told.columns:
        told = told.select(ticker=pl.col("tickers").explode())
    if "ticker" in told.columns:
        tickers = kin(lake.read(RAW_TICKERS), told["ticker"].drop_nulls().unique().to_list())
    else:
        tickers = state.universe()
    state.mark_histories_due([ticker for ticker in tickers if ticker != WHOLE_MARKET], moment.real())


def published(state: State) -> pl.DataFrame:
    """Give the sessions (`session`) whose features were derived from raw as it stands, and published."""
    cells = state.count_sessions(["data"], dataset=PUBLISHED).select("session")
    return cells.join(stale_sessions(state), on="session", how="anti").sort("session")


def lost(state: State, now: datetime) -> list[date]:
    """List the sessions that runs left behind: asked for in vain, stepped over, or not there yet a few sessions ago.

    What is not there after RECENT sessions is no longer waited for: most often the source ends before it.

    Args:
        state: The state database.
        now: The time, UTC; a session that has not closed is not missed.
    """
    asked = state.count_sessions(STATES).filter(_IS_ASKED)
    if asked.is_empty():
        return []
    days = asked["session"].unique().sort()
    closed = calendars.sessions(days[0], days[-1] + timedelta(days=1)).filter(pl.col("ts_close_cutoff") <= now)[
        "session"
    ]
    found: set[date] = set()
    for dataset in asked["dataset"].unique():
        is_each = is_by_ticker(dataset)
        failed, late = (
            state.count_sessions([name], dataset=dataset, followed=is_each)["session"] for name in ("failed", "not_yet")
        )
        known = asked.filter(pl.col("dataset") == dataset)["session"]
        found |= {*failed, *(set(late) & set(closed.tail(RECENT))), *(set(closed) - set(known))}
    return sorted(found & set(closed))


def near_one_another(days: Sequence[date]) -> list[list[date]]:
    """Part sorted sessions where more than NEAR_SESSIONS lie between two of them."""
    position = dict(calendars.sessions().select("session", "position").iter_rows())
    groups: list[list[date]] = []
    for day in days:
        if groups and position[day] - position[groups[-1][-1]] <= NEAR_SESSIONS:
            groups[-1].append(day)
        else:
            groups.append([day])
    return groups


def stale_sessions(state: State) -> pl.DataFrame:
    """Give the published sessions (`session`) that were derived before, or beside, a landing that bears upon them."""
    told = state.cells(dataset=PUBLISHED).select("session", _run="evidence", _begun="ts_known")
    later = told.join_where(
        state.landings(),
        pl.col("first_session") <= pl.col("session"),
        pl.col("ts_landed") >= pl.col("_begun"),
        pl.col("run") != pl.col("_run"),
    )
    return later.select("session").unique().sort("session")


def stale_span(state: State) -> tuple[date, date] | None:
    """Give the sessions [start, end) that hold every one answered in raw and not derived since; None without any."""
    answered = state.count_sessions(_KNOWN).filter(_IS_ASKED).select("session").unique()
    stale = answered.join(published(state), on="session", how="anti")["session"].sort().to_list()
    return (stale[0], stale[-1] + timedelta(days=1)) if stale else None


def cells_now(state: State) -> pl.DataFrame:
    """Give all cells as they stand: published ones that await derivation are `not_yet`."""
    cells, stale = state.cells(), stale_sessions(state)["session"].to_list()
    is_stale = (pl.col("dataset") == PUBLISHED) & pl.col("session").is_in(stale)
    return cells.with_columns(
        state=pl.when(is_stale).then(pl.lit("not_yet")).otherwise("state"),
        detail=pl.when(is_stale).then(pl.lit("raw changed since it was derived")).otherwise("detail"),
    )


def holes(state: State, dataset: str, followed: int, span: tuple[date, date]) -> list[date]:
    """List the sessions of a span in which a planned cell was not answered: never asked, not yet, or failed.

    Args:
        state: The state database.
        dataset: The raw table.
        followed: How many tickers are followed; each has a cell a session where cells are kept by ticker.
        span: [start, end) of the sessions that are planned.
    """
    is_each = is_by_ticker(dataset)
    counted = state.count_sessions(_KNOWN, dataset=dataset, followed=is_each)
    full = counted.filter(pl.col("cells") >= (followed if is_each else 1)).select("session")
    return sessions_for(dataset, *span).join(full, on="session", how="anti")["session"].sort().to_list()


def coverage_of(state: State, span: tuple[date, date], now: datetime) -> Coverage:
    """Say what is wanting in the sessions [start, end), as far as they have closed by now."""
    datasets = sorted(set(state.count_sessions(STATES)["dataset"]) - {PUBLISHED} - IN_OTHER_MARKETS)
    followed = state.universe()
    wanting = {dataset: holes(state, dataset, len(followed), span) for dataset in datasets}
    underived = calendars.sessions(*span).join(published(state), on="session", how="anti")["session"].to_list()
    rows = [(dataset, day) for dataset, days in [*wanting.items(), (PUBLISHED, underived)] for day in days]
    unfilled = pl.DataFrame(rows, {"dataset": pl.String(), "session": pl.Date()}, orient="row")
    closed = calendars.sessions(*span).filter(pl.col("ts_close_cutoff") <= now).select("session")
    return Coverage(followed, (*datasets, PUBLISHED), closed, unfilled)


def never_asked(state: State) -> list[date]:
    """List the sessions between those asked for that nobody asked for: features after them step over the gap."""
    asked = state.count_sessions(STATES).filter(_IS_ASKED).select("session").unique().sort("session")
    if asked.is_empty():
        return []
    between = calendars.sessions(asked["session"][0], asked["session"][-1])
    return between.join(asked, on="session", how="anti")["session"].sort().to_list()


def lacking_past(state: State) -> tuple[str, ...]:
    """List the followed tickers that were not asked for in some session in which bars of others were answered."""
    asked = state.count_sessions(_KNOWN, dataset=RAW_DAILY_BARS.name).height
    counts = state.count_tickers(RAW_DAILY_BARS.name)
    return tuple(ticker for ticker in state.universe() if counts.get(ticker, 0) < asked)


def unasked(state: State, tickers: Sequence[str]) -> dict[str, list[date]]:
    """List, for some tickers, the sessions in which bars of others were answered and its own never asked for.

    Args:
        state: The state database.
        tickers: Tickers followed since; those without such sessions are not in the answer.
    """
    if not tickers:
        return {}
    dataset = RAW_DAILY_BARS.name
    asked = state.count_sessions(_KNOWN, dataset=dataset)["session"].sort().to_list()
    own = state.cells(dataset=dataset, tickers=tickers)
    known: dict[str, set[date]] = {}
    for ticker, session in own.select("ticker", "session").iter_rows():
        known.setdefault(ticker, set()).add(session)
    missing = {ticker: [day for day in asked if day not in known.get(ticker, set())] for ticker in tickers}
    return {ticker: days for ticker, days in missing.items() if days}


def is_undisturbed(state: State, span: tuple[date, date], moment: Moment) -> bool:
    """Say whether a run over the sessions [start, end) derives from raw as it is.

    That is where nothing before them awaits derivation, and no other run landed what bears upon them since it began.
    """
    stale = stale_span(state)
    beside = state.landings().filter(
        (pl.col("run") != moment.run)
        & (pl.col("ts_landed") >= pl.lit(moment.started or moment.now, UTC_US))
        & (pl.col("first_session") < span[1])
    )
    return (stale is None or stale[0] >= span[0]) and beside.is_empty()


def rebuild(lake: Lake, state: State) -> int:
    """Make the ledger anew from the lake; returns the number of cells.

    What the lake cannot know stays: what was published, and cells that were asked for and not answered.
    """
    cells = covered_cells(lake.read(RAW_COVERAGE))
    known = state.cells().drop("attempts")
    unanswered = known.filter(pl.col("state").is_in(["failed", "not_yet"]) & (pl.col("dataset") != PUBLISHED))
    kept = [known.filter(pl.col("dataset") == PUBLISHED), unanswered.join(cells, on=_CELL, how="anti")]
    held = lake.read(QUARANTINE)
    state.clear()
    state.record(pl.concat([cells, *kept]))
    for raw, clean in _CLEANED.items():
        mine = held.filter(pl.col("origin") == raw.name)
        # A session at a time: all minutes are too many
        for day in mine["session"].unique().sort():
            of_day, after = mine.filter(pl.col("session") == day), day + timedelta(days=1)
            said, good = (lake.read(table, start=day, end=after) for table in (raw, clean))
            state.record(quarantined_cells(of_day, said, good, raw))
    return cells.height


def _filled(cells: pl.DataFrame, moment: Moment) -> pl.DataFrame:
    now = pl.lit(moment.now, UTC_US)
    return cells.with_columns(
        rows=pl.lit(0, pl.Int64), source=pl.lit(""), evidence=pl.lit(""), ts_known=now, ts_ingested=now
    )


def _conformed(cells: pl.DataFrame) -> pl.DataFrame:
    return cells.with_columns(ts_updated="ts_ingested").select(name for name in LEDGER_SCHEMA if name != "attempts")
