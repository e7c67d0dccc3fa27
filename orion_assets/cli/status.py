"""`orion status`: what there is and what is missing, from the coverage ledger."""

from typing import Annotated

import polars as pl
import typer

from orion_assets.cli.context import Call
from orion_assets.cli.output import OUT, document, frame
from orion_assets.ingest import ledger
from orion_assets.schemas import CLEAN_DAILY_BARS

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
STATES = ("data", "empty_confirmed", "not_yet", "quarantined", "failed")


def status(
    ctx: typer.Context,
    rebuild: Annotated[bool, typer.Option("--rebuild", help="Make the ledger anew from the lake first.")] = False,
    json: Json = False,
) -> None:
    """Count the cells of every dataset by state; name those that need attention."""
    call: Call = ctx.obj
    state = call.state()
    if rebuild:
        ledger.rebuild(call.lake(), state, CLEAN_DAILY_BARS)
    cells = state.cells()
    if json:
        document({"cells": _counts(cells).to_dicts(), "attention": _attention(cells).to_dicts()})
        return
    if cells.is_empty():
        OUT.print("nothing was asked for yet; start with: orion backfill")
        return
    shown = _counts(cells).drop("tickers").rename({"empty_confirmed": "empty"})
    frame(shown, as_json=False, title="Cells by state (a cell: dataset, ticker or the whole market, session)")
    attention = _attention(cells)
    if attention.height:
        frame(attention, as_json=False, title="Needs attention")


def _counts(cells: pl.DataFrame) -> pl.DataFrame:
    return (
        cells.group_by("dataset")
        .agg(
            pl.col("ticker").n_unique().alias("tickers"),
            pl.col("session").min().alias("first"),
            pl.col("session").max().alias("last"),
            *((pl.col("state") == name).sum().alias(name) for name in STATES),
        )
        .sort("dataset")
    )


def _attention(cells: pl.DataFrame) -> pl.DataFrame:
    return (
        cells.filter(pl.col("state").is_in(["quarantined", "failed"]))
        .sort("dataset", "session", "ticker")
        .select("dataset", "ticker", "session", "state", "detail")
    )
