"""Who is listed on the synthetic exchange, under which ticker and when, and what happens to each of them."""

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Final
from zoneinfo import ZoneInfo

from orion_assets.sources.synthetic.paths import Traits

FIRST: Final = date(2022, 1, 3)
END: Final = date(2025, 1, 1)
_NEW_YORK: Final = ZoneInfo("America/New_York")


def new_york(day: date, hour: int, minute: int = 0) -> datetime:
    """Give an instant of New York's clock."""
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=_NEW_YORK)


@dataclass(frozen=True)
class Split:
    """Shares held after for shares held before.

    `known` is when it became known, where that was after its ex-date's open; some are never announced.
    """

    ex_date: date
    after: int
    before: int
    known: datetime | None = None
    is_announced: bool = True


@dataclass(frozen=True)
class Dividend:
    """Cash per share as traded on the ex-date, USD; a regular one has no type."""

    ex_date: date
    amount: float
    type: str | None = None


@dataclass(frozen=True)
class Spinoff:
    """A part of a company that its holders get as a company of its own: no vendor tells it as a split or a dividend."""

    ex_date: date
    share: float


@dataclass(frozen=True)
class Listed:
    """One security of the exchange.

    Attributes:
        ticker: What it trades under at first.
        name: Of the company or fund.
        traits: What its path is like.
        news: Articles on a usual day.
        type: CS or ETF.
        since: First session.
        until: First session no longer traded; None while it is.
        renamed: The ticker and name it takes from a session on.
        splits: Its splits.
        dividends: Its cash dividends.
        spinoff: What it hands out of itself; the price falls by that share.
        halted: Sessions on which it does not trade at all.
        trades_on: Share of the sessions on which anybody trades it.
    """

    ticker: str
    name: str
    traits: Traits
    news: float = 0.6
    type: str = "CS"
    since: date = FIRST
    until: date | None = None
    renamed: tuple[date, str, str] | None = None
    splits: tuple[Split, ...] = ()
    dividends: tuple[Dividend, ...] = field(default=())
    spinoff: Spinoff | None = None
    halted: tuple[date, ...] = ()
    trades_on: float = 1.0


def _quarterly(amount: float, month: int = 2, day: int = 10) -> tuple[Dividend, ...]:
    days = [date(year, month + 3 * quarter, day) for year in (2022, 2023, 2024) for quarter in range(4)]
    return tuple(Dividend(each, round(amount * 1.02**number, 4)) for number, each in enumerate(days))


# A security's number seeds its path: add at the end, take nobody out
CAST: Final = (
    Listed("MKTS", "Meridian Total Market Fund", Traits(210.0, 1.0, 0.002, 9e6), 1.5, "ETF", dividends=_quarterly(0.8)),
    Listed("AURA", "Aurora Compute", Traits(690.0, 1.3, 0.016, 1.4e6), 2.5, splits=(Split(date(2024, 8, 26), 4, 1),)),
    Listed(
        "BOLT",
        "Boltworks Motors",
        Traits(240.0, 1.4, 0.02, 2.2e6),
        1.8,
        splits=(Split(date(2022, 7, 18), 2, 1), Split(date(2023, 11, 6), 3, 2)),
    ),
    Listed("CRUX", "Crux Energy", Traits(3.4, 1.6, 0.035, 4e6), 0.8, splits=(Split(date(2024, 10, 7), 1, 20),)),
    Listed("DUNE", "Dune Grocers", Traits(58.0, 0.5, 0.009, 1.1e6), 0.7, dividends=_quarterly(0.42)),
    Listed(
        "FLUX",
        "Flux Media",
        Traits(82.0, 1.1, 0.018, 1.6e6),
        1.2,
        renamed=(date(2024, 9, 16), "FLXA", "Flexa Group"),
        splits=(Split(date(2024, 7, 22), 2, 1),),
    ),
    Listed("GAIA", "Gaia Timber", Traits(24.0, 0.9, 0.017, 5e5), 0.4, until=date(2023, 5, 12)),
    # Another company under a ticker that was free
    Listed("GAIA", "Gaia Robotics", Traits(41.0, 1.5, 0.026, 9e5), 0.9, since=date(2024, 8, 5)),
    Listed("HALO", "Halo Therapeutics", Traits(29.0, 1.2, 0.032, 1.3e6), 1.0, since=date(2024, 9, 23)),
    Listed("IRIS", "Iris Optical", Traits(67.0, 0.8, 0.013, 7e5), 0.6, until=date(2024, 11, 15)),
    Listed(
        "JUNO",
        "Juno Shipping",
        Traits(36.0, 1.2, 0.021, 8e5),
        0.7,
        halted=(date(2022, 6, 14), date(2024, 10, 15), date(2024, 10, 16), date(2024, 10, 17)),
    ),
    Listed("KELP", "Kelp Farms", Traits(7.5, 0.4, 0.025, 900.0), 0.1, trades_on=0.7),
    Listed(
        "LYNX",
        "Lynx Networks",
        Traits(310.0, 1.2, 0.017, 1.2e6),
        1.3,
        splits=(Split(date(2024, 10, 21), 3, 1, known=new_york(date(2024, 10, 24), 9)),),
    ),
    Listed("MIRA", "Mira Foods", Traits(74.0, 0.6, 0.01, 9e5), 0.6, dividends=_quarterly(0.35, day=17)),
    Listed("NOVA", "Nova Steel", Traits(46.0, 1.3, 0.019, 1.7e6), 0.8, dividends=_quarterly(0.2, month=3, day=7)),
    Listed("OPAL", "Opal Insurance", Traits(121.0, 0.8, 0.011, 6e5), 0.5, dividends=_quarterly(0.9, month=1, day=24)),
    Listed("PYRE", "Pyre Semiconductors", Traits(155.0, 1.6, 0.024, 2.6e6), 1.6),
    Listed(
        "QUIL",
        "Quill Publishing",
        Traits(18.0, 0.7, 0.014, 4e5),
        0.4,
        splits=(
            Split(date(2023, 3, 20), 5, 1, is_announced=False),
            Split(date(2024, 10, 29), 1, 10, is_announced=False),
        ),
    ),
)
