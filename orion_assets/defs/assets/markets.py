"""Bars of the other markets: raw and clean, daily and minute, by the functions that make those of equities."""

from collections.abc import Iterator
from typing import Any, Final

import dagster as dg
import polars as pl

from orion_assets.defs import checks
from orion_assets.defs.assets.minutes import minute_asset
from orion_assets.defs.assets.raw import raw_asset
from orion_assets.defs.assets.wiring import Result, made, session_asset
from orion_assets.defs.partitions import span_of
from orion_assets.ingest.ledger import quarantined_cells
from orion_assets.market_hours import sessions_of
from orion_assets.markets import Market
from orion_assets.quality.quarantine import hold, standing
from orion_assets.quality.rules import BARS
from orion_assets.schemas import CLEAN_DAILY_BARS, RAW_DAILY_BARS, RAW_MINUTE_BARS, table_of
from orion_assets.store.lake import Lake
from orion_assets.store.state import State
from orion_assets.transforms import bars
from orion_assets.transforms.bars import clean_daily_bars, rules_of

_GRAINS: Final = {
    RAW_DAILY_BARS: "One daily bar of {} per ticker and session, every version the source ever stated.",
    RAW_MINUTE_BARS: "One minute bar of {} per ticker and minute, every version the source ever stated.",
}


def market_assets(market: Market, sessions: dg.PartitionsDefinition[Any]) -> list[dg.AssetsDefinition]:
    """Make the four assets of a market on an axis of its sessions."""
    raw = [raw_asset(table_of(table, market), grain.format(market.name), sessions) for table, grain in _GRAINS.items()]
    return [*raw, _daily_asset(market, sessions), minute_asset(sessions, market)]


def _daily_asset(market: Market, sessions: dg.PartitionsDefinition[Any]) -> dg.AssetsDefinition:
    origin, table = table_of(RAW_DAILY_BARS, market), table_of(CLEAN_DAILY_BARS, market)

    def clean(
        context: dg.AssetExecutionContext,
        lake: dg.ResourceParam[Lake],
        state: dg.ResourceParam[State],
        raw: pl.DataFrame,
    ) -> Iterator[Result]:
        cleaned = clean_daily_bars(raw, sessions_of(market), market)
        state.record(quarantined_cells(cleaned.quarantine, raw, cleaned.rows, origin))
        hold(lake, cleaned.quarantine, *span_of(context.partition_key_range))
        held = checks.result(checks.QUARANTINED, standing(cleaned.quarantine, {origin: raw}))
        yield made(context, table, cleaned.rows, BARS, [held])

    clean.__name__ = table.name
    clean.__doc__ = f"One trusted bar of {market.name} per ticker and session of its own calendar, as traded."
    asset = session_asset(
        table,
        sessions,
        "clean",
        code=[bars],
        ins={"raw": dg.AssetIn(key=origin.name)},
        check_specs=checks.specs(table.name, BARS, rules_of(market)),
    )
    return asset(clean)
