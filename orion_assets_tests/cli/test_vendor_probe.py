"""`orion vendor probe`: every question that only a key can answer, a line each, on the fake vendor in several plans."""

import json
import re
from datetime import date, timedelta
from types import SimpleNamespace

import polars as pl
import pytest

from orion_assets import calendars
from orion_assets.calendars import NEW_YORK
from orion_assets.cli.vendor import probe_again
from orion_assets.clock import SystemClock
from orion_assets.schemas import RAW_NEWS
from orion_assets.sources.limiter import budget_of
from orion_assets.sources.polygon.routes import RIGHTS
from orion_assets.sources.polygon.source import PolygonSource, Reach, polygon_transport
from orion_assets.sources.routes import Floor
from orion_assets.sources.synthetic.vendor.server import fake_vendor
from orion_assets.sources.synthetic.vendor.terms import PLANS, Plan, Terms
from orion_assets.sources.synthetic.vendor.truth import Truth
from orion_assets.store.floors import StoredFloors
from orion_assets_tests.accept_runs import Deployment, deployment, on_vendor, recent_market, undisturbed
from orion_assets_tests.far_sides import limited

KEY = "sk-not-to-be-seen"
# What PROVIDERS.md calls not verified
OPEN = (
    *("Retry-After", "fixed or sliding", "refused calls count", "end of day", "half-day", "survive paging"),
    *("splits does a page", "fractional", "which indices", "flat files were replaced", "23 hours", "articles edited"),
    *("DELAYED", "begins too early"),
)


@pytest.fixture
def market():
    return recent_market(14, 620)


@pytest.fixture
def probed(market, tmp_path):
    """Probe a vendor of some terms; gives the answers by question, what was said, and the requests."""

    def probe(*arguments, plan="advanced", faults=(), terms=None, **more):
        with undisturbed(), fake_vendor(market, terms=terms or Terms(PLANS[plan])) as vendor:
            for name, stated in faults:
                vendor.faults.add(name, **stated)
            made = on_vendor(
                tmp_path / "own",
                vendor,
                ("SAAA",),
                "2025-01-02",
                POLYGON_API_KEY=KEY,
                ORION_POLYGON_PLAN=plan,
                **more,
            )
            probe.made = made
            said = made.orion("vendor", "probe", "--ticker", "SAAA", *arguments)
            return said, vendor.journal.entries

    return probe


def answers(said) -> dict[str, str]:
    told = json.loads(said.out)["answers"]
    return {
        next((word for word in OPEN if word in each["question"]), each["question"]): each["answer"] for each in told
    }


def test_every_open_question_has_a_line(probed):
    said, calls = probed()

    assert said.code == 0, said.err
    lines = said.out.splitlines()
    for word in OPEN:
        (line,) = [line for line in lines if word in line.split(": ", 1)[0]]
        assert line.split(": ", 1)[1]
    least, most = map(int, re.match(r"(\d+) to (\d+) calls", said.err).groups())
    assert least <= len(calls) <= most
    assert KEY not in said.out + said.err
    assert sum(": not asked: " in line for line in lines) == 6


def test_answers_are_those_of_the_vendor(probed):
    said, _ = probed("--json")
    told = answers(said)

    assert told["half-day"].startswith("16:00 New York on ")
    assert told["survive paging"] == "yes: page 2 is as traded"
    assert told["end of day"].startswith("yes: 1")
    assert told["23 hours"].startswith("no: minutes from ")
    assert told["DELAYED"].startswith("status 'OK'")
    assert told["which indices"].startswith("none of ")
    assert told["begins too early"].startswith("cut, or listed since")


def test_a_vendor_that_loses_adjusted_on_the_way_is_told_apart(probed):
    said, _ = probed("--json", faults=[("adjusted_lost", {"route": "range"})])

    assert answers(said)["survive paging"] == "no: page 2 is adjusted"


def test_what_the_plan_refuses_is_an_answer(probed):
    said, _ = probed("--json", plan="free", terms=Terms(Plan("free", history_days=731, excluded=frozenset({"splits"}))))

    told = answers(said)
    assert told["begins too early"].startswith("refused: polygon: ")
    assert "data timeframe" in told["begins too early"]
    assert told["splits does a page"].startswith("refused: polygon: ")


def test_an_answer_that_cannot_be_true_ends_its_question_alone(probed):
    said, _ = probed("--json", faults=[("redirect", {"route": "range"})])

    told = answers(said)
    assert said.code == 0
    assert "not followed" in told["survive paging"]
    assert "not followed" in told["DELAYED"]
    assert told["end of day"].startswith("yes: 1")
    assert set(OPEN) <= set(told)


def test_what_was_answered_before_the_key_was_refused_is_told(probed):
    said, _ = probed("--json", faults=[("unknown_key", {"route": "range"})])

    assert said.code == 1
    assert "set a valid one" in said.err
    assert answers(said)["end of day"].startswith("yes: 1")
    assert "survive paging" not in answers(said)


