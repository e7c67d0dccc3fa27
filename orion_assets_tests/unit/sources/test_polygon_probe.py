"""What a probe finds out of a budget, of objects and of articles, on fake vendors of either kind; in virtual time."""

from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from orion_assets.sources.limiter import Limiter, Rate, Wait
from orion_assets.sources.polygon.bucket import Bucket, Patience, open_client
from orion_assets.sources.polygon.files import FlatFiles
from orion_assets.sources.polygon.probe import Prober
from orion_assets.sources.polygon.probe_beside import Beside
from orion_assets.sources.polygon.source import PolygonSource, Reach
from orion_assets.sources.polygon.words import judge
from orion_assets.sources.routes import Rights
from orion_assets.sources.synthetic.vendor import flatfiles
from orion_assets.sources.synthetic.vendor.server import fake_vendor
from orion_assets.sources.synthetic.vendor.terms import ManualClock, Plan, Terms
from orion_assets.sources.synthetic.vendor.truth import Truth, large_market
from orion_assets.sources.transport import Policy, Transport, Vendor
from orion_assets.store.call_log import SharedCallLog
from orion_assets_tests.far_sides import limited
from orion_assets_tests.s3_gate import gate_before
from orion_assets_tests.servers import s3_server  # noqa: F401

LAST = date(2026, 11, 20)
RATE = Rate(5)
RETRY, WINDOW, REFUSED = "Retry-After", "fixed or sliding", "refused calls count"
FRACTIONAL, REPLACED, EDITED = "flat files fractional", "flat files were replaced", "articles edited"


class Clocked:
    """A vendor's clock and the log's, which go on while somebody waits."""

    def __init__(self, second: float) -> None:
        self.began = datetime(2026, 11, 21, 12, tzinfo=UTC) + timedelta(seconds=second)
        self.vendors = ManualClock(self.began)

    def pause(self, seconds: float) -> None:
        self.vendors.advance(seconds)

    def uptime(self) -> float:
        return 1_000.0 + (self.vendors.now() - self.began).total_seconds()


@pytest.fixture(scope="module")
def market():
    return large_market(14, 20, LAST)


@contextmanager
def probing(market, terms, folder, second=5.0, **more):
    """Give a prober of a vendor, the vendor, its clock and the log of calls."""
    clock = Clocked(second)
    log = SharedCallLog(f"sqlite:///{folder}/state.db", clock.uptime)
    limiter = Limiter(log, "polygon", RATE, lease_s=70.0, pause=clock.pause)
    with fake_vendor(market, terms=terms, clock=clock.vendors) as vendor:
        other = Vendor("polygon", vendor.base_url, judge, frozenset(), {"Authorization": "Bearer a-key"})
        with Transport(other, limiter, Policy(), clock.vendors, clock.pause, uptime=clock.uptime) as transport:
            found = Prober(transport, "SAAA", clock.vendors.now(), pause=clock.pause, **{"exceeds": RATE, **more})
            yield found, vendor, clock, log


def answers(prober, *words):
    """Ask the questions that hold these words; what may not be asked gives why."""
    found = [each for word in words for each in prober.questions() if word in each.text]
    asked = dict(zip(words, found, strict=True))
    return {word: each.ask() if each.ask else each.why_not for word, each in asked.items()}


def of_budget(prober):
    """Ask the three questions of the budget as the command does: of one list."""
    return [each.ask() if each.ask else each.why_not for each in prober.questions()[:3]]


