"""What looks wrong in a series of bars: splits nobody declared, gaps, repeats, leaps. Found and told, never changed."""

import math
from dataclasses import dataclass
from datetime import date
from typing import Final

import polars as pl

from orion_assets.quality.rules import some_of
from orion_assets.schemas import WHOLE_MARKET
from orion_assets.transforms.identity import UNKNOWN

# A ticker that traded on nearly all of so many sessions is missed on the next one without a bar
STEADY: Final = 60
# Of which so many may be lost themselves
_HOLES: Final = 2
_LEAP: Final = 30.0
_VOLUME_LEAP: Final = 200.0
# Of so many tickers the middle one does not trade as much more than usual, but on days of panic or of expiry
_CROWD: Final = 20
_CROWD_LEAP: Final = 1.8
# Shares after for one before, and the reverse splits; a price moves by less than 5:4 without one every week
_WHOLE_RATIOS: Final = tuple(float(shares) for shares in range(2, 101))
RATIOS: Final = (*_WHOLE_RATIOS, *(1 / ratio for ratio in _WHOLE_RATIOS), 3 / 2, 2 / 3, 4 / 3, 5 / 4)
_LEAST_GAP: Final = 0.19
_GAP_TOLERANCE: Final = 0.025
# A fall by a quarter happens without a split too, but nobody sleeps through it
_SMALL: Final = math.log(1.4)
_PANIC_TURNOVER: Final = 4.0
_STIRRED_TURNOVER: Final = 1.5
_TURNOVER_WINDOW: Final = 20


_FOUND: Final = ("ticker", "session", "rule", "found", "remedy")


@dataclass(frozen=True)
class _Rule:
    """What may look wrong with a bar, how it is told of a number, and what to do about it."""

    name: str
    found: str
    remedy: str


_MISSING: Final = _Rule(
    "missing",
    f"sessions without a bar: {{:g}}, after one on nearly all of {STEADY}",
    "ask the source again with: orion backfill; a security that was halted has none",
)
_REPEATED: Final = _Rule(
    "repeated",
    "the bar of the session before once more, close {:g}",
    "ask the source again, or correct the row",
)
_LEAPS: Final = _Rule(
    "leap",
    "the price moved by a factor of {:.4g}",
    "look for a decimal point or a currency that changed, and correct the row",
)
_SWELLS: Final = _Rule(
    "volume",
    "{:.0f} times the usual volume",
    "look for a change of units, and correct the row",
)
_ALL_SWELL: Final = _Rule(
    "volumes",
    "the middle one of all tickers trades {:.1f} times its usual volume",
    "hold it against another source: a vendor may have counted twice; on days of panic or expiry it is real",
)
_UNLISTED: Final = _Rule(
    "unlisted",
    "a bar outside every listing of its ticker, close {:g}",
    "correct list_date or delist_date in the reference, or the ticker of the row",
)


def judged_from(sessions: pl.DataFrame, start: date) -> date:
    """Give the first session whose bars a judgement of `start` looks at; what lies before it changes nothing.

    A gap may be as long as the steady time before it.
    """
    return min([start, *sessions.filter(pl.col("session") < start).tail(2 * STEADY + 1)["session"]])


def implausible(bars: pl.DataFrame, securities: pl.DataFrame, sessions: pl.DataFrame, start: date) -> pl.DataFrame:
    """Find bars that are missing, repeat the one before, leap in price or volume, or stand outside every listing.

    Args:
        bars: Visible CLEAN_DAILY_BARS rows with `security_id` and `split_factor`, from each security's first bar.
        securities: SECURITIES rows; a bar of a ticker that they do not name is not judged by its listing.
        sessions: calendars.sessions() rows, the whole calendar.
        start: First session to judge; a gap is judged on the session of the bar that ends it, and one that is longer
            than STEADY sessions is an absence, not a loss.

    Returns:
        `ticker` (`*` where all of them are meant), `session` (Date; of a gap, its first), `rule`, `found`, `remedy`,
        sorted. A halt looks like a lost bar.
    """
    days = sessions.select("session", "position")
    judged = _measured(bars.join(days, on="session").sort("security_id", "session"), start)
    close, swollen = pl.col("close"), judged.with_columns(_value="_times")
    is_known = pl.col("ticker").is_in(securities["ticker"].unique().to_list())
    is_unlisted = is_known & pl.col("security_id").str.starts_with(UNKNOWN)
    found = {
        _MISSING: _gaps(judged, days),
        _REPEATED: judged.filter("_repeats").with_columns(_value=close),
        _LEAPS: judged.filter("_leaps").with_columns(_value=pl.col("_move").exp()),
        _SWELLS: swollen.filter(pl.col("_value") > _VOLUME_LEAP),
        _ALL_SWELL: _crowded(swollen),
        _UNLISTED: judged.filter(is_unlisted).with_columns(_value=close),
    }
    return pl.concat(_told(rows, rule) for rule, rows in found.items()).sort("ticker", "session", "rule")


