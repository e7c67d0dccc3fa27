"""Raw splits and dividends to de-duplicated corporate actions. Factors made of them live in adjust.py."""

from datetime import timedelta
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
    Rule(
        "paid_in_dollars",
        (pl.col("currency") != "USD").fill_null(value=False),
        pl.format("{} {}", "cash_amount", "currency"),
        "nothing, or bring the amount in USD of the ex-date from a file of your own: no rate is known here",
    ),
)
RULES: Final = (*_SPLIT_RULES, *(rule for rule in _DIVIDEND_RULES if rule is not UNREADABLE))
# How far apart the dates are that a source tells of one split: those of record, announcement and execution
ONE_SPLIT_WITHIN: Final = timedelta(days=14)
_KEY: Final = ("security_id", "ex_date", "kind")
# One event alone counts of each; dividends of one ex-date and of different types are all paid
ONE_EVENT: Final = (*_KEY, "dividend_type")
_REGULAR: Final = "regular"
_RIVAL: Final = "_rival"


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
        standing. Dividends of one ex-date whose types differ, a regular and a special one, are one row: their sum. Of
        splits that `told_twice` pairs the weaker one is withdrawn for as long as the other stands.
    """
    good_splits, held_splits = screen(RAW_SPLITS, splits, _SPLIT_RULES)
    good_dividends, held_dividends = screen(RAW_DIVIDENDS, dividends, _DIVIDEND_RULES)
    events = pl.concat(
        [good_splits.with_columns(kind=pl.lit("split")), good_dividends.with_columns(kind=pl.lit("dividend"))],
        how="diagonal",
    ).with_columns(typed())
    picked = _summed(_picked(_identified(events, securities)))
    rows = change_points(_told_once(picked), _KEY, ("ticker", "shares_after", "shares_before", "cash_amount"))
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


def typed() -> pl.Expr:
    """Give `dividend_type` without nulls, in which a regular dividend has null; splits have one type too."""
    return pl.col("dividend_type").fill_null(_REGULAR)


def is_one_split(own: pl.Expr, other: pl.Expr) -> pl.Expr:
    """Say whether two ex-dates lie so close that one split of one ratio may be told for both."""
    return (other - own).is_between(-ONE_SPLIT_WITHIN, ONE_SPLIT_WITHIN)


def told_twice(standing: pl.DataFrame) -> pl.DataFrame:
    """Pair the splits of one security and ratio whose ex-dates lie at most `ONE_SPLIT_WITHIN` apart: one told twice.

    Of two the one told last counts, among equals the later ex-date: the earlier is usually that of the record or of the
    announcement. What counts does not depend on a third: of three dates in a chain each but the last gives way.

    Args:
        standing: `security_id`, `ex_date`, `kind`, `shares_after`, `shares_before` and `_told` (UTC, when the source
            said so), less the withdrawn, whatever else; rows of other kinds are in no pair.

    Returns:
        One row a split that gives way and one to which it does, whose columns end in `_rival`; unsorted.
    """
    splits = standing.filter(pl.col("kind") == "split").with_columns(
        _ratio=pl.col("shares_after") / pl.col("shares_before")
    )
    pairs = splits.join(splits, on=["security_id", "_ratio"], suffix=_RIVAL)
    own, other = pl.col("ex_date"), pl.col(f"ex_date{_RIVAL}")
    is_stronger = (pl.col(f"_told{_RIVAL}") > pl.col("_told")) | (
        (pl.col(f"_told{_RIVAL}") == pl.col("_told")) & (other > own)
    )
    # Two of one date are of one key, of which one alone stands
    return pairs.filter(own != other, is_one_split(own, other), is_stronger)


def _identified(events: pl.DataFrame, securities: pl.DataFrame) -> pl.DataFrame:
    """Cut each version of an event where another security bears its ticker on the ex-date.

    Adds `security_id`, `_from`, `_until` and `_told`, when the source said so, which no cut changes.
    """
    dated = events.sort("kind", "event_id", "ts_known").with_columns(
        _told="ts_known", _until=pl.col("ts_known").shift(-1).over("kind", "event_id")
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
    ends = events.filter(pl.col("_until").is_not_null()).select(*ONE_EVENT, _at="_until")
    instants = pl.concat([events.select(*ONE_EVENT, _at="ts_known"), ends]).unique()
    is_over = (pl.col("_until") <= pl.col("_at")).fill_null(value=False)
    known = (
        instants.join(events, on=ONE_EVENT)
        .filter(pl.col("ts_known") <= pl.col("_at"))
        .with_columns(is_deleted=pl.col("is_deleted") | is_over)
    )
    # The standing before the withdrawn, the latest known before the older, then the greatest id
    chosen = known.sort([pl.col("is_deleted"), pl.col("ts_known"), pl.col("event_id")], descending=[False, True, True])
    counts = chosen.unique([*ONE_EVENT, "_at"], keep="first", maintain_order=True)
    return counts.with_columns(ts_known="_at").drop("_at")


def _summed(picked: pl.DataFrame) -> pl.DataFrame:
    """At each instant at which one of a key's types changes, sum the dividends that stand then."""
    has_several = pl.col("dividend_type").n_unique() > 1
    several = picked.group_by(_KEY).agg(has_several.alias("_has")).filter("_has")
    if several.is_empty():
        return picked
    typed_apart = picked.join(several, on=_KEY, how="semi")
    instants = typed_apart.select(*_KEY, _at="ts_known").unique()
    known = instants.join(typed_apart, on=_KEY).filter(pl.col("ts_known") <= pl.col("_at")).sort("ts_known")
    latest = known.unique([*_KEY, "_at", "dividend_type"], keep="last", maintain_order=True)
    # The standing before the withdrawn, so that the first says whether any stands; floats add up in the types' order
    ordered = latest.sort(*_KEY, "_at", "is_deleted", "dividend_type")
    paid = pl.col("cash_amount").filter(~pl.col("is_deleted")).sum()
    rest = [name for name in picked.columns if name not in {*_KEY, "cash_amount", "ts_known", "availability"}]
    sums = ordered.group_by(*_KEY, "_at", maintain_order=True).agg(
        pl.col(rest).first(),
        pl.when(pl.col("is_deleted").all()).then(pl.col("cash_amount").first()).otherwise(paid).alias("cash_amount"),
        pl.col("availability").sort_by("ts_known").last(),
    )
    told = sums.with_columns(ts_known="_at").select(picked.columns)
    return pl.concat([picked.join(several, on=_KEY, how="anti"), told])


