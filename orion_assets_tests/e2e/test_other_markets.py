"""Markets beside equities, from the fake vendor's sockets to `orion bars`; every calendar is written out by hand."""

import json
from datetime import UTC, date, datetime

import polars as pl
import pytest

from orion_assets.sources.synthetic.vendor.server import fake_vendor
from orion_assets.sources.synthetic.vendor.terms import ManualClock
from orion_assets.store.opening import open_store
from orion_assets_tests.accept_runs import on_vendor, undisturbed

COIN, PAIR, INDEX, OPTION, OTC = "X:SYNUSD", "C:SYNUSD", "I:SYN", "O:SAAA240315P00040000", "SOTCF"
# Clocks change on Sunday 10 March, the option expires on Friday 15 March, the exchange is shut on Good Friday, 29 March
SPRING = ("2024-03-07", "2024-04-02")
# Clocks change back on Sunday 3 November
AUTUMN = ("2024-10-31", "2024-11-06")
LATER = ManualClock(datetime(2025, 1, 3, tzinfo=UTC))


@pytest.fixture(scope="module")
def vendor():
    with undisturbed(), fake_vendor(clock=LATER) as running:
        yield running


def orion_of(vendor, folder, tickers: str, start: str = SPRING[0], **more: str):
    return on_vendor(
        folder,
        vendor,
        tickers.split(","),
        start,
        ORION_DATASETS="daily,minute,vix,news,actions",
        **more,
    )


@pytest.fixture(scope="module")
def made(vendor, tmp_path_factory):
    """One deployment that follows a ticker of each market and no equity, filled over the spring."""
    orion = orion_of(vendor, tmp_path_factory.mktemp("markets") / "own", f"{COIN},{PAIR},{INDEX},{OPTION}")
    told = json.loads(orion.done("backfill", "--from", SPRING[0], "--to", SPRING[1], "--json"))
    return orion, {each["market"]: each for each in told["markets"]}


def bars(orion, ticker: str, *more: str) -> list[dict]:
    return json.loads(orion.done("bars", ticker, *more, "--json"))


def utc(month: int, day: int, hour: int, minute: int = 0, year: int = 2024) -> str:
    return f"{year}-{month:02d}-{day:02d}T{hour:02d}:{minute:02d}:00Z"


def march(*days: int) -> list[str]:
    return [f"2024-03-{day:02d}" for day in days]


def test_crypto_trades_every_day_of_utc_and_all_day(made):
    orion, told = made

    rows = bars(orion, COIN)
    minutes = bars(orion, COIN, "--timeframe", "1m", "--from", "2024-03-10", "--to", "2024-03-11")

    assert [row["session"] for row in rows] == [*march(*range(7, 32)), "2024-04-01"]
    assert [row["ts_event"] for row in rows if row["session"] in march(9, 10, 31)] == [
        utc(3, 10, 0), utc(3, 11, 0), utc(4, 1, 0),
    ]  # fmt: skip
    # Not 1,380: the clocks of New York do not matter
    assert len(minutes) == 1_440
    assert (minutes[0]["ts_open"], minutes[-1]["ts_event"]) == (utc(3, 10, 0), utc(3, 11, 0))
    assert {row["phase"] for row in minutes} == {"regular"}
    assert minutes[0]["open"] == rows[3]["open"]
    assert minutes[-1]["close"] == rows[3]["close"]
    assert all(row["volume"] > 0 for row in rows)
    assert told["crypto"]["findings"] == []


def test_a_day_of_currencies_rolls_at_five_in_new_york_before_and_after_the_clocks_change(made):
    orion, told = made

    rows = bars(orion, PAIR)
    minutes = bars(orion, PAIR, "--timeframe", "1m", "--from", "2024-03-08", "--to", "2024-03-12")

    # No weekend; Good Friday is a day like any other
    weekdays = [7, 8, 11, 12, 13, 14, 15, 18, 19, 20, 21, 22, 25, 26, 27, 28, 29]
    assert [row["session"] for row in rows] == [*march(*weekdays), "2024-04-01"]
    assert {row["session"]: row["ts_event"] for row in rows if row["session"] in march(8, 11)} == {
        "2024-03-08": utc(3, 8, 22),
        "2024-03-11": utc(3, 11, 21),
    }
    friday = [row for row in minutes if row["session"] == "2024-03-08"]
    monday = [row for row in minutes if row["session"] == "2024-03-11"]
    assert (friday[0]["ts_open"], friday[-1]["ts_event"], len(friday)) == (utc(3, 7, 22), utc(3, 8, 22), 1_440)
    # Sunday evening is Monday's
    assert (monday[0]["ts_open"], monday[-1]["ts_event"], len(monday)) == (utc(3, 10, 21), utc(3, 11, 21), 1_440)
    assert len(minutes) == 2 * 1_440
    # The day's bar is made of those very minutes
    for day, of_day in zip(rows[1:3], (friday, monday), strict=True):
        assert day["open"] == of_day[0]["open"]
        assert day["close"] == of_day[-1]["close"]
        assert day["high"] == max(row["high"] for row in of_day)
        assert day["low"] == min(row["low"] for row in of_day)
        assert day["volume"] == pytest.approx(sum(row["volume"] for row in of_day))
    assert told["fx"]["findings"] == []


