"""Whom a source lists, to be looked at and chosen from: what is searched, and what a find looks like.

Nothing that is found here is landed; who is followed has a reference of his own (raw_tickers).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final, Protocol

import polars as pl

from orion_assets import calendars
from orion_assets.schemas import RAW_TICKERS
from orion_assets.sources.protocols import Ask, Source

FOUND: Final[Mapping[str, pl.DataType]] = {
    **dict.fromkeys(("ticker", "name", "type", "exchange"), pl.String()),
    "listed": pl.Date(),
    "delisted": pl.Date(),
    "figi": pl.String(),
}


@dataclass(frozen=True)
class Kind:
    """A kind of tickers.

    Attributes:
        name: As the command line has it.
        types: What it holds, in the words of `type`; none: all that the market has.
        is_exchange: Whether it is of the exchange itself, which is all that a source of equities alone has.
    """

    name: str
    types: tuple[str, ...] = ()
    is_exchange: bool = False


KINDS: Final[Mapping[str, Kind]] = {
    kind.name: kind
    for kind in (
        Kind("us_equities", ("CS", "ADRC"), is_exchange=True),
        Kind("etf", ("ETF", "ETN", "ETS", "ETV"), is_exchange=True),
        Kind("crypto"),
        Kind("fx"),
        Kind("options"),
        Kind("indices"),
        Kind("otc"),
    )
}


@dataclass(frozen=True)
class Search:
    """What is searched.

    Attributes:
        kind: One of KINDS.
        as_of: The day whose listing is wanted.
        has_delisted: Whether those that traded no longer on that day are wanted too.
        underlying: Of options: the ticker whose contracts are wanted.
    """

    kind: Kind
    as_of: date
    has_delisted: bool = False
    underlying: str = ""


@dataclass(frozen=True)
class Cost:
    """What a search takes: calls to expect, and seconds at the rate of the key."""

    calls: int
    seconds: float


class Lister(Protocol):
    """A source that can say whom it lists."""

    def cost(self, search: Search) -> Cost:
        """Say what to expect, before anything is asked.

        Raises:
            ValueError: The source cannot answer such a search.
        """
        ...

    def discover(self, search: Search) -> Iterator[pl.DataFrame]:
        """Search, a frame a call: whoever has enough asks no further.

        Yields:
            FOUND rows; `listed` and `delisted` are the first date of the listing and the first after it, null where the
            source does not say, or where it has not ended.

        Raises:
            OrionError: As `Source.read`.
        """
        ...


class ReferenceLister:
    """Lists by the reference of a source of which any range is answered at no cost: files, the synthetic market."""

    def __init__(self, source: Source, now: datetime) -> None:
        """Take the source, and the instant after which nothing may be known."""
        self._source = source
        self._now = now

    def cost(self, search: Search) -> Cost:
        """Nothing; a kind that the source does not have is refused.

        Raises:
            ValueError: The kind is of another market.
        """
        if not search.kind.is_exchange:
            raise ValueError(
                f"{self._source.name}: it lists no {search.kind.name}, only us_equities and etf; a vendor does:"
                " ORION_SOURCE=polygon"
            )
        return Cost(0, 0.0)

    def discover(self, search: Search) -> Iterator[pl.DataFrame]:
        """Give what its snapshots up to the day show, one row a security and ticker."""
        self.cost(search)
        end = search.as_of + timedelta(days=1)
        rows = self._source.read(Ask(RAW_TICKERS.name, calendars.FIRST_DATE, end, (), self._now)).rows
        last = rows.filter(~pl.col("is_deleted"), pl.col("problem").is_null()).sort("ticker", "snapshot")
        one_each = last.unique(["ticker", "figi"], keep="last", maintain_order=True)
        # A ticker that was given up for another one has no end of its own: the company's newest row tells
        newest = pl.col("snapshot") == pl.col("snapshot").max().over(pl.coalesce("figi", "ticker"))
        is_over = (~newest) | (pl.col("delist_date") <= search.as_of).fill_null(value=False)
        is_common = pl.col("type").is_null() & (search.kind.name == "us_equities")
        chosen = one_each.filter(pl.col("type").is_in(search.kind.types) | is_common)
        shown = chosen if search.has_delisted else chosen.filter(~is_over)
        yield shown.select(
            "ticker", "name", "type", "exchange", listed="list_date", delisted="delist_date", figi="figi"
        )
