"""From holes in the ledger to the cheapest legal calls over all routes. Pure: no clock, no network, no store.

The objective, in this order:

1. A hole goes to the routes of the lowest rank that may answer it: files before calls, and of the VIX
   the rungs of its ladder as they stand.
2. Of each rank, the sum of weight x requests is the least possible. A request of the whole market weighs 99, one of a
   ticker 100: the fewest calls, up to 1 %, which is what an answer that also serves tickers followed later is worth.

Exact for sessions of the whole market against ranges of a ticker over all sessions (a minimum cut), and for windows of
one ticker, or of the market, alone (from the left). Calls for several tickers at once may not be where they lack
different sessions. docs/explanation/planning.md says the rest.
"""

from collections.abc import Sequence
from datetime import date
from typing import Final

import polars as pl

from orion_assets.ingest.grid import Axis, Cells, cells_by_dataset
from orion_assets.ingest.plan import HOLES, UNANSWERABLE, WORK, Plan
from orion_assets.ingest.sharing import CALLS, EXPIRES, Sharing
from orion_assets.schemas import WHOLE_MARKET
from orion_assets.sources.routes import Reason, Route

# The most hopeful first
_REASONS: Final[tuple[Reason, ...]] = ("not_yet", "not_entitled", "no_route")


def plan(
    holes: pl.DataFrame,
    routes: Sequence[Route],
    sessions: pl.DataFrame,
    *,
    max_calls: int | None = None,
    max_tickers: int | None = None,
) -> Plan:
    """Plan the cheapest legal calls that fill the holes.

    Args:
        holes: HOLES rows in any order: cells without an answer. `*` stands for the whole market and is filled by an
            answer about the market only. Where the market was answered in a session, its tickers have no hole.
        routes: What may be asked; of one dataset and rank at most one route for the whole market and one for tickers.
        sessions: calendars.sessions() rows, all between the oldest hole and the newest.
        max_calls: Plan no more requests than these; the first in the order of work.
        max_tickers: Plan for no more tickers than these; the first by name.

    Returns:
        The same plan for the same holes in whatever order.

    Raises:
        ValueError: The holes are malformed, a limit is negative, or routes of one rank cannot share cells exactly.
    """
    if min(max_calls or 0, max_tickers or 0) < 0:
        raise ValueError(f"plan: a limit is negative: max_calls {max_calls}, max_tickers {max_tickers}")
    axis = Axis.of(sessions)
    wanted, beyond = _first_tickers(holes, max_tickers)
    work, unanswerable = [pl.DataFrame(schema={**CALLS, "_place": pl.Int64()})], [pl.DataFrame(schema=UNANSWERABLE)]
    for dataset, cells in sorted(cells_by_dataset(wanted, axis).items()):
        mine = [route for route in routes if route.dataset == dataset]
        calls, rest = _handed_down(cells, mine, axis)
        work += [call.with_columns(_place=pl.lit(routes.index(route), pl.Int64)) for route, call in calls]
        unanswerable.append(_refused(dataset, rest, mine, axis))
    ordered = _in_order(pl.concat(work))
    spent = ordered["requests"].cum_sum()
    fits = spent <= max_calls if max_calls is not None else spent >= 0
    kept, cut = ordered.filter(fits), ordered.filter(~fits)
    budgets = {route.budget.name: route.budget for route in routes if route.name in set(kept["route"])}
    return Plan(kept, cut, _not_filled_by(kept, beyond), pl.concat(unanswerable), tuple(budgets.values()))


def _first_tickers(holes: pl.DataFrame, most: int | None) -> tuple[pl.DataFrame, pl.DataFrame]:
    if most is None:
        return holes, holes.clear()
    named = holes["ticker"].cast(pl.String).unique().sort()
    kept = named.filter(named != WHOLE_MARKET).head(most)
    is_kept = pl.col("ticker").cast(pl.String).is_in([*kept, WHOLE_MARKET])
    return holes.filter(is_kept), holes.filter(~is_kept)


def _not_filled_by(work: pl.DataFrame, holes: pl.DataFrame) -> pl.DataFrame:
    """Leave out the holes that a call about the whole market fills though it was not planned for them."""
    days = pl.date_ranges("start", "end", closed="left").alias("session")
    market = work.filter(pl.col("tickers").list.len() == 0).select("dataset", days).explode("session")
    return holes.select(*HOLES).unique().join(market, on=["dataset", "session"], how="anti").sort(*HOLES)


def _handed_down(cells: Cells, routes: Sequence[Route], axis: Axis) -> tuple[list[tuple[Route, pl.DataFrame]], Cells]:
    """Hand the holes of one dataset down the ranks; gives CALLS rows by route, and the holes that nobody may answer."""
    calls: list[tuple[Route, pl.DataFrame]] = []
    ranks = sorted({route.rank for route in routes})
    # What only a whole-market answer could fill is asked for in the end, whatever its bytes
    for rank, is_choosy in [*((rank, True) for rank in ranks), *((rank, False) for rank in ranks)]:
        of_rank = [route for route in routes if route.rank == rank]
        found, cells = Sharing.of(of_rank, axis, is_choosy=is_choosy).calls(cells)
        calls += found
    return calls, cells


def _in_order(work: pl.DataFrame) -> pl.DataFrame:
    keys = [EXPIRES, pl.when(EXPIRES).then("start"), "end", "_place", pl.col("tickers").list.first(), "start"]
    return work.sort(keys, descending=[True, False, True, False, False, True]).select(*WORK)


def _refused(dataset: str, cells: Cells, routes: Sequence[Route], axis: Axis) -> pl.DataFrame:
    of_market = [route for route in routes if route.scope == "market"]
    whys = pl.DataFrame(
        {
            "session": pl.Series(axis.sessions, dtype=pl.Date),
            "ticker": [_reason(routes, session) for session in axis.sessions],
            "market": [_reason(of_market, session) for session in axis.sessions],
        }
    )[cells.column]
    tickers = pl.Series("ticker", cells.tickers, dtype=pl.String).gather(cells.row)
    reason = pl.when(pl.Series(cells.is_market)).then("market").otherwise("ticker")
    return whys.select(dataset=pl.lit(dataset), ticker=tickers, session="session", reason=reason)


def _reason(routes: Sequence[Route], session: date) -> Reason:
    """Give the most hopeful of the routes' reasons."""
    refusals = {route.refusal(session) for route in routes}
    for reason in _REASONS:
        if reason in refusals:
            return reason
    return "no_route"
