"""The fake vendor's Flat Files: a session of the market as one object, put into a bucket of a real S3 server.

Nothing of it is real. Who may list or download what is for the server, or whatever stands before it, to say.
"""

import gzip
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final, Literal, Protocol

import polars as pl

from orion_assets.sources.synthetic.vendor.reply import NEW_YORK
from orion_assets.sources.synthetic.vendor.truth import Truth

Length = Literal["day", "minute"]
BUCKET: Final = "flatfiles"
LENGTHS: Final[Sequence[Length]] = ("day", "minute")
# The vendor's own order; it has no vwap
_COLUMNS: Final = ("ticker", "volume", "open", "close", "high", "low", "window_start", "transactions")
_ALL_DAY: Final = timedelta(days=1)


class S3Client(Protocol):
    """The call of a boto3 S3 client that is made."""

    def put_object(self, **arguments: object) -> Any: ...  # noqa: ANN401, D102


def key_of(session: date, length: Length) -> str:
    """Name the object of a session."""
    return f"us_stocks_sip/{length}_aggs_v1/{session:%Y/%m/%Y-%m-%d}.csv.gz"


def told(truth: Truth, session: date, length: Length) -> pl.DataFrame:
    """Give the rows of an object: its columns in the vendor's order, sorted by ticker and time."""
    if length == "day":
        midnight = datetime(session.year, session.month, session.day, tzinfo=NEW_YORK)
        bars = truth.bars_on(session).with_columns(ts_open=pl.lit(midnight).dt.convert_time_zone("UTC"))
    else:
        closes = truth.sessions.filter(session=session)["ts_close"]
        bars = truth.minutes_so_far(None, session, closes[0] + _ALL_DAY)
    return bars.select(
        *("ticker", "volume", "open", "close", "high", "low"),
        window_start=pl.col("ts_open").dt.timestamp("ns"),
        # Of a single trade the market tells no count; the vendor's objects always have one
        transactions=pl.col("trade_count").fill_null(1).cast(pl.Int64),
    ).select(_COLUMNS)


def packed(rows: pl.DataFrame) -> bytes:
    """Write rows as the vendor does: a header, then a line a row, gzip."""
    return gzip.compress(rows.write_csv().encode(), 6, mtime=0)


def put_sessions(
    client: S3Client, truth: Truth, sessions: Iterable[date], lengths: Sequence[Length] = LENGTHS, bucket: str = BUCKET
) -> list[str]:
    """Put the objects of some sessions into a bucket; gives their keys."""
    keys: list[str] = []
    for session in sessions:
        for length in lengths:
            keys.append(key_of(session, length))
            client.put_object(Bucket=bucket, Key=keys[-1], Body=packed(told(truth, session, length)))
    return keys
