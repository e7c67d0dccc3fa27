"""Raw splits and dividends to de-duplicated corporate actions. Factors made of them live in adjust.py."""

from typing import Final

import polars as pl

from orion_assets.schemas import CORPORATE_ACTIONS, QUARANTINE, RAW_DIVIDENDS, RAW_SPLITS
from orion_assets.transforms.bars import UNREADABLE, Cleaned, Rule, screen
from orion_assets.transforms.identity import identified
from orion_assets.transforms.versions import change_points, current

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
        securities: SECURITIES rows, all versions; an event that no security bore gets the id `unknown:TICKER`.
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
    """Cut each version of an event where another security bears its ticker on the ex-date: `_from`, `_until`, id."""
    dated = events.sort("kind", "event_id", "ts_known").with_columns(
        _until=pl.col("ts_known").shift(-1).over("kind", "event_id")
    )
    changes = securities.select("ticker", _from="ts_known").unique()
    is_within = (pl.col("_from") > pl.col("ts_known")) & (
        pl.col("_until").is_null() | (pl.col("_from") < pl.col("_until"))
    )
    later = dated.join(changes, on="ticker").filter(is_within)
    cuts = pl.concat([dated.with_columns(_from="ts_known"), later]).sort("kind", "event_id", "_from")
    asked = cuts.select("ticker", "_from").unique()
    intervals = asked.join(securities, on="ticker").filter(current(pl.col("_from")))
    return identified(cuts, intervals, "ex_date", within=("_from",)).with_columns(
        ts_known="_from", _until=pl.coalesce(pl.col("_from").shift(-1).over("kind", "event_id"), "_until")
    )


def _picked(events: pl.DataFrame) -> pl.DataFrame:
    """At each instant at which one of a key's events changes, take the event that counts then."""
    # An event whose next version names another key leaves this one without a withdrawal of its own
    ends = events.filter(pl.col("_until").is_not_null()).select(*_KEY, _at="_until")
    instants = pl.concat([events.select(*_KEY, _at="ts_known"), ends]).unique()
    is_over = (pl.col("_until") <= pl.col("_at")).fill_null(value=False)
    known = (
        instants.join(events, on=_KEY)
        .filter(pl.col("ts_known") <= pl.col("_at"))
        .with_columns(is_deleted=pl.col("is_deleted") | is_over)
    )
    # The standing before the withdrawn, the latest known before the older, then the greatest id
    chosen = known.sort([pl.col("is_deleted"), pl.col("ts_known"), pl.col("event_id")], descending=[False, True, True])
    return chosen.unique([*_KEY, "_at"], keep="first", maintain_order=True).with_columns(ts_known="_at").drop("_at")
