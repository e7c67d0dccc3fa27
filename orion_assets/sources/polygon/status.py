"""What Polygon says of the exchange's hours: now, and on the days to come that are not as others are.

Docs: https://massive.com/docs/rest/stocks/market-operations (read 2026-11-22; no key was at hand). `upcoming` is a bare
list, a row an exchange and day, of the future alone; an early close carries its open and close in UTC. Two calls.
"""

from collections.abc import Mapping
from typing import Any, Final

import polars as pl

from orion_assets.errors import AnswerDistrusted
from orion_assets.sources.bodies import day_of, instant_of, loaded, object_of, rows_of, shown, text_of
from orion_assets.sources.polygon import requests
from orion_assets.sources.protocols import UPCOMING, ExchangeStatus
from orion_assets.sources.responses import Response
from orion_assets.sources.transport import Transport

CALLS: Final = 2
_CLOSED, _EARLY = "closed", "early-close"


def exchange_status(transport: Transport) -> ExchangeStatus:
    """Ask for both.

    Raises:
        OrionError: As `Transport.get`; AnswerDistrusted where an answer names no date, no status or no close.
    """
    now, upcoming = requests.status_now(), requests.status_upcoming()
    told = transport.get(now.path, now.params, _now)
    days = transport.get(upcoming.path, upcoming.params, _upcoming)
    at = instant_of(told["serverTime"])
    if at is None:
        raise AnswerDistrusted(f"polygon: {now.path}: its serverTime {shown(told['serverTime'])} is no instant")
    return ExchangeStatus(at, told["market"] == "open", days)


def _now(response: Response) -> Mapping[str, Any]:
    told = object_of(loaded(response.body))
    if instant_of(told.get("serverTime")) is None or text_of(told, "market") is None:
        raise AnswerDistrusted("it does not say whether the market is open, or when", is_worth_asking=True)
    return told


def _upcoming(response: Response) -> pl.DataFrame:
    rows = [_day(row) for row in rows_of(loaded(response.body), "the body")]
    return pl.DataFrame(rows, UPCOMING, orient="row").sort("date", "exchange")


def _day(row: Mapping[str, Any]) -> Mapping[str, Any]:
    day, exchange, status = day_of(row.get("date")), text_of(row, "exchange"), text_of(row, "status")
    opens, closes = instant_of(row.get("open")), instant_of(row.get("close"))
    is_told = status == _CLOSED or (status == _EARLY and opens is not None and closes is not None)
    if day is None or exchange is None or not is_told:
        said = {name: row.get(name) for name in ("date", "exchange", "status", "open", "close")}
        raise AnswerDistrusted(f"a day to come cannot be read: {str(said)[:160]}", is_worth_asking=True)
    hours = (None, None) if status == _CLOSED else (opens, closes)
    values = (day, exchange, text_of(row, "name") or "", status == _CLOSED, *hours)
    return dict(zip(UPCOMING, values, strict=True))
