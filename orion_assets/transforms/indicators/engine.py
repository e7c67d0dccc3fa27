"""Runs indicators over bars: block by block, while a block is in the cache, on the threads that Polars has."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import numpy as np
import polars as pl

from orion_assets.transforms.indicators import kernels, momentum, returns, trend, volatility, volume
from orion_assets.transforms.indicators.panel import Columns, Panel, column, panel_of, refuse_not_finite
from orion_assets.transforms.indicators.registry import REGISTRY, Indicator

BLOCK_ROWS: Final = 65_536

_FAMILIES: Final = (trend, momentum, volatility, volume, returns)  # in this order they fill the register
_CORE_NAMES: Final = (
    *("sma_5", "sma_10", "sma_20", "sma_50", "sma_200", "ema_12", "ema_26", "macd_12_26_9"),
    *("rsi_14", "stoch_14_3", "roc_1", "roc_5", "roc_20", "bb_20_2", "atr_14", "realized_vol_20"),
    *("obv", "vwap_20", "ret_simple", "ret_log"),
)

CORE: Final[tuple[Indicator, ...]] = tuple(REGISTRY[name] for name in _CORE_NAMES)


class _Result:
    def __init__(self, entry: Indicator, values: Columns) -> None:
        self.entry = entry
        self.values = values
        self.validity = tuple(np.empty(-(-column.size // 8), np.uint8) for column in values)

    def fill(self, panel: Panel) -> None:
        self.entry.function(panel, self.values, **self.entry.parameters)
        self.pack(-(-int(panel.offsets[0]) // 8), int(panel.offsets[-1]) // 8)

    def pack(self, first: int, last: int) -> None:
        for values, validity in zip(self.values, self.validity, strict=True):
            kernels.pack_validity(values, validity, first, last)

    def columns(self) -> list[pl.Series]:
        return [
            column(output.name, values, validity)
            for output, values, validity in zip(self.entry.outputs, self.values, self.validity, strict=True)
        ]


def compute(
    bars: pl.DataFrame, indicators: Iterable[Indicator] = CORE, *, clock: str = "session", threads: int | None = None
) -> pl.DataFrame:
    """Add the columns of indicators to bars.

    Args:
        bars: Forward-adjusted clean bars: ticker (String), session (Date), open, high, low, close, volume (Float64),
            sorted by (ticker, session). Other columns pass through.
        indicators: Entries of the register, or others of the same shape; the core set when not given.
        clock: What orders the rows of a ticker: `session`, or `ts_event` for bars within sessions.
        threads: How many threads work; as many as Polars has when not given. Values do not depend on it.

    Returns:
        The same rows in the same order, plus one Float64 column an output, registered ones first and in the
        register's order; null, never NaN, where undefined. The new columns share one piece of memory, which is
        free when the last of them is: to keep one indicator of many rows, ask for that one.

    Raises:
        ValueError: Bars are unsorted, or have a null, NaN or infinite value, another dtype, or a column of that name.
    """
    entries = _in_order(indicators)
    _check_names(bars, entries)
    panel = panel_of(bars, clock=clock)
    results = _allocate(entries, bars.height)

    def work(block: Panel) -> None:
        refuse_not_finite(bars, block, clock=clock)
        for result in results:
            result.fill(block)

    blocks = list(panel.blocks(BLOCK_ROWS))
    workers = min(threads or pl.thread_pool_size(), len(blocks))
    if workers > 1:
        with ThreadPoolExecutor(workers) as pool:
            _ = list(pool.map(work, blocks))
    else:
        for block in blocks:
            work(block)
    _seal(results, blocks)
    return bars.hstack([values for result in results for values in result.columns()])


def _allocate(entries: list[Indicator], rows: int) -> list[_Result]:
    # One piece of memory for all columns: fresh pages are a third of the time, and a large piece gets large pages
    memory = iter(np.empty((sum(len(entry.outputs) for entry in entries), rows)))
    return [_Result(entry, tuple(next(memory) for _ in entry.outputs)) for entry in entries]


def _seal(results: list[_Result], blocks: list[Panel]) -> None:
    # A byte of eight rows that two blocks share, or that the last row does not fill
    shared = sorted({int(block.offsets[-1]) // 8 for block in blocks if int(block.offsets[-1]) % 8})
    for result in results:
        for byte in shared:
            result.pack(byte, byte + 1)


def _in_order(indicators: Iterable[Indicator]) -> list[Indicator]:
    place: dict[str, int] = {name: position for position, name in enumerate(REGISTRY)}
    return sorted(indicators, key=lambda entry: place.get(entry.name, len(place)))


def _check_names(bars: pl.DataFrame, entries: list[Indicator]) -> None:
    seen: set[str] = set(bars.columns)
    for name in (output.name for entry in entries for output in entry.outputs):
        if name in seen:
            raise ValueError(f"indicators: column {name} exists already; drop it from the bars, or ask for it once")
        seen.add(name)
