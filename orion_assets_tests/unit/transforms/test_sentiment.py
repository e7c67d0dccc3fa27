from datetime import date, datetime, timedelta

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from orion_assets.schemas import CLEAN_NEWS, FEATURE_SENTIMENT, RAW_COVERAGE, RAW_NEWS, RAW_UNIVERSE
from orion_assets.transforms.news import clean_news
from orion_assets.transforms.sentiment import feature_sentiment
from orion_assets_tests.pipeline import universe_of
from orion_assets_tests.unit.transforms.rows import (
    FRI,
    HOUR,
    MON,
    NEXT_MON,
    NEXT_TUE,
    THU,
    TICK,
    TUE,
    WED,
    answered,
    both,
    close_cutoff,
    june,
    open_cutoff,
    rows,
    told,
    utc,
)

WEEK = (MON, TUE, WED, THU, FRI)
DECAY = 0.5 ** (1 / 3)
NOON = utc(TUE, 16)


def article(number: str, session: date, score: float, known: datetime | None = None, **more) -> dict:
    """A clean article at noon of a session: it enters that close and the next open."""
    after = june().filter(pl.col("session") > session)["session"][0]
    given = {"article_id": number, "session": session, "tickers": ["AAA"], "sentiment": score, "story_id": number}
    clocks = {"open_session": after, "close_session": session, "ts_known": known or utc(session, 16)}
    return {**given, **clocks, **more}


def moods(*articles: dict, tickers=("AAA",), sessions=WEEK, coverage=None) -> pl.DataFrame:
    cells = answered("raw_news", *both(*sessions)) if coverage is None else coverage
    span = (sessions[0], sessions[-1] + timedelta(days=1))
    return FEATURE_SENTIMENT.conform(
        feature_sentiment(rows(CLEAN_NEWS, *articles), cells, june(), universe_of(tickers), span)
    )


def of(frame: pl.DataFrame, session: date, cutoff: str, *names: str, ticker="AAA") -> list[tuple]:
    is_row = (pl.col("session") == session) & (pl.col("cutoff") == cutoff) & (pl.col("ticker") == ticker)
    return told(frame.filter(is_row), *names)


def from_raw(*given: dict) -> pl.DataFrame:
    """The same path as the pipeline's, so that edges are judged by both tables."""
    texts = [{"session": TUE, "tickers": ["AAA"], "title": "Not bad at all", **row} for row in given]
    clean = clean_news(rows(RAW_NEWS, *texts), june(), date(1990, 1, 1)).rows
    sessions = (*WEEK, NEXT_MON, NEXT_TUE)
    return feature_sentiment(
        clean, answered("raw_news", *both(*sessions)), june(), universe_of(("AAA",)), (MON, date(2014, 6, 11))
    )


def counted(frame: pl.DataFrame) -> list[tuple]:
    return told(frame.filter(pl.col("news_count") > 0).sort("ts_event"), "session", "cutoff")


def test_means_and_shares_by_hand():
    found = moods(article("1", TUE, 0.8), article("2", TUE, 0.05), article("3", TUE, -0.05), article("4", TUE, 0.0))

    names = ("news_count", "story_count", "sentiment", "sentiment_positive_ratio", "sentiment_negative_ratio")
    assert of(found, TUE, "close", *names) == [(4.0, 4.0, pytest.approx(0.2), 0.5, 0.25)]
    assert of(found, WED, "open", *names) == [(4.0, 4.0, pytest.approx(0.2), 0.5, 0.25)]


@pytest.mark.parametrize(("score", "ratios"), [(0.0499, (0.0, 0.0)), (-0.0499, (0.0, 0.0)), (-0.05, (0.0, 1.0))])
def test_the_edges_of_positive_and_negative(score, ratios):
    found = moods(article("1", TUE, score))

    assert of(found, TUE, "close", "sentiment_positive_ratio", "sentiment_negative_ratio") == [ratios]


def test_confirmed_silence_is_a_count_of_zero_and_means_of_null():
    found = moods()

    assert found.height == 10
    assert of(found, WED, "close", "news_count", "story_count") == [(0.0, 0.0)]
    names = ("sentiment", "sentiment_positive_ratio", "sentiment_negative_ratio", "sentiment_decayed")
    assert of(found, WED, "close", *names) == [(None, None, None, None)]


def test_a_cut_off_that_was_not_answered_has_no_row():
    found = moods(article("1", TUE, 0.5), coverage=answered("raw_news", (TUE, "close")))

    assert told(found, "session", "cutoff", "news_count") == [(TUE, "close", 1.0)]


