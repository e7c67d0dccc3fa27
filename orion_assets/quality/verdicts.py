"""Checks that a run, or a command, alone can judge, for a report: as they last judged, from the state database."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Final

import polars as pl

from orion_assets.ingest.freshness import awaiting
from orion_assets.quality.audit import Checked
from orion_assets.quality.crosscheck import FOUND
from orion_assets.schemas import CLEAN_DAILY_BARS, FEATURE_INDICATORS, FEATURE_MATRIX, TICKER_BARS, TICKER_FEATURES
from orion_assets.store.state import State

LEAKS: Final = "leaks"
PARITY: Final = "equals_sessions"
RECONCILED: Final = "reconciles"
CROSSCHECK: Final = "crosscheck"
_AS_JUDGED: Final = pl.DataFrame(schema={"ticker": pl.String(), "session": pl.Date()})
_PARITY_TEXT: Final = "Made in one pass from raw, every version of every row is what the sessions wrote, bit for bit"
OF_RUNS: Final = (
    Checked(
        CLEAN_DAILY_BARS.name,
        CROSSCHECK,
        "Bars are those of the second source that they were last held against, where there is one",
        _AS_JUDGED,
    ),
    Checked(
        FEATURE_INDICATORS.name,
        RECONCILED,
        "Adjusted closes move as those of the vendor they are compared with, where there is one",
        _AS_JUDGED,
    ),
    Checked(
        FEATURE_MATRIX.name,
        LEAKS,
        "Made anew from raw as it stood at a few instants, the rows of a few tickers are those visible then",
        _AS_JUDGED,
        is_blocking=True,
    ),
    *(
        Checked(table.name, PARITY, _PARITY_TEXT, _AS_JUDGED, is_blocking=True)
        for table in (TICKER_BARS, TICKER_FEATURES)
    ),
)
_AS_TEXT: Final = {**FOUND, "session": pl.String()}
TEXTS: Final = {each.check: each.description for each in OF_RUNS}


def as_judged(state: State, span: tuple[date, date]) -> list[Checked]:
    """Give the checks that runs judged, with what they last accused in the sessions [start, end)."""
    return [
        replace(each, accused=_accused(state, each, span), is_idle=not _is_judged(state, each, span))
        for each in OF_RUNS
    ]


def judge_crosscheck(
    state: State, found: pl.DataFrame, compared: tuple[Sequence[str], Sequence[date]], at: datetime
) -> None:
    """Keep what a second source said otherwise; of tickers that were not compared, what was said last stays.

    Args:
        state: The state database.
        found: `crosscheck.FOUND` rows.
        compared: Tickers and sessions that were compared.
        at: When.
    """
    tickers, sessions = compared
    check = (CLEAN_DAILY_BARS.name, CROSSCHECK)
    days = {str(each) for each in sessions}
    rows = [row for day, told in state.verdicts.accused(check).items() if day in days for row in told]
    before = pl.DataFrame([row for row in rows if row["ticker"] not in tickers], schema=_AS_TEXT, orient="row")
    dated = before.with_columns(pl.col("session").str.to_date())
    state.verdicts.judge(check, pl.concat([found, dated.select(found.columns)]), sessions, at)


def refused(state: State, before: date) -> list[date]:
    """List the sessions before one that await derivation because their features read the future, sorted."""
    accused = {date.fromisoformat(each) for each in state.verdicts.accused((FEATURE_MATRIX.name, LEAKS))}
    waiting = awaiting(state)["session"].to_list()
    return sorted(day for day in accused.intersection(waiting) if day < before)


def _is_judged(state: State, check: Checked, span: tuple[date, date]) -> bool:
    told = state.verdicts.subjects((check.asset, check.check))
    if check.check == PARITY:
        # The files of a ticker are judged whole, as far as they reached then
        return any(at.date() >= span[0] for at in told.values())
    return any(span[0] <= date.fromisoformat(each) < span[1] for each in told)


def _accused(state: State, check: Checked, span: tuple[date, date]) -> pl.DataFrame:
    told = state.verdicts.accused((check.asset, check.check))
    rows = pl.DataFrame([row for each in told.values() for row in each], infer_schema_length=None)
    if rows.is_empty():
        return check.accused
    found = rows.with_columns(pl.col("session").str.to_date())
    return found.filter(pl.col("session").is_between(*span, closed="left")).sort("session", "ticker")
