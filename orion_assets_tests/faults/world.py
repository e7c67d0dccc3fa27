"""A fake vendor with a fault, the whole way to the raw tables, and the oracles that hold after every fault.

Time is virtual: the vendor, the budget, the breaker and every wait go by one clock that stands until somebody waits.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from orion_assets import calendars
from orion_assets.errors import OrionError
from orion_assets.ingest.execution import fill, planned
from orion_assets.ingest.landing import NOT_VALUES, is_by_ticker
from orion_assets.ingest.ledger import planned_cells
from orion_assets.ingest.moment import Moment
from orion_assets.ingest.plan import HOLES
from orion_assets.ingest.planner import plan
from orion_assets.ingest.runner import Desk, Landed, land
from orion_assets.schemas import (
    RAW_COVERAGE,
    RAW_DAILY_BARS,
    RAW_DIVIDENDS,
    RAW_MINUTE_BARS,
    RAW_NEWS,
    RAW_SPLITS,
    RAW_VIX,
)
from orion_assets.sources.limiter import Limiter, Rate, budget_of
from orion_assets.sources.polygon.files import FlatFiles
from orion_assets.sources.polygon.source import PolygonSource, Reach
from orion_assets.sources.polygon.words import judge
from orion_assets.sources.protocols import Ask
from orion_assets.sources.routes import Rights
from orion_assets.sources.synthetic.vendor.faults import FaultPlan
from orion_assets.sources.synthetic.vendor.journal import Journal
from orion_assets.sources.synthetic.vendor.server import FakeVendor
from orion_assets.sources.synthetic.vendor.terms import ManualClock, Plan, Terms
from orion_assets.sources.synthetic.vendor.truth import Truth
from orion_assets.sources.transport import Policy, Transport, Vendor
from orion_assets.store.archive import FolderArchive
from orion_assets.store.call_log import SharedCallLog
from orion_assets.store.lake import Lake
from orion_assets.store.state import State
from orion_assets.tables import Table
from orion_assets.transforms.versions import visible
from orion_assets_tests.leaks import leaked

KEY = "sk-never-seen-outside-a-header-7d1f"
LAST = date(2026, 11, 20)
NOW = datetime(2026, 11, 21, 18, tzinfo=UTC)
RATE = Rate(5)
DAY_S = 25 * 3600.0
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Calls go from the newest session back
PLACES = {"first call": -1, "middle call": -2, "last call": -3}
TABLES = {each.name: each for each in (RAW_DAILY_BARS, RAW_MINUTE_BARS, RAW_VIX, RAW_NEWS, RAW_SPLITS, RAW_DIVIDENDS)}
PATIENCE = Policy(deadline_s=5.0, attempts=3, refusals=3, most_bytes=8 * 1024**2)


def at_places(names, places) -> list:
    """Give every name at every place; the daily suite has each name once and the places in turn, `accept` the rest."""
    return [
        pytest.param(name, place, id=f"{name} on the {place}", marks=() if number % len(places) == turn else _LONG)
        for number, name in enumerate(names)
        for turn, place in enumerate(places)
    ]


def in_threes(names) -> list:
    """Give the names three at a time, for the three places of a world; turned, so that each comes to each place.

    The daily suite has each name once, `accept` the other turns.
    """
    names = list(names)
    threes = [(names + names)[at : at + 3] for at in range(0, len(names), 3)]
    return [
        pytest.param(three[turn:] + three[:turn], id=" and ".join(three[turn:] + three[:turn]), marks=marks)
        for turn, marks in enumerate(((), _LONG, _LONG))
        for three in threes
    ]


_LONG = pytest.mark.accept


@dataclass
class World:
    """One deployment that asks one fake vendor.

    Attributes:
        folder: All that it leaves behind.
        vendor: The fake vendor.
        clock: Everybody's.
        desk: Where it lands.
        table: The raw table that it fills.
        tickers: The followed universe.
        span: The sessions [start, end) to fill.
        policy: Patience of its transport.
        rights: What it believes that its key may ask.
        key: Its key.
        told: Every error that came out of it.
        base_url: Whom it asks; empty for the fake vendor.
        files: Its Flat Files, if it has any.
        markets: Which it supplies beside equities, and `otc`.
    """

    folder: Path
    vendor: FakeVendor
    clock: ManualClock
    desk: Desk
    table: Table
    tickers: Sequence[str]
    span: tuple[date, date]
    policy: Policy = PATIENCE
    rights: Rights = field(default_factory=lambda: Rights(RATE, years=None, has_flat_files=False, has_today=True))
    key: str = KEY
    told: list[OrionError] = field(default_factory=list)
    base_url: str = ""
    files: FlatFiles | None = None
    markets: Sequence[str] = ()

    def pause(self, seconds: float) -> None:
        self.clock.advance(seconds)

    def uptime(self) -> float:
        return (self.clock.now() - EPOCH).total_seconds()

    def source(self) -> PolygonSource:
        vendor = Vendor(
            "polygon",
            self.base_url or self.vendor.base_url,
            judge,
            frozenset({"api.massive.com", "api.polygon.io"}),
            {"Authorization": f"Bearer {self.key}"},
        )
        log = SharedCallLog(f"sqlite:///{self.folder}/state.db", self.uptime)
        limiter = Limiter(log, budget_of("polygon", self.key), self.rights.rate, lease_s=65, pause=self.pause)
        transport = Transport(vendor, limiter, self.policy, self.clock, self.pause, uptime=self.uptime)
        return PolygonSource(transport, self.rights, Reach(self.files, self.markets))

    @property
    def ask(self) -> Ask:
        tickers = tuple(sorted(self.tickers)) if is_by_ticker(self.table.name) else ()
        return Ask(self.table.name, *self.span, tickers, self.clock.now())

    def plan(self):
        return planned(
            self.desk.state, self.desk.lake, self.source().routes(self.clock.now().date()), [self.ask], self.clock.now()
        )

    def ask_again(self, *sessions: date) -> None:
        """Ask every question of some sessions, or of all, once more, as an audit does."""
        span = (min(sessions), max(sessions) + timedelta(days=1)) if sessions else self.span
        cells = planned_cells(self.table.name, self.ask.tickers, *span).select(HOLES.keys())
        source, moment = self.source(), Moment(self.clock.now())
        for call in plan(cells, source.routes(moment.now.date()), calendars.sessions(*span)):
            land(self.desk, source, call.ask(moment.now), self.table, moment)
        source._transport.close()

    def run(self) -> Landed | OrionError:
        """Fill once; give what it raised, as a run of Dagster would meet it."""
        source = self.source()
        try:
            return Landed.of(
                self.table, fill(self.desk, source, self.ask, self.table, Moment(self.clock.now(), clock=self.clock))
            )
        except OrionError as e:
            self.told.append(e)
            return e
        finally:
            source._transport.close()

    def heal(self) -> Landed | OrionError:
        """Take the faults away, and run again a day later."""
        self.vendor.faults.clear()
        self.clock.advance(DAY_S)
        return self.run()

    def rows(self) -> pl.DataFrame:
        """Give the raw rows that stand: keys and values, without clocks and without where they came from."""
        standing = visible(self.desk.lake.read(self.table), self.table.key)
        return standing.drop(*NOT_VALUES, "is_deleted").sort(self.table.key)

    def cells(self) -> pl.DataFrame:
        return self.desk.state.cells(self.table.name)

    def states(self) -> dict[str, int]:
        return dict(self.cells().group_by("state").len().sort("state").iter_rows())

    def details(self) -> list[str]:
        return self.cells().filter(pl.col("detail") != "")["detail"].unique().to_list()

    def calls(self) -> int:
        return len(self.vendor.journal)

    def versions(self) -> tuple:
        lake = self.desk.lake
        return lake.version(self.table), lake.version(RAW_COVERAGE), lake.read(self.table).hash_rows().sum()


def world(folder: Path, truth: Truth, table: Table, **more) -> World:
    """Start a world over a market; `stop` ends it. `terms` and `faults` are the vendor's, the rest is of `World`."""
    clock = more.pop("clock", None) or ManualClock(NOW)
    terms = more.pop("terms", None) or Terms(Plan(calls=RATE.calls))
    vendor = FakeVendor(truth, terms, FaultPlan(), Journal(), more.pop("vendor_clock", None) or clock)
    vendor.start()
    desk = Desk(Lake(str(folder / "lake")), FolderArchive(folder / "archive"), State(f"sqlite:///{folder}/state.db"))
    sessions = truth.sessions["session"].to_list()
    return World(
        folder,
        vendor,
        clock,
        desk,
        table,
        more.pop("tickers", None) or tuple(truth.daily_bars["ticker"].unique().sort()),
        (sessions[-more.pop("sessions", 3)], sessions[-1] + timedelta(days=1)),
        **more,
    )


