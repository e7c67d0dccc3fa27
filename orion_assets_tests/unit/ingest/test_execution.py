"""What is planned is what is asked: the fake vendor's own journal is the witness."""

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from orion_assets import calendars
from orion_assets.ingest.execution import fill, planned
from orion_assets.ingest.ledger import told_cells
from orion_assets.ingest.missing import doubted_of
from orion_assets.ingest.moment import Moment
from orion_assets.ingest.runner import Desk, Landed
from orion_assets.schemas import RAW_COVERAGE, RAW_DAILY_BARS, RAW_DIVIDENDS, RAW_NEWS, RAW_SPLITS, RAW_VIX, TABLES
from orion_assets.sources.limiter import Limiter
from orion_assets.sources.polygon.routes import RIGHTS
from orion_assets.sources.polygon.source import PolygonSource, polygon_transport
from orion_assets.sources.protocols import Ask
from orion_assets.sources.synthetic.vendor.server import fake_vendor
from orion_assets.sources.synthetic.vendor.terms import PLANS, ManualClock, Terms
from orion_assets.store.archive import FolderArchive
from orion_assets.store.lake import Lake
from orion_assets.store.state import State
from orion_assets.transforms.versions import visible

NOW = datetime(2024, 12, 31, 22, 30, tzinfo=UTC)
# Twelve sessions with a half-day among them
START, END = date(2024, 11, 25), date(2024, 12, 12)
FOLLOWED = ("AURA", "DUNE", "LYNX")
TABLES_ASKED = (RAW_DAILY_BARS, RAW_VIX, RAW_NEWS, RAW_SPLITS, RAW_DIVIDENDS)


class Unlimited:
    """A log of calls without a limit."""

    def take(self, key, rate, lease_s):
        return 1

    def end(self, key, slot):
        pass

    def close(self, key, seconds):
        pass


@pytest.fixture(scope="module")
def vendor():
    with fake_vendor(clock=ManualClock(NOW)) as running:
        yield running


def opened(vendor):
    def limited(rate, lease_s):
        return Limiter(Unlimited(), "polygon", rate, lease_s=lease_s, pause=lambda seconds: None)

    rights = RIGHTS["advanced"]
    return PolygonSource(polygon_transport("a-key", vendor.base_url, rights, limited, ManualClock(NOW)), rights)


@pytest.fixture
def source(vendor):
    made = opened(vendor)
    yield made
    made.close()


@pytest.fixture
def desk(tmp_path):
    made = Desk(Lake(str(tmp_path / "lake")), FolderArchive(tmp_path / "archive"), State(f"sqlite:///{tmp_path}/s.db"))
    yield made
    made.state.close()


def ask(table=RAW_DAILY_BARS, tickers=FOLLOWED, start=START, end=END):
    by_ticker = table is RAW_DAILY_BARS
    return Ask(table.name, start, end, tickers if by_ticker else (), NOW)


def filled(desk, source, vendor, one, **more):
    """Fill an ask; gives what was landed and the calls that it took."""
    before = len(vendor.journal)
    table = TABLES[one.dataset]
    landed = Landed.of(table, fill(desk, source, one, table, Moment(NOW), **more))
    return landed, vendor.journal.entries[before:]


@pytest.mark.parametrize("table", TABLES_ASKED, ids=lambda table: table.name)
def test_a_plan_is_what_is_asked_and_a_second_run_asks_nothing(desk, source, vendor, table):
    one = ask(table)
    work = planned(desk.state, desk.lake, source.routes(NOW.date()), [one], NOW)

    landed, calls = filled(desk, source, vendor, one)
    again, none = filled(desk, source, vendor, one)

    assert len(calls) == len({call.path for call in calls}) == work.calls > 0
    assert {call.status for call in calls} == {200}
    assert (again.rows, len(none)) == (0, 0)
    cells = desk.state.cells(table.name)
    assert set(cells["state"]) <= {"data", "empty_confirmed"}
    assert landed.appended["problem"].null_count() == landed.rows


def test_bars_land_as_the_vendor_holds_them(desk, source, vendor):
    filled(desk, source, vendor, ask())

    values = ["open", "high", "low", "close", "volume", "vwap", "trade_count"]
    is_asked = pl.col("ticker").is_in(list(FOLLOWED)) & pl.col("session").is_between(START, END, closed="left")
    truth = vendor.truth.daily_bars.filter(is_asked).select("ticker", "session", *values).sort("ticker", "session")
    landed = visible(desk.lake.read(RAW_DAILY_BARS), RAW_DAILY_BARS.key).select(truth.columns)
    assert landed.equals(truth)
    closes = calendars.sessions(START, END).select("session", "ts_close")
    told = desk.lake.read(RAW_DAILY_BARS).join(closes, on="session")
    assert (told["ts_event"] == told["ts_close"]).all()


