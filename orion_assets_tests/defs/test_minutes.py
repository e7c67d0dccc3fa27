"""Minutes through the graph and the command line, on a market of files that has some."""

import json
from datetime import date

import polars as pl
import pytest

from orion_assets.schemas import CLEAN_DAILY_BARS, CLEAN_MINUTE_BARS, QUARANTINE, RAW_MINUTE_BARS
from orion_assets.store.opening import open_store
from orion_assets_tests import own_market
from orion_assets_tests.own_market import MAPPING, OwnMarket
from orion_assets_tests.unit.transforms.rows import told

HALF_DAY, BAD = date(2014, 7, 3), date(2014, 7, 2)
CLOCKS = ("04:00", "09:29", "09:30", "12:59", "13:00", "15:59", "16:00", "19:59")
BLOCK = """
[[minute_bars]]
files = ["minutes.csv"]
price_basis = "as_traded"
columns = { ticker = "ticker", stamp = "at", open = "o", high = "h", low = "l", close = "c", volume = "v" }
date_format = "%Y-%m-%d %H:%M"
zone = "America/New_York"
bar_label = "start"
complete_through = 2014-07-21
"""
ONE_MINUTE = ("--timeframe", "1m", "--from", "2014-07-03", "--to", "2014-07-04")


def row(day: date, clock: str, close: float = 10.0, ticker: str = "ACME") -> str:
    return f"{ticker},{day} {clock},10,12,9,{close},100"


ROWS = [
    *(row(day, clock) for day in (date(2014, 7, 1), BAD, HALF_DAY) for clock in CLOCKS),
    row(date(2014, 7, 4), "10:00"),
    row(date(2014, 7, 7), "03:59"),
    row(date(2014, 7, 7), "09:30"),
    row(BAD, "09:30", -1, "BOLT"),
]


def with_minutes(folder) -> OwnMarket:
    market = own_market.write(folder)
    (folder / "mapping.toml").write_text(MAPPING + BLOCK)
    tell(market, ROWS)
    return market


def tell(market: OwnMarket, rows: list[str]) -> None:
    (market.folder / "minutes.csv").write_text("\n".join(["ticker,at,o,h,l,c,v", *rows]) + "\n")


@pytest.fixture(scope="module")
def minutes(tmp_path_factory):
    market = with_minutes(tmp_path_factory.mktemp("minutes"))
    said = market.orion("backfill", "--to", own_market.END, "--json")
    assert said.code == 0, said.err
    return market, json.loads(said.out)


def bars(market: OwnMarket, *arguments: str) -> list[dict]:
    said = market.orion("bars", *arguments, "--json")
    assert (said.code, said.err) == (0, "")
    return json.loads(said.out)


def test_a_backfill_lands_and_cleans_minutes(minutes):
    market, told_by = minutes
    clean = market.read(CLEAN_MINUTE_BARS)

    assert told_by["rows"]["raw_minute_bars"] == market.read(RAW_MINUTE_BARS).height == len(ROWS)
    assert told_by["rows"]["clean_minute_bars"] == clean.height == 3 * len(CLOCKS) + 1
    held = market.read(QUARANTINE).filter(pl.col("origin") == "raw_minute_bars")
    assert told(held.sort("session"), "session", "ticker", "rule") == [
        (BAD, "BOLT", "readable"),
        (date(2014, 7, 4), "ACME", "on_the_calendar"),
        (date(2014, 7, 7), "ACME", "within_hours"),
    ]


def test_the_half_day_is_regular_until_one_oclock(minutes):
    rows = bars(minutes[0], "ACME", *ONE_MINUTE)

    assert [row["phase"] for row in rows] == ["pre", "pre", "regular", "regular", "post", "post", "post", "post"]
    assert (rows[2]["ts_open"], rows[2]["ts_event"]) == ("2014-07-03T13:30:00Z", "2014-07-03T13:31:00Z")
    assert not {"known_until", "is_deleted"} & set(rows[0])


def test_the_checks_of_minutes_find_what_was_held_back(minutes):
    found = {(each["asset"], each["check"]): each["rows"] for each in minutes[1]["findings"]}

    assert found["clean_minute_bars", "quarantine"] == 3


def test_status_counts_minutes_by_ticker_and_session(minutes):
    said = json.loads(minutes[0].orion("status", "--json").out)
    (cells,) = [row for row in said["cells"] if row["dataset"] == "raw_minute_bars"]

    assert (cells["tickers"], cells["data"], cells["quarantined"], cells["empty_confirmed"]) == (2, 4, 1, 45)
    assert [row["ticker"] for row in said["attention"] if row["dataset"] == "raw_minute_bars"] == ["BOLT"]


