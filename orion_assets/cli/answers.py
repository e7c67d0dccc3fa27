"""An answer of the store for people: when each row was known next to its key, and what is not there and why."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import polars as pl

from orion_assets.cli import context
from orion_assets.cli.context import Call
from orion_assets.cli.output import ERR, frame
from orion_assets.errors import OrionError
from orion_assets.schemas import RAW_DAILY_BARS

_KNOWN = "ts_known"
_MOST = 1_000
_FIRST = 5


@dataclass(frozen=True)
class Asked:
    """What a read was asked for, as it was written.

    Attributes:
        tickers: Who; none: everybody.
        start: First session.
        end: First session no longer wanted.
        as_of: What was known then.
        is_daily: Whether each session that was traded has a row that rests on its own bar.
        remedy: The command that fills what was asked for.
    """

    tickers: Sequence[str] | None
    start: str | None
    end: str | None
    as_of: str | None
    is_daily: bool
    remedy: str = "orion backfill"


def show(call: Call, rows: pl.DataFrame, key: Sequence[str], asked: Asked, whole: Callable[[], pl.DataFrame]) -> None:
    """Print the rows of an answer, its newest where they do not fit, and on stderr what is missing from it.

    Args:
        call: Where the ledger is.
        rows: What was answered.
        key: Its key; the instant of knowledge is shown next to it.
        asked: What for.
        whole: Reads the same of all sessions, as it is known now.
    """
    shown = rows.select(*key, _KNOWN, pl.all().exclude(*key, _KNOWN))
    frame(shown, as_json=False, newest="ts_open" if "ts_open" in key else "session")
    if rows.is_empty():
        ERR.print(_why_empty(whole(), asked))
    # What was known at another instant was held back, or not, for reasons of that instant
    if asked.is_daily and asked.tickers and asked.as_of is None:
        for line in _held(call, rows, asked):
            ERR.print(line)


def _why_empty(held: pl.DataFrame, asked: Asked) -> str:
    if held.is_empty():
        return f"no row of these is stored; to fill them: {asked.remedy}. What is missing, and why: orion status"
    told = f"no row: stored are sessions {held['session'].min()} to {held['session'].max()}"
    if asked.as_of is None:
        return f"{told}, and none of those asked for"
    return f"{told}, known from {held[_KNOWN].min():%Y-%m-%dT%H:%MZ} on; none of those asked for was by {asked.as_of}"


def _held(call: Call, rows: pl.DataFrame, asked: Asked) -> list[str]:
    """Name the sessions that have no row since what was said of their bar is held back."""
    start, end = context.day("--from", asked.start), context.day("--to", asked.end)
    state = call.held_state()
    if state is None:
        return []
    try:
        found = state.cells(RAW_DAILY_BARS.name, asked.tickers, start, end, states=["quarantined"], limit=_MOST)
    except OrionError:
        # The answer stands without it
        return []
    at_close = rows.filter(pl.col("cutoff") == "close") if "cutoff" in rows.columns else rows
    missing = found.join(at_close.select("ticker", "session"), on=["ticker", "session"], how="anti")
    of_rows = (missing.filter(pl.col("rows") > 0), "the bar is held back; orion quality quarantine says why")
    of_answers = (missing.filter(pl.col("rows") == 0), "an answer is held back; orion status says why")
    return [f"no row of {_named(cells)}: {why}" for cells, why in (of_rows, of_answers) if cells.height]


def _named(cells: pl.DataFrame) -> str:
    first = ", ".join(f"{row['ticker']} {row['session']}" for row in cells.head(_FIRST).iter_rows(named=True))
    return first + (f" and {cells.height - _FIRST:,} more" if cells.height > _FIRST else "")
