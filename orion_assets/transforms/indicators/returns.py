"""Returns from one bar to the next."""

from orion_assets.transforms.indicators import kernels
from orion_assets.transforms.indicators.panel import Columns, Panel
from orion_assets.transforms.indicators.registry import PURE, Output, indicator


def _simple_outputs() -> tuple[Output, ...]:
    return (Output("ret_simple", PURE, "ratio", "Close over the close before, less 1"),)


@indicator({}, outputs=_simple_outputs, warm_up=lambda: 1, oracle="TA-Lib ROCP", inputs=("close",))
def ret_simple(panel: Panel, into: Columns) -> None:
    """Give `ret_simple`, the close over the close before, less 1.

    Args:
        panel: Clean bars, forward-adjusted, contiguous tickers.
        into: One array to fill.

    Returns:
        A ratio, without dividends; null for a ticker's first bar, and where the close before is not above zero.

    Source: TA-Lib ROCP.
    """
    kernels.change(panel.close, panel.offsets, 1, 1.0, into[0])


def _log_outputs() -> tuple[Output, ...]:
    return (Output("ret_log", PURE, "log ratio", "Natural logarithm of the close over the close before"),)


@indicator({}, outputs=_log_outputs, warm_up=lambda: 1, oracle="NumPy log", inputs=("close",))
def ret_log(panel: Panel, into: Columns) -> None:
    """Give `ret_log`, the natural logarithm of the close over the close before.

    Args:
        panel: Clean bars, forward-adjusted, contiguous tickers.
        into: One array to fill.

    Returns:
        A log ratio; null for a ticker's first bar, and where either close is not above zero.

    Source: fdlibm's logarithm, within 1 ulp of the exact value and the same bits on every machine.
    """
    kernels.log_returns(panel.close, panel.offsets, into[0])
