"""What the store says of itself beside its tables: in which sessions a source was asked for each raw dataset.

One fact a month, so that publications of any ranges, in any order, add up to the same: a range replaces the months that
it touches, each told whole by the lake, and leaves the others.
"""

import json
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Final

import polars as pl

from orion_assets import calendars
from orion_assets.schemas import ANSWERED

_PREFIX: Final = "asked "


def months_around(start: date, end: date) -> tuple[date, date]:
    """Widen the sessions [start, end) to whole months, [first day, first day after)."""
    last = end - timedelta(days=1)
    return start.replace(day=1), date(last.year + last.month // 12, last.month % 12 + 1, 1)


def asked_facts(coverage: pl.DataFrame) -> dict[str, str]:
    """Say of each month which sessions were asked for.

    Args:
        coverage: RAW_COVERAGE rows of whole months.

    Returns:
        By fact name, `asked 2014-06`, JSON of the spans of sessions by dataset, both ends included:
        `{"raw_dividends": [["2014-06-16", "2014-06-30"]]}`. A session counts once its close was answered for the
        whole market.
    """
    order = calendars.sessions().select("session", "position")
    is_answer = (pl.col("cutoff") == "close") & (pl.col("ticker") == "*")
    answered = (
        coverage.filter(is_answer & pl.col("state").is_in(ANSWERED))
        .select("dataset", "session")
        .unique()
        .join(order, on="session")
        .sort("dataset", "session")
        .with_columns(month=pl.col("session").dt.strftime("%Y-%m"))
    )
    by_month = ["month", "dataset"]
    # Sessions that follow one another keep their distance to their own numbering
    run = pl.col("position") - pl.int_range(pl.len(), dtype=pl.Int32).over(by_month)
    spans = (
        answered.group_by(*by_month, run.alias("run"))
        .agg(first=pl.col("session").min().cast(pl.String), last=pl.col("session").max().cast(pl.String))
        .sort(*by_month, "first")
    )
    told: dict[str, dict[str, list[list[str]]]] = {}
    for month, dataset, first, last in spans.select(*by_month, "first", "last").iter_rows():
        told.setdefault(f"{_PREFIX}{month}", {}).setdefault(dataset, []).append([first, last])
    return {name: json.dumps(datasets) for name, datasets in told.items()}


def asked_sessions(facts: Mapping[str, str], dataset: str) -> pl.DataFrame:
    """Give the column `session`: the sessions for which some source was asked for a raw dataset, in order."""
    spans = [
        span for name, text in facts.items() if name.startswith(_PREFIX) for span in json.loads(text).get(dataset, [])
    ]
    told = pl.DataFrame(spans, schema={"_first": pl.String, "_last": pl.String}, orient="row")
    bounds = told.with_columns(pl.all().str.to_date("%Y-%m-%d"))
    return (
        calendars.sessions()
        .select("session")
        .join_where(bounds, pl.col("session") >= pl.col("_first"), pl.col("session") <= pl.col("_last"))
        .select("session")
        .unique()
        .sort("session")
    )
