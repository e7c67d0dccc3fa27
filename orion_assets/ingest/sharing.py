"""How the routes of one rank share the holes of one dataset, and the calls that come of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl

from orion_assets.ingest.cover import Flags, Whole, Windows, cheapest_cover, classes, joined, windows
from orion_assets.ingest.grid import Axis, Cells
from orion_assets.ingest.plan import WORK
from orion_assets.sources.routes import Route

# A session so near the floor is lost within a week
EXPIRING: Final = 5
# What one call for several tickers may bring: an answer is held in memory
MOST_ROWS: Final = 1_000_000
# How many pages a call for several tickers is tried with, to leave the last page as full as can be
MOST_PAGES: Final = 16
EXPIRES: Final = "_expires"
# WORK and whether the call is urgent
CALLS: Final[Mapping[str, pl.DataType]] = {**WORK, EXPIRES: pl.Boolean()}


@dataclass(frozen=True)
class Sharing:
    """The routes of one dataset and rank.

    Attributes:
        market: The one whose calls answer for the whole market, if any.
        each: The one whose calls answer for tickers by name, if any.
        axis: The sessions.
        is_choosy: Holes of too few tickers are left for another route than the market's.
    """

    market: Route | None
    each: Route | None
    axis: Axis
    is_choosy: bool

    @classmethod
    def of(cls, routes: Sequence[Route], axis: Axis, *, is_choosy: bool) -> "Sharing":
        """Tell the routes of one rank apart by whom they answer for.

        Raises:
            ValueError: Two of them answer for the same.
        """
        markets = [route for route in routes if route.scope == "market"]
        others = [route for route in routes if route.scope != "market"]
        for rivals in (markets, others):
            if len(rivals) > 1:
                names = " and ".join(route.name for route in rivals)
                raise ValueError(
                    f"routes {names} answer for the same cells of {rivals[0].dataset}; give each its own rank"
                )
        return cls(next(iter(markets), None), next(iter(others), None), axis, is_choosy)

    def calls(self, cells: Cells) -> tuple[list[tuple[Route, pl.DataFrame]], Cells]:
        """Plan the holes that a route of the rank may answer; gives CALLS rows by route and the holes left."""
        may_market, may_each = self._may_market(cells), self._may_each(cells)
        by_market = self._shared(cells, may_market, may_each)
        by_each = may_each & ~by_market
        found: list[tuple[Route, pl.DataFrame]] = []
        if self.market and by_market.any():
            found.append((self.market, _market_calls(self.market, cells.where(by_market), self.axis)))
        if self.each and by_each.any():
            make = _several_calls if self.each.scope == "tickers" else _ticker_calls
            found.append((self.each, make(self.each, cells.where(by_each), self.axis)))
        return found, cells.where(~(by_market | by_each))

    def _may_market(self, cells: Cells) -> Flags:
        if self.market is None:
            return np.zeros(len(cells), dtype=np.bool_)
        may = self.axis.flags(self.market)
        if self.is_choosy and self.market.least_tickers > 1:
            wanting = np.bincount(cells.column, minlength=may.size)
            wanting[cells.column[cells.is_market]] = self.market.least_tickers
            may &= wanting >= self.market.least_tickers
        return may[cells.column]

    def _may_each(self, cells: Cells) -> Flags:
        if self.each is None:
            return np.zeros(len(cells), dtype=np.bool_)
        return self.axis.flags(self.each)[cells.column] & ~cells.is_market

    def _shared(self, cells: Cells, may_market: Flags, may_each: Flags) -> Flags:
        """Say which holes the market's route takes: those of whole sessions, at least cost over both routes."""
        if not (self.market and self.each and may_market.any() and may_each.any()):
            return may_market
        self._refuse_inexact(self.market, self.each, cells)
        # A hole that only one of them may answer decides for its whole session, or its whole ticker
        taken = np.zeros(len(self.axis.sessions), dtype=np.bool_)
        taken[cells.column[may_market & ~may_each]] = True
        given = np.zeros(len(cells.tickers), dtype=np.bool_)
        given[cells.row[may_each & ~may_market]] = True
        free = cells.where(may_market & may_each & ~taken[cells.column] & ~given[cells.row])
        _, columns = cheapest_cover(free.row, free.column, self.each.weight, self.market.weight)
        taken[np.flatnonzero(columns)] = True
        return may_market & taken[cells.column]

    def _refuse_inexact(self, market: Route, each: Route, cells: Cells) -> None:
        span = int(np.ptp(cells.column)) + 1
        if market.longest > 1 or each.scope != "ticker" or each.longest < span:
            raise ValueError(
                f"routes {market.name} and {each.name} share the cells of {market.dataset}, which is exact only for"
                f" calls of one session and of one ticker over all {span} sessions; give each its own rank"
            )


