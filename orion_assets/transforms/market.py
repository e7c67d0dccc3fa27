"""feature_market: the state of the market at each cut-off, from VIX days."""

from datetime import date
from typing import Final

import polars as pl

from orion_assets.schemas import ANSWERED, FEATURE_MARKET, WHOLE_MARKET
from orion_assets.transforms.versions import change_points
from orion_assets.transforms.vix import vix_series

_CELL: Final = ["session", "cutoff"]
_VIX: Final = ("vix_close", "vix_change", "vix_percentile_252")
_VALUES: Final = ("vix_date", "vix_age_sessions", *_VIX)


def instants(sessions: pl.DataFrame) -> pl.DataFrame:
    """Give the two decision instants of each session.

    Args:
        sessions: calendars.sessions() rows, at least one session before the first wanted.

    Returns:
        `session`, `cutoff`, `ts_cutoff` (UTC), `bar_session`: the session whose bar is final then, the one before at
        the open (null for the first session of the frame), `position` of `bar_session`. Sorted by `ts_cutoff`.
    """
    opens = sessions.select(
        "session",
        pl.lit("open").alias("cutoff"),
        pl.col("ts_open_cutoff").alias("ts_cutoff"),
        pl.col("session").shift().alias("bar_session"),
        pl.col("position").shift(),
    )
    closes = sessions.select(
        "session",
        pl.lit("close").alias("cutoff"),
        pl.col("ts_close_cutoff").alias("ts_cutoff"),
        pl.col("session").alias("bar_session"),
        "position",
    )
    return pl.concat([opens, closes]).sort("ts_cutoff")


def asked(coverage: pl.DataFrame, sessions: pl.DataFrame, start: date, end: date) -> pl.DataFrame:
    """Keep the cut-offs in [start, end) for which a dataset was asked: rows that may exist at all.

    Args:
        coverage: RAW_COVERAGE rows of one dataset.
        sessions: calendars.sessions() rows.
        start: First session.
        end: First session no longer wanted.

    Returns:
        `instants` rows plus `ts_asked` (UTC): the cut-off, or the later instant at which the first answer came. A run
        that asks minutes after the cut-off must not have been read before it.
    """
    # The past of a ticker followed later is answered with older clocks, and moves nobody else's rows
    is_answer = (pl.col("ticker") == WHOLE_MARKET) & pl.col("state").is_in(ANSWERED) & ~pl.col("is_deleted")
    wanted = coverage.filter(pl.col("session").is_between(start, end, closed="left") & is_answer)
    cells = wanted.group_by(_CELL).agg(_answered=pl.col("ts_known").min())
    found = instants(sessions).join(cells, on=_CELL, maintain_order="left")
    return found.with_columns(ts_asked=pl.max_horizontal("ts_cutoff", "_answered")).drop("_answered")


def feature_market(
    days: pl.DataFrame, cells: pl.DataFrame, others: pl.DataFrame, sessions: pl.DataFrame
) -> pl.DataFrame:
    """Give the market columns at each cut-off, with every version of each row.

    Args:
        days: CLEAN_VIX rows, all versions, from the first day.
        cells: asked() rows of raw_vix, those wanted.
        others: asked() rows of raw_daily_bars, those wanted: where VIX was not answered, its last day ages.
        sessions: calendars.sessions() rows, the whole calendar.

    Returns:
        FEATURE_MARKET rows. The values are those of the latest VIX day visible then and not after the session
        (close) or the one before it (open), with its age in sessions; null while there is none. A cut-off that VIX
        was not answered for has a row from the first VIX day on.
    """
    series = vix_series(days)
    rows = pl.concat([cells, _aging(others, series)]).filter(pl.col("bar_session").is_not_null())
    answers = _aged(_latest(_moments(_earliest(rows), series), series), sessions)
    stamped = answers.with_columns(ts_event="ts_cutoff", ts_known="_at", is_deleted=pl.lit(value=False))
    return change_points(stamped, FEATURE_MARKET.key, _VALUES).select(FEATURE_MARKET.names)


def _aging(cells: pl.DataFrame, series: pl.DataFrame) -> pl.DataFrame:
    """Keep the cut-offs that some VIX day may speak of, from the instant the first such day is known."""
    days = series.group_by("date").agg(_since=pl.col("ts_known").min()).sort("date")
    found = cells.sort("bar_session").join_asof(
        days.with_columns(pl.col("_since").cum_min()), left_on="bar_session", right_on="date", check_sortedness=False
    )
    spoken_of = found.filter(pl.col("_since").is_not_null())
    return spoken_of.with_columns(ts_asked=pl.max_horizontal("ts_asked", "_since")).select(cells.columns)


def _earliest(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.sort(*_CELL, "ts_asked").unique(_CELL, keep="first", maintain_order=True)


def _moments(rows: pl.DataFrame, series: pl.DataFrame) -> pl.DataFrame:
    """Each row when it was asked, and at every later instant at which a VIX day it may look at changed."""
    changes = series.group_by("ts_known").agg(_date=pl.col("date").min()).rename({"ts_known": "_at"})
    later = rows.join_where(changes, pl.col("_at") > pl.col("ts_asked"), pl.col("_date") <= pl.col("bar_session"))
    return pl.concat([rows.with_columns(_at="ts_asked"), later.drop("_date")], how="diagonal")


def _latest(moments: pl.DataFrame, series: pl.DataFrame) -> pl.DataFrame:
    """Find each moment's VIX day: the newest date not after `bar_session` that is visible at `_at`."""
    dates = series.select("date").unique().sort("date").with_columns(_before=pl.col("date").shift())
    versions = series.select("date", "ts_known", "is_deleted", *_VIX).sort("ts_known")
    open_ones = (
        moments.sort("bar_session")
        .join_asof(dates.select("date"), left_on="bar_session", right_on="date", check_sortedness=False)
        .rename({"date": "vix_date"})
    )
    done: list[pl.DataFrame] = []
    while open_ones.height or not done:
        seen = open_ones.sort("_at").join_asof(
            versions, left_on="_at", right_on="ts_known", by_left="vix_date", by_right="date", check_sortedness=False
        )
        is_found = pl.col("vix_date").is_null() | (
            pl.col("ts_known").is_not_null() & ~pl.col("is_deleted").fill_null(value=True)
        )
        done.append(seen.filter(is_found).drop("ts_known", "is_deleted"))
        missed = seen.filter(~is_found).select(*moments.columns, "vix_date")
        # Not there yet, or withdrawn: look at the day before
        open_ones = (
            missed.join(dates, left_on="vix_date", right_on="date", how="left")
            .with_columns(vix_date="_before")
            .drop("_before")
        )
    return pl.concat(done)


def _aged(answers: pl.DataFrame, sessions: pl.DataFrame) -> pl.DataFrame:
    """Add the age in sessions; a VIX day on which the exchange is closed counts as the session before it."""
    positions = sessions.select(_session="session", _position="position")
    dated = answers.sort("vix_date").join_asof(
        positions, left_on="vix_date", right_on="_session", check_sortedness=False
    )
    return dated.with_columns(vix_age_sessions=pl.col("position") - pl.col("_position"))
