"""When the fake vendor errs: the rules of a fault plan, its seed, and plans that are read from a file."""

import re
from dataclasses import replace
from datetime import timedelta

import pytest

from orion_assets.sources.synthetic.vendor.faults import FAULTS, FaultPlan, Rule
from orion_assets.sources.synthetic.vendor.plan_file import load_plan
from orion_assets.sources.synthetic.vendor.server import fake_vendor
from orion_assets.sources.synthetic.vendor.terms import PLANS, ManualClock, Terms
from orion_assets_tests.raw_http import ask
from orion_assets_tests.unit.sources.erring import GROUPED, NOW, TICKERS


def test_no_parameter_of_a_fault_is_a_condition_too():
    conditions = set(Rule.__dataclass_fields__) - {"parameters"}

    assert {name for fault in FAULTS.values() for name in fault.parameters if name in conditions} == set()


def test_every_fault_says_what_it_does():
    assert [name for name, fault in FAULTS.items() if not re.fullmatch(r".+\.", fault.what)] == []


def seen(rule: Rule, requests: int = 8, seed: int = 0, market=None, step: float = 0.0) -> list[int]:
    """Give which of some requests went wrong, 1 for the first."""
    clock = ManualClock(NOW)
    with fake_vendor(market, clock=clock, faults=FaultPlan([rule], seed)) as vendor:
        statuses = []
        for _ in range(requests):
            statuses.append(ask(vendor.port, "/v1/marketstatus/now").status)
            clock.advance(step)
    return [place for place, status in enumerate(statuses, 1) if status != 200]


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ({}, [1, 2, 3, 4, 5, 6, 7, 8]),
        ({"nth": [2, 5]}, [2, 5]),
        ({"every": 3}, [3, 6]),
        ({"since": 6}, [6, 7, 8]),
        ({"times": 2}, [1, 2]),
        ({"since": 2, "every": 2, "times": 2}, [2, 4]),
        ({"route": "status_now", "nth": [1]}, [1]),
        ({"route": "grouped"}, []),
        ({"match": "marketstatus"}, [1, 2, 3, 4, 5, 6, 7, 8]),
        ({"match": "grouped"}, []),
    ],
)
def test_a_rule_says_which_requests_go_wrong(market, conditions, expected):
    assert seen(Rule("server_error", **conditions), market=market) == expected


def test_a_storm_ends_by_the_servers_clock(market):
    assert seen(Rule("too_many_requests", since=2, for_s=200), market=market, step=60) == [2, 3, 4, 5]


def test_chance_is_drawn_from_the_seed(market):
    rule = Rule("server_error", probability=0.5)

    drawn = [seen(rule, 40, seed, market) for seed in (1, 1, 2)]

    assert drawn[0] == drawn[1] != drawn[2]
    assert 8 < len(drawn[0]) < 32


def test_faults_compose_and_the_journal_names_them(vendor):
    vendor.faults.add("doubled_volumes", "grouped")
    vendor.faults.add("bad_number", "grouped", value="NaN")
    vendor.faults.add("skewed_date")
    before = dict(vendor.faults.hits)

    got = ask(vendor.port, GROUPED)

    assert b'"c":NaN' in got.body
    assert vendor.journal.entries[-1].faults == ("doubled_volumes", "bad_number", "skewed_date")
    assert vendor.faults.hits["bad_number"] == before.get("bad_number", 0) + 1


def test_a_fault_that_changes_nothing_is_not_told(vendor):
    vendor.faults.add("doubled_volumes")

    ask(vendor.port, TICKERS)

    assert vendor.journal.entries[-1].faults == ()


PLAN = """
seed = 7
[[fault]]
name = "too_many_requests"
route = "status_now"
nth = [2]
retry_after = 30
[[fault]]
name = "html"
since = 4
"""


def test_a_plan_is_read_from_toml(market, tmp_path):
    (tmp_path / "plan.toml").write_text(PLAN)

    with fake_vendor(market, faults=load_plan(tmp_path / "plan.toml").faults) as vendor:
        got = [ask(vendor.port, "/v1/marketstatus/now") for _ in range(4)]

    assert [each.status for each in got] == [200, 429, 200, 200]
    assert got[1].headers["Retry-After"] == "30"
    assert got[3].body.startswith(b"<html>")


TERMS = """
[terms]
counts_refused = true
refusal_body = "empty"
retry_after = "seconds"
page = 5
end_of_day = 3600
[terms.plan]
clips = true
excluded = ["events"]
"""


def test_terms_stand_in_place_of_the_usual_ones_and_leave_the_others(tmp_path):
    (tmp_path / "plan.toml").write_text(TERMS)

    made = load_plan(tmp_path / "plan.toml").on(Terms(PLANS["free"], mode="fixed"))

    plan = replace(PLANS["free"], clips=True, excluded=frozenset({"events"}))
    told = {"counts_refused": True, "refusal_body": "empty", "retry_after": "seconds", "page": 5}
    assert made == Terms(plan, mode="fixed", end_of_day=timedelta(hours=1), **told)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[[fault]]\nname = "html5"', "fault 'html5' does not exist; html was meant?"),
        ('[[fault]]\nname = "html"\nroute = "grouped_day"', "route 'grouped_day' does not exist; grouped was meant?"),
        ('[[fault]]\nname = "reset"\nshar = 0.1', "parameter of reset 'shar' does not exist; share was meant?"),
        ("[[fault]]\nnth = [1]", "a rule without a fault"),
        ("[[faults]]\n", "faults means nothing"),
        ("seed = ", "mend the file"),
        ("[terms]\npaeg = 5", "name in [terms] 'paeg' does not exist; page was meant?"),
        ("[terms.plan]\nclip = true", "name in [terms.plan] 'clip' does not exist; clips was meant?"),
        (
            '[terms]\nretry_after = "later"',
            "[terms] retry_after = 'later': Input should be 'none', 'seconds' or 'date'",
        ),
        ("[terms]\nplan = 5", "[terms.plan] is 5, and is to be a table of names and values"),
        ("terms = 5", "terms is 5; seed is a whole number, [terms] a table, [[fault]] one a rule"),
        ('[fault]\nname = "html"', "fault is {'name': 'html'}"),
        ('seed = "x"', "seed is 'x'"),
        ("[terms]\nend_of_day = true", "[terms] end_of_day = True: it is neither true nor false"),
        ("[terms]\npage = 0", "[terms] page = 0: it is 1 at least"),
        ("[terms.plan]\ncalls = -1", "[terms] plan.calls = -1: it is 1 at least"),
        ("[terms]\nfinal_after = -5", "[terms] final_after = -1 day, 23:59:55: it is 0:00:00 at least"),
        ('[terms.plan]\nexcluded = ["option"]', "excluded 'option' does not exist; options was meant?"),
        ('[terms.plan]\nlimited = ["dividend"]', "limited 'dividend' does not exist; dividends was meant?"),
    ],
)
def test_a_plan_that_means_nothing_is_refused(tmp_path, text, says):
    file = tmp_path / "plan.toml"
    file.write_text(text)

    with pytest.raises(ValueError, match=re.escape(says)) as refused:
        load_plan(file)

    assert str(file) in str(refused.value)
