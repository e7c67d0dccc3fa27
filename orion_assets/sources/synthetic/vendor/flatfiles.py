"""The fake vendor's Flat Files: a day of a market as one object, put into a bucket of a real S3 server.

Nothing of it is real. Who may list or download what is for the server, or whatever stands before it, to say.
"""

import gzip
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, Literal, Protocol
from zoneinfo import ZoneInfo

import polars as pl

from orion_assets.sources.synthetic.vendor.others import OTHERS, Other
from orion_assets.sources.synthetic.vendor.reply import NEW_YORK
from orion_assets.sources.synthetic.vendor.truth import Truth

Length = Literal["day", "minute"]
BUCKET: Final = "flatfiles"
LENGTHS: Final[Sequence[Length]] = ("day", "minute")
FOLDERS: Final[Mapping[str, str]] = {
    "stocks": "us_stocks_sip",
    "indices": "us_indices",
    "crypto": "global_crypto",
    "fx": "global_forex",
}
# The vendor's own order; it has no vwap
_COLUMNS: Final = ("ticker", "volume", "open", "close", "high", "low", "window_start", "transactions")
_OF_INDICES: Final = ("ticker", "open", "close", "high", "low", "window_start")
_ALL_DAY: Final = timedelta(days=1)
_END_OF_TIME: Final = datetime(9999, 1, 1, tzinfo=UTC)


class S3Client(Protocol):
    """The call of a boto3 S3 client that is made."""

    def put_object(self, **arguments: object) -> Any: ...  # noqa: ANN401, D102


def key_of(day: date, length: Length, market: str = "stocks") -> str:
    """Name the object of a day of a market of FOLDERS."""
    return f"{FOLDERS[market]}/{length}_aggs_v1/{day:%Y/%m/%Y-%m-%d}.csv.gz"


def told(truth: Truth, session: date, length: Length) -> pl.DataFrame:
    """Give the rows of an object of stocks: its columns in the vendor's order, sorted by ticker and time."""
    if length == "day":
        bars = truth.bars_on(session).with_columns(ts_open=_midnight(session, str(NEW_YORK)))
    else:
        closes = truth.sessions.filter(session=session)["ts_close"]
        bars = truth.minutes_so_far(None, session, closes[0] + _ALL_DAY)
    return _written(bars)


def told_of(truth: Truth, market: str, day: date, length: Length) -> pl.DataFrame:
    """Give the rows of an object of another market: its day is one of UTC, of indices one of New York.

    Pairs have a hyphen there, `X:SYN-USD`.
    """
    here = sorted((other for other in OTHERS.values() if other.kind == market), key=lambda other: other.ticker)
    made = [_bars_of(truth, other, day, length) for other in here]
    bars = pl.concat([each for each in made if each.height] or made[:1])
    if market == "indices":
        return _written(bars, _OF_INDICES)
    return _written(bars.with_columns(ticker=pl.col("ticker").str.replace("(...)$", "-$1")))


def packed(rows: pl.DataFrame) -> bytes:
    """Write rows as the vendor does: a header, then a line a row, gzip."""
    return gzip.compress(rows.write_csv().encode(), 6, mtime=0)


def put_sessions(
    client: S3Client, truth: Truth, sessions: Iterable[date], lengths: Sequence[Length] = LENGTHS, bucket: str = BUCKET
) -> list[str]:
    """Put the objects of stocks of some sessions into a bucket; gives their keys."""
    keys: list[str] = []
    for session in sessions:
        for length in lengths:
            keys.append(key_of(session, length))
            client.put_object(Bucket=bucket, Key=keys[-1], Body=packed(told(truth, session, length)))
    return keys


def put_days(client: S3Client, truth: Truth, market: str, days: Iterable[date], bucket: str = BUCKET) -> list[str]:
    """Put the objects of another market of some days into a bucket, of days without bars none; gives their keys."""
    keys: list[str] = []
    for day in days:
        for length in LENGTHS:
            rows = told_of(truth, market, day, length)
            if rows.height:
                keys.append(key_of(day, length, market))
                client.put_object(Bucket=bucket, Key=keys[-1], Body=packed(rows))
    return keys


def _bars_of(truth: Truth, other: Other, day: date, length: Length) -> pl.DataFrame:
    if length == "day":
        bars = truth.others_of(other.ticker, _END_OF_TIME, timedelta()).filter(session=day)
        return bars.with_columns(ts_open=_midnight(day, other.zone))
    # A day of UTC is the end of one session of currencies and the beginning of the next, perhaps after a weekend
    minutes = truth.minute_bars(other.ticker, day, day + (3 if other.kind == "fx" else 1) * _ALL_DAY)
    return minutes.filter(pl.col("ts_open").dt.date() == day) if other.has_own_days else minutes


def _midnight(day: date, zone: str) -> pl.Expr:
    return pl.lit(datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone))).dt.convert_time_zone("UTC")


def _written(bars: pl.DataFrame, columns: Sequence[str] = _COLUMNS) -> pl.DataFrame:
    window = pl.col("ts_open").dt.timestamp("ns")
    # Of a single trade the market tells no count; the vendor's objects always have one
    counts = {"transactions": pl.col("trade_count").fill_null(1).cast(pl.Int64)} if "transactions" in columns else {}
    return bars.with_columns(window_start=window, **counts).select(columns)
