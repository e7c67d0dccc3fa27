"""How far the price strays."""

from orion_assets.transforms.indicators import kernels
from orion_assets.transforms.indicators.panel import Columns, Panel
from orion_assets.transforms.indicators.registry import PRICE, PURE, Output, at_least, indicator


def _bands_outputs(window: int, deviations: int) -> tuple[Output, ...]:
    tail = f"{window}_{deviations}"
    return (
        Output(f"bb_upper_{tail}", PRICE, "USD", f"Middle band plus {deviations} standard deviations"),
        Output(f"bb_middle_{tail}", PRICE, "USD", f"Mean close of the last {window} bars"),
        Output(f"bb_lower_{tail}", PRICE, "USD", f"Middle band less {deviations} standard deviations"),
        Output(f"bb_percent_b_{tail}", PURE, "ratio", "Place of the close between the bands: 0 lower, 1 upper"),
        Output(f"bb_width_{tail}", PURE, "ratio", "Distance of the bands over the middle band"),
    )


@indicator(
    {"window": 20, "deviations": 2},
    outputs=_bands_outputs,
    warm_up=lambda window, deviations: window - 1,  # noqa: ARG005
    oracle="TA-Lib BBANDS",
    inputs=("close",),
)
def bb(panel: Panel, into: Columns, *, window: int, deviations: int) -> None:
    """Give `bb_upper_…`, `bb_middle_…`, `bb_lower_…`, `bb_percent_b_…` and `bb_width_{window}_{deviations}`.

    Args:
        panel: Clean bars, forward-adjusted, contiguous tickers.
        into: Five arrays to fill.
        window: Look-back in bars, at least 2.
        deviations: Distance of a band from the middle in standard deviations (of the window, ddof 0), at least 1.

    Returns:
        Bands in USD in forward units; %B and width as ratios; all null for the first `window - 1` bars of a ticker;
        %B null while the bands are within 1e-9 of the price of each other, width where the mean is not above zero.

    Raises:
        ValueError: `window` is less than 2 or `deviations` less than 1.

    Source: Bollinger (2001), Bollinger on Bollinger Bands; TA-Lib BBANDS with a simple mean. The variance is joined
        from parts (Chan, Golub, LeVeque 1979): no difference of large squares, as TA-Lib has.
    """
    at_least("bb", 2, window=window)
    at_least("bb", 1, deviations=deviations)
    kernels.bands(panel.close, panel.offsets, window, float(deviations), into)


def _atr_outputs(window: int) -> tuple[Output, ...]:
    return (Output(f"atr_{window}", PRICE, "USD", f"Wilder's mean of the true range, {window} bars"),)


@indicator(
    {"window": 14},
    outputs=_atr_outputs,
    warm_up=lambda window: 24 * window,
    oracle="TA-Lib ATR",
    inputs=("high", "low", "close"),
)
def atr(panel: Panel, into: Columns, *, window: int) -> None:
    """Give `atr_{window}`, Wilder's average true range.

    Args:
        panel: Clean bars, forward-adjusted, contiguous tickers.
        into: One array to fill.
        window: Look-back in bars, at least 1.

    Returns:
        USD in forward units, not negative; null for the first `window` bars of a ticker, whose first bar has no
        close before it and so no true range.

    Raises:
        ValueError: `window` is less than 1.

    Source: Wilder (1978), New Concepts in Technical Trading Systems; TA-Lib ATR.
    """
    at_least("atr", 1, window=window)
    kernels.average_true_range((panel.high, panel.low, panel.close), panel.offsets, window, into[0])


def _realized_outputs(window: int) -> tuple[Output, ...]:
    return (Output(f"realized_vol_{window}", PURE, "log ratio", f"Deviation of the last {window} log returns"),)


@indicator(
    {"window": 20},
    outputs=_realized_outputs,
    warm_up=lambda window: window,
    oracle="NumPy std, ddof 1",
    inputs=("close",),
)
def realized_vol(panel: Panel, into: Columns, *, window: int) -> None:
    """Give `realized_vol_{window}`, the sample standard deviation (ddof 1) of the last `window` log returns.

    Args:
        panel: Clean bars, forward-adjusted, contiguous tickers.
        into: One array to fill.
        window: How many returns, at least 2.

    Returns:
        Per session, not annualised; null for the first `window` bars of a ticker, and while the window holds a
        close that is not above zero.

    Raises:
        ValueError: `window` is less than 2.

    Source: Andersen and Bollerslev (1998), at the daily sampling that bars allow; around the mean, as pandas `std`.
    """
    at_least("realized_vol", 2, window=window)
    kernels.realized_volatility(panel.close, panel.offsets, window, into[0])
