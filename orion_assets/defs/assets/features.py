"""Feature assets: every value replayed from the first bar, written for the run's sessions only."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import dagster as dg
import polars as pl

from orion_assets import calendars
from orion_assets.defs import checks
from orion_assets.defs.assets.wiring import Result, days_of, made, session_asset
from orion_assets.defs.io import READS
from orion_assets.defs.partitions import look_back, span_of
from orion_assets.ingest.freshness import is_undisturbed, stale_span
from orion_assets.ingest.moment import Moment
from orion_assets.quality.anomalies import implausible, judged_from, suspected_splits
from orion_assets.quality.leaks import Scope, Spotted, sampled, spot_check, underived
from orion_assets.quality.reconciliation import compared
from orion_assets.quality.rules import FEATURES
from orion_assets.quality.verdicts import LEAKS, RECONCILED, TEXTS, refused
from orion_assets.schemas import (
    CLEAN_DAILY_BARS,
    CORPORATE_ACTIONS,
    FEATURE_INDICATORS,
    FEATURE_MARKET,
    FEATURE_MATRIX,
    FEATURE_SENTIMENT,
    RAW_TICKERS,
    SECURITIES,
)
from orion_assets.sources.protocols import Source
from orion_assets.store.lake import Lake
from orion_assets.store.raw import raw_of
from orion_assets.store.state import State
from orion_assets.tables import Table
from orion_assets.transforms import daily, market, matrix, sentiment
from orion_assets.transforms.adjust import split_factors
from orion_assets.transforms.identity import latest

_SUSPECTED = "suspected_missing_split"
_PLAUSIBLE = "plausible"
_OVER_HISTORY = {
    _SUSPECTED: "No session opens as if an unknown split had happened",
    _PLAUSIBLE: "No bar is missing, repeats the one before, leaps in price or volume, or stands outside every listing",
    RECONCILED: TEXTS[RECONCILED],
}
_LEAKS = dg.AssetCheckSpec(LEAKS, asset=FEATURE_MATRIX.name, description=TEXTS[LEAKS], blocking=True)


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
        code=[daily],
        ins={"clean_daily_bars": _history(), "corporate_actions": _history(), "securities": dg.AssetIn()},
        check_specs=[*_specs(FEATURE_INDICATORS), *more],
    )
    def feature_indicators(
        context: dg.AssetExecutionContext,
        source: dg.ResourceParam[Source],
        state: dg.ResourceParam[State],
        moment: dg.ResourceParam[Moment],
        **tables: pl.DataFrame,
    ) -> Iterator[Result]:
        """One row of daily indicators per ticker and session, in the session's own units."""
        span = span_of(context.partition_key_range)
        bars, actions, securities = (tables[each.name] for each in (CLEAN_DAILY_BARS, CORPORATE_ACTIONS, SECURITIES))
        rows, calendar = daily.feature_indicators(bars, actions, securities, *span), calendars.sessions()
        recent = bars.filter(pl.col("session") >= judged_from(calendar, span[0]))
        series = split_factors(*latest(recent, actions, securities))
        reconciled, days = compared(source, (bars, actions, securities), span), days_of(context)
        found = {
            _SUSPECTED: suspected_splits(series, span[0]),
            _PLAUSIBLE: implausible(series, securities, calendar, span[0]),
            RECONCILED: reconciled.found,
        }
        check = (FEATURE_INDICATORS.name, RECONCILED)
        state.verdicts.forget(check, days)
        state.verdicts.judge(check, reconciled.found, reconciled.sessions, moment.real())
        yield made(context, FEATURE_INDICATORS, rows, FEATURES, [checks.result(*each) for each in found.items()])

    @session_asset(
        FEATURE_SENTIMENT,
        sessions,
        "features",
        code=[sentiment],
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
        yield made(context, FEATURE_SENTIMENT, rows, FEATURES)

    @session_asset(
        FEATURE_MARKET,
        sessions,
        "features",
        code=[market],
        ins={"clean_vix": _history(), "days": _coverage("raw_vix"), "bars": _coverage("raw_daily_bars")},
        check_specs=_specs(FEATURE_MARKET),
    )
    def feature_market(
        context: dg.AssetExecutionContext, clean_vix: pl.DataFrame, days: pl.DataFrame, bars: pl.DataFrame
    ) -> Iterator[Result]:
        """One row of the market's state per session and cut-off."""
        calendar = calendars.sessions()
        cells, others = (market.asked(asked, calendar, *span_of(context.partition_key_range)) for asked in (days, bars))
        yield made(context, FEATURE_MARKET, market.feature_market(clean_vix, cells, others, calendar), FEATURES)

    @session_asset(
        FEATURE_MATRIX,
        sessions,
        "features",
        code=[matrix, market],
        ins={
            "feature_indicators": dg.AssetIn(partition_mapping=look_back(1)),
            "feature_sentiment": dg.AssetIn(),
            "feature_market": dg.AssetIn(),
            "coverage": _coverage("raw_daily_bars"),
        },
        check_specs=[*_specs(FEATURE_MATRIX), _LEAKS],
    )
    def feature_matrix(
        context: dg.AssetExecutionContext,
        lake: dg.ResourceParam[Lake],
        state: dg.ResourceParam[State],
        moment: dg.ResourceParam[Moment],
        coverage: pl.DataFrame,
        **features: pl.DataFrame,
    ) -> Iterator[Result]:
        """One row per ticker, session and cut-off: what a model may read at that instant."""
        span, calendar = span_of(context.partition_key_range), calendars.sessions()
        cells = market.asked(coverage, calendar, *span)
        parts = [features[table.name] for table in (FEATURE_INDICATORS, FEATURE_SENTIMENT, FEATURE_MARKET)]
        rows = matrix.feature_matrix(parts[0], parts[1], parts[2], cells)
        scope = Scope(rows["ticker"].unique().to_list(), *span)
        leaked = _not_judged(lake, state, scope, moment)
        check, days = (FEATURE_MATRIX.name, LEAKS), days_of(context)
        # What is made anew has not passed by what was there before
        state.verdicts.forget(check, days, passed_only=True)
        if leaked is None:
            spotted = spot_check(partial(raw_of, lake), rows, calendar, scope, moment.landing())
            if spotted.rows or spotted.found.height:
                state.verdicts.judge(check, spotted.found, days, moment.real())
            leaked = _leaked(spotted)
        yield made(context, FEATURE_MATRIX, rows, FEATURES, [leaked])

    return [feature_indicators, feature_sentiment, feature_market, feature_matrix]


def _leaked(spotted: Spotted) -> dg.AssetCheckResult:
    if not spotted.rows and spotted.found.is_empty():
        note = "not judged: no row of these sessions is known yet"
        return dg.AssetCheckResult(passed=True, check_name=LEAKS, metadata={"rows": 0, "compared": 0, "note": note})
    told = checks.result(LEAKS, spotted.found, dg.AssetCheckSeverity.ERROR)
    return told._replace(metadata={**told.metadata, "compared": dg.MetadataValue.int(spotted.rows)})


def _not_judged(lake: Lake, state: State, scope: Scope, moment: Moment) -> dg.AssetCheckResult | None:
    """Say why rows of a run cannot be held against raw; None where they can.

    What was made of raw of before differs from raw of now without a fault: whoever derives what is stale judges.
    """
    if leaking := refused(state, scope.start):
        why = pl.DataFrame({"session": leaking}).with_columns(
            found=pl.lit("its features read the future and were refused; what follows waits for it"),
            remedy=pl.lit("mend the feature that its own check names, then: orion update"),
        )
        return _unjudged(why, dg.AssetCheckSeverity.ERROR)
    if not is_undisturbed(state, (scope.start, scope.end), moment):
        waiting = stale_span(state) or (scope.start, scope.end)
        why = pl.DataFrame({"session": [min(waiting[0], scope.start)]}).with_columns(
            found=pl.lit("it awaits derivation, or raw changed beside this run: judged with what is derived then"),
            remedy=pl.lit("orion update, or wait for the sensor: both derive it"),
        )
        return _unjudged(why, dg.AssetCheckSeverity.WARN)
    listed, calendar = lake.read(RAW_TICKERS), calendars.sessions()
    changed = underived(listed, lake.read(SECURITIES), sampled(scope, calendar), calendar)
    if changed:
        why = pl.DataFrame({"ticker": changed}).with_columns(
            found=pl.lit("securities await derivation: the reference says otherwise since"),
            remedy=pl.lit("materialize reference: its job, or orion backfill"),
        )
        return _unjudged(why, dg.AssetCheckSeverity.WARN)
    return None


def _unjudged(why: pl.DataFrame, severity: dg.AssetCheckSeverity) -> dg.AssetCheckResult:
    told = checks.result(LEAKS, why, severity)
    note = {"compared": dg.MetadataValue.int(0), "note": dg.MetadataValue.text("not judged: see what is accused")}
    return told._replace(metadata={**told.metadata, **note})


def _specs(table: Table) -> list[dg.AssetCheckSpec]:
    return checks.specs(table.name, FEATURES)
