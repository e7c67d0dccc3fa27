"""What hangs together with nothing: bars without features, tickers that fell behind, actions that enter no series."""

from collections.abc import Sequence
from typing import Final

import polars as pl

from orion_assets.schemas import CORPORATE_ACTIONS, SECURITIES
from orion_assets.settings import SAY_ALL
from orion_assets.transforms.actions import ONE_EVENT as ONE_EVENT_KEY
from orion_assets.transforms.actions import told_twice, typed
from orion_assets.transforms.identity import UNKNOWN, identified
from orion_assets.transforms.versions import visible


def bars_without_features(bars: pl.DataFrame, matrix: pl.DataFrame) -> pl.DataFrame:
    """Find the bars that no row of features stands for at the close of their session.

    Args:
        bars: CLEAN_DAILY_BARS rows of some sessions, all versions.
        matrix: FEATURE_MATRIX rows of the same sessions, all versions.

    Returns:
        `ticker`, `session`, `close` (USD, as traded), sorted.
    """
    shown = visible(bars, ("ticker", "session")).select("ticker", "session", "close")
    featured = visible(matrix, ("ticker", "session", "cutoff")).filter(pl.col("cutoff") == "close")
    return shown.join(featured, on=["ticker", "session"], how="anti", maintain_order="left")


BORNE: Final = "borne"
BORNE_TEXT: Final = "A security bore the ticker on the ex-date of every action, where it is known who bore it"


def placeable(actions: pl.DataFrame, told: Sequence[pl.DataFrame], securities: pl.DataFrame) -> pl.DataFrame:
    """Give the actions of which the reference should say whose they are.

    A vendor tells the actions of the whole market, and who somebody is only of whom it was asked about: its actions are
    judged where the reference names the ticker. Files and the synthetic market say who everybody is: a ticker of theirs
    that the reference does not name is mistyped.

    Args:
        actions: CORPORATE_ACTIONS rows of some sessions, all versions.
        told: RAW_SPLITS and RAW_DIVIDENDS rows, whole.
        securities: SECURITIES rows, all versions.

    Returns:
        Visible CORPORATE_ACTIONS rows.
    """
    of_all = [each.filter(pl.col("source").is_in(SAY_ALL))["ticker"] for each in told]
    tickers = pl.concat([*of_all, visible(securities, SECURITIES.key)["ticker"]]).unique()
    return visible(actions, CORPORATE_ACTIONS.key).filter(pl.col("ticker").is_in(tickers.implode()))


def unborne(actions: pl.DataFrame, told: Sequence[pl.DataFrame], securities: pl.DataFrame) -> pl.DataFrame:
    """Find those of `placeable`, whose arguments it takes, whose ticker no known security bore on the ex-date.

    Bars of the ticker that are a security's are not adjusted for them.
    """
    return placeable(actions, told, securities).filter(pl.col("security_id").str.starts_with(UNKNOWN))


ONE_EVENT: Final = "one_event"
ONE_EVENT_TEXT: Final = (
    "No event is passed over for another of the same security: of its ex-date and kind, or the same split told again"
)
_SAID: Final = ("shares_after", "shares_before", "cash_amount")
_ACCUSED: Final = ("ticker", "session", "ex_date", "kind", "event_id", "found", "remedy")


def passed_over(splits: pl.DataFrame, dividends: pl.DataFrame, securities: pl.DataFrame) -> pl.DataFrame:
    """Find the events that give way to another one of their security.

    They say otherwise than the one that counts for their ex-date, kind and type: of two regular dividends of one day
    one alone enters the series, whereas a regular and a special one are summed. Or they are a split that the source
    tells again, under another id, for a date close by.

    Args:
        splits: RAW_SPLITS rows, all versions.
        dividends: RAW_DIVIDENDS rows, all versions.
        securities: SECURITIES rows, all versions.

    Returns:
        `ticker`, `session`, `ex_date`, `kind`, `event_id`, `found`, `remedy`, sorted.
    """
    kinds = {"split": visible(splits, ("event_id",)), "dividend": visible(dividends, ("event_id",))}
    events = pl.concat([rows.with_columns(kind=pl.lit(kind)) for kind, rows in kinds.items()], how="diagonal")
    # What is held back counts for nothing
    is_ratio = pl.all_horizontal(pl.col("shares_after", "shares_before") > 0) | (pl.col("kind") != "split")
    events = events.filter(is_ratio, pl.col("problem").is_null())
    named = identified(events, visible(securities, SECURITIES.key), "ex_date")
    # As corporate_actions chooses: known last, then the greatest id
    ranked = named.with_columns(typed()).sort("ts_known", "event_id", descending=True)
    ordered = ranked.sort(*ONE_EVENT_KEY, maintain_order=True)
    counts = ordered.unique(ONE_EVENT_KEY, keep="first", maintain_order=True)
    found = pl.concat([_of_one_day(ordered, counts), _told_again(counts)])
    return found.sort("ticker", "ex_date", "kind", "event_id")


