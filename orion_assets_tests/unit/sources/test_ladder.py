"""The VIX comes from the first source that can tell it, and every row says which one that was."""

import logging
from datetime import UTC, date, datetime
from typing import ClassVar

import polars as pl
import pytest

from orion_assets import calendars
from orion_assets.errors import AnswerDistrusted, KeyRefused, NotEntitled, NotYet, SettingsError, SourceUnavailable
from orion_assets.ingest.planner import plan
from orion_assets.schemas import RAW_VIX
from orion_assets.sources import cboe, filing
from orion_assets.sources.cboe import CboeSource, open_cboe
from orion_assets.sources.ladder import VixLadder, with_vix
from orion_assets.sources.limiter import Rate
from orion_assets.sources.polygon.routes import RIGHTS
from orion_assets.sources.polygon.source import PolygonSource
from orion_assets.sources.polygon.words import judge
from orion_assets.sources.protocols import (
    Answer,
    Ask,
    Comparing,
    Ending,
    Listing,
    Probing,
    last_session_of,
    listed_by,
)
from orion_assets.sources.routes import Budget, Route
from orion_assets.sources.yahoo.source import open_yahoo
from orion_assets_tests.far_sides import CLOCK, KEY, limited, transport_to
from orion_assets_tests.scripted_server import answer, scripted

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
DAY, NEXT = date(2025, 11, 24), date(2025, 11, 25)


class Rung:
    """A source of the VIX that says one value, or cannot."""

    name: ClassVar[str]
    is_local: ClassVar[bool] = False

    def __init__(self, close, error=None):
        self.close, self.error, self.asks = close, error, []

    @property
    def datasets(self):
        return frozenset({"raw_vix", "raw_news"})

    def routes(self, today):
        told = {"scope": "market", "budget": Budget(self.name, Rate(5)), "rows_per_session": 1, "window": 100}
        return [Route(name=f"{self.name}_{table}", dataset=f"raw_{table}", **told) for table in ("vix", "news")]

    def read(self, ask):
        self.asks.append(ask)
        if self.error:
            raise self.error
        day = pl.DataFrame({"date": [DAY], "_row": [1], "problem": [None]}, schema_overrides={"problem": pl.String})
        rows = filing.vix(day).with_columns(pl.lit(self.close).alias(name) for name in ("open", "high", "low", "close"))
        told = filing.said(RAW_VIX, rows, source=self.name, name="a", sha256="b")
        return Answer(told, (), f"evidence of {self.name}")

    def last_session(self, dataset):
        return DAY

    def reconciliation(self, tickers, start, end):
        return pl.DataFrame()

    def listed_tickers(self):
        return ("AAPL",)


class First(Rung):
    name = "first"


class Second(Rung):
    name = "second"


class Third(Rung):
    name = "third"


def ask(route="", dataset="raw_vix") -> Ask:
    return Ask(dataset, DAY, NEXT, (), NOW, route=route)


def test_the_first_rung_answers_and_the_others_are_not_asked():
    first, second = First(20.0), Second(21.0)

    told = VixLadder([first, second]).read(ask())

    assert told.rows.select("source", "close").rows() == [("first", 20.0)]
    assert told.evidence == "evidence of first"
    assert told.yields_to == ()
    assert not second.asks


def test_an_answer_yields_to_the_rungs_above_the_one_that_told_it_and_to_no_other():
    down = SourceUnavailable("it does not answer")

    second = VixLadder([First(0.0, down), Second(21.0), Third(22.0)]).read(ask())
    third = VixLadder([First(0.0, down), Second(0.0, down), Third(22.0)]).read(ask())
    first = VixLadder([First(20.0), Second(0.0, down)]).read(ask("second_vix"))

    assert (first.yields_to, second.yields_to, third.yields_to) == ((), ("first",), ("first", "second"))


@pytest.mark.parametrize(
    "error",
    [
        NotEntitled("first: no indices in this plan"),
        NotEntitled("first: no indices of these dates in this plan", is_by_date=True),
        SourceUnavailable("first: it does not answer"),
        NotYet("first: before the end of the day"),
        KeyRefused("first: no such key"),
        AnswerDistrusted("first: that cannot be true"),
        SettingsError("first: is not installed"),
    ],
    ids=str,
)
def test_what_one_cannot_tell_the_next_one_tells_and_the_log_says_why(error, caplog):
    told = VixLadder([First(0.0, error), Second(21.0)]).read(ask())

    assert told.rows.select("source", "close").rows() == [("second", 21.0)]
    assert f"told by second, since first: {error}" in caplog.text


def test_a_bug_is_not_taken_for_a_refusal():
    with pytest.raises(ZeroDivisionError):
        VixLadder([First(0.0, ZeroDivisionError()), Second(21.0)]).read(ask())


