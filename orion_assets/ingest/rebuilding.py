"""The ledger made anew from the lake, and what of it the lake cannot know.

What changes a feature is landed in raw: answers with rows, confirmed emptiness, rows that are held back, who is
followed. What came of nothing is not, and is forgotten with a state database that is lost; it is then asked for again.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

import polars as pl

from orion_assets.ingest.ledger import PUBLISHED, covered_cells, doubted_cells, quarantined_cells
from orion_assets.ingest.objects import logged_again
from orion_assets.markets import EQUITIES, MARKETS, Market
from orion_assets.schemas import (
    ANSWERED,
    CLEAN_DAILY_BARS,
    CLEAN_MINUTE_BARS,
    QUARANTINE,
    RAW_COVERAGE,
    RAW_DAILY_BARS,
    RAW_DIVIDENDS,
    RAW_MINUTE_BARS,
    RAW_NEWS,
    RAW_SPLITS,
    RAW_UNIVERSE,
    RAW_VIX,
    WHOLE_MARKET,
    table_of,
)
from orion_assets.store.lake import Lake
from orion_assets.store.state import LEDGER_KEY, State
from orion_assets.transforms.bars import UNREADABLE
from orion_assets.transforms.versions import visible

_CLEANED: Final = {
    table_of(raw, market): table_of(clean, market)
    for market in (EQUITIES, *MARKETS.values())
    for raw, clean in ((RAW_DAILY_BARS, CLEAN_DAILY_BARS), (RAW_MINUTE_BARS, CLEAN_MINUTE_BARS))
}
# Tables whose cells are the whole market's
_OF_THE_MARKET: Final = (RAW_VIX, RAW_NEWS, RAW_SPLITS, RAW_DIVIDENDS)
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
    only the ledger knows stays too. Where nobody is followed, those are who were followed last. Which version of which
    object was landed is known again, so that one that was replaced meanwhile is read again.

    Args:
        lake: Where answers were landed.
        state: The state database; an empty one is filled.
        now: The time, UTC: from when on those are followed whom the lake names.
    """
    follow_again(lake, state, now)
    logged_again(lake, state.objects)
    parts = [_rebuilt(lake, state, start, end) for start, end in _months(lake, state)]
    landed, changed, dropped = (sum(each) for each in zip(*parts, strict=True)) if parts else (0, 0, 0)
    kept = int(state.tally()["cells"].sum()) - landed
    return Rebuilt(landed, changed, dropped, kept)


def follow_again(lake: Lake, state: State, now: datetime) -> None:
    """Follow, of each market of which nobody is followed, whom the lake names.

    Of equities those for whom features were kept last. Of another market those who were asked for last: of each of its
    raw tables the tickers of the newest session that was answered.

    Args:
        lake: Where that was landed.
        state: The state database.
        now: The time, UTC: from when on they are followed.
    """
    if not state.universe():
        state.add_tickers(visible(lake.read(RAW_UNIVERSE), RAW_UNIVERSE.key)["ticker"].to_list(), ts_added=now)
    for market in MARKETS.values():
        if not state.universe(market):
            state.add_tickers(_asked_last(lake, market), ts_added=now)


def _asked_last(lake: Lake, market: Market) -> set[str]:
    found: set[str] = set()
    for raw in (RAW_DAILY_BARS, RAW_MINUTE_BARS):
        of_table = pl.col("dataset") == table_of(raw, market).name
        for first in reversed(lake.months(RAW_COVERAGE)):
            told = lake.read(RAW_COVERAGE, start=first, end=_month_after(first)).filter(of_table)
            if told.height:
                newest = told.filter(pl.col("session") == pl.col("session").max())
                found |= set(newest["ticker"]) - {WHOLE_MARKET}
                break
    return found


def _rebuilt(lake: Lake, state: State, start: date, end: date) -> tuple[int, int, int]:
    """Rebuild the cells of some sessions; gives those that the lake tells of, that changed, and that were dropped."""
    # Before the lake: what a run beside this one lands meanwhile is then in both, or the ledger's alone
    known = state.cells(start=start, end=end).filter(pl.col("dataset") != PUBLISHED)
    held = _held_back(lake, start, end)
    covered = covered_cells(lake.read(RAW_COVERAGE, start=start, end=end))
    told = pl.concat([covered.join(held, on=LEDGER_KEY, how="anti"), held])
    # A doubt about an answer is the ledger's own, until it is asked for again
    doubted = known.filter(state="quarantined").join(held, on=LEDGER_KEY, how="anti")
    mine = told.join(doubted, on=LEDGER_KEY, how="anti")
    other = mine.join(known, on=[*LEDGER_KEY, *_SAME], how="anti", nulls_equal=True)
    gone = known.filter(pl.col("state").is_in(ANSWERED)).join(told, on=LEDGER_KEY, how="anti")
    # Attempts are those of what was told before
    state.amend(pl.concat([known.join(other, on=LEDGER_KEY, how="semi"), gone]), other)
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
    for raw in _OF_THE_MARKET:
        mine = held.filter(pl.col("origin") == raw.name)
        # What can be read and is held back all the same is no doubt about the answer
        doubted = mine if raw is RAW_VIX else mine.filter(pl.col("rule") == UNREADABLE.name)
        if doubted.height:
            found.append(doubted_cells(doubted, lake.read(raw, start=start, end=end), raw))
    return pl.concat(found)


def _months(lake: Lake, state: State) -> list[tuple[date, date]]:
    """Give the months that either of them tells of: all of their cells may not fit into memory at once."""
    known = state.tally()["session"].dt.month_start().unique().to_list()
    firsts = sorted({*known, *lake.months(RAW_COVERAGE)})
    return [(first, _month_after(first)) for first in firsts]


def _month_after(first: date) -> date:
    return (first + timedelta(days=32)).replace(day=1)
