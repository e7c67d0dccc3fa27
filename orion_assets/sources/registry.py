"""Which sources there are, by the name that ORION_SOURCE gives them."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import partial
from typing import TYPE_CHECKING, Final

from pydantic import SecretStr

from orion_assets import calendars
from orion_assets.clock import SystemClock
from orion_assets.errors import SettingsError
from orion_assets.markets import MARKETS
from orion_assets.schemas import RAW_TICKERS
from orion_assets.settings import PlanName, Settings
from orion_assets.sources.cboe import open_cboe
from orion_assets.sources.choosing import chosen
from orion_assets.sources.discovery import Lister, ReferenceLister
from orion_assets.sources.files.source import FilesSource
from orion_assets.sources.ladder import VixLadder, with_vix
from orion_assets.sources.limiter import CallLog, Limiter, Rate, budget_of
from orion_assets.sources.none import NoSource
from orion_assets.sources.polygon.market_routes import file_routes, market_routes
from orion_assets.sources.polygon.routes import RIGHTS, polygon_routes
from orion_assets.sources.protocols import ExchangeStatus, Source
from orion_assets.sources.routes import NO_FLOORS, Budget, Floors, Rights, Route
from orion_assets.sources.synthetic.cast import END
from orion_assets.sources.synthetic.source import SyntheticSource
from orion_assets.sources.transport import Transport, is_on_this_machine

if TYPE_CHECKING:
    from orion_assets.sources.polygon.files import FlatFiles

# First day of which a source will never speak; the others go on
ENDS: Final[Mapping[str, date]] = {SyntheticSource.name: END}
# What the calls of the reference draw on, whosever bars are asked for
REFERENCE_BUDGET: Final = "polygon"
# Paid plans have no limit by the minute; beyond this many a second the vendor asks to slow down
_UNLIMITED: Final = Rate(100, 1.0)
# No budget by the minute makes anybody wait so long
_LONG_S: Final = 400.0
LOG: Final = logging.getLogger(__name__)
# Calls a second from which on they are made side by side
_SIDE_BY_SIDE: Final = 2


def open_source(settings: Settings, calls: CallLog, floors: Floors = NO_FLOORS) -> Source:
    """Open the source that the settings name; `none` gives one that tells whoever asks what to set.

    Args:
        settings: The deployment.
        calls: The log of calls, which those who share a key share.
        floors: How far back keys were found to reach.

    Raises:
        SettingsError: A mapping or a key is missing or wrong.
    """
    if settings.source == NoSource.name:
        return NoSource()
    return chosen(_opened(settings, calls, floors), settings.datasets)


def _opened(settings: Settings, calls: CallLog, floors: Floors) -> Source:
    if settings.source == SyntheticSource.name:
        return SyntheticSource()
    if settings.source in _VENDORS:
        return _VENDORS[settings.source](settings, _Budgets(calls, floors))
    if not settings.files_mapping:
        raise SettingsError("source files: no mapping is named; set ORION_FILES_MAPPING=path/to/mapping.toml")
    return FilesSource(settings.files_mapping, settings.files_root)


def open_lister(settings: Settings, calls: CallLog, now: datetime) -> Lister:
    """Open what says whom the source of the settings lists.

    Args:
        settings: The deployment.
        calls: The log of calls, which those who share a key share.
        now: The time: nothing known later is told.

    Raises:
        SettingsError: The source has no listing, or it cannot be opened.
    """
    if settings.source == "polygon":
        from orion_assets.sources.polygon.discovery import PolygonLister  # noqa: PLC0415 - the vendor's client is slow

        key, rights = _polygon_rights(settings)
        return PolygonLister(_polygon_transport(settings, key, rights, _Budgets(calls, NO_FLOORS)), rights.rate)
    source = open_source(settings, calls)
    if RAW_TICKERS.name not in source.datasets or source.routes(now.astimezone(calendars.NEW_YORK).date()):
        raise SettingsError(
            f"{source.name}: it does not say whom it lists. Name the tickers, ORION_TICKERS=AAPL,MSFT or orion tickers"
            " add AAPL, or search with ORION_SOURCE=polygon and its key"
        )
    return ReferenceLister(source, now)


def exchange_status(settings: Settings, calls: CallLog) -> ExchangeStatus:
    """Ask the source of the settings for the exchange's hours, now and on the days to come: two calls.

    Raises:
        SettingsError: The source says nothing of them.
        OrionError: As `Transport.get`.
    """
    if settings.source != "polygon":
        raise SettingsError(
            f"{settings.source}: it says nothing of the exchange's hours; set ORION_SOURCE=polygon and its key"
        )
    from orion_assets.sources.polygon.status import exchange_status as asked  # noqa: PLC0415 - the client is slow

    key, rights = _polygon_rights(settings)
    transport = _polygon_transport(settings, key, rights, _Budgets(calls, NO_FLOORS))
    try:
        return asked(transport)
    finally:
        transport.close()


def routes_of_plan(settings: Settings, plan: PlanName, today: date) -> Sequence[Route]:
    """Give the routes of a subscription of Polygon, with or without a key of it.

    Args:
        settings: ORION_CALLS_PER_MINUTE speaks of the subscription that ORION_POLYGON_PLAN names, and of no other.
        plan: The subscription.
        today: New York's date.
    """
    rights = RIGHTS[plan]
    rate = _stated_rate(settings) if plan == settings.polygon_plan else None
    rights = replace(rights, rate=rate or rights.rate)
    markets = [*MARKETS.values()]
    of_markets = [*file_routes(rights, today, markets), *market_routes(rights, today, markets)]
    return [*polygon_routes(rights, today), *of_markets]


@dataclass(frozen=True)
class _Budgets:
    """Makes limiters over the one log of calls; knows how far back keys were found to reach."""

    calls: CallLog
    floors: Floors

    def of(self, vendor: str, key: str = "") -> Callable[[Rate, float], Limiter]:
        """Give what makes the limiter of a key, for a rate and for the seconds within which any call has ended."""
        return partial(self._limited, budget_of(vendor, key))

    def _limited(self, budget: str, rate: Rate, lease_s: float) -> Limiter:
        return Limiter(self.calls, budget, rate, lease_s=lease_s, pause=_pause)


def _pause(seconds: float) -> None:
    if seconds > _LONG_S:
        # Of a budget a day nobody sits and watches the clock
        LOG.warning("the calls of the budget are spent; the next one is made in %.0f min", seconds / 60)
    time.sleep(seconds)


def _polygon_rights(settings: Settings) -> tuple[str, Rights]:
    key = _key(settings.polygon_api_key, "polygon", "POLYGON_API_KEY or MASSIVE_API_KEY")
    rights = RIGHTS[settings.polygon_plan]
    rate = _stated_rate(settings) or rights.rate
    return key, replace(rights, rate=rate, in_flight=_in_flight(settings, rate))


def _polygon_transport(settings: Settings, key: str, rights: Rights, budgets: _Budgets) -> Transport:
    from orion_assets.sources.polygon.source import polygon_transport  # noqa: PLC0415 - the vendor's client is slow

    return polygon_transport(key, settings.polygon_base_url, rights, budgets.of("polygon", key), SystemClock())


def _polygon(settings: Settings, budgets: _Budgets) -> Source:
    # The vendor's client takes its time to load, and other sources do without
    from orion_assets.sources.polygon.source import PolygonSource, Reach  # noqa: PLC0415

    key, rights = _polygon_rights(settings)
    transport = _polygon_transport(settings, key, rights, budgets)
    reach = Reach(
        _flat_files(settings, budgets), settings.loaded_markets, budget_of(PolygonSource.name, key), budgets.floors
    )
    main = PolygonSource(transport, rights, reach)
    return _with_vix(main, settings.polygon_base_url, budgets, [main])


def _alpaca(settings: Settings, budgets: _Budgets) -> Source:
    from orion_assets.sources.alpaca.routes import RATES  # noqa: PLC0415 - likewise
    from orion_assets.sources.alpaca.source import open_alpaca  # noqa: PLC0415

    rate = _stated_rate(settings) or RATES[settings.alpaca_plan]
    key = _key(settings.alpaca_api_key, "alpaca", "ALPACA_API_KEY")
    secret = _key(settings.alpaca_secret_key, "alpaca", "ALPACA_SECRET_KEY")
    main = open_alpaca(
        (key, secret),
        budgets.of("alpaca", key),
        SystemClock(),
        base_url=settings.alpaca_base_url,
        budget=Budget("alpaca", rate, in_flight=_in_flight(settings, rate)),
        feed=settings.alpaca_feed,
    )
    return _with_vix(main, settings.alpaca_base_url, budgets)


def _alphavantage(settings: Settings, budgets: _Budgets) -> Source:
    from orion_assets.sources.alphavantage import open_alphavantage  # noqa: PLC0415 - likewise

    key = _key(settings.alphavantage_api_key, "alphavantage", "ALPHAVANTAGE_API_KEY")
    url = settings.alphavantage_base_url
    main = open_alphavantage(
        key,
        budgets.of("alphavantage", key),
        SystemClock(),
        base_url=url,
        is_full=settings.alphavantage_full,
        rate=_stated_rate(settings),
    )
    return _with_vix(main, url, budgets)


def _yahoo(_: Settings, budgets: _Budgets) -> Source:
    from orion_assets.sources.yahoo.source import open_yahoo  # noqa: PLC0415 - likewise

    return open_yahoo(budgets.of("yahoo"))


_VENDORS: Final[Mapping[str, Callable[[Settings, _Budgets], Source]]] = {
    "polygon": _polygon,
    "alpaca": _alpaca,
    "alphavantage": _alphavantage,
    "yahoo": _yahoo,
}


def _with_vix(main: Source, url: str, budgets: _Budgets, first: Sequence[Source] = ()) -> Source:
    """Put the ladder of the VIX before a source: those of its rungs that stand first, then Cboe, then Yahoo."""
    if is_on_this_machine(url):
        # A market that never was must not be told the VIX of this world
        return main
    from orion_assets.sources.yahoo.source import open_yahoo  # noqa: PLC0415 - likewise

    others = (open_cboe(budgets.of("cboe"), SystemClock()), open_yahoo(budgets.of("yahoo")))
    return with_vix(main, VixLadder([*first, *others]))


def _flat_files(settings: Settings, budgets: _Budgets) -> "FlatFiles | None":
    from orion_assets.sources.polygon.files import open_flat_files  # noqa: PLC0415 - boto3 takes its time to load

    keys = settings.polygon_s3_access_key, settings.polygon_s3_secret_key
    if keys == (None, None):
        return None
    if keys[0] is None or keys[1] is None:
        raise SettingsError(
            "flat files: one of two keys is set; set POLYGON_S3_ACCESS_KEY and POLYGON_S3_SECRET_KEY, or neither"
        )
    pair = keys[0].get_secret_value(), keys[1].get_secret_value()
    return open_flat_files(
        pair,
        settings.polygon_s3_endpoint_url,
        budgets.of("polygon_files", pair[0]),
        keeps_bytes=settings.flat_files_kept == "whole",
    )


def _key(found: SecretStr | None, source: str, names: str) -> str:
    if found is None:
        raise SettingsError(f"source {source}: no key is set; set {names} in the environment or .env")
    return found.get_secret_value()


def _in_flight(settings: Settings, rate: Rate) -> int:
    # Of a few calls a minute, two at a time only wait for one another
    return settings.max_in_flight if rate.calls >= _SIDE_BY_SIDE * rate.window_s else 1


def _stated_rate(settings: Settings) -> Rate | None:
    """Give the rate that the settings state; None where they leave it to the subscription."""
    if settings.calls_per_minute is None:
        return None
    return _UNLIMITED if settings.calls_per_minute == "unlimited" else Rate(settings.calls_per_minute)
