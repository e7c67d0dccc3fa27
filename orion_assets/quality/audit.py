"""Every check at once over what is stored, for a report: the same rules that the runs apply, without a run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Final, Protocol

import polars as pl

from orion_assets.ingest.pieces import pieces
from orion_assets.quality.anomalies import implausible, judged_from, suspected_splits
from orion_assets.quality.coverage import (
    BORNE,
    BORNE_TEXT,
    ONE_EVENT,
    ONE_EVENT_TEXT,
    bars_without_features,
    behind,
    passed_over,
    placeable,
    unborne,
)
from orion_assets.quality.quarantine import standing
from orion_assets.quality.rules import BARS, FEATURES, MINUTES, NEWS, REFERENCE, SECURITY, VIX, Finder
from orion_assets.schemas import (
    CLEAN_DAILY_BARS,
    CLEAN_MINUTE_BARS,
    CLEAN_NEWS,
    CLEAN_VIX,
    CORPORATE_ACTIONS,
    FEATURE_INDICATORS,
    FEATURE_MARKET,
    FEATURE_MATRIX,
    FEATURE_SENTIMENT,
    QUARANTINE,
    RAW_COVERAGE,
    RAW_DAILY_BARS,
    RAW_DIVIDENDS,
    RAW_MINUTE_BARS,
    RAW_NEWS,
    RAW_SPLITS,
    RAW_TICKERS,
    RAW_VIX,
    SECURITIES,
    WHOLE_MARKET,
)
from orion_assets.tables import Table
from orion_assets.transforms.adjust import split_factors
from orion_assets.transforms.identity import latest
from orion_assets.transforms.versions import KNOWN

FINDERS: Final[Mapping[Table, Sequence[Finder]]] = {
    RAW_TICKERS: REFERENCE,
    SECURITIES: SECURITY,
    CLEAN_DAILY_BARS: BARS,
    CLEAN_VIX: VIX,
    CLEAN_NEWS: NEWS,
    CORPORATE_ACTIONS: (),
    FEATURE_INDICATORS: FEATURES,
    FEATURE_SENTIMENT: FEATURES,
    FEATURE_MARKET: FEATURES,
    FEATURE_MATRIX: FEATURES,
}
# Which raw tables a table is cleaned from
_ORIGINS: Final[Mapping[Table, Sequence[Table]]] = {
    SECURITIES: (RAW_TICKERS,),
    CLEAN_DAILY_BARS: (RAW_DAILY_BARS,),
    CLEAN_VIX: (RAW_VIX,),
    CLEAN_NEWS: (RAW_NEWS,),
    CORPORATE_ACTIONS: (RAW_SPLITS, RAW_DIVIDENDS),
}
_SPOKEN_OF: Final = (RAW_DAILY_BARS, RAW_VIX, RAW_NEWS, RAW_SPLITS, RAW_DIVIDENDS)


class Read(Protocol):
    """Gives the rows of a table from a session on, from the first one where that is None, up to the end of the span.

    With `until`, only up to that session; whole where it has no sessions.
    """

    def __call__(self, table: Table, since: date | None, until: date | None = None, /) -> pl.DataFrame: ...  # noqa: D102


@dataclass(frozen=True)
class Checked:
    """One check of one asset and the rows that it accuses; none where it passed.

    `is_blocking`: what it accuses must not be published. `is_idle`: it had nothing to judge, so it passed nothing.
    """

    asset: str
    check: str
    description: str
    accused: pl.DataFrame
    is_blocking: bool = False
    is_idle: bool = False


def audit(read: Read, sessions: pl.DataFrame, span: tuple[date, date], followed: Sequence[str]) -> list[Checked]:
    """Apply every check to the stored tables of some sessions.

    Args:
        read: Gives a table of the lake, all versions, from a session on up to the end of the span.
        sessions: calendars.sessions() rows, the whole calendar.
        span: Sessions [start, end) to judge; reference data is judged whole.
        followed: Tickers whose bars are wanted.

    Returns:
        One entry a check, in the order of the graph. Not here is what a run alone can judge: verdicts.py keeps that.
    """
    whole = (CORPORATE_ACTIONS, RAW_SPLITS, RAW_DIVIDENDS, QUARANTINE)
    since = {CLEAN_DAILY_BARS: judged_from(sessions, span[0]), **dict.fromkeys(whole)}
    tables = {
        table: read(table, since.get(table, span[0])) for table in (*FINDERS, *_SPOKEN_OF, QUARANTINE, RAW_COVERAGE)
    }

    def of(table: Table) -> pl.DataFrame:
        rows = tables[table]
        return rows.filter(_within(span)) if "session" in rows.columns else rows

    of_actions = of(CORPORATE_ACTIONS), [tables[RAW_SPLITS], tables[RAW_DIVIDENDS]], tables[SECURITIES]
    return [
        *(_withdrawn(table, of(table)) for table in _SPOKEN_OF),
        *(
            Checked(
                table.name,
                each.name,
                each.description,
                each.accused(of(table)),
                is_blocking=each.severity == "error",
                is_idle=of(table).is_empty(),
            )
            for table, finders in FINDERS.items()
            for each in finders
        ),
        *(
            _held(table, tables[QUARANTINE] if table == SECURITIES else of(QUARANTINE), {o: tables[o] for o in origins})
            for table, origins in _ORIGINS.items()
        ),
        Checked(
            CORPORATE_ACTIONS.name,
            BORNE,
            BORNE_TEXT,
            unborne(*of_actions),
            is_idle=placeable(*of_actions).is_empty(),
        ),
        Checked(
            CORPORATE_ACTIONS.name,
            ONE_EVENT,
            ONE_EVENT_TEXT,
            passed_over(tables[RAW_SPLITS], tables[RAW_DIVIDENDS], tables[SECURITIES]).filter(_within(span)),
            is_idle=of(RAW_SPLITS).is_empty() and of(RAW_DIVIDENDS).is_empty(),
        ),
        *_of_minutes(read, tables[RAW_COVERAGE], span),
        *_over_series(tables, sessions, span, is_idle=of(CLEAN_DAILY_BARS).is_empty()),
        *_of_store(tables, of(CLEAN_DAILY_BARS), of(FEATURE_MATRIX), followed),
    ]


def _within(span: tuple[date, date]) -> pl.Expr:
    return pl.col("session").is_between(*span, closed="left")


def _withdrawn(table: Table, rows: pl.DataFrame) -> Checked:
    last = rows.sort(KNOWN).unique(table.key, keep="last", maintain_order=True).filter("is_deleted")
    names = [*table.key, *(["session"] if "session" not in table.key else []), KNOWN, "source_file"]
    shown = last.select(
        *names, remedy=pl.lit("look into the source; nothing to do where it took the row back knowingly")
    )
    found = shown.sort(table.key)
    return Checked(table.name, "complete", "The source still has every row it had", found, is_idle=rows.is_empty())


def _held(table: Table, quarantine: pl.DataFrame, raw: Mapping[Table, pl.DataFrame]) -> Checked:
    names = [origin.name for origin in raw]
    held = standing(quarantine.filter(pl.col("origin").is_in(names)), raw)
    is_idle = all(rows.is_empty() for rows in raw.values())
    return Checked(table.name, "quarantine", "No row is held back", held, is_idle=is_idle)


def _of_minutes(read: Read, coverage: pl.DataFrame, span: tuple[date, date]) -> list[Checked]:
    """Judge the minutes a piece at a time, for all of them may not fit into memory."""
    asked = coverage.filter((pl.col("dataset") == RAW_MINUTE_BARS.name) & (pl.col("ticker") != WHOLE_MARKET))
    parts = [_minutes_checked(RAW_MINUTE_BARS.empty(), CLEAN_MINUTE_BARS.empty(), QUARANTINE.empty())]
    for first, after in [] if asked.is_empty() else pieces(RAW_MINUTE_BARS, asked["ticker"].n_unique(), *span):
        raw, clean, held = (read(table, first, after) for table in (RAW_MINUTE_BARS, CLEAN_MINUTE_BARS, QUARANTINE))
        parts.append(_minutes_checked(raw, clean, held))
    return [
        replace(each[0], accused=pl.concat(part.accused for part in each), is_idle=all(part.is_idle for part in each))
        for each in zip(*parts, strict=True)
    ]


def _minutes_checked(raw: pl.DataFrame, clean: pl.DataFrame, held: pl.DataFrame) -> list[Checked]:
    name = CLEAN_MINUTE_BARS.name
    judged = [
        Checked(name, each.name, each.description, each.accused(clean), is_idle=clean.is_empty()) for each in MINUTES
    ]
    return [_withdrawn(RAW_MINUTE_BARS, raw), *judged, _held(CLEAN_MINUTE_BARS, held, {RAW_MINUTE_BARS: raw})]


def _over_series(
    tables: Mapping[Table, pl.DataFrame], sessions: pl.DataFrame, span: tuple[date, date], *, is_idle: bool
) -> list[Checked]:
    bars, actions, securities = (tables[table] for table in (CLEAN_DAILY_BARS, CORPORATE_ACTIONS, SECURITIES))
    series = split_factors(*latest(bars, actions, securities))
    name = FEATURE_INDICATORS.name
    return [
        Checked(name, "suspected_missing_split", "No session opens as if an unknown split had happened",
                suspected_splits(series, span[0]), is_idle=is_idle),
        Checked(name, "plausible", "No bar is missing, repeats the one before, leaps, or stands outside every listing",
                implausible(series, securities, sessions, span[0]), is_idle=is_idle),
    ]  # fmt: skip


def _of_store(
    tables: Mapping[Table, pl.DataFrame], bars: pl.DataFrame, matrix: pl.DataFrame, followed: Sequence[str]
) -> list[Checked]:
    late = behind(bars, tables[RAW_COVERAGE], tables[SECURITIES], followed)
    is_of_them = (pl.col("dataset") == RAW_DAILY_BARS.name) & pl.col("ticker").is_in(list(followed))
    is_idle = tables[RAW_COVERAGE].filter(is_of_them).is_empty()
    return [
        Checked("feature_store", "bars_have_features", "Features stand at the close for every bar",
                bars_without_features(bars, matrix), is_idle=bars.is_empty()),
        Checked("feature_store", "followed_up_to_date", "Every followed and listed ticker has the last session's bar",
                late, is_idle=is_idle),
    ]  # fmt: skip
