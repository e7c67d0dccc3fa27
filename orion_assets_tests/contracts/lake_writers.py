"""What the lake's contract tests run in other processes, and the small frames that they write."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

import polars as pl

from orion_assets.schemas import CLEAN_DAILY_BARS, RAW_TICKERS
from orion_assets.store.lake import Commit, Lake
from orion_assets.tables import UTC_US, Column, Table

INSTANT = datetime(2014, 6, 3, 20, 0, tzinfo=UTC)
MONDAY, TUESDAY, WEDNESDAY = date(2014, 6, 2), date(2014, 6, 3), date(2014, 6, 4)
_barrier = None


@dataclass(frozen=True)
class Place:
    """Where a lake is; travels to other processes."""

    url: str
    options: dict[str, str] = field(default_factory=dict)

    def lake(self) -> Lake:
        return Lake(self.url, self.options)


def meet_at(barrier) -> None:
    """Make a process of the pool know where to wait for the others."""
    global _barrier  # noqa: PLW0603
    _barrier = barrier


def rows_of(table: Table, sessions: list[date], salt: int = 0) -> pl.DataFrame:
    """Give five rows a session with nulls, NaN, infinities and empty lists wherever the table takes them."""
    height = 5 * len(sessions)
    return pl.DataFrame(
        {column.name: _values(column, table, sessions, height, salt) for column in table.columns}, schema=table.schema
    )


def _values(column: Column, table: Table, sessions: list[date], height: int, salt: int) -> list:
    if column.name == "session":
        return [sessions[i // 5] for i in range(height)]
    floats = [0.1, float("nan"), float("inf"), -0.0, 1e-300]
    makers = {
        pl.String(): lambda i: f"{column.name}-é-{i}",
        pl.Date(): lambda i: date(1999, 12, 31) + timedelta(i),
        UTC_US: lambda i: INSTANT + timedelta(microseconds=i + salt),
        pl.Float64(): lambda i: floats[i % 5] + salt,
        pl.Int64(): lambda i: 2**53 + i + salt,
        pl.Int32(): lambda i: -i,
        pl.Boolean(): lambda i: i % 2 == 0,
        pl.List(pl.String()): lambda i: [f"T{n}" for n in range(i % 3)],
    }
    return [None if column.is_nullable and i % 5 == 4 else makers[column.dtype](i) for i in range(height)]


def bars(session: date, close: float, *, tickers: int = 4, known: datetime = INSTANT) -> pl.DataFrame:
    """Give one bar a ticker, all with the same close: two closes in one session are a mix."""
    prices = {name: pl.lit(close) for name in ("open", "high", "low", "close", "volume", "vwap", "trade_count")}
    return pl.DataFrame({"ticker": [f"T{i}" for i in range(tickers)]}).select(
        "ticker",
        session=pl.lit(session),
        **prices,
        ts_event=pl.lit(INSTANT).cast(UTC_US),
        ts_known=pl.lit(known).cast(UTC_US),
        known_until=pl.lit(None).cast(UTC_US),
        is_deleted=pl.lit(False),
        availability=pl.lit("observed"),
    )


def put(lake: Lake, frame: pl.DataFrame, start: date, days: int = 1):
    return lake.replace(CLEAN_DAILY_BARS, frame, start=start, end=start + timedelta(days))


def closes(lake: Lake, session: date) -> set[float]:
    return set(lake.read(CLEAN_DAILY_BARS, start=session, end=session + timedelta(1))["close"])


def replace_sessions(place: Place, sessions: list[date], close: float, rounds: int) -> list[Commit]:
    """Write each session `rounds` times, all bars at `close` plus a hundred a round."""
    lake = place.lake()
    _barrier.wait(60)
    return [
        lake.replace(CLEAN_DAILY_BARS, bars(day, close + 100 * n), start=day, end=day + timedelta(1))
        for n in range(rounds)
        for day in sessions
    ]


def count_on(place: Place, session: date, rounds: int) -> None:
    """Append the next number `rounds` times: right only if no two writers ever see the same last number."""
    lake = place.lake()
    _barrier.wait(60)
    for _ in range(rounds):
        lake.append(CLEAN_DAILY_BARS, next_number, start=session, end=session + timedelta(1))


def next_number(current: pl.DataFrame) -> pl.DataFrame:
    number = current.height
    return bars(date(2014, 6, 3), float(number), tickers=1, known=INSTANT + timedelta(seconds=number))


def count_tickers(place: Place, rounds: int) -> None:
    """The same on a table without sessions."""
    lake = place.lake()
    _barrier.wait(60)
    for _ in range(rounds):
        lake.append(RAW_TICKERS, next_ticker)


def next_ticker(current: pl.DataFrame) -> pl.DataFrame:
    row = rows_of(RAW_TICKERS, [date(2014, 6, 3)]).head(1)
    return row.with_columns(ticker=pl.lit(f"T{current.height:03d}"))


def replace_for_ever(place: Place, session: date, first: int) -> None:
    """Overwrite one session with ever new closes until somebody kills the process."""
    lake = place.lake()
    number = first
    while True:
        number += 1
        lake.replace(CLEAN_DAILY_BARS, bars(session, float(number)), start=session, end=session + timedelta(1))
