"""Raw minute bars to trusted ones: within the hours of their session, on the minute, with the phase of the session."""

from typing import Final

import polars as pl

from orion_assets.markets import EQUITIES, Market
from orion_assets.schemas import CLEAN_MINUTE_BARS, RAW_MINUTE_BARS, table_of
from orion_assets.transforms.bars import BAR_RULES, Cleaned, Rule, a_session_of, rules_of, screen, with_intervals

MINUTE: Final = pl.duration(minutes=1)


def _shown(clock: str) -> pl.Expr:
    return pl.col(clock).dt.convert_time_zone("America/New_York").dt.strftime("%Y-%m-%d %H:%M:%S %Z")


def _off_calendar(market: Market) -> Rule:
    return Rule(
        "on_the_calendar",
        pl.col("ts_close").is_null(),
        pl.format("{} is of {}, which is not {}", _shown("ts_open"), "session", pl.lit(a_session_of(market))),
        "check the stamps, their format, zone and bar_label; the exchange was shut",
    )


_OUT_OF_HOURS: Final = Rule(
    "within_hours",
    ~pl.col("ts_open").is_between("ts_first", "ts_last", closed="left"),
    pl.format("{} is outside of the hours in which {} is traded", _shown("ts_open"), "session"),
    "check the zone and bar_label of the source; where it trades longer, state the market's hours in markets.py",
)
_OFF_GRID: Final = Rule(
    "on_the_minute",
    (pl.col("ts_open") != pl.col("ts_open").dt.truncate("1m")) | (pl.col("ts_event") != pl.col("ts_open") + MINUTE),
    pl.format("{} to {} is not a minute", _shown("ts_open"), _shown("ts_event")),
    "check that the source gives bars of one minute, and the format of their stamps",
)
# Those of daily bars, and where a minute may lie
RULES: Final = (*BAR_RULES, _off_calendar(EQUITIES), _OUT_OF_HOURS, _OFF_GRID)


def clean_minute_bars(raw: pl.DataFrame, traded: pl.DataFrame, market: Market = EQUITIES) -> Cleaned:
    """Let through the minute bars that can be trusted, as traded, with every version of each.

    Args:
        raw: RAW_MINUTE_BARS rows, all versions, of whole sessions; any order. Of another market, of its own table.
        traded: calendars.traded() rows: of each session `ts_open` and `ts_close`, the regular hours, and `ts_first` and
            `ts_last`, all hours, [first, last).
        market: Whose bars they are.

    Returns:
        CLEAN_MINUTE_BARS rows, a version for each change, and the QUARANTINE rows. `phase` is `pre` before the
        session's own open, `post` from its own close on, which comes early on half-days. A minute without trades stays
        without a row: nothing is filled. A bad row never replaces a good one; a withdrawal passes whatever it says.
    """
    hours = traded.select("session", "ts_close", "ts_first", "ts_last", _opens="ts_open")
    judged = raw.join(hours, on="session", how="left")
    rules = (*rules_of(market), _off_calendar(market), _OUT_OF_HOURS, _OFF_GRID)
    good, held = screen(table_of(RAW_MINUTE_BARS, market), judged, rules)
    phase = (
        pl.when(pl.col("ts_open") < pl.col("_opens"))
        .then(pl.lit("pre"))
        .when(pl.col("ts_open") < pl.col("ts_close"))
        .then(pl.lit("regular"))
        .otherwise(pl.lit("post"))
    )
    return Cleaned(with_intervals(table_of(CLEAN_MINUTE_BARS, market), good.with_columns(phase=phase)), held)
