"""What a plan says: calls in their order, their cost in time and bytes, what is left, what nobody can answer."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

import polars as pl

from orion_assets.sources.protocols import Ask
from orion_assets.sources.routes import Budget

HOLES: Final[Mapping[str, pl.DataType]] = {"dataset": pl.String(), "ticker": pl.String(), "session": pl.Date()}
UNANSWERABLE: Final[Mapping[str, pl.DataType]] = {**HOLES, "reason": pl.String()}
WORK: Final[Mapping[str, pl.DataType]] = {
    "route": pl.String(),
    "budget": pl.String(),
    "dataset": pl.String(),
    "tickers": pl.List(pl.String()),
    "start": pl.Date(),
    "end": pl.Date(),
    "cells": pl.Int64(),
    "rows": pl.Int64(),
    "requests": pl.Int64(),
    "bytes": pl.Int64(),
    "disk_bytes": pl.Int64(),
}
COSTS: Final[Mapping[str, pl.DataType]] = {
    "route": pl.String(),
    "budget": pl.String(),
    "calls": pl.Int64(),
    "rows": pl.Int64(),
    "bytes": pl.Int64(),
    "disk_bytes": pl.Int64(),
    "seconds": pl.Float64(),
    "safe_seconds": pl.Float64(),
}
# What is no count of anything yet, and how it is reckoned
ESTIMATED: Final[Mapping[str, str]] = {
    "bytes": "rows x the bytes that a row of the route is assumed to take on the wire",
    "disk_bytes": "rows x the bytes that a row of the route is assumed to take once landed",
    "rows": "what the sessions hold: bars at their ceiling, articles and actions at an assumed number a session",
    "safe_seconds": "as seconds, a slot held a second longer than the window",
    "seconds": "calls at the rate of their budget, or bytes at the speed assumed for it where those take longer;"
    " of a route as if it had its budget for itself, of all the slowest budget",
}


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a plan.

    Attributes:
        route: Name of the route.
        budget: Name of the budget that it draws on.
        dataset: The raw table that it fills.
        tickers: Whom to ask for; none means the whole market.
        start: First session.
        end: First date no longer asked for.
        cells: Holes that it was planned for; what else it answers costs nothing.
        rows: Most rows to expect.
        requests: Requests to expect: pages.
        bytes: Bytes to expect on the wire at most.
        disk_bytes: Bytes to expect on disk at most.
    """

    route: str
    budget: str
    dataset: str
    tickers: tuple[str, ...]
    start: date
    end: date
    cells: int
    rows: int
    requests: int
    bytes: int
    disk_bytes: int

    def ask(self, now: datetime) -> Ask:
        """Give what a source is asked; some tickers only are no answer about the market."""
        return Ask(self.dataset, self.start, self.end, self.tickers, now, bool(self.tickers), self.route)


