"""Polygon's Flat Files: from the bytes of one day's object to a frame, believed only when whole.

Docs: https://massive.com/docs/flat-files (read 2026-11-21). Prices as traded; `window_start` is nanoseconds UTC; shares
are fractional since 2026; an object may be replaced later, so who stores it keeps its ETag.
"""

import zlib
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Final

import polars as pl

from orion_assets.calendars import NEW_YORK
from orion_assets.errors import AnswerDistrusted
from orion_assets.tables import UTC_US

# Tickers named NA and TRUE are tickers: nothing is guessed, nothing but an empty field is null
COLUMNS: Final[Mapping[str, pl.DataType]] = {
    "ticker": pl.String(),
    "volume": pl.Float64(),
    "open": pl.Float64(),
    "close": pl.Float64(),
    "high": pl.Float64(),
    "low": pl.Float64(),
    "window_start": pl.Int64(),
    "transactions": pl.Int64(),
}
_HEADER: Final = ",".join(COLUMNS).encode()
_GZIP: Final = 16 + zlib.MAX_WBITS


def read_object(name: str, content: bytes, session: date, *, least_tickers: int = 1) -> pl.DataFrame:
    """Read one object of stocks, day or minute aggregates.

    Args:
        name: As errors name it.
        content: The bytes as stored: gzip.
        session: The date it is of, New York.
        least_tickers: With fewer it is taken for a part of itself.

    Returns:
        `ticker`, `ts_open` (UTC), `open`, `high`, `low`, `close` (USD as traded), `volume` (shares), `trade_count`, in
        the order of the object.

    Raises:
        AnswerDistrusted: It is cut or not gzip, its header is another, a value is not what it should be, a row is of
            another date, or a ticker is told twice for one window.
    """
    text = _unpacked(name, content)
    header, _, _ = text.partition(b"\n")
    if header.strip() != _HEADER:
        raise AnswerDistrusted(f"{name}: its header is {header[:120]!r}, and {_HEADER.decode()!r} was expected")
    try:
        rows = pl.read_csv(text, schema=dict(COLUMNS))
    except pl.exceptions.PolarsError as e:
        raise AnswerDistrusted(f"{name}: {str(e).splitlines()[0][:160]}") from e
    _refuse_implausible(name, rows, session, least_tickers)
    return rows.select(
        "ticker",
        pl.col("window_start").cast(pl.Datetime("ns")).dt.replace_time_zone("UTC").cast(UTC_US).alias("ts_open"),
        *("open", "high", "low", "close", "volume"),
        trade_count=pl.col("transactions").cast(pl.Float64),
    )


def _unpacked(name: str, content: bytes) -> bytes:
    inflate = zlib.decompressobj(_GZIP)
    try:
        text = inflate.decompress(content) + inflate.flush()
    except zlib.error as e:
        raise AnswerDistrusted(f"{name}: it is not gzip, or damaged: {e}", is_worth_asking=True) from e
    if not inflate.eof or inflate.unused_data:
        raise AnswerDistrusted(f"{name}: its gzip stream does not end where the object does", is_worth_asking=True)
    return text


def _refuse_implausible(name: str, rows: pl.DataFrame, session: date, least_tickers: int) -> None:
    midnight = datetime(session.year, session.month, session.day, tzinfo=NEW_YORK)
    following = session + timedelta(days=1)
    end = datetime(following.year, following.month, following.day, tzinfo=NEW_YORK)
    first_ns, end_ns = (int(each.timestamp()) * 1_000_000_000 for each in (midnight, end))
    found = rows.select(
        tickers=pl.col("ticker").n_unique(),
        nulls=pl.sum_horizontal(pl.all().null_count()),
        infinite=pl.sum_horizontal((~pl.col(pl.Float64).is_finite()).sum()),
        strange=(~pl.col("window_start").is_between(first_ns, end_ns, closed="left")).sum(),
        # Rows of a ticker stand together, ascending: then no window can stand twice
        disordered=((pl.col("ticker") == pl.col("ticker").shift()) & (pl.col("window_start").diff() <= 0)).sum(),
        runs=(pl.col("ticker") != pl.col("ticker").shift()).sum() + pl.len().clip(0, 1),
    ).row(0, named=True)
    problems = {
        "tickers, too few to be the whole": found["tickers"] if found["tickers"] < least_tickers else 0,
        "values that are missing": found["nulls"],
        "values that are not finite": found["infinite"],
        f"rows that are not of {session}": found["strange"],
    }
    if found["disordered"] or found["runs"] != found["tickers"]:
        problems["windows told twice"] = rows.select("ticker", "window_start").is_duplicated().sum()
    told = ", ".join(f"{count} {what}" for what, count in problems.items() if count)
    if told:
        raise AnswerDistrusted(f"{name}: {told}")
