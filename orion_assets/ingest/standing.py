"""How things stand, counted: the ledger by dataset, by month or by ticker, and what cells without data say of it.

Counting is the database's; what comes back is a row a session, or a ticker, never a cell.
"""

from collections.abc import Collection
from datetime import date, datetime
from typing import Final, Literal

import polars as pl

from orion_assets.ingest.freshness import UNDERIVED, awaiting
from orion_assets.ingest.ledger import PUBLISHED
from orion_assets.market_hours import sessions_for
from orion_assets.store.state import STATES, State
from orion_assets.store.tallies import EVERYTHING, Scope

By = Literal["dataset", "ticker", "month"]
_NEXT: Final = {
    "failed": "orion update asks again",
    "quarantined": "orion quality quarantine shows a row that is held back; it is asked for again daily, then monthly",
    "not_yet": "orion update, once it is there",
    "not_entitled": "set ORION_POLYGON_PLAN to a larger plan, once the key has it",
    "not_listed": "is the ticker right? orion tickers remove",
}
MONTH: Final = pl.col("session").dt.strftime("%Y-%m").alias("month")


def no_counts(*key: str) -> pl.DataFrame:
    """Give counts of no cells by some columns of text."""
    spans = {"first": pl.Date(), "last": pl.Date()}
    return pl.DataFrame(schema={**dict.fromkeys(key, pl.String()), **spans, **dict.fromkeys(STATES, pl.Int64())})


def tallied(state: State, scope: Scope = EVERYTHING) -> pl.DataFrame:
    """Count cells by dataset, session and state as they stand: what awaits derivation is `not_yet` of `feature_store`.

    Returns:
        `dataset`, `state`, `session`, `cells`, sorted by dataset and session.
    """
    told, waits = state.tally(scope), awaiting(state)
    is_stale = (pl.col("dataset") == PUBLISHED) & pl.col("session").is_in(waits["session"].implode())
    told = told.with_columns(state=pl.when(is_stale).then(pl.lit("not_yet")).otherwise("state"))
    if scope.tickers is not None or scope.dataset not in (None, PUBLISHED):
        return told.sort("dataset", "session", "state")
    within = pl.col("session").is_between(scope.start or date.min, scope.end or date.max, closed="left")
    never = waits.filter("is_answered", within).join(
        told.filter(pl.col("dataset") == PUBLISHED), on="session", how="anti"
    )
    cells = never.select("session", dataset=pl.lit(PUBLISHED), state=pl.lit("not_yet"), cells=pl.lit(1, pl.Int64))
    return pl.concat([told, cells.select(told.columns)]).sort("dataset", "session", "state")


def counts(state: State, by: By = "dataset", scope: Scope = EVERYTHING) -> pl.DataFrame:
    """Count cells by state.

    Args:
        state: The state database.
        by: `dataset`, or one of these within it: `month` (of the session), `ticker` (`*`: the whole market).
        scope: Which cells.

    Returns:
        `dataset`, for a dataset `tickers` (how many it has cells of), else `month` or `ticker`, then `first` and `last`
        (the sessions), and a count for each state. Sorted by dataset and month; tickers with the most cells that are
        neither data nor confirmed to be empty come first.
    """
    if by == "ticker":
        wide = _of_tickers(state, scope)
        bad = pl.sum_horizontal(pl.col(name) for name in STATES[2:])
        return wide.sort(pl.col("dataset"), bad, pl.col("ticker"), descending=[False, True, False])
    rows = tallied(state, scope).with_columns(MONTH, first="session", last="session")
    if by == "month":
        return _wide(rows, "dataset", "month").sort("dataset", "month")
    wide = _wide(rows, "dataset").sort("dataset")
    return wide.insert_column(1, _ticker_counts(state, scope, wide["dataset"].to_list()))