SLIDING = "sliding: half a window after the others, they still counted"
COUNTED = "yes: a window after the first call there was no room for another"
NOT_COUNTED = "no: a window after the first call there was room for one"
NO_MATTER = "it makes no difference: the window is fixed"
LATE_FIXED = "fixed: a window after the first call, all calls were free again"
EARLY_FIXED = "fixed: 6 calls within 60 s were answered"
KINDS = {
    "slides": (Terms(mode="sliding"), 5.0, ["no, with a body", SLIDING, NOT_COUNTED]),
    "slides and counts": (
        Terms(mode="sliding", counts_refused=True, refusal_body="empty"), 5.0, ["no, with no body", SLIDING, COUNTED],
    ),
    "tells seconds": (
        Terms(mode="sliding", retry_after="seconds"), 5.0, ["yes: '31', with a body", SLIDING, NOT_COUNTED],
    ),
    "fixed, begins anew late": (Terms(mode="fixed"), 5.0, ["no, with a body", LATE_FIXED, NO_MATTER]),
    "fixed, begins anew early": (Terms(mode="fixed"), 45.0, ["no, with a body", EARLY_FIXED, NO_MATTER]),
    "fixed and counts": (
        Terms(mode="fixed", counts_refused=True, retry_after="seconds", refusal_body="empty"), 5.0,
        ["yes: '15', with no body", LATE_FIXED, NO_MATTER],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("terms", "second", "told"), KINDS.values(), ids=KINDS)
def test_two_calls_beyond_the_budget_tell_how_it_works(market, tmp_path, terms, second, told):
    terms = Terms(Plan("own", 5), mode=terms.mode, counts_refused=terms.counts_refused,
                  refusal_body=terms.refusal_body, retry_after=terms.retry_after)  # fmt: skip

    with probing(market, terms, tmp_path, second) as (prober, vendor, clock, log):
        first, *others = prober.questions()[:3]
        said, took = [first.ask(), *(each.ask() for each in others)], clock.uptime() - 1_000
        after = log.take("polygon", RATE, 70.0)

        statuses = [entry.status for entry in vendor.journal.entries]
    assert said == told
    assert len(statuses) <= first.calls == 8
    assert sum(each.calls for each in others) == 0
    assert statuses.count(429) <= 2
    assert took <= first.seconds == 305
    # Nobody calls before what the probe sent has left every window
    assert isinstance(after, Wait)
    assert 61 <= round(after.seconds, 3) <= 131


def test_the_budget_is_probed_when_nobody_else_has_called_for_a_window(market, tmp_path):
    with probing(market, Terms(Plan("own", 5)), tmp_path) as (prober, vendor, clock, log):
        log.end("polygon", log.take("polygon", RATE, 70.0))
        clock.pause(1)
        said = of_budget(prober)

        first = vendor.journal.entries[0].ts_start
    assert said == ["no, with a body", SLIDING, NOT_COUNTED]
    assert first - clock.began.timestamp() >= 61


@pytest.mark.parametrize(
    ("allowed", "told", "refusals"),
    [
        (None, "not found: 7 calls within 60 s were answered, 5 are allowed", 0),
        (3, "not found: call 4 was refused already, 5 are allowed; does another use the key?", 1),
    ],
)
def test_a_budget_that_is_not_as_stated_is_no_answer(market, tmp_path, allowed, told, refusals):
    with probing(market, Terms(Plan("own", allowed)), tmp_path) as (prober, vendor, _, _):
        retry, *others = of_budget(prober)

        statuses = [entry.status for entry in vendor.journal.entries]
    assert others == [told, told]
    assert retry == ("no, with a body" if refusals else told)
    assert statuses.count(429) == refusals


def test_an_answer_that_is_neither_ends_it_without_asking_again(market, tmp_path):
    with probing(market, Terms(Plan("own", 5), keys=frozenset({"another"})), tmp_path) as (prober, vendor, _, _):
        said = of_budget(prober)

        assert said == ["no answer now: HTTP 401 in place of an answer or a 429"] * 3
        assert len(vendor.journal) == 1


@pytest.mark.parametrize(
    ("rate", "why"), [(None, "made with --beyond-budget alone"), (Rate(100, 1.0), "no budget by the minute")]
)
def test_nothing_is_asked_beyond_the_budget_unless_it_is_wanted_and_can_be_met(market, tmp_path, rate, why):
    with probing(market, Terms(Plan("own", 5)), tmp_path, exceeds=rate) as (prober, vendor, _, _):
        assert all(why in each for each in of_budget(prober))
        assert sum(each.calls for each in prober.questions()[:3]) == len(vendor.journal) == 0


@contextmanager
def bucketed(server, last, days):
    """Give flat files of a market's last days, and the gate that counts what is asked of them."""
    truth, client, name = Truth(large_market(14, 20, last)), server.client(), server.new_bucket()
    flatfiles.put_sessions(client, truth, truth.sessions["session"].tail(days), ["day"], name)
    with gate_before(server.port) as gate:
        patience = Patience(attempts=1, silence_s=5.0)
        limiter = limited(Rate(100, 1.0), 60.0)
        yield (
            FlatFiles(Bucket(open_client(("id", "secret"), gate.endpoint, patience), limiter, patience, name=name)),
            gate,
        )


@pytest.mark.parametrize(
    ("last", "told"),
    [
        (date(2026, 11, 20), "volumes of 2026-11-20 are not whole"),
        (date(2025, 11, 20), "volumes of 2025-11-20 are whole"),
    ],
    ids=["since 2026", "before"],
)
def test_one_object_tells_whether_volumes_are_fractional(s3_server, market, last, told):  # noqa: F811
    rights = Rights(RATE, years=None, has_flat_files=True, has_today=True)
    with bucketed(s3_server, last, 2) as (files, gate), fake_vendor(market) as vendor:
        other = Vendor("polygon", vendor.base_url, judge)
        now = datetime(last.year, last.month, last.day, 23, tzinfo=UTC) + timedelta(days=1)
        transport = Transport(other, limited(Rate(100), 60.0), Policy(), ManualClock(now), lambda _: None)
        source = PolygonSource(transport, rights, Reach(files=files))
        (asked,) = [each for each in source.questions("SAAA", now) if FRACTIONAL in each.text]
        said = asked.ask()
        source.close()

    assert said.endswith(told)
    assert said.startswith("yes: " if last.year == 2026 else "no: all ")
    assert gate.gets == [flatfiles.key_of(last, "day")]
    assert asked.calls == 1


def version(day, days_after):
    written = datetime(day.year, day.month, day.day, 15, tzinfo=UTC) + timedelta(days=days_after)
    return f"abc-9 1234 {written:%Y-%m-%dT%H:%M:%SZ}"


def test_the_times_of_a_listing_tell_which_objects_were_replaced(market, tmp_path):
    days = [LAST - timedelta(days=number) for number in range(10)]
    early = {day: version(day, 4) for day in days}
    late = early | {
        days[3]: version(days[3], 40),
        days[6]: version(days[6], 5),
        LAST - timedelta(days=400): version(LAST, 0),
    }
    files = FlatFiles(bucket=None)

    with probing(market, Terms(), tmp_path, beside=Beside(files, early)) as (prober, vendor, _, _):
        none, calls = answers(prober, REPLACED)[REPLACED], len(vendor.journal)
    with probing(market, Terms(), tmp_path, beside=Beside(files, late)) as (prober, _, _, _):
        some = answers(prober, REPLACED)[REPLACED]

    assert (none, calls) == ("none of 10 of the last year was written 5 days after its session or later", 0)
    assert some.startswith("2 of 10 of the last year were written 5 days after their session or later")
    assert some.endswith(f"that of {days[3]} on {days[3] + timedelta(days=40)}")


@pytest.mark.parametrize(
    ("beside", "why"),
    [(Beside(), "set POLYGON_S3_ACCESS_KEY"), (Beside(FlatFiles(bucket=None)), "no object of daily bars is listed")],
)
def test_objects_that_cannot_be_listed_say_why(market, tmp_path, beside, why):
    with probing(market, Terms(), tmp_path, beside=beside) as (prober, _, _, _):
        assert all(why in each for each in answers(prober, FRACTIONAL, REPLACED).values())


def landed(vendor, now, age):
    """Give articles of the vendor as rows that were landed some time ago."""
    stamps = {name: pl.lit(now - age, pl.Datetime("us", "UTC")) for name in ("ts_known", "ts_ingested")}
    return vendor.truth.news.with_columns(**stamps, is_deleted=pl.lit(value=False))


@pytest.mark.parametrize("is_edited", [False, True])
def test_a_second_reading_tells_whether_articles_are_edited(market, tmp_path, is_edited):
    with probing(market, Terms(), tmp_path) as (_, vendor, clock, _):
        before = landed(vendor, clock.vendors.now(), timedelta(days=3))
    with probing(market, Terms(), tmp_path, beside=Beside(landed=before)) as (prober, vendor, _, _):
        if is_edited:
            vendor.faults.add("news_edited", route="news")
        said = answers(prober, EDITED)[EDITED]

        count = before.height
        assert count > 10
        told = f"yes: {count} of {count} articles" if is_edited else f"no: {count} articles"
        assert said.startswith(told)
        assert len(vendor.journal) == 1


def test_articles_of_today_are_no_first_reading(market, tmp_path):
    with probing(market, Terms(), tmp_path) as (_, vendor, clock, _):
        before = landed(vendor, clock.vendors.now(), timedelta(hours=3))
    for beside in (Beside(landed=before), Beside()):
        with probing(market, Terms(), tmp_path, beside=beside) as (prober, vendor, _, _):
            assert "ask again a day later" in answers(prober, EDITED)[EDITED]
            assert len(vendor.journal) == 0
