"""Which objects are read again: those replaced, those whose landing was never finished, and no others."""

from dataclasses import replace
from datetime import UTC, date, datetime

import polars as pl
import pytest

from orion_assets.errors import AnswerDistrusted
from orion_assets.ingest.moment import Moment
from orion_assets.ingest.objects import Objects, logged_again, replaced
from orion_assets.sources.limiter import Rate
from orion_assets.sources.protocols import Answer, Ask, ObjectRead
from orion_assets.sources.routes import Budget, Route
from orion_assets.store.lake import Lake
from orion_assets.store.state import State

TUE, WED, THU = date(2026, 11, 17), date(2026, 11, 18), date(2026, 11, 19)
NOW = datetime(2026, 11, 21, tzinfo=UTC)
ASK = Ask("raw_minute_bars", TUE, date(2026, 11, 20), ("AAPL",), NOW)
ROUTE = Route(
    name="minute_file",
    dataset="raw_minute_bars",
    scope="market",
    budget=Budget("files", Rate(1)),
    rows_per_session=1,
    window=1,
)


@pytest.fixture
def log(tmp_path):
    made = State(f"sqlite:///{tmp_path}/state.db")
    yield made.objects
    made.close()


@pytest.fixture
def lake(tmp_path):
    return Lake(str(tmp_path / "lake"))


def of(day: date) -> Ask:
    return replace(ASK, start=day, end=date.fromordinal(day.toordinal() + 1))


class Bucket:
    """Objects by day, and how often each was read."""

    def __init__(self, **objects: ObjectRead) -> None:
        self.objects = {date.fromisoformat(f"2026-11-{day[1:]}"): each for day, each in objects.items()}
        self.reads = []

    def read(self, ask: Ask) -> Answer:
        self.reads.append(ask.start)
        return Answer(pl.DataFrame(), (), "e", ask.tickers, objects={ask.start: self.objects[ask.start]})

    @property
    def route(self) -> Route:
        return replace(ROUTE, versions={day: each.version for day, each in self.objects.items()})


def test_what_was_landed_is_read_again_only_when_it_is_listed_as_another(log, lake):
    bucket = Bucket(d17=ObjectRead("a", 100), d18=ObjectRead("b", 100), d19=ObjectRead("c", 100))
    objects = Objects(bucket.read, log, lake, Moment(NOW))
    for day in (TUE, WED):
        objects.read(of(day))
        objects.landed(of(day))

    assert replaced(log, [bucket.route], ASK) == [], "what was never read is the ledger's to ask for"
    bucket.objects[TUE] = ObjectRead("a2", 100)
    assert replaced(log, [bucket.route], ASK) == [TUE]
    assert replaced(log, [bucket.route], replace(ASK, is_partial=True)) == []
    assert replaced(log, [bucket.route], replace(ASK, dataset="raw_daily_bars")) == []
    assert replaced(log, [bucket.route], replace(ASK, start=WED)) == []
    del bucket.objects[TUE]
    assert replaced(log, [bucket.route], ASK) == [], "an object that is gone cannot be read"


def test_a_run_that_dies_before_its_object_is_landed_leaves_it_to_be_read_again(log, lake):
    bucket = Bucket(d17=ObjectRead("a", 100))

    Objects(bucket.read, log, lake, Moment(NOW)).read(of(TUE))

    assert replaced(log, [bucket.route], ASK) == [TUE]
    again = Objects(bucket.read, log, lake, Moment(NOW))
    again.read(of(TUE))
    again.landed(of(TUE))
    assert replaced(log, [bucket.route], ASK) == []


def test_an_object_read_for_some_tickers_is_not_taken_for_landed(log, lake):
    bucket = Bucket(d17=ObjectRead("a", 100))
    objects, some = Objects(bucket.read, log, lake, Moment(NOW)), replace(of(TUE), is_partial=True)

    objects.read(some)
    objects.landed(some)

    assert log.between("raw_minute_bars", TUE, THU) == {}


@pytest.mark.parametrize(("tickers", "is_believed"), [(95, True), (94, False)])
def test_an_object_must_have_most_tickers_of_the_one_beside_it(log, lake, tickers, is_believed):
    bucket = Bucket(d17=ObjectRead("a", 100), d18=ObjectRead("b", tickers))
    objects = Objects(bucket.read, log, lake, Moment(NOW))
    objects.read(of(TUE))
    objects.landed(of(TUE))

    if is_believed:
        objects.read(of(WED))
    else:
        with pytest.raises(AnswerDistrusted, match=r"raw_minute_bars of 2026-11-18: its object has 94 tickers.* 100"):
            objects.read(of(WED))

    assert bucket.reads.count(WED) == (1 if is_believed else 2)
    assert (WED in log.between("raw_minute_bars", TUE, THU)) is is_believed


def test_an_object_that_is_smaller_than_one_read_later_beside_it_is_read_once_more(log, lake):
    bucket = Bucket(d17=ObjectRead("a", 6_000), d18=ObjectRead("b", 11_000), d19=ObjectRead("c", 11_000))
    objects = Objects(bucket.read, log, lake, Moment(NOW))
    for day in (TUE, WED, THU):
        objects.read(of(day))
        objects.landed(of(day))

    assert replaced(log, [bucket.route], ASK) == [TUE]
    with pytest.raises(AnswerDistrusted, match=r"6000 tickers, and the one of the session beside it 11000"):
        objects.read(of(TUE))
    assert replaced(log, [bucket.route], ASK) == [], "twice it was the same"
    bucket.objects[TUE] = ObjectRead("a2", 11_000)
    assert replaced(log, [bucket.route], ASK) == [TUE]


def test_a_log_that_is_lost_is_made_anew_from_the_lake_and_an_object_of_which_nothing_was_landed_is_read_again(
    log, lake, tmp_path
):
    bucket = Bucket(d17=ObjectRead("a", 100), d18=ObjectRead("b", 100))
    objects = Objects(bucket.read, log, lake, Moment(NOW))
    objects.read(of(TUE))
    objects.landed(of(TUE))
    objects.read(of(WED))
    other = State(f"sqlite:///{tmp_path}/another.db")

    told = logged_again(lake, other.objects)

    assert told == 2
    assert other.objects.between("raw_minute_bars", TUE, THU) == log.between("raw_minute_bars", TUE, THU)
    assert replaced(other.objects, [bucket.route], ASK) == [WED]
    assert logged_again(lake, other.objects) == 0
    other.close()
