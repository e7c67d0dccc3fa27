"""`orion quality crosscheck`: bars that are held against those of a second source, over its own wire and budget."""

import json
import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from urllib.parse import parse_qsl, urlsplit

import polars as pl
import pytest

from orion_assets.calendars import NEW_YORK
from orion_assets.cli import crosscheck
from orion_assets.cli.context import Call
from orion_assets.errors import SourceUnavailable
from orion_assets.quality.crosscheck import Allowed
from orion_assets.settings import load
from orion_assets.sources.responses import Response
from orion_assets.sources.yahoo.source import YahooSource
from orion_assets.store.state import LEDGER_SCHEMA, State
from orion_assets_tests.own_market import BAD_ROW, END, FOLLOWED, SPLIT, START, OwnMarket
from orion_assets_tests.scripted_server import answer, scripted

DAY = timedelta(days=1)
KEYS = {"ALPACA_API_KEY": "PK1", "ALPACA_SECRET_KEY": "sk-not-to-be-seen", "ORION_CALLS_PER_MINUTE": "5"}
PRICES = ("open", "high", "low", "close")


@pytest.fixture(scope="module")
def held(filled, tmp_path_factory):
    """A copy of the filled market: what is found is remembered in its state."""
    folder = tmp_path_factory.mktemp("crosscheck") / "own"
    shutil.copytree(filled.folder, folder)
    return OwnMarket(folder)


@pytest.fixture(scope="module")
def truth(filled) -> pl.DataFrame:
    """What the market's files hold of those who are followed, but for the row that nobody can believe."""
    rows = pl.read_csv(filled.folder / "bars.csv", try_parse_dates=True).rename({"date": "session"})
    is_bad = (pl.col("ticker") == "BOLT") & (pl.col("session") == BAD_ROW)
    return rows.filter(pl.col("ticker").is_in(FOLLOWED), ~is_bad).with_columns(pl.col("volume").cast(pl.Float64))


@contextmanager
def alpaca(rows):
    """Run an Alpaca that holds these bars; gives its server and the settings of somebody who asks it."""
    with scripted() as server:

        def reply(connection):
            parts = urlsplit(server.heads[-1].split(" ")[1])
            query = dict(parse_qsl(parts.query))
            bars = {}
            for row in rows.filter(pl.col("ticker").is_in(query["symbols"].split(","))).to_dicts():
                at = datetime.combine(row["session"], time(), NEW_YORK).isoformat()
                bars.setdefault(row["ticker"], []).append(
                    {"t": at, **{name[0]: row[name] for name in (*PRICES, "volume")}}
                )
            answer(json.dumps({"bars": bars, "next_page_token": None}).encode())(connection)

        server.say(reply)
        yield server, {**KEYS, "ORION_ALPACA_BASE_URL": server.url}


def checked(market, rows, *arguments, **more):
    with alpaca(rows) as (server, settings):
        said = market.orion("quality", "crosscheck", "--source", "alpaca", *arguments, **settings, **more)
    return said, server


def test_bars_that_are_the_same_exit_0_and_say_how_many_were_compared(held, truth):
    said, server = checked(held, truth)

    assert (said.code, server.requests) == (0, 1), said.err
    assert f"no difference: {truth.height} bars of 2 tickers" in said.out
    assert "open, high, low, close, volume as traded, held and at alpaca" in said.out
    # Its plan comes first, and its budget is its own: five a minute is Polygon's word
    assert "1 calls for " in said.err
    assert "alpaca: " in said.err
    assert "at 200 calls in 1 min" in said.err
    assert "sk-not-to-be-seen" not in said.out + said.err


def test_what_differs_exits_1_and_is_named_in_json_and_in_the_report(held, truth, tmp_path):
    days = truth["session"].unique().sort().to_list()
    is_it = (pl.col("ticker") == "ACME") & (pl.col("session") == days[3])
    bent = truth.with_columns(close=pl.when(is_it).then(pl.col("close") + 0.01).otherwise("close"))

    said, _ = checked(held, bent, "--json")
    told = json.loads(said.out)
    report = json.loads(held.orion("quality", "report", "--json").out)
    again, _ = checked(held, truth, "BOLT")
    kept = json.loads(held.orion("quality", "report", "--json").out)
    mended, _ = checked(held, truth)
    sound = json.loads(held.orion("quality", "report", "--json").out)

    assert said.code == 1
    (one,) = told["differences"]
    assert (one["ticker"], one["session"], one["column"]) == ("ACME", str(days[3]), "close")
    assert one["other_value"] == pytest.approx(one["own_value"] + 0.01)
    assert (told["source"], told["adjusted"], told["bars"], told["calls"]) == ("alpaca", "none", truth.height, 1)
    # Whoever was not asked about again is still accused; who was, and agrees, is not
    assert accused(report) == accused(kept) == 1
    assert (again.code, mended.code, accused(sound)) == (0, 0, 0)


