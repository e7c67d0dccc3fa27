"""feature_sentiment: the mood of each ticker's news between two cut-offs of a kind."""

from datetime import date
from typing import Final

import polars as pl

from orion_assets.schemas import FEATURE_SENTIMENT
from orion_assets.transforms.market import asked, instants
from orion_assets.transforms.versions import change_points

POSITIVE: Final = 0.05
HALF_LIFE_SESSIONS: Final = 3
_DECAY: Final = 0.5 ** (1 / HALF_LIFE_SESSIONS)
# Tickers whose series are in memory at once
_BLOCK: Final = 50
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
    universe: pl.DataFrame,
    span: tuple[date, date],
) -> pl.DataFrame:
    """Give the mood at each cut-off of the span for each followed ticker, with every version of each row.

    Args:
        articles: CLEAN_NEWS rows, all versions, from the first article.
        coverage: RAW_COVERAGE rows of raw_news; a cut-off for which news was not answered has no row.
        sessions: calendars.sessions() rows, the whole calendar.
        universe: RAW_UNIVERSE rows, all versions. A ticker has rows from the first session on, whenever it was added;
            none for the cut-offs since it is followed no longer.
        span: [start, end) of the sessions to return.

    Returns:
        FEATURE_SENTIMENT rows. An article counts once, at the first cut-off of the kind at or after its first
        `ts_known`, with the text known at that cut-off: an edit or withdrawal after it leaves the row alone. Without
        articles the counts are 0 and the means null. `sentiment_decayed` weighs an article by half for every 3
        sessions of age; null before the ticker's first article.
    """
    cells = asked(coverage, sessions, *span).select("session", "cutoff", "ts_cutoff", "ts_asked")
    followed = _followed(universe)
    is_followed = (pl.col("ts_cutoff") < pl.col("_until")).fill_null(value=True)
    grid = cells.join(followed, how="cross").filter(is_followed).drop("_until")
    sums = _sums(articles, sessions, followed)
    decayed = _decayed(sums, sessions, span)
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
            ts_known="ts_asked",
            is_deleted=pl.lit(value=False),
        )
    )
    return change_points(rows, _KEY, _VALUES).select(FEATURE_SENTIMENT.names)


def _followed(universe: pl.DataFrame) -> pl.DataFrame:
    last = universe.sort("ticker", "ts_known").unique("ticker", keep="last", maintain_order=True)
    return last.select("ticker", _until=pl.when("is_deleted").then("ts_known"))


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


def _decayed(sums: pl.DataFrame, sessions: pl.DataFrame, span: tuple[date, date]) -> pl.DataFrame:
    """Weigh sums and counts by age, from each ticker's first article on; gives the sessions of the span."""
    tickers = sums["ticker"].unique().sort()
    # Each series is as long as the ticker's past, of which one session may be wanted: some tickers at a time
    blocks = [tickers[at : at + _BLOCK] for at in range(0, max(tickers.len(), 1), _BLOCK)]
    return pl.concat(
        _decayed_of(sums.filter(pl.col("ticker").is_in(block.implode())), sessions, span) for block in blocks
    )


def _decayed_of(sums: pl.DataFrame, sessions: pl.DataFrame, span: tuple[date, date]) -> pl.DataFrame:
    first = sums.group_by("ticker", "cutoff").agg(_first=pl.col("session").min())
    # A row of nothing before the first: ewm_mean would give the first value a weight of its own
    lead = first.select("ticker", "cutoff", pl.lit(None, pl.Date).alias("session"))
    days = (
        first.join(sessions.filter(pl.col("session") < span[1]).select("session"), how="cross")
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
    carried = weighted.select(*_KEY, pl.col("sentiment_decayed").forward_fill().over("ticker", "cutoff"))
    return carried.filter(pl.col("session") >= span[0])
