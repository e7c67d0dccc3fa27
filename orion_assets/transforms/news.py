"""Raw articles to clean ones: which story each tells, in which mood, and which sessions it enters."""

from collections.abc import Sequence
from datetime import date
from functools import lru_cache
from typing import Final

import polars as pl
from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

from orion_assets.schemas import CLEAN_NEWS, RAW_NEWS
from orion_assets.transforms.bars import UNREADABLE, Cleaned, screen
from orion_assets.transforms.versions import change_points

STORY_SPAN: Final = "48h"
_STORY_TEXT: Final = 200
_STORY: Final = (
    pl.concat_str([pl.col("title"), pl.col("description").fill_null("").str.slice(0, _STORY_TEXT)], separator=" ")
    .str.to_lowercase()
    .str.replace_all(r"[^\p{L}\p{N}]+", " ")
)
_VALUES: Final = ("tickers", "title", "description", "publisher", "url", "sentiment")


def clean_news(raw: pl.DataFrame, sessions: pl.DataFrame, start: date) -> Cleaned:
    """Give every article its mood, its story and its sessions, with every version of it.

    Args:
        raw: RAW_NEWS rows, all versions, with the 48 hours before the range for copies of earlier stories.
        sessions: calendars.sessions() rows, the whole calendar.
        start: First session of the range: what comes before it is read and not returned.

    Returns:
        CLEAN_NEWS rows and QUARANTINE rows. `open_session` and `close_session` are those of the first cut-off of the
        kind at or after the article's first `ts_known`: a later edit moves nothing. `story_id` is the id of the first
        article published in the 48 hours up to this one's publication, and known when this one was, with the same
        title and the same first 200 characters of description, letters and digits compared.
    """
    good, held = screen(RAW_NEWS, raw, (UNREADABLE,))
    scored = good.with_columns(sentiment=_moods(good))
    rows = change_points(scored, RAW_NEWS.key, _VALUES)
    entered = _with_stories(_with_sessions(rows, sessions))
    is_wanted = pl.col("session") >= start
    return Cleaned(entered.select(CLEAN_NEWS.names).filter(is_wanted), held.filter(is_wanted))


def bearing(raw: pl.DataFrame, tickers: Sequence[str]) -> pl.DataFrame:
    """Keep the articles that bear upon the features of some tickers: scoring all the others is what takes long.

    Args:
        raw: RAW_NEWS rows, all versions.
        tickers: Whose features are to be made.

    Returns:
        All versions of the articles that ever named one of them, and of those that may tell the same story.
    """
    is_theirs = pl.col("tickers").list.eval(pl.element().is_in(list(tickers))).list.any()
    told = raw.select("article_id", is_theirs.alias("_is_theirs"), _text=_STORY)
    theirs = told.join(told.filter("_is_theirs"), on="article_id", how="semi")
    same = told.join(theirs, on="_text", how="semi", nulls_equal=True)
    return raw.join(same, on="article_id", how="semi", maintain_order="left")


def _moods(articles: pl.DataFrame) -> pl.Series:
    texts = articles.select(
        pl.concat_str([pl.col("title"), pl.col("description")], separator=". ", ignore_nulls=True).alias("text")
    )["text"]
    return pl.Series([mood(text) for text in texts], dtype=pl.Float64)


@lru_cache(maxsize=1)
def _analyzer() -> SentimentIntensityAnalyzer:
    return SentimentIntensityAnalyzer()


# Copies and edits repeat texts; scoring is the slowest step of a news day
@lru_cache(maxsize=65_536)
def mood(text: str) -> float:
    """Give VADER's compound score of a text, -1 to 1; 0 for one without any word VADER knows.

    Source: Hutto and Gilbert (2014), VADER, as the package vaderSentiment computes it.
    """
    return float(_analyzer().polarity_scores(text)["compound"])


def _with_sessions(rows: pl.DataFrame, sessions: pl.DataFrame) -> pl.DataFrame:
    first = rows.with_columns(_first=pl.col("ts_known").min().over(RAW_NEWS.key)).sort("_first")
    for name in ("open", "close"):
        cutoffs = sessions.select(_cutoff=f"ts_{name}_cutoff", **{f"{name}_session": pl.col("session")})
        first = first.join_asof(
            cutoffs, left_on="_first", right_on="_cutoff", strategy="forward", check_sortedness=False
        ).drop("_cutoff")
    return first


def _with_stories(rows: pl.DataFrame) -> pl.DataFrame:
    firsts = (
        rows.sort("article_id", "ts_known")
        .unique(RAW_NEWS.key, keep="first", maintain_order=True)
        .select(
            "article_id",
            "ts_event",
            "_first",
            _text=_STORY,
        )
        .sort("_text", "ts_event", "article_id")
    )
    # By publication, as the partitions are: how far a run must look back does not depend on when copies arrived
    told = (
        firsts.rolling("ts_event", period=STORY_SPAN, closed="both", group_by="_text")
        .agg(_ids=pl.col("article_id"), _knowns=pl.col("_first"))
        .unique(["_text", "ts_event"], keep="first")
    )
    leaders = (
        firsts.join(told, on=["_text", "ts_event"], maintain_order="left_right")
        .explode("_ids", "_knowns")
        .filter(pl.col("_knowns") <= pl.col("_first"))
        .unique("article_id", keep="first", maintain_order=True)
        .select("article_id", story_id="_ids")
    )
    return rows.join(leaders, on="article_id", how="left").sort("article_id", "ts_known")
