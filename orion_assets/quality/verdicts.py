"""Checks that a run, or a command, alone can judge, for a report: as they last judged, from the state database."""

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
_BAR: Final = ("ticker", "session")
TEXTS: Final = {each.check: each.description for each in OF_RUNS}


def as_judged(state: State, span: tuple[date, date]) -> list[Checked]:
    """Give the checks that runs judged, with what they last accused in the sessions [start, end)."""
    return [
        replace(
            each,
            description=_described(state, each, span),
            accused=_accused(state, each, span),
            is_idle=not _is_judged(state, each, span),
        )
        for each in OF_RUNS
    ]


def judge_crosscheck(state: State, found: pl.DataFrame, compared: pl.DataFrame, source: str, at: datetime) -> None:
    """Keep what a second source said otherwise; of bars that were not compared, what was said last stays.

    Args:
        state: The state database.
        found: `crosscheck.FOUND` rows. One row a bar is kept, with its first difference; `column` and `likely_cause`
            name all of them.
        compared: `ticker`, `session`, and `is_bar`: false where neither side has one.
        source: Whom they were held against.
        at: When.
    """
    check = (CLEAN_DAILY_BARS.name, CROSSCHECK)
    sessions = compared["session"].unique().sort().to_list()
    days = {str(each) for each in sessions}
    rows = [row for day, told in state.verdicts.accused(check).items() if day in days for row in told]
    before = pl.DataFrame(rows, schema=_AS_TEXT, orient="row").with_columns(pl.col("session").str.to_date())
    stays = before.join(compared.select(_BAR), on=_BAR, how="anti")
    told = pl.concat([found, stays.select(found.columns)]).group_by(_BAR, maintain_order=True)
    named = [pl.col(name).unique(maintain_order=True).str.join(", ") for name in ("column", "likely_cause")]
    bars = told.agg(*named, pl.exclude(*_BAR, "column", "likely_cause").first())
    state.verdicts.judge(check, bars.select(found.columns), sessions, at, most=None)
    state.comparisons.record(compared, source)


def refused(state: State, before: date) -> list[date]:
    """List the sessions before one that await derivation because their features read the future, sorted."""
    accused = {date.fromisoformat(each) for each in state.verdicts.accused((FEATURE_MATRIX.name, LEAKS))}
    waiting = awaiting(state)["session"].to_list()
    return sorted(day for day in accused.intersection(waiting) if day < before)


def _described(state: State, check: Checked, span: tuple[date, date]) -> str:
    """Add to what a check is how far it reached, where whoever calls for it decides that."""
    if check.check != CROSSCHECK:
        return check.description
    reached = [
        f"{bars} bar{'s' * (bars != 1)} of {tickers} ticker{'s' * (tickers != 1)}, {source}, {first} to {last}"
        for source, bars, tickers, first, last in state.comparisons.between(*span).iter_rows()
    ]
    return ": ".join([check.description, "; ".join(reached)] if reached else [check.description])


def _is_judged(state: State, check: Checked, span: tuple[date, date]) -> bool:
    if check.check == CROSSCHECK:
        return not state.comparisons.between(*span).is_empty()
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