def _told_once(picked: pl.DataFrame) -> pl.DataFrame:
    """Withdraw each split from the instant at which a stronger one stands beside it until the last such one is gone."""
    part = [*_KEY, "ts_known"]
    dated = picked.sort(part).with_columns(_until=pl.col("ts_known").shift(-1).over(_KEY))
    losses = _losses(dated).select(*part, "_since", "_over")
    if losses.is_empty():
        return picked
    cuts = [dated.select(*part, _at="ts_known"), *(losses.select(*part, _at=edge) for edge in ("_since", "_over"))]
    # What begins at the end of a part is the next part's
    is_within = (pl.col("_at") < pl.col("_until")).fill_null(value=True)
    pieces = pl.concat(cuts).drop_nulls("_at").unique().join(dated, on=part).filter(is_within)
    has_lost = (pl.col("_since") <= pl.col("_at")) & (pl.col("_at") < pl.col("_over")).fill_null(value=True)
    lost = pieces.join(losses, on=part).filter(has_lost).select(*_KEY, "_at", _is_lost=True).unique()
    is_lost = pl.col("_is_lost").fill_null(value=False)
    told = pieces.join(lost, on=[*_KEY, "_at"], how="left")
    return told.with_columns(is_deleted=pl.col("is_deleted") | is_lost, ts_known="_at").drop("_at", "_is_lost")


def _losses(dated: pl.DataFrame) -> pl.DataFrame:
    """Find when two that are one stand at once: rows of `told_twice` with `_since` and `_over`, null for no end."""
    pairs = told_twice(dated.filter(~pl.col("is_deleted"))).with_columns(
        _since=pl.max_horizontal("ts_known", f"ts_known{_RIVAL}"), _over=pl.min_horizontal("_until", f"_until{_RIVAL}")
    )
    return pairs.filter((pl.col("_since") < pl.col("_over")).fill_null(value=True))
