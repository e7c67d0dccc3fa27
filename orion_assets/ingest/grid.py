"""Holes as a grid of tickers and sessions, by number: what the planner computes on. No routes, no costs."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property

import numpy as np
import polars as pl

from orion_assets.ingest.cover import Flags, Whole
from orion_assets.ingest.plan import HOLES
from orion_assets.schemas import WHOLE_MARKET
from orion_assets.sources.routes import Route


@dataclass(frozen=True)
class Axis:
    """The sessions that a window may span, in order, each with its number from 0.

    Attributes:
        sessions: Dates, ascending, without a gap in the exchange's own calendar.
        is_half_day: Whether each closes early.
    """

    sessions: Sequence[date]
    is_half_day: Flags

    @classmethod
    def of(cls, sessions: pl.DataFrame) -> "Axis":
        """Take the axis from `session` and `is_half_day` of calendars.sessions()."""
        return cls(sessions["session"].to_list(), sessions["is_half_day"].to_numpy())

    def expected(self, route: Route) -> Whole:
        """Give the rows to expect before each session, and of all: differences are those of a stretch, rounded up."""
        half = route.rows_per_session if route.rows_per_half_day is None else route.rows_per_half_day
        each = np.where(self.is_half_day, half, route.rows_per_session)
        return np.ceil(np.concatenate([[0.0], np.cumsum(each)]) - 1e-9).astype(np.int64)

    def place(self, day: date) -> int:
        """Count the sessions before a date; negative, by weekdays, where it lies before the axis."""
        days = np.array(self.sessions, dtype="datetime64[D]")
        return int(np.searchsorted(days, np.datetime64(day))) - max(0, int(np.busday_count(day, self.sessions[0])))

    def flags(self, route: Route) -> Flags:
        """Say of each session whether a route may ask for it."""
        return np.array([route.refusal(session) is None for session in self.sessions], dtype=np.bool_)


@dataclass(frozen=True)
class Cells:
    """Holes of one dataset.

    Attributes:
        tickers: Names, sorted; a row's number is its place among them.
        row: Row number of each hole.
        column: Number of its session on the axis.
    """

    tickers: Sequence[str]
    row: Whole
    column: Whole

    def __len__(self) -> int:
        return self.row.size

    @cached_property
    def is_market(self) -> Flags:
        """Say of each hole whether it is the market's own, which no answer about a ticker fills."""
        place = self.tickers.index(WHOLE_MARKET) if WHOLE_MARKET in self.tickers else -1
        return self.row == place

    def where(self, flags: Flags) -> "Cells":
        """Keep some of the holes."""
        return replace(self, row=self.row[flags], column=self.column[flags])


def cells_by_dataset(holes: pl.DataFrame, axis: Axis) -> Mapping[str, Cells]:
    """Number the holes, each once.

    Args:
        holes: HOLES rows in any order, possibly repeated.
        axis: The sessions.

    Raises:
        ValueError: A column is missing or null, or a hole lies on no session of the axis.
    """
    _refuse_malformed(holes, axis)
    return dict(_numbered(holes, axis))


def _numbered(holes: pl.DataFrame, axis: Axis) -> Iterator[tuple[str, Cells]]:
    days = pl.Series(axis.sessions, dtype=pl.Date).to_physical().to_numpy()
    for (dataset,), mine in holes.partition_by("dataset", as_dict=True, include_key=False, maintain_order=True).items():
        tickers = mine["ticker"].cast(pl.String).unique().sort()
        row = mine["ticker"].cast(pl.Enum(tickers)).to_physical().to_numpy().astype(np.int64)
        column = np.searchsorted(days, mine["session"].to_physical().to_numpy())
        grid = np.zeros((tickers.len(), days.size), dtype=np.bool_)
        grid[row, column] = True
        yield str(dataset), Cells(tickers.to_list(), *np.nonzero(grid))


def _refuse_malformed(holes: pl.DataFrame, axis: Axis) -> None:
    lacking = [name for name in HOLES if name not in holes.columns or holes[name].null_count()]
    if lacking:
        raise ValueError(
            f"holes: {', '.join(lacking)} missing or null; give each hole a dataset, a ticker and a session"
        )
    strange = holes.filter(~pl.col("session").is_in(axis.sessions))["session"].unique().sort()
    if strange.len():
        raise ValueError(
            f"holes: {strange[0]} and {strange.len() - 1} other dates are no sessions of the calendar that was given;"
            " plan only sessions, and give a calendar that spans them"
        )