def heat(
    state: State, scope: Scope, *, tickers: int = 0, without: Collection[str] = ()
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Count by month for a heat map: of every dataset, and of the tickers with the most cells that are not data.

    Args:
        state: The state database.
        scope: Which cells.
        tickers: How many tickers, of the datasets whose cells are kept by ticker.
        without: Datasets to leave out.

    Returns:
        Rows as `counts` by month gives them, and the same with `ticker`, the worst first.
    """
    is_shown = ~pl.col("dataset").is_in(sorted(without))
    worst = counts(state, "ticker", scope).filter(is_shown, pl.col("ticker") != "*")
    is_bad = pl.sum_horizontal(pl.col(name) for name in STATES[1:])
    share = (is_bad.sum() / pl.sum_horizontal(pl.col(name) for name in STATES).sum()).alias("_share")
    names = worst.group_by("ticker").agg(share).sort("_share", "ticker", descending=[True, False])
    chosen = names["ticker"].head(tickers).to_list()
    within = Scope(scope.dataset, chosen, scope.start, scope.end)
    rows = state.tally_months(within).filter(is_shown)
    order = pl.DataFrame({"ticker": chosen}, {"ticker": pl.String}).with_row_index("_place")
    ranked = rows.join(order, on="ticker").sort("_place", "dataset", "month").drop("_place")
    return counts(state, "month", scope).filter(is_shown), ranked


def reasons(state: State, scope: Scope = EVERYTHING) -> pl.DataFrame:
    """Give what cells without an answer say of themselves, and what to do next.

    Returns:
        `dataset`, `state`, `evidence`, `detail` (why), `cells`, `tickers` (how many), `ticker` (the first), `first`,
        `last` (sessions), `attempts` (the most), `next`.
    """
    told = state.reasons(scope).with_columns(pl.col("evidence", "detail").fill_null(""))
    more = (
        _stale(state, scope)
        .group_by("dataset", "state")
        .agg(pl.col("cells").sum(), first=pl.col("session").min(), last=pl.col("session").max())
    )
    known = told.filter((pl.col("dataset") != PUBLISHED) | (pl.col("state") != "not_yet"))
    added = more.with_columns(detail=pl.lit(UNDERIVED), evidence=pl.lit(""), ticker=pl.lit("*"))
    whole = pl.concat([known, added], how="diagonal").with_columns(pl.col("tickers", "attempts").fill_null(1))
    return whole.with_columns(next=pl.col("state").replace_strict(_NEXT, default="")).sort(
        "dataset", "state", "first", "ticker", "detail", nulls_last=True
    )


def due(state: State, now: datetime, scope: Scope = EVERYTHING) -> pl.DataFrame:
    """Give a row for each dataset with cells whose close cut-off has come and that nobody answered.

    Returns:
        `dataset`, `cells`, `first`, `last` (sessions), `detail` (why, put together), `command` (what fills them).
    """
    late = state.tally(scope, ["not_yet"]).filter(pl.col("dataset") != PUBLISHED)
    waiting = pl.concat([late, _stale(state, scope)])
    closed = [
        mine.join(sessions_for(str(dataset)).filter(pl.col("ts_close_cutoff") <= now), on="session", how="semi")
        for (dataset,), mine in waiting.partition_by("dataset", as_dict=True).items()
    ]
    found = (
        pl.concat([waiting.clear(), *closed])
        .group_by("dataset")
        .agg(pl.col("cells").sum(), first=pl.col("session").min(), last=pl.col("session").max())
    )
    why = reasons(state, scope).filter(pl.col("state") == "not_yet").select("dataset", "detail", _since="first")
    said = found.join(why, on="dataset", how="left").filter((pl.col("_since") <= pl.col("last")).fill_null(value=True))
    return (
        said.group_by("dataset", "cells", "first", "last")
        .agg(pl.col("detail").fill_null("").unique().sort().str.join("; "))
        .sort("dataset")
        .with_columns(command=pl.lit("orion update"))
    )


def _stale(state: State, scope: Scope) -> pl.DataFrame:
    """Count the sessions that await derivation, as `tallied` does."""
    if scope.dataset not in (None, PUBLISHED):
        return tallied(state, Scope(PUBLISHED)).clear()
    published = tallied(state, Scope(PUBLISHED, scope.tickers, scope.start, scope.end))
    return published.filter(pl.col("state") == "not_yet")


def _of_tickers(state: State, scope: Scope) -> pl.DataFrame:
    rows = state.tally_tickers(scope).filter(pl.col("dataset") != PUBLISHED)
    if scope.dataset not in (None, PUBLISHED):
        return rows
    published = tallied(state, Scope(PUBLISHED, scope.tickers, scope.start, scope.end))
    told = _wide(published.with_columns(ticker=pl.lit("*"), first="session", last="session"), "dataset", "ticker")
    return pl.concat([rows, told.select(rows.columns)])


def _wide(rows: pl.DataFrame, *key: str) -> pl.DataFrame:
    each = [pl.col("cells").filter(pl.col("state") == name).sum().cast(pl.Int64).alias(name) for name in STATES]
    return rows.group_by(key).agg(pl.col("first").min(), pl.col("last").max(), *each)


def _ticker_counts(state: State, scope: Scope, datasets: list[str]) -> pl.Series:
    if (scope.tickers, scope.start, scope.end) == (None, None, None):
        counted = {dataset: state.ticker_count(dataset) for dataset in datasets}
    else:
        counted = dict(state.tally_tickers(scope).group_by("dataset").agg(pl.col("ticker").n_unique()).iter_rows())
    return pl.Series("tickers", [counted.get(dataset, 0) for dataset in datasets], dtype=pl.Int64)
