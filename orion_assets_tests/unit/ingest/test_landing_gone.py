"""Rows that a source no longer shows, or shows elsewhere: withdrawn, moved, or not spoken of."""

from orion_assets.schemas import RAW_NEWS, RAW_VIX
from orion_assets.sources.protocols import TS_ASSUMED
from orion_assets_tests.unit.ingest.landing_rows import SATURDAY, YEARS_LATER, Raw, article, bar
from orion_assets_tests.unit.transforms.rows import FRI, HOUR, MON, NEXT_MON, NEXT_TUE, THU, TUE, WED, told, utc


def test_only_the_rows_of_the_tickers_spoken_of_are_withdrawn():
    raw = Raw()
    raw.land(YEARS_LATER, bar(MON), bar(MON, ticker="BBB"), bar(MON, ticker="CCC"))

    news, _ = raw.land(YEARS_LATER + HOUR, bar(MON), tickers=("AAA", "BBB"))

    assert told(news, "ticker", "is_deleted") == [("BBB", True)]


def test_an_article_of_a_ticker_that_was_not_asked_for_is_not_withdrawn():
    raw = Raw(RAW_NEWS)
    raw.land(YEARS_LATER, article("1", MON, "AAA"), article("2", MON, "BBB"), article("3", MON, "AAA", "BBB"))

    news, _ = raw.land(YEARS_LATER + HOUR, article("3", MON, "AAA", "BBB"), tickers=("AAA",))

    assert told(news, "article_id", "is_deleted") == [("1", True)]


def test_an_article_that_has_lost_the_ticker_asked_for_is_not_withdrawn_for_its_past():
    raw = Raw(RAW_NEWS)
    raw.land(YEARS_LATER, article("1", MON, "AAA"))
    raw.land(YEARS_LATER + HOUR, article("1", MON, "BBB"))

    assert raw.land(YEARS_LATER + 2 * HOUR, tickers=("AAA",))[0].is_empty()


def test_an_article_that_gains_the_ticker_asked_for_is_a_correction():
    raw = Raw(RAW_NEWS)
    raw.land(YEARS_LATER, article("1", MON, "BBB"))

    news, _ = raw.land(YEARS_LATER + HOUR, article("1", MON, "AAA", "BBB"), tickers=("AAA",))

    assert told(news, "tickers", "ts_known", "availability") == [(["AAA", "BBB"], YEARS_LATER + HOUR, "observed")]


def test_sessions_beyond_the_end_of_the_source_are_neither_answered_nor_withdrawn():
    raw = Raw()
    raw.land(YEARS_LATER, bar(MON), bar(FRI))

    news, _ = raw.land(YEARS_LATER + HOUR, through=THU)

    assert told(news, "session", "is_deleted") == [(MON, True)]


def test_a_row_on_a_closed_day_is_withdrawn_when_it_is_gone():
    raw = Raw()
    raw.land(YEARS_LATER, bar(SATURDAY), end=NEXT_TUE)

    news, _ = raw.land(YEARS_LATER + HOUR, end=NEXT_TUE)

    assert told(news, "session", "is_deleted") == [(SATURDAY, True)]


def test_a_moved_article_stays_where_it_was_first_filed():
    raw = Raw(RAW_NEWS)
    raw.land(YEARS_LATER, article("1", MON, "AAA"))

    moved = article("1", TUE, "AAA")
    news, _ = raw.land(YEARS_LATER + HOUR, moved)

    assert told(news, "session", "ts_event", "ts_known") == [(MON, utc(TUE, 16), YEARS_LATER + HOUR)]
    assert raw.land(YEARS_LATER + 2 * HOUR, moved)[0].is_empty()


def test_a_moved_article_landed_live_stays_where_it_was_first_filed():
    # Observed at eight in the evening; the move is told for a cell that was never answered, with an older clock
    raw = Raw(RAW_NEWS)
    raw.land(utc(TUE, 0), article("1", MON, "AAA"), end=TUE)

    news, _ = raw.land(utc(FRI, 12), article("1", TUE, "AAA", **{TS_ASSUMED: utc(MON, 19)}), start=TUE, end=WED)

    assert told(news, "session", "ts_known") == [(MON, utc(FRI, 12))]


def test_a_moved_article_is_not_withdrawn_by_an_answer_about_the_session_it_has_left():
    raw = Raw(RAW_NEWS)
    raw.land(YEARS_LATER, article("1", MON, "AAA"))
    raw.land(YEARS_LATER + HOUR, article("1", WED, "AAA"))

    news, _ = raw.land(YEARS_LATER + 2 * HOUR, start=MON, end=TUE)

    assert news.is_empty()


def test_a_vix_day_of_a_closed_day_is_judged_by_the_session_it_is_filed_under():
    raw = Raw(RAW_VIX)
    day = {"date": SATURDAY, "session": NEXT_MON, "close": 12.0, "ts_event": utc(SATURDAY, 20)}

    news, _ = raw.land(utc(NEXT_TUE, 12), {**day, TS_ASSUMED: utc(SATURDAY, 20, 15)}, start=NEXT_MON, end=NEXT_TUE)

    assert told(news, "ts_known", "availability") == [(utc(NEXT_TUE, 12), "observed")]
