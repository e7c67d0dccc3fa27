"""What a plan says: calls in their order, their cost in time and bytes, what is left, what nobody can answer."""

from collections.abc import Iterator, Mapping
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
            "remaining": {
                "calls": self.calls_left,
                "cells": _total(self.cut, "cells"),
                "cells_of_tickers_left_out": self.left_out.height,
            },
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
            told.append(f"at most {size(self.bytes)} to fetch, {size(self.disk_bytes)} on disk")
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