@dataclass(frozen=True)
class Plan:
    """Calls to make in this order, shown before one is made; iterate it to make them.

    Attributes:
        work: WORK rows in the order of work: what lies within five sessions of a floor that moves on first, the oldest
            before the rest; then from the newest session back.
        cut: WORK rows that would follow, had they not been more than `max_calls`.
        left_out: HOLES rows of tickers beyond `max_tickers`, less those that a call of the plan answers anyway.
        unanswerable: UNANSWERABLE rows, sorted as holes are: not_yet, not_entitled or no_route.
        budgets: Those that the calls draw on.
    """

    work: pl.DataFrame
    cut: pl.DataFrame
    left_out: pl.DataFrame
    unanswerable: pl.DataFrame
    budgets: tuple[Budget, ...]

    def __iter__(self) -> Iterator[Call]:
        for row in self.work.iter_rows(named=True):
            tickers = tuple(row.pop("tickers"))
            yield Call(tickers=tickers, **row)

    @property
    def calls(self) -> int:
        """Count the requests: what is taken from the budgets."""
        return _total(self.work, "requests")

    @property
    def calls_by_route(self) -> dict[str, int]:
        """Count the requests of each route, by name."""
        return _by(self.work, "route")

    @property
    def calls_by_budget(self) -> dict[str, int]:
        """Count the requests that each budget has to bear, by name."""
        return _by(self.work, "budget")

    @property
    def calls_left(self) -> int:
        """Count the requests that were cut off."""
        return _total(self.cut, "requests")

    @property
    def next_calls(self) -> int:
        """Count the requests of the first call that was cut off, which fewer never make; 0 where none was."""
        return int(self.cut["requests"][0]) if self.cut.height else 0

    @property
    def costs(self) -> pl.DataFrame:
        """Give what each route costs: COSTS rows by route; the seconds are those of a route alone on its budget."""
        sums = pl.col("requests").sum().alias("calls"), pl.col("rows", "bytes", "disk_bytes").sum()
        return priced(self.work.group_by("route", "budget").agg(*sums).sort("route", "budget"), self.budgets)

    def calls_of(self, dataset: str) -> int:
        """Count the requests for one raw table."""
        return _total(self.work.filter(pl.col("dataset") == dataset), "requests")

    @property
    def cells(self) -> int:
        """Count the holes that the calls were planned for."""
        return _total(self.work, "cells")

    @property
    def rows(self) -> int:
        """Count the rows to expect at most."""
        return _total(self.work, "rows")

    @property
    def bytes(self) -> int:
        """Give the bytes to expect on the wire at most."""
        return _total(self.work, "bytes")

    @property
    def disk_bytes(self) -> int:
        """Give the bytes to expect on disk at most."""
        return _total(self.work, "disk_bytes")

    @property
    def seconds_by_budget(self) -> dict[str, float]:
        """Give the seconds each budget takes at the rate it allows, by name."""
        return {budget.name: budget.seconds(*self._drawn(budget)) for budget in self.budgets}

    @property
    def safe_seconds_by_budget(self) -> dict[str, float]:
        """Give the seconds each budget takes where slots are held a second longer, by name."""
        return {budget.name: budget.seconds_safe(*self._drawn(budget)) for budget in self.budgets}

    @property
    def seconds(self) -> float:
        """Give the seconds that all takes at the rates allowed: the slowest budget, as they run side by side."""
        return max(self.seconds_by_budget.values(), default=0.0)

    @property
    def safe_seconds(self) -> float:
        """Give the seconds that all takes where slots are held a second longer."""
        return max(self.safe_seconds_by_budget.values(), default=0.0)

    @property
    def refusals(self) -> dict[str, int]:
        """Count the cells that no route can answer, by reason."""
        return dict(self.unanswerable.group_by("reason").len().sort("reason").iter_rows())

    def as_json(self, *, is_detailed: bool = False) -> dict[str, Any]:
        """Give the plan as plain values, sorted and stable; where it is detailed, `work` lists the calls."""
        document: dict[str, Any] = {
            "bytes": self.bytes,
            "calls": self.calls,
            "calls_by_budget": self.calls_by_budget,
            "calls_by_route": self.calls_by_route,
            "cells": self.cells,
            "disk_bytes": self.disk_bytes,
            "estimated": dict(ESTIMATED),
            "remaining": {
                "calls": self.calls_left,
                "cells": _total(self.cut, "cells"),
                "cells_of_tickers_left_out": self.left_out.height,
            },
            "routes": costs_as_json(self.costs),
            "rows": self.rows,
            "safe_seconds": round(self.safe_seconds, 1),
            "seconds": round(self.seconds, 1),
            "seconds_by_budget": {name: round(each, 1) for name, each in self.seconds_by_budget.items()},
            "unanswerable": self.refusals,
        }
        if is_detailed:
            document["work"] = [
                {**row, "start": row["start"].isoformat(), "end": row["end"].isoformat()}
                for row in self.work.iter_rows(named=True)
            ]
        return document

    def lines(self) -> list[str]:
        """Give the plan as lines for people."""
        if not self.calls and not self.unanswerable.height and not self._remains:
            return ["0 calls: nothing is missing"]
        routes = ", ".join(f"{count:,} {name}" for name, count in self.calls_by_route.items())
        told = [f"{self.calls:,} calls for {self.cells:,} cells" + (f": {routes}" if routes else "")]
        told += [pace(budget, *self._drawn(budget)) for budget in self.budgets]
        if self.calls:
            told.append(f"estimated from rows: {size(self.bytes)} to fetch, {size(self.disk_bytes)} on disk")
        return [*told, *self._remains, *(f"{cells:,} cells: {_WHY[why]}" for why, cells in self.refusals.items())]

    @property
    def _remains(self) -> list[str]:
        calls, cells = self.calls_left, _total(self.cut, "cells")
        told = [f"{calls:,} calls for {cells:,} cells remain for later"] if calls else []
        if self.left_out.height:
            tickers = self.left_out["ticker"].n_unique()
            told.append(f"{self.left_out.height:,} cells of {tickers:,} tickers were left out")
        return told

    def _drawn(self, budget: Budget) -> tuple[int, int]:
        mine = self.work.filter(pl.col("budget") == budget.name)
        return _total(mine, "requests"), _total(mine, "bytes")