def test_a_bar_that_the_source_tells_wrongly_clears_nothing_that_was_said_of_it(held, truth):
    days = truth["session"].unique().sort().to_list()
    is_it = (pl.col("ticker") == "ACME") & (pl.col("session") == days[3])
    bent = truth.with_columns(close=pl.when(is_it).then(pl.col("close") + 0.01).otherwise("close"))
    unreadable = truth.with_columns(close=pl.when(is_it).then(pl.lit(1e15)).otherwise("close"))

    checked(held, bent)
    said, _ = checked(held, unreadable, "--json")
    report = json.loads(held.orion("quality", "report", "--json").out)
    checked(held, truth)

    told = json.loads(said.out)
    assert (said.code, told["differences"], told["bars"]) == (0, [], truth.height - 1)
    assert [(row["ticker"], row["session"]) for row in told["unreadable"]] == [("ACME", str(days[3]))]
    assert accused(report) == 1


def test_the_report_says_what_it_was_held_against(held, truth):
    first = truth["session"].min()

    checked(held, truth.filter(pl.col("session") == first), "BOLT", "--from", str(first), "--to", str(first + DAY))
    report = json.loads(held.orion("quality", "report", "--from", first, "--to", str(first + DAY), "--json").out)

    (check,) = [each for each in report["checks"] if each["check"] == "crosscheck"]
    assert f", alpaca, {first} to {first}" in check["description"]


@pytest.mark.parametrize(
    ("named", "by_settings"),
    [("synthetic", {}), ("alpaca", {"ORION_SOURCE": "synthetic", "ORION_FILES_MAPPING": "", "ORION_TICKERS": "AURA"})],
)
def test_the_synthetic_market_is_held_against_nobody(held, truth, named, by_settings):
    with alpaca(truth) as (server, settings):
        said = held.orion("quality", "crosscheck", "--source", named, **(settings | by_settings))

    assert (said.code, said.out, server.requests) == (2, "", 0)
    assert "nothing of the synthetic market is real" in said.err
    assert "ORION_SOURCE" in said.err


def test_bars_of_the_synthetic_market_are_held_against_nobody_by_another_source_either(market, truth):
    at = datetime(2014, 7, 22, tzinfo=UTC)
    cell = {"dataset": "raw_daily_bars", "ticker": "ACME", "session": START, "state": "data", "rows": 1}
    told = {"source": "synthetic", "attempts": 1, "ts_known": at, "ts_updated": at}
    State(market.settings().state_url).record(pl.DataFrame([cell | told], schema=LEDGER_SCHEMA))
    with alpaca(truth) as (server, settings):
        said = market.orion("quality", "crosscheck", "--source", "alpaca", **settings)

    assert (said.code, server.requests) == (2, 0)
    assert "nothing of the synthetic market is real" in said.err


def accused(report) -> int:
    (check,) = [each for each in report["checks"] if each["check"] == "crosscheck"]
    return len(check["accused"])


def test_a_row_that_is_held_back_here_is_told_as_one_that_is_absent(held, truth):
    whole = pl.read_csv(held.folder / "bars.csv", try_parse_dates=True).rename({"date": "session"})
    other = whole.filter(pl.col("ticker").is_in(FOLLOWED)).with_columns(pl.col("close").abs())

    said, _ = checked(held, other, "BOLT")

    assert said.code == 1
    assert str(BAD_ROW) in said.out
    assert "orion quality quarantine" in said.out


def test_a_feed_of_one_venue_is_named_as_the_cause(held, truth):
    said, server = checked(held, truth.with_columns(pl.col("volume") / 40), ORION_ALPACA_FEED="iex")

    assert said.code == 1
    assert "feed=iex" in server.heads[0]
    assert "the feed iex does not tell the trades of the whole market" in said.out


