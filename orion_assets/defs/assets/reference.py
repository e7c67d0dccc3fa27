"""Reference assets: who the tickers are. Not partitioned; materialized first and weekly."""

import dagster as dg
import polars as pl

from orion_assets.defs.assets.wiring import Reported, Result, reported
from orion_assets.defs.metadata import columns_of, extent
from orion_assets.ingest.landing import Moment
from orion_assets.ingest.runner import Desk, land_tickers
from orion_assets.schemas import RAW_TICKERS, SECURITIES
from orion_assets.sources.protocols import Source
from orion_assets.transforms import securities as transform


def reference_assets() -> list[dg.AssetsDefinition]:
    """Make the reference assets."""

    @dg.asset(
        group_name="raw",
        backfill_policy=dg.BackfillPolicy.single_run(),
        metadata=columns_of(RAW_TICKERS),
        kinds={"deltalake"},
        code_version="1",
        io_manager_key="lake_io",
    )
    def raw_tickers(
        source: dg.ResourceParam[Source],
        desk: dg.ResourceParam[Desk],
        moment: dg.ResourceParam[Moment],
    ) -> Reported:
        """One ticker per dated reference snapshot, active and delisted."""
        landed = land_tickers(desk, source, moment)
        return reported({"dagster/row_count": landed.rows})

    @dg.asset(
        group_name="clean",
        backfill_policy=dg.BackfillPolicy.single_run(),
        metadata=columns_of(SECURITIES),
        kinds={"polars", "deltalake"},
        code_version="1",
        io_manager_key="lake_io",
    )
    def securities(raw_tickers: pl.DataFrame) -> Result:
        """One security per permanent id and interval in which it bore a ticker."""
        frame = SECURITIES.conform(transform.securities(raw_tickers))
        return dg.MaterializeResult(value=frame, metadata=extent(frame))

    return [raw_tickers, securities]
