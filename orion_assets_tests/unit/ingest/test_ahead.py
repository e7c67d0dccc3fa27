"""Calls may be under way side by side; what comes of them does not depend on it, and no more are spent than planned."""

import threading
from datetime import UTC, date, datetime

import pytest
from polars.testing import assert_frame_equal

from orion_assets.errors import KeyRefused, NotEntitled
from orion_assets.ingest.ahead import Ahead, Lane
from orion_assets.ingest.execution import fill, planned
from orion_assets.ingest.landing import NOT_VALUES
from orion_assets.ingest.moment import Moment
from orion_assets.ingest.runner import Desk, Landed
from orion_assets.schemas import RAW_DAILY_BARS
from orion_assets.sources.limiter import Limiter, Rate
from orion_assets.sources.polygon.source import PolygonSource, polygon_transport
from orion_assets.sources.protocols import Answer, Ask
from orion_assets.sources.routes import Rights
from orion_assets.sources.synthetic.vendor.server import fake_vendor
from orion_assets.sources.synthetic.vendor.terms import ManualClock
from orion_assets.store.archive import FolderArchive
from orion_assets.store.lake import Lake
from orion_assets.store.state import State
from orion_assets_tests.far_sides import Unlimited

NOW = datetime(2024, 12, 31, 22, 30, tzinfo=UTC)
START, END = date(2024, 11, 25), date(2024, 12, 12)
FOLLOWED = tuple(f"T{n:02d}" for n in range(20))
REAL = ("AURA", "BOLT", "CRUX", "DUNE", "LYNX")
PATIENCE_S = 10


def asks(count: int) -> list[Ask]:
    return [Ask("raw_daily_bars", START, END, (ticker,), NOW, is_partial=True) for ticker in FOLLOWED[:count]]


def answer(ask: Ask) -> Answer:
    return Answer(RAW_DAILY_BARS.empty(), (), evidence=ask.tickers[0])


class Crowd:
    """A source that answers nobody until so many ask at once."""

    def __init__(self, size: int) -> None:
        self.size, self.most, self.now, self.asked = size, 0, 0, []
        self._all_there = threading.Event()
        self._lock = threading.Lock()

    def read(self, ask):
        with self._lock:
            self.asked.append(ask.tickers[0])
            self.now += 1
            self.most = max(self.most, self.now)
            if self.now == self.size:
                self._all_there.set()
        is_there = self._all_there.wait(PATIENCE_S)
        with self._lock:
            self.now -= 1
        assert is_there, f"never {self.size} at a time"
        return answer(ask)


@pytest.mark.parametrize("in_flight", [1, 3, 8])
def test_as_many_as_allowed_are_under_way_and_answers_come_in_their_turn(in_flight):
    crowd = Crowd(in_flight)

    with Ahead(crowd.read, [Lane(asks(12), in_flight)]) as ahead:
        told = [ahead.read(ask).evidence for ask in asks(12)]

    assert told == list(FOLLOWED[:12])
    assert crowd.most == in_flight
    assert sorted(crowd.asked) == sorted(told)


def test_no_more_are_asked_ahead_than_a_run_that_dies_may_lose():
    crowd = Crowd(4)

    with Ahead(crowd.read, [Lane(asks(20), 4)]) as ahead:
        ahead.read(asks(1)[0])
        waiting = len(ahead._under_way)

    # The one whose turn it was, and those that nobody has taken yet
    assert (waiting, len(crowd.asked)) == (3, 4)


def test_a_budget_of_one_call_at_a_time_does_not_hold_up_another():
    crowd = Crowd(4)
    requests, files = asks(8), asks(12)[8:]
    turns = [ask for pair in zip(files, requests[::2], requests[1::2], strict=True) for ask in pair]

    def read(ask):
        crowd.asked.append(ask.tickers[0]) if ask in files else None
        return answer(ask) if ask in files else crowd.read(ask)

    with Ahead(read, [Lane(files, 1), Lane(requests, 4)]) as ahead:
        told = [ahead.read(ask).evidence for ask in turns]

    assert told == [ask.tickers[0] for ask in turns]
    assert crowd.most == 4
    assert sorted(crowd.asked) == sorted(told)


