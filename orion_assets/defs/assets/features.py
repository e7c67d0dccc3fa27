"""Feature assets: every value replayed from the first bar, written for the run's sessions only."""

from collections.abc import Iterator
from typing import Any

import dagster as dg
import polars as pl

from orion_assets import calendars
from orion_assets.defs import checks
from orion_assets.defs.assets.wiring import Result, made, session_asset
from orion_assets.defs.io import READS
from orion_assets.defs.partitions import look_back, span_of
from orion_assets.quality.anomalies import implausible, judged_from, suspected_splits
from orion_assets.quality.reconciliation import compared
from orion_assets.quality.rules import FEATURES
from orion_assets.schemas import FEATURE_INDICATORS, FEATURE_MARKET, FEATURE_MATRIX, FEATURE_SENTIMENT
from orion_assets.sources.protocols import Source
from orion_assets.tables import Table
from orion_assets.transforms import daily, market, matrix, sentiment
from orion_assets.transforms.adjust import split_factors
from orion_assets.transforms.identity import latest

_SUSPECTED = "suspected_missing_split"
_PLAUSIBLE = "plausible"
_RECONCILED = "reconciles"
_OVER_HISTORY = {
    _SUSPECTED: "No session opens as if an unknown split had happened",
    _PLAUSIBLE: "No bar is missing, repeats the one before, leaps in price or volume, or stands outside every listing",
    _RECONCILED: "Adjusted closes move as those of the vendor they are compared with, where there is one",
}


def _history() -> dg.AssetIn:
    return dg.AssetIn(partition_mapping=look_back(), metadata={READS: "history"})


def _coverage(asset: str) -> dg.AssetIn:
    return dg.AssetIn(key=asset, metadata={READS: "coverage"})


def feature_assets(sessions: dg.PartitionsDefinition[Any]) -> list[dg.AssetsDefinition]:
    """Make the feature assets on an axis of sessions."""
    more = [
        dg.AssetCheckSpec(name, asset=FEATURE_INDICATORS.name, description=description)
        for name, description in _OVER_HISTORY.items()
    ]

    @session_asset(
        FEATURE_INDICATORS,
        sessions,
        "features",
        ins={"clean_daily_bars": _history(), "corporate_actions": _history(), "securities": dg.AssetIn()},
        check_specs=[*_specs(FEATURE_INDICATORS), *more],
    )
    def feature_indicators(
        context: dg.AssetExecutionContext,
        source: dg.ResourceParam[Source],
        clean_daily_bars: pl.DataFrame,
        corporate_actions: pl.DataFrame,
        securities: pl.DataFrame,
    ) -> Iterator[Result]:
        """One row of daily indicators per ticker and session, in the session's own units."""
        span = span_of(context.partition_key_range)
        rows = daily.feature_indicators(clean_daily_bars, corporate_actions, securities, *span)
        calendar, of_all = calendars.sessions(), (clean_daily_bars, corporate_actions, securities)
        recent = clean_daily_bars.filter(pl.col("session") >= judged_from(calendar, span[0]))
        series = split_factors(*latest(recent, corporate_actions, securities))
        found = {
            _SUSPECTED: suspected_splits(series, span[0]),
            _PLAUSIBLE: implausible(series, securities, calendar, span[0]),
            _RECONCILED: compared(source, of_all, span),
        }
        yield made(FEATURE_INDICATORS, rows, FEATURES, [checks.result(*each) for each in found.items()])

    @session_asset(
        FEATURE_SENTIMENT,
        sessions,
        "features",
        ins={
            "clean_news": _history(),
            "coverage": _coverage("raw_news"),
            "universe": dg.AssetIn(key="raw_daily_bars", metadata={READS: "universe"}),
        },
        check_specs=_specs(FEATURE_SENTIMENT),
    )
    def feature_sentiment(
        context: dg.AssetExecutionContext, clean_news: pl.DataFrame, coverage: pl.DataFrame, universe: pl.DataFrame
    ) -> Iterator[Result]:
        """One row of news mood per followed ticker, session and cut-off."""
        span = span_of(context.partition_key_range)
        rows = sentiment.feature_sentiment(clean_news, coverage, calendars.sessions(), universe, span)
        yield made(FEATURE_SENTIMENT, rows, FEATURES)

    @session_asset(
        FEATURE_MARKET,
        sessions,
        "features",
        ins={"clean_vix": _history(), "days": _coverage("raw_vix"), "bars": _coverage("raw_daily_bars")},
        check_specs=_specs(FEATURE_MARKET),
    )
    def feature_market(
        context: dg.AssetExecutionContext, clean_vix: pl.DataFrame, days: pl.DataFrame, bars: pl.DataFrame
    ) -> Iterator[Result]:
        """One row of the market's state per session and cut-off."""
        calendar = calendars.sessions()
        cells, others = (market.asked(asked, calendar, *span_of(context.partition_key_range)) for asked in (days, bars))
        yield made(FEATURE_MARKET, market.feature_market(clean_vix, cells, others, calendar), FEATURES)

    @session_asset(
        FEATURE_MATRIX,
        sessions,
        "features",
        ins={
            "feature_indicators": dg.AssetIn(partition_mapping=look_back(1)),
            "feature_sentiment": dg.AssetIn(),
            "feature_market": dg.AssetIn(),
            "coverage": _coverage("raw_daily_bars"),
        },
        check_specs=_specs(FEATURE_MATRIX),
    )
    def feature_matrix(
        context: dg.AssetExecutionContext,
        feature_indicators: pl.DataFrame,
        feature_sentiment: pl.DataFrame,
        feature_market: pl.DataFrame,
        coverage: pl.DataFrame,
    ) -> Iterator[Result]:
        """One row per ticker, session and cut-off: what a model may read at that instant."""
        start, end = span_of(context.partition_key_range)
        cells = market.asked(coverage, calendars.sessions(), start, end)
        rows = matrix.feature_matrix(feature_indicators, feature_sentiment, feature_market, cells)
        yield made(FEATURE_MATRIX, rows, FEATURES)

    return [feature_indicators, feature_sentiment, feature_market, feature_matrix]


def _specs(table: Table) -> list[dg.AssetCheckSpec]:
    return checks.specs(table.name, FEATURES)
