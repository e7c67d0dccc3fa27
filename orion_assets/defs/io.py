"""The one IO manager: tables of the lake in, tables of the lake out; a range is one commit.

An input's metadata `orion/reads` says how much of the table it wants:
`history` (from the first session to the run's last), `all` (later sessions too), `followed` (of whoever was ever
followed: a vendor may have told of the whole market), `coverage` (the answers about the table, in place of its rows) or
`universe` (of whom they were asked); without it, what the partition mapping names. Keep data processing out of this
module.
"""

import dagster as dg
import polars as pl

from orion_assets.defs.partitions import span_of
from orion_assets.schemas import RAW_COVERAGE, RAW_UNIVERSE, TABLES
from orion_assets.store.lake import Lake
from orion_assets.store.raw import followed_ever

READS = "orion/reads"


class LakeIOManager(dg.IOManager):
    """Reads and writes tables named like their assets."""

    def __init__(self, lake: Lake) -> None:
        self._lake = lake

    def handle_output(self, context: dg.OutputContext, obj: pl.DataFrame) -> None:
        """Replace the run's sessions (or the whole of an unpartitioned table) in one commit."""
        table = TABLES[context.asset_key.path[-1]]
        if context.has_asset_partitions:
            start, end = span_of(context.asset_partition_key_range)
            commit = self._lake.replace(table, obj, start=start, end=end)
        else:
            commit = self._lake.overwrite(table, obj)
        context.add_output_metadata({"lake_version": commit.version, "changed": commit.is_changed})

    def load_input(self, context: dg.InputContext) -> pl.DataFrame:
        """Hand over the rows the input asks for, all versions, sorted by key and `ts_known`."""
        table = TABLES[context.asset_key.path[-1]]
        reads = (context.definition_metadata or {}).get(READS)
        if reads == "all" or not context.has_asset_partitions:
            return self._lake.read(table)
        if reads == "universe":
            return self._lake.read(RAW_UNIVERSE)
        start, end = span_of(context.asset_partition_key_range)
        if reads == "coverage":
            return self._lake.read(RAW_COVERAGE, start=start, end=end).filter(pl.col("dataset") == table.name)
        tickers = followed_ever(self._lake) if reads == "followed" else None
        return self._lake.read(table, start=None if reads == "history" else start, end=end, tickers=tickers)
