"""The minutes of files: read once, a file at a time, and kept as Parquet beside until the files change.

Two years of fifty tickers do not fit into memory; what a row means stays in rows.py.
"""

import logging
import shutil
import weakref
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from tempfile import mkdtemp
from time import perf_counter
from typing import Final

import polars as pl

from orion_assets import calendars
from orion_assets.errors import SourceRejected
from orion_assets.schemas import RAW_MINUTE_BARS
from orion_assets.sources.files.options import MinuteBars
from orion_assets.sources.files.parsing import Sheet
from orion_assets.sources.files.reading import Documents, Found, Shelf
from orion_assets.sources.files.rows import minutes
from orion_assets.sources.files.settling import settle
from orion_assets.sources.files.sheets import Plan, each_sheet
from orion_assets.sources.protocols import TS_ASSUMED, said_schema

_LOG: Final = logging.getLogger(__name__)
_MINUTE: Final = pl.duration(minutes=1)
_ROW_GROUP: Final = 50_000


@dataclass(frozen=True)
class _Page:
    """One sheet as it was read: where its rows lie, whose bytes they came from, which sessions each ticker has."""

    rows: Path
    found: Found
    sha256: str
    spans: pl.DataFrame


class Minutes:
    """What the files say of minutes, by ranges of sessions."""

    def __init__(self) -> None:
        self._state: object = None
        self._pages: list[_Page] = []
        self._forget: Callable[[], object] = list

    def read(self, plans: Sequence[Plan]) -> None:
        """Read the files where they changed since the last call.

        Raises:
            SourceRejected: A file cannot be read as declared.
        """
        shelf = Shelf()
        state = tuple(planned.marks(shelf) for planned in plans)
        if state == self._state:
            return
        began = perf_counter()
        self._state = None
        self._forget()
        folder = Path(mkdtemp(prefix="orion-minutes-"))
        # Gone with this object, with the process at the latest
        self._forget = weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        self._pages = list(_pages(plans, folder))
        self._state = state
        _LOG.info("files: minutes of %d sheets read in %.2f s", len(self._pages), perf_counter() - began)

    @property
    def hashes(self) -> list[str]:
        """Hashes of all files."""
        return [page.sha256 for page in self._pages]

    @property
    def last(self) -> pl.DataFrame:
        """The last session of each ticker: `ticker`, `session`."""
        spans = pl.concat([_NO_SPAN, *(page.spans for page in self._pages)])
        return spans.group_by("ticker").agg(session=pl.col("last").max()).sort("ticker")

    def rows(self, start: date, end: date, tickers: Sequence[str]) -> tuple[pl.DataFrame, Documents]:
        """Give the rows of the sessions in [start, end), of some tickers (none: of all), and the files behind them.

        Raises:
            SourceRejected: Two rows of one key and one stated instant differ.
        """
        is_asked = (pl.col("last") >= start) & (pl.col("first") < end)
        if tickers:
            is_asked &= pl.col("ticker").is_in(list(tickers))
        pages = [page for page in self._pages if not page.spans.filter(is_asked).is_empty()]
        if not pages:
            return pl.DataFrame(schema=said_schema(RAW_MINUTE_BARS)), Documents([])
        scan = pl.scan_parquet([page.rows for page in pages], glob=False)
        scan = scan.filter(pl.col("session").is_between(start, end, closed="left"))
        scan = scan.filter(pl.col("ticker").is_in(list(tickers))) if tickers else scan
        rows = settle(scan.collect(engine="in-memory"), RAW_MINUTE_BARS)
        return rows, Documents([(page.found, page.sha256) for page in pages])


_NO_SPAN: Final = pl.DataFrame(schema={"ticker": pl.String, "first": pl.Date, "last": pl.Date})


def _pages(plans: Sequence[Plan], folder: Path) -> Iterator[_Page]:
    for planned in plans:
        block = planned.block
        if not isinstance(block, MinuteBars):
            continue
        for found, sheet in each_sheet(planned):
            yield _page(found, sheet, block, folder)


def _page(found: Found, sheet: Sheet, block: MinuteBars, folder: Path) -> _Page:
    if sheet.rows.is_empty() and not block.tickers:
        raise SourceRejected(
            f"{sheet.file}: has a header and no row; fetch the file again, or take it out of the mapping",
            file=sheet.file,
        )
    said = minutes(sheet, block)
    rows = (with_auctions(said) if block.opening_bar == "auction" else said).sort("session", maintain_order=True)
    path = folder / f"{sum(1 for _ in folder.iterdir())}.parquet"
    rows.write_parquet(path, compression="lz4", row_group_size=_ROW_GROUP)
    spans = rows.group_by("ticker").agg(first=pl.col("session").min(), last=pl.col("session").max())
    return _Page(path, found, sheet.sha256, spans.select(_NO_SPAN.columns))


def with_auctions(said: pl.DataFrame) -> pl.DataFrame:
    """Make the bar that ends at a session's open, which holds the opening auction alone, part of the first minute.

    Args:
        said: RAW_MINUTE_BARS rows of `said_schema`, without versions.

    Returns:
        The same rows, but one for both: the auction's open, the extremes, the minute's close, both volumes and trade
        counts, the mean of both vwaps by volume; named by the auction's row. Where the first minute has no bar, the
        auction is it. Where there are two of either they stay apart, for `settle` to refuse or to take for one.
    """
    opens = calendars.sessions().select("session", _opens="ts_open")
    placed = said.join(opens, on="session", how="left", maintain_order="left")
    is_auction = (pl.col("ts_event") == pl.col("_opens")).fill_null(value=False)
    later = pl.when(is_auction).then(_MINUTE).otherwise(pl.duration(minutes=0))
    moved = placed.with_columns(
        _is_auction=is_auction, **{name: pl.col(name) + later for name in ("ts_open", "ts_event", TS_ASSUMED)}
    )
    key = ["ticker", "ts_open"]
    pairs = moved.filter(pl.col("ts_open") == pl.col("_opens")).filter(
        (pl.len().over(key) == 2) & (pl.col("_is_auction").sum().over(key) == 1)
    )
    both = pairs.sort("_is_auction", descending=True, maintain_order=True).group_by(key, maintain_order=True)
    folded = both.agg(_one_of_two(said.columns)).select(said.columns)
    apart = moved.join(pairs.select(key).unique(), on=key, how="anti", maintain_order="left")
    return pl.concat([apart.select(said.columns), folded])


def _one_of_two(columns: Sequence[str]) -> list[pl.Expr]:
    def whole(name: str, value: pl.Expr) -> pl.Expr:
        return pl.when(pl.col(name).null_count() == 0).then(value).alias(name)

    weighted = (pl.col("vwap") * pl.col("volume")).sum() / pl.col("volume").sum()
    made: dict[str, Callable[[], pl.Expr]] = {
        "open": lambda: pl.col("open").first(),
        "high": lambda: pl.col("high").max(),
        "low": lambda: pl.col("low").min(),
        "close": lambda: pl.col("close").last(),
        "volume": lambda: whole("volume", pl.col("volume").sum()),
        "trade_count": lambda: whole("trade_count", pl.col("trade_count").sum()),
        "vwap": lambda: whole("vwap", weighted.fill_nan(None)),
        "problem": lambda: pl.col("problem").drop_nulls().str.join("; ").replace("", None).alias("problem"),
    }
    first = [name for name in columns if name not in (*made, "ticker", "ts_open")]
    return [*(pl.col(name).first() for name in first), *(make() for make in made.values())]
