"""`orion store`: the feature store as a thing that can be hashed and made again, and the lake that it is made of."""

from datetime import timedelta

import polars as pl
import typer

from orion_assets.cli.context import Call, now
from orion_assets.cli.launch import Launch
from orion_assets.cli.options import Json
from orion_assets.cli.output import OUT, Exit, document, frame, refuse
from orion_assets.ingest.rebuilding import follow_again
from orion_assets.schemas import DERIVED, RAW_COVERAGE, SECURITIES, STORED, TABLES

app = typer.Typer(no_args_is_help=True, help="What is stored: hash, rebuild, compact.")


@app.command("hash")
def content_hash(ctx: typer.Context, json: Json = False) -> None:
    """Print the content hash: equal wherever the same raw and the same code made the store."""
    call: Call = ctx.obj
    with call.store() as store:
        hashes = {table.name: store.content_hash(table.name) for table in STORED}
        whole = store.content_hash()
    if json:
        document({"content_hash": whole, "tables": hashes})
        return
    OUT.print(whole)
    for name, value in hashes.items():
        OUT.print(f"  {name:<20} {value}")


@app.command()
def rebuild(ctx: typer.Context, json: Json = False) -> None:
    """Derive every session anew from raw and publish it."""
    call: Call = ctx.obj
    settings = call.settings
    asked = call.lake().read(RAW_COVERAGE)["session"]
    if asked.is_empty():
        refuse("store rebuild: the lake is empty; start with: orion backfill", Exit.FAILED)
    first, last = asked.min(), asked.max()
    # Where raw alone was brought here
    follow_again(call.lake(), call.state(), now())
    from orion_assets.cli.run import execute, instance  # noqa: PLC0415 - Dagster takes seconds to load

    with instance(settings) as on:
        launch = Launch("daily", first, last + timedelta(days=1), assets=DERIVED)  # pyright: ignore[reportArgumentType, reportOperatorIssue, reportOptionalOperand]
        outcome = execute(settings, Launch("reference", assets=(SECURITIES.name,)), on, show=not json)
        if outcome.is_done:
            outcome = execute(settings, launch, on, show=not json)
    if not outcome.is_done:
        refuse(outcome.failure, Exit.FAILED)
    content_hash(ctx, json=json)


@app.command()
def compact(ctx: typer.Context, json: Json = False) -> None:
    """Rewrite what lies in many small files of the lake as few large ones, which are read faster.

    Rows stay as they are, and so does every older version: the small files are kept for those who read it, so it takes
    room and frees none. Runs may go on meanwhile; a call that is broken off leaves every table whole.
    """
    call: Call = ctx.obj
    lake = call.lake()
    told: list[dict[str, object]] = []
    for table in TABLES.values():
        before = lake.file_count(table)
        if before and lake.compact(table).is_changed:
            told.append({"table": table.name, "files_before": before, "files": lake.file_count(table)})
    if json:
        document(told)
    elif not told:
        OUT.print(f"nothing to do: no month of the lake {call.settings.lake_url} lies in several files")
    else:
        frame(pl.DataFrame(told), as_json=False, title="Tables whose months lay in several files")
