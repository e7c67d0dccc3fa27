"""What was derived and published from raw as it stands, and what a landing made stale. Cells themselves: ledger.py."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Final

import polars as pl

from orion_assets import calendars
from orion_assets.ingest.ledger import IS_FEATURED, PUBLISHED, conformed, filled
from orion_assets.ingest.moment import Moment
from orion_assets.schemas import ANSWERED, RAW_MINUTE_BARS, RAW_TICKERS, WHOLE_MARKET
from orion_assets.store.lake import Lake
from orion_assets.store.state import State
from orion_assets.tables import UTC_US
from orion_assets.transforms.pipeline import kin

# States in which a source has spoken of a cell, for good or ill
SPOKEN_OF: Final = (*ANSWERED, "quarantined")
# What a session that awaits derivation says of itself
UNDERIVED: Final = "not derived from raw as it stands up to this session"


def settle(state: State, start: date, end: date, moment: Moment) -> None:
    """Say that the features of the sessions [start, end) were derived and published, from raw as this run found it.

    What was derived after a session that awaited derivation was made of it as it stood before: deriving it now bears
    upon all that follows, as a landing does. A run beside this one that landed meanwhile is found by `awaiting`.
    """
    within = pl.col("session").is_between(start, end, closed="left")
    for first in _sessions(state).filter(within, "bears")["session"].sort().head(1):
        state.log_landing(moment.run, first, moment.real())
    sessions = calendars.sessions(start, end).select("session")
    begun = pl.lit(moment.started or moment.now, UTC_US)
    told = sessions.with_columns(dataset=pl.lit(PUBLISHED), ticker=pl.lit(WHOLE_MARKET), state=pl.lit("data"))
    cells = filled(told.with_columns(detail=pl.lit("")), moment)
    state.record(conformed(cells.with_columns(evidence=pl.lit(moment.run), ts_known=begun)))


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
    return cells.join(awaiting(state), on="session", how="anti").sort("session")


def stale_span(state: State, since: date | None = None) -> tuple[date, date] | None:
    """Give the sessions [start, end) that hold every one answered in raw and not derived since; None without any.

    Args:
        state: The state database.
        since: Look at the sessions from there on, as if there were none before.
    """
    stale = awaiting(state, since).filter("is_answered")["session"].to_list()
    return (stale[0], stale[-1] + timedelta(days=1)) if stale else None


def awaiting(state: State, since: date | None = None) -> pl.DataFrame:
    """Give the sessions that await derivation: answered or published, and not derived from raw as it stands.

    What was derived after a session that awaits derivation awaits it too: its series go through that session.

    Args:
        state: The state database.
        since: Look at the sessions from there on, as if there were none before.

    Returns:
        `session`, `is_answered` (whether a source has spoken of it), sorted by session.
    """
    known = _sessions(state)
    known = known if since is None else known.filter(pl.col("session") >= since)
    first = known.filter("bears").select(_first=pl.col("session").min())
    after = known.join_where(first, pl.col("session") >= pl.col("_first"))
    found = pl.concat([each.select("session", "is_answered") for each in (known.filter("awaits"), after)])
    return found.unique().sort("session")


def _sessions(state: State) -> pl.DataFrame:
    """Give every session that was answered or published, and what speaks against it taken alone.

    Returns:
        `session`; `is_answered`; `awaits`, whether it was not derived since it was answered, or since a landing that
        bears upon it; `bears`, whether later sessions await it for that: of minutes none is made.
    """
    told = state.cells(dataset=PUBLISHED).select("session", _run="evidence", _begun="ts_known")
    is_past = (pl.col("dataset") != RAW_MINUTE_BARS.name).any()
    answered = state.sessions_in(SPOKEN_OF).filter(IS_FEATURED).group_by("session").agg(_is_past=is_past)
    is_unread = (pl.col("ts_landed") >= pl.col("_begun")) & (pl.col("run") != pl.col("_run"))
    landed = told.join_where(state.landings(), pl.col("first_session") <= pl.col("session"), is_unread)["session"]
    touched = told.join(state.touches(), on="session").filter(is_unread)["session"]
    changed = pl.col("_begun").is_null() | pl.col("session").is_in(landed.unique().implode())
    return told.join(answered, on="session", how="full", coalesce=True).select(
        "session",
        is_answered=pl.col("_is_past").is_not_null(),
        awaits=changed | pl.col("session").is_in(touched.unique().implode()),
        bears=changed & pl.col("_is_past").fill_null(value=False),
    )


def cells_now(state: State) -> pl.DataFrame:
    """Give all cells as they stand: published ones that await derivation are `not_yet`."""
    cells, stale = state.cells(), awaiting(state)["session"].to_list()
    is_stale = (pl.col("dataset") == PUBLISHED) & pl.col("session").is_in(stale)
    return cells.with_columns(
        state=pl.when(is_stale).then(pl.lit("not_yet")).otherwise("state"),
        detail=pl.when(is_stale).then(pl.lit(UNDERIVED)).otherwise("detail"),
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
