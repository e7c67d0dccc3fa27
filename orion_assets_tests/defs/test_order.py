"""In whatever order sessions are landed and derived, the store holds in the end what one run would have made."""

import json
from datetime import date, timedelta

import pytest

from orion_assets.cli.launch import RAW
from orion_assets.ingest.freshness import awaiting, stale_span
from orion_assets.store.state import State
from orion_assets_tests import own_market
from orion_assets_tests.own_market import LAST, START

HALF, BEFORE_LAST = date(2014, 7, 2), date(2014, 7, 18)
ONE = timedelta(days=1)


@pytest.fixture(scope="module")
def expected(tmp_path_factory) -> dict[str, str]:
    """Hashes of the store that one backfill makes."""
    market = own_market.write(tmp_path_factory.mktemp("whole"))
    assert market.orion("backfill", "--from", START, "--to", LAST + ONE).code == 0
    return hashes(market)


def hashes(market) -> dict[str, str]:
    return json.loads(market.orion("store", "hash", "--json").out)["tables"]


def state_of(market) -> State:
    return State(market.settings().state_url)


def land(market, first: date, last: date, assets=RAW) -> None:
    """What a run leaves that dies after raw was landed."""
    assert market.materialize(first, last, assets=list(assets)).success


def test_a_session_derived_before_the_one_before_it_heals(market, expected):
    assert market.orion("backfill", "--from", START, "--to", BEFORE_LAST).code == 0
    land(market, BEFORE_LAST, BEFORE_LAST)

    first, second = market.orion("update"), market.orion("update")

    assert (first.code, second.code) == (0, 0)
    assert hashes(market) == expected
    assert "up to date" in second.out


def test_a_range_derived_before_the_range_before_it_heals(market, expected):
    assert market.materialize(job="reference").success
    land(market, START, HALF)

    assert market.orion("backfill", "--from", HALF + ONE, "--to", LAST + ONE).code == 0
    update = market.orion("update")

    assert update.code == 0
    assert hashes(market) == expected


def test_a_session_derived_over_a_correction_that_nobody_derived_heals(market):
    assert market.materialize(job="reference").success
    assert market.materialize(START, BEFORE_LAST).success
    correct(market, "ACME,2014-07-15")
    land(market, date(2014, 7, 15), date(2014, 7, 15), assets=["raw_daily_bars"])

    assert market.materialize(LAST, LAST).success
    meanwhile = awaiting(state_of(market))["session"].to_list()
    status = market.orion("status").out
    assert market.orion("update").code == 0
    healed = hashes(market)

    assert (meanwhile[0], meanwhile[-1]) == (date(2014, 7, 15), LAST)
    assert f"feature_store: 5 cells due and not answered, 2014-07-15 to {LAST}" in " ".join(status.split())
    assert market.orion("store", "rebuild").code == 0
    assert hashes(market) == healed
    assert stale_span(state_of(market)) is None


def correct(market, bar: str) -> None:
    """Set the close of a bar to its open."""
    path = market.folder / "bars.csv"
    rows = [row.split(",") for row in path.read_text().splitlines()]
    told = [[*row[:5], row[2], *row[6:]] if ",".join(row[:2]) == bar else row for row in rows]
    path.write_text("\n".join(map(",".join, told)) + "\n")