def _of_one_day(ordered: pl.DataFrame, counts: pl.DataFrame) -> pl.DataFrame:
    others = pl.any_horizontal(pl.col(name).ne_missing(pl.col(f"_{name}")) for name in _SAID)
    both = ordered.join(
        counts.select(*ONE_EVENT_KEY, *(pl.col(name).alias(f"_{name}") for name in _SAID)), on=ONE_EVENT_KEY
    )
    told = (
        pl.when(pl.col("kind") == "split")
        .then(pl.format("{} for {}", "shares_after", "shares_before"))
        .otherwise(pl.col("cash_amount").cast(pl.String))
    )
    remedy = (
        "if both hold, give each dividend its own dividend_type, and say two splits as one, their product; else"
        " withdraw it"
    )
    return both.filter(others).with_columns(found=told, remedy=pl.lit(remedy)).select(_ACCUSED)


def _told_again(counts: pl.DataFrame) -> pl.DataFrame:
    pairs = told_twice(counts.with_columns(_told="ts_known"))
    is_taken = ~pl.col("event_id_rival").is_in(pairs["event_id"].implode())
    # In a chain the one that counts, where it is among those to which this one gives way
    last = pairs.sort(is_taken, "_told_rival", "ex_date_rival").unique("event_id", keep="last", maintain_order=True)
    taken = pl.when(is_taken).then(pl.lit("taken")).otherwise(pl.lit("told again too"))
    found = pl.format(
        "{} for {}, told again for {}, which is {}", "shares_after", "shares_before", "ex_date_rival", taken
    )
    remedy = pl.format(
        "withdraw the one whose date is wrong, {} or {}; if both took place, say them as one event: their product",
        "event_id",
        "event_id_rival",
    )
    return last.with_columns(found=found, remedy=remedy).select(_ACCUSED)


def behind(
    bars: pl.DataFrame, coverage: pl.DataFrame, securities: pl.DataFrame, followed: Sequence[str]
) -> pl.DataFrame:
    """Find the followed and listed tickers that have no bar in the last session that was answered.

    Args:
        bars: CLEAN_DAILY_BARS rows of some sessions, all versions.
        coverage: RAW_COVERAGE rows of the same sessions and of some before them, of any dataset.
        securities: SECURITIES rows, all versions; a ticker they end before that session is not missed.
        followed: Tickers whose bars are wanted.

    Returns:
        `ticker`, `session` (the last for which bars were answered), `last_bar` (Date, the ticker's last one among the
        bars given; null without any), sorted by ticker. Tickers that were asked for in none of these sessions are
        holes of the ledger, not behind.
    """
    answers = coverage.filter((pl.col("dataset") == "raw_daily_bars") & (pl.col("cutoff") == "close"))
    asked = answers.filter(pl.col("ticker").is_in(list(followed))).select("ticker").unique()
    last = visible(bars, ("ticker", "session")).group_by("ticker").agg(last_bar=pl.col("session").max())
    # One that nothing is known of is missed too; listed is whom an interval holds, or no interval names
    sessions = answers.select(pl.col("session").max()).drop_nulls()
    named = visible(securities, ("security_id", "valid_from")).select("ticker", "valid_from", "valid_to")
    intervals = asked.join(sessions, how="cross").join(named, on="ticker", how="left")
    is_listed = (pl.col("valid_from").is_null() | (pl.col("valid_from") <= pl.col("session"))) & (
        pl.col("valid_to").is_null() | (pl.col("session") < pl.col("valid_to"))
    )
    return (
        intervals.filter(is_listed)
        .select("ticker", "session")
        .unique()
        .join(last, on="ticker", how="left")
        .filter(pl.col("last_bar").is_null() | (pl.col("last_bar") < pl.col("session")))
        .sort("ticker")
    )