def test_minutes_are_in_the_report_and_not_in_the_store(minutes):
    market, _ = minutes
    report = json.loads(market.orion("quality", "report", "--json").out)
    checks = {(each["asset"], each["check"]): each["rows"] for each in report["checks"]}

    assert checks["clean_minute_bars", "quarantine"] == 3
    assert checks["raw_minute_bars", "complete"] == 0
    with open_store(market.settings().store_url) as store, pytest.raises(ValueError, match="the rest is in the lake"):
        store.table("clean_minute_bars")


def test_a_store_without_its_lake_says_where_minutes_lie(minutes):
    with open_store(minutes[0].settings().store_url) as store:
        with pytest.raises(ValueError, match="opened without one; name its lake too"):
            store.bars("ACME", timeframe="1m")
        assert store.bars("ACME").height > 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("ACME", "--timeframe", "1m", "--adjusted", "split"), "minutes are given as traded only"),
        (("ACNE", "--timeframe", "1m"), "ticker ACNE is not in the store; near: ACME"),
        (("ACME", "--timeframe", "5m"), "'5m'"),
    ],
)
def test_a_call_that_cannot_be_answered_is_refused(minutes, arguments, said):
    refused = minutes[0].orion("bars", *arguments)

    assert refused.code == 2
    assert said in refused.err


def test_an_open_reader_stays_with_the_minutes_it_first_found(minutes):
    market, _ = minutes
    with open_store(market.settings().store_url, lambda: market.lake) as store:
        first = store.bars("ACME", timeframe="1m")
        clean = market.read(CLEAN_MINUTE_BARS)
        market.lake.replace(CLEAN_MINUTE_BARS, clean.clear(), start=own_market.START, end=own_market.END)
        again = store.bars("ACME", timeframe="1m")
        store.refresh()
        after = store.bars("ACME", timeframe="1m")
        market.lake.replace(CLEAN_MINUTE_BARS, clean, start=own_market.START, end=own_market.END)

    assert first.height == again.height == 25
    assert after.height == 0


def test_a_correction_is_found_by_update_and_was_not_known_before(tmp_path):
    market = with_minutes(tmp_path)
    assert market.orion("backfill", "--to", own_market.END).code == 0
    tell(market, [row(HALF_DAY, "12:59", 11.5) if each == row(HALF_DAY, "12:59") else each for each in ROWS])

    said = market.orion("update", "--json")

    assert said.code == 0, said.err
    assert json.loads(said.out)["rows"]["raw_minute_bars"] == 1
    now, then = (bars(market, "ACME", *ONE_MINUTE, *more) for more in ((), ("--as-of", "2014-07-10")))
    assert (now[3]["close"], then[3]["close"]) == (11.5, 10.0)
    assert [each["close"] for each in now if each != now[3]] == [10.0] * 7
    assert bars(market, "ACME", *ONE_MINUTE, "--as-of", "2036-01-01") == now


def test_minutes_are_known_a_quarter_of_an_hour_after_they_end(minutes):
    seen = [len(bars(minutes[0], "ACME", *ONE_MINUTE, "--as-of", at)) for at in
            ("2014-07-03T13:45:59Z", "2014-07-03T13:46:00Z", "2014-07-04")]  # fmt: skip

    assert seen == [2, 3, 8]


def test_cleaning_again_writes_nothing_and_pieces_make_no_difference(minutes):
    market, _ = minutes
    before, rows = market.lake.version(CLEAN_MINUTE_BARS), market.read(CLEAN_MINUTE_BARS)

    assert market.materialize(assets=["clean_minute_bars"]).success
    for day in (date(2014, 7, 1), HALF_DAY):
        assert market.materialize(day, day, assets=["clean_minute_bars"]).success

    assert market.lake.version(CLEAN_MINUTE_BARS) == before
    assert market.read(CLEAN_MINUTE_BARS).equals(rows)


def test_a_source_without_minutes_is_not_asked_and_nothing_is_written(filled):
    made = {
        name: filled.daily.asset_materializations_for_node(name)[-1].metadata["dagster/row_count"].value
        for name in ("raw_minute_bars", "clean_minute_bars")
    }

    assert made == {"raw_minute_bars": 0, "clean_minute_bars": 0}
    assert not any(filled.market.lake.exists(table) for table in (RAW_MINUTE_BARS, CLEAN_MINUTE_BARS))
    assert filled.market.read(CLEAN_DAILY_BARS).height > 0
    cells = json.loads(filled.market.orion("status", "--json").out)["cells"]
    assert "raw_minute_bars" not in {row["dataset"] for row in cells}
