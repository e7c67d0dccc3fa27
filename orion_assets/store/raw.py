"""All that the lake says of some tickers: the raw tables from which their features can be made anew."""

from collections.abc import Sequence

import polars as pl

from orion_assets.schemas import RAW_NEWS, RAW_TICKERS, RAW_UNIVERSE
from orion_assets.store.lake import Lake
from orion_assets.transforms.news import bearing
from orion_assets.transforms.pipeline import RAW, kin


def raw_of(lake: Lake, tickers: Sequence[str]) -> dict[str, pl.DataFrame]:
    """Read the raw tables of some tickers, and of those that ever shared a security with one of them.

    Args:
        lake: Where raw was landed.
        tickers: Whose features are to be made.

    Returns:
        Raw tables by name, all versions, as `derive` takes them; what belongs to no ticker (VIX, answers about the
        whole market) is there whole; of the news the articles that bear upon them.
    """
    names = kin(lake.read(RAW_TICKERS), tickers)
    raw = {table.name: lake.read(table, tickers=names if "ticker" in table.names else None) for table in RAW}
    return raw | {RAW_NEWS.name: bearing(raw[RAW_NEWS.name], names)}


def followed_ever(lake: Lake) -> list[str]:
    """List the tickers that were ever followed, and those that ever shared a security with one of them."""
    return kin(lake.read(RAW_TICKERS), lake.read(RAW_UNIVERSE)["ticker"].unique().to_list())
