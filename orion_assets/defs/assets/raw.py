"""Raw assets: what the source says, landed once with its clocks. No cleaning here."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date
from typing import Any, Final

import dagster as dg
import polars as pl

from orion_assets.defs import checks
from orion_assets.defs.assets.wiring import Reported, days_of, plotted, reported
from orion_assets.defs.code_versions import UNDERIVED
from orion_assets.defs.metadata import by_session, columns_of
from orion_assets.defs.partitions import span_of
from orion_assets.ingest.execution import fill
from orion_assets.ingest.landing import is_by_ticker
from orion_assets.ingest.ledger import unfilled_cells
from orion_assets.ingest.moment import Moment
from orion_assets.ingest.runner import Desk, Landed
from orion_assets.ingest.universe import Universe, land_universe
from orion_assets.markets import EQUITIES, market_named_in
from orion_assets.schemas import RAW_DAILY_BARS, RAW_DIVIDENDS, RAW_MINUTE_BARS, RAW_NEWS, RAW_SPLITS, RAW_VIX
from orion_assets.sources.protocols import Ask, Source
from orion_assets.tables import Table

_COMPLETE: Final = "complete"
_LANDED: Final = "versions_landed"
_COMPLETE_TEXT: Final = (
    "Every session asked for has closed, every cell was answered, and the source still has every row it had"
)
GRAINS = {
    RAW_DAILY_BARS: "One daily bar per ticker and session, every version the source ever stated.",
    RAW_MINUTE_BARS: "One minute bar per ticker and minute that traded, every version the source ever stated.",
    RAW_VIX: "One VIX day per date; a day on which the exchange is closed stands in the next session.",
    RAW_NEWS: "One article per id, filed by publication between two close cut-offs.",
    RAW_SPLITS: "One split per event id, filed by ex-date, the whole market.",
    RAW_DIVIDENDS: "One cash dividend per event id, filed by ex-date, the whole market.",
}


def raw_assets(sessions: dg.PartitionsDefinition[Any]) -> list[dg.AssetsDefinition]:
    """Make the raw assets: one function over the raw tables, since landing is the same for all."""
    return [raw_asset(table, grain, sessions) for table, grain in GRAINS.items()]


def raw_asset(table: Table, grain: str, sessions: dg.PartitionsDefinition[Any]) -> dg.AssetsDefinition:
    """Make one raw asset on an axis of its market's sessions."""
    market = market_named_in(table.name)

    @dg.asset(
        name=table.name,
        description=grain,
        group_name="raw",
        partitions_def=sessions,
        backfill_policy=dg.BackfillPolicy.single_run(),
        metadata=columns_of(table),
        check_specs=[
            dg.AssetCheckSpec(_COMPLETE, asset=table.name, description=_COMPLETE_TEXT),
        ],
        kinds={"deltalake"},
        code_version=UNDERIVED,
        io_manager_key="lake_io",
    )
    def raw(
        context: dg.AssetExecutionContext,
        source: dg.ResourceParam[Source],
        desk: dg.ResourceParam[Desk],
        universe: dg.ResourceParam[Universe],
        allowance: dg.ResourceParam[Mapping[str, int]],
        moment: dg.ResourceParam[Moment],
    ) -> Iterator[Reported]:
        if table.name not in source.datasets:
            yield _landed(context, table, [], pl.DataFrame, asked=False)
            return
        start, end = span_of(context.partition_key_range)
        tickers = universe.asked(source, moment.now, market)
        is_partial = is_by_ticker(table.name) and tickers != universe.followed(market)
        if market is EQUITIES:
            # Features are kept of these
            land_universe(desk.lake, desk.state, universe.followed(), moment)
        # The rest is asked of the whole market: an answered session must hold the split of a ticker followed later
        ask = Ask(table.name, start, end, tickers if is_by_ticker(table.name) else (), moment.now, is_partial)
        told = fill(desk, source, ask, table, moment, allowance.get(table.name))
        yield _landed(context, table, told, lambda: unfilled_cells(desk.state, table.name, start, end), asked=True)

    return raw


def _landed(
    context: dg.AssetExecutionContext,
    table: Table,
    pieces: Iterable[Landed],
    in_vain: Callable[[], pl.DataFrame],
    *,
    asked: bool,
) -> Reported:
    days = days_of(context)
    told = dict(by_session(table.empty(), days, _LANDED))
    rows, changes, not_due = 0, list[date](), list[date]()
    withdrawn = [table.empty().select(*table.key, "ts_known", "source_file", "source_row")]
    for landed in pieces:
        # Of a piece only this is kept: all minutes of a range would not fit into memory
        filled = set(landed.appended["session"].unique())
        told |= by_session(landed.appended, [day for day in days if day in filled], _LANDED)
        rows += landed.rows
        changes += [landed.first_change] if landed.first_change else []
        not_due += landed.not_due
        withdrawn.append(landed.withdrawn.select(withdrawn[0].columns))
    plotted(context, table.name, told, _LANDED)
    shown = {"dagster/row_count": rows, "asked": asked, "first_change": str(min(changes, default=None))}
    accused = pl.concat(withdrawn)
    unfilled = in_vain()
    complete = checks.result(_COMPLETE, pl.concat([unfilled, accused], how="diagonal") if unfilled.height else accused)
    not_yet = {"not_yet": [str(session) for session in sorted(set(not_due))]}
    passed = complete.passed and not not_due
    return reported(shown, [complete._replace(passed=passed, metadata={**complete.metadata, **not_yet})])
