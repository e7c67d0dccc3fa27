"""Which sources there are, by the name that ORION_SOURCE gives them."""

import time
from collections.abc import Mapping
from datetime import date
from functools import partial
from typing import Final

from orion_assets.clock import SystemClock
from orion_assets.errors import SettingsError
from orion_assets.settings import Settings
from orion_assets.sources.cboe import open_cboe
from orion_assets.sources.files.source import FilesSource
from orion_assets.sources.ladder import VixLadder, with_vix
from orion_assets.sources.limiter import CallLog, Limiter, Rate, budget_of
from orion_assets.sources.none import NoSource
from orion_assets.sources.protocols import Source
from orion_assets.sources.synthetic.cast import END
from orion_assets.sources.synthetic.source import SyntheticSource
from orion_assets.sources.transport import is_on_this_machine

# First day of which a source will never speak; the others go on
ENDS: Final[Mapping[str, date]] = {SyntheticSource.name: END}
# Paid plans have no limit by the minute; beyond this many a second the vendor asks to slow down
_UNLIMITED: Final = Rate(100, 1.0)


def open_source(settings: Settings, calls: CallLog) -> Source:
    """Open the source that the settings name; `none` gives one that tells whoever asks what to set.

    Args:
        settings: The deployment.
        calls: The log of calls, which those who share a key share.

    Raises:
        SettingsError: A mapping or a key is missing or wrong.
    """
    if settings.source == NoSource.name:
        return NoSource()
    if settings.source == SyntheticSource.name:
        return SyntheticSource()
    if settings.source == "polygon":
        return _polygon(settings, calls)
    if not settings.files_mapping:
        raise SettingsError("source files: no mapping is named; set ORION_FILES_MAPPING=path/to/mapping.toml")
    return FilesSource(settings.files_mapping, settings.files_root)


def _polygon(settings: Settings, calls: CallLog) -> Source:
    # The vendor's client takes its time to load, and other sources do without
    from orion_assets.sources.polygon.source import open_polygon  # noqa: PLC0415
    from orion_assets.sources.yahoo.source import open_yahoo  # noqa: PLC0415

    if settings.polygon_api_key is None:
        raise SettingsError(
            "source polygon: no key is set; set POLYGON_API_KEY or MASSIVE_API_KEY in the environment or .env"
        )
    key, clock = settings.polygon_api_key.get_secret_value(), SystemClock()

    def limited(budget: str, rate: Rate, lease_s: float) -> Limiter:
        return Limiter(calls, budget, rate, lease_s=lease_s, pause=time.sleep)

    def limited_by_plan(rate: Rate, lease_s: float) -> Limiter:
        return limited(budget_of("polygon", key), _rate(settings, rate), lease_s)

    markets = settings.loaded_markets
    main = open_polygon(key, settings.polygon_base_url, settings.polygon_plan, limited_by_plan, clock, markets)
    if is_on_this_machine(settings.polygon_base_url):
        # A market that never was must not be told the VIX of this world
        return main
    others = (
        open_cboe(partial(limited, budget_of("cboe", "")), clock),
        open_yahoo(partial(limited, budget_of("yahoo", ""))),
    )
    return with_vix(main, VixLadder([main, *others]))


def _rate(settings: Settings, of_plan: Rate) -> Rate:
    if settings.calls_per_minute is None:
        return of_plan
    return _UNLIMITED if settings.calls_per_minute == "unlimited" else Rate(settings.calls_per_minute)
