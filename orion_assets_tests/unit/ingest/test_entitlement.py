"""How far back a key reaches is found in few questions, whatever the vendor's documents say, and plans go by it."""

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from orion_assets import calendars
from orion_assets.errors import NotEntitled
from orion_assets.ingest.entitlement import first_answered, most_calls, reach
from orion_assets.schemas import RAW_MINUTE_BARS, TABLES
from orion_assets.sources.limiter import Rate, budget_of
from orion_assets.sources.polygon.routes import RIGHTS
from orion_assets.sources.polygon.source import PolygonSource, Reach, polygon_transport
from orion_assets.sources.protocols import Answer
from orion_assets.sources.routes import Budget, Floor, Route, with_floors
from orion_assets.sources.synthetic.vendor.server import fake_vendor
from orion_assets.sources.synthetic.vendor.terms import ManualClock, Plan, Terms
from orion_assets.store.floors import StoredFloors
from orion_assets_tests.far_sides import KEY, limited

NOW = datetime(2024, 12, 31, 22, 30, tzinfo=UTC)
TODAY = date(2024, 12, 31)
SINCE = date(2022, 1, 3)
DAYS = [date(2024, 1, 1) + timedelta(days=n) for n in range(300)]


@pytest.mark.parametrize("first", [0, 1, 2, 57, 150, 298, 299, 300])
@pytest.mark.parametrize("expected", [0, 1, 57, 58, 299, 300])
def test_the_first_answered_is_found_wherever_it_was_expected(first, expected):
    asked = []

    def is_answered(day):
        asked.append(day)
        return DAYS.index(day) >= first

    found = first_answered(is_answered, DAYS, expected)

    assert found == (DAYS[first] if first < 300 else None)
    assert len(asked) == len(set(asked)) <= 2 + len(DAYS).bit_length()
    if first == expected and first < 300:
        assert len(asked) == min(2, first + 1)


@pytest.fixture
def keyed(tmp_path):
    """Open Polygon's source on a fake vendor whose plan reaches back so many days, with floors of its own."""
    floors = StoredFloors(f"sqlite:///{tmp_path}/state.db")

    def opened(vendor, plan="free", markets=()):
        transport = polygon_transport(KEY, vendor.base_url, RIGHTS[plan], limited, ManualClock(NOW))
        reach = Reach(markets=markets, budget=budget_of(PolygonSource.name, KEY), floors=floors)
        return PolygonSource(transport, RIGHTS[plan], reach)

    opened.floors = floors
    return opened


@pytest.mark.parametrize("clips", [False, True], ids=["refuses", "cuts"])
@pytest.mark.parametrize(
    ("days", "plan", "most"),
    [
        # Two years, as documented: the day itself, and the one before it
        (366 + 365, "free", 2),
        # More than documented, and less
        (900, "free", 12),
        (200, "free", 12),
        # All there is
        (None, "advanced", 1),
    ],
)
def test_the_floor_is_the_first_session_the_vendor_answers(keyed, days, plan, most, clips):
    terms = Terms(Plan("own", history_days=days, clips=clips))
    with fake_vendor(terms=terms, clock=ManualClock(NOW)) as vendor:
        source = keyed(vendor, plan)

        found = reach(source, "raw_daily_bars", SINCE, NOW, "AURA")
        calls = len(vendor.journal)
        source.close()

    start = SINCE if days is None else TODAY - timedelta(days=days)
    first = calendars.session_at_or_after(max(start, SINCE))
    assert found.floor == Floor(first, TODAY, is_rolling=days is not None)
    assert found.calls == calls <= most


def test_a_key_that_reaches_nothing_has_no_floor(keyed):
    with fake_vendor(terms=Terms(Plan("none", history_days=0)), clock=ManualClock(NOW)) as vendor:
        source = keyed(vendor)
        found = reach(source, "raw_daily_bars", SINCE, NOW, "AURA")
        source.close()

    assert found.floor is None


class WithFiles:
    """A source of objects and of calls; an object holds nothing of whom nobody asks for."""

    name = "with files"

    def __init__(self, first: date):
        self.first, self.asked = first, []

    def routes(self, today):
        of = {"dataset": "raw_minute_bars", "budget": Budget("a", Rate(5)), "rows_per_session": 960}
        files = Route(name="file", scope="market", window=1, listed=frozenset({TODAY - timedelta(days=1)}), **of)
        return files, Route(name="window", scope="ticker", page=50_000, **of)

    def read(self, ask):
        self.asked.append((ask.route, ask.tickers))
        if ask.start < self.first:
            raise NotEntitled("with files: outside the plan", is_by_date=True)
        rows = RAW_MINUTE_BARS.empty()
        one = pl.DataFrame({"ticker": ["AURA"]}).join(rows, on="ticker", how="left")
        return Answer(one if ask.route == "window" else rows, (), "")


def test_a_floor_is_asked_for_by_calls_where_files_tell_of_the_market_too():
    source = WithFiles(date(2024, 6, 3))

    found = reach(source, "raw_minute_bars", SINCE, NOW, "AURA")

    assert found.floor == Floor(date(2024, 6, 3), TODAY, is_rolling=True)
    assert set(source.asked) == {("window", ("AURA",))}


def test_what_it_may_take_is_said_truly():
    days = (TODAY - SINCE).days

    assert 2 ** (most_calls(SINCE, NOW) - 3) > days


