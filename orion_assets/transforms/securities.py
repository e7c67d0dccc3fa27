"""Reference snapshots to the security master: permanent ids and the interval in which each bore a ticker."""

import polars as pl

from orion_assets.schemas import RAW_TICKERS, SECURITIES
from orion_assets.transforms.versions import visible


def securities(tickers: pl.DataFrame) -> pl.DataFrame:
    """Give one row a security and interval of a ticker.

    Args:
        tickers: RAW_TICKERS rows, all versions and snapshots.

    Returns:
        SECURITIES rows, sorted by key. The id is the FIGI, else `source:ticker`. `valid_from` is the listing date,
        else the first snapshot that shows the ticker; `valid_to` the delisting date of the last snapshot, null while
        the ticker is listed. A rename ends the interval of the ticker before it at the first snapshot that shows the
        new one.
    """
    seen = visible(tickers, RAW_TICKERS.key).with_columns(
        security_id=pl.coalesce("figi", pl.concat_str("source", "ticker", separator=":"))
    )
    return (
        seen.sort("snapshot")
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