def test_a_failed_answer_is_no_answer():
    failed = answered("raw_news", (TUE, "close"), state="failed")

    assert moods(coverage=failed).is_empty()


def test_a_row_is_known_at_its_cut_off_or_when_the_answer_came():
    late = close_cutoff(TUE) + HOUR
    coverage = pl.concat(
        [
            answered("raw_news", (TUE, "open")),
            answered("raw_news", (TUE, "close"), known=late, state="empty_confirmed"),
            answered("raw_news", (TUE, "close"), known=late + HOUR),
        ]
    )

    found = moods(coverage=coverage)

    assert told(found.sort("ts_known"), "cutoff", "ts_event", "ts_known") == [
        ("open", open_cutoff(TUE), open_cutoff(TUE)),
        ("close", close_cutoff(TUE), late),
    ]


@pytest.mark.parametrize(
    ("known", "cells"),
    [
        (open_cutoff(TUE), [(TUE, "open"), (TUE, "close")]),
        (open_cutoff(TUE) + TICK, [(TUE, "close"), (WED, "open")]),
        (close_cutoff(TUE), [(TUE, "close"), (WED, "open")]),
        (close_cutoff(TUE) + TICK, [(WED, "open"), (WED, "close")]),
        (utc(FRI, 21), [(NEXT_MON, "open"), (NEXT_MON, "close")]),
        (utc(NEXT_MON, 14), [(NEXT_MON, "close"), (NEXT_TUE, "open")]),
    ],
    ids=["at the open", "a tick after", "at the close", "a tick after the close", "Friday evening", "Monday morning"],
)
def test_an_article_counts_once_at_each_kind_of_cut_off(known, cells):
    assert counted(from_raw({"article_id": "1", "ts_known": known})) == cells


def test_an_edit_by_the_cut_off_counts_and_a_later_one_leaves_the_row_alone():
    edited = "A terrible crash"
    first = {"article_id": "1", "ts_known": NOON}

    by_then = from_raw(first, {**first, "ts_known": close_cutoff(TUE), "title": edited})
    after = from_raw(first, {**first, "ts_known": close_cutoff(TUE) + TICK, "title": edited})

    assert of(by_then, TUE, "close", "sentiment", "known_until")[0][0] < 0
    assert of(after, TUE, "close", "sentiment", "known_until") == [(0.431, None)]
    # Wednesday's open reads the text of that instant
    assert of(after, WED, "open", "sentiment")[0][0] < 0


def test_a_withdrawal_by_the_cut_off_removes_the_article_and_a_later_one_does_not():
    first = {"article_id": "1", "ts_known": NOON}

    by_then = from_raw(first, {**first, "ts_known": close_cutoff(TUE), "is_deleted": True})
    after = from_raw(first, {**first, "ts_known": close_cutoff(TUE) + TICK, "is_deleted": True})

    assert counted(by_then) == []
    assert of(by_then, TUE, "close", "news_count", "sentiment", "sentiment_decayed") == [(0.0, None, None)]
    assert counted(after) == [(TUE, "close")]


def test_an_article_of_several_tickers_counts_for_each_once():
    shared = article("1", TUE, 0.5, tickers=["AAA", "BBB", "BBB", "ZZZ"])

    found = moods(shared, article("2", TUE, -0.5, tickers=["BBB"]), tickers=("BBB", "AAA"))

    assert of(found, TUE, "close", "news_count", "sentiment", ticker="AAA") == [(1.0, 0.5)]
    assert of(found, TUE, "close", "news_count", "sentiment", ticker="BBB") == [(2.0, 0.0)]
    assert found["ticker"].unique().sort().to_list() == ["AAA", "BBB"]


def test_an_article_without_tickers_counts_for_none():
    assert of(moods(article("1", TUE, 0.5, tickers=[])), TUE, "close", "news_count") == [(0.0,)]


def test_copies_count_as_articles_and_once_as_a_story():
    found = moods(article("1", TUE, 0.5), article("2", TUE, 0.5, story_id="1"), article("3", TUE, 0.5))

    assert of(found, TUE, "close", "news_count", "story_count") == [(3.0, 2.0)]


