"""Polygon's Flat Files: from the bytes of one day's object to a frame, believed only when whole.

Docs: https://massive.com/docs/flat-files (read 2026-11-21). Prices as traded; `window_start` is nanoseconds UTC; shares
are fractional since 2026; an object may be replaced later, so who stores it keeps its ETag. Where objects lie and how
they are fetched stays out.
"""

import logging
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Final, cast

import polars as pl
from isal import isal_zlib

from orion_assets.calendars import NEW_YORK
from orion_assets.errors import AnswerDistrusted
from orion_assets.sources import filing
from orion_assets.tables import UTC_US

LOG: Final = logging.getLogger(__name__)
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
    # 7 and 7.0 are one count
    "transactions": pl.Float64(),
}
# A day of minutes of all stocks unpacks to some 150 MB
MOST_BYTES: Final = 2 * 1024**3
# A few rows that cannot be read are held back; of more the object is broken, and comes whole another time
_MOST_UNREADABLE: Final = 0.05
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


# Columns and zones of crypto and forex are those of stocks and of UTC, unverified: no key was at hand. That their pairs
# have a hyphen (X:BTC-USD) is what others who read them say
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
        the set has none), `problem` (of a row with a value that is missing or cannot be read, and so null), in the
        order of the object.

    Raises:
        AnswerDistrusted: It is cut or not gzip, its header is another, more than a twentieth of its rows cannot be
            read, a row is of another date or of no whole minute, or a ticker is told twice for one window.
    """
    name = of.key(day)
    text = _unpacked(name, content)
    rows = _with_problems(_parsed(name, text, _header(name, text, of)))
    del text
    _refuse_implausible(name, rows, of, day, least_tickers)
    nothing = pl.lit(None, pl.Float64)
    return rows.select(
        "ticker",
        pl.col("window_start").cast(pl.Datetime("ns")).dt.replace_time_zone("UTC").cast(UTC_US).alias("ts_open"),
        *("open", "high", "low", "close"),
        volume=pl.col("volume") if "volume" in of.columns else nothing,
        trade_count=pl.col("transactions") if "transactions" in of.columns else nothing,
        problem="problem",
    )


def _parsed(name: str, text: bytes, schema: Mapping[str, pl.DataType]) -> pl.DataFrame:
    """Read the lines; a value that is not what it should be is null."""
    try:
        return pl.read_csv(text, schema=schema)
    except pl.exceptions.PolarsError as e:
        LOG.warning("%s: %s. It is read value by value", name, _first_line(e))
    try:
        return pl.read_csv(text, schema=schema, ignore_errors=True, encoding="utf8-lossy")
    except pl.exceptions.PolarsError as e:
        raise AnswerDistrusted(f"{name}: {_first_line(e)}", is_worth_asking=True) from e


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0][:160]


def _with_problems(rows: pl.DataFrame) -> pl.DataFrame:
    values = [name for name, dtype in rows.schema.items() if dtype == pl.Float64]
    # Looked for before it is mended: columns of millions that nothing is wrong with stay where they are
    is_finite = rows.select(pl.col(values).is_finite().all()).row(0, named=True)
    mended = [pl.when(pl.col(name).is_finite()).then(name).alias(name) for name in values if not is_finite[name]]
    finite = rows.with_columns(*mended, *([pl.col("ticker").fill_null("")] if rows["ticker"].null_count() else ()))
    if not sum(finite[name].null_count() for name in values):
        return finite.with_columns(problem=pl.lit(None, pl.String))
    told = [pl.when(pl.col(name).is_null()).then(pl.lit(f"{name}: is missing, or no number")) for name in values]
    return finite.with_columns(problem=filing.joined(*told))


def _header(name: str, text: bytes, of: FileSet) -> dict[str, pl.DataType]:
    line = text[: text.find(b"\n") if b"\n" in text[:4096] else 4096].strip()
    named = line.decode("ascii", "replace").split(",")
    if sorted(named) != sorted(of.columns):
        raise AnswerDistrusted(
            f"{name}: its header is {line[:120]!r}, and {','.join(of.columns)} in any order was expected"
        )
    return {column: of.columns[column] for column in named}


def _unpacked(name: str, content: bytes) -> bytes:
    """Unpack all members of a gzip stream; several in a row are one file."""
    texts: list[bytes] = []
    room, rest = MOST_BYTES, content
    while rest or not texts:
        inflate = isal_zlib.decompressobj(_GZIP)
        try:
            texts.append(inflate.decompress(rest, room))
        except _DAMAGED as e:
            raise AnswerDistrusted(f"{name}: it is not gzip, or damaged: {e}", is_worth_asking=True) from e
        room -= len(texts[-1])
        if room <= 0:
            raise AnswerDistrusted(f"{name}: it unpacks to more than {MOST_BYTES} bytes")
        if not inflate.eof:
            raise AnswerDistrusted(f"{name}: its gzip stream does not end where the object does", is_worth_asking=True)
        rest = inflate.unused_data
    return texts[0] if len(texts) == 1 else b"".join(texts)


def _refuse_implausible(name: str, rows: pl.DataFrame, of: FileSet, day: date, least_tickers: int) -> None:
    first_ns, end_ns = _bounds_ns(of, day)
    unit_ns = (of.minutes or 1) * 60_000_000_000
    at = pl.col("window_start")
    is_first = pl.col("ticker").ne_missing(pl.col("ticker").shift())
    found = rows.select(
        tickers=pl.col("ticker").filter(is_first).n_unique(),
        unreadable=pl.col("problem").is_not_null().sum(),
        strange=(~at.is_between(first_ns, end_ns, closed="left")).fill_null(value=True).sum(),
        ragged=(at % unit_ns != 0).sum(),
        # Rows of a ticker stand together, ascending: then no window can stand twice
        disordered=(~is_first & (at.diff() <= 0)).sum(),
        runs=is_first.sum(),
    ).row(0, named=True)
    problems = {
        "tickers, too few to be the whole": found["tickers"] if found["tickers"] < least_tickers else 0,
        "rows that cannot be read": found["unreadable"] if found["unreadable"] > _MOST_UNREADABLE * rows.height else 0,
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
