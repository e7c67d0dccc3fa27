"""What the assets on an axis share, so that an asset's body says only what is its own."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from types import ModuleType
from typing import Any, cast

import dagster as dg
import polars as pl

from orion_assets.defs import checks
from orion_assets.defs.code_versions import code_of
from orion_assets.defs.metadata import ROWS, by_session, chart, columns_of, extent
from orion_assets.defs.partition_metadata import say_of_partitions
from orion_assets.defs.partitions import DATE_FORMAT
from orion_assets.quality.rules import Finder
from orion_assets.schemas import BY_SESSION
from orion_assets.tables import Table

Result = dg.MaterializeResult[pl.DataFrame]
Reported = dg.MaterializeResult[None]
Define = Callable[[Callable[..., Any]], dg.AssetsDefinition]


def session_asset(
    table: Table,
    sessions: dg.PartitionsDefinition[Any],
    group: str,
    *,
    code: Sequence[ModuleType],
    ins: Mapping[str, dg.AssetIn],
    check_specs: Sequence[dg.AssetCheckSpec],
) -> Define:
    """Give the decorator of an asset that fills a table of the lake from others, a range of sessions in one run.

    Args:
        table: What it fills.
        sessions: Its axis.
        group: Under which the UI shows it.
        code: The transforms that derive its rows.
        ins: What it reads.
        check_specs: Its checks.
    """
    return dg.asset(
        ins=ins,
        group_name=group,
        partitions_def=sessions,
        backfill_policy=dg.BackfillPolicy.single_run(),
        metadata=columns_of(table),
        check_specs=check_specs,
        kinds={"polars", "deltalake"},
        code_version=code_of([table], *code),
        io_manager_key="lake_io",
    )


def made(
    context: dg.AssetExecutionContext,
    table: Table,
    rows: pl.DataFrame,
    finders: Sequence[Finder],
    more: Sequence[dg.AssetCheckResult] = (),
) -> Result:
    """Give the result of an asset: its rows, what they span in all and by session, what the finders accuse."""
    frame = table.conform(rows)
    if context.has_partition_key or context.has_partition_key_range:
        plotted(context, table.name, by_session(frame, days_of(context)))
    return dg.MaterializeResult(
        value=frame, metadata=extent(frame), check_results=[*checks.found(finders, frame), *more]
    )


def days_of(context: dg.AssetExecutionContext) -> list[date]:
    """Give the sessions of a run."""
    return [date.fromisoformat(key) for key in context.partition_keys]


def plotted(
    context: dg.AssetExecutionContext, asset: str, told: Mapping[date, Mapping[str, Any]], drawn: str = ROWS
) -> None:
    """Say something of each session of a run, for the UI to plot, and draw one of the numbers over them."""
    said = {day.strftime(DATE_FORMAT): metadata for day, metadata in told.items()}
    if told:
        # The UI shows a range by its last session
        last = max(told)
        picture = chart({each: values[drawn] for each, values in told.items()}, drawn)
        said[last.strftime(DATE_FORMAT)] = {**told[last], **picture}
    say_of_partitions(context, asset, said)


def reported(
    metadata: Mapping[str, Any], check_results: Sequence[dg.AssetCheckResult] = (), asset: str | None = None
) -> Reported:
    """Give the result of an asset that writes by itself, named where a function has several: nothing to manage."""
    return cast("Reported", dg.MaterializeResult(asset_key=asset, metadata=metadata, check_results=check_results))


def derives_all(context: dg.AssetExecutionContext) -> bool:
    """Say whether a run derives every stored table: publishing alone, or again from a failure, makes nothing fresh."""
    wanted = {table.name for table in BY_SESSION}
    chosen, steps = context.run.asset_selection, context.run.step_keys_to_execute
    is_chosen = not chosen or {key.path[-1] for key in chosen} >= wanted
    return is_chosen and (steps is None or set(steps) >= wanted)
