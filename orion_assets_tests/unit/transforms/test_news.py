from datetime import date, datetime, timedelta

import polars as pl
import pytest

from orion_assets.schemas import CLEAN_NEWS, QUARANTINE, RAW_NEWS
from orion_assets.transforms.news import bearing, clean_news, mood
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
    close_cutoff,
    june,
    open_cutoff,
    rows,
    told,
    utc,
)

EVER = date(1990, 1, 1)
NOON = utc(TUE, 16)


def article(number: str, known: datetime, title: str = "Results", **more) -> dict:
    told = {"article_id": number, "session": TUE, "tickers": ["AAA"], "title": title}
    return {**told, "ts_event": known, "ts_known": known, **more}


def cleaned(*given: dict, start: date = EVER):
    found = clean_news(rows(RAW_NEWS, *given), june(), start)
    CLEAN_NEWS.conform(found.rows)
    QUARANTINE.conform(found.quarantine)
    return found


def stories(*given: dict) -> list[str]:
    return cleaned(*given).rows["story_id"].to_list()


@pytest.mark.parametrize(
    ("text", "score"),
    [
        ("VADER is smart, handsome, and funny.", 0.8316),
        ("VADER is not smart, handsome, nor funny.", -0.7424),
        ("Not bad at all", 0.431),
        ("The quarterly report", 0.0),
        ("", 0.0),
    ],
)
def test_moods_are_those_of_vaders_own_readme(text, score):
    assert mood(text) == score


def test_the_scored_text_is_the_title_and_the_description():
    found = cleaned(
        article("1", NOON, "Not bad at all"),
        article("2", NOON, "Not bad at all", description="A terrible crash"),
    ).rows

    assert found["sentiment"].to_list() == [0.431, mood("Not bad at all. A terrible crash")]
    assert found["sentiment"][1] < 0


@pytest.mark.parametrize(
    ("known", "sessions"),
    [
        (open_cutoff(TUE), (TUE, TUE)),
        (open_cutoff(TUE) + TICK, (WED, TUE)),
        (close_cutoff(TUE), (WED, TUE)),
        (close_cutoff(TUE) + TICK, (WED, WED)),
        (utc(FRI, 21), (NEXT_MON, NEXT_MON)),
        (utc(date(2014, 6, 8), 12), (NEXT_MON, NEXT_MON)),
        (utc(NEXT_MON, 14), (NEXT_TUE, NEXT_MON)),
    ],
    ids=[
        "at the open",
        "a tick later",
        "at the close",
        "a tick later yet",
        "Friday evening",
        "Sunday",
        "in the session",
    ],
)
def test_an_article_enters_the_first_cut_off_of_each_kind_at_or_after_it(known, sessions):
    assert told(cleaned(article("1", known)).rows, "open_session", "close_session") == [sessions]


def test_an_edit_moves_nothing():
    found = cleaned(article("1", NOON), article("1", utc(FRI, 16), "Corrected results")).rows

    assert told(found, "title", "open_session", "close_session", "story_id", "known_until") == [
        ("Results", WED, TUE, "1", utc(FRI, 16)),
        ("Corrected results", WED, TUE, "1", None),
    ]


def test_an_edited_provenance_is_no_version_and_an_edited_tag_is():
    same = article("1", NOON + HOUR, source_file="other")
    tagged = article("1", NOON + 2 * HOUR, tickers=["AAA", "BBB"])

    assert cleaned(article("1", NOON), same, tagged).rows["tickers"].to_list() == [["AAA"], ["AAA", "BBB"]]


def test_a_withdrawn_article_keeps_its_place():
    found = cleaned(article("1", NOON), article("1", utc(THU, 16), is_deleted=True)).rows

    assert told(found, "is_deleted", "close_session", "ts_known") == [(False, TUE, NOON), (True, TUE, utc(THU, 16))]


def test_copies_of_one_text_tell_the_story_of_the_first():
    assert stories(article("b", NOON), article("a", NOON + HOUR)) == ["b", "b"]


def test_letters_and_digits_are_compared_and_nothing_else():
    same = [
        article("1", NOON, "AAA beats: Q3 up 5%!"),
        article("2", NOON, "aaa  BEATS q3, up 5"),
        article("3", NOON, "Ärger"),
    ]

    assert stories(*same, article("4", NOON, "ärger")) == ["1", "1", "3", "3"]


def test_different_digits_are_different_stories():
    assert stories(article("1", NOON, "up 5"), article("2", NOON, "up 6")) == ["1", "2"]


