"""How fast, and from where in its range, the price moves."""

from orion_assets.transforms.indicators import kernels
from orion_assets.transforms.indicators.panel import Columns, Panel
from orion_assets.transforms.indicators.registry import PURE, Output, at_least, indicator


def _rsi_outputs(window: int) -> tuple[Output, ...]:
    return (Output(f"rsi_{window}", PURE, "percent", f"Wilder's relative strength index, {window} bars"),)


@indicator(
    {"window": 14},
    outputs=_rsi_outputs,
    warm_up=lambda window: 24 * window,
    oracle="TA-Lib RSI",
    inputs=("close",),
)
def rsi(panel: Panel, into: Columns, *, window: int) -> None:
    """Give `rsi_{window}`, Wilder's relative strength index of the close.

    Args:
        panel: Clean bars, forward-adjusted, contiguous tickers.
        into: One array to fill.
        window: Look-back in bars, at least 2.

    Returns:
        Within [0, 100]; null for the first `window` bars of a ticker, and null, not 100 or 0, while the price has
        never moved.

    Raises:
        ValueError: `window` is less than 2.

    Source: Wilder (1978), New Concepts in Technical Trading Systems: the averages start at the mean of the first
        `window` changes. A change within 1e-9 of the price is none (TA-Lib: within 1e-14 of nothing, and then 0).
    """
    at_least("rsi", 2, window=window)
    kernels.rsi(panel.close, panel.offsets, window, into[0])


def _stochastic_outputs(window: int, smooth: int) -> tuple[Output, ...]:
    return (
        Output(f"stoch_k_{window}", PURE, "percent", f"Place of the close in the range of the last {window} bars"),
        Output(f"stoch_d_{window}_{smooth}", PURE, "percent", f"Mean of the last {smooth} %K"),
    )


@indicator(
    {"window": 14, "smooth": 3},
    outputs=_stochastic_outputs,
    warm_up=lambda window, smooth: window + smooth - 2,
    oracle="TA-Lib STOCHF",
    inputs=("high", "low", "close"),
)
def stoch(panel: Panel, into: Columns, *, window: int, smooth: int) -> None:
    """Give `stoch_k_{window}` and `stoch_d_{window}_{smooth}`, the fast stochastic oscillator.

    Args:
        panel: Clean bars, forward-adjusted, contiguous tickers.
        into: Two arrays to fill.
        window: Look-back of %K in bars, at least 1.
        smooth: How many %K make a %D, at least 1.

    Returns:
        Within [0, 100]; both null for the first `window + smooth - 2` bars of a ticker (%K waits for %D); %K null
        when the window's range is within 1e-9 of the price, %D when one of its %K is.

    Raises:
        ValueError: A window is less than 1.

    Source: Lane, as in TA-Lib STOCHF with a simple mean (TA-Lib gives 0 for an empty range).
    """
    at_least("stoch", 1, window=window, smooth=smooth)
    k, d = into
    kernels.stochastic((panel.high, panel.low, panel.close), panel.offsets, window, k)
    kernels.window_mean(k, panel.offsets, smooth, d)
    kernels.blank(k, panel.offsets, window + smooth - 2)


def _roc_outputs(window: int) -> tuple[Output, ...]:
    return (Output(f"roc_{window}", PURE, "percent", f"Change of the close over {window} bars"),)


@indicator(
    {"window": 1},
    {"window": 5},
    {"window": 20},
    outputs=_roc_outputs,
    warm_up=lambda window: window,
    oracle="TA-Lib ROC",
    inputs=("close",),
)
def roc(panel: Panel, into: Columns, *, window: int) -> None:
    """Give `roc_{window}`, the change of the close over `window` bars in percent.

    Args:
        panel: Clean bars, forward-adjusted, contiguous tickers.
        into: One array to fill.
        window: Bars between the two closes, at least 1.

    Returns:
        Percent, 0 for no change; null for the first `window` bars of a ticker, and where the earlier close is not
        above zero.

    Raises:
        ValueError: `window` is less than 1.

    Source: TA-Lib ROC.
    """
    at_least("roc", 1, window=window)
    kernels.change(panel.close, panel.offsets, window, 100.0, into[0])
