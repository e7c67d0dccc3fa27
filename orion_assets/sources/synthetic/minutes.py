"""Minute bars under the daily bars of the synthetic exchange, made when asked for and the same every time.

A session's minutes depend on seed, ticker and session alone, whatever else is asked for with them. Prices as traded;
extended hours (04:00 to 20:00 New York, to 17:00 on half-days) are told apart by their time only, as vendors do.
"""

from dataclasses import dataclass
from typing import Final
from zlib import crc32

import numpy as np
import numpy.typing as npt
import polars as pl

from orion_assets.sources.synthetic import paths
from orion_assets.sources.synthetic.paths import Floats

Flags = npt.NDArray[np.bool_]

SLOTS: Final = 960
_OPEN: Final = 330
_CLOSE: Final = 720
_HALF_DAY_CLOSE: Final = 540
_HALF_DAY_SLOTS: Final = 780
_US_A_MINUTE: Final = 60_000_000
_STREAM: Final = 9
# Odd lots and late prints are in the day's volume only: its minutes sum to some 12 % less
_REGULAR_SHARE: Final = 0.84
_EXTENDED_SHARE: Final = 0.04
_PRICES: Final = ("open", "high", "low", "close")


@dataclass(frozen=True)
class _Days:
    """Daily bars as columns of shape (bars, 1), and the draws and slots of their minutes, of shape (bars, SLOTS)."""

    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    trades: Floats
    normals: Floats
    uniforms: Floats
    is_regular: Flags
    is_after: Flags
    is_listed: Flags


def minute_bars(seed: int, bars: pl.DataFrame, sessions: pl.DataFrame) -> pl.DataFrame:
    """Give the minutes that make up daily bars.

    Args:
        seed: Whose market it is.
        bars: `ticker`, `session`, `open`, `high`, `low`, `close` (USD), `volume` (shares), `trade_count`; any order.
        sessions: calendars.sessions() rows that hold every session of the bars.

    Returns:
        A row for each minute with trades: `ticker`, `session`, `ts_open` (UTC), prices, `volume`, `vwap`,
        `trade_count`; no nulls; in the order of `bars`, then by time. Regular minutes open at the day's open, close at
        its close and touch its extremes; volumes sum to less than the day's. Fractional shares where the day has them.
    """
    told = bars.join(sessions.select("session", "ts_open", "is_half_day"), on="session", maintain_order="left")
    days = _days(seed, told)
    volume, is_traded = _volumes(days)
    minutes = _prices(days, is_traded)
    row, slot = np.nonzero(is_traded)
    columns: dict[str, Floats] = {name: minutes[name][row, slot] for name in _PRICES}
    # The regular session opens at 09:30, 330 minutes after the first slot; no clock changes between 04:00 and 20:00
    opens = told["ts_open"].dt.timestamp("us").to_numpy()
    starts = opens[row] + (slot - _OPEN) * _US_A_MINUTE
    return pl.DataFrame(
        {
            "ticker": told["ticker"].gather(row),
            "session": told["session"].gather(row),
            "ts_open": pl.Series(starts, dtype=pl.Int64).cast(pl.Datetime("us", "UTC")),
            **columns,
            "volume": volume[row, slot],
            "vwap": paths.vwap(*(columns[name] for name in _PRICES)),
            "trade_count": np.maximum(paths.trade_count(volume[row, slot]), 1.0),
        }
    )


def _days(seed: int, told: pl.DataFrame) -> _Days:
    normals, uniforms = np.empty((told.height, 3, SLOTS)), np.empty((told.height, SLOTS))
    for at, (ticker, session) in enumerate(told.select("ticker", "session").iter_rows()):
        rng = np.random.default_rng([seed, crc32(ticker.encode()), session.toordinal(), _STREAM])
        rng.standard_normal(out=normals[at])
        rng.random(out=uniforms[at])
    is_half = told["is_half_day"].to_numpy()[:, None]
    slots = np.arange(SLOTS)[None, :]
    close = np.where(is_half, _HALF_DAY_CLOSE, _CLOSE)
    names = (*_PRICES, "volume", "trade_count")
    opened, high, low, last, volume, trades = (told[name].fill_null(1.0).to_numpy()[:, None] for name in names)
    is_regular = (slots >= _OPEN) & (slots < close)
    is_listed = slots < np.where(is_half, _HALF_DAY_SLOTS, SLOTS)
    bars = (opened, high, low, last, volume, trades)
    return _Days(*bars, normals, uniforms, is_regular, slots >= close, is_listed)


