"""Raw daily bars and VIX days to trusted ones, and what is wrong with the rest; row by row, nothing adjusted."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import polars as pl

from orion_assets.markets import EQUITIES, Market
from orion_assets.schemas import CLEAN_DAILY_BARS, CLEAN_VIX, QUARANTINE, RAW_DAILY_BARS, RAW_VIX, table_of
from orion_assets.tables import Table
from orion_assets.transforms.versions import change_points

_PRICES: Final = ("open", "high", "low", "close")


class Cleaned(NamedTuple):
    """A clean table's rows and the rows held back, as QUARANTINE."""

    rows: pl.DataFrame
    quarantine: pl.DataFrame


@dataclass(frozen=True)
class Rule:
    """A row rule: what is wrong, how to say it, what to do."""

    name: str
    is_broken: pl.Expr
    found: pl.Expr
    remedy: str


def _number(name: str) -> pl.Expr:
    return pl.col(name).cast(pl.String).fill_null("nothing")


def _all_of(names: Sequence[str]) -> pl.Expr:
    return pl.concat_str([pl.concat_str([pl.lit(f"{name} "), _number(name)]) for name in names], separator=", ")


UNREADABLE: Final = Rule(
    "readable",
    pl.col("problem").is_not_null(),
    pl.col("problem"),
    "correct the row in the file named, or leave it out with skip_rows",
)
_PRESENT: Final = Rule(
    "prices_present",
    pl.any_horizontal(pl.col(_PRICES).is_null() | ~pl.col(_PRICES).is_finite()),
    _all_of(_PRICES),
    "ask the source again, or correct the row",
)
_ORDERED: Final = Rule(
    "high_not_below_low", pl.col("high") < pl.col("low"), _all_of(("high", "low")), "correct the row"
)
BAR_RULES: Final = (
    UNREADABLE,
    _PRESENT,
    Rule("prices_positive", pl.any_horizontal(pl.col(_PRICES) <= 0), _all_of(_PRICES), "correct the row"),
    _ORDERED,
    Rule(
        "volume_present",
        pl.col("volume").is_null() | ~pl.col("volume").is_finite(),
        _all_of(("volume",)),
        "correct the row",
    ),
    Rule("volume_not_negative", pl.col("volume") < 0, _all_of(("volume",)), "correct the row"),
)
# An index has values and no trades; what its rows say of volume is null already
VALUE_RULES: Final = tuple(rule for rule in BAR_RULES if not rule.name.startswith("volume"))
# The VIX file has 47 days whose prices contradict each other: kept, and reported by checks
VIX_RULES: Final = (
    UNREADABLE,
    Rule(
        "close_present",
        pl.col("close").is_null() | ~pl.col("close").is_finite(),
        _all_of(("close",)),
        "correct the row",
    ),
    Rule("close_positive", pl.col("close") <= 0, _all_of(("close",)), "correct the row"),
)


def rules_of(market: Market) -> Sequence[Rule]:
    """Give the rules that every bar of a market is held against."""
    return BAR_RULES if market.has_volume else VALUE_RULES


def clean_daily_bars(raw: pl.DataFrame, sessions: pl.DataFrame, market: Market = EQUITIES) -> Cleaned:
    """Let through the bars that can be trusted, as traded, with every version of each.

    Args:
        raw: RAW_DAILY_BARS rows, all versions; of another market, those of its own table.
        sessions: Column `session`: the sessions of the market.
        market: Whose bars they are.

    Returns:
        CLEAN_DAILY_BARS rows, a version for each change, and the QUARANTINE rows. A bad row never replaces a good
        one: its key keeps the version before. A withdrawal passes whatever its values are.
    """
    off_calendar = Rule(
        "on_the_calendar",
        ~pl.col("session").is_in(sessions["session"].to_list()),
        pl.format("{} is not {}", "session", pl.lit(a_session_of(market))),
        "check the date column, its format and zone",
    )
    good, held = screen(table_of(RAW_DAILY_BARS, market), raw, (*rules_of(market), off_calendar))
    return Cleaned(with_intervals(table_of(CLEAN_DAILY_BARS, market), good), held)


def a_session_of(market: Market) -> str:
    """Say whose sessions a market has."""
    return "an XNYS session" if market.calendar == "exchange" else f"a session of {market.name}"


def clean_vix(raw: pl.DataFrame) -> Cleaned:
    """Let through the VIX days that have a close, with every version of each.

    Args:
        raw: RAW_VIX rows, all versions; days on which the exchange is closed stand in the next session.

    Returns:
        CLEAN_VIX rows and QUARANTINE rows. Days whose prices contradict each other pass: checks report them.
    """
    good, held = screen(RAW_VIX, raw, VIX_RULES)
    return Cleaned(with_intervals(CLEAN_VIX, good), held)


def screen(origin: Table, raw: pl.DataFrame, rules: Sequence[Rule]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Split rows into those that break no rule and the QUARANTINE rows of the others, one for each broken rule.

    Withdrawals carry no values worth holding against a rule and pass.
    """
    # What could not be read is one fault, not one more for each value it left empty
    is_judged = ~pl.col("is_deleted") & pl.col("problem").is_null()
    judged = raw.with_columns(
        (rule.is_broken.fill_null(value=False) & (~pl.col("is_deleted") if rule is UNREADABLE else is_judged)).alias(
            f"_{rule.name}"
        )
        for rule in rules
    )
    flags = [f"_{rule.name}" for rule in rules]
    good = judged.filter(~pl.any_horizontal(flags)).drop(flags)
    ticker = pl.col("ticker") if "ticker" in raw.columns else pl.lit("*")
    is_any = judged.select(pl.col(flags).any()).row(0, named=True)
    held = [
        judged.filter(pl.col(f"_{rule.name}")).select(
            origin=pl.lit(origin.name),
            session="session",
            ticker=ticker,
            row_key=key_text(origin),
            rule=pl.lit(rule.name),
            found=rule.found.fill_null("nothing"),
            remedy=pl.lit(rule.remedy),
            source_file="source_file",
            source_row="source_row",
            ts_known="ts_known",
        )
        for rule in rules
        if is_any[f"_{rule.name}"]
    ]
    return good, pl.concat([QUARANTINE.empty(), *held]).sort("session", "row_key", "rule", "ts_known")


def key_text(table: Table) -> pl.Expr:
    """Give a row's key as the quarantine names it."""
    return pl.concat_str([pl.col(name).cast(pl.String) for name in table.key], separator=" ")


def with_intervals(table: Table, good: pl.DataFrame) -> pl.DataFrame:
    """Give a clean table's versions of rows that passed: one for each change of the values, until the next."""
    clocks = ("ts_event", "ts_known", "known_until", "is_deleted", "availability")
    values = [name for name in table.names if name not in (*table.key, *clocks)]
    return change_points(good, table.key, values).select(table.names)
