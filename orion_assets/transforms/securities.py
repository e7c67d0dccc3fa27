"""Reference snapshots to the security master: permanent ids and the interval in which each bore a ticker."""

from typing import Final

import polars as pl

from orion_assets.schemas import QUARANTINE, RAW_TICKERS, SECURITIES
from orion_assets.transforms.bars import UNREADABLE, Cleaned, Rule, screen
from orion_assets.transforms.identity import linked
from orion_assets.transforms.versions import change_points, visible

# Nobody bears a ticker that a snapshot shows as ended
_BEARS: Final = (pl.col("delist_date").is_null() | (pl.col("delist_date") > pl.col("snapshot"))).fill_null(value=True)


def _is_shared(*by: str) -> pl.Expr:
    """Say whether two tickers bear the FIGI of a row in its snapshot."""
    several = pl.when(_BEARS).then("ticker").drop_nulls().n_unique().over(*by, "figi", "snapshot") > 1
    return pl.col("figi").is_not_null() & _BEARS & several


# Such rows would be two securities of one id that begin on one date, and nothing tells which of them is right
_ONE_TICKER: Final = Rule(
    "figi_of_one_ticker",
    _is_shared(),
    pl.format("{} is the FIGI of another ticker of the same snapshot too", "figi"),
    "correct the FIGI, or leave it empty",
)
RULES: Final = (UNREADABLE, _ONE_TICKER)
_WORDS: Final = ("name", "type", "exchange")
_FACTS: Final = ("figi", *_WORDS, "list_date", "delist_date")
_VALUES: Final = ("ticker", "valid_to", "is_start_known", *_WORDS)
_OF_SNAPSHOT: Final = ("snapshot", "_is_only", "_tickers", "_known_last")
_REPEATS: Final = (
    pl.all_horizontal("_is_said", "_is_only", "_is_only_before")
    & (pl.col("_said_last") == pl.col("snapshot_before"))
    & (pl.col("_tickers") == pl.col("_tickers_before"))
    & (pl.col("_known_first") == pl.col("_known_last"))
    & (pl.col("_known_first") >= pl.col("_known_last_before"))
    & ((pl.col("_bearers") <= 1) | pl.col("_is_apart"))
    # An interval of a ticker only ever shown as ended begins the day before its end
    & (pl.col("_end") > pl.col("snapshot") + pl.duration(days=1)).fill_null(value=True)
)


def securities(tickers: pl.DataFrame, sessions: pl.DataFrame) -> Cleaned:
    """Give one row a security and interval of a ticker, with every version of it.

    Args:
        tickers: RAW_TICKERS rows, all versions and snapshots.
        sessions: Column `session`: the sessions of the exchange.

    Returns:
        SECURITIES rows, sorted by key and `ts_known`, and the QUARANTINE rows. The id is the FIGI, which a row
        without one takes from the ticker's other snapshots, else `source:ticker`; without any FIGI, a ticker listed
        anew after its delisting is another security. `valid_from` is the listing date, else the first snapshot that
        shows the ticker; `valid_to` the delisting date of the last snapshot, null while the ticker is listed. A rename
        ends the interval of the ticker before it at the first snapshot that shows the new one. A row that cannot be
        read never replaces one that could. Held are the rows that are bad as they stand now, so a corrected one is
        not; each is filed under the first session at or after its snapshot.
    """
    filed = _filed(tickers, sessions)
    good, _ = screen(RAW_TICKERS, filed, (UNREADABLE,))
    _, shared = screen(RAW_TICKERS, visible(good, RAW_TICKERS.key), (_ONE_TICKER,))
    _, unreadable = screen(RAW_TICKERS, visible(filed, RAW_TICKERS.key), (UNREADABLE,))
    return Cleaned(_versions(_telling(_related(good))), pl.concat([QUARANTINE.empty(), unreadable, shared]))


def _filed(tickers: pl.DataFrame, sessions: pl.DataFrame) -> pl.DataFrame:
    axis = sessions.select("session").sort("session")
    return tickers.sort("snapshot").join_asof(axis, left_on="snapshot", right_on="session", strategy="forward")


def _related(rows: pl.DataFrame) -> pl.DataFrame:
    """Add `lineage`, which tickers share that ever bore a FIGI with one another."""
    named = rows.filter(pl.col("figi").is_not_null()).select("ticker", security_id="figi")
    related = rows.join(linked(named), on="ticker", how="left", maintain_order="left")
    return related.with_columns(pl.col("lineage").fill_null(pl.col("ticker")))


