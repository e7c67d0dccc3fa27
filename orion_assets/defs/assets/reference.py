"""Reference assets: who the tickers are. Not partitioned; materialized first and weekly."""

from collections.abc import Iterator, Mapping

import dagster as dg
import polars as pl

from orion_assets import calendars
from orion_assets.defs import checks
from orion_assets.defs.assets.wiring import Reported, Result, made, reported
from orion_assets.defs.code_versions import UNDERIVED, code_of
from orion_assets.defs.metadata import columns_of
from orion_assets.ingest.moment import Moment
from orion_assets.ingest.reference import land_tickers, mark_reassigned
from orion_assets.ingest.runner import Desk
from orion_assets.ingest.universe import Universe
from orion_assets.quality.quarantine import hold_all
from orion_assets.quality.rules import REFERENCE, SECURITY
from orion_assets.schemas import RAW_TICKERS, SECURITIES
from orion_assets.sources.protocols import Source
from orion_assets.transforms import securities as transform


def reference_assets() -> list[dg.AssetsDefinition]:
    """Make the reference assets."""

    @dg.asset(
        group_name="raw",
        backfill_policy=dg.BackfillPolicy.single_run(),
        metadata=columns_of(RAW_TICKERS),
        check_specs=checks.specs(RAW_TICKERS.name, REFERENCE),
        kinds={"deltalake"},
        code_version=UNDERIVED,
        io_manager_key="lake_io",
    )
    def raw_tickers(
        source: dg.ResourceParam[Source],
        desk: dg.ResourceParam[Desk],
        universe: dg.ResourceParam[Universe],
        allowance: dg.ResourceParam[Mapping[str, int]],
        moment: dg.ResourceParam[Moment],
    ) -> Iterator[Reported]:
        """One ticker per dated reference snapshot, active and delisted."""
        # Where asking is free, all are listed, and nobody need be followed yet
        followed = () if source.is_local else universe.seed(source, moment.now)
        landed = land_tickers(desk, source, moment, followed, allowance.get(RAW_TICKERS.name))
        found = checks.found(REFERENCE, desk.lake.read(RAW_TICKERS))
        yield reported({"dagster/row_count": landed.rows}, found)

    @dg.asset(
        group_name="clean",
        backfill_policy=dg.BackfillPolicy.single_run(),
        metadata=columns_of(SECURITIES),
        check_specs=checks.specs(SECURITIES.name, SECURITY, transform.RULES),
        kinds={"polars", "deltalake"},
        code_version=code_of([SECURITIES], transform),
        io_manager_key="lake_io",
    )
    def securities(
        context: dg.AssetExecutionContext,
        desk: dg.ResourceParam[Desk],
        moment: dg.ResourceParam[Moment],
        raw_tickers: pl.DataFrame,
    ) -> Iterator[Result]:
        """One security per permanent id and interval in which it bore a ticker."""
        cleaned = transform.securities(raw_tickers, calendars.sessions())
        hold_all(desk.lake, RAW_TICKERS, cleaned.quarantine)
        mark_reassigned(desk, cleaned.rows, moment)
        yield made(context, SECURITIES, cleaned.rows, SECURITY, [checks.result(checks.QUARANTINED, cleaned.quarantine)])

    return [raw_tickers, securities]
