"""What volume says about a price."""

from orion_assets.transforms.indicators import kernels
from orion_assets.transforms.indicators.panel import Columns, Panel
from orion_assets.transforms.indicators.registry import PRICE, VOLUME, Output, at_least, indicator


def _obv_outputs() -> tuple[Output, ...]:
    return (Output("obv", VOLUME, "shares", "Volume of rising bars less that of falling bars", is_cumulative=True),)


@indicator(
    {},
    outputs=_obv_outputs,
    warm_up=lambda: 1,
    oracle="TA-Lib OBV",
    inputs=("close", "volume"),
)
def obv(panel: Panel, into: Columns) -> None:
    """Give `obv`, on-balance volume: up with each rising bar's volume, down with each falling one's.

    Args:
        panel: Clean bars, forward-adjusted, contiguous tickers.
        into: One array to fill.

    Returns:
        Shares in forward units, from the ticker's first volume on; never null. Only differences mean anything.

    Source: Granville (1963), New Key to Stock Market Profits; TA-Lib OBV (Stock.Indicators starts at 0). Closes
        within 1e-9 of each other are equal, so that rounding by the split factor counts for nothing.
    """
    kernels.on_balance_volume(panel.close, panel.volume, panel.offsets, into[0])


def _vwap_outputs(window: int) -> tuple[Output, ...]:
    return (Output(f"vwap_{window}", PRICE, "USD", f"Volume-weighted typical price of the last {window} bars"),)


@indicator(
    {"window": 20},
    outputs=_vwap_outputs,
    warm_up=lambda window: window - 1,
    oracle="TA-Lib SUM over SUM",
    inputs=("high", "low", "close", "volume"),
)
def vwap(panel: Panel, into: Columns, *, window: int) -> None:
    """Give `vwap_{window}`, the mean typical price of the last `window` bars, weighted by volume.

    Args:
        panel: Clean bars, forward-adjusted, contiguous tickers.
        into: One array to fill.
        window: Look-back in bars, at least 1.

    Returns:
        USD in forward units; null for the first `window - 1` bars of a ticker, and while the window has no volume.

    Raises:
        ValueError: `window` is less than 1.

    Source: sum(typical * volume) / sum(volume), typical = (high + low + close) / 3. The usual VWAP starts anew each
        session from trades; over daily bars only a rolling one is causal and forgets.
    """
    at_least("vwap", 1, window=window)
    kernels.window_vwap((panel.high, panel.low, panel.close, panel.volume), panel.offsets, window, into[0])