def test_a_mood_decays_by_half_in_three_sessions():
    found = moods(article("1", MON, 1.0), article("2", THU, 0.0))

    decayed = [of(found, session, "close", "sentiment_decayed")[0][0] for session in WEEK]
    # Alone it is the mean at any age; on Thursday half an article of 1.0 and a whole one of 0.0
    assert decayed == pytest.approx([1.0, 1.0, 1.0, 1 / 3, 1 / 3], rel=1e-15)


def test_the_decayed_mean_over_four_sessions_by_hand():
    found = moods(article("1", MON, 0.8), article("2", TUE, -0.4), article("3", TUE, -0.2), article("4", THU, 0.6))

    decayed = [of(found, session, "close", "sentiment_decayed")[0][0] for session in WEEK[:4]]
    tuesday = (0.8 * DECAY - 0.6) / (DECAY + 2)
    thursday = (0.8 * DECAY**3 - 0.6 * DECAY**2 + 0.6) / (DECAY**3 + 2 * DECAY**2 + 1)
    assert decayed == pytest.approx([0.8, tuesday, tuesday, thursday], rel=1e-14)


def test_opens_and_closes_decay_apart():
    found = moods(article("1", MON, 0.5))

    assert of(found, MON, "open", "sentiment_decayed") == [(None,)]
    assert of(found, MON, "close", "sentiment_decayed") == [(0.5,)]
    assert of(found, TUE, "open", "sentiment_decayed") == [(0.5,)]


def test_the_decay_of_one_ticker_knows_nothing_of_another():
    found = moods(article("1", MON, 0.5), article("2", TUE, -0.5, tickers=["BBB"]), tickers=("AAA", "BBB"))

    assert of(found, WED, "close", "sentiment_decayed", ticker="AAA") == [(0.5,)]
    assert of(found, MON, "close", "sentiment_decayed", ticker="BBB") == [(None,)]
    assert of(found, WED, "close", "sentiment_decayed", ticker="BBB") == [(-0.5,)]


def test_articles_before_the_span_still_decay_into_it():
    earlier = (article("1", MON, 1.0), article("2", THU, 0.0))

    part = moods(*earlier, sessions=(THU, FRI))

    assert of(part, THU, "close", "sentiment_decayed") == [(pytest.approx(1 / 3, rel=1e-15),)]
    assert part.equals(moods(*earlier).filter(pl.col("session") >= THU))


def test_articles_after_the_span_change_nothing():
    assert moods(article("1", MON, 1.0), article("2", NEXT_MON, -1.0)).equals(moods(article("1", MON, 1.0)))


def test_no_tickers_and_no_answers_give_no_rows():
    assert moods(article("1", TUE, 0.5), tickers=()).is_empty()
    assert moods(article("1", TUE, 0.5), coverage=RAW_COVERAGE.empty()).is_empty()


def test_a_ticker_that_is_followed_no_longer_keeps_its_rows_and_gets_no_more():
    coverage, span = answered("raw_news", *both(MON, TUE, WED)), (MON, THU)
    ended = [*universe_of(("AAA",)).to_dicts(), {**universe_of(("AAA",)).row(0, named=True), "is_deleted": True}]
    ended[1]["ts_known"] = close_cutoff(TUE)
    universe = rows(RAW_UNIVERSE, *ended)

    found = feature_sentiment(rows(CLEAN_NEWS), coverage, june(), universe, span)

    assert told(found.sort("ts_event"), "session", "cutoff") == [(MON, "open"), (MON, "close"), (TUE, "open")]


def test_many_tickers_have_the_bits_that_each_has_alone():
    names = [f"T{number:03}" for number in range(120)]
    # Prime steps, so that no two tickers have the same past
    given = [article(name, WEEK[n % 4], (n * 7 % 13 - 6) / 6, tickers=[name]) for n, name in enumerate(names)]
    given += [article(f"{name}b", WEEK[n % 3], (n * 5 % 11 - 5) / 5, tickers=[name]) for n, name in enumerate(names)]

    together = moods(*given, tickers=names).sort("ticker", "session", "cutoff")
    alone = pl.concat([moods(*given[n :: len(names)], tickers=(name,)) for n, name in enumerate(names)])

    assert together["sentiment_decayed"].drop_nulls().n_unique() > 50
    assert_frame_equal(together, alone.sort("ticker", "session", "cutoff"), check_exact=True)


def test_one_session_has_the_bits_that_it_has_in_a_longer_run():
    given = [article("1", MON, 0.8), article("2", TUE, -0.3)]

    assert_frame_equal(moods(*given, sessions=(FRI,)), moods(*given).filter(pl.col("session") == FRI), check_exact=True)
