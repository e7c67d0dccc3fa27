"""Look for the future in stored features: cut all raw rows at an instant, derive anew, compare with the read as of it.

What differs was made of something that nobody could have known then, or is not what the code of today makes of raw.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Final, NamedTuple

import polars as pl

from orion_assets.quality.parity import unequal
from orion_assets.schemas import FEATURE_MATRIX, RAW_UNIVERSE, SECURITIES
from orion_assets.tables import UTC_US, Table
from orion_assets.transforms.pipeline import RAW, derive, kin
from orion_assets.transforms.securities import securities
from orion_assets.transforms.versions import current

Tables = Mapping[str, pl.DataFrame]
Derive = Callable[[Tables, pl.DataFrame, date, date], Tables]
# Rows of the feature matrix visible at an instant
Stored = Callable[[datetime], pl.DataFrame]

_KEY: Final = [*FEATURE_MATRIX.key]
_CLOCKS: Final = ("ts_event", "ts_known", "known_until", "is_deleted")
FEATURES: Final = tuple(name for name in FEATURE_MATRIX.names if name not in (*_KEY, *_CLOCKS, "bar_session"))
# Where the row as such is there on one side alone, or known at another instant
ROW: Final = "the row"
_FOUND: Final = ("feature", "ticker", "session", "cutoff", "as_of", "stored", "rebuilt")
_TICK: Final = timedelta(microseconds=1)
# What a run spends on looking: each instant derives the chosen tickers anew
_SPOT_TICKERS: Final = 5
_SPOT_INSTANTS: Final = 4


@dataclass(frozen=True)
class Scope:
    """Some tickers, and the sessions [start, end)."""

    tickers: Sequence[str]
    start: date
    end: date


class Spotted(NamedTuple):
    """What a spot check came to.

    Attributes:
        found: What differs, as `leaks` gives it.
        rows: How many stored rows were held against raw, each instant anew; 0 means that nothing was judged.
    """

    found: pl.DataFrame
    rows: int


def leaks(
    raw: Tables,
    stored: Stored,
    sessions: pl.DataFrame,
    instants: Sequence[datetime],
    scope: Scope,
    how: Derive = derive,
) -> pl.DataFrame:
    """Compare the feature matrix as stored with what raw says, at each of some instants.

    Args:
        raw: Raw tables by name, all versions, whole for the tickers in question.
        stored: Gives the visible FEATURE_MATRIX rows of the scope at an instant.
        sessions: calendars.sessions() rows, the whole calendar.
        instants: When to look, UTC.
        scope: Whose rows to compare; relatives of the tickers may stand in `raw` and are not compared.
        how: How the tables are derived.

    Returns:
        `feature`, `ticker`, `session`, `cutoff` of the first row that differs, for each feature and ticker; `as_of` the
        instant of the read, `stored` and `rebuilt` its two values as text (null where there is none). Sorted by
        instant, ticker and session; no rows where nothing leaks.
    """
    found = [pl.DataFrame(schema=dict.fromkeys(_FOUND, pl.String) | {"session": pl.Date, "as_of": UTC_US})]
    is_asked = pl.col("ticker").is_in(list(scope.tickers))
    for instant in sorted(instants):
        end = min(scope.end, instant.date() + timedelta(days=2))
        if end <= scope.start:
            continue
        derived = how(_cut(raw, instant), sessions, scope.start, end)[FEATURE_MATRIX.name].filter(is_asked)
        differing = _differences(stored(instant), visible_at(derived, instant))
        found.append(differing.with_columns(as_of=pl.lit(instant, UTC_US)))
    told = pl.concat([frame.select(_FOUND) for frame in found]).sort("as_of", "ticker", "session", "cutoff")
    return told.unique(["feature", "ticker"], keep="first", maintain_order=True)


def spot_check(
    read: Callable[[Sequence[str]], Tables], made: pl.DataFrame, sessions: pl.DataFrame, scope: Scope, now: datetime
) -> Spotted:
    """Look for leaks in what a run has just derived, in a few tickers that change with the session.

    Args:
        read: Gives the raw tables of some tickers, as `raw_of` does.
        made: FEATURE_MATRIX rows of the sessions in question, all versions.
        sessions: calendars.sessions() rows, the whole calendar.
        scope: The run's sessions, and the tickers to choose from.
        now: What is known later is not looked for, UTC: the time after the run's last landing.

    Returns:
        What differs, at the instants of `probes` and where the newest of the rows came to be known and a tick before:
        a run of today makes rows that no cut-off shows yet. Of how many rows, each instant anew.
    """
    chosen = replace(scope, tickers=sampled(scope, sessions))
    raw = read(chosen.tickers)
    mine = made.filter(pl.col("ticker").is_in(list(chosen.tickers)))
    newest = mine.filter(pl.col("ts_known") <= now)["ts_known"].unique().sort().tail(1)
    when = {*probes(raw, sessions, chosen, _SPOT_INSTANTS), *newest, *(newest - _TICK)}
    shown = {instant: visible_at(mine, instant) for instant in when if instant <= now}
    found = leaks(raw, shown.__getitem__, sessions, list(shown), chosen)
    return Spotted(found, sum(rows.height for rows in shown.values()))


def sampled(scope: Scope, sessions: pl.DataFrame) -> list[str]:
    """Choose the tickers of a scope that a spot check looks at."""
    return sample(scope.tickers, sessions.filter(pl.col("session") < scope.end).height, _SPOT_TICKERS)


def underived(listed: pl.DataFrame, held: pl.DataFrame, tickers: Sequence[str], sessions: pl.DataFrame) -> list[str]:
    """Name the tickers whose securities are not what the reference makes of them now, sorted.

    Features made of such securities differ from raw without a fault of theirs.

    Args:
        listed: RAW_TICKERS rows, all versions.
        held: SECURITIES rows, all versions, as they were derived last.
        tickers: Whose securities to compare, and those of their relatives.
        sessions: calendars.sessions() rows, the whole calendar.
    """
    is_kin = pl.col("ticker").is_in(kin(listed, tickers))
    made, mine = SECURITIES.conform(securities(listed.filter(is_kin), sessions).rows), held.filter(is_kin)
    differing = unequal(made, mine, SECURITIES)
    both = pl.concat([frame.select(*SECURITIES.key, "ticker") for frame in (made, mine)])
    return both.join(differing, on=SECURITIES.key, how="semi")["ticker"].unique().sort().to_list()


def sample(tickers: Sequence[str], number: int, count: int) -> list[str]:
    """Choose some tickers by the number of a session, so that sessions in a row go through all of them."""
    known = sorted(tickers)
    first = number * count
    return sorted({known[(first + number) % len(known)] for number in range(min(count, len(known)))})


def probes(raw: Tables, sessions: pl.DataFrame, scope: Scope, count: int) -> list[datetime]:
    """Choose the instants that tell most: cut-offs, and a tick before rows that changed or came late.

    Args:
        raw: Raw tables by name, all versions.
        sessions: calendars.sessions() rows.
        scope: The sessions to look at.
        count: About how many; half of each kind where there are as many.
    """
    within = sessions.filter(pl.col("session").is_between(scope.start, scope.end, closed="left"))
    cutoffs = pl.concat([within["ts_open_cutoff"], within["ts_close_cutoff"]]).sort()
    if cutoffs.is_empty():
        return []
    late = [
        clocks
        for table in RAW
        if table != RAW_UNIVERSE and table.name in raw
        if (clocks := _late(raw[table.name], table, cutoffs)) is not None
    ]
    # Splits are few and news are many: each table has its say
    chosen = {instant for clocks in late for instant in _spread(clocks, max(1, count // 2 // len(late)))}
    return sorted(chosen | set(_spread(cutoffs.to_list(), max(1, count - len(chosen)))))


def _late(rows: pl.DataFrame, table: Table, cutoffs: pl.Series) -> list[datetime] | None:
    is_again = pl.struct(table.key).is_duplicated() | (pl.col("ts_known") > pl.col("ts_event") + timedelta(hours=12))
    clocks = (rows.filter(is_again)["ts_known"] - _TICK).unique().sort()
    return clocks.filter(clocks.is_between(cutoffs[0], cutoffs[-1])).to_list() or None


def _spread(instants: Sequence[datetime], count: int) -> list[datetime]:
    """Choose some evenly, the last one first of all: the newest rows are those that decide."""
    if len(instants) <= count or count == 1:
        return list(instants[-count:])
    return [instants[round(number * (len(instants) - 1) / (count - 1))] for number in range(count)]


def _cut(raw: Tables, instant: datetime) -> dict[str, pl.DataFrame]:
    # Whom to follow is chosen for all times at once, as features are kept from the first session on
    return {
        name: frame if name == RAW_UNIVERSE.name else frame.filter(pl.col("ts_known") <= instant)
        for name, frame in raw.items()
    }


def visible_at(rows: pl.DataFrame, instant: datetime) -> pl.DataFrame:
    """Read a derived table as of an instant."""
    return rows.filter(current(instant))


def _differences(stored: pl.DataFrame, rebuilt: pl.DataFrame) -> pl.DataFrame:
    columns = [*_KEY, *FEATURES, "ts_known"]
    both = stored.select(columns).join(
        rebuilt.select(columns), on=_KEY, how="full", suffix="_rebuilt", coalesce=True, nulls_equal=True
    )
    names = ("ts_known", *FEATURES)
    differs = {name: pl.col(name).ne_missing(pl.col(f"{name}_rebuilt")) for name in names}
    # One look at all of them first: nearly always nothing differs
    is_any = both.select(condition.any().alias(name) for name, condition in differs.items()).row(0, named=True)
    frames = [
        both.filter(differs[name]).select(
            *_KEY,
            feature=pl.lit(ROW if name == "ts_known" else name),
            stored=pl.col(name).cast(pl.String),
            rebuilt=pl.col(f"{name}_rebuilt").cast(pl.String),
        )
        for name in names
        if name == "ts_known" or is_any[name]
    ]
    told = pl.concat(frames)
    # Of a row that is there on one side alone, its values are no further finding
    alone = told.filter((pl.col("feature") == ROW) & (pl.col("stored").is_null() | pl.col("rebuilt").is_null()))
    return pl.concat([alone, told.join(alone, on=_KEY, how="anti")])
