"""Mappings, small files and asks that the tests of the files source share."""

import gzip
import io
import zipfile
from datetime import UTC, date, datetime
from pathlib import Path

from orion_assets.sources.files.source import FilesSource
from orion_assets.sources.protocols import Answer, Ask

BARS = """[[daily_bars]]
files = ["{files}"]
price_basis = "as_traded"
columns = {{ {ticker}session = "date", {prices}, volume = "volume"{more} }}
{options}
"""
PRICES = 'open = "open", high = "high", low = "low", close = "close"'
HEADER = "ticker,date,open,high,low,close,volume"
ROW = "AAPL,2014-06-05,646.2,649.37,642.61,647.35,10850100"
NEXT = "AAPL,2014-06-06,649.9,651.26,644.47,645.57,12497800"
EVER = datetime(2036, 1, 1, tzinfo=UTC)


def bars(files: str = "bars.csv", *, options: str = "", more: str = "", ticker: str = 'ticker = "ticker", ') -> str:
    return BARS.format(files=files, options=options, more=more, ticker=ticker, prices=PRICES)


def table(*rows: str, header: str = HEADER) -> str:
    return "\n".join([header, *rows]) + "\n"


def zipped(**members: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in members.items():
            archive.writestr(name.replace("__", "."), text)
    return buffer.getvalue()


def gzipped(text: str) -> bytes:
    return gzip.compress(text.encode(), mtime=0)


def source(folder: Path, mapping: str, **files: str | bytes) -> FilesSource:
    """Write the mapping and the files (`__` in a name is a dot) and open them."""
    for name, content in files.items():
        path = folder / name.replace("__", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    (folder / "mapping.toml").write_text(mapping)
    return FilesSource([folder / "mapping.toml"])


def ask(
    dataset: str, *tickers: str, now: datetime = EVER, start: date = date(1990, 1, 1), end: date = date(2036, 1, 1)
):
    return Ask(dataset, start, end, tickers, now)


def read(folder: Path, mapping: str, dataset: str = "raw_daily_bars", **files: str | bytes) -> Answer:
    return source(folder, mapping, **files).read(ask(dataset))
