"""`orion fetch` of crypto, currencies, indices, options and shares over the counter; every label is written by hand."""

import json
from datetime import UTC, date, datetime

import polars as pl
import pytest

from orion_assets.sources.synthetic.vendor.server import fake_vendor
from orion_assets.sources.synthetic.vendor.terms import ManualClock
from orion_assets_tests.accept_runs import undisturbed
from orion_assets_tests.cli.test_fetch import asking

COIN, PAIR, INDEX, OPTION, OTC = "X:SYNUSD", "C:SYNUSD", "I:SYN", "O:SAAA240315P00040000", "SOTCF"


@pytest.fixture(scope="module")
def vendor():
    with undisturbed(), fake_vendor(clock=ManualClock(datetime(2025, 1, 3, tzinfo=UTC))) as running:
        yield running


@pytest.fixture
def fetch(vendor, tmp_path):
    made = asking(vendor, tmp_path)

    def run(*tickers: str, timeframe: str, start: str, end: str, refused: int = 0) -> list[dict] | str:
        asked = ("--timeframe", timeframe, "--from", start, "--to", end, "--format", "json")
        said = made.orion("fetch", *tickers, *asked)
        assert said.code == refused, said.err
        return said.err if refused else json.loads(said.out)

    run.folder = made.folder
    return run


def at(month: int, day: int, hour: int, minute: int = 0) -> str:
    return f"2024-{month:02d}-{day:02d}T{hour:02d}:{minute:02d}:00Z"


def march(*days: int) -> list[str]:
    return [f"2024-03-{day:02d}" for day in days]


def closes(vendor, ticker: str, *sessions: str) -> list[float]:
    days = [date.fromisoformat(day) for day in sessions]
    return vendor.truth.other_bars.filter(pl.col("session").is_in(days), ticker=ticker)["close"].to_list()


def test_days_of_crypto_are_those_of_utc_weekends_too(vendor, fetch):
    before = len(vendor.journal)

    rows = fetch(COIN, timeframe="1d", start="2024-03-08", end="2024-03-12")

    assert [row["session"] for row in rows] == march(8, 9, 10, 11)
    assert [row["ts_event"] for row in rows] == [at(3, day, 0) for day in (9, 10, 11, 12)]
    assert [row["close"] for row in rows] == closes(vendor, COIN, *march(8, 9, 10, 11))
    assert len(vendor.journal) == before + 1
    left = sorted(path.name for path in fetch.folder.iterdir() if not path.name.startswith("state.db"))
    assert left == ["mapping.toml", "settings.env"]


def test_hours_of_crypto_are_counted_from_midnight_of_utc_whatever_new_yorks_clocks_do(fetch):
    rows = fetch(COIN, timeframe="4h", start="2024-03-10", end="2024-03-11")

    assert [row["ts_open"] for row in rows] == [at(3, 10, hour) for hour in (0, 4, 8, 12, 16, 20)]
    assert [rows[-1]["ts_event"], rows[0]["session"]] == [at(3, 11, 0), "2024-03-10"]
    assert all(row["volume"] > 0 for row in rows)


def test_weeks_of_crypto_have_seven_days(vendor, fetch):
    (row,) = fetch(COIN, timeframe="1w", start="2024-03-06", end="2024-03-08")

    assert (row["session"], row["ts_event"]) == ("2024-03-10", at(3, 11, 0))
    week = vendor.truth.other_bars.filter(
        pl.col("session").is_between(date(2024, 3, 4), date(2024, 3, 10)), ticker=COIN
    )
    assert (row["open"], row["high"]) == (week["open"][0], week["high"].max())


