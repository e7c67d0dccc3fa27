"""The feature store: a publication of the lake that can be made again from it at any time."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl

from orion_assets import calendars
from orion_assets.defs import checks
from orion_assets.defs.assets.wiring import Reported, days_of, derives_all, plotted, reported
from orion_assets.defs.code_versions import UNDERIVED
from orion_assets.defs.partitions import span_of
from orion_assets.ingest.freshness import settle
from orion_assets.ingest.missing import coverage_of
from orion_assets.ingest.moment import Moment
from orion_assets.ingest.universe import Universe
from orion_assets.quality.coverage import bars_without_features, behind
from orion_assets.quality.report import gather, reader
from orion_assets.quality.verdicts import as_judged
from orion_assets.schemas import CLEAN_DAILY_BARS, FEATURE_MATRIX, IN_THE_LAKE, RAW_COVERAGE, SECURITIES, STORED
from orion_assets.store.facts import asked_facts, months_around
from orion_assets.store.lake import Lake
from orion_assets.store.protocols import FeatureWriter
from orion_assets.store.state import State

_FEATURED = "bars_have_features"
_UP_TO_DATE = "followed_up_to_date"
_CHECKS = {
    _FEATURED: "Features stand at the close of every session for every bar",
    _UP_TO_DATE: "Every followed and listed ticker has a bar in the last session answered",
}


def store_assets(sessions: dg.PartitionsDefinition[Any]) -> list[dg.AssetsDefinition]:
    """Make the publication on an axis of sessions."""

    @dg.asset(
        ins={table.name: dg.AssetIn() for table in STORED},
        # Not published, but a session counts as published only where these were derived too
        deps=[table.name for table in IN_THE_LAKE],
        group_name="store",
        partitions_def=sessions,
        backfill_policy=dg.BackfillPolicy.single_run(),
        check_specs=[dg.AssetCheckSpec(name, asset="feature_store", description=d) for name, d in _CHECKS.items()],
        kinds={"duckdb"},
        code_version=UNDERIVED,
    )
    def feature_store(
        context: dg.AssetExecutionContext,
        store: dg.ResourceParam[FeatureWriter],
        lake: dg.ResourceParam[Lake],
        state: dg.ResourceParam[State],
        universe: dg.ResourceParam[Universe],
        moment: dg.ResourceParam[Moment],
        **tables: pl.DataFrame,
    ) -> Iterator[Reported]:
        """One publication per range of sessions: bars, VIX, news and features, in one atomic step."""
        start, end = span_of(context.partition_key_range)
        first, after = months_around(start, end)
        coverage = lake.read(RAW_COVERAGE, start=first, end=after)
        answered = coverage.filter(pl.col("session").is_between(start, end, closed="left"))
        done = store.publish(tables, start=start, end=end, facts=asked_facts(coverage))
        if derives_all(context):
            settle(state, start, end, moment)
        rows = {f"rows_{name}": count for name, count in done.rows.items()}
        bars, matrix = (tables[table.name] for table in (CLEAN_DAILY_BARS, FEATURE_MATRIX))
        late = behind(bars, answered, lake.read(SECURITIES), universe.followed())
        found = [checks.result(_FEATURED, bars_without_features(bars, matrix)), checks.result(_UP_TO_DATE, late)]
        yield reported({"changed": done.is_changed, **rows}, found)

    @dg.asset(
        deps=["feature_store"],
        group_name="store",
        partitions_def=sessions,
        backfill_policy=dg.BackfillPolicy.single_run(),
        kinds={"html"},
        code_version=UNDERIVED,
    )
    def quality_report(
        context: dg.AssetExecutionContext,
        lake: dg.ResourceParam[Lake],
        state: dg.ResourceParam[State],
        moment: dg.ResourceParam[Moment],
        report_folder: dg.ResourceParam[Path],
    ) -> Iterator[Reported]:
        """One page per range of sessions that was published: verdict, coverage, accused rows, what to do next."""
        keys = context.partition_key_range
        span = span_of(keys)
        filled = coverage_of(state, span, moment.real())
        report = gather(reader(lake, span[1]), calendars.sessions(), span, filled, as_judged(state, span))
        place = report.write(report_folder / f"{keys.start}_{keys.end}.html")
        plotted(
            context, "quality_report", {day: {"accused": report.accused_on(day)} for day in days_of(context)}, "accused"
        )
        told = {"verdict": report.verdict, "page": dg.MetadataValue.path(str(place.resolve()))}
        yield reported({**told, "report": dg.MetadataValue.md(report.markdown())})

    return [feature_store, quality_report]