def _volumes(days: _Days) -> tuple[Floats, Flags]:
    """Give the shares of each minute, and which of them trade at all."""
    after_open = np.maximum(np.arange(SLOTS) - _OPEN, 0)
    to_close = np.maximum(days.is_regular.sum(axis=1, keepdims=True) - 1 - after_open, 0)
    smile: Floats = 1 + 2.5 * np.exp(-after_open / 18) + 2.0 * np.exp(-to_close / 14)
    weights = smile * np.exp(0.5 * days.normals[:, 0])
    regular: Floats = weights * days.is_regular
    extended: Floats = weights * (days.is_listed & ~days.is_regular)
    share: Floats = _REGULAR_SHARE * regular / regular.sum(axis=1, keepdims=True)
    share += _EXTENDED_SHARE * extended / extended.sum(axis=1, keepdims=True)
    volume: Floats = days.volume * share
    is_whole = days.volume == np.floor(days.volume)
    volume = np.where(is_whole, np.floor(volume), np.floor(volume * 1e6) / 1e6)
    # Trades arrive at random, so that a minute has none with probability exp(-expected)
    is_traded: Flags = (days.uniforms < -np.expm1(-days.trades * share)) & (volume > 0)
    busiest = (np.arange(len(regular)), regular.argmax(axis=1))
    is_traded[busiest] = True
    volume[busiest] = np.maximum(volume[busiest], np.minimum(days.volume[:, 0], 1.0))
    return volume, is_traded


def _prices(days: _Days, is_traded: Flags) -> dict[str, Floats]:
    is_regular = is_traded & days.is_regular
    path = _regular_path(days, is_regular)
    before = np.concatenate((days.open, path[:, :-1]), axis=1)
    unit = np.log(days.high / days.low) / 12
    high = np.clip(np.maximum(before, path) * np.exp(unit * np.abs(days.normals[:, 2])), days.low, days.high)
    low = np.clip(np.minimum(before, path) * np.exp(-unit * np.abs(days.normals[:, 0])), days.low, days.high)
    high, low = np.maximum(paths.as_quoted(high), path), np.minimum(paths.as_quoted(low), path)
    high, low = np.maximum(high, before), np.minimum(low, before)
    rows = np.arange(len(path))
    high[rows, np.where(is_regular, high, -np.inf).argmax(axis=1)] = days.high[:, 0]
    low[rows, np.where(is_regular, low, np.inf).argmin(axis=1)] = days.low[:, 0]
    outside = _extended(days, is_traded & ~days.is_regular)
    inside: dict[str, Floats] = {"open": before, "high": high, "low": low, "close": path}
    return {name: np.where(days.is_regular, inside[name], outside[name]) for name in _PRICES}


def _regular_path(days: _Days, is_regular: Flags) -> Floats:
    """Give each slot's last price: a bridge from the day's open to its close over the minutes that trade."""
    count = is_regular.sum(axis=1, keepdims=True)
    done = np.cumsum(is_regular, axis=1) / count
    walk = np.cumsum(days.normals[:, 1] * is_regular, axis=1)
    bridge = walk - walk[:, -1:] * done
    unit = 0.6 * np.log(days.high / days.low) / np.sqrt(count)
    path = days.open * np.exp(np.log(days.close / days.open) * done + unit * bridge)
    path = paths.as_quoted(np.clip(path, days.low, days.high))
    return np.where(done == 0, days.open, np.where(done == 1, days.close, path))


def _extended(days: _Days, is_traded: Flags) -> dict[str, Floats]:
    """Give prices before the open, drifting to it, and after the close, drifting from it; extremes may lie beyond."""
    unit = np.log(days.high / days.low) / 30 + 1e-4
    steps = unit * days.normals[:, 1] * is_traded
    after = np.cumsum(steps * days.is_after, axis=1)
    early = steps * ~days.is_after
    before = np.cumsum(early, axis=1) - early.sum(axis=1, keepdims=True)
    last = np.where(days.is_after, days.close * np.exp(after), days.open * np.exp(before))
    first = last * np.exp(-steps)
    high = np.maximum(first, last) * np.exp(unit * np.abs(days.normals[:, 2]))
    low = np.minimum(first, last) * np.exp(-unit * np.abs(days.normals[:, 0]))
    told: dict[str, Floats] = {"open": first, "high": high, "low": low, "close": last}
    return {name: paths.as_quoted(values) for name, values in told.items()}
