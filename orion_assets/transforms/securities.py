"""Reference snapshots to the security master: permanent ids and the interval in which each bore a ticker."""

from typing import Final

import polars as pl

from orion_assets.schemas import QUARANTINE, RAW_TICKERS, SECURITIES
from orion_assets.transforms.bars import UNREADABLE, Cleaned, Rule, screen
from orion_assets.transforms.identity import linked
from orion_assets.transforms.versions import change_points, visible

# Such rows would be two securities of one id that begin on one date, and nothing tells which of them is right
_ONE_TICKER: Final = Rule(
    "figi_of_one_ticker",
    pl.col("figi").is_not_null() & (pl.col("ticker").n_unique().over("figi", "snapshot") > 1),
    pl.format("{} is the FIGI of another ticker of the same snapshot too", "figi"),
    "correct the FIGI, or leave it empty",
)
RULES: Final = (UNREADABLE, _ONE_TICKER)
_WORDS: Final = ("name", "type", "exchange")
_FACTS: Final = ("figi", *_WORDS, "list_date", "delist_date")
_VALUES: Final = ("ticker", "valid_to", "is_start_known", *_WORDS)


def securities(tickers: pl.DataFrame, sessions: pl.DataFrame) -> Cleaned:
    """Give one row a security and interval of a ticker, with every version of it.

    Args:
        tickers: RAW_TICKERS rows, all versions and snapshots.
        sessions: Column `session`: the sessions of the exchange.

    Returns:
        SECURITIES rows, sorted by key and `ts_known`, and the QUARANTINE rows. The id is the FIGI, which a row
        without one takes from the ticker's other snapshots, else `source:ticker`; a ticker listed anew after its
        delisting is another security. `valid_from` is the listing date, else the first snapshot that shows the ticker;
        `valid_to` the delisting date of the last snapshot, null while the ticker is listed. A rename ends the interval
        of the ticker before it at the first snapshot that shows the new one. A row that cannot be read never replaces
        one that could. Held are the rows that are bad as they stand now, so a corrected one is not; each is filed
        under the first session at or after its snapshot.
    """
    filed = _filed(tickers, sessions)
    good, _ = screen(RAW_TICKERS, filed, (UNREADABLE,))
    _, shared = screen(RAW_TICKERS, visible(good, RAW_TICKERS.key), (_ONE_TICKER,))
    _, unreadable = screen(RAW_TICKERS, visible(filed, RAW_TICKERS.key), (UNREADABLE,))
    return Cleaned(_versions(_telling(good)), pl.concat([QUARANTINE.empty(), unreadable, shared]))


def _filed(tickers: pl.DataFrame, sessions: pl.DataFrame) -> pl.DataFrame:
    axis = sessions.select("session").sort("session")
    return tickers.sort("snapshot").join_asof(axis, left_on="snapshot", right_on="session", strategy="forward")


def _telling(rows: pl.DataFrame) -> pl.DataFrame:
    """Leave out the snapshots that say of a ticker what the one before said: ten years of them change nothing."""
    ordered = rows.sort("ticker", "snapshot", "ts_known")
    is_only = ~pl.struct("ticker", "snapshot").is_duplicated() & ~pl.col("is_deleted")
    is_same = pl.all_horizontal(pl.col(name).eq_missing(pl.col(name).shift()) for name in ("ticker", *_FACTS))
    is_later = pl.col("ts_known") >= pl.col("ts_known").shift()
    # Between the two another ticker may have borne the FIGI
    bearers = pl.col("ticker").n_unique().over("figi")
    is_alone = pl.col("figi").is_null() | (bearers == 1)
    repeats = is_only & is_only.shift() & is_same & is_later & is_alone
    return ordered.filter(~repeats.fill_null(value=False))


