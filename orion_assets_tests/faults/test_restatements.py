"""A vendor that corrects himself, asked as a live deployment asks: after every close, for weeks.

The oracle is the market's own list of corrections, held against the instants at which somebody asked.
"""

from datetime import date, datetime, timedelta

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from orion_assets import calendars
from orion_assets.calendars import NEW_YORK
from orion_assets.ingest.execution import fill, planned
from orion_assets.ingest.moment import Moment
from orion_assets.ingest.restatements import audit, late, rereads
from orion_assets.ingest.runner import Landed
from orion_assets.schemas import RAW_COVERAGE, RAW_DAILY_BARS
from orion_assets.sources.protocols import ObjectRead
from orion_assets.sources.synthetic.planted import CORRECTIONS
from orion_assets.sources.synthetic.source import SyntheticSource
from orion_assets.sources.synthetic.vendor.terms import ManualClock, Plan, Terms
from orion_assets.sources.synthetic.vendor.truth import Truth
from orion_assets_tests.faults.world import RATE

FOLLOWED = ("BOLT", "DUNE", "MIRA", "NOVA", "QUIL")
PRICES = ["open", "high", "low", "close", "volume"]
# First session, session after the last: each holds some corrections until the fifth session after
WEEKS = {
    "a volume a week later, a close the day after": (date(2024, 10, 28), date(2024, 11, 21)),
    "a low there and back": (date(2024, 9, 9), date(2024, 9, 18)),
    "a bar taken back": (date(2024, 12, 2), date(2024, 12, 12)),
}


@pytest.fixture(scope="module")
def market():
    return Truth(SyntheticSource().market)


def evening(session: date) -> datetime:
    """Five minutes after the close cut-off."""
    (cutoff,) = calendars.sessions(session, session + timedelta(days=1))["ts_close_cutoff"]
    return cutoff + timedelta(minutes=5)


class Live:
    """A deployment that is run after every close."""

    def __init__(self, worlds, market, start: date, table=RAW_DAILY_BARS, audits: int = 0) -> None:
        terms = Terms(Plan(calls=RATE.calls), corrects=True)
        self.clock = ManualClock(evening(start))
        self.world = worlds(table, truth=market, terms=terms, clock=self.clock, tickers=FOLLOWED)
        self.world.desk.state.add_tickers(FOLLOWED, ts_added=evening(start))
        self.start = start
        self.desk = (
            self.world.desk
            if not audits
            else type(self.world.desk)(self.world.desk.lake, self.world.desk.archive, self.world.desk.state, audits)
        )

    def run(self, at: datetime, *, until: date | None = None) -> tuple[Landed, int, int]:
        """Ask at an instant for all from the start on: what landed, calls made, calls planned.

        A second question, about an answer that leaves out what should be there, is the same call.
        """
        made = self.world
        self.clock.advance((at - self.clock.now()).total_seconds())
        made.span = (self.start, until or at.astimezone(NEW_YORK).date() + timedelta(days=1))
        source, ask, before = made.source(), made.ask, made.calls()
        routes = source.routes(ask.now.date())
        again = rereads(self.desk.state, routes, ask, self.desk.audits)
        work = planned(self.desk.state, self.desk.lake, routes, [ask], ask.now, again=again)
        landed = Landed.of(made.table, fill(self.desk, source, ask, made.table, Moment(ask.now, clock=self.clock)))
        source._transport.close()
        return landed, len({entry.path for entry in made.vendor.journal.entries[before:]}), work.calls

    def weeks(self, end: date) -> list[int]:
        """Run after every close up to a date; gives the calls of each evening, which are those that were planned."""
        days = calendars.sessions(self.start, end)["session"].to_list()
        told = [self.run(evening(day)) for day in days]
        assert [calls for _, calls, _ in told] == [plan for _, _, plan in told]
        return [calls for _, calls, _ in told]

    def bytes_kept(self) -> int:
        return sum(1 for each in (self.world.folder / "archive").rglob("*.gz"))


