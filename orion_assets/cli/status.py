"""`orion status`: what there is and what is missing, from the coverage ledger."""

from typing import Annotated, Any, Final

import polars as pl
import typer

from orion_assets.cli import context
from orion_assets.cli.context import Call, now
from orion_assets.cli.options import From, Json, Only, To
from orion_assets.cli.output import ERR, OUT, counted, document, frame, lines, refuse
from orion_assets.cli.report import gap_told
from orion_assets.ingest import standing
from orion_assets.ingest.missing import never_asked
from orion_assets.ingest.rebuilding import Rebuilt, rebuild
from orion_assets.ingest.standing import By
from orion_assets.store.state import STATES, State
from orion_assets.store.tallies import EVERYTHING, Scope

# What is always shown; of the other states, those that occur
_USUAL: Final = ("data", "empty_confirmed", "not_yet", "quarantined", "failed")
# What a user can do something about; the rest is in the table, and in --json
_ATTENTION: Final = ("quarantined", "failed", "not_listed", "not_entitled")
_MOST_CELLS: Final = 1_000


def status(
    ctx: typer.Context,
    by: Annotated[By, typer.Option(help="A line a dataset, or within it a line a ticker or month.")] = "dataset",
    dataset: Annotated[str | None, typer.Option(metavar="TABLE", help="Only this one, as raw_daily_bars.")] = None,
    tickers: Only = None,
    start: From = None,
    end: To = None,
    is_rebuilt: Annotated[
        bool,
        typer.Option("--rebuild", help="First make the ledger say what the lake says, also where it was lost."),
    ] = False,
    json: Json = False,
) -> None:
    """Show what there is, what is missing, why, and what to do about it.

    Counted are cells: a dataset, a ticker or the whole market, a session. The ledger alone is asked, nobody else.

    --rebuild needs the lake alone: what was landed is told anew, who is followed too. What came of nothing (failed,
    not yet there, not entitled, not listed, how often it was tried) is in no lake: it stays where the ledger knows it,
    and is asked for again where the ledger was lost.
    """
    call: Call = ctx.obj
    state = call.state()
    bounds = context.day("--from", start), context.day("--to", end)
    scope = Scope(dataset, context.names(tickers) or None, *bounds)
    if is_rebuilt:
        _tell_rebuilt(rebuild(call.lake(), state, now()), is_silent=json)
    if dataset is not None:
        _demand(dataset, state)
    counts, due = standing.counts(state, by, scope), standing.due(state, now(), scope)
    why = standing.reasons(state, scope)
    gap = never_asked(state) if scope == EVERYTHING else []
    if json:
        told = {"cells": counts, "due": due, "attention": _attention(state, scope), "reasons": why}
        document({name: found.to_dicts() for name, found in told.items()} | {"never_asked": gap})
        return
    if counts.is_empty():
        is_filled = not state.tally().is_empty()
        OUT.print(
            "no cell of these"
            if is_filled
            else f"nothing was asked for yet; start with: orion backfill{call.of_demo()}"
        )
        return
    shown = [name for name in STATES if name in _USUAL or counts[name].sum()]
    within = [by] if by != "dataset" else []
    table = counts.select("dataset", *within, "first", "last", *shown).rename({"empty_confirmed": "empty"})
    frame(table, as_json=False, title="Cells by state (a cell: dataset, ticker or the whole market, session)")
    needs = why.filter(pl.col("state").is_in(_ATTENTION))
    told = [*([gap_told(gap)] if gap else []), *map(_told_due, due.to_dicts()), *map(_told, needs.to_dicts())]
    lines(told, title="Needs attention" if told else "Nothing needs attention")


def _demand(dataset: str, state: State) -> None:
    known = state.datasets()
    if dataset not in known:
        refuse(f"--dataset {dataset}: the ledger has no cell of it; it has {', '.join(known) or 'none at all'}")


def _tell_rebuilt(done: Rebuilt, *, is_silent: bool) -> None:
    if is_silent:
        return
    ERR.print(
        f"rebuilt from the lake: {counted(done.landed, 'cell')} landed, {done.changed:,} of them told otherwise or not"
        f" at all before, {done.dropped:,} dropped that the lake knows nothing of; {done.kept:,} kept that are in no"
        " lake (published, failed, not yet there, not entitled, not listed). Where the ledger was lost, those are"
        " asked for again"
    )


def _attention(state: State, scope: Scope) -> pl.DataFrame:
    """Give the first cells that failed or are held back, one by one."""
    found = state.cells(
        scope.dataset, scope.tickers, scope.start, scope.end, states=["quarantined", "failed"], limit=_MOST_CELLS
    )
    where = pl.when(pl.col("evidence") != "").then(pl.col("evidence") + ": ").otherwise(pl.lit(""))
    return found.sort("dataset", "session", "ticker").select(
        "dataset", "ticker", "session", "state", detail=pl.concat_str(where, "detail")
    )


def _told_due(row: dict[str, Any]) -> str:
    where = f"{counted(row['cells'], 'cell')} due and not answered, {_sessions(row)}"
    return f"{row['dataset']}: {where}: {row['detail']}. To fill them: {row['command']}"


def _told(row: dict[str, Any]) -> str:
    """Write a line for the cells of a dataset that say the same of themselves."""
    who = "" if row["ticker"] == "*" else f"{row['ticker']} " if row["tickers"] == 1 else f"{row['tickers']} tickers, "
    evidence = f"{row['evidence']}: " if row["evidence"] else ""
    state = row["state"].replace("_", " ")
    return (
        f"{row['dataset']}: {counted(row['cells'], 'cell')} {state}, {who}{_sessions(row)}: {evidence}{row['detail']}."
        f" Next: {row['next']}"
    )


def _sessions(row: dict[str, Any]) -> str:
    return str(row["first"]) if row["first"] == row["last"] else f"{row['first']} to {row['last']}"