def _market_calls(route: Route, cells: Cells, axis: Axis) -> pl.DataFrame:
    wanting = np.bincount(cells.column)
    columns = np.flatnonzero(wanting)
    found = windows(np.zeros_like(columns), columns, route.longest)
    before = np.concatenate([[0], np.cumsum(wanting)])
    nobody = pl.Series("tickers", [[]], dtype=pl.List(pl.String)).new_from_index(0, found.first.size)
    return _calls(route, axis, nobody, found.first, found.last, before[found.last + 1] - before[found.first])


def _ticker_calls(route: Route, cells: Cells, axis: Axis) -> pl.DataFrame:
    found = windows(cells.row, cells.column, route.longest)
    tickers = pl.Series("tickers", cells.tickers, dtype=pl.String).gather(found.row).to_frame()
    return _calls(
        route, axis, tickers.select(pl.concat_list("tickers")).to_series(), found.first, found.last, found.cells
    )


def _several_calls(route: Route, cells: Cells, axis: Axis) -> pl.DataFrame:
    """Ask for tickers together that lack the same sessions."""
    grid = np.zeros((len(cells.tickers), len(axis.sessions)), dtype=np.bool_)
    grid[cells.row, cells.column] = True
    alike, most = classes(grid), route.tickers_per_call
    parties: dict[int, list[tuple[int, list[str]]]] = {}
    for place in np.flatnonzero(alike.matrix.any(axis=1)).tolist():
        names = [cells.tickers[row] for row in np.flatnonzero(alike.of_row == place).tolist()]
        for start in range(0, len(names), most):
            party = names[start : start + most]
            parties.setdefault(len(party), []).append((place, party))
    frames: list[pl.DataFrame] = []
    for size, of_size in sorted(parties.items()):
        found = _fullest_windows(route, alike.matrix[[place for place, _ in of_size]], size, axis)
        tickers = pl.Series("tickers", [names for _, names in of_size], dtype=pl.List(pl.String)).gather(found.row)
        frames.append(_calls(route, axis, tickers, found.first, found.last, found.cells * size))
    return pl.concat(frames)


def _fullest_windows(route: Route, lacking: Flags, tickers: int, axis: Axis) -> Windows:
    """Cut each row's sessions into windows of the length that takes the fewest pages; of equals the shortest."""
    page, rows = route.page or MOST_ROWS, route.rows_per_session * tickers
    longest = max(1, min(int(MOST_ROWS // rows), route.window or MOST_ROWS))
    lengths = sorted({min(longest, max(1, int(pages * page // rows))) for pages in range(1, MOST_PAGES + 1)})
    row, column = np.nonzero(lacking)
    tried = [windows(row, column, length) for length in lengths]
    expected = axis.expected(route) * tickers
    requests = [_requests(route, expected[each.last + 1] - expected[each.first]) for each in tried]
    pages = [np.bincount(each.row, count, len(lacking)) for each, count in zip(tried, requests, strict=True)]
    best = np.argmin(np.stack(pages), axis=0)
    return joined([each.where(best[each.row] == place) for place, each in enumerate(tried)])


def _requests(route: Route, rows: Whole) -> Whole:
    return np.ones_like(rows) if route.page is None else np.maximum(1, -(-rows // route.page))


def _calls(route: Route, axis: Axis, tickers: pl.Series, first: Whole, last: Whole, cells: Whole) -> pl.DataFrame:
    expected = axis.expected(route)
    rows = (expected[last + 1] - expected[first]) * np.maximum(1, tickers.list.len().to_numpy().astype(np.int64))
    urgent_before = axis.place(route.floor) + EXPIRING if route.is_rolling and route.floor else 0
    days = pl.Series(axis.sessions, dtype=pl.Date)
    asked = pl.DataFrame(
        {
            "tickers": tickers,
            "start": days.gather(first),
            "end": days.gather(last).dt.offset_by("1d"),
            "cells": cells,
            "rows": rows,
            "requests": _requests(route, rows),
            EXPIRES: first < urgent_before,
        }
    )
    return asked.with_columns(
        route=pl.lit(route.name),
        budget=pl.lit(route.budget.name),
        dataset=pl.lit(route.dataset),
        bytes=(pl.col("rows") * route.bytes_per_row).ceil().cast(pl.Int64),
        disk_bytes=(pl.col("rows") * route.disk_per_row).ceil().cast(pl.Int64),
    ).select(pl.col(name).cast(dtype) for name, dtype in CALLS.items())
