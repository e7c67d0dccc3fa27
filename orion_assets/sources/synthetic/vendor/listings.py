"""Whom the vendor lists beside the stocks of its exchange: other markets, and options by what they are written on.

Names that everybody knows are listed too, so that a search finds them; not all of them have bars. Nothing is real.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import Any, Final

from orion_assets.sources.synthetic.vendor.others import OTHERS, Kind

_KNOWN: Final[Mapping[Kind, Mapping[str, str]]] = {
    "crypto": {"X:BTCUSD": "Bitcoin - United States dollar", "X:ETHUSD": "Ethereum - United States dollar"},
    "fx": {
        "C:EURUSD": "Euro - United States dollar",
        "C:GBPUSD": "British pound - United States dollar",
        "C:USDJPY": "United States dollar - Japanese yen",
    },
    "indices": {"I:NDX": "Nasdaq-100", "I:SPX": "S&P 500"},
    "otc": {"NSRGY": "Synthetic Chocolate depositary receipt", "TCEHY": "Synthetic Messages depositary receipt"},
}
_LISTED_BEFORE: Final = timedelta(days=180)
_STRIKES: Final = (40, 45, 50, 55, 60)
# The vendor lists no such stock, and every example names it
KNOWN_UNDERLYINGS: Final = ("AAPL",)


def other_listings(on: date) -> list[dict[str, Any]]:
    """Give the rows of the tickers route of all other markets but options, as of a date."""
    traded: list[tuple[str, str, Kind]] = [
        (other.ticker, other.name, other.kind) for other in OTHERS.values() if other.kind != "options"
    ]
    known: list[tuple[str, str, Kind]] = [
        (ticker, name, kind) for kind, names in _KNOWN.items() for ticker, name in names.items()
    ]
    is_traded = {ticker for ticker, _, _ in traded}
    return [_other(*each, on) for each in [*traded, *(each for each in known if each[0] not in is_traded)]]


def contracts(underlyings: Sequence[str], first: date, on: date, *, is_expired: bool) -> Iterator[dict[str, Any]]:
    """Give options as of a date: calls and puts at five strikes, that expire on third Fridays.

    Args:
        underlyings: What they are written on.
        first: No contract expired before.
        on: The date; a contract is listed from half a year before its expiry, and trades on that day still.
        is_expired: Whether those that have expired are wanted, in place of those that trade.
    """
    until = on - timedelta(days=1) if is_expired else on + _LISTED_BEFORE
    since = first if is_expired else on
    for expiry in _third_fridays(since, until):
        for underlying in underlyings:
            for strike in _STRIKES:
                yield from (_contract(underlying, expiry, strike, kind) for kind in ("call", "put"))


def _third_fridays(since: date, until: date) -> Iterator[date]:
    month = since.replace(day=1)
    while month <= until:
        friday = month + timedelta(days=(4 - month.weekday()) % 7 + 14)
        if since <= friday <= until:
            yield friday
        month = (month + timedelta(days=32)).replace(day=1)


def _contract(underlying: str, expiry: date, strike: int, kind: str) -> dict[str, Any]:
    return {
        "cfi": "OCASPS" if kind == "call" else "OPASPS",
        "contract_type": kind,
        "exercise_style": "american",
        "expiration_date": expiry.isoformat(),
        "primary_exchange": "BATO",
        "shares_per_contract": 100,
        "strike_price": strike,
        "ticker": f"O:{underlying}{expiry:%y%m%d}{kind[0].upper()}{strike * 1000:08d}",
        "underlying_ticker": underlying,
    }


def _other(ticker: str, name: str, kind: str, on: date) -> dict[str, Any]:
    is_currency = kind in ("crypto", "fx")
    return {
        "ticker": ticker,
        "name": name,
        "market": kind,
        "locale": "global" if is_currency else "us",
        "active": True,
        "type": "CS" if kind == "otc" else None,
        "source_feed": "SyntheticIndices" if kind == "indices" else None,
        "currency_name": "United States dollar" if is_currency else "usd" if kind == "otc" else None,
        "currency_symbol": "USD" if is_currency else None,
        "base_currency_symbol": ticker[2:5] if is_currency else None,
        "last_updated_utc": f"{on}T00:00:00Z",
    }