def test_a_stored_floor_takes_the_place_of_the_documented_one_and_moves_with_the_days(keyed):
    budget = budget_of("polygon", KEY)
    keyed.floors.record(budget, "raw_daily_bars", Floor(date(2023, 6, 1), TODAY, is_rolling=True))
    with fake_vendor(clock=ManualClock(NOW)) as vendor:
        source = keyed(vendor)
        routes = {
            day: {route.dataset: route.floor for route in source.routes(day)}
            for day in (TODAY, TODAY + timedelta(days=30))
        }
        source.close()

    assert routes[TODAY]["raw_daily_bars"] == date(2023, 6, 1)
    assert routes[TODAY + timedelta(days=30)]["raw_daily_bars"] == date(2023, 7, 1)
    assert routes[TODAY]["raw_minute_bars"] == date(2022, 12, 31)
    # What a session tells of begins the evening before: the first whole one is that after the first
    assert routes[TODAY]["raw_news"] == date(2023, 1, 4)


def test_a_floor_that_stands_stays_and_is_no_longer_urgent():
    rolling = Route(
        name="bars", dataset="raw_daily_bars", scope="market", budget=Budget("a", Rate(5)), rows_per_session=1,
        window=1, floor=date(2022, 12, 31), is_rolling=True,
    )  # fmt: skip

    (found,) = with_floors([rolling], {"raw_daily_bars": Floor(date(2003, 9, 10), TODAY, is_rolling=False)}, TODAY)

    assert (found.floor, found.is_rolling) == (date(2003, 9, 10), False)
    assert found.refusal(date(2003, 9, 9)) == "no_route"


@pytest.mark.parametrize("clips", [False, True], ids=["refuses", "cuts"])
@pytest.mark.parametrize("dataset", ["raw_news", "raw_splits", "raw_dividends"])
def test_the_floor_of_news_and_actions_is_found_where_the_plan_limits_them(keyed, dataset, clips):
    limited = frozenset({dataset.removeprefix("raw_")})
    terms = Terms(Plan("own", history_days=200, limited=limited, clips=clips))
    with fake_vendor(terms=terms, clock=ManualClock(NOW)) as vendor:
        source = keyed(vendor)

        found = reach(source, dataset, SINCE, NOW, "AURA")

        keyed.floors.record(source.budget, dataset, found.floor)
        (floor,) = {route.floor for route in source.routes(TODAY) if route.dataset == dataset}
        source.close()

    first = calendars.session_at_or_after(TODAY - timedelta(days=200))
    # What a session tells begins on the evening before it
    assert first <= found.floor.first <= calendars.session_at_or_after(first + timedelta(days=4))
    assert found.floor.is_rolling
    assert floor == found.floor.first


@pytest.mark.parametrize("dataset", ["raw_splits", "raw_dividends"])
def test_actions_that_nobody_refuses_lift_the_floor_of_an_earlier_plan(keyed, dataset):
    with fake_vendor(terms=Terms(Plan("own", history_days=200)), clock=ManualClock(NOW)) as vendor:
        source = keyed(vendor)
        found = reach(source, dataset, SINCE, NOW, "AURA")
        source.close()

    assert (found.floor, found.calls) == (Floor(SINCE, TODAY, is_rolling=False), 1)


@pytest.mark.parametrize(
    ("dataset", "ticker"),
    [
        ("raw_daily_bars_crypto", "X:SYNUSD"),
        ("raw_minute_bars_fx", "C:SYNUSD"),
        ("raw_daily_bars_indices", "I:SYN"),
    ],
)
def test_the_floor_of_another_market_is_found_by_its_own_sessions(keyed, dataset, ticker):
    with fake_vendor(terms=Terms(Plan("own", history_days=200)), clock=ManualClock(NOW)) as vendor:
        source = keyed(vendor, markets=("crypto", "fx", "indices"))
        found = reach(source, dataset, SINCE, NOW, ticker)
        source.close()

    first = TODAY - timedelta(days=200)
    assert first <= found.floor.first <= first + timedelta(days=4)
    assert found.floor.is_rolling


class Young:
    """A source of currencies whose plan refuses what lies before a date; its ticker has rows from a later one on."""

    name = "young"

    def __init__(self, floor: date, listed: date):
        self.floor, self.listed = floor, listed

    def routes(self, today):
        return [
            Route(
                name="window",
                dataset="raw_daily_bars_crypto",
                scope="ticker",
                budget=Budget("a", Rate(5)),
                rows_per_session=1,
                page=50_000,
                floor=date(2022, 12, 31),
                is_rolling=True,
            )
        ]

    def read(self, ask):
        if ask.start < self.floor:
            raise NotEntitled("young: outside the plan", is_by_date=True)
        rows = TABLES[ask.dataset].empty()
        one = pl.DataFrame({"ticker": ask.tickers}).join(rows, on="ticker", how="left")
        return Answer(one if ask.start >= self.listed else rows, (), "")


@pytest.mark.parametrize(
    ("floor", "listed", "found"),
    [
        (date(2023, 11, 6), date(2024, 6, 2), Floor(date(2023, 11, 6), TODAY, is_rolling=True)),
        (SINCE, date(2024, 6, 2), Floor(SINCE, TODAY, is_rolling=False)),
        # Nobody trades under that name: an empty answer lifts nothing
        (SINCE, TODAY + timedelta(days=9), None),
    ],
)
def test_a_young_ticker_sets_no_floor_for_the_others_of_its_market(floor, listed, found):
    assert reach(Young(floor, listed), "raw_daily_bars_crypto", SINCE, NOW, "X:APTUSD").floor == found
