"""Which sessions a call means: what the user wrote, held against the settings, the calendar, the clock and the source.

A refusal names the one bound that is to blame.
"""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Final, NamedTuple

import polars as pl

from orion_assets import calendars
from orion_assets.cli.context import Call
from orion_assets.cli.launch import RAW
from orion_assets.cli.output import refuse
from orion_assets.ingest.holes import due_cells
from orion_assets.ingest.landing import is_by_ticker
from orion_assets.ingest.missing import first_asked, holes, near_one_another
from orion_assets.ingest.moment import Moment
from orion_assets.ingest.objects import replaced
from orion_assets.ingest.restatements import rereads
from orion_assets.ingest.runner import restated
from orion_assets.schemas import TABLES
from orion_assets.settings import Settings
from orion_assets.sources.protocols import Ask, Source, last_session_of, listed_by
from orion_assets.sources.registry import ENDS

_DAY: Final = timedelta(days=1)


class Due(NamedTuple):
    """Sessions [start, end) in which datasets have cells without an answer."""

    start: date
    end: date
    datasets: tuple[str, ...]


def asked(
    bounds: tuple[date | None, date | None], settings: Settings, source: Source, instant: datetime, *, is_replay: bool
) -> tuple[date, date]:
    """Give the sessions [start, end) that a backfill is for, or refuse.

    Args:
        bounds: --from and --to; where absent, ORION_START, and what has begun and the source reaches.
        settings: Where the first session comes from.
        source: Where it ends.
        instant: Later sessions are not asked for.
        is_replay: Whether the instant is --until, not the machine's clock.
    """
    start, end = bounds[0] or settings.start, bounds[1]
    if end is not None and start >= end:
        refuse(f"--from {start} --to {end}: the range is empty; --to is the first session after the range")
    if start < settings.start:
        refuse(f"--from {start} is before ORION_START {settings.start}; set ORION_START to that date or earlier")
    first = _first_session(start)
    if end is not None and end <= first:
        refuse(f"no session in [{start}, {end}): the exchange is closed on these dates; the next session is {first}")
    over = ENDS.get(settings.source)
    if over is not None and first >= over:
        refuse(f"--from {start}: the {settings.source} market ends with {over - _DAY}; name an earlier one")
    if end is not None and over is not None and end > over:
        refuse(f"--to {end}: the {settings.source} market ends with {over - _DAY}; name --to {over}, or leave it out")
    _demand_begun(first, instant, is_replay=is_replay)
    last = last_session_of(source, "raw_daily_bars")
    if end is None and last is not None and last < first:
        refuse(f"the source ends with session {last}, before {first}; bring newer files, or name an earlier --from")
    due = begun(start, end or open_end(source, instant), instant)
    return due[0], due[-1] + _DAY


def open_end(source: Source, instant: datetime) -> date:
    """Give the end of a range that was given none: after the session under way, or where the source ends before it."""
    return _end_of("raw_daily_bars", source, instant)


