"""How the command line speaks: tables for people, one stable JSON document for programs; progress goes to stderr."""

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from enum import IntEnum
from math import isfinite
from pathlib import Path
from typing import Any, NoReturn

import polars as pl
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

# A pipe has no width: give rows the room they need, and let a terminal break nothing
OUT = Console(soft_wrap=True, highlight=False, markup=False, emoji=False, width=None if sys.stdout.isatty() else 10_000)
ERR = Console(stderr=True, soft_wrap=True, highlight=False, markup=False, emoji=False)
_SHOWN_ROWS = 40
_GAP = 3


class Exit(IntEnum):
    """Exit codes."""

    DONE = 0
    FAILED = 1
    WRONG_CALL = 2
    BUDGET = 3


def frame(rows: pl.DataFrame, *, as_json: bool, title: str = "", newest: str = "") -> None:
    """Print rows as a table, or as a JSON array of objects with sorted names.

    A terminal gets the columns that fit and the first rows, or the newest by a column; a file or a pipe gets all.
    """
    if as_json:
        document(rows.to_dicts())
        return
    limit = _SHOWN_ROWS if sys.stdout.isatty() else rows.height
    part = _newest(rows, newest, limit) if newest else rows.head(limit)
    texts = [[cell(value) for value in row] for row in part.iter_rows()]
    widths = [
        max([cell_len(name), *(cell_len(row[position]) for row in texts)]) for position, name in enumerate(rows.columns)
    ]
    shown = _fitting(widths)
    to_right = [dtype.is_numeric() for dtype in rows.dtypes[:shown]]
    if title:
        OUT.print(Text(title, "italic"))
    OUT.print(Text(_line(rows.columns, widths, to_right), "bold"))
    OUT.print(("-" if OUT.options.ascii_only else "─") * (sum(widths[:shown]) + _GAP * (shown - 1)))
    for row in texts:
        OUT.print(_line(row, widths, to_right))
    OUT.print()
    if shown < rows.width:
        hidden = ", ".join(rows.columns[shown:])
        ERR.print(f"{rows.width - shown} columns more: {hidden}; a wider terminal or a pipe shows them, as does --json")
    if rows.height > limit:
        left_out = f"{rows.height - limit} {'older rows' if newest else 'rows more'}"
        ERR.print(f"{left_out}; into a file or a pipe all are printed, as with --json")


def _newest(rows: pl.DataFrame, column: str, count: int) -> pl.DataFrame:
    placed = rows.with_row_index("_place").sort(column, "_place").tail(count)
    return placed.sort("_place").drop("_place")


def lines(texts: Sequence[str], *, title: str) -> None:
    """Print a list under its title; a terminal gets the first of a long one."""
    limit = _SHOWN_ROWS if sys.stdout.isatty() else len(texts)
    OUT.print(Text(title, "italic"))
    for text in texts[:limit]:
        OUT.print(f"  {text}")
    if len(texts) > limit:
        ERR.print(f"{len(texts) - limit} lines more; into a file or a pipe all are printed, as with --json")


def _fitting(widths: list[int]) -> int:
    """Count the leading columns that fit into the width: a cut value is worse than a column less."""
    used = 0
    for position, width in enumerate(widths):
        used += width + (_GAP if position else 0)
        if used > OUT.width:
            return position
    return len(widths)


def _line(texts: Sequence[str], widths: Sequence[int], to_right: Sequence[bool]) -> str:
    padded = [
        " " * (width - cell_len(text)) + text if right else text + " " * (width - cell_len(text))
        for text, width, right in zip(texts, widths, to_right, strict=False)
    ]
    return (" " * _GAP).join(padded).rstrip()


def cell(value: object) -> str:
    """Write one value for people: six significant digits, no microseconds, a dash for nothing."""
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:,.6g}" if abs(value) < 1e6 else f"{value:,.0f}"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%MZ")
    if isinstance(value, list):
        return " ".join(str(part) for part in value)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    return str(value)


def called() -> str:
    """Give the command as it was called, so that what is printed can be pasted."""
    return sys.argv[0] if Path(sys.argv[0]).name == "orion" else "orion"


def counted(count: int, what: str) -> str:
    """Write how many there are of something."""
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"


def document(value: object) -> None:
    """Print one JSON document, as `document_text` gives it."""
    sys.stdout.write(document_text(value))


def document_text(value: object) -> str:
    """Give a JSON document: names sorted, floats with all their digits, dates and instants in ISO 8601.

    Numbers that JSON does not know are written as text, `inf` and `nan`: they are just what a check accuses.
    """
    return json.dumps(_plain(value), sort_keys=True, indent=1, default=_iso, allow_nan=False) + "\n"


def _plain(value: Any) -> Any:  # noqa: ANN401 - whatever JSON holds
    if isinstance(value, float) and not isfinite(value):
        return str(value)
    if isinstance(value, Mapping):
        return {name: _plain(each) for name, each in value.items()}  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]  # pyright: ignore[reportUnknownVariableType]
    return value


def _iso(value: object) -> str:
    if isinstance(value, datetime | date):
        return value.isoformat().replace("+00:00", "Z")
    raise TypeError(f"no JSON for {type(value).__name__}")


def refuse(message: str, code: Exit = Exit.WRONG_CALL) -> NoReturn:
    """Say on stderr what is wrong and leave."""
    complain(message)
    raise SystemExit(code)


def complain(message: str) -> None:
    """Say on stderr what is wrong."""
    ERR.print(Text.assemble(("orion:", "bold red"), " ", message))
