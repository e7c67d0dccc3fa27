"""The heat map of the ledger's states: what a square says in words, letters and shares. Colours are the template's."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import polars as pl

from orion_assets.store.state import STATES

# A letter a state, so that nobody has to tell colours apart
LETTERS: Final[Mapping[str, str]] = {
    "data": "D",
    "empty_confirmed": "E",
    "not_yet": "Y",
    "not_entitled": "N",
    "not_listed": "L",
    "quarantined": "Q",
    "failed": "F",
}
MEANINGS: Final[Mapping[str, str]] = {
    "data": "data",
    "empty_confirmed": "confirmed to be empty",
    "not_yet": "not yet there, or to be derived",
    "not_entitled": "not in the subscription",
    "not_listed": "not listed by the source",
    "quarantined": "held back",
    "failed": "failed",
}


@dataclass(frozen=True)
class Square:
    """The cells of one month.

    Attributes:
        share: Per cent of them that are data, rounded down: 100 are all of them.
        others: Letter and count of every other state that occurs.
        bar: Every state that occurs, with its share in per cent.
        words: All of it in words.
    """

    share: int
    others: Sequence[str]
    bar: Sequence[tuple[str, float]]
    words: str


@dataclass(frozen=True)
class HeatMap:
    """Squares by name and month; None where there is no cell."""

    months: Sequence[str]
    rows: Mapping[str, Sequence[Square | None]]


def heat_map(counts: pl.DataFrame) -> HeatMap:
    """Make the map of counted cells.

    Args:
        counts: `dataset`, perhaps `ticker`, `month` and a count for each state; names come in this order. A ticker is
            named with its dataset where there are several.
    """
    months = counts["month"].unique().sort().to_list()
    is_named = "ticker" in counts.columns and counts["dataset"].n_unique() > 1
    name = (
        pl.concat_str("ticker", pl.lit(" "), "dataset")
        if is_named
        else pl.col("ticker" if "ticker" in counts.columns else "dataset")
    )
    found: dict[str, dict[str, Square]] = {}
    for row in counts.with_columns(_name=name).iter_rows(named=True):
        found.setdefault(row["_name"], {})[row["month"]] = _square(row)
    return HeatMap(months, {each: [squares.get(month) for month in months] for each, squares in found.items()})


def _square(row: Mapping[str, Any]) -> Square:
    there = {state: int(row[state]) for state in STATES if row[state]}
    whole = sum(there.values())
    return Square(
        100 * there.get("data", 0) // whole,
        [f"{LETTERS[state]}{count:,}" for state, count in there.items() if state != "data"],
        [(state, round(100 * count / whole, 2)) for state, count in there.items()],
        ", ".join(f"{count:,} {MEANINGS[state]}" for state, count in there.items()),
    )
