"""Land the reference snapshot of the tickers that a source lists; a range of sessions is the runner's."""

from dataclasses import replace
from typing import Final

import polars as pl

from orion_assets import calendars
from orion_assets.ingest.landing import NOT_VALUES
from orion_assets.ingest.ledger import mark_stale
from orion_assets.ingest.moment import Moment
from orion_assets.ingest.runner import Desk, Landed, refuse_mixture
from orion_assets.schemas import RAW_DIVIDENDS, RAW_SPLITS, RAW_TICKERS, SECURITIES
from orion_assets.sources.protocols import TS_ASSUMED, TS_STATED, Answer, Ask, Source
from orion_assets.tables import UTC_US
from orion_assets.transforms.versions import visible

_IDENTITY: Final = [*SECURITIES.key, "ticker", "valid_to", "is_start_known"]
_VALUES: Final = [name for name in RAW_TICKERS.names if name not in NOT_VALUES]


def land_tickers(desk: Desk, source: Source, moment: Moment) -> Landed:
    """Ask and land the reference snapshot of every ticker the source lists; a repeated call lands nothing.

    A row that is not in the answer stays as landed: a source need not say an old snapshot again. One that could not be
    read is withdrawn, else leaving it out of the file would never take it out of quarantine.
    """
    refuse_mixture(desk, source)
    ask = Ask(RAW_TICKERS.name, calendars.FIRST_DATE, calendars.LAST_DATE, (), moment.now)
    answer = source.read(ask)
    for document in answer.documents:
        desk.archive.put(document.content)
    said = _stamped_reference(answer, moment)

    def versions(held: pl.DataFrame) -> pl.DataFrame:
        last = held.sort("ts_known").unique(RAW_TICKERS.key, keep="last")
        return pl.concat([_changed(said, held, last, moment), _left_out(said, last, moment)])

    commit = desk.lake.append(RAW_TICKERS, versions, start=None, end=None)
    return replace(Landed.nothing(RAW_TICKERS), rows=commit.rows)


def mark_reassigned(desk: Desk, securities: pl.DataFrame, moment: Moment) -> None:
    """Say that features await derivation from the first session or action on that another security bears now.

    Args:
        desk: Where SECURITIES lies as it was.
        securities: SECURITIES rows as they will be.
        moment: The clock of the run.
    """
    before, after = (visible(rows, SECURITIES.key) for rows in (desk.lake.read(SECURITIES), securities))
    moved = pl.concat(
        one.join(other, on=_IDENTITY, how="anti", nulls_equal=True).select(_IDENTITY)
        for one, other in ((before, after), (after, before))
    )
    if moved.is_empty():
        return
    names = pl.col("ticker").is_in(moved["ticker"].to_list())
    days = [desk.lake.read(table).filter(names)["ex_date"] for table in (RAW_SPLITS, RAW_DIVIDENDS)]
    days.append(_reassigned_from(moved, before, after))
    for first in pl.concat(days).sort().head(1):
        mark_stale(desk.state, first, moment)


def _reassigned_from(moved: pl.DataFrame, before: pl.DataFrame, after: pl.DataFrame) -> pl.Series:
    """Give the dates from which bars of moved tickers may belong to another series than before."""
    shapes = _shape(before).join(_shape(after), on="ticker", how="full", coalesce=True, suffix="_after")
    is_simple = pl.all_horizontal(pl.col("is_simple", "is_simple_after").fill_null(value=True))
    is_same = pl.all_horizontal(pl.col(end).eq_missing(pl.col(f"{end}_after")) for end in ("start", "end"))
    # Under another id, or named for the first time: the bars that were one series are the same one still
    renamed = shapes.filter(is_simple & is_same)
    bent = moved.join(renamed, on="ticker", how="anti")
    # Where an interval only ends otherwise, what lies before the earlier end is as it was
    interval = [name for name in _IDENTITY if name != "valid_to"]
    begun = pl.when("is_start_known").then("valid_from").otherwise(calendars.FIRST_DATE)
    since = pl.when(pl.len().over(interval) > 1).then(pl.col("valid_to").min().over(interval)).otherwise(begun)
    return bent.select(ex_date=since).to_series()


def _shape(intervals: pl.DataFrame) -> pl.DataFrame:
    alone = (pl.len().over("ticker") == 1) & (pl.len().over("security_id") == 1)
    start = pl.when("is_start_known").then("valid_from")
    told = intervals.select("ticker", start=start, end="valid_to", is_simple=alone)
    return told.unique("ticker", keep="first", maintain_order=True)


def _changed(said: pl.DataFrame, held: pl.DataFrame, last: pl.DataFrame, moment: Moment) -> pl.DataFrame:
    is_stated = pl.col("availability") == "observed"
    # A stated version may be any of those held, another is held against the last one: A -> B -> A is two changes
    stated = said.filter(is_stated).join(held, on=[*_VALUES, "ts_known"], how="anti", nulls_equal=True)
    changed = pl.concat([stated, said.filter(~is_stated)]).join(last, on=_VALUES, how="anti", nulls_equal=True)
    clocks = last.select(*RAW_TICKERS.key, _last="ts_known")
    is_newest = (pl.col("ts_known") > pl.col("_last")).fill_null(value=True)
    return (
        changed.join(clocks, on=RAW_TICKERS.key, how="left")
        .with_columns(
            ts_known=pl.when(pl.col("_last").is_null() | (is_stated & is_newest))
            .then("ts_known")
            .otherwise(_after("_last", moment))
        )
        .select(RAW_TICKERS.names)
    )


def _left_out(said: pl.DataFrame, last: pl.DataFrame, moment: Moment) -> pl.DataFrame:
    if moment.is_replay:
        return last.clear()
    return (
        last.filter(pl.col("problem").is_not_null() & ~pl.col("is_deleted"))
        .join(said, on=RAW_TICKERS.key, how="anti")
        .with_columns(
            ts_known=_after("ts_known", moment),
            ts_ingested=pl.lit(moment.landing(), UTC_US),
            is_deleted=pl.lit(value=True),
            availability=pl.lit("observed"),
        )
    )


def _after(clock: str, moment: Moment) -> pl.Expr:
    return pl.max_horizontal(pl.lit(moment.landing(), UTC_US), pl.col(clock) + pl.duration(microseconds=1))


def _stamped_reference(answer: Answer, moment: Moment) -> pl.DataFrame:
    return answer.rows.with_columns(
        ts_known=pl.coalesce(TS_STATED, TS_ASSUMED),
        ts_ingested=pl.lit(moment.landing(), UTC_US),
        availability=pl.when(pl.col(TS_STATED).is_null()).then(pl.lit("assumed")).otherwise(pl.lit("observed")),
    ).select(RAW_TICKERS.names)
