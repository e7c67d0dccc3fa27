"""Polygon's Flat Files: from the bytes of one day's object to a frame, believed only when whole.

Docs: https://massive.com/docs/flat-files (read 2026-11-21). Prices as traded; `window_start` is nanoseconds UTC; shares
are fractional since 2026; an object may be replaced later, so who stores it keeps its ETag. Where objects lie and how
they are fetched stays out.
"""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Final, cast

import polars as pl
from isal import isal_zlib

from orion_assets.calendars import NEW_YORK
from orion_assets.errors import AnswerDistrusted
from orion_assets.tables import UTC_US

# Tickers named NA and TRUE are tickers: nothing is guessed, nothing but an empty field is null
_INDEX_COLUMNS: Final[Mapping[str, pl.DataType]] = {
    "ticker": pl.String(),
    "open": pl.Float64(),
    "close": pl.Float64(),
    "high": pl.Float64(),
    "low": pl.Float64(),
    "window_start": pl.Int64(),
}
COLUMNS: Final[Mapping[str, pl.DataType]] = {
    **_INDEX_COLUMNS,
    "volume": pl.Float64(),
    "transactions": pl.Int64(),
}
# A day of minutes of all stocks unpacks to some 150 MB
MOST_BYTES: Final = 2 * 1024**3
SUFFIX: Final = ".csv.gz"
_GZIP: Final = 16 + zlib.MAX_WBITS
# Its stub calls the class an instance
_DAMAGED: Final = cast("type[Exception]", isal_zlib.error)


@dataclass(frozen=True)
class FileSet:
    """The files of one market and one length of bar: one object a day.

    Attributes:
        folder: Below the bucket, `us_stocks_sip/minute_aggs_v1`.
        columns: Those that each object has, in whatever order its header names them.
        zone: Whose midnight parts one object from the next.
        minutes: Length of a bar; None where it is the day.
    """

    folder: str
    columns: Mapping[str, pl.DataType]
    zone: tzinfo
    minutes: int | None

    def key(self, day: date) -> str:
        """Name the object of a day."""
        return f"{self.folder}/{day:%Y/%m/%Y-%m-%d}{SUFFIX}"


# Columns and zones of crypto and forex are those of stocks and of UTC, unverified: no key was at hand
_MARKETS: Final[Mapping[str, tuple[str, Mapping[str, pl.DataType], tzinfo]]] = {
    "stocks": ("us_stocks_sip", COLUMNS, NEW_YORK),
    "indices": ("us_indices", _INDEX_COLUMNS, NEW_YORK),
    "crypto": ("global_crypto", COLUMNS, UTC),
    "forex": ("global_forex", COLUMNS, UTC),
}
SETS: Final[Mapping[str, FileSet]] = {
    f"{market}_{length}": FileSet(f"{prefix}/{length}_aggs_v1", columns, zone, minutes)
    for market, (prefix, columns, zone) in _MARKETS.items()
    for length, minutes in (("day", None), ("minute", 1))
}


def read_object(of: FileSet, day: date, content: bytes, *, least_tickers: int = 1) -> pl.DataFrame:
    """Read one object.

    Args:
        of: Whose it is; SETS has them by name, `stocks_minute`.
        day: The date it is of.
        content: The bytes as stored: gzip.
        least_tickers: With fewer it is taken for a part of itself.

    Returns:
        `ticker`, `ts_open` (UTC), `open`, `high`, `low`, `close` (as traded), `volume`, `trade_count` (both null where
        the set has none), in the order of the object.

    Raises:
        AnswerDistrusted: It is cut or not gzip, its header is another, a value is not what it should be, a row is of
            another date or of no whole minute, or a ticker is told twice for one window.
    """
    name = of.key(day)
    text = _unpacked(name, content)
    try:
        rows = pl.read_csv(text, schema=_header(name, text, of))
    except pl.exceptions.PolarsError as e:
        raise AnswerDistrusted(f"{name}: {str(e).splitlines()[0][:160]}", is_worth_asking=True) from e
    del text
    _refuse_implausible(name, rows, of, day, least_tickers)
    nothing = pl.lit(None, pl.Float64)
    return rows.select(
        "ticker",
        pl.col("window_start").cast(pl.Datetime("ns")).dt.replace_time_zone("UTC").cast(UTC_US).alias("ts_open"),
        *("open", "high", "low", "close"),
        volume=pl.col("volume") if "volume" in of.columns else nothing,
        trade_count=pl.col("transactions").cast(pl.Float64) if "transactions" in of.columns else nothing,
    )


def _header(name: str, text: bytes, of: FileSet) -> dict[str, pl.DataType]:
    line = text[: text.find(b"\n") if b"\n" in text[:4096] else 4096].strip()
    named = line.decode("ascii", "replace").split(",")
    if sorted(named) != sorted(of.columns):
        raise AnswerDistrusted(
            f"{name}: its header is {line[:120]!r}, and {','.join(of.columns)} in any order was expected"
        )
    return {column: of.columns[column] for column in named}


def _unpacked(name: str, content: bytes) -> bytes:
    inflate = isal_zlib.decompressobj(_GZIP)
    try:
        text = inflate.decompress(content, MOST_BYTES)
    except _DAMAGED as e:
        raise AnswerDistrusted(f"{name}: it is not gzip, or damaged: {e}", is_worth_asking=True) from e
    if len(text) >= MOST_BYTES:
        raise AnswerDistrusted(f"{name}: it unpacks to more than {MOST_BYTES} bytes")
    if not inflate.eof or inflate.unused_data:
        raise AnswerDistrusted(f"{name}: its gzip stream does not end where the object does", is_worth_asking=True)
    return text


def _refuse_implausible(name: str, rows: pl.DataFrame, of: FileSet, day: date, least_tickers: int) -> None:
    first_ns, end_ns = _bounds_ns(of, day)
    unit_ns = (of.minutes or 1) * 60_000_000_000
    at = pl.col("window_start")
    found = rows.select(
        tickers=pl.col("ticker").n_unique(),
        nulls=pl.sum_horizontal(pl.all().null_count()),
        infinite=pl.sum_horizontal((~pl.col(pl.Float64).is_finite()).sum()),
        strange=(~at.is_between(first_ns, end_ns, closed="left")).sum(),
        ragged=(at % unit_ns != 0).sum(),
        # Rows of a ticker stand together, ascending: then no window can stand twice
        disordered=((pl.col("ticker") == pl.col("ticker").shift()) & (at.diff() <= 0)).sum(),
        runs=(pl.col("ticker") != pl.col("ticker").shift()).sum() + pl.len().clip(0, 1),
    ).row(0, named=True)
    problems = {
        "tickers, too few to be the whole": found["tickers"] if found["tickers"] < least_tickers else 0,
        "values that are missing": found["nulls"],
        "values that are not finite": found["infinite"],
        f"rows that are not of {day}": found["strange"],
        "windows that begin within a minute": found["ragged"],
    }
    if found["disordered"] or found["runs"] != found["tickers"]:
        problems["windows told twice"] = rows.select("ticker", "window_start").is_duplicated().sum()
    told = ", ".join(f"{count} {what}" for what, count in problems.items() if count)
    if told or rows.is_empty():
        raise AnswerDistrusted(f"{name}: {told or 'it has a header and no row'}", is_worth_asking=True)


def _bounds_ns(of: FileSet, day: date) -> tuple[int, int]:
    following = day + timedelta(days=1)
    midnights = (datetime(each.year, each.month, each.day, tzinfo=of.zone) for each in (day, following))
    first, end = (int(midnight.timestamp()) * 1_000_000_000 for midnight in midnights)
    return first, end