def test_what_is_asked_again_is_asked_now():
    crowd = Crowd(1)
    one = asks(3)

    with Ahead(crowd.read, [Lane(one, 2)]) as ahead:
        ahead.read(one[0])
        ahead.read(one[0])

    assert crowd.asked.count(FOLLOWED[0]) == 2


def test_an_error_comes_when_it_is_its_calls_turn():
    def read(ask):
        if ask.tickers[0] == FOLLOWED[1]:
            raise NotEntitled("no")
        return answer(ask)

    one = asks(3)
    with Ahead(read, [Lane(one, 3)]) as ahead:
        first = ahead.read(one[0])
        with pytest.raises(NotEntitled):
            ahead.read(one[1])
        last = ahead.read(one[2])

    assert (first.evidence, last.evidence) == (FOLLOWED[0], FOLLOWED[2])


@pytest.fixture(scope="module")
def vendor():
    with fake_vendor(clock=ManualClock(NOW)) as running:
        yield running


@pytest.fixture
def healthy(vendor):
    yield vendor
    vendor.faults.clear()


def filled(vendor, folder, in_flight, *, most=None, span=(START, END)):
    """Fill daily bars with so many calls at a time; gives the desk, what was landed, the calls, and the error."""
    desk = Desk(Lake(str(folder / "lake")), FolderArchive(folder / "archive"), State(f"sqlite:///{folder}/s.db"))
    rights = Rights(Rate(1_000), years=None, has_flat_files=False, has_today=True, in_flight=in_flight)

    def limited(rate, lease_s):
        return Limiter(Unlimited(), "polygon", rate, lease_s=lease_s, pause=lambda seconds: None)

    source = PolygonSource(polygon_transport("a-key", vendor.base_url, rights, limited, ManualClock(NOW)), rights)
    before, landed, error = len(vendor.journal), [], None
    work = planned(
        desk.state, desk.lake, source.routes(NOW.date()), [ask := Ask("raw_daily_bars", *span, REAL, NOW)], NOW
    )
    made = fill(desk, source, ask, RAW_DAILY_BARS, Moment(NOW))
    try:
        for each in made:
            landed.append(each)
            if len(landed) == most:
                made.close()
                break
    except KeyRefused as e:
        error = e
    source.close()
    desk.state.close()
    return desk, Landed.of(RAW_DAILY_BARS, landed), vendor.journal.entries[before:], work, error


def test_the_order_of_answers_changes_nothing_of_what_is_landed(healthy, tmp_path):
    one, alone, calls, work, _ = filled(healthy, tmp_path / "one", 1)
    # Of five answers the first comes last
    healthy.faults.add("late", "range", match="/AURA/", seconds=0.4)
    healthy.faults.add("late", "range", match="/CRUX/", seconds=0.2)
    other, together, more_calls, _, _ = filled(healthy, tmp_path / "other", 5)

    assert len(calls) == len(more_calls) == work.calls
    # Nothing but the instant of the landing differs, nor does the order of the versions
    said = [name for name in RAW_DAILY_BARS.names if name not in (*NOT_VALUES, "ts_event")]
    assert alone.appended.height > 0
    assert_frame_equal(alone.appended.select(said), together.appended.select(said), check_exact=True)
    held = [desk.lake.read(RAW_DAILY_BARS).sort(RAW_DAILY_BARS.key) for desk in (one, other)]
    assert_frame_equal(held[0].drop("ts_ingested", "source_hash"), held[1].drop("ts_ingested", "source_hash"))


def test_a_run_that_ends_early_costs_what_was_under_way(healthy, tmp_path):
    _, _, first, work, _ = filled(healthy, tmp_path, 3, most=3)
    desk, _, second, _, _ = filled(healthy, tmp_path, 3)

    assert work.calls < len(first) + len(second) <= work.calls + 3
    assert set(desk.state.cells("raw_daily_bars")["state"]) == {"data"}


def test_a_key_that_is_refused_is_sent_no_more_than_the_calls_under_way(healthy, tmp_path):
    healthy.faults.add("unknown_key", "range")

    desk, landed, calls, _, error = filled(healthy, tmp_path, 3)

    assert "set a valid one" in str(error)
    assert len(calls) <= 3
    assert landed.rows == 0
    assert set(desk.state.cells("raw_daily_bars")["state"]) == {"failed"}
