"""The feature store: a publication of the lake that can be made again from it at any time."""

from typing import Any

import dagster as dg
import polars as pl

from orion_assets.defs.assets.wiring import Reported, reported
from orion_assets.defs.partitions import span_of
from orion_assets.schemas import STORED
from orion_assets.sources.protocols import Source
from orion_assets.store.protocols import FeatureWriter


def store_assets(sessions: dg.PartitionsDefinition[Any]) -> list[dg.AssetsDefinition]:
    """Make the publication on an axis of sessions."""

    @dg.asset(
        ins={table.name: dg.AssetIn() for table in STORED},
        group_name="store",
        partitions_def=sessions,
        backfill_policy=dg.BackfillPolicy.single_run(),
        kinds={"duckdb"},
        code_version="1",
    )
    def feature_store(
        context: dg.AssetExecutionContext,
        store: dg.ResourceParam[FeatureWriter],
        source: dg.ResourceParam[Source],
        **tables: pl.DataFrame,
    ) -> Reported:
        """One publication per range of sessions: bars, VIX, news and features, in one atomic step."""
        start, end = span_of(context.partition_key_range)
        facts = {"datasets": ",".join(sorted(source.datasets))}
        done = store.publish(tables, start=start, end=end, facts=facts)
        rows = {f"rows_{name}": count for name, count in done.rows.items()}
        return reported({"changed": done.is_changed, **rows})

    return [feature_store]