def test_what_takes_more_calls_than_allowed_asks_for_nothing(held, truth):
    said, server = checked(held, truth, "--max-calls", "0")

    assert (said.code, server.requests) == (3, 0)
    assert "nothing was asked" in said.err


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("--source", "files"), 2, "that is ORION_SOURCE, of which the bars are"),
        (("--source", "alpaca"), 2, "ALPACA_API_KEY"),
        (("--source", "alphavantage", "NOPE"), 2, "ALPHAVANTAGE_API_KEY"),
        (("--from", "2014-07-01", "--to", "2014-07-01"), 2, "no session of"),
    ],
)
def test_a_wrong_call_says_what_to_do(held, arguments, code, says):
    said = held.orion("quality", "crosscheck", *arguments)

    assert (said.code, said.out) == (code, "")
    assert says in said.err


def test_a_second_source_without_these_bars_calls_nothing_sound(held, truth):
    said, _ = checked(held, truth.clear())

    assert said.code == 1
    assert "nothing was compared" in said.err


@dataclass
class OfYahoo(Call):
    """A call whose second source is Yahoo, spoken to through a wire of this test's."""

    rows: pl.DataFrame | None = None
    fails: str = ""

    def source(self):
        return YahooSource(self.charted)

    def charted(self, symbol, params):
        if symbol == self.fails:
            raise SourceUnavailable(f"yahoo: {symbol}: it does not answer; ask again later")
        mine = self.rows.filter(pl.col("ticker") == symbol).sort("session")
        opens = [int(datetime.combine(day, time(9, 30), NEW_YORK).timestamp()) for day in mine["session"]]
        # As Yahoo sends them: in single precision
        quote = {name: mine[name].cast(pl.Float32).cast(pl.Float64).to_list() for name in PRICES}
        meta = {
            "symbol": symbol,
            "currency": "USD",
            "exchangeTimezoneName": "America/New_York",
            "dataGranularity": "1d",
        }
        result = {
            "meta": meta,
            "timestamp": opens,
            "indicators": {"quote": [quote | {"volume": mine["volume"].to_list()}]},
        }
        body = json.dumps({"chart": {"result": [result], "error": None}}).encode()
        return Response(f"https://there/{symbol}", 200, {}, body)


def of_yahoo(market, rows, fails=""):
    call = OfYahoo(fixed=load(market.env_file()), rows=rows, fails=fails)
    return crosscheck.checked(call, None, (START, END), Allowed(), None)


def adjusted_by_yahoo(truth):
    is_before = (pl.col("ticker") == "ACME") & (pl.col("session") < SPLIT)
    return truth.with_columns(
        *(pl.when(is_before).then(pl.col(name) / 2).otherwise(name).alias(name) for name in PRICES),
        volume=pl.when(is_before).then(pl.col("volume") * 2).otherwise("volume"),
    )


def test_yahoos_prices_are_compared_in_todays_units(held, truth):
    same, as_traded = of_yahoo(held, adjusted_by_yahoo(truth)), of_yahoo(held, truth)

    assert same.found.is_empty()
    assert (same.bars, list(same.columns), same.work.calls) == (truth.height, [*PRICES, "volume"], 2)
    assert set(as_traded.found["ticker"]) == {"ACME"}
    assert set(as_traded.found["likely_cause"]) == {
        f"a split that one of the two lacks: its prices are 2.0 times ours before {SPLIT}"
    }


def test_what_was_told_before_a_call_that_fails_is_compared_and_the_rest_is_named(held, truth, capsys):
    rows = adjusted_by_yahoo(truth)
    first, second = FOLLOWED

    done = of_yahoo(held, rows, fails=second)
    crosscheck.show(done, (START, END), as_json=False)

    days = truth["session"].unique().sort()
    assert (list(done.tickers), list(done.untold)) == ([first], [])
    assert done.unheard.rows() == [(second, days[0], days[-1])]
    assert set(done.compared["ticker"]) == {first}
    assert done.bars == rows.filter(ticker=first).height
    assert (
        f"not compared, since a call failed: {second} [{days[0]}, {days[-1]}]. yahoo: {second}: it does"
        in capsys.readouterr().err
    )


def test_a_first_call_that_fails_compares_nothing(held, truth):
    with pytest.raises(SourceUnavailable, match="ask again later"):
        of_yahoo(held, truth, fails=FOLLOWED[0])
