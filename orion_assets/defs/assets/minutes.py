"""Clean minute bars: as every clean asset, but a piece of the range at a time, for a long one exceeds memory."""

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

import dagster as dg
import polars as pl

from orion_assets import calendars
from orion_assets.defs import checks
from orion_assets.defs.assets.wiring import Reported, days_of, plotted, reported
from orion_assets.defs.metadata import ROWS, by_session, columns_of
from orion_assets.defs.partitions import span_of
from orion_assets.ingest.ledger import quarantined_cells
from orion_assets.ingest.pieces import pieces
from orion_assets.quality.quarantine import hold, standing
from orion_assets.quality.rules import MINUTES
from orion_assets.schemas import CLEAN_MINUTE_BARS, RAW_MINUTE_BARS
from orion_assets.store.lake import Lake
from orion_assets.store.state import State
from orion_assets.transforms.bars import Cleaned
from orion_assets.transforms.minutes import RULES, clean_minute_bars

_NAME = CLEAN_MINUTE_BARS.name


def minute_asset(sessions: dg.PartitionsDefinition[Any]) -> dg.AssetsDefinition:
    """Make the clean minutes on an axis of sessions."""

    @dg.asset(
        name=_NAME,
        deps=[RAW_MINUTE_BARS.name],
        group_name="clean",
        partitions_def=sessions,
        backfill_policy=dg.BackfillPolicy.single_run(),
        metadata=columns_of(CLEAN_MINUTE_BARS),
        check_specs=checks.specs(_NAME, MINUTES, RULES),
        kinds={"polars", "deltalake"},
        code_version="1",
        io_manager_key="lake_io",
    )
    def clean(
        context: dg.AssetExecutionContext, lake: dg.ResourceParam[Lake], state: dg.ResourceParam[State]
    ) -> Iterator[Reported]:
        """One trusted minute bar per ticker and minute that traded, flagged pre, regular or post; nothing is filled."""
        start, end = span_of(context.partition_key_range)
        gathered = checks.Gathered(MINUTES)
        told = dict(by_session(CLEAN_MINUTE_BARS.empty(), days_of(context)))
        for raw, good, days in cleaned(lake, len(state.universe()), start, end):
            state.record(quarantined_cells(good.quarantine, raw, good.rows, RAW_MINUTE_BARS))
            hold(lake, good.quarantine, *days)
            lake.replace(CLEAN_MINUTE_BARS, good.rows, start=days[0], end=days[1])
            gathered.add(good.rows, standing(good.quarantine, {RAW_MINUTE_BARS: raw}))
            told |= by_session(good.rows, [day for day in told if days[0] <= day < days[1]])
        plotted(context, _NAME, told)
        yield reported(_extent(told), gathered.results())

    return clean


def cleaned(
    lake: Lake, tickers: int, start: date, end: date
) -> Iterator[tuple[pl.DataFrame, Cleaned, tuple[date, date]]]:
    """Clean the dates [start, end) piece by piece; without minutes in the lake there is no piece.

    Args:
        lake: Where the raw minutes lie.
        tickers: How many there are, about; 0 where nobody knows.
        start: First date.
        end: First date after the range.

    Returns:
        Of each piece the RAW_MINUTE_BARS rows, what came of them, and its dates [first, after).
    """
    if not lake.exists(RAW_MINUTE_BARS):
        return
    for first, after in pieces(RAW_MINUTE_BARS, tickers, start, end):
        raw = lake.read(RAW_MINUTE_BARS, start=first, end=after)
        hours = calendars.traded(calendars.sessions(first, after))
        yield raw, clean_minute_bars(raw, hours), (first, after)


def _extent(told: Mapping[date, Mapping[str, Any]]) -> Mapping[str, Any]:
    filled = [day for day, shown in told.items() if shown[ROWS]]
    rows = {"dagster/row_count": sum(told[day][ROWS] for day in filled)}
    if not filled:
        return rows
    return {**rows, "sessions": len(filled), "first_session": str(min(filled)), "last_session": str(max(filled))}