_WHY: Final[Mapping[str, str]] = {
    "no_route": "no route answers them",
    "not_entitled": "outside what the subscription allows",
    "not_yet": "there is no answer yet",
}


def pace(budget: Budget, calls: int, size: int = 0) -> str:
    """Say how long calls and their bytes take at what a budget allows."""
    at_most, safe = budget.seconds(calls, size), budget.seconds_safe(calls, size)
    rate = f"{budget.rate.calls:,} calls in {duration(budget.rate.window_s)}"
    return f"{budget.name}: {duration(at_most)} at {rate}, {duration(safe)} with a second to spare each"


def priced(counted: pl.DataFrame, budgets: Iterable[Budget]) -> pl.DataFrame:
    """Add the time that calls take.

    Args:
        counted: Rows with the columns of COSTS but the seconds.
        budgets: Those that the rows name.

    Returns:
        COSTS rows in their order, each timed as if it had its budget for itself.
    """
    by_name = {budget.name: budget for budget in budgets}
    drawn = [(by_name[name], calls, size) for name, calls, size in counted.select("budget", "calls", "bytes").rows()]
    return counted.with_columns(
        seconds=pl.Series([budget.seconds(calls, size) for budget, calls, size in drawn], dtype=pl.Float64),
        safe_seconds=pl.Series([budget.seconds_safe(calls, size) for budget, calls, size in drawn], dtype=pl.Float64),
    ).select(pl.col(name).cast(dtype) for name, dtype in COSTS.items())


def total(costs: pl.DataFrame, budgets: Iterable[Budget]) -> pl.DataFrame:
    """Sum what routes cost: one COSTS row without route and budget; budgets run side by side, the slowest decides."""
    sums = pl.col("calls", "rows", "bytes", "disk_bytes").sum()
    by_budget = priced(costs.group_by("budget").agg(sums, route=pl.lit("")), budgets)
    slowest = pl.col("seconds", "safe_seconds").max().fill_null(0.0)
    nobody = {name: pl.lit(None, pl.String) for name in ("route", "budget")}
    return by_budget.select(sums, slowest).with_columns(**nobody).select(*COSTS)


def costs_as_json(costs: pl.DataFrame) -> dict[str, dict[str, Any]]:
    """Give COSTS rows as plain values by route."""
    rounded = costs.with_columns(pl.col("seconds", "safe_seconds").round(1))
    return {row.pop("route"): row for row in rounded.iter_rows(named=True)}


def duration(seconds: float) -> str:
    """Give a time as people say it: 18 h 20 min, 12 min, 5 s; rounded to the last unit shown."""
    if seconds < 60:
        return f"{round(seconds)} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60:,} h {minutes % 60:02d} min" if minutes >= 60 else f"{minutes} min"


def size(count: float) -> str:
    """Give a number of bytes as people say it, in powers of a thousand."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 999.5:
            return f"{count:.0f} {unit}" if count >= 99.5 or unit == "B" else f"{count:.1f} {unit}"
        count /= 1_000
    return f"{count:,.1f} TB"


def _total(frame: pl.DataFrame, column: str) -> int:
    return int(frame[column].sum())


def _by(frame: pl.DataFrame, column: str) -> dict[str, int]:
    return dict(frame.group_by(column).agg(pl.col("requests").sum()).sort(column).iter_rows())
