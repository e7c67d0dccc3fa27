"""Versions of rows: which are visible when, where a table changes, and how a series is replayed by epochs.

Pure functions over frames that carry `ts_known` and `is_deleted`; nothing here knows what the values mean.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import polars as pl

KNOWN: Final = "ts_known"
_BEFORE: Final = "_before"
_SINCE: Final = "_since"


def visible(frame: pl.DataFrame, key: Sequence[str], at: datetime | None = None) -> pl.DataFrame:
    """Keep the last version of each key known at an instant, less the withdrawn.

    Args:
        frame: Rows with `ts_known` and `is_deleted`, any order; (key, ts_known) unique.
        key: Columns that name a row apart from its version.
        at: The instant, inclusive; None for the end of time.

    Returns:
        At most one row a key, sorted by key, all columns kept.
    """
    known = frame if at is None else frame.filter(pl.col(KNOWN) <= at)
    # The last version first, the withdrawn after: the other way round an older value would come back
    return known.sort([*key, KNOWN]).unique(key, keep="last", maintain_order=True).filter(~pl.col("is_deleted"))


def current(at: datetime | pl.Expr) -> pl.Expr:
    """Say of a row of an interval table (`ts_known`, `known_until`, `is_deleted`) whether it is what one knew then.

    The same as `store.reader.VISIBLE`, in Polars.

    Args:
        at: The instant, inclusive, or a column that holds one a row.
    """
    until = pl.col("known_until")
    return (pl.col(KNOWN) <= at) & (until.is_null() | (until > at)) & ~pl.col("is_deleted")


def change_points(frame: pl.DataFrame, key: Sequence[str], values: Sequence[str]) -> pl.DataFrame:
    """Keep the versions at which a key's values change, each with the instant of the next one.

    Args:
        frame: Candidate versions with `ts_known` and `is_deleted`; (key, ts_known) unique.
        key: Columns that name a row apart from its version.
        values: Columns whose change makes a version; compared exactly, null equal to null.

    Returns:
        Sorted by key and `ts_known`, with `known_until` (UTC, null for a key's last version). A withdrawal of what
        was not there is dropped, a return to an earlier value is kept.
    """
    ordered = frame.sort([*key, KNOWN])
    is_first = pl.any_horizontal([pl.col(name).ne_missing(pl.col(name).shift()) for name in key])
    is_same = pl.all_horizontal([pl.col(name).eq_missing(pl.col(name).shift()) for name in values])
    was_deleted = pl.col("is_deleted").shift()
    changes = (
        # The first row of the frame has no row before it, yet is one's first
        pl.when(is_first | (pl.int_range(pl.len()) == 0))
        .then(~pl.col("is_deleted"))
        .when(pl.col("is_deleted"))
        .then(~was_deleted)
        .otherwise(was_deleted | ~is_same)
    )
    return ordered.filter(changes).with_columns(known_until=pl.col(KNOWN).shift(-1).over(key))


@dataclass(frozen=True)
class Series:
    """How the points of a table form series: those of a group may depend on one another, in the order of a date.

    Attributes:
        group: Column of the group.
        order: Date column; a point depends on points of earlier dates and on itself.
        names: Columns that tell the points of one date apart; empty where a group has one a date.
    """

    group: str
    order: str
    names: tuple[str, ...] = ()

    @property
    def key(self) -> list[str]:
        """The key of a point."""
        return [*(self.names or (self.group,)), self.order]


def epochs(points: pl.DataFrame, series: Series) -> pl.DataFrame:
    """Find the arrivals that are out of order: second versions, withdrawals, points older than the newest.

    Args:
        points: Versions of points with the series' columns, `ts_known`, `is_deleted`.
        series: Which columns form the series.

    Returns:
        Distinct (group, ts_known), sorted.
    """
    by_arrival = points.sort([series.group, KNOWN, series.order])
    newest_before = pl.col(series.order).cum_max().shift().over(series.group)
    is_late = (pl.col(series.order) < newest_before).fill_null(value=False)
    is_again = ~pl.struct(series.key).is_first_distinct()
    return (
        by_arrival.filter(is_late | is_again | pl.col("is_deleted"))
        .select(series.group, KNOWN)
        .unique()
        .sort(series.group, KNOWN)
    )


def replay(
    points: pl.DataFrame,
    series: Series,
    late: pl.DataFrame,
    compute: Callable[[pl.DataFrame, pl.DataFrame], pl.DataFrame],
    wanted: pl.Expr,
) -> pl.DataFrame:
    """Give every version of a computed series: V(T) = compute(points known at T), at all T where it changes.

    Arrivals in order share one vectorised pass; each epoch costs its groups one pass more, ascending.

    Args:
        points: Versions of points, from each group's first one.
        series: Which columns form the series.
        late: (group, ts_known) of further epochs, such as a split learned after its ex-date; may be empty.
        compute: (visible points sorted by series key, limits) -> one row a point, causal: a row may depend on points
            of its group up to its own. `limits` has (group, `_before`): what is known at or after that instant must
            not be read; null means no limit. Must return group, key columns and values, nothing else.
        wanted: Which points' rows to return, in terms of the series' columns.

    Returns:
        `compute`'s columns plus `ts_known`, `is_deleted`, `known_until`, sorted by key and `ts_known`.
    """
    turns = _turns(points, series, late, wanted)
    emitted: list[pl.DataFrame] = []
    earlier: pl.DataFrame | None = None
    for now in turns.partition_by("_turn", include_key=False, maintain_order=True):
        known = points.join(now, on=series.group).filter(_is_before(pl.col(KNOWN)))
        shown = visible(known, series.key)
        computed = compute(shown.drop(_SINCE, _BEFORE), now.select(series.group, _BEFORE))
        clocks = shown.select(*series.key, _arrived=pl.col(KNOWN), _since=pl.col(_SINCE))
        rows = computed.join(clocks, on=series.key, how="left", maintain_order="left").filter(wanted)
        emitted.extend(_news_of(rows, earlier, now, series))
        earlier = rows.drop("_arrived", _SINCE)
    if not emitted:
        empty = compute(points.clear(), turns.select(series.group, _BEFORE).clear())
        emitted.append(_stamped(empty, pl.lit(None, pl.Datetime("us", "UTC")), is_deleted=False))
    names = [name for name in emitted[0].columns if name not in (series.group, *series.key, KNOWN, "is_deleted")]
    return change_points(pl.concat(emitted), series.key, names)


def _turns(points: pl.DataFrame, series: Series, late: pl.DataFrame, wanted: pl.Expr) -> pl.DataFrame:
    """List each group's passes: `_turn`, the epoch it starts at (`_since`) and the next one (`_before`)."""
    starts = pl.concat([epochs(points, series), late.select(series.group, KNOWN)]).unique().sort(series.group, KNOWN)
    # A pass that ends before the first wanted point arrives cannot hold a wanted row
    first = points.filter(wanted).group_by(series.group).agg(_first=pl.col(KNOWN).min())
    opening = first.select(series.group, pl.lit(None, pl.Datetime("us", "UTC")).alias(_SINCE))
    return (
        pl.concat([opening, starts.join(first, on=series.group, how="semi").rename({KNOWN: _SINCE})])
        .sort(series.group, _SINCE, nulls_last=False)
        .with_columns(pl.col(_SINCE).shift(-1).over(series.group).alias(_BEFORE))
        .join(first, on=series.group)
        .filter(_is_before(pl.col("_first")))
        .with_columns(_turn=pl.int_range(pl.len()).over(series.group))
        .select("_turn", series.group, _SINCE, _BEFORE)
        .sort("_turn", series.group)
    )


def _is_before(instant: pl.Expr) -> pl.Expr:
    return pl.col(_BEFORE).is_null() | (instant < pl.col(_BEFORE))


def _news_of(rows: pl.DataFrame, earlier: pl.DataFrame | None, now: pl.DataFrame, series: Series) -> list[pl.DataFrame]:
    """Give what a pass adds: rows that arrived during it, and at its epoch the rows changed or gone."""
    arrived = pl.col(_SINCE).is_null() | (pl.col("_arrived") > pl.col(_SINCE))
    fresh = rows.filter(arrived)
    news = [_stamped(fresh.drop("_arrived", _SINCE), fresh["_arrived"], is_deleted=False)]
    # `change_points` drops what an epoch restates without changing it
    restated = rows.filter(~arrived)
    news.append(_stamped(restated.drop("_arrived", _SINCE), restated[_SINCE], is_deleted=False))
    if earlier is not None:
        shown = earlier.join(now.select(series.group, _SINCE), on=series.group)
        gone = shown.join(rows.select(series.key), on=series.key, how="anti")
        values = [name for name in earlier.columns if name not in (series.group, *series.key)]
        blank = gone.with_columns(pl.lit(None, dtype=earlier.schema[name]).alias(name) for name in values)
        news.append(_stamped(blank.drop(_SINCE), gone[_SINCE], is_deleted=True))
    return [frame for frame in news if frame.height]


def _stamped(rows: pl.DataFrame, known: pl.Series | pl.Expr, *, is_deleted: bool) -> pl.DataFrame:
    return rows.with_columns(
        (known if isinstance(known, pl.Expr) else known.alias(KNOWN)).alias(KNOWN), is_deleted=pl.lit(is_deleted)
    )
