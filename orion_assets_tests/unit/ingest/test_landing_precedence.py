"""Whose word counts: a better source's, the later question's, and that of who can tell a column at all."""

from datetime import date

import pytest

from orion_assets.schemas import RAW_MINUTE_BARS, RAW_VIX
from orion_assets.sources.protocols import TS_ASSUMED
from orion_assets_tests.unit.ingest.landing_rows import DELAY, VERSION, YEARS_LATER, Raw, bar
from orion_assets_tests.unit.transforms.rows import HOUR, MON, TICK, TUE, WED, told, utc

HOLIDAY = date(2014, 6, 1)


def vix(day: date, close: float, source: str, session: date | None = None) -> dict:
    row = bar(session or day, close, source=source)
    return {"date": day, **{name: value for name, value in row.items() if name not in {"ticker", "volume"}}}


class TestABetterSource:
    def test_what_it_told_a_fallback_neither_changes_nor_takes_back(self):
        raw = Raw(RAW_VIX)
        raw.land(YEARS_LATER, vix(HOLIDAY, 17.0, "cboe", MON), vix(MON, 18.0, "cboe"), vix(TUE, 19.0, "cboe"))

        rows = vix(MON, 18.1, "yahoo"), vix(TUE, 19.0, "yahoo"), vix(WED, 20.0, "yahoo")
        news, cells = raw.land(YEARS_LATER + HOUR, *rows, yields_to=("polygon", "cboe"))

        # Of Wednesday nobody had told anything
        assert told(news, "date", "close", "source", "is_deleted") == [(WED, 20.0, "yahoo", False)]
        assert told(cells.filter(cutoff="close"), "session", "state") == [(WED, "data")]

    def test_a_session_that_it_told_stays_told_where_a_fallback_has_nothing(self):
        raw = Raw(RAW_VIX)
        raw.land(YEARS_LATER, vix(MON, 18.0, "cboe"), vix(TUE, 19.0, "cboe"), end=WED)

        news, cells = raw.land(YEARS_LATER + HOUR, vix(MON, 18.0, "yahoo"), end=WED, yields_to=("cboe",))

        assert news.is_empty()
        assert cells.is_empty()

    def test_it_corrects_what_a_fallback_told(self):
        raw = Raw(RAW_VIX)
        raw.land(YEARS_LATER, vix(MON, 18.1, "yahoo"), vix(TUE, 19.0, "yahoo"), yields_to=("cboe",))

        news, _ = raw.land(YEARS_LATER + HOUR, vix(MON, 18.0, "cboe"))

        assert told(news, "date", "close", "source", "is_deleted") == [
            (MON, 18.0, "cboe", False),
            (TUE, 19.0, "yahoo", True),
        ]

    def test_a_fallback_corrects_itself(self):
        raw = Raw(RAW_VIX)
        raw.land(YEARS_LATER, vix(MON, 18.1, "yahoo"), yields_to=("cboe",))

        news, _ = raw.land(YEARS_LATER + HOUR, vix(MON, 18.0, "yahoo"), yields_to=("cboe",))

        assert told(news, "date", "close", "source") == [(MON, 18.0, "yahoo")]


class TestAColumnThatOneWayOfAskingCannotTell:
    def test_is_kept_where_nothing_else_changed(self):
        raw = Raw()
        raw.land(YEARS_LATER, bar(MON, vwap=10.1))

        news, _ = raw.land(YEARS_LATER + HOUR, bar(MON, vwap=None), untold=("vwap",))

        assert news.is_empty()

    def test_is_carried_over_where_something_else_did(self):
        raw = Raw()
        raw.land(YEARS_LATER, bar(MON, vwap=10.1))

        news, _ = raw.land(YEARS_LATER + HOUR, bar(MON, 10.5, vwap=None), untold=("vwap",))

        assert told(news, "close", "vwap", "ts_known") == [(10.5, 10.1, YEARS_LATER + HOUR)]

    def test_is_taken_for_withdrawn_by_who_can_tell_it(self):
        raw = Raw()
        raw.land(YEARS_LATER, bar(MON, vwap=10.1))

        news, _ = raw.land(YEARS_LATER + HOUR, bar(MON, vwap=None))

        assert told(news, "close", "vwap") == [(10.0, None)]

    def test_that_was_left_out_before_makes_no_version_by_itself(self):
        raw = Raw()
        raw.land(YEARS_LATER, bar(MON, trade_count=None), bar(TUE, trade_count=5.0), bar(WED, trade_count=None))

        rows = bar(MON, trade_count=1.0), bar(TUE, trade_count=6.0), bar(WED, 10.5, trade_count=1.0)
        news, _ = raw.land(YEARS_LATER + HOUR, *rows, tells_more=("trade_count",))

        assert told(news, "session", "close", "trade_count") == [(TUE, 10.0, 6.0), (WED, 10.5, 1.0)]


class TestTheLaterQuestion:
    @pytest.mark.parametrize("answer", [bar(MON, 10.0), None], ids=["another close", "no bar"])
    def test_what_was_landed_after_a_question_stays_against_its_answer(self, answer):
        raw, asked = Raw(), YEARS_LATER + HOUR
        raw.land(YEARS_LATER, bar(MON, 10.0), bar(TUE), end=WED)
        raw.land(asked + TICK, bar(MON, 10.5), bar(TUE), end=WED, ts_asked=asked + TICK)

        given = [bar(TUE), *([answer] if answer else [])]
        news, cells = raw.land(asked + HOUR, *given, end=WED, ts_asked=asked)

        assert news.is_empty()
        assert cells.is_empty()

    def test_what_was_landed_before_it_or_at_once_does_not(self):
        raw, asked = Raw(), YEARS_LATER + HOUR
        raw.land(asked, bar(MON, 10.0), end=TUE)

        news, _ = raw.land(asked + HOUR, bar(MON, 10.5), end=TUE, ts_asked=asked)

        assert told(news, "session", *VERSION) == [(MON, 10.5, asked + HOUR, "observed", False)]

    def test_what_nobody_landed_since_is_landed(self):
        raw, asked = Raw(), YEARS_LATER + HOUR
        raw.land(asked + TICK, bar(MON, 10.5), end=TUE)

        news, _ = raw.land(asked + HOUR, bar(MON), bar(TUE), end=WED, ts_asked=asked)

        assert told(news, "session", "close") == [(TUE, 10.0)]


def test_a_minute_keeps_what_an_object_cannot_tell_of_it():
    minute = {**bar(MON, vwap=10.1, trade_count=None), "ts_open": utc(MON, 14), "ts_event": utc(MON, 14, 1)}
    minute[TS_ASSUMED] = minute["ts_event"] + DELAY
    raw = Raw(RAW_MINUTE_BARS)
    raw.land(YEARS_LATER, minute, end=TUE, tickers=("AAA",))

    other = {**minute, "vwap": None, "trade_count": 1.0}
    more = {"untold": ("vwap",), "tells_more": ("trade_count",), "tickers": ("AAA",)}
    news, _ = raw.land(YEARS_LATER + HOUR, other, end=TUE, **more)

    assert news.is_empty()