def _measured(series: pl.DataFrame, start: date) -> pl.DataFrame:
    """Hold each bar from a session on against those before it.

    Adds `_before` and `_steady` (positions of earlier bars), `_move` (log), `_leaps`, `_repeats` and `_times` (volume
    over the usual one; null where there is none).
    """
    of_bar = ("open", "high", "low", "close", "volume")
    shares = pl.col("volume") / pl.col("split_factor")
    measured = series.with_columns(
        _before=pl.col("position").shift().over("security_id"),
        _steady=pl.col("position").shift(STEADY - _HOLES).over("security_id"),
        _move=(pl.col("close") * pl.col("split_factor")).log().diff().over("security_id"),
        _usual=shares.rolling_median(_TURNOVER_WINDOW).shift().over("security_id"),
        _is_same=pl.all_horizontal((pl.col(name) == pl.col(name).shift()).over("security_id") for name in of_bar),
    )
    is_leap = pl.col("_move").abs() > pl.lit(_LEAP).log()
    # The way back is no fault of its own
    there_and_back = (pl.col("_move") + pl.col("_move").shift()).abs() < pl.lit(_LEAP).log()
    is_back = (is_leap.shift() & there_and_back).over("security_id").fill_null(value=False)
    is_next, moved = pl.col("position") - pl.col("_before") == 1, pl.col("high") > pl.col("low")
    return measured.with_columns(
        _leaps=is_leap & ~is_back,
        _repeats=is_next & pl.col("_is_same") & moved,
        _times=pl.when(pl.col("_usual") > 0).then(shares / pl.col("_usual")),
    ).filter(pl.col("session") >= start)


def _crowded(judged: pl.DataFrame) -> pl.DataFrame:
    """Give the sessions in which so many tickers together trade more than they do that no story of one explains it."""
    doubled = pl.col("ticker").filter(pl.col("_value") > _CROWD_LEAP).sort()
    middle = judged.group_by("session").agg(
        pl.col("_value").median(), _count=pl.col("_value").count(), _who=some_of(doubled)
    )
    return middle.filter(pl.col("_count") >= _CROWD, pl.col("_value") > _CROWD_LEAP).with_columns(
        ticker=pl.lit(WHOLE_MARKET)
    )


def _told(rows: pl.DataFrame, rule: _Rule) -> pl.DataFrame:
    texts = pl.Series([rule.found.format(value) for value in rows["_value"]], dtype=pl.String)
    if "_who" in rows.columns:
        texts = texts + ": " + rows["_who"]
    return rows.with_columns(rule=pl.lit(rule.name), found=texts, remedy=pl.lit(rule.remedy)).select(_FOUND)


def _gaps(judged: pl.DataFrame, days: pl.DataFrame) -> pl.DataFrame:
    missing = pl.col("position") - pl.col("_before") - 1
    is_steady = pl.col("_before") - pl.col("_steady") < STEADY
    first = (pl.col("_before") + 1).cast(days.schema["position"])
    return (
        judged.filter(missing.is_between(1, STEADY) & is_steady)
        .select("ticker", _value=missing, position=first)
        .join(days, on="position")
    )


def suspected_splits(bars: pl.DataFrame, start: date) -> pl.DataFrame:
    """Find the sessions that open as if a split had happened that no action explains.

    A split shows at the open: the price gaps by n:1, 1:n, 3:2, 4:3 or 5:4 while money traded stays usual. A crash gaps
    by no ratio in particular, on several times the usual money; and what comes back the next session was a bad bar.

    Args:
        bars: Visible CLEAN_DAILY_BARS rows with `security_id` and `split_factor`, from each security's first bar.
        start: First session to judge.

    Returns:
        `ticker`, `session`, `close_before`, `open` (both as traded, USD), `ratio` (the split it looks like, shares
        after for one before), `turnover_ratio` (money traded over the median of 20 sessions before), `remedy`.
    """
    turnover = pl.col("close") * pl.col("volume")
    before = turnover.rolling_median(_TURNOVER_WINDOW, min_samples=3).shift()
    series = bars.sort("security_id", "session").with_columns(
        close_before=pl.col("close").shift().over("security_id"),
        _known=(pl.col("split_factor") / pl.col("split_factor").shift()).over("security_id"),
        turnover_ratio=turnover / before.over("security_id"),
        _moved=(pl.col("close") * pl.col("split_factor")).log().diff().shift().over("security_id"),
    )
    gap = (pl.col("close_before") / pl.col("_known") / pl.col("open")).log()
    series = series.with_columns(_gap=gap)
    is_near = (pl.col("_gap") - pl.col("ratio").log()).abs()
    usual = pl.when(pl.col("_gap").abs() > _SMALL).then(_PANIC_TURNOVER).otherwise(_STIRRED_TURNOVER)
    return (
        series.filter(pl.col("_gap").abs() > _LEAST_GAP, pl.col("session") >= start)
        # A way back is no split: the bar before it was out of line
        .filter((pl.col("_gap") - pl.col("_moved")).abs().fill_null(math.inf) > _LEAST_GAP)
        .join(pl.DataFrame({"ratio": RATIOS}), how="cross")
        .filter(is_near <= _GAP_TOLERANCE, pl.col("turnover_ratio").fill_null(1.0) < usual)
        # From 20:1 on, the next ratio is as near as the tolerance
        .sort(is_near)
        .unique(["security_id", "session"], keep="first", maintain_order=True)
        .pipe(lambda suspects: suspects.with_columns(remedy=_split_remedies(suspects)))
        .select("ticker", "session", "close_before", "open", "ratio", "turnover_ratio", "remedy")
        .sort("ticker", "session", "ratio")
    )


def _split_remedies(suspects: pl.DataFrame) -> pl.Series:
    return pl.Series(
        [_split_remedy(*row) for row in suspects.select("session", "ratio", "_known").iter_rows()], dtype=pl.String
    )


def _split_remedy(session: date, ratio: float, known: float) -> str:
    if abs(known - 1) > 1e-9:
        return f"a split by {known:g} is declared and the price moves otherwise: correct its ratio or ex-date"
    shares = f"{max(ratio, 1):g} for {max(1 / ratio, 1):g}"
    return f"if it happened, add the split {shares} with ex_date {session} to the source"