def due(call: Call, settings: Settings, source: Source, instant: datetime, *, is_replay: bool) -> list[Due]:
    """List the ranges in which raw tables should have answers by an instant and have not, oldest first.

    Planned are, of each raw table, the sessions from the first one that it was ever asked for on, up to where the
    source ends; `_first_of` says where a table begins that never was. Holes far apart are ranges of their own: what
    keeps failing in one year must not take this week along. Where asking costs nothing, sessions that the source tells
    otherwise now are due too; where it costs calls, those whose turn it is to be asked for again, and those whose
    object was replaced, but not those of which no call can tell and the ledger says so.
    """
    state = call.state()
    firsts = {name: first for name, first in first_asked(state).items() if name in RAW}
    tickers = state.universe() or settings.equities or listed_by(source)
    found: dict[str, list[date]] = {}
    begins: dict[str, date] = {}
    routes = source.routes(instant.astimezone(calendars.NEW_YORK).date())
    for dataset in (name for name in RAW if name in source.datasets):
        begins[dataset] = _first_of(dataset, firsts, settings, instant)
        sessions = begun(begins[dataset], _end_of(dataset, source, instant), instant)
        if sessions:
            span = (sessions[0], sessions[-1] + _DAY)
            ask = Ask(dataset, *span, tickers if is_by_ticker(dataset) else (), instant)
            open_days = holes(state, dataset, len(tickers), span)
            if routes:
                called = due_cells(state, call.lake(), routes, [ask], instant)["session"].unique().to_list()
                # What has not closed yet is nobody's to answer, and is derived up to its open cut-off
                open_days = [*called, *set(open_days).difference(_closed(span, instant))]
            found[dataset] = [*open_days, *replaced(state.objects, routes, ask)]
            if routes and not is_replay:
                found[dataset] += rereads(state, routes, ask, settings.audit_sessions)["session"].unique().to_list()
            if firsts and source.is_local and not is_replay:
                found[dataset] += restated(call.lake(), source, ask, Moment(instant))
    return [
        Due(days[0], days[-1] + _DAY, tuple(name for name in found if set(days) & set(found[name])))
        for days in near_one_another(sorted({day for days in found.values() for day in days}), begins.values())
    ]


def _first_of(dataset: str, firsts: Mapping[str, date], settings: Settings, instant: datetime) -> date:
    """Give the session that a raw table begins with: the first that it, or where it never was another, was asked for.

    Minutes that nobody asked for begin with the last session: those of years are thousands of calls, and a backfill's.
    """
    if dataset in firsts or not firsts:
        return firsts.get(dataset, settings.start)
    return calendars.session_under_way(instant) if TABLES[dataset].is_intraday else min(firsts.values())


def _closed(span: tuple[date, date], instant: datetime) -> list[date]:
    return calendars.sessions(*span).filter(pl.col("ts_close_cutoff") <= instant)["session"].to_list()


def reached(source: Source, instant: datetime, start: date, *, is_asked: bool) -> str:
    """Say up to which session each dataset of the source is complete; or why nothing was ever asked for."""
    last = begun(calendars.FIRST_DATE, open_end(source, instant), instant)[-1]
    if not is_asked:
        return (
            f"the source ends with session {last}, before ORION_START {start}: bring newer files, or set an earlier one"
        )
    ends = {name: _end_of(name, source, instant) - _DAY for name in RAW if name in source.datasets}
    short = ", ".join(f"{name} ends with {end}" for name, end in ends.items() if end < last)
    return f"up to date: every session up to {last} is answered" + (f"; in the source, {short}" if short else "")


def _end_of(dataset: str, source: Source, instant: datetime) -> date:
    last = calendars.session_under_way(instant)
    of_source = last_session_of(source, dataset)
    return (last if of_source is None else min(last, of_source)) + _DAY


def begun(start: date, end: date, instant: datetime) -> list[date]:
    """List the sessions in [start, end) whose open cut-off has come."""
    return calendars.sessions(start, end).filter(pl.col("ts_open_cutoff") <= instant)["session"].to_list()


def _first_session(start: date) -> date:
    ahead = calendars.sessions(start)["session"]
    if ahead.is_empty():
        refuse(f"--from {start} lies after the calendar's last session, {calendars.sessions()['session'][-1]}")
    return ahead[0]


def _demand_begun(first: date, instant: datetime, *, is_replay: bool) -> None:
    opens: datetime = calendars.sessions(first, first + _DAY)["ts_open_cutoff"][0]
    if opens <= instant:
        return
    if is_replay:
        refuse(
            f"--until {instant:%Y-%m-%dT%H:%M:%SZ} lies before the first session of the range, {first} (open cut-off"
            f" {opens:%Y-%m-%dT%H:%MZ}); name a later instant or an earlier --from"
        )
    refuse(
        f"the first session of the range, {first}, has not begun: its open cut-off is {opens:%Y-%m-%dT%H:%MZ};"
        " call again then, or name an earlier --from"
    )
