"""feature_sentiment: the mood of each ticker's news between two cut-offs of a kind."""

from collections.abc import Sequence
from datetime import date
from typing import Final

import polars as pl

from orion_assets.schemas import FEATURE_SENTIMENT
from orion_assets.transforms.market import instants
from orion_assets.transforms.versions import change_points

POSITIVE: Final = 0.05
HALF_LIFE_SESSIONS: Final = 3
_DECAY: Final = 0.5 ** (1 / HALF_LIFE_SESSIONS)
_ANSWERED: Final = ("data", "empty_confirmed")
_KEY: Final = FEATURE_SENTIMENT.key
_VALUES: Final = (
    "news_count",
    "story_count",
    "sentiment",
    "sentiment_positive_ratio",
    "sentiment_negative_ratio",
    "sentiment_decayed",
)


def feature_sentiment(
    articles: pl.DataFrame,
    coverage: pl.DataFrame,
    sessions: pl.DataFrame,
    tickers: Sequence[str],
    span: tuple[date, date],
) -> pl.DataFrame:
    """Give the mood at each cut-off of the span for each followed ticker, with every version of each row.

    Args:
        articles: CLEAN_NEWS rows, all versions, from the first article.
        coverage: RAW_COVERAGE rows of raw_news; a cut-off for which news was not answered has no row.
        sessions: calendars.sessions() rows, the whole calendar.
        tickers: The followed universe.
        span: [start, end) of the sessions to return.

    Returns:
        FEATURE_SENTIMENT rows. An article counts once, at the first cut-off of the kind at or after its first
        `ts_known`, with the text known at that cut-off: an edit or withdrawal after it leaves the row alone. Without
        articles the counts are 0 and the means null. `sentiment_decayed` weighs an article by half for every 3
        sessions of age; null before the ticker's first article.
    """
    cells = _cells(coverage, sessions, span)
    followed = pl.DataFrame({"ticker": sorted(tickers)}, schema={"ticker": pl.String})
    grid = cells.join(followed, how="cross")
    sums = _sums(articles, sessions, followed)
    decayed = _decayed(sums, sessions, span[1])
    count = pl.col("news_count").fill_null(0.0)
    rows = (
        grid.join(sums, on=_KEY, how="left")
        .join(decayed, on=_KEY, how="left")
        .with_columns(
            news_count=count,
            story_count=pl.col("story_count").fill_null(0.0),
            sentiment=pl.col("_sum") / count,
            sentiment_positive_ratio=pl.col("_positive") / count,
            sentiment_negative_ratio=pl.col("_negative") / count,
            ts_event="ts_cutoff",
            ts_known=pl.max_horizontal("ts_cutoff", "_answered"),
            is_deleted=pl.lit(value=False),
        )
    )
    return change_points(rows, _KEY, _VALUES).select(FEATURE_SENTIMENT.names)


def _cells(coverage: pl.DataFrame, sessions: pl.DataFrame, span: tuple[date, date]) -> pl.DataFrame:
    """The cut-offs for which news was answered, and since when that is known."""
    answered = (
        coverage.filter(
            pl.col("session").is_between(*span, closed="left")
            & pl.col("state").is_in(_ANSWERED)
            & ~pl.col("is_deleted")
        )
        .group_by("session", "cutoff")
        .agg(_answered=pl.col("ts_known").min())
    )
    return instants(sessions).select("session", "cutoff", "ts_cutoff").join(answered, on=["session", "cutoff"])


def _sums(articles: pl.DataFrame, sessions: pl.DataFrame, followed: pl.DataFrame) -> pl.DataFrame:
    entries = (
        articles.drop("session")
        .unpivot(
            on=["open_session", "close_session"],
            index=["article_id", "ts_known", "is_deleted", "tickers", "story_id", "sentiment"],
            variable_name="cutoff",
            value_name="session",
        )
        .with_columns(pl.col("cutoff").str.strip_suffix("_session"))
    )
    at_cutoff = (
        entries.join(instants(sessions).select("session", "cutoff", "ts_cutoff"), on=["session", "cutoff"])
        .filter(pl.col("ts_known") <= pl.col("ts_cutoff"))
        .sort("session", "cutoff", "article_id", "ts_known")
        .unique(["session", "cutoff", "article_id"], keep="last", maintain_order=True)
        .filter(~pl.col("is_deleted"))
    )
    mood = pl.col("sentiment")
    return (
        at_cutoff.explode("tickers")
        .rename({"tickers": "ticker"})
        .unique([*_KEY, "article_id"], keep="first", maintain_order=True)
        .join(followed, on="ticker", how="semi", maintain_order="left")
        .group_by(_KEY, maintain_order=True)
        .agg(
            news_count=pl.len().cast(pl.Float64),
            story_count=pl.col("story_id").n_unique().cast(pl.Float64),
            _sum=mood.sum(),
            _positive=(mood >= POSITIVE).sum().cast(pl.Float64),
            _negative=(mood <= -POSITIVE).sum().cast(pl.Float64),
        )
    )


def _decayed(sums: pl.DataFrame, sessions: pl.DataFrame, end: date) -> pl.DataFrame:
    """Weigh sums and counts by age, from each ticker's first article on."""
    first = sums.group_by("ticker", "cutoff").agg(_first=pl.col("session").min())
    # A row of nothing before the first: ewm_mean would give the first value a weight of its own
    lead = first.select("ticker", "cutoff", pl.lit(None, pl.Date).alias("session"))
    days = (
        first.join(sessions.filter(pl.col("session") < end).select("session"), how="cross")
        .filter(pl.col("session") >= pl.col("_first"))
        .drop("_first")
    )
    series = (
        pl.concat([lead, days])
        .join(sums.select(*_KEY, "_sum", "news_count"), on=_KEY, how="left")
        .with_columns(pl.col("_sum", "news_count").fill_null(0.0))
        .sort("ticker", "cutoff", "session", nulls_last=False)
    )
    # The ratio moves with an article only; carried on, it does not fade to 0 / 0 in years of silence
    has_news = series["news_count"] > 0
    weighted = series.with_columns(
        pl.col("_sum", "news_count").ewm_mean(alpha=1 - _DECAY, adjust=False).over("ticker", "cutoff")
    ).with_columns(sentiment_decayed=pl.when(has_news).then(pl.col("_sum") / pl.col("news_count")))
    return weighted.filter(pl.col("session").is_not_null()).select(
        *_KEY, pl.col("sentiment_decayed").forward_fill().over("ticker", "cutoff")
    )
