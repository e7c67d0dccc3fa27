"""From a store URL to the engine that serves it; the one place that knows which engines there are."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from orion_assets.errors import SettingsError
from orion_assets.store.duckdb import DuckDBStore
from orion_assets.store.lake import Lake
from orion_assets.store.minutes import LakeMinutes
from orion_assets.store.protocols import FeatureReader, FeatureWriter

_DUCKDB: Final = "duckdb:///"


def open_store(url: str, lake: Callable[[], Lake] | None = None) -> FeatureReader:
    """Open a store for reading, at its newest publication.

    Args:
        url: `duckdb:///relative/path`, `duckdb:////absolute/path`, or a plain path.
        lake: Opens the lake that holds the minutes of the same deployment; without it minutes are refused.

    Returns:
        A reader that stays with that publication until `refresh`; use it in a `with` statement or close it.

    Raises:
        SettingsError: No engine serves such a URL.
        StoreUnavailable: There is no store.
    """
    store = DuckDBStore(_path(url), minutes=LakeMinutes(lake) if lake else None)
    store.refresh()
    return store


def open_writer(url: str) -> FeatureWriter:
    """Give the writer of a store, which need not exist yet.

    Raises:
        SettingsError: No engine serves such a URL.
    """
    return DuckDBStore(_path(url))


def is_there(url: str) -> bool:
    """Say whether a store was ever published at a URL, readable or not."""
    return _path(url).exists()


def _path(url: str) -> Path:
    location = url.removeprefix(_DUCKDB)
    if not location:
        raise SettingsError(f"ORION_STORE_URL {url!r} names no file; write duckdb:///data/store.duckdb")
    if "://" in location:
        # The rest of a URL may hold a password
        scheme = location.partition("://")[0]
        raise SettingsError(
            f"ORION_STORE_URL: no feature store speaks {scheme}://; set it to duckdb:///data/store.duckdb (relative),"
            " duckdb:////data/store.duckdb (absolute) or a plain path"
        )
    return Path(location)
