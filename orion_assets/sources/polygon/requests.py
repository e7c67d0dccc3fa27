"""What is asked of Polygon: paths and queries. The vendor's own client builds those of the routes that it has."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache
from typing import Any, Final, cast
from urllib.parse import quote

from polygon import RESTClient

from orion_assets.sources.polygon.routes import ACTIONS_PER_PAGE, BARS_PER_PAGE, REFERENCE_PER_PAGE

VIX: Final = "I:VIX"


@dataclass(frozen=True)
class Request:
    """A path below the base URL, percent-encoded, and its query."""

    path: str
    params: Mapping[str, str]


class _Recorder:
    """Stands in for the client's connections: what it would send is the answer."""

    status: Final = 200

    def request(self, _method: str, url: str, fields: Mapping[str, Any] | None = None, **_: object) -> "_Recorder":
        made = _Recorder()
        made.built = Request(url, {name: _text(value) for name, value in (fields or {}).items()})
        return made

    built: Request


@cache
def _client() -> RESTClient:
    client = RESTClient(api_key="none", base="")
    client.client = cast("Any", _Recorder())
    return client


def range_bars(ticker: str, timespan: str, first: date | int, last: date | int) -> Request:
    """Ask for bars of one ticker, as traded; both ends, dates or milliseconds since 1970, are included."""
    return _built(
        _client().get_aggs(
            quote(ticker, safe=":"), 1, timespan, first, last, adjusted=False, sort="asc", limit=BARS_PER_PAGE, raw=True
        )
    )


def bars_between(ticker: str, timespan: str, first: datetime, end: datetime) -> Request:
    """Ask for the bars of one ticker that begin in [first, end), as traded: instants need no zone to be understood."""
    bounds = int(first.timestamp() * 1000), int(end.timestamp() * 1000) - 1
    return range_bars(ticker, timespan, *bounds)


def market_bars(session: date, *, include_otc: bool = False) -> Request:
    """Ask for the daily bars of all stocks, as traded; those over the counter too where they are wanted."""
    return _built(_client().get_grouped_daily_aggs(session, adjusted=False, include_otc=include_otc, raw=True))


def crypto_market_bars(session: date) -> Request:
    """Ask for the daily bars of all pairs of crypto."""
    return _built(
        _client().get_grouped_daily_aggs(session, adjusted=False, raw=True, locale="global", market_type="crypto")
    )


def news(after: datetime, until: datetime) -> Request:
    """Ask for all articles published after an instant, up to and including another."""
    return _built(
        _client().list_ticker_news(
            published_utc_gt=_zulu(after),
            published_utc_lte=_zulu(until),
            order="asc",
            sort="published_utc",
            limit=REFERENCE_PER_PAGE,
            raw=True,
        )
    )


def splits(start: date, end: date) -> Request:
    """Ask for the splits executed in [start, end); the client of 2025 does not know this route."""
    return _dated("/stocks/v1/splits", "execution_date", start, end)


def dividends(start: date, end: date) -> Request:
    """Ask for the dividends with an ex-date in [start, end)."""
    return _dated("/stocks/v1/dividends", "ex_dividend_date", start, end)


def tickers(as_of: date, *, is_active: bool, market: str = "stocks") -> Request:
    """Ask for the listing as of a date: those that trade, or those that are delisted."""
    return _built(
        _client().list_tickers(
            market=market, date=as_of.isoformat(), active=is_active, sort="ticker", order="asc",
            limit=REFERENCE_PER_PAGE, raw=True,
        )
    )  # fmt: skip


def events(identifier: str) -> Request:
    """Ask for every ticker that a security took; of a FIGI, or of a ticker, whose bearer of today is meant."""
    return _built(_client().get_ticker_events(quote(identifier, safe=""), types="ticker_change", raw=True))


def contracts(underlying: str, as_of: date, *, is_expired: bool) -> Request:
    """Ask for the options on a ticker as of a date: those that trade, or those that have expired."""
    return _built(
        _client().list_options_contracts(
            underlying_ticker=underlying, as_of=as_of.isoformat(), expired=is_expired, sort="ticker", order="asc",
            limit=REFERENCE_PER_PAGE, raw=True,
        )
    )  # fmt: skip


def status_now() -> Request:
    """Ask whether the exchanges trade now."""
    return _built(_client().get_market_status(raw=True))


def status_upcoming() -> Request:
    """Ask for the holidays and early closes to come."""
    return _built(_client().get_market_holidays(raw=True))


def _dated(path: str, name: str, start: date, end: date) -> Request:
    bounds = {f"{name}.gte": start.isoformat(), f"{name}.lte": (end - timedelta(days=1)).isoformat()}
    return Request(path, {**bounds, "limit": str(ACTIONS_PER_PAGE), "sort": f"{name}.asc"})


def _built(answer: Any) -> Request:  # noqa: ANN401 - the client promises rows, or what its connections gave
    return cast("_Recorder", answer).built


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _zulu(instant: datetime) -> str:
    return instant.strftime("%Y-%m-%dT%H:%M:%SZ")