def _versions(rows: pl.DataFrame) -> pl.DataFrame:
    """Take the intervals at every instant at which a row of the same securities changed, and keep the changes."""
    nodes = rows.select("ticker", security_id=pl.coalesce("figi", pl.lit("")))
    related = rows.join(linked(nodes.filter(pl.col("security_id") != "")), on="ticker", how="left").with_columns(
        pl.col("lineage").fill_null(pl.col("ticker"))
    )
    instants = related.select("lineage", _at="ts_known").unique()
    known = related.join(instants, on="lineage").filter(pl.col("ts_known") <= pl.col("_at"))
    shown = visible(known, ["_at", *RAW_TICKERS.key])
    is_shared = pl.col("ticker").n_unique().over("_at", "figi", "snapshot") > 1
    intervals = _intervals(shown.filter(pl.col("figi").is_null() | ~is_shared))
    return change_points(_with_withdrawals(intervals, instants), SECURITIES.key, _VALUES).select(SECURITIES.names)


def _intervals(shown: pl.DataFrame) -> pl.DataFrame:
    """Give the intervals as known at each `_at`, a run of snapshots that show a security under one ticker each."""
    ordered = _identified(shown.sort("_at", "ticker", "snapshot")).sort("_at", "security_id", "snapshot", "ticker")
    one = ("_at", "security_id")
    is_turn = (pl.col("ticker") != pl.col("ticker").shift().over(one)).fill_null(value=True)
    runs = ordered.with_columns(_run=is_turn.cum_sum().over(one))
    return (
        runs.group_by("lineage", *one, "_run", maintain_order=True)
        .agg(
            pl.col("ticker").first(),
            _seen=pl.col("snapshot").first(),
            list_date=pl.col("list_date").drop_nulls().last(),
            valid_to=pl.col("delist_date").last(),
            **{name: pl.col(name).last() for name in _WORDS},
        )
        .with_columns(
            # The listing date is the security's, so only its first ticker begins there
            valid_from=pl.coalesce(pl.when(pl.col("_run") == 1).then("list_date"), "_seen"),
            is_start_known=(pl.col("_run") > 1) | pl.col("list_date").is_not_null(),
        )
        # Of two tickers from one date on the later seen counts
        .unique([*one, "valid_from"], keep="last", maintain_order=True)
        .sort(*one, "valid_from")
        .with_columns(valid_to=pl.min_horizontal("valid_to", pl.col("valid_from").shift(-1).over(one)))
    )


def _identified(shown: pl.DataFrame) -> pl.DataFrame:
    ticker = ("_at", "ticker")
    ended = pl.col("delist_date").shift().forward_fill().over(ticker)
    is_anew = (pl.col("list_date") >= ended) & pl.col("list_date").ne_missing(pl.col("list_date").shift().over(ticker))
    lives = shown.with_columns(_life=is_anew.fill_null(value=False).cum_sum().over(ticker))
    life = (*ticker, "_life")
    own = pl.concat_str("source", "ticker", separator=":")
    named = pl.when(pl.col("_life") == 0).then(own).otherwise(pl.concat_str(own, pl.lit("@"), "list_date"))
    return lives.with_columns(
        security_id=pl.coalesce(
            pl.col("figi").backward_fill().over(life),
            pl.col("figi").forward_fill().over(life),
            named.first().over(life),
        )
    )


def _with_withdrawals(intervals: pl.DataFrame, instants: pl.DataFrame) -> pl.DataFrame:
    """Add a withdrawal of each interval at every instant at which its lineage changed and it was not there."""
    key = SECURITIES.key
    last = intervals.sort(*key, "_at").unique(key, keep="last", maintain_order=True).drop("_at")
    gone = last.join(instants, on="lineage").join(intervals.select(*key, "_at"), on=[*key, "_at"], how="anti")
    told = [
        frame.select(*key, *_VALUES, "_at", is_deleted=pl.lit(flag))
        for frame, flag in ((intervals, False), (gone, True))
    ]
    midnight = pl.col("valid_from").cast(pl.Datetime("us")).dt.replace_time_zone("America/New_York")
    return pl.concat(told).with_columns(ts_event=midnight.dt.convert_time_zone("UTC"), ts_known="_at")