@pytest.mark.parametrize(
    ("error", "asked"),
    [
        (NotEntitled("first: no indices"), 1),
        (KeyRefused("first: no such key"), 1),
        (SettingsError("first: is not installed"), 1),
        (NotEntitled("first: too long ago", is_by_date=True), 3),
        (SourceUnavailable("first: down"), 3),
        (NotYet("first: too early"), 3),
    ],
)
def test_who_may_not_see_it_is_asked_once_and_who_cannot_now_is_asked_again(error, asked):
    first = First(0.0, error)
    ladder = VixLadder([first, Second(21.0)])

    for _ in range(3):
        ladder.read(ask())

    assert len(first.asks) == asked
    assert ladder.refused == ({"first": str(error)} if asked == 1 else {})


def test_where_nobody_can_tell_it_everybodys_reason_is_told():
    rungs = [
        First(0.0, NotEntitled("first: no indices")),
        Second(0.0, SourceUnavailable("second: down", retry_after_s=90)),
    ]

    with pytest.raises(SourceUnavailable, match="first: no indices; second: second: down") as caught:
        VixLadder(rungs).read(ask())

    assert caught.value.retry_after_s == 90


def test_the_planned_rung_is_asked_first_and_the_others_without_its_route():
    first, second, third = First(20.0), Second(0.0, SourceUnavailable("down")), Third(22.0)
    ladder = VixLadder([first, second, third])

    told = ladder.read(ask("second_vix"))

    assert told.rows["source"].to_list() == ["third"]
    assert [each.route for each in (*second.asks, *third.asks)] == ["second_vix", ""]
    assert not first.asks


def test_its_routes_are_those_to_the_vix_ranked_as_the_rungs_stand():
    ladder = VixLadder([First(1.0), Second(2.0)])

    assert [(route.name, route.rank) for route in ladder.routes(NEXT)] == [("first_vix", 1), ("second_vix", 2)]


def test_before_a_source_it_tells_the_vix_and_the_source_all_else(caplog):
    main = First(0.0, NotEntitled("first: no indices"))
    source = with_vix(main, VixLadder([main, Second(21.0)]))

    told = source.read(ask())
    with pytest.raises(NotEntitled):
        source.read(ask("first_news", "raw_news"))

    assert told.rows["source"].to_list() == ["second"]
    assert (source.name, source.is_local, source.datasets) == ("first", False, main.datasets)
    assert [route.name for route in source.routes(NEXT)] == ["first_news", "first_vix", "second_vix"]
    assert last_session_of(source, "raw_news") == DAY
    assert listed_by(source) == ("AAPL",)


def test_before_a_source_it_can_no_more_than_the_source_can():
    polygon = PolygonSource(None, RIGHTS["free"])

    source = with_vix(polygon, VixLadder([polygon]))

    assert not isinstance(source, Ending | Listing | Comparing)
    assert isinstance(source, Probing)
    assert [question.calls for question in source.questions("AAPL", NOW)]


def test_a_rung_without_the_vix_is_refused():
    with pytest.raises(ValueError, match="no rung at all"):
        VixLadder([])


def test_a_stocks_only_key_gets_the_vix_from_cboe(caplog):
    caplog.set_level(logging.WARNING)
    refused = b'{"status": "NOT_AUTHORIZED", "message": "You are not entitled to this data."}'
    file = b"DATE,OPEN,HIGH,LOW,CLOSE\r\n11/24/2025,22.400000,22.900000,20.200000,20.520000\r\n"
    headers = {"Authorization": f"Bearer {KEY}"}
    with scripted() as vendor, scripted() as cdn:
        vendor.say(answer(refused, "403 Forbidden"))
        cdn.say(answer(file))
        with (
            transport_to(vendor.url, "polygon", judge, headers) as one,
            transport_to(cdn.url, "cboe", cboe.judge, {}) as two,
        ):
            ladder = VixLadder([PolygonSource(one, RIGHTS["advanced"]), CboeSource(two)])

            told = [ladder.read(ask()) for _ in range(2)][-1]

    assert told.rows.select("source", "close").rows() == [("cboe", 20.52)]
    assert (vendor.requests, cdn.requests) == (1, 2)
    assert "HTTP 403" in caplog.text
    assert all(KEY not in head for head in cdn.heads)


def test_a_plan_asks_the_key_for_its_years_and_cboes_file_once_for_all_before():
    today, sessions = date(2026, 11, 20), calendars.sessions(date(2010, 1, 4), date(2026, 11, 20))
    ladder = VixLadder([PolygonSource(None, RIGHTS["free"]), open_cboe(limited, CLOCK), open_yahoo(limited)])
    holes = sessions.select(dataset=pl.lit("raw_vix"), ticker=pl.lit("*"), session="session")

    made = plan(holes, ladder.routes(today), sessions)

    assert made.work.select("route", "start", "end", "requests").rows() == [
        ("index_range", date(2024, 11, 20), date(2026, 11, 20), 1),
        ("vix_file", date(2010, 1, 4), date(2024, 11, 20), 1),
    ]
    assert made.unanswerable.is_empty()