def test_the_roll_moves_back_in_autumn(vendor, tmp_path):
    orion = orion_of(vendor, tmp_path / "own", PAIR, AUTUMN[0])

    orion.done("backfill", "--from", AUTUMN[0], "--to", AUTUMN[1])

    rows = bars(orion, PAIR)
    assert [(row["session"], row["ts_event"]) for row in rows] == [
        ("2024-10-31", utc(10, 31, 21)),
        ("2024-11-01", utc(11, 1, 21)),
        ("2024-11-04", utc(11, 4, 22)),
        ("2024-11-05", utc(11, 5, 22)),
    ]
    (sunday, *_) = bars(orion, PAIR, "--timeframe", "1m", "--from", "2024-11-04", "--to", "2024-11-05")
    assert sunday["ts_open"] == utc(11, 3, 22)


def test_an_index_has_the_sessions_of_the_exchange_and_no_volume(made):
    orion, told = made

    rows = bars(orion, INDEX)
    minutes = bars(orion, INDEX, "--timeframe", "1m", "--from", "2024-03-11", "--to", "2024-03-12")

    sessions = [7, 8, 11, 12, 13, 14, 15, 18, 19, 20, 21, 22, 25, 26, 27, 28]
    assert [row["session"] for row in rows] == [*march(*sessions), "2024-04-01"]
    # A quarter of an hour after the exchange, as the VIX
    assert [row["ts_event"] for row in rows[1:3]] == [utc(3, 8, 21, 15), utc(3, 11, 20, 15)]
    assert {(row["volume"], row["vwap"], row["trade_count"]) for row in rows + minutes} == {(None, None, None)}
    assert (minutes[0]["ts_open"], len(minutes)) == (utc(3, 11, 13, 30), 390)
    assert told["indices"]["findings"] == []


def test_an_option_has_no_cell_after_its_contract_expired(made, vendor):
    orion, told = made

    rows = bars(orion, OPTION)

    assert [row["session"] for row in rows] == march(7, 8, 11, 12, 13, 14, 15)
    assert {row["ticker"] for row in rows} == {OPTION}
    (cells,) = [
        each
        for each in json.loads(orion.done("status", "--json"))["cells"]
        if each["dataset"] == "raw_daily_bars_options"
    ]
    assert (cells["first"], cells["last"], cells["data"]) == ("2024-03-07", "2024-03-15", 7)
    assert sum(cells[state] for state in ("empty_confirmed", "not_yet", "not_entitled", "failed")) == 0
    asked = [entry.path for entry in vendor.journal if "/O:SAAA240315" in entry.path and "/1/day/" in entry.path]
    assert [path.partition("?")[0].rpartition("/day/")[2] for path in asked] == ["2024-03-07/2024-03-15"]
    assert told["options"]["findings"] == []


def test_what_was_filled_is_not_asked_for_again(made, vendor):
    orion, _ = made
    before = len(vendor.journal)

    again = json.loads(orion.done("backfill", "--from", SPRING[0], "--to", SPRING[1], "--json"))

    assert len(vendor.journal) == before
    assert [each["rows"][f"raw_daily_bars_{each['market']}"] for each in again["markets"]] == [0] * 4


def test_a_plan_counts_the_calls_of_each_market_before_they_are_made(vendor, tmp_path):
    orion = orion_of(vendor, tmp_path / "own", f"{COIN},{PAIR},{INDEX},{OPTION}")
    before = len(vendor.journal)

    told = json.loads(orion.done("plan", "--from", SPRING[0], "--to", SPRING[1], "--json"))

    assert len(vendor.journal) == before
    assert {name: each["calls_by_route"] for name, each in told["markets"].items()} == {
        "crypto": {"minute_window": 1, "ticker_range": 1},
        "fx": {"hour_window": 1, "minute_window": 1},
        "indices": {"minute_window": 1, "ticker_range": 1},
        "options": {"minute_window": 1, "ticker_range": 1},
    }
    assert told["markets"]["crypto"]["cells"] == 2 * 26
    assert told["markets"]["options"]["cells"] == 2 * 7


