"""Clean assets: what can be trusted, on the calendar; what cannot is in quarantine with its reason."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import dagster as dg
import polars as pl

from orion_assets import calendars
from orion_assets.defs import checks
from orion_assets.defs.assets.minutes import minute_asset
from orion_assets.defs.assets.wiring import Result, made, session_asset
from orion_assets.defs.io import READS
from orion_assets.defs.partitions import look_back, span_of
from orion_assets.ingest.ledger import quarantined_cells
from orion_assets.quality.audit import FINDERS
from orion_assets.quality.coverage import BORNE, BORNE_TEXT, ONE_EVENT, ONE_EVENT_TEXT, passed_over, unborne
from orion_assets.quality.quarantine import hold, standing
from orion_assets.schemas import (
    CLEAN_DAILY_BARS,
    CLEAN_NEWS,
    CLEAN_VIX,
    CORPORATE_ACTIONS,
    RAW_DAILY_BARS,
    RAW_DIVIDENDS,
    RAW_NEWS,
    RAW_SPLITS,
    RAW_VIX,
)
from orion_assets.store.lake import Lake
from orion_assets.store.state import State
from orion_assets.tables import Table
from orion_assets.transforms import actions as action_rules
from orion_assets.transforms import bars as bar_rules
from orion_assets.transforms import news as news_rules
from orion_assets.transforms.bars import Cleaned, Rule

_STORY_SESSIONS = 5


def clean_assets(sessions: dg.PartitionsDefinition[Any]) -> list[dg.AssetsDefinition]:
    """Make the clean assets on an axis of sessions."""

    @session_asset(
        CLEAN_DAILY_BARS,
        sessions,
        "clean",
        code=[bar_rules],
        ins={"raw_daily_bars": dg.AssetIn(metadata={READS: "followed"})},
        check_specs=_specs(CLEAN_DAILY_BARS, bar_rules.BAR_RULES),
    )
    def clean_daily_bars(
        context: dg.AssetExecutionContext,
        lake: dg.ResourceParam[Lake],
        state: dg.ResourceParam[State],
        raw_daily_bars: pl.DataFrame,
    ) -> Iterator[Result]:
        """One trusted bar per ticker and session; prices as traded, not adjusted."""
        cleaned = bar_rules.clean_daily_bars(raw_daily_bars, calendars.sessions())
        state.record(quarantined_cells(cleaned.quarantine, raw_daily_bars, cleaned.rows))
        yield _kept(context, lake, CLEAN_DAILY_BARS, cleaned, {RAW_DAILY_BARS: raw_daily_bars})

    @session_asset(
        CLEAN_VIX,
        sessions,
        "clean",
        code=[bar_rules],
        ins={"raw_vix": dg.AssetIn()},
        check_specs=_specs(CLEAN_VIX, bar_rules.VIX_RULES),
    )
    def clean_vix(
        context: dg.AssetExecutionContext, lake: dg.ResourceParam[Lake], raw_vix: pl.DataFrame
    ) -> Iterator[Result]:
        """One VIX day per date, filed under the session whose partition holds it; contradictions reported, kept."""
        yield _kept(context, lake, CLEAN_VIX, bar_rules.clean_vix(raw_vix), {RAW_VIX: raw_vix})

    @session_asset(
        CLEAN_NEWS,
        sessions,
        "clean",
        code=[news_rules],
        ins={"raw_news": dg.AssetIn(partition_mapping=look_back(_STORY_SESSIONS))},
        check_specs=_specs(CLEAN_NEWS, (bar_rules.UNREADABLE,)),
    )
    def clean_news(
        context: dg.AssetExecutionContext, lake: dg.ResourceParam[Lake], raw_news: pl.DataFrame
    ) -> Iterator[Result]:
        """One article per id, with its story, its mood and the sessions it enters."""
        start, _ = span_of(context.partition_key_range)
        cleaned = news_rules.clean_news(raw_news, calendars.sessions(), start)
        yield _kept(context, lake, CLEAN_NEWS, cleaned, {RAW_NEWS: raw_news})

    @session_asset(
        CORPORATE_ACTIONS,
        sessions,
        "clean",
        code=[action_rules],
        ins={
            "raw_splits": dg.AssetIn(metadata={READS: "all"}),
            "raw_dividends": dg.AssetIn(metadata={READS: "all"}),
            "securities": dg.AssetIn(),
        },
        check_specs=[
            *_specs(CORPORATE_ACTIONS, action_rules.RULES),
            dg.AssetCheckSpec(BORNE, asset=CORPORATE_ACTIONS.name, description=BORNE_TEXT),
            dg.AssetCheckSpec(ONE_EVENT, asset=CORPORATE_ACTIONS.name, description=ONE_EVENT_TEXT),
        ],
    )
    def corporate_actions(
        context: dg.AssetExecutionContext,
        lake: dg.ResourceParam[Lake],
        raw_splits: pl.DataFrame,
        raw_dividends: pl.DataFrame,
        securities: pl.DataFrame,
    ) -> Iterator[Result]:
        """One action per security, ex-date and kind, de-duplicated."""
        is_wanted = pl.col("session").is_between(*span_of(context.partition_key_range), closed="left")
        done = action_rules.corporate_actions(raw_splits, raw_dividends, securities, calendars.sessions())
        raw = {RAW_SPLITS: raw_splits, RAW_DIVIDENDS: raw_dividends}
        over = checks.result(ONE_EVENT, passed_over(raw_splits, raw_dividends, securities).filter(is_wanted))
        wanted = Cleaned(*(part.filter(is_wanted) for part in done))
        lost = checks.result(BORNE, unborne(wanted.rows, [raw_splits, raw_dividends], securities))
        yield _kept(context, lake, CORPORATE_ACTIONS, wanted, raw, [lost, over])

    return [clean_daily_bars, minute_asset(sessions), clean_vix, clean_news, corporate_actions]


def _kept(
    context: dg.AssetExecutionContext,
    lake: Lake,
    table: Table,
    cleaned: Cleaned,
    raw: Mapping[Table, pl.DataFrame],
    more: Sequence[dg.AssetCheckResult] = (),
) -> Result:
    start, end = span_of(context.partition_key_range)
    hold(lake, cleaned.quarantine, start, end)
    held = checks.result(checks.QUARANTINED, standing(cleaned.quarantine, raw))
    return made(context, table, cleaned.rows, FINDERS[table], [held, *more])


def _specs(table: Table, rules: Sequence[Rule]) -> list[dg.AssetCheckSpec]:
    return checks.specs(table.name, FINDERS[table], rules)
