"""Minutes of markets that trade all the time: of crypto, currencies and indices, which have no auctions and no pauses.

Each minute is told, from the first of its day to the last, and together they make the day's bar to the digit.
"""

from typing import Final
from zlib import crc32

import numpy as np
import polars as pl

from orion_assets.sources.synthetic import paths

_STREAM: Final = 11


def steady_minutes(seed: int, bars: pl.DataFrame) -> pl.DataFrame:
    """Give the minutes of some daily bars.

    Args:
        seed: Whose market it is.
        bars: `ticker`, `session`, prices, `volume` (null where nothing is traded), `ts_open` of the first minute (UTC),
            and `_slots`, the number of minutes.

    Returns:
        `ticker`, `session`, `ts_open`, prices, `volume`, `vwap`, `trade_count`, in the order of the bars and by time.
        The first minute opens at the day's open, the last closes at its close, its extremes are touched, and volumes
        sum to the day's but for rounding. A day's minutes depend on seed, ticker and session alone.
    """
    made = [_day(seed, row) for row in bars.iter_rows(named=True)]
    return pl.concat([_EMPTY, *made])


_EMPTY: Final = pl.DataFrame(
    schema={
        "ticker": pl.String(),
        "session": pl.Date(),
        "ts_open": pl.Datetime("us", "UTC"),
        **dict.fromkeys(("open", "high", "low", "close", "volume", "vwap", "trade_count"), pl.Float64()),
    }
)


def _day(seed: int, bar: dict[str, object]) -> pl.DataFrame:
    opened, high, low, close = (float(str(bar[name])) for name in ("open", "high", "low", "close"))
    slots, session = int(str(bar["_slots"])), bar["session"]
    rng = np.random.default_rng([seed, crc32(f"{bar['ticker']} {session}".encode()), _STREAM])
    done = np.arange(1, slots + 1) / slots
    walk = np.cumsum(rng.standard_normal(slots))
    bridge = np.log(high / low) * 0.6 * (walk - walk[-1] * done) / np.sqrt(slots)
    path = paths.as_quoted(np.clip(np.exp(np.log(opened) + np.log(close / opened) * done + bridge), low, high))
    path[-1] = close
    before = np.concatenate(([opened], path[:-1]))
    tops, bottoms = np.maximum(before, path), np.minimum(before, path)
    tops[tops.argmax()], bottoms[bottoms.argmin()] = high, low
    first = pl.lit(bar["ts_open"]).cast(pl.Datetime("us", "UTC"))
    told = pl.DataFrame({"open": before, "high": tops, "low": bottoms, "close": path})
    is_traded = bar["volume"] is not None
    each = float(str(bar["volume"])) / slots if is_traded else None
    return told.select(
        pl.lit(bar["ticker"]).alias("ticker"),
        pl.lit(session).alias("session"),
        (first + pl.duration(minutes=pl.int_range(pl.len()))).alias("ts_open"),
        "open",
        "high",
        "low",
        "close",
        pl.lit(each, pl.Float64).round(6).alias("volume"),
        pl.lit(pl.Series(paths.vwap(before, tops, bottoms, path))).alias("vwap"),
        pl.lit(4.0 if is_traded else None, pl.Float64).alias("trade_count"),
    )
