"""The ways in which a source can be asked, as data: what one call answers, holds and costs, and how far it may reach.

A source declares its routes under the rights of its key. What to ask by which of them is for ingest to plan.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Final, Literal

from orion_assets.sources.limiter import Rate

Scope = Literal["market", "ticker", "tickers"]
Reason = Literal["not_yet", "not_entitled", "no_route"]

# What a call weighs; a little less where its answer also serves tickers that nobody follows yet
CALL: Final = 100
MARKET_CALL: Final = 99


@dataclass(frozen=True)
class Budget:
    """What calls are counted against; calls of two budgets run side by side.

    Attributes:
        name: Names it in a plan.
        rate: How many are allowed.
        bytes_per_s: How fast answers are assumed to arrive.
        in_flight: Most calls under way at a time.
    """

    name: str
    rate: Rate
    bytes_per_s: float = 12_500_000.0
    in_flight: int = 1

    def __post_init__(self) -> None:
        if self.in_flight < 1:
            raise ValueError(f"budget {self.name}: {self.in_flight} calls at a time; give at least 1")
        if not self.bytes_per_s > 0:
            raise ValueError(f"budget {self.name}: {self.bytes_per_s} bytes a second; give a positive number")

    def seconds(self, calls: int, size: int = 0) -> float:
        """Give the time that calls take at the very rate that is allowed, or their bytes where those take longer."""
        return max(calls * self.rate.window_s / self.rate.calls, size / self.bytes_per_s)

    def seconds_safe(self, calls: int, size: int = 0) -> float:
        """Give the time where a slot is held a second beyond its window; every window begun counts as a whole."""
        return max(math.ceil(calls / self.rate.calls) * self.rate.hold_s, size / self.bytes_per_s)


@dataclass(frozen=True, kw_only=True)
class Route:
    """One way to ask for one dataset.

    Attributes:
        name: Names it in a plan: grouped, ticker_range, minute_window, ...
        dataset: The raw table that it fills.
        scope: Whom one call answers for: the whole market, one ticker, or several.
        budget: What its calls are counted against.
        rows_per_session: Most rows to expect of a full session: of one ticker, or of the whole market.
        rows_per_half_day: The same of a session that closes early; None means no fewer.
        page: Rows that one request can hold; None means that there is no such limit.
        window: Most sessions of one call; None means as many as fit a page, and at least one.
        rank: A cell goes to the lowest rank that may answer it; the routes of a rank share its cells at least cost.
        weight: What one request costs, held against the other route of the rank.
        tickers_per_call: Most tickers of one call, where it answers for several.
        least_tickers: For fewer a whole-market answer is not worth its bytes, where another route has the cells.
        bytes_per_row: Bytes of one row on the wire.
        disk_per_row: Bytes of one row once landed: the archived answer and the table.
        floor: First session that may be asked for; None where there is none.
        is_rolling: The floor moves on every day, so what lies at it must be asked for soon.
        ceiling: First session that the key may no longer ask for.
        not_yet_from: First session of which there is no answer yet.
        listed: Sessions of which there is an object; None where that is not known or does not matter.
        versions: By session, what tells its object from one that replaces it.
        asks_with: Part of the address of its answers. One landed before that was asked without it tells of fewer
            tickers than this route does; empty where all answers tell of the same.
    """

    name: str
    dataset: str
    scope: Scope
    budget: Budget
    rows_per_session: float
    rows_per_half_day: float | None = None
    page: int | None = None
    window: int | None = None
    rank: int = 1
    weight: int = CALL
    tickers_per_call: int = 1_000
    least_tickers: int = 1
    bytes_per_row: float = 110.0
    disk_per_row: float = 60.0
    floor: date | None = None
    is_rolling: bool = False
    ceiling: date | None = None
    not_yet_from: date | None = None
    listed: frozenset[date] | None = None
    versions: Mapping[date, str] = field(default_factory=dict[date, str], repr=False, compare=False)
    asks_with: str = ""

    def __post_init__(self) -> None:
        bounds = (self.rows_per_session, self.weight, self.tickers_per_call, self.least_tickers, self.page, self.window)
        if any(bound is not None and bound <= 0 for bound in bounds):
            raise ValueError(f"route {self.name}: rows, page, window, weight and tickers must be positive")
        if self.window is None and self.page is None:
            raise ValueError(f"route {self.name}: how many sessions fit a call is unknown; give it a page or a window")
        if self.listed is not None and self.longest > 1:
            raise ValueError(f"route {self.name}: a call of {self.longest} sessions cannot ask for listed ones only")

    @property
    def longest(self) -> int:
        """Count the sessions that one call may span."""
        if self.window is not None:
            return self.window
        return max(1, math.floor((self.page or 0) / self.rows_per_session))

    def refusal(self, session: date) -> Reason | None:
        """Say why a session may not be asked for; None where it may. Only `listed` leaves gaps between."""
        if self.floor is not None and session < self.floor:
            return "not_entitled" if self.is_rolling else "no_route"
        if self.ceiling is not None and session >= self.ceiling:
            return "not_entitled"
        if self.not_yet_from is not None and session >= self.not_yet_from:
            return "not_yet"
        return "not_yet" if self.listed is not None and session not in self.listed else None


@dataclass(frozen=True)
class Rights:
    """What a subscription allows.

    Attributes:
        rate: Calls in any window.
        years: Years of history, counted back from today; None means all there is.
        has_flat_files: Whether the whole market's files may be downloaded.
        has_today: Whether the session under way may be asked for.
        in_flight: Most calls under way at a time.
    """

    rate: Rate
    years: int | None
    has_flat_files: bool
    has_today: bool
    in_flight: int = 1

    def floor(self, today: date) -> date | None:
        """Give the first date that may be asked for today; None where there is no such limit."""
        if self.years is None:
            return None
        year = today.year - self.years
        # Of 29 February the anniversary is the day after the 28th: a day late refuses nothing, a day early is refused
        is_leap_day = (today.month, today.day) == (2, 29)
        return date(year, 2, 28) + timedelta(days=1) if is_leap_day else today.replace(year=year)
