"""The daily graph as one function: what the assets wire, from raw tables to features, without a lake or a store."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Final

import polars as pl

from orion_assets.schemas import (
    CLEAN_DAILY_BARS,
    CLEAN_NEWS,
    CLEAN_VIX,
    CORPORATE_ACTIONS,
    FEATURE_INDICATORS,
    FEATURE_MARKET,
    FEATURE_MATRIX,
    FEATURE_SENTIMENT,
    RAW_COVERAGE,
    RAW_DAILY_BARS,
    RAW_DIVIDENDS,
    RAW_NEWS,
    RAW_SPLITS,
    RAW_TICKERS,
    RAW_UNIVERSE,
    RAW_VIX,
    SECURITIES,
    TABLES,
)
from orion_assets.transforms import actions, bars, daily, market, matrix, news, securities, sentiment
from orion_assets.transforms.identity import relatives

RAW: Final = (
    *(RAW_DAILY_BARS, RAW_VIX, RAW_NEWS, RAW_SPLITS, RAW_DIVIDENDS),
    *(RAW_TICKERS, RAW_UNIVERSE, RAW_COVERAGE),
)


def derive(
    raw: Mapping[str, pl.DataFrame], sessions: pl.DataFrame, start: date, end: date
) -> Mapping[str, pl.DataFrame]:
    """Derive every table for the sessions in [start, end) from raw rows.

    Args:
        raw: Rows of the raw tables by name, all versions; of a table left out there are none.
        sessions: calendars.sessions() rows, the whole calendar.
        start: First session to derive.
        end: First session no longer derived; bars, VIX and news from it on are not read.

    Returns:
        Rows of the derived tables by name, all versions, conformed; SECURITIES whole, the others of the range.
    """
    given = {table.name: raw.get(table.name, table.empty()) for table in RAW}
    held = {
        name: frame.filter(pl.col("session") < end)
        for name, frame in given.items()
        if name in (RAW_DAILY_BARS.name, RAW_VIX.name, RAW_NEWS.name)
    }
    coverage = given[RAW_COVERAGE.name].partition_by("dataset", as_dict=True)
    asked = {key[0]: frame for key, frame in coverage.items()}
    none = RAW_COVERAGE.empty()
    masters = securities.securities(given[RAW_TICKERS.name], sessions).rows
    clean = bars.clean_daily_bars(held[RAW_DAILY_BARS.name], sessions).rows
    events = actions.corporate_actions(given[RAW_SPLITS.name], given[RAW_DIVIDENDS.name], masters, sessions).rows
    days = bars.clean_vix(held[RAW_VIX.name]).rows
    articles = news.clean_news(held[RAW_NEWS.name], sessions, sessions["session"][0]).rows
    before = sessions.filter(pl.col("session") < start)["session"].tail(1).to_list() or [start]
    indicators = daily.feature_indicators(clean, events, masters, before[0], end)
    mood = sentiment.feature_sentiment(
        articles, asked.get(RAW_NEWS.name, none), sessions, given[RAW_UNIVERSE.name], (start, end)
    )
    cells, vix_cells = (
        market.asked(asked.get(table.name, none), sessions, start, end) for table in (RAW_DAILY_BARS, RAW_VIX)
    )
    state = market.feature_market(days, vix_cells, cells, sessions)
    made = {
        SECURITIES.name: masters,
        CLEAN_DAILY_BARS.name: clean,
        CORPORATE_ACTIONS.name: events,
        CLEAN_VIX.name: days,
        CLEAN_NEWS.name: articles,
        FEATURE_INDICATORS.name: indicators,
        FEATURE_SENTIMENT.name: mood,
        FEATURE_MARKET.name: state,
        FEATURE_MATRIX.name: matrix.feature_matrix(indicators, mood, state, cells),
    }
    is_asked = pl.col("session").is_between(start, end, closed="left")
    return {
        name: TABLES[name].conform(frame).filter(is_asked)
        if "session" in frame.columns
        else TABLES[name].conform(frame)
        for name, frame in made.items()
    }


def kin(listed: pl.DataFrame, tickers: Sequence[str]) -> list[str]:
    """Name all tickers whose raw rows bear upon the features of some, and `*`, which stands for the whole market.

    Args:
        listed: RAW_TICKERS rows, all versions.
        tickers: Whose features are wanted.
    """
    borne = listed.filter(pl.col("figi").is_not_null()).select("ticker", security_id="figi")
    return [*sorted(relatives(tickers, borne)), "*"]