def test_a_share_over_the_counter_stands_with_equities_and_comes_with_the_whole_market(vendor, tmp_path):
    orion = orion_of(vendor, tmp_path / "own", f"AURA,BOLT,DUNE,{OTC}", ORION_MARKETS="otc")
    before = len(vendor.journal)

    orion.done("backfill", "--from", "2024-03-27", "--to", "2024-04-02")

    rows = bars(orion, OTC)
    # Good Friday and the weekend are none of its sessions
    assert [row["session"] for row in rows] == ["2024-03-27", "2024-03-28", "2024-04-01"]
    within = pl.col("session").is_between(date(2024, 3, 27), date(2024, 4, 1))
    truth = vendor.truth.other_bars.filter(within, ticker=OTC)
    assert [row["close"] for row in rows] == truth["close"].to_list()
    grouped = [entry.path for entry in list(vendor.journal)[before:] if "/grouped/" in entry.path]
    assert grouped
    assert all("include_otc=true" in path for path in grouped)


def test_a_ticker_of_a_market_that_is_not_loaded_is_refused_with_what_to_set(vendor, tmp_path):
    orion = orion_of(vendor, tmp_path / "own", "AURA")

    said = orion.orion("tickers", "add", COIN)

    assert said.code == 2
    assert said.complaints == [
        f"orion: ticker {COIN} is of the market crypto, which is not loaded: set ORION_MARKETS=crypto"
    ]


def test_bars_of_two_markets_are_not_mixed_and_none_are_adjusted(made):
    orion, _ = made

    mixed = orion.orion("bars", COIN, PAIR)
    adjusted = orion.orion("bars", COIN, "--adjusted", "split")
    unknown = orion.orion("bars", "X:NEVER")

    assert [each.code for each in (mixed, adjusted, unknown)] == [2, 2, 2]
    assert "X:SYNUSD (crypto)" in mixed.err
    assert "C:SYNUSD (fx)" in mixed.err
    assert "as traded only" in adjusted.err
    assert "orion tickers add X:NEVER" in unknown.err


def test_update_fills_what_has_closed_since_weekends_too(vendor, tmp_path):
    orion = orion_of(vendor, tmp_path / "own", f"{COIN},{PAIR}", "2024-03-08")
    orion.done("backfill", "--until", "2024-03-10T12:00Z")
    before = {ticker: [row["session"] for row in bars(orion, ticker)] for ticker in (COIN, PAIR)}

    told = json.loads(orion.done("update", "--until", "2024-03-12T12:00Z", "--json"))
    after = {ticker: [row["session"] for row in bars(orion, ticker)] for ticker in (COIN, PAIR)}
    again = orion.done("update", "--until", "2024-03-12T12:00Z")

    # On Sunday noon the sessions of Friday and, of crypto, of Saturday have closed
    assert before == {COIN: march(8, 9), PAIR: march(8)}
    assert after == {COIN: march(8, 9, 10, 11), PAIR: march(8, 11)}
    assert [(each["market"], each["range"]) for each in told["markets"]] == [
        ("crypto", ["2024-03-10", "2024-03-12"]),
        ("fx", ["2024-03-11", "2024-03-12"]),
    ]
    assert again == "nothing to fill: every session that has closed is answered\n"


def test_equities_and_another_market_stand_beside_one_another(vendor, tmp_path):
    orion = orion_of(vendor, tmp_path / "own", f"AURA,{COIN}", "2024-03-08")

    told = json.loads(orion.done("backfill", "--from", "2024-03-08", "--to", "2024-03-12", "--json"))

    assert told["sessions"] == 2
    assert [(each["market"], each["sessions"]) for each in told["markets"]] == [("crypto", 4)]
    assert {row["ticker"] for row in json.loads(orion.features())} == {"AURA"}
    with open_store(str(orion.folder / "store.duckdb"), lambda: orion.lake) as store:
        assert store.bars("AURA")["session"].to_list() == [date(2024, 3, 8), date(2024, 3, 11)]
        coins = store.bars(COIN, as_of="2024-03-10T12:00:00Z")
        assert coins["session"].to_list() == [date(2024, 3, 8), date(2024, 3, 9)]
        assert coins["ts_known"].to_list() == [datetime(2024, 3, day, 0, 15, tzinfo=UTC) for day in (9, 10)]
    assert orion.done("update", "--until", "2024-03-12T02:00Z").startswith("up to date")
    listed = json.loads(orion.done("tickers", "list", "--json"))
    assert listed == [{"market": "equities", "ticker": "AURA"}, {"market": "crypto", "ticker": COIN}]
