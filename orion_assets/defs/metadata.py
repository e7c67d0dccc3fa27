"""What an asset shows of itself: its columns, row counts and spans, all from schemas.py."""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import dagster as dg
import polars as pl

from orion_assets.quality.charts import over
from orion_assets.tables import DTYPE_NAMES, Table

SHOWN_ROWS = 50
# Rows of one session, as Dagster calls them
ROWS = "dagster/partition_row_count"


def columns_of(table: Table) -> dict[str, Any]:
    """Give the Columns tab of a table."""
    columns = [
        dg.TableColumn(
            name=column.name,
            type=DTYPE_NAMES[column.dtype],
            description=f"{column.description} [{column.unit}]" if column.unit else column.description,
            constraints=dg.TableColumnConstraints(nullable=column.is_nullable),
        )
        for column in table.columns
    ]
    return {"dagster/column_schema": dg.TableSchema(columns=columns), "orion/key": ", ".join(table.key)}


def extent(frame: pl.DataFrame) -> Mapping[str, Any]:
    """Give the row count of a frame, and how many sessions from which to which."""
    shown: dict[str, Any] = {"dagster/row_count": frame.height}
    if "session" in frame.columns and frame.height:
        shown |= {"sessions": frame["session"].n_unique(), "first_session": str(frame["session"].min())}
        shown["last_session"] = str(frame["session"].max())
    return shown


def by_session(frame: pl.DataFrame, days: Sequence[date], rows: str = ROWS) -> Mapping[date, Mapping[str, Any]]:
    """Give what the UI plots over sessions: rows, tickers, superseded versions and how full the nullable columns are.

    Args:
        frame: Rows of a table with `session`.
        days: Sessions to speak of; one without rows has none.
        rows: What to call the rows.
    """
    shown = [pl.len().alias(rows)]
    if "ticker" in frame.columns:
        shown.append(pl.col("ticker").n_unique().alias("tickers"))
    if "known_until" in frame.columns:
        shown.append(pl.col("known_until").is_not_null().sum().alias("superseded_versions"))
    values = [name for name, dtype in frame.schema.items() if dtype == pl.Float64]
    if values:
        filled = pl.mean_horizontal(pl.col(name).is_not_null().mean() for name in values)
        shown.append(filled.alias("filled_share"))
    told = {row["session"]: row for row in frame.group_by("session").agg(shown).iter_rows(named=True)}
    none = {rows: 0}
    return {day: {name: v for name, v in told.get(day, none).items() if name != "session"} for day in days}


def chart(counts: Mapping[date, int], what: str) -> Mapping[str, Any]:
    """Give a picture of a count over sessions; the UI's own plots of partitions reach back from today only."""
    drawn = over(counts, what.rpartition("/")[2].replace("partition_row_count", "rows"))
    encoded = b64encode(drawn.encode()).decode()
    return (
        {"over_sessions": dg.MetadataValue.md(f"![over sessions](data:image/svg+xml;base64,{encoded})")}
        if drawn
        else {}
    )


def table_of(frame: pl.DataFrame) -> dg.MetadataValue:
    """Show the first rows of a frame as a table."""
    head = frame.head(SHOWN_ROWS).select(pl.exclude(pl.List(pl.String)))
    shown = head.with_columns(pl.exclude(pl.Float64, pl.Int64, pl.String).cast(pl.String))
    kinds: Mapping[pl.DataType, str] = {pl.Float64(): "float", pl.Int64(): "int"}
    schema = dg.TableSchema(
        columns=[dg.TableColumn(name, kinds.get(dtype, "string")) for name, dtype in shown.schema.items()]
    )
    return dg.MetadataValue.table([dg.TableRecord(row) for row in shown.to_dicts()], schema=schema)
