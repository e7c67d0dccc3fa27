"""Reference snapshots to the security master: permanent ids and the interval in which each bore a ticker."""

from typing import Final

import polars as pl

from orion_assets.schemas import QUARANTINE, RAW_TICKERS, SECURITIES
from orion_assets.transforms.bars import UNREADABLE, Cleaned, Rule, screen
from orion_assets.transforms.versions import visible

# Such rows would be two securities of one id that begin on one date, and nothing tells which of them is right
_ONE_TICKER: Final = Rule(
    "figi_of_one_ticker",
    pl.col("figi").is_not_null() & (pl.col("ticker").n_unique().over("figi", "snapshot") > 1),
    pl.format("{} is the FIGI of another ticker of the same snapshot too", "figi"),
    "correct the FIGI, or leave it empty",
)
RULES: Final = (UNREADABLE, _ONE_TICKER)


def securities(tickers: pl.DataFrame, sessions: pl.DataFrame) -> Cleaned:
    """Give one row a security and interval of a ticker.

    Args:
        tickers: RAW_TICKERS rows, all versions and snapshots.
        sessions: Column `session`: the sessions of the exchange.

    Returns:
        SECURITIES rows, sorted by key, and the QUARANTINE rows. The id is the FIGI, else `source:ticker`.
        `valid_from` is the listing date, else the first snapshot that shows the ticker; `valid_to` the delisting date
        of the last snapshot, null while the ticker is listed. A rename ends the interval of the ticker before it at
        the first snapshot that shows the new one. A row that cannot be read never replaces one that could. Held are
        the rows that are bad as they stand now, so a corrected one is not; each is filed under the first session at
        or after its snapshot.
    """
    filed = _filed(tickers, sessions)
    good, _ = screen(RAW_TICKERS, filed, (UNREADABLE,))
    seen, shared = screen(RAW_TICKERS, visible(good, RAW_TICKERS.key), (_ONE_TICKER,))
    _, unreadable = screen(RAW_TICKERS, visible(filed, RAW_TICKERS.key), (UNREADABLE,))
    return Cleaned(_intervals(seen), pl.concat([QUARANTINE.empty(), unreadable, shared]))


def _filed(tickers: pl.DataFrame, sessions: pl.DataFrame) -> pl.DataFrame:
    axis = sessions.select("session").sort("session")
    return tickers.sort("snapshot").join_asof(axis, left_on="snapshot", right_on="session", strategy="forward")


def _intervals(seen: pl.DataFrame) -> pl.DataFrame:
    named = seen.with_columns(security_id=pl.coalesce("figi", pl.concat_str("source", "ticker", separator=":")))
    return (
        named.sort("snapshot")
        .group_by("security_id", "ticker", maintain_order=True)
        .agg(
            _seen=pl.col("snapshot").first(),
            valid_from=pl.coalesce(pl.col("list_date").drop_nulls().last(), pl.col("snapshot").first()),
            valid_to=pl.col("delist_date").last(),
            name=pl.col("name").last(),
            type=pl.col("type").last(),
            exchange=pl.col("exchange").last(),
        )
        .sort("security_id", "_seen", "ticker")
        .with_columns(
            # The listing date is the security's, so only its first ticker begins there
            valid_from=pl.when(pl.col("security_id").is_first_distinct()).then("valid_from").otherwise("_seen")
        )
        .with_columns(valid_to=pl.min_horizontal("valid_to", pl.col("valid_from").shift(-1).over("security_id")))
        .select(SECURITIES.names)
        .sort(SECURITIES.key)
    )
