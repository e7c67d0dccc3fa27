"""A long range of minutes in pieces: what is read, landed or cleaned at once must fit into memory.

Nothing here reads or writes; tables with one row a ticker and session are one piece.
"""

from datetime import date
from itertools import pairwise
from typing import Final

from orion_assets.market_hours import sessions_for
from orion_assets.markets import market_named_in
from orion_assets.tables import Table

# Rows of one piece, at most, where a session holds no more; a few hundred bytes each, several times over
MOST_ROWS: Final = 300_000


def pieces(table: Table, tickers: int, start: date, end: date) -> list[tuple[date, date]]:
    """Part the dates [start, end) into ranges of whole sessions that hold about MOST_ROWS rows.

    Args:
        table: What the rows are of.
        tickers: How many tickers are asked for; 0 where nobody knows, which gives a session a piece.
        start: First date.
        end: First date after the range.

    Returns:
        Ranges [first, next) that follow one another from `start` to `end`; dates without a session go with the
        session before them, the first ones with the first session.
    """
    if not table.is_intraday:
        return [(start, end)]
    minutes = market_named_in(table.name).minutes
    at_once = max(1, MOST_ROWS // (minutes * tickers)) if tickers else 1
    bounds = [start, *sessions_for(table.name, start, end)["session"].to_list()[at_once::at_once], end]
    return list(pairwise(bounds))