@pytest.mark.parametrize(("later", "is_copy"), [(timedelta(hours=48), True), (timedelta(hours=48) + TICK, False)])
def test_a_copy_counts_within_48_hours(later, is_copy):
    assert stories(article("1", NOON), article("2", NOON + later)) == ["1", "1" if is_copy else "2"]


@pytest.mark.parametrize(("length", "is_copy"), [(200, True), (199, False)])
def test_two_hundred_characters_of_the_description_are_compared(length, is_copy):
    one = article("1", NOON, description="x" * length + "one")
    two = article("2", NOON, description="x" * length + "two")

    assert stories(one, two) == ["1", "1" if is_copy else "2"]


def test_articles_of_one_instant_tell_the_story_of_the_smallest_id():
    assert stories(article("2", NOON), article("1", NOON)) == ["1", "1"]


def test_the_story_of_an_edited_article_is_that_of_its_first_text():
    edited = (article("1", NOON), article("1", NOON + HOUR, "Something else"))

    assert stories(*edited, article("2", NOON + 2 * HOUR)) == ["1", "1", "1"]
    assert stories(*edited, article("2", NOON + 2 * HOUR, "Something else")) == ["1", "1", "2"]


def test_stories_are_counted_by_publication_and_led_by_what_was_known():
    first = article("1", utc(THU, 16), ts_event=NOON)
    between = article("2", NOON + HOUR)

    assert stories(first, between) == ["1", "2"]
    assert stories(first, between, article("3", utc(THU, 17), ts_event=NOON + 2 * HOUR)) == ["1", "2", "1"]


def test_a_story_does_not_depend_on_what_else_was_derived_in_the_run():
    late = article("1", utc(FRI, 16), ts_event=NOON)
    other = article("2", utc(WED, 16), session=WED)

    alone = cleaned(late).rows

    assert cleaned(late, other).rows.filter(pl.col("article_id") == "1").equals(alone)


def test_a_copy_that_arrives_later_changes_no_earlier_story():
    one = cleaned(article("b", NOON)).rows

    assert cleaned(article("b", NOON), article("a", NOON + HOUR)).rows.filter(pl.col("article_id") == "b").equals(one)


def test_what_comes_before_the_range_is_read_for_its_stories_and_not_returned():
    before = article("1", utc(MON, 16), session=MON)

    found = cleaned(before, article("2", NOON), start=TUE).rows

    assert told(found, "article_id", "story_id") == [("2", "1")]


def test_an_unreadable_article_is_held():
    found = cleaned(
        article("1", NOON, "", problem="title: is empty"), article("0", NOON, "", session=MON, problem="x"), start=TUE
    )

    assert found.rows.is_empty()
    assert told(found.quarantine, "origin", "ticker", "row_key", "rule", "found") == [
        ("raw_news", "*", "1", "readable", "title: is empty")
    ]


def test_no_articles_give_two_empty_tables():
    found = cleaned()

    assert (found.rows.schema, found.quarantine.schema) == (CLEAN_NEWS.schema, QUARANTINE.schema)
    assert found.rows.is_empty()


def test_of_the_news_what_names_a_ticker_and_what_may_tell_its_stories_bears_upon_it():
    given = rows(
        RAW_NEWS,
        article("first", NOON, "Merger: agreed!", tickers=["ZZZ"]),
        article("copy", NOON + HOUR, "Merger agreed", tickers=["AAA", "BBB"]),
        article("edited", NOON, "Quiet", tickers=["ZZZ"]),
        article("edited", NOON, "Loud", tickers=["AAA"], ts_known=NOON + HOUR),
        article("nameless", NOON, "Merger of others", tickers=[]),
        article("strange", NOON, "Something else", tickers=["ZZZ"]),
    )

    kept = bearing(given, ["AAA"])

    assert kept["article_id"].to_list() == ["first", "copy", "edited", "edited"]
    whole = clean_news(given, june(), EVER).rows.filter(pl.col("article_id").is_in(["copy", "edited"]))
    mine = clean_news(kept, june(), EVER).rows.filter(pl.col("article_id").is_in(["copy", "edited"]))
    assert mine.equals(whole)
    assert mine["story_id"].to_list()[0] == "first"


def test_no_news_bears_upon_nobody():
    assert bearing(RAW_NEWS.empty(), ["AAA"]).is_empty()
    assert bearing(rows(RAW_NEWS, article("one", NOON)), []).is_empty()
