"""Clean minute bars: as every clean asset, but a piece of the range at a time, for a long one exceeds memory."""

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

import dagster as dg
import polars as pl

from orion_assets.defs import checks
from orion_assets.defs.assets.wiring import Reported, days_of, plotted, reported
from orion_assets.defs.code_versions import code_of
from orion_assets.defs.metadata import ROWS, by_session, columns_of
from orion_assets.defs.partitions import span_of
from orion_assets.ingest.ledger import quarantined_cells
from orion_assets.ingest.pieces import pieces
from orion_assets.market_hours import traded_in
from orion_assets.markets import EQUITIES, Market
from orion_assets.quality.quarantine import hold, standing
from orion_assets.quality.rules import MINUTES
from orion_assets.schemas import CLEAN_MINUTE_BARS, RAW_MINUTE_BARS, table_of
from orion_assets.store.lake import Lake
from orion_assets.store.state import State
from orion_assets.transforms import minutes
from orion_assets.transforms.bars import Cleaned
from orion_assets.transforms.minutes import RULES, clean_minute_bars


def minute_asset(sessions: dg.PartitionsDefinition[Any], market: Market = EQUITIES) -> dg.AssetsDefinition:
    """Make the clean minutes of a market on an axis of its sessions."""
    origin, table = table_of(RAW_MINUTE_BARS, market), table_of(CLEAN_MINUTE_BARS, market)

    @dg.asset(
        name=table.name,
        deps=[origin.name],
        group_name="clean",
        partitions_def=sessions,
        backfill_policy=dg.BackfillPolicy.single_run(),
        metadata=columns_of(table),
        check_specs=checks.specs(table.name, MINUTES, RULES),
        kinds={"polars", "deltalake"},
        code_version=code_of([table], minutes),
        io_manager_key="lake_io",
    )
    def clean(
        context: dg.AssetExecutionContext, lake: dg.ResourceParam[Lake], state: dg.ResourceParam[State]
    ) -> Iterator[Reported]:
        """One trusted minute bar per ticker and minute that traded, flagged pre, regular or post; nothing is filled."""
        start, end = span_of(context.partition_key_range)
        gathered = checks.Gathered(MINUTES)
        told = dict(by_session(table.empty(), days_of(context)))
        for raw, good, days in cleaned(lake, len(state.universe(market)), start, end, market):
            state.record(quarantined_cells(good.quarantine, raw, good.rows, origin))
            hold(lake, good.quarantine, *days)
            lake.replace(table, good.rows, start=days[0], end=days[1])
            gathered.add(good.rows, standing(good.quarantine, {origin: raw}))
            told |= by_session(good.rows, [day for day in told if days[0] <= day < days[1]])
        plotted(context, table.name, told)
        yield reported(_extent(told), gathered.results())

    return clean


def cleaned(
    lake: Lake, tickers: int, start: date, end: date, market: Market = EQUITIES
) -> Iterator[tuple[pl.DataFrame, Cleaned, tuple[date, date]]]:
    """Clean the dates [start, end) piece by piece; without minutes in the lake there is no piece.

    Args:
        lake: Where the raw minutes lie.
        tickers: How many there are, about; 0 where nobody knows.
        start: First date.
        end: First date after the range.
        market: Whose minutes.

    Returns:
        Of each piece the RAW_MINUTE_BARS rows, what came of them, and its dates [first, after).
    """
    origin = table_of(RAW_MINUTE_BARS, market)
    if not lake.exists(origin):
        return
    for first, after in pieces(origin, tickers, start, end):
        raw = lake.read(origin, start=first, end=after)
        yield raw, clean_minute_bars(raw, traded_in(market, first, after), market), (first, after)


def _extent(told: Mapping[date, Mapping[str, Any]]) -> Mapping[str, Any]:
    filled = [day for day, shown in told.items() if shown[ROWS]]
    rows = {"dagster/row_count": sum(told[day][ROWS] for day in filled)}
    if not filled:
        return rows
    return {**rows, "sessions": len(filled), "first_session": str(min(filled)), "last_session": str(max(filled))}
