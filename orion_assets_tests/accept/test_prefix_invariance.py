"""Law L1 from outside: a store built as if it were T answers like the full store asked as of T, byte by byte."""

import json
import random
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from orion_assets_tests.accept_runs import (
    DATA,
    SHORT,
    YEAR,
    Deployment,
    deployment,
    figure,
    late_2014,
    mapping_2014,
    needs_data,
)

pytestmark = needs_data

# Between the cut-offs of a half-day, in the week of the clock change, on 4 July, at cut-offs and a tick before, and
# at the instants of what is learned late and a tick before
INSTANTS = (
    "2014-01-03T14:25:00Z",
    "2014-03-10T13:24:59.999999Z",
    "2014-03-10T13:25:00Z",
    "2014-06-12T12:59:59.999999Z",
    "2014-06-12T13:00:00Z",
    "2014-07-04T16:00:00Z",
    "2014-11-03T14:30:00Z",
    "2014-11-28T18:29:59.999999Z",
    "2014-11-28T18:30:00Z",
    "2014-12-31T21:30:00Z",
)
# Beside the late split: a close corrected at a cut-off, a volume corrected over a holiday, a bar withdrawn at a cut-off
CORRECTIONS = """ticker,session,open,high,low,close,volume,seen,gone
MSFT,2014-03-06,38.14,38.24,37.89,38.05,23582200,2014-03-10T13:25:00Z,false
AAPL,2014-06-05,646.2,649.3699,642.61,647.35,11000000,2014-07-04T12:00:00Z,false
ZEN,2014-11-25,24.28,24.74,23.61,23.7,800801,2014-11-28T18:30:00Z,true
"""
OF_CORRECTIONS = """
[[daily_bars]]
files = ["corrections.csv"]
price_basis = "as_traded"
columns = { ticker = "ticker", session = "session", open = "open", high = "high", low = "low", close = "close", \
volume = "volume", ts_known = "seen", is_deleted = "gone" }
"""
# Ticker and session whose rows say otherwise from an instant on
LEARNED = {
    "2014-03-10T13:25:00Z": ("MSFT", date(2014, 3, 6)),
    "2014-06-12T13:00:00Z": ("AAPL", date(2014, 6, 10)),
    "2014-07-04T12:00:00Z": ("AAPL", date(2014, 6, 5)),
    "2014-11-28T18:30:00Z": ("ZEN", date(2014, 11, 25)),
}


def corrected_2014(folder: Path) -> Deployment:
    """Give a deployment for the year with its split learned late, and bars corrected and withdrawn."""
    root = folder / "files"
    root.mkdir(parents=True)
    for name in ("daily", "vix", "news"):
        (root / name).symlink_to(DATA / name)
    (root / "corrections.csv").write_text(CORRECTIONS)
    return deployment(folder, mapping_2014(split="late") + OF_CORRECTIONS, root=root, start=YEAR[0])


@pytest.fixture(scope="session")
def corrected(once) -> Deployment:
    """The year as it is known at last, made in one go; read only."""
    return Deployment(once("corrected_2014", lambda folder: corrected_2014(folder).backfill(*YEAR)))


def _asked(run, instant: str) -> str:
    return run.features("--as-of", instant, "--cutoff", "both")


@pytest.mark.accept
@pytest.mark.parametrize("instant", LEARNED)
def test_what_is_learned_late_makes_a_session_say_otherwise_from_then_on(corrected, instant):
    ticker, session = LEARNED[instant]
    at = datetime.fromisoformat(instant)
    of_it = [ticker, "--from", session, "--to", session + timedelta(days=1), "--cutoff", "close"]

    before, after = (
        json.loads(corrected.features(*of_it, "--as-of", when.isoformat()))
        for when in (at - timedelta(microseconds=1), at)
    )

    assert len(before) == 1
    assert before != after


@pytest.mark.accept
@pytest.mark.parametrize("instant", INSTANTS)
def test_the_year_as_of_an_instant_is_what_was_built_until_then(corrected, tmp_path, instant):
    then = corrected_2014(tmp_path / "then")
    then.backfill(*YEAR, "--until", instant)

    built, shown = _asked(then, instant), _asked(corrected, instant)
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
