"""Where the price is heading: moving averages and what is made of them."""

from orion_assets.transforms.indicators import kernels
from orion_assets.transforms.indicators.panel import Columns, Panel
from orion_assets.transforms.indicators.registry import PRICE, Output, at_least, indicator


def _sma_outputs(window: int) -> tuple[Output, ...]:
    return (Output(f"sma_{window}", PRICE, "USD", f"Mean close of the last {window} bars"),)


@indicator(
    {"window": 5},
    {"window": 10},
    {"window": 20},
    {"window": 50},
    {"window": 200},
    outputs=_sma_outputs,
    warm_up=lambda window: window - 1,
    oracle="TA-Lib SMA",
    inputs=("close",),
)
def sma(panel: Panel, into: Columns, *, window: int) -> None:
    """Give `sma_{window}`, the mean close of the last `window` bars.

    Args:
        panel: Clean bars, forward-adjusted, contiguous tickers.
        into: One array to fill.
        window: Look-back in bars, at least 1.

    Returns:
        USD in forward units; null for the first `window - 1` bars of a ticker.

    Raises:
        ValueError: `window` is less than 1.

    Source: TA-Lib SMA. We sum each window by itself, in a fixed order (TA-Lib keeps a running sum, which drifts).
    """
    at_least("sma", 1, window=window)
    kernels.window_mean(panel.close, panel.offsets, window, into[0])


def _ema_outputs(window: int) -> tuple[Output, ...]:
    return (Output(f"ema_{window}", PRICE, "USD", f"Exponential mean of the close, weight 2/{window + 1}"),)


@indicator(
    {"window": 12},
    {"window": 26},
    outputs=_ema_outputs,
    warm_up=lambda window: 12 * window,
    oracle="TA-Lib EMA",
    inputs=("close",),
)
def ema(panel: Panel, into: Columns, *, window: int) -> None:
    """Give `ema_{window}`, the exponential mean of the close with weight 2 / (window + 1).

    Args:
        panel: Clean bars, forward-adjusted, contiguous tickers.
        into: One array to fill.
        window: The nominal look-back in bars, at least 1.

    Returns:
        USD in forward units; null for the first `window - 1` bars of a ticker.

    Raises:
        ValueError: `window` is less than 1.

    Source: TA-Lib EMA: the first value is the mean of the first `window` closes (pandas starts at the first close).
        What the start weighs falls by (window - 1) / (window + 1) a bar, below 1e-9 after 10.4 windows.
    """
    at_least("ema", 1, window=window)
    kernels.exponential_mean(panel.close, panel.offsets, window, into[0])


def _macd_outputs(fast: int, slow: int, signal: int) -> tuple[Output, ...]:
    return (
        Output(f"macd_{fast}_{slow}", PRICE, "USD", f"Fast less slow exponential mean of the close, {fast} and {slow}"),
        Output(f"macd_signal_{fast}_{slow}_{signal}", PRICE, "USD", f"Exponential mean of MACD, {signal} bars"),
        Output(f"macd_hist_{fast}_{slow}_{signal}", PRICE, "USD", "MACD less its signal"),
    )


@indicator(
    {"fast": 12, "slow": 26, "signal": 9},
    outputs=_macd_outputs,
    warm_up=lambda fast, slow, signal: 16 * slow + fast + signal,
    oracle="TA-Lib MACD",
    inputs=("close",),
)
def macd(panel: Panel, into: Columns, *, fast: int, slow: int, signal: int) -> None:
    """Give `macd_{fast}_{slow}`, `macd_signal_…` and `macd_hist_…`, moving average convergence and divergence.

    Args:
        panel: Clean bars, forward-adjusted, contiguous tickers.
        into: Three arrays to fill.
        fast: Bars of the quick mean, at least 1.
        slow: Bars of the calm mean, more than `fast`.
        signal: Bars of the signal, at least 1.

    Returns:
        USD in forward units; all three null for the first `slow + signal - 2` bars of a ticker, until the signal
        exists (Stock.Indicators shows the first from `slow - 1` on).

    Raises:
        ValueError: A window is less than 1, or `slow` is not more than `fast`.

    Source: Appel (1979) as in TA-Lib MACD: both means start on bar `slow`, the fast one at the mean of the `fast`
        closes up to there, so MACD is not `ema_12 - ema_26` at first.
    """
    at_least("macd", 1, fast=fast, signal=signal)
    at_least("macd", fast + 1, slow=slow)
    kernels.macd(panel.close, panel.offsets, (fast, slow, signal), into)
