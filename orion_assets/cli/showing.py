"""Pieces of what the demo and the examples print: rows of every layer, one feature table."""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from orion_assets.calendars import CUTOFFS
from orion_assets.cli.output import OUT, frame
from orion_assets.schemas import IN_OTHER_MARKETS, RAW_OBJECTS, TABLES
from orion_assets.settings import Settings
from orion_assets.store.lake import Lake
from orion_assets.store.protocols import FeatureReader


def layers(settings: Settings) -> None:
    """Print rows, tickers and sessions of every table of the lake."""
    lake = Lake(settings.lake_url, settings.storage_options(settings.lake_url))
    rows: list[dict[str, object]] = []
    few_have = {RAW_OBJECTS.name, *(table.name for table in TABLES.values() if table.is_intraday), *IN_OTHER_MARKETS}
    for table in (each for each in TABLES.values() if each.name not in few_have or lake.exists(each)):
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


def in_order(rows: pl.DataFrame) -> pl.DataFrame:
    """Sort rows of the feature matrix as a day goes; the store sorts by the letters, close before open."""
    return rows.sort("ticker", "session", pl.col("cutoff").cast(pl.Enum(CUTOFFS)))


def page(settings: Settings) -> None:
    """Print where the newest page on quality lies, from here."""
    newest = max(settings.report_folder.glob("*.html"), key=lambda place: place.stat().st_mtime)
    here = Path.cwd()
    OUT.print(f"quality report: {newest.relative_to(here) if newest.is_relative_to(here) else newest}")


def features(store: FeatureReader, tickers: Sequence[str], session: str, end: str, columns: Sequence[str]) -> None:
    """Print one feature table: both decision instants of a session."""
    rows = store.features(list(tickers), start=session, end=end, cutoff="both", columns=list(columns))
    frame(
        in_order(rows), as_json=False, title=f"feature_matrix of {session}: what a model may read at each cut-off (UTC)"
    )
