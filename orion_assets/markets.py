"""The markets, as data: how a ticker tells its own, by which calendar it trades, what its bars hold. No frames here.

Etfs and shares over the counter are equities: they have the exchange's sessions, and no prefix tells them apart.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Final, Literal

from orion_assets.hours import Hours

# By whose days a market trades: the exchange's sessions; days of UTC; Monday to Friday, within the market's own hours
Calendar = Literal["exchange", "utc_days", "weekdays"]
# Nobody pauses, and the date changes at midnight
_WHOLE_DAY: Final = Hours(time(0), time(0))
_EXTENDED: Final = Hours()


@dataclass(frozen=True)
class Market:
    """One market.

    Attributes:
        name: As settings, tables and jobs name it.
        prefix: What its tickers begin with; empty for equities.
        form: What the rest of a ticker looks like.
        example: A ticker.
        calendar: Whose sessions it has.
        price_unit: Of its prices.
        volume_unit: Of its volume; empty where it has none, and volume, vwap and trade count are null.
        hours: When a session is traded at all, and when the date rolls, as New York clock times; of days of UTC, UTC's.
            All that depends on them follows: sessions, trading dates, the break, minutes of a session and of a call.
        closes_later_min: Minutes from its calendar's close to its last price of the session.
        is_quiet: Whether a ticker may well have no bar in a session in which it is listed.
        expires: Whether a ticker names the last date on which it trades, as options do.
    """

    name: str
    prefix: str = ""
    form: str = ".+"
    example: str = "AAPL"
    calendar: Calendar = "exchange"
    price_unit: str = "USD"
    volume_unit: str = "shares"
    hours: Hours = _EXTENDED
    closes_later_min: int = 0
    is_quiet: bool = False
    expires: bool = False

    @property
    def minutes(self) -> int:
        """Most minute bars of a session."""
        return self.hours.minutes

    @property
    def has_volume(self) -> bool:
        """Whether anything is traded: an index is a number."""
        return bool(self.volume_unit)

    def last_date(self, ticker: str) -> date | None:
        """Give the last date on which a ticker trades, as its own name tells; None where there is no such end.

        Raises:
            ValueError: The name is not one of the market's.
        """
        if not self.expires:
            return None
        self.check(ticker)
        return _expiry(ticker)

    def check(self, ticker: str) -> None:
        """Refuse a ticker that no source could list.

        Raises:
            ValueError: It is not written as the market's tickers are.
        """
        rest = ticker.removeprefix(self.prefix)
        if not re.fullmatch(self.form, rest) or (self.expires and _expiry(ticker) is None):
            raise ValueError(f"ticker {ticker}: not written as one of {self.name}; write it like {self.example}")


EQUITIES: Final = Market("equities")
CRYPTO: Final = Market(
    "crypto",
    "X:",
    "[A-Z0-9]{4,24}",
    "X:BTCUSD",
    "utc_days",
    price_unit="the currency quoted",
    volume_unit="units of the coin",
    hours=_WHOLE_DAY,
)
FX: Final = Market(
    "fx",
    "C:",
    "[A-Z]{6}",
    "C:EURUSD",
    "weekdays",
    price_unit="the currency quoted",
    volume_unit="quotes",
    # A session bears the date on which it ends; Hours(time(18), time(17), time(17)) would be one with a daily break
    hours=Hours(time(17), time(17), time(17)),
)
INDICES: Final = Market(
    "indices",
    "I:",
    "[A-Z0-9.]{1,20}",
    "I:SPX",
    price_unit="points",
    volume_unit="",
    # Computed at any hour
    hours=_WHOLE_DAY,
    closes_later_min=15,
)
OPTIONS: Final = Market(
    "options",
    "O:",
    "[A-Z0-9]{1,6}[0-9]{6}[CP][0-9]{8}",
    "O:AAPL250117C00150000",
    volume_unit="contracts",
    is_quiet=True,
    expires=True,
)
# Those with tables of their own, by name
MARKETS: Final[Mapping[str, Market]] = {market.name: market for market in (CRYPTO, FX, INDICES, OPTIONS)}
# Equities that whoever wants them has to name: answers about the whole exchange leave them out
OVER_THE_COUNTER: Final = "otc"
MarketName = Literal["crypto", "fx", "indices", "options", "otc"]


def market_of(ticker: str) -> Market:
    """Give the market of a ticker, which its prefix tells; without one it is an equity."""
    return next((market for market in MARKETS.values() if ticker.startswith(market.prefix)), EQUITIES)


def market_named_in(name: str) -> Market:
    """Give the market that a table or a job is of: `raw_daily_bars_crypto`; without its name at the end, equities."""
    return MARKETS.get(name.rpartition("_")[2], EQUITIES)


def _expiry(ticker: str) -> date | None:
    """Read the date of an option's name: six digits before the C or P and the strike's eight."""
    try:
        return datetime.strptime(ticker[-15:-9], "%y%m%d").date()  # noqa: DTZ007 - a date, and no instant
    except ValueError:
        return None
