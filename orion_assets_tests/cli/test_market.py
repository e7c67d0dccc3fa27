import json

import pytest

from orion_assets_tests.own_market import orion


@pytest.mark.parametrize(
    ("at", "is_open", "session"),
    [
        ("2014-07-03T16:59:59Z", True, "2014-07-03"),
        ("2014-07-03T17:00:00Z", False, "2014-07-03"),
        ("2014-07-03T17:30:01Z", False, "2014-07-07"),
        ("2014-07-04", False, "2014-07-07"),
        ("2014-07-07T09:29:59-04:00", False, "2014-07-07"),
        ("2014-07-07T09:30:00-04:00", True, "2014-07-07"),
    ],
)
def test_status_says_what_is_open_and_which_session_is_under_way(at, is_open, session):
    told = json.loads(orion("market", "status", "--at", at, "--json").out)

    assert (told["is_open"], told["session"]) == (is_open, session)


def test_status_for_people_names_the_session():
    said = orion("market", "status", "--at", "2014-07-03T16:00:00Z")

    assert (said.code, said.err) == (0, "")
    assert said.out == "open; session 2014-07-03: opens 2014-07-03 13:30Z, closes 2014-07-03 17:00Z\n"


def test_status_without_an_instant_asks_the_clock():
    assert orion("market", "status", "--json").code == 0


def test_sessions_are_listed_with_their_half_days():
    rows = json.loads(orion("market", "sessions", "--from", "2014-07-02", "--to", "2014-07-08", "--json").out)

    assert [(row["session"], row["is_half_day"], row["ts_close_cutoff"]) for row in rows] == [
        ("2014-07-02", False, "2014-07-02T20:30:00Z"),
        ("2014-07-03", True, "2014-07-03T17:30:00Z"),
        ("2014-07-07", False, "2014-07-07T20:30:00Z"),
    ]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("--at", "2014-07-03T17:29:59Z"), 1),
        (("--at", "2014-07-03T17:30:00Z"), 0),
        (("--at", "2014-07-03T18:30:00Z"), 0),
        (("--at", "2014-07-03T18:30:01Z"), 1),
        (("--at", "2014-07-03T18:30:01Z", "--within", "61"), 0),
        (("--at", "2014-07-03T13:25:00Z", "--cutoff", "open"), 0),
        (("--at", "2014-07-04T13:25:00Z", "--cutoff", "open"), 1),
    ],
)
def test_should_run_answers_by_its_exit_code(arguments, code):
    assert orion("market", "should-run", *arguments).code == code


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("status", "--at", "2040-01-01"), "2036-12-31"),
        (("status", "--at", "now"), "--at: 'now'"),
        (("status", "--at", "2014-07-03T16:00"), "--at"),
        (("sessions", "--from", "1980-01-01", "--to", "2014-01-01"), "1990-01-01"),
        (("sessions", "--from", "soon", "--to", "2014-01-01"), "--from 'soon'"),
        (("should-run", "--cutoff", "noon"), "noon"),
    ],
)
def test_a_wrong_call_exits_2(arguments, named):
    said = orion("market", *arguments)

    assert (said.code, said.out) == (2, "")
    assert named in said.err
