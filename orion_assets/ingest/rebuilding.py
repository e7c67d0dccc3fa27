"""The ledger made anew from the lake, and what of it the lake cannot know.

What changes a feature is landed in raw: answers with rows, confirmed emptiness, rows that are held back, who is
followed. What came of nothing is not, and is forgotten with a state database that is lost; it is then asked for again.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

import polars as pl

from orion_assets.ingest.ledger import PUBLISHED, covered_cells, quarantined_cells
from orion_assets.markets import EQUITIES, MARKETS
from orion_assets.schemas import (
    ANSWERED,
    CLEAN_DAILY_BARS,
    CLEAN_MINUTE_BARS,
    QUARANTINE,
    RAW_COVERAGE,
    RAW_DAILY_BARS,
    RAW_MINUTE_BARS,
    RAW_UNIVERSE,
    table_of,
)
from orion_assets.store.lake import Lake
from orion_assets.store.state import LEDGER_KEY, State
from orion_assets.transforms.versions import visible

_CLEANED: Final = {
    table_of(raw, market): table_of(clean, market)
    for market in (EQUITIES, *MARKETS.values())
    for raw, clean in ((RAW_DAILY_BARS, CLEAN_DAILY_BARS), (RAW_MINUTE_BARS, CLEAN_MINUTE_BARS))
}
_SAME: Final = ["state", "ts_known"]


@dataclass(frozen=True)
class Rebuilt:
    """What came of it, in cells.

    Attributes:
        landed: Cells that the lake tells of.
        changed: Of these, those that the ledger lacked or told otherwise.
        dropped: Cells that the ledger called landed and the lake knows nothing of.
        kept: Cells that only the ledger knows: asked for in vain, not there yet, published.
    """

    landed: int
    changed: int
    dropped: int
    kept: int


def rebuild(lake: Lake, state: State, now: datetime) -> Rebuilt:
    """Make the ledger say what the lake says.

    A cell that the ledger tells as the lake does stays as it is, with its attempts and when it was last asked for. What
    only the ledger knows stays too. Where nobody is followed, those are who were followed last.

    Args:
        lake: Where answers were landed.
        state: The state database; an empty one is filled.
        now: The time, UTC: from when on those are followed whom the lake names.
    """
    if not state.universe():
        state.add_tickers(visible(lake.read(RAW_UNIVERSE), RAW_UNIVERSE.key)["ticker"].to_list(), ts_added=now)
    parts = [_rebuilt(lake, state, start, end) for start, end in _months(lake, state)]
    landed, changed, dropped = (sum(each) for each in zip(*parts, strict=True)) if parts else (0, 0, 0)
    kept = int(state.tally()["cells"].sum()) - landed
    return Rebuilt(landed, changed, dropped, kept)


def _rebuilt(lake: Lake, state: State, start: date, end: date) -> tuple[int, int, int]:
    """Rebuild the cells of some sessions; gives those that the lake tells of, that changed, and that were dropped."""
    held = _held_back(lake, start, end)
    covered = covered_cells(lake.read(RAW_COVERAGE, start=start, end=end))
    told = pl.concat([covered.join(held, on=LEDGER_KEY, how="anti"), held])
    known = state.cells(start=start, end=end).filter(pl.col("dataset") != PUBLISHED)
    # A doubt about an answer is the ledger's own, until it is asked for again
    doubted = known.filter(state="quarantined").join(held, on=LEDGER_KEY, how="anti")
    mine = told.join(doubted, on=LEDGER_KEY, how="anti")
    other = mine.join(known, on=[*LEDGER_KEY, *_SAME], how="anti", nulls_equal=True)
    gone = known.filter(pl.col("state").is_in(ANSWERED)).join(told, on=LEDGER_KEY, how="anti")
    # Attempts are those of what was told before
    state.clear(pl.concat([other.select(LEDGER_KEY), gone.select(LEDGER_KEY)]))
    state.record(other)
    return mine.height, other.height, gone.height


def _held_back(lake: Lake, start: date, end: date) -> pl.DataFrame:
    held = lake.read(QUARANTINE, start=start, end=end)
    found = [quarantined_cells(held.clear(), RAW_DAILY_BARS.empty(), CLEAN_DAILY_BARS.empty())]
    for raw, clean in _CLEANED.items():
        mine = held.filter(pl.col("origin") == raw.name)
        # A session at a time: all minutes are too many
        for day in mine["session"].unique().sort():
            of_day, after = mine.filter(pl.col("session") == day), day + timedelta(days=1)
            said, good = (lake.read(table, start=day, end=after) for table in (raw, clean))
            found.append(quarantined_cells(of_day, said, good, raw))
    return pl.concat(found)


def _months(lake: Lake, state: State) -> list[tuple[date, date]]:
    """Give the months that either of them tells of: all of their cells may not fit into memory at once."""
    known = state.tally()["session"].dt.month_start().unique().to_list()
    firsts = sorted({*known, *lake.months(RAW_COVERAGE)})
    return [(first, (first + timedelta(days=32)).replace(day=1)) for first in firsts]
