"""What checks ask of a table's rows: each rule finds the rows it accuses. Nothing here drops or changes a row."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final, Literal

import polars as pl

from orion_assets.schemas import RAW_TICKERS, WHOLE_MARKET
from orion_assets.transforms.versions import visible

Severity = Literal["warn", "error"]


@dataclass(frozen=True)
class Finder:
    """A rule over the rows a run made.

    Attributes:
        name: The check's name.
        description: What passes, in one line.
        accused: From the table's rows to those that break the rule.
        severity: `error` blocks what is downstream, `warn` reports.
    """

    name: str
    description: str
    accused: Callable[[pl.DataFrame], pl.DataFrame]
    severity: Severity = "warn"


# Nobody has a bar of a minute: so many who trade in each of so many minutes on both sides of it should
_TRADING: Final = 3
_AROUND: Final = 3
# Tickers that one alert names
_NAMED: Final = 10
_MINUTE: Final = timedelta(minutes=1)


def some_of(tickers: pl.Expr) -> pl.Expr:
    """Name the first tickers of a group and count the others, as an alert that is meant for all of them does."""
    rest = tickers.len() - tickers.head(_NAMED).len()
    more = pl.when(rest > 0).then(pl.format(" and {} more", rest)).otherwise(pl.lit(""))
    return pl.concat_str(tickers.head(_NAMED).str.join(", "), more)


def _lost(rows: pl.DataFrame) -> pl.DataFrame:
    """Minutes between those of a regular session that nobody has; a halt of the whole market looks alike."""
    traded = _visible(rows).filter(pl.col("phase") == "regular").select("ticker", "session", "ts_open")
    minutes = traded.select("session", "ts_open").unique().sort("session", "ts_open")
    holes = minutes.with_columns(_until=pl.col("ts_open").shift(-1).over("session")).filter(
        pl.col("_until") - pl.col("ts_open") > _MINUTE
    )
    side, after = pl.col("ts_open").is_between, pl.col("_until")
    around = traded.join(holes.rename({"ts_open": "_before"}), on="session").filter(
        side(pl.col("_before") - (_AROUND - 1) * _MINUTE, pl.col("_before"))
        | side(after, after + (_AROUND - 1) * _MINUTE)
    )
    steady = around.group_by("session", "_before", "_until", "ticker").len().filter(pl.col("len") == 2 * _AROUND)
    counted = steady.group_by("session", "_before", "_until").agg(
        _count=pl.len(), _who=some_of(pl.col("ticker").sort())
    )
    found = counted.filter(pl.col("_count") >= _TRADING).with_columns(
        ticker=pl.lit(WHOLE_MARKET),
        ts_open=pl.col("_before") + _MINUTE,
        minutes=(pl.col("_until") - pl.col("_before")).dt.total_minutes() - 1,
        found=pl.format("nobody has it, and all these traded on both sides of it: {}", "_who"),
        remedy=pl.lit("ask again: orion backfill of the session; where the exchange halted everybody there is none"),
    )
    return found.select("ticker", "session", "ts_open", "minutes", "found", "remedy").sort("session", "ts_open")


def _visible(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.filter(pl.col("known_until").is_null() & ~pl.col("is_deleted"))


def _outside(rows: pl.DataFrame) -> pl.DataFrame:
    """Bars whose prices contradict each other by more than rounding."""
    slack = pl.col("close").abs() * 1e-9
    top = pl.max_horizontal("open", "close", "low")
    bottom = pl.min_horizontal("open", "close", "high")
    return _visible(rows).filter((top > pl.col("high") + slack) | (bottom < pl.col("low") - slack))


def _flat(rows: pl.DataFrame) -> pl.DataFrame:
    return _visible(rows).filter(
        (pl.col("volume") == 0) & (pl.col("open") == pl.col("close")) & (pl.col("high") == pl.col("low"))
    )


def _vwap_outside(rows: pl.DataFrame) -> pl.DataFrame:
    return _visible(rows).filter((pl.col("vwap") > pl.col("high")) | (pl.col("vwap") < pl.col("low")))


def _closed_days(rows: pl.DataFrame) -> pl.DataFrame:
    return _visible(rows).filter(pl.col("date") != pl.col("session"))


def _wide_tags(rows: pl.DataFrame) -> pl.DataFrame:
    return _visible(rows).filter(pl.col("tickers").list.len() > 10)


def _unsound(rows: pl.DataFrame) -> pl.DataFrame:
    floats = [name for name, dtype in rows.schema.items() if dtype == pl.Float64]
    is_infinite = pl.any_horizontal(~pl.col(floats).is_finite().fill_null(value=True))
    return rows.filter(is_infinite | (pl.col("ts_known") < pl.col("ts_event")))


def _listed_backwards(rows: pl.DataFrame) -> pl.DataFrame:
    # A row that cannot be read is in quarantine, and needs no second accusation
    readable = visible(rows, RAW_TICKERS.key).filter(pl.col("problem").is_null())
    return readable.filter(pl.col("list_date") >= pl.col("delist_date"))


def _empty_intervals(rows: pl.DataFrame) -> pl.DataFrame:
    return _visible(rows).filter(pl.col("valid_from") >= pl.col("valid_to"))


def _overlapping(rows: pl.DataFrame) -> pl.DataFrame:
    """Intervals that begin while another security bears the ticker; of two without an end, the later one."""
    real = _visible(rows).filter((pl.col("valid_from") < pl.col("valid_to")).fill_null(value=True))
    ends = pl.col("valid_to").fill_null(pl.lit(date.max))
    ordered = real.sort("ticker", "valid_from", "security_id").with_columns(
        held_until=ends.cum_max().shift().over("ticker")
    )
    return ordered.filter(pl.col("valid_from") < pl.col("held_until")).drop("held_until")


# Few and broad: Dagster stores a row a check and session of a run before it starts, 3 to 4 ms each
REFERENCE: Final = (Finder("listed_before_delisted", "list_date < delist_date", _listed_backwards),)
SECURITY: Final = (
    Finder("intervals_in_order", "valid_from < valid_to", _empty_intervals),
    Finder("one_security_a_ticker", "No two securities bear one ticker on one date", _overlapping),
)
BARS: Final = (
    Finder("prices_in_order", "low <= open, close <= high", _outside),
    Finder("traded", "No flat bar without volume", _flat),
    Finder("vwap_in_range", "low <= vwap <= high", _vwap_outside),
)
MINUTES: Final = (
    # Of a minute as of a day
    *BARS,
    Finder("no_minute_lost", "No minute of the regular session is missing for everybody who trades around it", _lost),
)
VIX: Final = (
    Finder("prices_in_order", "low <= open, close <= high", _outside),
    Finder("on_exchange_days", "The exchange was open on every VIX day", _closed_days),
)
NEWS: Final = (Finder("few_tickers", "No article is tagged with more than ten tickers", _wide_tags),)
FEATURES: Final = (
    Finder("sound", "Every value is finite or null, and none was known before it was true", _unsound, "error"),
)