def test_vix_news_and_actions_land_as_the_vendor_holds_them(desk, source, vendor):
    for table in (RAW_VIX, RAW_NEWS, RAW_SPLITS, RAW_DIVIDENDS):
        filled(desk, source, vendor, ask(table))

    def dated(name, column):
        held = getattr(vendor.truth, name)
        return held.filter(pl.col(column).is_between(START, END, closed="left"))

    vix = desk.lake.read(RAW_VIX)
    truth = dated("vix", "date").sort("date")
    assert vix.filter(pl.col("date") >= START).select("date", "close").rows() == truth.select("date", "close").rows()
    paid = dated("dividends", "ex_date")
    assert desk.lake.read(RAW_DIVIDENDS)["cash_amount"].sort().to_list() == paid["cash_amount"].sort().to_list()
    first = calendars.sessions(end=START)["ts_close_cutoff"][-1]
    last = calendars.sessions(end=END)["ts_close_cutoff"][-1]
    told = vendor.truth.news.filter((pl.col("ts_event") > first) & (pl.col("ts_event") <= last))
    assert sorted(desk.lake.read(RAW_NEWS)["article_id"]) == sorted(told["article_id"])


def test_a_session_of_the_whole_market_answers_for_whoever_is_followed_later(desk, source, vendor):
    day = ask(start=date(2024, 12, 3), end=date(2024, 12, 4))
    _, calls = filled(desk, source, vendor, day)
    (grouped,) = calls
    assert "grouped" in grouped.path

    later = ask(tickers=(*FOLLOWED, "MIRA", "GONE"), start=day.start, end=day.end)
    landed, none = filled(desk, source, vendor, later)

    assert (landed.rows, none) == (0, ())
    states = dict(desk.state.cells(RAW_DAILY_BARS.name).select("ticker", "state").iter_rows())
    assert states == dict.fromkeys((*FOLLOWED, "MIRA"), "data") | {"GONE": "empty_confirmed"}
    told = desk.lake.read(RAW_COVERAGE).filter(ticker="MIRA")
    assert told.select("cutoff", "state", "rows").rows() == [("close", "data", 1)]


def test_a_limit_on_calls_makes_the_first_of_the_plan_and_leaves_the_rest(desk, source, vendor):
    one = ask(RAW_NEWS)
    whole = planned(desk.state, desk.lake, source.routes(NOW.date()), [one], NOW).calls

    _, first = filled(desk, source, vendor, one, max_calls=2)
    _, rest = filled(desk, source, vendor, one)

    assert (len(first), len(rest)) == (2, whole - 2)


def test_a_key_that_may_not_see_an_index_says_so_and_is_not_asked_again_today(desk):
    with fake_vendor(terms=Terms(PLANS["advanced"]), clock=ManualClock(NOW)) as strict:
        poor, one = opened(strict), ask(RAW_VIX)

        _, calls = filled(desk, poor, strict, one)
        _, none = filled(desk, poor, strict, one)

        poor.close()
    assert ([call.status for call in calls], none) == ([403], ())
    assert set(desk.state.cells(RAW_VIX.name)["state"]) == {"not_entitled"}


def test_what_could_not_be_trusted_and_nothing_reaches_any_more_rests_as_if_it_were_asked_again(desk, source, vendor):
    early = ask(RAW_SPLITS, start=date(2003, 9, 2), end=date(2003, 9, 3))
    cells = pl.DataFrame({"dataset": [RAW_SPLITS.name], "ticker": ["*"], "session": [early.start]})
    then = Moment(NOW - timedelta(days=2))
    desk.state.record(told_cells(cells, then, "two answers lack half", state="quarantined"))
    assert doubted_of(desk.state, NOW) == {RAW_SPLITS.name: [early.start]}
    calls = len(vendor.journal)

    list(fill(desk, source, early, RAW_SPLITS, Moment(NOW)))

    (cell,) = desk.state.cells(RAW_SPLITS.name).iter_rows(named=True)
    assert len(vendor.journal) == calls
    assert (cell["state"], cell["detail"]) == ("quarantined", "two answers lack half")
    assert doubted_of(desk.state, NOW + timedelta(hours=23)) == {}