def stop(made: World) -> None:
    made.vendor.stop()
    made.desk.state.close()


def truth_rows(made: World) -> pl.DataFrame:
    """Give what the vendor holds of the world's range, as `World.rows` shows it; oracle of O1."""
    truth, (start, end) = made.vendor.truth, made.span
    within = pl.col("session").is_between(start, end, closed="left")
    if made.table is RAW_MINUTE_BARS:
        return pl.concat(truth.minute_bars(ticker, start, end) for ticker in sorted(made.tickers))
    if made.table is RAW_DAILY_BARS:
        bars = truth.daily_bars.filter(within)
        is_by_range = any("/range/1/day/" in entry.path for entry in made.vendor.journal)
        return bars.filter(pl.col("ticker").is_in(list(made.tickers))) if is_by_range else bars
    days = calendars.sessions(end=end)
    before = days.filter(pl.col("session") < start).tail(1)
    if made.table is RAW_VIX:
        return truth.vix.filter(pl.col("date").is_between(before["session"][0], end, closed="none"))
    if made.table is RAW_NEWS:
        cutoffs = before["ts_close_cutoff"][0], days["ts_close_cutoff"][-1]
        return truth.news.filter(pl.col("ts_event").is_between(*cutoffs, closed="right"))
    events = truth.splits if made.table is RAW_SPLITS else truth.dividends
    return events.filter(pl.col("ex_date").is_between(before["session"][0], end, closed="none"))


