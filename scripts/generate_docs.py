"""Writes docs/reference/tables.md from orion_assets.schemas; `--check` only says whether it is current."""

import argparse
import sys
from pathlib import Path

from orion_assets.markets import MARKETS
from orion_assets.schemas import HISTORY, IN_OTHER_MARKETS, TABLES
from orion_assets.tables import DTYPE_NAMES, Column, Table

PAGE = Path(__file__).resolve().parent.parent / "docs" / "reference" / "tables.md"
HEAD = """# Tables

Every stored table, made from `orion_assets/schemas.py` by `python scripts/generate_docs.py`; do not edit by hand.
"""


def page() -> str:
    """Give the whole page as Markdown."""
    own = [table for name, table in TABLES.items() if name not in IN_OTHER_MARKETS]
    return "\n".join([HEAD, *(section(table) for table in (*own, *HISTORY)), others()])


def others() -> str:
    """Give what differs in the tables of other markets, which have the same columns."""
    lines = [
        "## Tables of other markets",
        "",
        "`raw_daily_bars`, `clean_daily_bars`, `raw_minute_bars` and `clean_minute_bars` again, each with the market",
        "at the end of its name (`raw_daily_bars_crypto`): the same columns and keys, its own sessions and units:",
        "",
        "| Market | Prices | Volume |",
        "|---|---|---|",
        *(f"| `{each.name}` | {each.price_unit} | {each.volume_unit or 'none: null'} |" for each in MARKETS.values()),
        "",
    ]
    return "\n".join(lines)


def section(table: Table) -> str:
    """Give one table's heading, grain, key and columns."""
    lines = [
        f"## {table.name}",
        "",
        table.description,
        "",
        f"Key: {', '.join(f'`{name}`' for name in table.key)}.",
        "",
        "| Column | Type | Unit | What |",
        "|---|---|---|---|",
        *(row(column) for column in table.columns),
        "",
    ]
    return "\n".join(lines)


def row(column: Column) -> str:
    """Give one column as a line of a Markdown table."""
    kind = DTYPE_NAMES[column.dtype] + (", may be null" if column.is_nullable else "")
    cells = (f"`{column.name}`", kind, column.unit, column.description)
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def main() -> int:
    """Write or compare; the exit code is 1 when `--check` finds a difference."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; fail when the page is not current")
    if not parser.parse_args().check:
        PAGE.parent.mkdir(parents=True, exist_ok=True)
        PAGE.write_text(page(), encoding="utf-8")
        return 0
    if PAGE.exists() and PAGE.read_text(encoding="utf-8") == page():
        return 0
    print(f"{PAGE.name} is not what schemas.py says; run: .venv/bin/python scripts/generate_docs.py", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