def answers(market, correction) -> list[dict | None]:
    """What three askings, on the evening and those of the first and fifth session after, are told; each change once."""
    ticker, session = correction.key["ticker"], correction.key["session"]
    truth = market.bars_of(ticker, session, session + timedelta(days=1)).select(PRICES)
    first = truth.with_columns(value.alias(name) for name, value in correction.first.items())
    days = calendars.sessions(session)["session"]
    told = []
    for at in (evening(days[count]) for count in (0, 1, 5)):
        is_known = at >= correction.known and not (correction.back and at >= correction.back)
        answer = truth if is_known else first
        told.append(None if is_known and correction.is_withdrawn else answer.row(0, named=True))
    return [answer for number, answer in enumerate(told) if number == 0 or answer != told[number - 1]]


@pytest.mark.parametrize("weeks", WEEKS)
def test_what_the_market_corrects_is_landed_by_the_questions_of_the_first_and_the_fifth_session_after(
    worlds, market, weeks
):
    start, end = WEEKS[weeks]
    mine = [
        each
        for each in CORRECTIONS
        if each.dataset == RAW_DAILY_BARS.name and start <= each.key["session"] < end - timedelta(days=7)
    ]
    live = Live(worlds, market, start)

    calls = live.weeks(end)

    held = live.desk.lake.read(RAW_DAILY_BARS).filter(pl.col("ticker").is_in(list(FOLLOWED)))
    versions = held.group_by("ticker", "session").len().filter(pl.col("len") > 1)
    expected = {(each.key["ticker"], each.key["session"]): answers(market, each) for each in mine}
    changed = {key: told for key, told in expected.items() if len(told) > 1}
    assert changed
    assert set(versions.select("ticker", "session").iter_rows()) == set(changed)
    for (ticker, session), told in expected.items():
        rows = held.filter(ticker=ticker, session=session).sort("ts_known")
        found = [None if row["is_deleted"] else {name: row[name] for name in PRICES} for row in rows.to_dicts()]
        assert found == [None if each is None else pytest.approx(each) for each in told]
        (cell,) = live.desk.state.cells(RAW_DAILY_BARS.name, [ticker], session, session + timedelta(days=1)).to_dicts()
        if len(told) > 1 and told[-1] is not None:
            assert "told otherwise on" in cell["detail"]
    # Today, yesterday, and the fifth session before: a call each
    assert calls[:7] == [1, 2, 2, 2, 2, 3, 3]


def test_a_second_run_of_the_day_asks_nothing_and_leaves_nothing(worlds, market):
    start, end = WEEKS["a bar taken back"]
    live = Live(worlds, market, start)
    live.weeks(end)
    kept, lake = live.bytes_kept(), live.desk.lake
    before = lake.version(RAW_DAILY_BARS), lake.version(RAW_COVERAGE)

    landed, calls, work = live.run(evening(date(2024, 12, 11)) + timedelta(hours=1))

    assert (landed.rows, calls, work) == (0, 0, 0)
    assert (lake.version(RAW_DAILY_BARS), lake.version(RAW_COVERAGE), live.bytes_kept()) == (*before, kept)


def test_an_answer_that_says_nothing_new_leaves_no_version_and_no_bytes(worlds, market):
    live = Live(worlds, market, date(2024, 10, 1))
    live.run(evening(date(2024, 10, 1)))
    kept, version = live.bytes_kept(), live.desk.lake.version(RAW_DAILY_BARS)

    landed, calls, _ = live.run(evening(date(2024, 10, 2)), until=date(2024, 10, 2))

    # The vendor's body has another request id each time
    assert (calls, landed.rows) == (1, 0)
    assert (live.bytes_kept(), live.desk.lake.version(RAW_DAILY_BARS)) == (kept, version)


