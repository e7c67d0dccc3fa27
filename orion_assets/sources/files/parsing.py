"""From text cells to values: dates, instants, numbers, flags and tickers, strictly and a column at a time.

A cell that is part of a key or a clock and cannot be read refuses the file; any other leaves a null and a problem.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal

import polars as pl

from orion_assets.errors import SourceRejected
from orion_assets.sources.files.options import NAMED_FORMATS, Block
from orion_assets.tables import UTC_US

NEW_YORK: Final = "America/New_York"
Sign = Literal["price", "positive", "not negative", "optional"]
_MEND: Final = "mend the row, or leave it out with skip_rows"
_ISO: Final = (
    r"^(?<date>\d{4}-\d{2}-\d{2})[T ](?<time>\d{2}:\d{2})(?<seconds>:\d{2})?(?:[.,](?<fraction>\d{1,9}))?"
    r" ?(?<zone>Z|z|UTC|[+-]\d{2}:?\d{2})?$"
)
_EPOCHS: Final = {"epoch_s": 1_000_000, "epoch_ms": 1_000}
_TRUE: Final = ("true", "t", "yes", "y", "1")
_FALSE: Final = ("false", "f", "no", "n", "0", "")


@dataclass(frozen=True)
class Sheet:
    """One table of one file: the mapped columns under Orion's names, and `source_row`.

    Attributes:
        file: The file as the user named it.
        sha256: Hash of the bytes that hold it.
        rows: The cells; text, or Parquet's own types.
        theirs: Name in the file for each of Orion's.
        ticker: Whose rows they are, where no column says it.
    """

    file: str
    sha256: str
    rows: pl.DataFrame
    theirs: Mapping[str, str]
    ticker: str | None = None

    def has(self, column: str) -> bool:
        """Whether the column is mapped."""
        return column in self.rows.columns

    def holding(self, rows: pl.DataFrame) -> "Sheet":
        """Give the same sheet with fewer rows, in one chunk."""
        # Polars 2.1 panics on pl.format over several chunks beside a Series
        return replace(self, rows=rows.rechunk())

    def refuse(self, bad: pl.Series, column: str, why: str, remedy: str = _MEND) -> None:
        """Refuse the file at the first row where `bad` is true.

        Raises:
            SourceRejected: `bad` is true somewhere.
        """
        places = bad.arg_true()
        if places.is_empty():
            return
        row: int = self.rows["source_row"][places[0]]
        found = self.rows[column][places[0]]
        more = f" ({len(places)} such rows)" if len(places) > 1 else ""
        name = self.theirs.get(column, column)
        raise SourceRejected(
            f"{self.file}: row {row}, column {name!r}: found {found!r}, {why}{more}; {remedy}",
            file=self.file,
            row=row,
            column=name,
        )


def text(sheet: Sheet, column: str) -> pl.Series:
    """Give a column as trimmed text, null where it is empty or not mapped."""
    if not sheet.has(column):
        return pl.repeat(None, sheet.rows.height, dtype=pl.String, eager=True).alias(column)
    trimmed = sheet.rows.select(pl.col(column).cast(pl.String).str.strip_chars())[column]
    return trimmed.replace("", None)


def tickers(sheet: Sheet) -> pl.Series:
    """Give the ticker of each row, the sheet's own where no column says it.

    Raises:
        SourceRejected: A ticker is empty or has a space, quote or bracket in it.
    """
    if sheet.ticker is not None:
        return pl.repeat(sheet.ticker, sheet.rows.height, dtype=pl.String, eager=True).alias("ticker")
    found = text(sheet, "ticker")
    sheet.refuse(is_no_ticker(found), "ticker", "which is no ticker")
    return found


def ticker_lists(sheet: Sheet, separator: str) -> pl.Series:
    """Give the list of tickers of each row from a list column or separated text.

    Raises:
        SourceRejected: One of them is no ticker.
    """
    column = sheet.rows["tickers"]
    lists = column if isinstance(column.dtype, pl.List) else text(sheet, "tickers").str.split(separator)
    trimmed = pl.col("tickers").cast(pl.List(pl.String)).list.eval(pl.element().str.strip_chars())
    kept = lists.to_frame().select(trimmed.list.eval(pl.element().filter(pl.element() != "")).fill_null([]))["tickers"]
    flat = pl.DataFrame({"at": pl.int_range(len(kept), eager=True), "ticker": kept}).explode(
        "ticker", empty_as_null=False
    )
    wrong = flat.filter(is_no_ticker(flat["ticker"]))["at"]
    sheet.refuse(pl.int_range(len(kept), eager=True).is_in(wrong.implode()), "tickers", "which holds no ticker")
    return kept


def is_no_ticker(values: pl.Series) -> pl.Series:
    """Say which values cannot be tickers: empty ones and those with a space, quote or bracket."""
    return ~values.str.contains(r"^[^\s\"'\[\](){}<>,;|]+$").fill_null(value=False)


def flags(sheet: Sheet, column: str) -> pl.Series:
    """Give a column of true and false; false where it is empty or not mapped.

    Raises:
        SourceRejected: A cell is neither.
    """
    lower = text(sheet, column).str.to_lowercase().fill_null("")
    is_true = lower.is_in(_TRUE)
    if sheet.has(column):
        sheet.refuse(~is_true & ~lower.is_in(_FALSE), column, "which is neither true nor false")
    return is_true


def dates(sheet: Sheet, column: str, block: Block, label: str | None = None) -> pl.Series:
    """Give exchange-local dates; a stamp with a time of day is taken to New York, an end label to the date it ends.

    Raises:
        SourceRejected: A cell cannot be read, or a stamp comes without its label.
    """
    cells = sheet.rows[column]
    is_midnight = isinstance(cells.dtype, pl.Datetime) and cells.dtype.time_zone is None and label is None
    if cells.dtype == pl.Date() or (is_midnight and bool((cells.dt.time().cast(pl.Int64).fill_null(0) == 0).all())):
        found = cells.cast(pl.Date)
        sheet.refuse(found.is_null(), column, "where a date must stand")
        return found
    if block.has_time or isinstance(cells.dtype, pl.Datetime):
        stamps = instants(sheet, column, block)
        if label is None and "bar_label" in type(block).model_fields:
            everywhere = pl.repeat(value=True, n=len(cells), eager=True)
            sheet.refuse(everywhere, column, "a stamp with a time of day", 'say bar_label = "start" or "end"')
        back = pl.duration(microseconds=1 if label == "end" else 0)
        return stamps.to_frame().select((pl.col(column) - back).dt.convert_time_zone(NEW_YORK).dt.date())[column]
    values = text(sheet, column)
    found = values.str.to_date(block.date_format, strict=False)
    sheet.refuse(found.is_null(), column, f"which is no date {block.date_format}", f"{_MEND}, or correct date_format")
    return found


def instants(
    sheet: Sheet, column: str, block: Block, *, form: str | None = None, may_be_empty: bool = False
) -> pl.Series:
    """Give aware instants in UTC; a naive one is taken in the block's zone, the later of two where a clock goes back.

    Raises:
        SourceRejected: A cell cannot be read, is empty where it may not be, or has no zone and the block neither.
    """
    form = form or block.date_format
    cells = sheet.rows[column]
    if isinstance(cells.dtype, pl.Datetime):
        values, found = cells, _in_utc(cells.cast(pl.Datetime("us", cells.dtype.time_zone)), block.zone)
    else:
        values = text(sheet, column)
        found = _parsed(values, form, block.zone)
    bad = found.is_null() & values.is_not_null() if may_be_empty else found.is_null()
    needs_zone = bad & values.is_not_null() & (block.zone is None) & _parsed_anyway(values, form)
    sheet.refuse(needs_zone, column, "which has no time zone", 'add zone = "America/New_York", or the zone it is in')
    expected = form if form not in NAMED_FORMATS else {"rfc3339": "such as 2014-06-09T12:57:56Z"}.get(form, form)
    sheet.refuse(bad, column, f"which is no instant {expected}", f"{_MEND}, or correct the format")
    return found


def _parsed_anyway(values: pl.Series, form: str) -> pl.Series:
    if values.dtype != pl.String():
        return values.is_not_null()
    return _parsed(values, form, "UTC").is_not_null()


def _in_utc(values: pl.Series, zone: str | None) -> pl.Series:
    dtype = values.dtype
    if isinstance(dtype, pl.Datetime) and dtype.time_zone is not None:
        return values.dt.convert_time_zone("UTC")
    if zone is None:
        return pl.repeat(None, len(values), dtype=UTC_US, eager=True).alias(values.name)
    # The later of the two when clocks go back: never known too early
    return values.dt.replace_time_zone(zone, ambiguous="latest", non_existent="null").dt.convert_time_zone("UTC")


def _parsed(values: pl.Series, form: str, zone: str | None) -> pl.Series:
    if form == "rfc3339":
        return _iso(values, zone)
    if form in _EPOCHS:
        whole = values.cast(pl.Float64, strict=False).round() * _EPOCHS[form]
        return whole.cast(pl.Int64, strict=False).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    return _in_utc(values.str.to_datetime(form, time_unit="us", strict=False), zone)


def _iso(values: pl.Series, zone: str | None) -> pl.Series:
    name = values.name
    part = pl.col(name).struct.field
    micros = part("fraction").fill_null("0").str.pad_end(9, "0").str.slice(0, 6).cast(pl.Int64)
    clock = pl.concat_str(part("date"), pl.lit("T"), part("time"), part("seconds").fill_null(":00"))
    digits = part("zone").str.replace(":", "").str.extract(r"(\d{4})")
    minutes = digits.str.slice(0, 2).cast(pl.Int64) * 60 + digits.str.slice(2, 2).cast(pl.Int64)
    sign = pl.when(part("zone").str.starts_with("-")).then(-1).otherwise(1)
    frame = (
        values.to_frame()
        .select(pl.col(name).str.extract_groups(_ISO))
        .select(
            naive=clock.str.to_datetime("%Y-%m-%dT%H:%M:%S", time_unit="us", strict=False)
            + pl.duration(microseconds=micros),
            offset=pl.when(part("zone").is_not_null()).then(pl.coalesce(minutes * sign, 0)),
        )
    )
    aware = (pl.col("naive") - pl.duration(minutes="offset")).dt.replace_time_zone("UTC")
    local = frame.select(_in_utc(frame["naive"], zone).alias("local"))["local"]
    return frame.with_columns(local).select(
        pl.when(pl.col("offset").is_not_null()).then(aware).otherwise("local").alias(name)
    )[name]


def numbers(sheet: Sheet, signs: Mapping[str, Sign]) -> pl.DataFrame:
    """Give Float64 columns and `problem`, which names what could not be read or has the wrong sign.

    Args:
        sheet: The cells.
        signs: What each column may hold: a "price" above zero, a number "not negative", or an "optional" one that
            may be empty and is not negative.
    """
    columns = [_number(sheet, name, sign) for name, sign in signs.items()]
    problems = [f"{name}_problem" for name in signs]
    return pl.DataFrame([series for pair in columns for series in pair]).select(
        *signs, problem=pl.concat_str(problems, separator="; ", ignore_nulls=True).replace("", None)
    )


def _number(sheet: Sheet, column: str, sign: Sign) -> tuple[pl.Series, pl.Series]:
    cells = text(sheet, column)
    typed = sheet.rows[column] if sheet.has(column) and sheet.rows[column].dtype.is_numeric() else cells
    value, found = pl.col("value"), pl.col("found")
    is_empty = found.is_null()
    is_low = value <= 0 if sign in ("price", "positive") else value < 0
    low = "is not positive" if sign in ("price", "positive") else "is negative"
    frame = pl.DataFrame({"found": cells, "value": typed.cast(pl.Float64, strict=False)}).with_columns(
        value=pl.when(value.is_finite()).then("value")
    )
    problem = (
        pl.when(is_empty).then(pl.lit(None if sign == "optional" else f"{column}: is empty"))
        .when(value.is_null()).then(pl.format(f"{column}: '{{}}' is not a number", found))
        .when(is_low).then(pl.format(f"{column}: {{}} {low}", found))
    )  # fmt: skip
    told = frame.select("value", problem=problem)
    return told["value"].alias(column), told["problem"].alias(f"{column}_problem")


def joined(*problems: str | pl.Expr) -> pl.Expr:
    """Join the problems of a row with "; ", null where there are none."""
    return pl.concat_str(problems, separator="; ", ignore_nulls=True).replace("", None)
