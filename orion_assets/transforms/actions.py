"""Raw splits and dividends to de-duplicated corporate actions. Factors made of them live in adjust.py."""

from typing import Final

import polars as pl

from orion_assets.schemas import CORPORATE_ACTIONS, QUARANTINE, RAW_DIVIDENDS, RAW_SPLITS
from orion_assets.transforms.bars import UNREADABLE, Cleaned, Rule, screen
from orion_assets.transforms.versions import change_points

_SPLIT_RULES: Final = (
    UNREADABLE,
    Rule(
        "ratio_positive",
        pl.any_horizontal(pl.col("shares_after", "shares_before").fill_null(0) <= 0),
        pl.concat_str(pl.col("shares_after", "shares_before").cast(pl.String).fill_null("nothing"), separator=" for "),
        "correct the ratio: shares after for shares before, both positive",
    ),
)
_DIVIDEND_RULES: Final = (
    UNREADABLE,
    Rule(
        "cash_positive",
        ~((pl.col("cash_amount") > 0) & pl.col("cash_amount").is_finite()).fill_null(value=False),
        pl.col("cash_amount").cast(pl.String).fill_null("nothing"),
        "correct the amount: cash per share as traded on the ex-date",
    ),
)
RULES: Final = (*_SPLIT_RULES, *(rule for rule in _DIVIDEND_RULES if rule is not UNREADABLE))
_KEY: Final = ("security_id", "ex_date", "kind")


def corporate_actions(
    splits: pl.DataFrame, dividends: pl.DataFrame, securities: pl.DataFrame, sessions: pl.DataFrame
) -> Cleaned:
    """Give one action a security, ex-date and kind, with every version of it.

    Args:
        splits: RAW_SPLITS rows, all versions, of every session: an event that moved stays where it was first filed.
        dividends: RAW_DIVIDENDS rows, likewise.
        securities: SECURITIES rows; an event of an unknown ticker gets the id `unknown:TICKER`.
        sessions: calendars.sessions() rows, the whole calendar.

    Returns:
        CORPORATE_ACTIONS rows, filed by the session of their ex-date, and QUARANTINE rows. Where a source lists an
        event twice, the id known last counts, among equals the greatest id; an event withdrawn leaves the other
        standing.
    """
    good_splits, held_splits = screen(RAW_SPLITS, splits, _SPLIT_RULES)
    good_dividends, held_dividends = screen(RAW_DIVIDENDS, dividends, _DIVIDEND_RULES)
    events = pl.concat(
        [good_splits.with_columns(kind=pl.lit("split")), good_dividends.with_columns(kind=pl.lit("dividend"))],
        how="diagonal",
    )
    rows = change_points(
        _picked(_identified(events, securities)), _KEY, ("ticker", "shares_after", "shares_before", "cash_amount")
    )
    held = pl.concat([QUARANTINE.empty(), held_splits, held_dividends])
    filed = (
        rows.drop("session")
        .sort("ex_date")
        .join_asof(
            sessions.select("session"),
            left_on="ex_date",
            right_on="session",
            strategy="forward",
            check_sortedness=False,
        )
    )
    return Cleaned(filed.select(CORPORATE_ACTIONS.names).sort(*_KEY, "ts_known"), held)


def _identified(events: pl.DataFrame, securities: pl.DataFrame) -> pl.DataFrame:
    intervals = securities.select("ticker", "security_id", "valid_from", "valid_to").sort("valid_from")
    matched = (
        events.select("event_id", "kind", "ts_known", "ticker", "ex_date")
        .join(intervals, on="ticker", maintain_order="left_right")
        .filter(
            (pl.col("valid_from") <= pl.col("ex_date"))
            & (pl.col("valid_to").is_null() | (pl.col("ex_date") < pl.col("valid_to")))
        )
        .unique(["event_id", "kind", "ts_known"], keep="last", maintain_order=True)
        .select("event_id", "kind", "ts_known", "security_id")
    )
    return events.join(matched, on=["event_id", "kind", "ts_known"], how="left", maintain_order="left").with_columns(
        pl.col("security_id").fill_null(pl.lit("unknown:") + pl.col("ticker"))
    )


def _picked(events: pl.DataFrame) -> pl.DataFrame:
    """At each instant at which one of a key's events changes, take the event that counts then."""
    # An event whose next version names another ex-date leaves the key without a withdrawal of its own
    dated = events.sort("kind", "event_id", "ts_known").with_columns(
        _until=pl.col("ts_known").shift(-1).over("kind", "event_id")
    )
    ends = dated.filter(pl.col("_until").is_not_null()).select(*_KEY, _at="_until")
    instants = pl.concat([dated.select(*_KEY, _at="ts_known"), ends]).unique()
    is_over = (pl.col("_until") <= pl.col("_at")).fill_null(value=False)
    known = (
        instants.join(dated, on=_KEY)
        .filter(pl.col("ts_known") <= pl.col("_at"))
        .with_columns(is_deleted=pl.col("is_deleted") | is_over)
    )
    # The standing before the withdrawn, the latest known before the older, then the greatest id
    chosen = known.sort([pl.col("is_deleted"), pl.col("ts_known"), pl.col("event_id")], descending=[False, True, True])
    return chosen.unique([*_KEY, "_at"], keep="first", maintain_order=True).with_columns(ts_known="_at").drop("_at")
