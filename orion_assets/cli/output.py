"""How the command line speaks: tables for people, one stable JSON document for programs; progress goes to stderr."""

import json
import sys
from datetime import date, datetime
from enum import IntEnum
from typing import NoReturn

import polars as pl
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

# A pipe has no width: give rows the room they need, and let a terminal break nothing
OUT = Console(soft_wrap=True, highlight=False, markup=False, emoji=False, width=None if sys.stdout.isatty() else 10_000)
ERR = Console(stderr=True, soft_wrap=True, highlight=False, markup=False, emoji=False)
_SHOWN_ROWS = 40


class Exit(IntEnum):
    """Exit codes."""

    DONE = 0
    FAILED = 1
    WRONG_CALL = 2
    BUDGET = 3


def frame(rows: pl.DataFrame, *, as_json: bool, title: str = "") -> None:
    """Print rows as a table, or as a JSON array of objects with sorted names."""
    if as_json:
        document(rows.to_dicts())
        return
    texts = [[cell(value) for value in row] for row in rows.head(_SHOWN_ROWS).iter_rows()]
    shown = _fitting(rows.columns, texts)
    table = Table(
        title=title or None, title_justify="left", header_style="bold", box=SIMPLE_HEAD, pad_edge=False, show_edge=False
    )
    for name in rows.columns[:shown]:
        table.add_column(name, justify="right" if rows.schema[name].is_numeric() else "left", no_wrap=True)
    for row in texts:
        table.add_row(*row[:shown])
    OUT.print(table)
    OUT.print()
    if shown < rows.width:
        ERR.print(f"{rows.width - shown} columns more: {', '.join(rows.columns[shown:])}; name them, or use --json")
    if rows.height > _SHOWN_ROWS:
        ERR.print(f"{rows.height - _SHOWN_ROWS} rows more; --json prints all")


def _fitting(names: list[str], texts: list[list[str]]) -> int:
    """Count the leading columns that fit into the width: a cut value is worse than a column less."""
    used = 0
    for position, name in enumerate(names):
        used += 3 + max([len(name), *(len(row[position]) for row in texts)])
        if used > OUT.width:
            return position
    return len(names)


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


def document(value: object) -> None:
    """Print one JSON document: names sorted, floats with all their digits, dates and instants in ISO 8601."""
    sys.stdout.write(json.dumps(value, sort_keys=True, indent=1, default=_iso, allow_nan=False) + "\n")


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
