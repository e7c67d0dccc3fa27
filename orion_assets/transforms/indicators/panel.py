"""Bars as contiguous arrays: checks a frame, finds its tickers, and turns arrays back into columns with nulls."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Final, cast

import numpy as np
import polars as pl
import pyarrow as pa

from orion_assets.transforms.indicators.kernels import Floats, Integers

Columns = tuple[Floats, ...]

VALUES: Final = ("open", "high", "low", "close", "volume")


@dataclass(frozen=True)
class Panel:
    """Clean bars of some tickers, as full columns.

    Attributes:
        open: Price of the first trade, forward-adjusted, like all prices here.
        high: Highest price.
        low: Lowest price.
        close: Official close, else last trade.
        volume: Shares, forward-adjusted.
        offsets: Ticker t of this panel is rows `offsets[t]` to `offsets[t + 1]` of the columns.
    """

    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    offsets: Integers

    def blocks(self, rows: int) -> Iterator["Panel"]:
        """Cut into panels over the same columns, each of whole tickers and about `rows` rows."""
        first, last = 0, self.offsets.size - 1
        while first < last:
            until = int(np.searchsorted(self.offsets, int(self.offsets[first]) + rows))
            until = min(max(until, first + 1), last)
            yield replace(self, offsets=self.offsets[first : until + 1])
            first = until


def panel_of(bars: pl.DataFrame, *, clock: str = "session") -> Panel:
    """View a frame of bars as arrays, without a copy where its columns are contiguous.

    Args:
        bars: Columns `ticker` (String), `clock` (a temporal dtype) and open, high, low, close, volume (Float64),
            sorted by (ticker, clock).
        clock: What orders the rows of a ticker: `session`, or `ts_event` for bars within sessions.

    Returns:
        The panel. Values are not read here; see `refuse_not_finite`.

    Raises:
        ValueError: A column is absent, has another dtype or nulls, or the rows are not sorted.
    """
    _check_columns(bars, clock)
    ticker = bars["ticker"]
    edges = (ticker.slice(1) != ticker.slice(0, max(bars.height - 1, 0))).arg_true().to_numpy().astype(np.int64) + 1
    inside = np.concatenate((np.zeros(min(bars.height, 1), np.int64), edges))
    names = cast("list[str]", ticker.gather(inside).to_list())
    for before, name in pairwise(names):
        if name <= before:
            raise ValueError(f"bars: ticker {name} comes after {before}; sort the bars by ticker and {clock}")
    offsets = np.concatenate((inside, np.array([bars.height], np.int64)))
    clocks = cast("Integers", bars[clock].to_physical().rechunk().to_numpy())
    stands = clocks[1:] <= clocks[:-1]
    stands[edges - 1] = False
    if stands.any():
        row = int(stands.argmax()) + 1
        raise ValueError(
            f"bars: {clock} {bars[clock][row]} of {ticker[row]} comes after {bars[clock][row - 1]};"
            f" sort the bars by ticker and {clock}, one row each"
        )
    arrays = [_shared(cast("Floats", bars[name].rechunk().to_numpy())) for name in VALUES]
    return Panel(*arrays, offsets=offsets)


def _shared(values: Floats) -> Floats:
    # The same memory without Polars' read-only flag. Kernels do not write their inputs, but numba compiles all of
    # them once more for read-only arrays: seconds, at each first start
    owner = _Memory(values)
    return np.asarray(owner)


class _Memory:
    def __init__(self, values: Floats) -> None:
        self.values = values  # keeps the column alive
        self.__array_interface__ = {**values.__array_interface__, "data": (values.ctypes.data, False)}


def _check_columns(bars: pl.DataFrame, clock: str) -> None:
    wanted: dict[str, Any] = {"ticker": pl.String, clock: None} | dict.fromkeys(VALUES, pl.Float64)
    for name, dtype in wanted.items():
        if name not in bars.columns:
            raise ValueError(f"bars: column {name} is missing; pass rows shaped as CLEAN_DAILY_BARS")
        column = bars[name]
        if column.dtype != dtype if dtype else not column.dtype.is_temporal():
            raise ValueError(f"bars: column {name} is {column.dtype}, wanted {dtype or 'a Date or Datetime'}")
        if column.null_count():
            row = column.is_null().arg_max() or 0
            raise ValueError(f"bars: {name} is null at {_place(bars, clock, row)}; quarantine the row before")


def refuse_not_finite(bars: pl.DataFrame, panel: Panel, *, clock: str = "session") -> None:
    """Check the values of a panel's tickers.

    Args:
        bars: The frame that the panel views.
        panel: All of its tickers, or some.
        clock: As in `panel_of`.

    Raises:
        ValueError: A value is NaN or infinite; the text names the column, ticker and session.
    """
    start, stop = int(panel.offsets[0]), int(panel.offsets[-1])
    for name in VALUES:
        is_finite = np.isfinite(cast("Floats", getattr(panel, name))[start:stop])
        if not is_finite.all():
            row = start + int(is_finite.argmin())
            raise ValueError(
                f"bars: {name} is {bars[name][row]} at {_place(bars, clock, row)}; quarantine the row before"
            )


def _place(bars: pl.DataFrame, clock: str, row: int) -> str:
    return f"{bars['ticker'][row]} {bars[clock][row]}"


def column(name: str, values: Floats, validity: np.ndarray[Any, np.dtype[np.uint8]]) -> pl.Series:
    """Hand an array to Polars without a copy.

    Args:
        name: Of the column.
        values: Not to be written again.
        validity: Arrow's bitmap, one bit a row.

    Returns:
        Float64, null where the bit is not set.
    """
    arrow = cast("Any", pa)
    buffers = [arrow.py_buffer(validity), arrow.py_buffer(values)]
    return pl.Series(name, arrow.Array.from_buffers(arrow.float64(), values.size, buffers), dtype=pl.Float64)
