"""Which Flat Files hold a session of which raw table, and what their rows mean there. Nothing is fetched here.

A day of crypto is one object, so is one of indices and of stocks. A session of currencies rolls at 17:00 New York and
objects at midnight of UTC, so that two objects hold it, and its daily bar is folded from their minutes, as calls fold
it from hours: the vendor's own day is another one. Objects spell pairs with a hyphen (`X:BTC-USD`), calls without.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import polars as pl

from orion_assets.calendars import FIRST_DATE, LAST_DATE
from orion_assets.market_hours import traded_in
from orion_assets.markets import CRYPTO, EQUITIES, FX, INDICES, Market
from orion_assets.schemas import RAW_DAILY_BARS, RAW_MINUTE_BARS, table_of
from orion_assets.sources import filing
from orion_assets.sources.polygon import markets, rows
from orion_assets.sources.polygon.flatfiles import SETS, SUFFIX, FileSet

_DAY: Final = timedelta(days=1)
_INSTANT: Final = timedelta(microseconds=1)
# In which of several objects a row stands
OBJECT: Final = "_object"


@dataclass(frozen=True)
class Holding:
    """The objects of one raw table.

    Attributes:
        of: Where they lie and what they look like.
        market: Whose bars they hold.
        is_daily: Whether the table's bars are days, whatever the length of those in the objects.
    """

    of: FileSet
    market: Market
    is_daily: bool

    def days(self, start: date, end: date) -> dict[date, tuple[date, ...]]:
        """Give the days of the objects that hold each session in [start, end)."""
        hours = traded_in(self.market, start, end).select("session", "ts_first", "ts_last")
        found: dict[date, tuple[date, ...]] = {}
        for session, first, last in hours.iter_rows():
            day, until = first.astimezone(self.of.zone).date(), (last - _INSTANT).astimezone(self.of.zone).date()
            found[session] = tuple(day + _DAY * number for number in range((until - day).days + 1))
        return found

    def key_before(self, since: date | None) -> str:
        """Give what sorts right before the key of the first object that a session on or after a date needs."""
        if since is None:
            return ""
        # A session of currencies begins in the object of the day before
        return self.of.key(since - _DAY if self.market is FX else since).removesuffix(SUFFIX)

    def versions(self, objects: Mapping[date, str]) -> dict[date, str]:
        """Give the version of each session all of whose objects are there: theirs, joined.

        Args:
            objects: Versions by the day of the object.
        """
        within = {day: version for day, version in objects.items() if FIRST_DATE <= day <= LAST_DATE}
        if not within:
            return {}
        spans = self.days(min(within), max(within) + _DAY)
        return {
            session: joined([within[day] for day in days])
            for session, days in spans.items()
            if all(day in within for day in days)
        }

    def of_session(self, held: pl.DataFrame, session: date) -> pl.DataFrame:
        """Give those rows of an object that are of a session, tickers spelt as calls spell them, with their `_row`.

        Args:
            held: Rows of `read_object`.
            session: Which.
        """
        told = held.with_row_index("_row", 1)
        if self.market is EQUITIES:
            return told
        # Of a bar of a day, the object's own date is the session
        if self.of.minutes:
            first, last = traded_in(self.market, session, session + _DAY).select("ts_first", "ts_last").row(0)
            told = told.filter(pl.col("ts_open").is_between(first, last, closed="left"))
        return _spelt(told) if self.market in (CRYPTO, FX) else told

    def meaning(self, told: pl.DataFrame, session: date) -> pl.DataFrame:
        """Give rows of the raw table, without provenance, of the rows of a session."""
        placed = rows.of_file(told)
        if self.market is EQUITIES:
            return rows.bars(placed.with_columns(session=pl.lit(session))) if self.is_daily else rows.minutes(placed)
        if not self.is_daily:
            return markets.minutes(placed, self.market)
        if self.of.minutes:
            return markets.days(markets.folded(placed.sort("ticker", "ts_open"), self.market, OBJECT), self.market)
        return markets.days(placed.with_columns(session=pl.lit(session)), self.market)


def joined(versions: Sequence[str]) -> str:
    """Make one version of those of several objects; of one object it is its own."""
    return " + ".join(versions)


def _spelt(told: pl.DataFrame) -> pl.DataFrame:
    """Take the hyphen out of pairs. Where two are then spelt alike, a row a window is left of both, without values."""
    bare = pl.col("ticker").str.replace_all("-", "", literal=True)
    names = told.select("ticker", _bare=bare).unique()
    alike = names.filter(pl.col("_bare").is_duplicated())["_bare"].unique().to_list()
    named = told.with_columns(ticker=bare)
    if not alike:
        return named
    is_alike = pl.col("ticker").is_in(alike)
    said = pl.when(is_alike).then(pl.lit("ticker: two pairs of the object are spelt so without their hyphen"))
    blank = [pl.when(~is_alike).then(name).alias(name) for name in rows.NAMES.values() if name in named.columns]
    marked = named.with_columns(*blank, problem=filing.joined(said, pl.col("problem")))
    return marked.unique(["ticker", "ts_open"], keep="first", maintain_order=True)


def _made(market: Market, name: str) -> Mapping[str, Holding]:
    days, minutes = (SETS[f"{name}_{length}"] for length in ("day", "minute"))
    return {
        table_of(RAW_DAILY_BARS, market).name: Holding(minutes if market is FX else days, market, is_daily=True),
        table_of(RAW_MINUTE_BARS, market).name: Holding(minutes, market, is_daily=False),
    }


# By raw table
HOLDINGS: Final[Mapping[str, Holding]] = {
    **_made(EQUITIES, "stocks"),
    **_made(CRYPTO, "crypto"),
    **_made(FX, "forex"),
    **_made(INDICES, "indices"),
}
