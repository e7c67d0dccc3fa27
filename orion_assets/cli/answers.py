"""An answer of the store for people: when each row was known next to its key, and what is not there and why."""

from collections.abc import Sequence

import polars as pl

from orion_assets.cli import context
from orion_assets.cli.context import Call
from orion_assets.cli.output import ERR, counted, frame
from orion_assets.ingest.ledger import PUBLISHED
from orion_assets.schemas import RAW_DAILY_BARS
from orion_assets.store.state import State

_KNOWN = "ts_known"
_MOST = 1_000
_FIRST = 5


def show(
    call: Call,
    rows: pl.DataFrame,
    key: Sequence[str],
    dataset: str,
    tickers: Sequence[str] | None,
    bounds: tuple[str | None, str | None],
    as_of: str | None,
) -> None:
    """Print the rows of an answer, its newest where they do not fit, and on stderr what is missing from it.

    Args:
        call: Where the ledger is.
        rows: What was answered.
        key: Its key; the instant of knowledge is shown next to it.
        dataset: Of whose cells the ledger says why there is nothing.
        tickers: Who was asked for.
        bounds: The sessions that were asked for, as they were written.
        as_of: The instant that was asked for, as it was written.
    """
    frame(rows.select(*key, _KNOWN, pl.all().exclude(*key, _KNOWN)), as_json=False, newest=True)
    state = call.held_state()
    if rows.is_empty():
        ERR.print(_why_empty(state, dataset, as_of))
    # Minutes are held back one by one; what was known at another instant, for reasons of that instant
    if state and tickers and as_of is None and dataset in (PUBLISHED, RAW_DAILY_BARS.name):
        _tell_held(state, tickers, bounds)


def _why_empty(state: State | None, dataset: str, as_of: str | None) -> str:
    days = state.count_sessions(["data"], dataset=dataset)["session"] if state else None
    if days is None or days.is_empty():
        remedy = " --datasets daily,minute" if dataset.startswith("raw_minute_bars") else ""
        return f"no row: {dataset} has no session yet; fill it with: orion backfill{remedy}"
    known = f", and not all of it was known by {as_of}" if as_of else ""
    return f"no row: {dataset} holds sessions {days.min()} to {days.max()}{known}; ask for others"


def _tell_held(state: State, tickers: Sequence[str], bounds: tuple[str | None, str | None]) -> None:
    start, end = context.day("--from", bounds[0]), context.day("--to", bounds[1])
    held = state.cells(RAW_DAILY_BARS.name, tickers, start, end, states=["quarantined"], limit=_MOST)
    if held.is_empty():
        return
    first = ", ".join(f"{row['ticker']} {row['session']}" for row in held.head(_FIRST).iter_rows(named=True))
    more = ", ..." if held.height > _FIRST else ""
    ERR.print(f"{counted(held.height, 'session')} without a row, the bar is held back: {first}{more}; orion quality"
              " quarantine says why")  # fmt: skip