def assert_conserved(made: World) -> None:
    """O1 and O2: the raw rows are the vendor's, each key once, and no version is told that changes nothing."""
    key, rows, truth = list(made.table.key), made.rows(), truth_rows(made)
    shared = [name for name in rows.columns if name in truth.columns and name not in {"session", "problem", "ts_event"}]
    shared = [*key, *(name for name in shared if name not in key)]
    assert rows["problem"].null_count() == rows.height
    landed = made.desk.lake.read(made.table).sort(*key, "ts_known")
    told = landed.drop(*NOT_VALUES).hash_rows()
    assert not landed.select(*key, "ts_known").is_duplicated().any()
    assert not (told == told.shift()).any()
    assert_frame_equal(
        rows.select(shared), truth.select(shared).sort(key), check_dtypes=False, rel_tol=1e-9, abs_tol=1e-9
    )


def assert_no_op(made: World) -> None:
    """O3: a further run asks nothing and writes nothing."""
    before, calls = made.versions(), made.calls()
    outcome = made.run()
    assert isinstance(outcome, Landed), outcome
    assert made.calls() == calls
    assert made.versions() == before


def assert_cells(made: World) -> None:
    """O4: every planned cell stands in the ledger, in one state; what is closed was answered."""
    cells, ask = made.cells(), made.ask
    planned = planned_cells(made.table.name, ask.tickers, ask.start, ask.end)
    key = ["dataset", "ticker", "session"]
    assert planned.join(cells, on=key, how="anti").is_empty()
    assert not cells.select(key).is_duplicated().any()


def assert_budget(made: World, *, at_most: int | None = None) -> None:
    """O5: never more calls in any minute of the vendor's clock than the key has; calls within plan and retries."""
    assert made.vendor.journal.most_in(60.0) <= made.rights.rate.calls
    if at_most is not None:
        assert made.calls() <= at_most


def assert_secret(made: World, log: str) -> None:
    """O6: the key is nowhere but in the header that carried it."""
    told = [log, *map(str, made.told), *(entry.path for entry in made.vendor.journal), *made.details()]
    assert not [text for text in told if KEY in text]
    assert leaked(made.folder, KEY) == []


def assert_one_line(texts: Sequence[str], *subjects: str) -> None:
    """A failure is one line that says what, where, what next."""
    assert texts
    for text in texts:
        assert "\n" not in text
        assert len(text) < 700
        assert any(subject in text for subject in subjects or ("polygon",)), text
        assert any(word in text for word in ("asked for again", "asks again", "set a valid one", "due in", "lower")), (
            text
        )


def assert_whole(made: World, log: str = "", *, at_most: int | None = None) -> None:
    """All oracles, after the fault is gone and a run was made."""
    assert_conserved(made)
    assert_cells(made)
    assert not set(made.cells()["state"]) - {"data", "empty_confirmed"}, made.cells().filter(
        ~pl.col("state").is_in(["data", "empty_confirmed"])
    )
    assert_no_op(made)
    assert_budget(made, at_most=at_most)
    assert_secret(made, log)


def archived(made: World) -> int:
    """Count the answers that are kept."""
    return sum(path.is_file() for path in (made.folder / "archive").rglob("*.gz"))


def few_seconds(made: World, entries: Sequence[int]) -> list[float]:
    """Give the seconds of the vendor's clock between requests, by their place in the journal."""
    starts = [entry.ts_start for entry in made.vendor.journal]
    return [starts[place + 1] - starts[place] for place in entries]
