"""What is missing at the end of a run: bars without features, followed tickers that have fallen behind."""

from collections.abc import Sequence

import polars as pl

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