def test_nobody_asks_again_before_eleven_of_the_day_after(worlds, market):
    live = Live(worlds, market, date(2024, 10, 1))
    live.run(evening(date(2024, 10, 1)))
    eleven = datetime(2024, 10, 2, 11, tzinfo=NEW_YORK)

    early = live.run(eleven - timedelta(seconds=1), until=date(2024, 10, 2))
    sessions_early = late(live.desk.state, eleven - timedelta(seconds=1))
    sessions_due = late(live.desk.state, eleven)
    due = live.run(eleven, until=date(2024, 10, 2))

    assert (early[1], due[1]) == (0, 1)
    assert (sessions_early, sessions_due) == ([], [date(2024, 10, 1)])
    assert late(live.desk.state, eleven) == []


def test_what_was_landed_late_is_old_enough(worlds, market):
    live = Live(worlds, market, date(2024, 10, 1))

    _, first, _ = live.run(evening(date(2024, 10, 15)))
    _, next_day, work = live.run(evening(date(2024, 10, 16)), until=date(2024, 10, 16))

    # Of eleven sessions the fifth back comes of age, and the last one is a day old
    assert first == 5
    assert (next_day, work) == (2, 2)


def test_an_audit_asks_for_an_old_session_a_day_once_and_takes_a_quiet_correction(worlds, market):
    live = Live(worlds, market, date(2024, 9, 3), audits=1)
    live.run(evening(date(2024, 11, 1)))
    later = evening(date(2024, 12, 2))
    ((dataset, session),) = audit(live.desk.state, later, 1)
    live.world.vendor.faults.add("restated", ticker="NOVA", session=str(session))

    landed, calls, work = live.run(later, until=date(2024, 11, 2))
    again = live.run(later + timedelta(hours=2), until=date(2024, 11, 2))

    assert (dataset, calls, work) == (RAW_DAILY_BARS.name, 1, 1)
    # Landed by ticker it was, and the session's one call tells of everybody
    followed = landed.appended.filter(pl.col("ticker").is_in(list(FOLLOWED)))
    assert followed.select("ticker", "session").rows() == [("NOVA", session)]
    assert again[1:] == (0, 0)
    assert audit(live.desk.state, later, 1) == [(dataset, session)]
    assert audit(live.desk.state, later + timedelta(days=1), 1) != [(dataset, session)]


def test_an_answer_that_is_refused_when_asked_for_again_is_noted_and_rests_for_a_day(worlds, market):
    live = Live(worlds, market, date(2024, 10, 1))
    live.run(evening(date(2024, 10, 1)))
    before = live.world.cells()
    live.world.vendor.faults.add("forbidden", kind="timeframe")
    eleven = datetime(2024, 10, 2, 11, tzinfo=NEW_YORK)

    _, calls, planned_first = live.run(eleven, until=date(2024, 10, 2))
    told = live.world.cells()
    rest = [live.run(eleven + timedelta(hours=hours), until=date(2024, 10, 2))[1:] for hours in (1, 23)]
    due_at_rest = late(live.desk.state, eleven + timedelta(hours=23))
    live.world.vendor.faults.clear()
    after = live.run(eleven + timedelta(hours=25), until=date(2024, 10, 2))

    assert (calls, planned_first) == (1, 1)
    assert_frame_equal(told.drop("detail"), before.drop("detail"))
    assert all("asked again in vain at 2024-10-02T15:00:00Z: polygon" in text for text in told["detail"])
    assert (rest, due_at_rest) == ([(0, 0), (0, 0)], [])
    assert after[1:] == (1, 1)


def test_what_an_object_answered_does_not_let_the_evening_begin_earlier(worlds, market):
    live = Live(worlds, market, date(2024, 10, 1))
    live.run(evening(date(2024, 10, 1)))
    eleven = datetime(2024, 10, 2, 11, tzinfo=NEW_YORK)
    before = late(live.desk.state, eleven)

    live.desk.state.objects.record(RAW_DAILY_BARS.name, {date(2024, 10, 1): ObjectRead("a version", 9)}, eleven)

    assert before == [date(2024, 10, 1)]
    assert late(live.desk.state, eleven) == []
