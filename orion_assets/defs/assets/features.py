"""Feature assets: every value replayed from the first bar, written for the run's sessions only."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import dagster as dg
import polars as pl

from orion_assets import calendars
from orion_assets.defs import checks
from orion_assets.defs.io import READS
from orion_assets.defs.metadata import columns_of, extent
from orion_assets.defs.partitions import look_back, span_of
from orion_assets.ingest.universe import Universe
from orion_assets.quality.rules import FEATURES, suspected_splits
from orion_assets.schemas import FEATURE_INDICATORS, FEATURE_MARKET, FEATURE_MATRIX, FEATURE_SENTIMENT, Table
from orion_assets.transforms import daily, market, matrix, sentiment
from orion_assets.transforms.adjust import known_factors

Result = Iterator[dg.MaterializeResult[pl.DataFrame]]
_SUSPECTED = "suspected_missing_split"


def _history(asset: str | None = None) -> dg.AssetIn:
    return dg.AssetIn(key=asset, partition_mapping=look_back(), metadata={READS: "history"})


def _coverage(asset: str) -> dg.AssetIn:
    return dg.AssetIn(key=asset, metadata={READS: "coverage"})


def feature_assets(sessions: dg.PartitionsDefinition[Any]) -> list[dg.AssetsDefinition]:
    """Make the feature assets on an axis of sessions."""
    suspected = dg.AssetCheckSpec(
        _SUSPECTED, asset=FEATURE_INDICATORS.name, description="No session opens as if an unknown split had happened"
    )

    @dg.asset(
        ins={"clean_daily_bars": _history(), "corporate_actions": _history()},
        **_wiring(FEATURE_INDICATORS, sessions, suspected),
    )
    def feature_indicators(
        context: dg.AssetExecutionContext, clean_daily_bars: pl.DataFrame, corporate_actions: pl.DataFrame
    ) -> Result:
        """One row of daily indicators per ticker and session, in the session's own units."""
        start, end = span_of(context.partition_key_range)
        rows = daily.feature_indicators(clean_daily_bars, corporate_actions, start, end)
        factors = known_factors(clean_daily_bars, corporate_actions)
        suspects = suspected_splits(clean_daily_bars, factors).filter(pl.col("session") >= start)
        yield _made(FEATURE_INDICATORS, rows, [checks.result(_SUSPECTED, suspects)])

    @dg.asset(ins={"clean_news": _history(), "coverage": _coverage("raw_news")}, **_wiring(FEATURE_SENTIMENT, sessions))
    def feature_sentiment(
        context: dg.AssetExecutionContext,
        universe: dg.ResourceParam[Universe],
        clean_news: pl.DataFrame,
        coverage: pl.DataFrame,
    ) -> Result:
        """One row of news mood per followed ticker, session and cut-off."""
        span = span_of(context.partition_key_range)
        rows = sentiment.feature_sentiment(clean_news, coverage, calendars.sessions(), universe.followed(), span)
        yield _made(FEATURE_SENTIMENT, rows)

    @dg.asset(ins={"clean_vix": _history(), "coverage": _coverage("raw_vix")}, **_wiring(FEATURE_MARKET, sessions))
    def feature_market(context: dg.AssetExecutionContext, clean_vix: pl.DataFrame, coverage: pl.DataFrame) -> Result:
        """One row of the market's state per session and cut-off."""
        start, end = span_of(context.partition_key_range)
        yield _made(FEATURE_MARKET, market.feature_market(clean_vix, coverage, calendars.sessions(), start, end))

    @dg.asset(
        ins={
            "feature_indicators": dg.AssetIn(partition_mapping=look_back(1)),
            "feature_sentiment": dg.AssetIn(),
            "feature_market": dg.AssetIn(),
            "coverage": _coverage("raw_daily_bars"),
        },
        **_wiring(FEATURE_MATRIX, sessions),
    )
    def feature_matrix(
        context: dg.AssetExecutionContext,
        feature_indicators: pl.DataFrame,
        feature_sentiment: pl.DataFrame,
        feature_market: pl.DataFrame,
        coverage: pl.DataFrame,
    ) -> Result:
        """One row per ticker, session and cut-off: what a model may read at that instant."""
        start, end = span_of(context.partition_key_range)
        cells = market.asked(coverage, calendars.sessions(), start, end)
        yield _made(FEATURE_MATRIX, matrix.feature_matrix(feature_indicators, feature_sentiment, feature_market, cells))

    return [feature_indicators, feature_sentiment, feature_market, feature_matrix]


def _wiring(table: Table, sessions: dg.PartitionsDefinition[Any], *more: dg.AssetCheckSpec) -> Mapping[str, Any]:
    return {
        "group_name": "features",
        "partitions_def": sessions,
        "backfill_policy": dg.BackfillPolicy.single_run(),
        "metadata": columns_of(table),
        "check_specs": [*checks.specs(table.name, FEATURES), *more],
        "kinds": {"polars", "deltalake"},
        "code_version": "1",
        "io_manager_key": "lake_io",
    }


def _made(
    table: Table, rows: pl.DataFrame, more: Sequence[dg.AssetCheckResult] = ()
) -> dg.MaterializeResult[pl.DataFrame]:
    frame = table.conform(rows)
    return dg.MaterializeResult(
        value=frame, metadata=extent(frame), check_results=[*checks.found(FEATURES, frame), *more]
    )
