"""Where one page of a list ends and the next begins: asked for by what the page told, not by the vendor's cursor.

A cursor that jumps leaves a page out, and nothing in the other pages shows it: they do not count all there is. A list
in the order of a date goes on from the last date told, which the next page has to tell again. Where that is more than
half a page, pages would hardly bring what is new: the vendor's cursor is believed. A full page that names no next one
is asked on from its last date in any case, a call more than an honest last page needs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from orion_assets.errors import AnswerDistrusted
from orion_assets.sources.bodies import Row
from orion_assets.sources.polygon.requests import Request

# This part of a page at most is told twice: of dividends, 230 a session on average, it is a twentieth of 5,000
_OVERLAP: Final = 2


@dataclass(frozen=True)
class Seam:
    """What to ask for next.

    Attributes:
        request: The rest of the list, from the last date that a page told on.
        keys: Of the page's rows of that date, which the answer must hold.
    """

    request: Request
    keys: Sequence[str]

    def __str__(self) -> str:
        """Give what tells it from other questions about the list."""
        return "&".join(f"{name}={value}" for name, value in sorted(self.request.params.items()))

    def is_end(self, told: pl.Series) -> bool:
        """Say whether an answer holds but what the page before it ended with.

        Raises:
            AnswerDistrusted: It lacks some of that: between the two something may be missing.
        """
        lacking = set(self.keys) - set(told)
        if lacking:
            raise AnswerDistrusted(
                f"it does not go on where the page before it ended: {len(lacking)} of {len(self.keys)} results that"
                f" both should tell are not in it, the first {min(lacking)}. Between the pages some may be missing",
                is_worth_asking=True,
            )
        return set(told) == set(self.keys)


def seam_after(request: Request, found: Sequence[Row], keys: pl.DataFrame, name: str, *, goes_on: bool) -> Seam | None:
    """Give what to ask for after a page.

    Args:
        request: The question whose list it is.
        found: Results of the page, in whatever order.
        keys: `_row`, 1-based among the results, and their keys.
        name: The date or instant by which the list is sorted, ascending, and may be bounded.
        goes_on: The vendor names a next page. Where he does not, the page is full.

    Returns:
        None where the vendor's next page is the way on: dates are no texts of one form, or of the last one the page
        holds so many that they are not to be told again.

    Raises:
        AnswerDistrusted: There is no way on, and the page is full: dates are no texts of one form, or all are one.
    """
    told = [str(row.get(name) or "") for row in found]
    last = max(told, default="")
    rows = [number for number, value in enumerate(told, 1) if value == last]
    # A page of one date alone would be asked for for ever
    most = min(len(told) - 1, max(1, len(told) // _OVERLAP) if goes_on else len(told))
    if len({len(value) for value in told}) != 1 or not last or len(rows) > most:
        if goes_on:
            return None
        raise AnswerDistrusted(
            f"it is a full page of {len(told)}, names no next one, and no {name} in it tells where to go on: some"
            " may be missing",
            is_worth_asking=True,
        )
    kept = {each: value for each, value in request.params.items() if each not in (f"{name}.gt", f"{name}.gte")}
    edge = keys.filter(pl.col("_row").is_in(rows)).drop("_row").to_series().to_list()
    return Seam(Request(request.path, {**kept, f"{name}.gte": last}), edge)


class Sizes:
    """How full pages are: a vendor whose page is full and names no next one may have lost the way to it."""

    def __init__(self, limit: int) -> None:
        """Begin with what was asked for at most."""
        self._full = limit
        self._most = 0

    def is_full(self, size: int, *, goes_on: bool) -> bool:
        """Say whether a page holds as much as one can, by what was asked for and by the pages that others followed."""
        if goes_on or self._most:
            self._most = max(self._most, size)
        # Pages of one row are all alike, the last one too
        return size > 1 and size >= (self._most or self._full)
