"""Clean assets: what can be trusted, on the calendar; what cannot is in quarantine with its reason."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import dagster as dg
import polars as pl

from orion_assets import calendars
from orion_assets.defs import checks
from orion_assets.defs.metadata import columns_of, extent
from orion_assets.defs.partitions import look_back, span_of
from orion_assets.ingest.ledger import quarantined_cells
from orion_assets.quality.quarantine import hold
from orion_assets.quality.rules import BARS, NEWS, VIX, Finder
from orion_assets.schemas import CLEAN_DAILY_BARS, CLEAN_NEWS, CLEAN_VIX, CORPORATE_ACTIONS, Table
from orion_assets.store.lake import Lake
from orion_assets.store.state import State
from orion_assets.transforms import actions as action_rules
from orion_assets.transforms import bars as bar_rules
from orion_assets.transforms import news as news_rules
from orion_assets.transforms.bars import Cleaned, Rule

Result = Iterator[dg.MaterializeResult[pl.DataFrame]]
_STORY_SESSIONS = 5


def clean_assets(sessions: dg.PartitionsDefinition[Any]) -> list[dg.AssetsDefinition]:
    """Make the clean assets on an axis of sessions."""

    @dg.asset(ins={"raw_daily_bars": dg.AssetIn()}, **_wiring(CLEAN_DAILY_BARS, BARS, bar_rules.BAR_RULES, sessions))
    def clean_daily_bars(
        context: dg.AssetExecutionContext,
        lake: dg.ResourceParam[Lake],
        state: dg.ResourceParam[State],
        raw_daily_bars: pl.DataFrame,
    ) -> Result:
        """One trusted bar per ticker and session; prices as traded, not adjusted."""
        cleaned = bar_rules.clean_daily_bars(raw_daily_bars, calendars.sessions())
        state.record(quarantined_cells(cleaned.quarantine, cleaned.rows))
        yield _kept(context, lake, CLEAN_DAILY_BARS, cleaned, BARS)

    @dg.asset(ins={"raw_vix": dg.AssetIn()}, **_wiring(CLEAN_VIX, VIX, bar_rules.VIX_RULES, sessions))
    def clean_vix(context: dg.AssetExecutionContext, lake: dg.ResourceParam[Lake], raw_vix: pl.DataFrame) -> Result:
        """One VIX day per date, filed under the session whose partition holds it; contradictions reported, kept."""
        yield _kept(context, lake, CLEAN_VIX, bar_rules.clean_vix(raw_vix), VIX)

    @dg.asset(
        ins={"raw_news": dg.AssetIn(partition_mapping=look_back(_STORY_SESSIONS))},
        **_wiring(CLEAN_NEWS, NEWS, (bar_rules.UNREADABLE,), sessions),
    )
    def clean_news(context: dg.AssetExecutionContext, lake: dg.ResourceParam[Lake], raw_news: pl.DataFrame) -> Result:
        """One article per id, with its story, its mood and the sessions it enters."""
        start, _ = span_of(context.partition_key_range)
        cleaned = news_rules.clean_news(raw_news, calendars.sessions(), start)
        yield _kept(context, lake, CLEAN_NEWS, cleaned, NEWS)

    @dg.asset(
        ins={"raw_splits": dg.AssetIn(), "raw_dividends": dg.AssetIn(), "securities": dg.AssetIn()},
        **_wiring(CORPORATE_ACTIONS, (), action_rules.RULES, sessions),
    )
    def corporate_actions(
        context: dg.AssetExecutionContext,
        lake: dg.ResourceParam[Lake],
        raw_splits: pl.DataFrame,
        raw_dividends: pl.DataFrame,
        securities: pl.DataFrame,
    ) -> Result:
        """One action per security, ex-date and kind, de-duplicated."""
        cleaned = action_rules.corporate_actions(raw_splits, raw_dividends, securities)
        yield _kept(context, lake, CORPORATE_ACTIONS, cleaned, ())

    return [clean_daily_bars, clean_vix, clean_news, corporate_actions]


def _wiring(
    table: Table, finders: Sequence[Finder], rules: Sequence[Rule], sessions: dg.PartitionsDefinition[Any]
) -> Mapping[str, Any]:
    return {
        "group_name": "clean",
        "partitions_def": sessions,
        "backfill_policy": dg.BackfillPolicy.single_run(),
        "metadata": columns_of(table),
        "check_specs": checks.specs(table.name, finders, rules),
        "kinds": {"polars", "deltalake"},
        "code_version": "1",
        "io_manager_key": "lake_io",
    }


def _kept(
    context: dg.AssetExecutionContext,
    lake: Lake,
    table: Table,
    cleaned: Cleaned,
    finders: Sequence[Finder],
) -> dg.MaterializeResult[pl.DataFrame]:
    start, end = span_of(context.partition_key_range)
    rows = table.conform(cleaned.rows)
    hold(lake, cleaned.quarantine, start, end)
    return dg.MaterializeResult(
        value=rows,
        metadata={**extent(rows), "quarantined": cleaned.quarantine.height},
        check_results=[*checks.found(finders, rows), checks.result(checks.QUARANTINED, cleaned.quarantine)],
    )
