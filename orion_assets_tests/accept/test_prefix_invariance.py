"""Law L1 from outside: a store built as if it were T answers like the full store asked as of T, byte by byte."""

import random
from datetime import UTC, datetime, timedelta

import pytest

from orion_assets_tests.accept_runs import DATA, MAPPING_2014, SHORT, deployment, figure, late_2014, needs_data

pytestmark = needs_data

# Between the cut-offs of a half-day, in the week of the clock change, on 4 July, a tick before and after cut-offs
INSTANTS = (
    "2014-01-03T14:25:00Z",
    "2014-03-10T13:24:59.999999Z",
    "2014-03-10T13:25:00Z",
    "2014-06-06",
    "2014-06-09T20:15:00Z",
    "2014-07-04T16:00:00Z",
    "2014-11-03T14:30:00Z",
    "2014-11-28T18:29:59Z",
    "2014-11-28T18:30:00Z",
    "2014-12-31T21:30:00Z",
)


def _asked(run, instant: str) -> str:
    return run.features("--as-of", instant, "--cutoff", "both")


@pytest.mark.accept
@pytest.mark.parametrize("instant", INSTANTS)
def test_the_year_as_of_an_instant_is_what_was_built_until_then(real_2014, tmp_path, instant):
    then = deployment(tmp_path / "then", MAPPING_2014, root=DATA, start="2014-01-02")
    then.backfill("2014-01-02", "2015-01-01", "--until", instant)

    built, shown = _asked(then, instant), _asked(real_2014, instant)
    figure(f"until {instant}: {built.count('ts_known')} rows, {len(built)} bytes, equal: {built == shown}")

    assert built == shown
    assert built.count("ts_known") > 0


# A late split makes epochs: a tick before it is known, the instant itself, and one drawn at random
def test_twenty_sessions_with_a_late_split_as_of_an_instant_are_what_was_built_until_then(whole, june, tmp_path):
    drawn = datetime(2014, 5, 28, tzinfo=UTC) + timedelta(seconds=random.Random(3).randrange(25 * 24 * 3600))
    full = whole(SHORT)

    for number, instant in enumerate(("2014-06-12T12:59:59.999999Z", "2014-06-12T13:00:00Z", drawn.isoformat())):
        then = late_2014(tmp_path / f"then{number}", SHORT, june)
        then.backfill(*SHORT, "--until", instant)

        built, shown = _asked(then, instant), _asked(full, instant)
        figure(f"until {instant}: {built.count('ts_known')} rows, {len(built)} bytes, equal: {built == shown}")
        assert built == shown, instant
        assert built.count("ts_known") > 50
