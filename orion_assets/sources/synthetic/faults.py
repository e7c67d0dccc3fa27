"""How what planted.py lists gets into the rows that the synthetic source tells, and what the checks must say of it."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta

import polars as pl

from orion_assets import calendars
from orion_assets.sources.protocols import TS_ASSUMED, TS_STATED
from orion_assets.sources.synthetic.market import Market
from orion_assets.sources.synthetic.planted import (
    CORRECTIONS,
    DEFECTS,
    ENDED,
    LATE,
    PLAUSIBLE,
    SPLIT,
    WITHDRAWN,
    Correction,
    Defect,
)
from orion_assets.tables import UTC_US


def with_faults(rows: pl.DataFrame, dataset: str, delay: timedelta) -> pl.DataFrame:
    """Put defects, late arrivals and corrections into the true rows of a raw table, in that order.

    Args:
        rows: Values of the raw table with `ts_event`, `is_deleted` and the clocks of `said_schema`.
        dataset: Its name.
        delay: From an event to its arrival.
    """
    for defect in DEFECTS:
        rows = _with_defect(rows, defect, delay) if defect.dataset == dataset else rows
    for late in LATE:
        if late.dataset == dataset:
            rows = _changed(rows, _at(late.key), {TS_STATED: _utc(late.known)})
    for correction in CORRECTIONS:
        rows = _with_correction(rows, correction) if correction.dataset == dataset else rows
    return rows


def accusations(market: Market) -> pl.DataFrame:
    """Give what the checks must find of a whole market; see `SyntheticSource.planted`."""
    rows = [
        {"kind": defect.kind, "asset": asset, "check": check, "ticker": ticker, "session": session}
        for defect in DEFECTS
        for asset, check in defect.found_by
        for ticker, session in [defect.found_at or (defect.key.get("ticker"), _day(defect.key))]
    ]
    rows += [
        _accusation("split not announced", SPLIT, listed.ticker, split.ex_date)
        for listed in market.cast
        for split in listed.splits
        if not split.is_announced
    ]
    rows += [
        _accusation("halt", PLAUSIBLE, listed.ticker, day)
        for listed in market.cast
        for day in listed.halted
        if calendars.sessions(end=day)["session"][-1] not in listed.halted
    ]
    rows += [
        _accusation("bar withdrawn", check, str(each.key["ticker"]), _day(each.key))
        for each in CORRECTIONS
        if each.is_withdrawn
        for check in (PLAUSIBLE, WITHDRAWN)
    ]
    last = market.sessions["session"][-1]
    traded = market.bars.filter(pl.col("session") == last)["ticker"].to_list()
    rows += [
        _accusation("nobody traded it on the last session", ENDED, listed.ticker, last)
        for listed in market.cast
        if listed.trades_on < 1 and listed.ticker not in traded
    ]
    return pl.DataFrame(rows, schema_overrides={"session": pl.Date}).sort("asset", "check", "session", "ticker")


def _accusation(kind: str, by: tuple[str, str], ticker: str, session: date | None) -> dict[str, object]:
    return {"kind": kind, "asset": by[0], "check": by[1], "ticker": ticker, "session": session}


def _utc(instant: datetime) -> pl.Expr:
    return pl.lit(instant).dt.convert_time_zone("UTC").cast(UTC_US)


def _day(key: Mapping[str, object]) -> date | None:
    found = key.get("session", key.get("date", key.get("ex_date")))
    return found if isinstance(found, date) else None


def _at(key: Mapping[str, object]) -> pl.Expr:
    return pl.all_horizontal(pl.col(name) == pl.lit(value) for name, value in key.items())


def _changed(rows: pl.DataFrame, where: pl.Expr, changes: Mapping[str, pl.Expr]) -> pl.DataFrame:
    return rows.with_columns(
        pl.when(where).then(value).otherwise(pl.col(name)).cast(rows.schema[name]).alias(name)
        for name, value in changes.items()
    )


def _with_defect(rows: pl.DataFrame, defect: Defect, delay: timedelta) -> pl.DataFrame:
    if defect.copies is None:
        kept = rows.filter(~_at(defect.key)) if defect.is_lost else rows
        return _changed(kept, _at(defect.key), defect.changes)
    is_model = (
        _at(defect.copies) if "is_first_of" not in defect.copies else pl.col("session") == defect.copies["is_first_of"]
    )
    model = rows.filter(is_model).head(1)
    named = model.with_columns(pl.lit(value).alias(name) for name, value in defect.key.items())
    extra = _changed(_dated(named, defect, delay), pl.lit(value=True), defect.changes)
    is_there = _at(defect.key)
    return pl.concat([rows.filter(~is_there), extra.select(rows.columns)])


def _dated(row: pl.DataFrame, defect: Defect, delay: timedelta) -> pl.DataFrame:
    """Give a copied row the clocks of its own day."""
    copied, own = _day(defect.copies or {}), _day(defect.key)
    if copied is None or own is None:
        return row
    moved = row.with_columns(
        (
            pl.col("ts_event").dt.convert_time_zone("America/New_York").dt.offset_by(f"{(own - copied).days}d")
        ).dt.convert_time_zone("UTC")
    )
    if "date" in row.columns:
        moved = moved.with_columns(session=pl.lit(calendars.session_at_or_after(own)))
    return moved.with_columns((pl.col("ts_event") + delay).alias(TS_ASSUMED))


def _with_correction(rows: pl.DataFrame, correction: Correction) -> pl.DataFrame:
    """Put the first answer in place of the truth, then the truth or a withdrawal, then the first answer again."""
    where = _at(correction.key)
    # A row of several versions states the clock of each
    first = _changed(rows.filter(where), where, {**correction.first, TS_STATED: pl.col(TS_ASSUMED)})
    later = rows.filter(where).with_columns(
        _utc(correction.known).alias(TS_STATED),
        is_deleted=pl.lit(correction.is_withdrawn),
    )
    versions = [rows.filter(~where), first, later]
    if correction.back:
        versions.append(first.with_columns(_utc(correction.back).alias(TS_STATED)))
    return pl.concat(versions)