def test_a_session_of_currencies_rolls_at_five_in_new_york(fetch):
    days = fetch(PAIR, timeframe="1d", start="2024-03-08", end="2024-03-12")
    hours = fetch(PAIR, timeframe="4h", start="2024-03-08", end="2024-03-12")

    # Clocks change on Sunday 10 March
    assert [(row["session"], row["ts_event"]) for row in days] == [
        ("2024-03-08", at(3, 8, 22)),
        ("2024-03-11", at(3, 11, 21)),
    ]
    assert [row["ts_open"] for row in hours] == [
        *(at(3, 7, 22), at(3, 8, 2), at(3, 8, 6), at(3, 8, 10), at(3, 8, 14), at(3, 8, 18)),
        *(at(3, 10, 21), at(3, 11, 1), at(3, 11, 5), at(3, 11, 9), at(3, 11, 13), at(3, 11, 17)),
    ]
    assert {row["session"] for row in hours[6:]} == {"2024-03-11"}
    assert hours[-1]["close"] == days[-1]["close"]


def test_an_index_has_the_exchanges_sessions_and_no_volume(vendor, fetch):
    days = fetch(INDEX, "I:VIX", timeframe="1d", start="2024-03-28", end="2024-04-02")
    hours = fetch(INDEX, timeframe="1h", start="2024-03-11", end="2024-03-12")

    # Good Friday is none
    of_index = [row for row in days if row["ticker"] == INDEX]
    assert [row["session"] for row in of_index] == ["2024-03-28", "2024-04-01"]
    assert [row["ts_event"] for row in of_index] == [at(3, 28, 20, 15), at(4, 1, 20, 15)]
    assert [row["close"] for row in of_index] == closes(vendor, INDEX, "2024-03-28", "2024-04-01")
    assert {(row["volume"], row["vwap"], row["trade_count"]) for row in days + hours} == {(None, None, None)}
    # Its last value comes a quarter of an hour after the exchange's close
    assert [row["ts_open"] for row in hours] == [at(3, 11, hour, 30) for hour in (13, 14, 15, 16, 17, 18, 19)]
    assert hours[-1]["ts_event"] == at(3, 11, 20, 15)


def test_an_option_ends_with_its_contract(fetch):
    rows = fetch(OPTION, timeframe="1d", start="2024-03-13", end="2024-04-02")
    said = fetch(OPTION, timeframe="1d", start="2024-03-18", end="2024-04-02", refused=2)

    assert [row["session"] for row in rows] == march(13, 14, 15)
    assert f"{OPTION} expired on 2024-03-15, before 2024-03-18; name an earlier --from" in said


def test_a_share_over_the_counter_needs_no_setting(vendor, fetch):
    rows = fetch(OTC, timeframe="1d", start="2024-03-27", end="2024-04-02")
    minutes = fetch(OTC, timeframe="1m", start="2024-03-27", end="2024-03-28")

    assert [row["session"] for row in rows] == ["2024-03-27", "2024-03-28", "2024-04-01"]
    assert [row["close"] for row in rows] == closes(vendor, OTC, "2024-03-27", "2024-03-28", "2024-04-01")
    assert {row["session"] for row in minutes} == {"2024-03-27"}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((COIN, PAIR), "X:SYNUSD (crypto)"),
        ((COIN, "SAAA"), "are of several markets"),
        ((COIN, "--adjusted", "split"), "as traded only"),
        (("X:btc",), "write it like X:BTCUSD"),
        ((COIN, "--source", "synthetic"), "synthetic: it has no crypto; another one: --source polygon"),
    ],
)
def test_what_cannot_be_told_is_refused_before_a_call(vendor, tmp_path, arguments, says):
    before = len(vendor.journal)

    said = asking(vendor, tmp_path).orion("fetch", *arguments)

    assert (said.code, said.out) == (2, "")
    assert says in said.err
    assert len(vendor.journal) == before


def test_more_calls_than_allowed_are_not_made(vendor, tmp_path):
    before = len(vendor.journal)

    # An answer holds 34 sessions of currencies
    said = asking(vendor, tmp_path).orion(
        "fetch", PAIR, "--from", "2023-01-02", "--to", "2024-01-01", "--max-calls", "7"
    )

    assert said.code == 3
    assert "it takes 8 calls, and --max-calls is 7; nothing was asked" in said.err
    assert len(vendor.journal) == before
