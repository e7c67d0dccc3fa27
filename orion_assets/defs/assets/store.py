"""The feature store: a publication of the lake that can be made again from it at any time."""

from typing import Any

import dagster as dg
import polars as pl

from orion_assets.defs.assets.wiring import Reported, reported
from orion_assets.defs.partitions import span_of
from orion_assets.ingest.landing import Moment
from orion_assets.ingest.ledger import published_cells
from orion_assets.schemas import RAW_COVERAGE, STORED
from orion_assets.store.lake import Lake
from orion_assets.store.protocols import FeatureWriter
from orion_assets.store.state import State


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
        lake: dg.ResourceParam[Lake],
        state: dg.ResourceParam[State],
        moment: dg.ResourceParam[Moment],
        **tables: pl.DataFrame,
    ) -> Reported:
        """One publication per range of sessions: bars, VIX, news and features, in one atomic step."""
        start, end = span_of(context.partition_key_range)
        answered = lake.read(RAW_COVERAGE, start=start, end=end)["dataset"].unique().sort()
        facts = {"datasets": ",".join(answered)}
        done = store.publish(tables, start=start, end=end, facts=facts)
        state.record(published_cells(start, end, moment))
        rows = {f"rows_{name}": count for name, count in done.rows.items()}
        return reported({"changed": done.is_changed, **rows})

    return [feature_store]