def _telling(related: pl.DataFrame) -> pl.DataFrame:
    """Leave out the snapshots that say of a lineage what the one before said: ten years of them change nothing.

    Only where `_versions` provably gives the same without them: both are known whole at one instant, in order and in
    one version; no two tickers may bear one security in them; and no date of an end, which may itself stand for a
    snapshot, lies between them. A rule a ticker is not enough: its relatives' snapshots stand in between.
    """
    ordered = related.sort("ticker", "snapshot", "ts_known").with_columns(
        _is_said=pl.all_horizontal(pl.col(name).eq_missing(pl.col(name).shift()) for name in ("ticker", *_FACTS)),
        _said_last=pl.col("snapshot").shift().over("ticker"),
        _is_only=~pl.struct("ticker", "snapshot").is_duplicated() & ~pl.col("is_deleted"),
        _bears=_BEARS,
    )
    ordered = ordered.with_columns(
        _is_apart=~pl.col("_bears")
        | (pl.col("figi").is_not_null() & ~pl.struct("figi", "snapshot", "_bears").is_duplicated())
    )
    snapshots = ordered.group_by("lineage", "snapshot").agg(
        pl.col("_is_said", "_is_only", "_is_apart").all(),
        pl.col("_said_last").min(),
        _tickers=pl.len(),
        _known_first=pl.col("ts_known").min(),
        _known_last=pl.col("ts_known").max(),
        _bearers=pl.col("_bears").sum(),
    )
    ends = related.select("lineage", _end="delist_date").drop_nulls().unique().sort("_end")
    before = [pl.col(name).shift().over("lineage").alias(f"{name}_before") for name in _OF_SNAPSHOT]
    in_turn = snapshots.sort("lineage", "snapshot").with_columns(before).sort("snapshot_before")
    ended = in_turn.with_columns(_from=pl.col("snapshot_before") + pl.duration(days=1)).join_asof(
        ends, left_on="_from", right_on="_end", by="lineage", strategy="forward", check_sortedness=False
    )
    repeated = ended.filter(_REPEATS).select("lineage", "snapshot")
    return related.join(repeated, on=["lineage", "snapshot"], how="anti", maintain_order="left")


def _versions(related: pl.DataFrame) -> pl.DataFrame:
    """Take the intervals at every instant at which a row of the same securities changed, and keep the changes."""
    instants = related.select("lineage", _at="ts_known").unique()
    known = related.join(instants, on="lineage").filter(pl.col("ts_known") <= pl.col("_at"))
    shown = visible(known, ["_at", *RAW_TICKERS.key])
    intervals = _intervals(shown.filter(~_is_shared("_at")))
    return change_points(_with_withdrawals(intervals, instants), SECURITIES.key, _VALUES).select(SECURITIES.names)


def _intervals(shown: pl.DataFrame) -> pl.DataFrame:
    """Give the intervals as known at each `_at`, a run of snapshots that show a security under one ticker each."""
    ordered = _identified(shown.sort("_at", "ticker", "snapshot")).sort("_at", "security_id", "snapshot", "ticker")
    one, of_ticker = ("_at", "security_id"), ["_at", "security_id", "ticker"]
    # Of a ticker that is only ever shown as ended, the first such row stands for its life
    is_lone = ~_BEARS.any().over(of_ticker) & pl.col("snapshot").is_first_distinct().over(of_ticker)
    is_lone &= pl.col("snapshot") == pl.col("snapshot").min().over(of_ticker)
    bearing = ordered.filter(_BEARS | is_lone).with_columns(
        _seen=pl.when(_BEARS).then("snapshot").otherwise(pl.col("delist_date") - pl.duration(days=1))
    )
    bearing = bearing.sort(*one, "_seen", "ticker")
    is_turn = (pl.col("ticker") != pl.col("ticker").shift().over(one)).fill_null(value=True)
    runs = bearing.filter(is_turn).with_columns(_run=pl.int_range(pl.len()).over(one))
    told = ordered.sort("snapshot").join_asof(
        runs.select(*of_ticker, "_run", _since="_seen").sort("_since"),
        left_on="snapshot",
        right_on="_since",
        by=of_ticker,
        check_sortedness=False,
    )
    facts = told.group_by(*one, "_run").agg(
        list_date=pl.col("list_date").drop_nulls().last(),
        valid_to=pl.col("delist_date").last(),
        **{name: pl.col(name).last() for name in _WORDS},
    )
    seen = runs.select("lineage", *of_ticker, "_run", "_seen").join(facts, on=[*one, "_run"], how="left")
    return _dated(seen.sort(*one, "_run"), one)


def _dated(seen: pl.DataFrame, one: tuple[str, str]) -> pl.DataFrame:
    """Give each run its bounds: the listing is the security's, so only its first ticker begins there."""
    following = pl.col("_seen").shift(-1).over(one)
    begun = pl.when((pl.col("_run") == 0) & (pl.col("list_date") < following).fill_null(value=True)).then("list_date")
    return (
        seen.with_columns(
            valid_from=pl.coalesce(begun, "_seen"), is_start_known=(pl.col("_run") > 0) | begun.is_not_null()
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
    """Add a withdrawal of each interval at every instant at which its lineage changed and it was not there.

    It repeats the version before it: a later one's values nobody knew.
    """
    key = list(SECURITIES.key)
    told = intervals.select(*key, *_VALUES, "_at").sort("_at")
    asked = intervals.select("lineage", *key).unique().join(instants, on="lineage")
    absent = asked.join(told, on=[*key, "_at"], how="anti").drop("lineage").sort("_at")
    gone = absent.join_asof(told, on="_at", by=key, check_sortedness=False).filter(pl.col("ticker").is_not_null())
    midnight = pl.col("valid_from").cast(pl.Datetime("us")).dt.replace_time_zone("America/New_York")
    columns = [*key, *_VALUES, "_at"]
    return pl.concat(
        [
            told.with_columns(is_deleted=pl.lit(value=False)),
            gone.select(columns).with_columns(is_deleted=pl.lit(value=True)),
        ]
    ).with_columns(ts_event=midnight.dt.convert_time_zone("UTC"), ts_known="_at")
