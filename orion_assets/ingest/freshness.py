"""What was derived and published from raw as it stands, and what a landing made stale. Cells themselves: ledger.py."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Final

import polars as pl

from orion_assets import calendars
from orion_assets.ingest.ledger import IS_FEATURED, PUBLISHED, conformed, filled
from orion_assets.ingest.moment import Moment
from orion_assets.schemas import ANSWERED, RAW_TICKERS, WHOLE_MARKET
from orion_assets.store.lake import Lake
from orion_assets.store.state import State
from orion_assets.tables import UTC_US
from orion_assets.transforms.pipeline import kin

# States in which a source has spoken of a cell, for good or ill
SPOKEN_OF: Final = (*ANSWERED, "quarantined")


def settle(state: State, start: date, end: date, moment: Moment) -> None:
    """Say that the features of the sessions [start, end) were derived and published, from raw as this run found it.

    A run beside this one that landed meanwhile is found by `stale_sessions`. What this run wrote over may then have
    been read by others: that counts as a landing of its own.
    """
    sessions = calendars.sessions(start, end).select("session")
    begun = pl.lit(moment.started or moment.now, UTC_US)
    told = sessions.with_columns(dataset=pl.lit(PUBLISHED), ticker=pl.lit(WHOLE_MARKET), state=pl.lit("data"))
    cells = filled(told.with_columns(detail=pl.lit("")), moment)
    state.record(conformed(cells.with_columns(evidence=pl.lit(moment.run), ts_known=begun)))
    stale = stale_sessions(state).filter(pl.col("session").is_between(start, end, closed="left"))
    for first in stale["session"].sort().head(1):
        state.log_landing(moment.run, first, moment.real())


def mark_stale(state: State, first: date, moment: Moment) -> None:
    """Say that features from a session on await derivation: a series changes with what comes before it."""
    state.log_landing(moment.run, first, moment.real())


def mark_touched(state: State, sessions: Sequence[date], moment: Moment) -> None:
    """Say that sessions await derivation and those after them do not: a minute bears upon its own session alone."""
    state.log_touch(moment.run, sessions, moment.real())


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


def stale_sessions(state: State) -> pl.DataFrame:
    """Give the published sessions (`session`) that were derived before, or beside, a landing that bears upon them."""
    told = state.cells(dataset=PUBLISHED).select("session", _run="evidence", _begun="ts_known")
    later = told.join_where(
        state.landings(),
        pl.col("first_session") <= pl.col("session"),
        pl.col("ts_landed") >= pl.col("_begun"),
        pl.col("run") != pl.col("_run"),
    )
    own = told.join(state.touches(), on="session").filter(
        (pl.col("ts_landed") >= pl.col("_begun")) & (pl.col("run") != pl.col("_run"))
    )
    return pl.concat([later.select("session"), own.select("session")]).unique().sort("session")


def stale_span(state: State) -> tuple[date, date] | None:
    """Give the sessions [start, end) that hold every one answered in raw and not derived since; None without any."""
    answered = state.count_sessions(SPOKEN_OF).filter(IS_FEATURED).select("session").unique()
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
