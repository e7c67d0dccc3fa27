"""Point-in-time market features. The public API for research is `open_store`; what is heavy loads on first use."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orion_assets.store.protocols import FeatureReader

__all__ = ["open_store"]


def open_store(url: str | None = None) -> "FeatureReader":
    """Open the feature store for reading.

    Minute bars are read from the lake that ORION_LAKE_URL of the environment or `.env` names.

    Args:
        url: Such as `duckdb:///data/store.duckdb`; ORION_STORE_URL of the environment or `.env` when None.

    Returns:
        A reader that stays with the newest publication of this moment until `refresh`; use it in a `with` statement.

    Raises:
        SettingsError: No engine serves such a URL.
        StoreUnavailable: There is no store yet.
    """
    from orion_assets import settings  # noqa: PLC0415 - importing the package must stay quick
    from orion_assets.store import opening  # noqa: PLC0415
    from orion_assets.store.lake import Lake  # noqa: PLC0415

    def lake() -> Lake:
        found = settings.load()
        return Lake(found.lake_url, found.storage_options(found.lake_url))

    return opening.open_store(url or settings.load().store_url, lake)
