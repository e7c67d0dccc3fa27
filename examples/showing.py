"""What the examples share: settings of their own, and what they print of prices around a split."""

from orion_assets.cli.home import make_home
from orion_assets.cli.output import OUT, frame
from orion_assets.settings import HOME, Settings, forget
from orion_assets.store.opening import open_store
from orion_assets.store.protocols import FeatureReader


def alone() -> None:
    """Forget the settings of whoever runs an example, and remember its runs in `.dagster` here, where `make dev` looks.

    The environment comes before an example's file: else its bars would land in a lake of one's own.
    """
    forget()
    make_home(HOME)


def split(store: FeatureReader, ticker: str, start: str, end: str) -> None:
    """Print a ticker's close around a split, as traded and split-adjusted."""
    columns = ("ticker", "session", "close", "volume")
    traded = store.bars([ticker], start=start, end=end).select(columns)
    adjusted = store.bars([ticker], start=start, end=end, adjusted="split").select(columns)
    both = traded.join(adjusted, on=["ticker", "session"], suffix="_split")
    frame(both, as_json=False, title=f"{ticker} around its split: as traded, and in the units of its last session")


def total_return(store: FeatureReader, ticker: str) -> None:
    """Print the last total-return closes, or why there are none."""
    try:
        rows = store.bars([ticker], adjusted="total_return").tail(3).select("ticker", "session", "close")
    except ValueError as e:
        OUT.print(f"total_return: {e}")
    else:
        frame(rows, as_json=False, title=f"{ticker}, dividends reinvested")


def opened(settings: Settings) -> FeatureReader:
    """Open the example's store."""
    return open_store(settings.store_url)
