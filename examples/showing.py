"""What the examples print at their end: the layers, one feature table, prices around a split, the next step."""

from collections.abc import Sequence

import polars as pl

from orion_assets.cli.output import OUT, frame
from orion_assets.schemas import TABLES
from orion_assets.settings import Settings
from orion_assets.store.lake import Lake
from orion_assets.store.opening import open_store
from orion_assets.store.protocols import FeatureReader


def layers(settings: Settings) -> None:
    """Print rows, tickers and sessions of every table of the lake."""
    lake = Lake(settings.lake_url, settings.storage_options())
    rows = []
    for table in TABLES.values():
        held = lake.read(table)
        sessions = held["session"] if "session" in held.columns else pl.Series([], dtype=pl.Date)
        rows.append(
            {
                "table": table.name,
                "rows": held.height,
                "tickers": held["ticker"].n_unique() if "ticker" in held.columns else None,
                "sessions": sessions.n_unique() or None,
                "first": sessions.min(),
                "last": sessions.max(),
            }
        )
    frame(pl.DataFrame(rows, infer_schema_length=None), as_json=False, title="Rows per layer")


def split(store: FeatureReader, ticker: str, start: str, end: str) -> None:
    """Print a ticker's close around a split, as traded and split-adjusted."""
    columns = ("ticker", "session", "close", "volume")
    traded = store.bars([ticker], start=start, end=end).select(columns)
    adjusted = store.bars([ticker], start=start, end=end, adjusted="split").select(columns)
    both = traded.join(adjusted, on=["ticker", "session"], suffix="_split")
    frame(both, as_json=False, title=f"{ticker} around its split: as traded, and in the units of its last session")


def total_return(store: FeatureReader, ticker: str) -> None:
    """Print the last total-return closes, or why there are none."""
    try:
        rows = store.bars([ticker], adjusted="total_return").tail(3).select("ticker", "session", "close")
    except ValueError as e:
        OUT.print(f"total_return: {e}")
    else:
        frame(rows, as_json=False, title=f"{ticker}, dividends reinvested")


def features(store: FeatureReader, tickers: Sequence[str], session: str, end: str, columns: Sequence[str]) -> None:
    """Print one feature table: both decision instants of a session."""
    rows = store.features(list(tickers), start=session, end=end, cutoff="both", columns=list(columns))
    frame(rows, as_json=False, title=f"feature_matrix of {session}: what a model may read at each cut-off (UTC)")


def opened(settings: Settings) -> FeatureReader:
    """Open the example's store."""
    return open_store(settings.store_url)
