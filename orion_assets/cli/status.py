"""`orion status`: what there is and what is missing, from the coverage ledger."""

from datetime import datetime
from typing import Annotated, Any, Final

import polars as pl
import typer

from orion_assets.cli.context import Call, now
from orion_assets.cli.options import Json
from orion_assets.cli.output import OUT, counted, document, frame, lines
from orion_assets.cli.report import gap_told
from orion_assets.ingest import ledger
from orion_assets.market_hours import sessions_for
from orion_assets.store.state import STATES

# What is always shown; of the other states, those that occur
_USUAL: Final = ("data", "empty_confirmed", "not_yet", "quarantined", "failed")
_SPAN: Final = (
    pl.len().alias("cells"),
    pl.col("session").min().alias("first"),
    pl.col("session").max().alias("last"),
)


def status(
    ctx: typer.Context,
    rebuild: Annotated[bool, typer.Option("--rebuild", help="Make the ledger anew from the lake first.")] = False,
    json: Json = False,
) -> None:
    """Show what there is, what is missing and what to do about it.

    Counted are cells: a dataset, a ticker or the whole market, a session.
    """
    call: Call = ctx.obj
    state = call.state()
    if rebuild:
        ledger.rebuild(call.lake(), state)
    cells = ledger.cells_now(state)
    due, attention, gap = _due(cells, now()), _attention(cells), ledger.never_asked(state)
    if json:
        told = {"cells": _counts(cells), "due": due, "attention": attention}
        document({name: found.to_dicts() for name, found in told.items()} | {"never_asked": gap})
        return
    if cells.is_empty():
        OUT.print("nothing was asked for yet; start with: orion backfill")
        return
    counts = _counts(cells)
    shown = [name for name in STATES if name in _USUAL or counts[name].sum()]
    table = counts.select("dataset", "first", "last", *shown).rename({"empty_confirmed": "empty"})
    frame(table, as_json=False, title="Cells by state (a cell: dataset, ticker or the whole market, session)")
    told = [*([gap_told(gap)] if gap else []), *map(_told_due, due.to_dicts()), *_told(attention)]
    lines(told, title="Needs attention" if told else "Nothing needs attention")


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


def _due(cells: pl.DataFrame, instant: datetime) -> pl.DataFrame:
    """Give a row for each dataset with cells whose close cut-off has come and that nobody answered."""
    waiting = cells.filter(pl.col("state") == "not_yet")
    closed = [
        mine.join(sessions_for(str(dataset)).filter(pl.col("ts_close_cutoff") <= instant), on="session", how="semi")
        for (dataset,), mine in waiting.partition_by("dataset", as_dict=True).items()
    ]
    return (
        pl.concat([waiting.clear(), *closed])
        .group_by("dataset")
        .agg(*_SPAN, pl.col("detail").unique().sort().str.join("; "))
        .sort("dataset")
        .with_columns(command=pl.lit("orion update"))
    )


def _attention(cells: pl.DataFrame) -> pl.DataFrame:
    return (
        cells.filter(pl.col("state").is_in(["quarantined", "failed"]))
        .sort("dataset", "session", "ticker")
        .with_columns(_where=pl.when(pl.col("evidence") != "").then(pl.col("evidence") + ": ").otherwise(pl.lit("")))
        .select("dataset", "ticker", "session", "state", detail=pl.concat_str("_where", "detail"))
    )


def _told_due(row: dict[str, Any]) -> str:
    where = f"{counted(row['cells'], 'cell')} due and not answered, {_sessions(row)}"
    return f"{row['dataset']}: {where}: {row['detail']}. To fill them: {row['command']}"


def _told(attention: pl.DataFrame) -> list[str]:
    """Write a line for the cells of a dataset that say the same of themselves."""
    same = ["dataset", "state", "detail"]
    grouped = attention.group_by(same, maintain_order=True).agg(*_SPAN, pl.col("ticker").unique().sort())
    return [
        f"{row['dataset']}: {counted(row['cells'], 'cell')} {row['state']}, {_tickers(row['ticker'])}{_sessions(row)}:"
        f" {row['detail']}"
        for row in grouped.to_dicts()
    ]


def _tickers(names: list[str]) -> str:
    return "" if names == ["*"] else f"{names[0]} " if len(names) == 1 else f"{len(names)} tickers, "


def _sessions(row: dict[str, Any]) -> str:
    return str(row["first"]) if row["first"] == row["last"] else f"{row['first']} to {row['last']}"