@pytest.mark.parametrize(
    ("fault", "more"),
    [("redirect", {}), ("forbidden", {"kind": "endpoint"}), ("empty", {})],
    ids=["lies", "no", "nothing"],
)
def test_a_floor_that_cannot_be_found_again_stands_and_is_looked_for_a_week_later(market, tmp_path, fault, more):
    now = SystemClock().now()
    today = now.astimezone(NEW_YORK).date()
    floors, budget = StoredFloors(f"sqlite:///{tmp_path}/state.db"), budget_of("polygon", KEY)
    found = Floor(today - timedelta(days=400), today - timedelta(days=8), is_rolling=True)
    floors.record(budget, "raw_daily_bars", found)
    with fake_vendor(market, terms=Terms(PLANS["advanced"])) as vendor:
        vendor.faults.add(fault, **more)
        rights = RIGHTS["advanced"]
        transport = polygon_transport(KEY, vendor.base_url, rights, limited, SystemClock())
        source = PolygonSource(transport, rights, Reach(budget=budget, floors=floors))
        probe_again(SimpleNamespace(floors=lambda: floors), source, "SAAA", now)
        calls = len(vendor.journal)
        probe_again(SimpleNamespace(floors=lambda: floors), source, "SAAA", now)
        source.close()

        assert len(vendor.journal) == calls > 0
    assert floors.of(budget)["raw_daily_bars"] == Floor(found.at(today), today, is_rolling=True)


def test_a_plan_that_grew_lifts_the_floor_of_splits(market, tmp_path, capsys):
    now = SystemClock().now()
    today = now.astimezone(NEW_YORK).date()
    floors, budget = StoredFloors(f"sqlite:///{tmp_path}/state.db"), budget_of("polygon", KEY)
    floors.record(budget, "raw_splits", Floor(date(2022, 6, 6), today - timedelta(days=8), is_rolling=True))
    with fake_vendor(market, terms=Terms(PLANS["advanced"])) as vendor:
        rights = RIGHTS["advanced"]
        transport = polygon_transport(KEY, vendor.base_url, rights, limited, SystemClock())
        source = PolygonSource(transport, rights, Reach(budget=budget, floors=floors))
        probe_again(SimpleNamespace(floors=lambda: floors), source, "SAAA", now)
        source.close()

    assert floors.of(budget)["raw_splits"] == Floor(source.first_session, today, is_rolling=False)
    assert f"looked for again with 1 call: {source.first_session}" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("clips", [False, True], ids=["refuses", "cuts"])
def test_the_floor_that_is_found_is_what_plans_go_by(probed, clips):
    today = SystemClock().now().astimezone(NEW_YORK).date()
    said, _ = probed("--json", plan="free", terms=Terms(Plan("own", history_days=400, clips=clips)))

    first = calendars.session_at_or_after(today - timedelta(days=400))
    (found,) = [a for q, a in answers(said).items() if q == "how far back may raw_daily_bars be asked for"]
    assert found.startswith(f"{first}, moving on with the days")
    asked = ("plan", "--from", str(today - timedelta(days=500)), "--datasets", "daily", "--json")
    plan = json.loads(probed.made.done(*asked))
    beyond = calendars.sessions(today - timedelta(days=500), first).height
    assert plan["unanswerable"] == {"not_entitled": beyond}


def test_what_only_a_refusal_tells_is_asked_where_it_is_wanted_and_its_cost_is_said(probed):
    plain, none = probed("--max-calls", 0)
    said, calls = probed("--max-calls", 0, "--beyond-budget", plan="free", ORION_CALLS_PER_MINUTE="5")

    assert (said.code, len(calls), len(none)) == (3, 0, 0)
    most = [int(re.search(r"may take (\d+) calls", each.err).group(1)) for each in (plain, said)]
    # Three questions of one look: five calls and three more
    assert most[1] - most[0] == 8


def test_articles_that_were_landed_days_ago_are_read_again(probed, market, tmp_path):
    now = SystemClock().now()
    told = Truth(market).news.filter(pl.col("ts_event") < now - timedelta(days=3)).tail(20)
    stamps = dict.fromkeys(("ts_known", "ts_ingested"), now - timedelta(days=2))
    plain = {pl.String: "-", pl.Datetime: now, pl.Boolean: False, pl.Int64: 1, pl.Date: told["session"][0]}
    stated = {name: stamps.get(name, plain.get(dtype.base_type())) for name, dtype in RAW_NEWS.empty().schema.items()}
    missing = [pl.lit(value).alias(name) for name, value in stated.items() if name not in told.columns]
    rows = told.with_columns(missing).with_columns(availability=pl.lit("observed"))
    rows = rows.select(pl.col(name).cast(dtype) for name, dtype in RAW_NEWS.empty().schema.items())
    span = {"start": told["session"].min(), "end": told["session"].max() + timedelta(days=1)}
    Deployment(tmp_path / "own").lake.append(RAW_NEWS, lambda _: rows, **span)

    said, calls = probed("--json")

    assert answers(said)["articles edited"].startswith("no: 20 articles read since ")
    # The others are about how far back news may be asked for, years ago
    latest = [entry for entry in calls if entry.route == "news" and f"gt={told['ts_event'].min().year}" in entry.path]
    assert len(latest) == 1


def test_what_may_take_more_calls_than_allowed_asks_nothing(probed):
    said, calls = probed("--max-calls", 5)

    assert (said.code, said.out, len(calls)) == (3, "", 0)
    assert "--max-calls is 5; nothing was asked" in said.err


def test_a_key_that_is_refused_ends_it_with_one_line(probed):
    said, calls = probed(terms=Terms(keys=frozenset({"another"})))

    assert (said.code, said.out, len(calls)) == (1, "", 1)
    assert "set a valid one" in said.err
    assert KEY not in said.err


def test_a_source_without_a_key_has_nothing_to_be_probed(tmp_path):
    with undisturbed():
        made = deployment(tmp_path / "own", "", start="2024-10-01", ORION_SOURCE="synthetic", ORION_FILES_MAPPING="")
        said = made.orion("vendor", "probe")

    assert said.code == 2
    assert "synthetic has nothing to be probed" in said.err
