"""Which sources there are, by the name that ORION_SOURCE gives them."""

import time
from collections.abc import Callable, Mapping
from datetime import date
from functools import partial
from typing import TYPE_CHECKING, Final

from orion_assets.clock import SystemClock
from orion_assets.errors import SettingsError
from orion_assets.settings import Settings
from orion_assets.sources.cboe import open_cboe
from orion_assets.sources.choosing import chosen
from orion_assets.sources.files.source import FilesSource
from orion_assets.sources.ladder import VixLadder, with_vix
from orion_assets.sources.limiter import CallLog, Limiter, Rate, budget_of
from orion_assets.sources.none import NoSource
from orion_assets.sources.protocols import Source
from orion_assets.sources.synthetic.cast import END
from orion_assets.sources.synthetic.source import SyntheticSource
from orion_assets.sources.transport import is_on_this_machine

if TYPE_CHECKING:
    from orion_assets.sources.polygon.files import FlatFiles

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
    return chosen(_opened(settings, calls), settings.datasets)


def _opened(settings: Settings, calls: CallLog) -> Source:
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

    files = _flat_files(settings, limited)
    main = open_polygon(key, settings.polygon_base_url, settings.polygon_plan, limited_by_plan, clock, files=files)
    if is_on_this_machine(settings.polygon_base_url):
        # A market that never was must not be told the VIX of this world
        return main
    others = (
        open_cboe(partial(limited, budget_of("cboe", "")), clock),
        open_yahoo(partial(limited, budget_of("yahoo", ""))),
    )
    return with_vix(main, VixLadder([main, *others]))


def _flat_files(settings: Settings, limited: Callable[[str, Rate, float], Limiter]) -> "FlatFiles | None":
    from orion_assets.sources.polygon.files import open_flat_files  # noqa: PLC0415

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
        partial(limited, budget_of("polygon_files", pair[0])),
        keeps_bytes=settings.flat_files_kept == "whole",
    )


def _rate(settings: Settings, of_plan: Rate) -> Rate:
    if settings.calls_per_minute is None:
        return of_plan
    return _UNLIMITED if settings.calls_per_minute == "unlimited" else Rate(settings.calls_per_minute)
