"""The vendor's shapes, bounds and quirks, as they stand on the wire."""

import base64
import re
import time
from datetime import UTC, date, datetime, timedelta
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from orion_assets.clock import FixedClock
from orion_assets.sources.synthetic.source import SyntheticSource
from orion_assets.sources.synthetic.vendor.server import fake_vendor
from orion_assets.sources.synthetic.vendor.terms import ManualClock
from orion_assets.sources.synthetic.vendor.truth import Truth, large_market
from orion_assets_tests.raw_http import ask
from orion_assets_tests.unit.sources.erring import LAST, MARKET, NOW, range_of

NEW_YORK = ZoneInfo("America/New_York")


@pytest.fixture
def get(vendor):
    return lambda target, **more: ask(vendor.port, target, **more)


def test_the_truth_is_the_market_but_for_what_a_single_trade_leaves_out(market):
    truth = Truth(market).daily_bars
    columns = ["ticker", "session", "open", "high", "low", "close", "volume"]

    assert_frame_equal(truth.select(columns), market.bars.select(columns))
    thin = truth.filter(pl.col("vwap").is_null())
    assert 0 < thin.height < truth.height / 10
    assert (thin["volume"] <= 141).all()
    assert thin["trade_count"].is_null().all()


def test_who_is_spun_off_takes_its_part_of_the_price_and_no_action_says_so(market):
    truth = Truth(market)
    parent, part = truth.daily_bars.filter(ticker="SAAO"), truth.daily_bars.filter(ticker="SAAP")
    ex_date = part["session"].min()

    moves = parent.select("session", move=pl.col("close") / pl.col("close").shift())
    on_the_day = moves.filter(session=ex_date)["move"].item()

    assert truth.sessions["session"][0] < ex_date
    assert on_the_day == pytest.approx(0.7, rel=0.15)
    assert moves.filter(pl.col("session") != ex_date)["move"].min() > 0.85
    told = {ticker for each in (truth.splits, truth.dividends) for ticker in each.filter(ex_date=ex_date)["ticker"]}
    assert not told & {"SAAO", "SAAP"}
    assert [each.since for each in truth.listings if each.ticker == "SAAP"] == [ex_date]


def test_the_default_market_is_the_synthetic_one():
    with fake_vendor(clock=FixedClock(NOW)) as vendor:
        grouped = ask(vendor.port, f"{MARKET}/2024-10-21?adjusted=false")

    bars = SyntheticSource().market.bars.filter(session=date(2024, 10, 21))
    assert [(row["T"], row["c"], row["v"]) for row in grouped.rows] == bars.select("ticker", "close", "volume").rows()


def test_a_missing_value_is_a_missing_name(get, vendor):
    thin = vendor.truth.daily_bars.filter(pl.col("vwap").is_null()).row(0, named=True)

    rows = {row["T"]: row for row in get(f"{MARKET}/{thin['session']}").rows}

    assert set(rows[thin["ticker"]]) == {"T", "v", "o", "c", "h", "l", "t"}
    assert {"vw", "n"} < set(rows["SAAA"])


def test_nothing_is_answered_without_results(get):
    for target in (range_of("SAAA", "1/day", "2026-11-14", "2026-11-15"), range_of("NOPE", "1/minute", LAST, LAST)):
        told = get(target).json

        assert (told["resultsCount"], told["queryCount"], told["status"]) == (0, 0, "OK")
        assert not {"results", "count", "next_url"} & set(told)
    assert "results" not in get(f"{MARKET}/2026-11-21").json


def test_large_volumes_are_written_with_an_exponent_and_parts_of_shares_with_six_places(get, vendor):
    text = get(f"{MARKET}/{LAST}?adjusted=false").body.decode()
    told = re.findall(r'"v":([^,]+),', text)

    assert any(re.fullmatch(r"\d\.\d+e\+0[67]", each) for each in told)
    assert any(re.fullmatch(r"\d+\.\d{1,6}", each) for each in told)
    assert [float(each) for each in told] == vendor.truth.bars_on(LAST)["volume"].to_list()


def test_the_next_page_is_named_absolutely_with_a_cursor_of_plain_text_and_no_key(get):
    target = range_of("SAAA", "1/minute", "2026-11-02", LAST, limit=1000, apiKey="secret")
    url = urlsplit(get(target, key=None).json["next_url"])

    assert (url.scheme, url.netloc) == ("https", "api.massive.com:443")
    cursor = url.query.removeprefix("cursor=")
    assert base64.b64decode(cursor + "=" * (-len(cursor) % 4)) == b"limit=1000&sort=asc"
    assert url.path.startswith("/v2/aggs/ticker/SAAA/range/1/minute/17")


def test_the_limit_counts_base_bars(get):
    hours = get(range_of("SAAA", "1/hour", "2026-11-02", LAST, limit=1000)).json
    fives = get(range_of("SAAA", "5/minute", "2026-11-02", LAST, limit=1000)).json

    assert 900 < hours["queryCount"] <= 1000
    assert 10 < hours["resultsCount"] < 40
    assert 900 < fives["queryCount"] <= 1000
    assert 200 < fives["resultsCount"] < 500


@pytest.mark.parametrize("sort", ["asc", "desc"])
@pytest.mark.parametrize(
    ("every", "first", "limit"),
    [
        *(("5/minute", date(2026, 11, 19), 37), ("5/minute", date(2026, 9, 1), 50_000), ("1/hour", LAST, 1)),
        *(("1/hour", date(2026, 11, 16), 100), ("1/week", date(2026, 9, 1), 1), ("1/week", date(2026, 9, 1), 12)),
    ],
)
def test_pages_of_longer_bars_join_to_the_whole(get, every, first, limit, sort):
    whole = get(range_of("SAAA", every, first, LAST, limit=50_000, adjusted="false")).rows
    target, rows = range_of("SAAA", every, first, LAST, limit=limit, sort=sort, adjusted="false"), []
    while target:
        page = get(target).json
        rows += page["results"]
        target = page.get("next_url", "").removeprefix("https://api.massive.com:443")

    assert (rows if sort == "asc" else rows[::-1]) == whole


def test_longer_bars_are_made_of_the_shorter_ones(get):
    minutes = get(range_of("SAAA", "1/minute", LAST, LAST, limit=50_000)).rows
    hours = get(range_of("SAAA", "1/hour", LAST, LAST, limit=50_000)).rows

    for hour in hours:
        parts = [row for row in minutes if hour["t"] <= row["t"] < hour["t"] + 3_600_000]
        assert (hour["o"], hour["c"]) == (parts[0]["o"], parts[-1]["c"])
        assert (hour["h"], hour["l"]) == (max(row["h"] for row in parts), min(row["l"] for row in parts))
        assert hour["v"] == pytest.approx(sum(row["v"] for row in parts))
    assert sum(row["v"] for row in hours) == pytest.approx(sum(row["v"] for row in minutes))


def test_weeks_start_on_sundays(get):
    starts = [
        datetime.fromtimestamp(row["t"] / 1000, NEW_YORK)
        for row in get(range_of("SAAA", "1/week", "2026-09-01", LAST)).rows
    ]

    assert {(start.weekday(), start.hour) for start in starts} == {(6, 0)}


def test_a_range_in_milliseconds_starts_with_the_bar_that_holds_it(get):
    at = int(datetime(2026, 11, 20, 10, 33, tzinfo=NEW_YORK).timestamp() * 1000)

    rows = get(range_of("SAAA", "5/minute", at, at + 60_000)).rows

    assert [row["t"] for row in rows] == [at - 180_000]


@pytest.mark.parametrize(
    ("target", "says"),
    [
        (range_of("SAAA", "1/day", "2026-11-02", "2026-10-02"), "before 'from'"),
        (range_of("SAAA", "1/fortnight", "2026-11-02", LAST), "timespan"),
        (range_of("SAAA", "0/day", "2026-11-02", LAST), "multiplier"),
        (range_of("SAAA", "1/day", "yesterday", LAST), "from"),
        (range_of("SAAA", "1/day", "2026-11-02", LAST, limit=50_001), "50000"),
        (range_of("SAAA", "1/day", "2026-11-02", LAST, adjusted="maybe"), "adjusted"),
        (range_of("SAAA", "1/day", "2026-11-02", LAST, cursor="!"), "cursor"),
        (f"{MARKET}/2026-11-31", "2026-11-31"),
        ("/v3/reference/tickers?limit=1001", "1000"),
        ("/v2/reference/news?limit=1001", "1000"),
        ("/v2/reference/news?published_utc.gte=soon", "published_utc"),
        ("/v3/reference/tickers?sort=price", "sort"),
        ("/v3/reference/tickers?active=perhaps", "active"),
    ],
)
def test_a_wrong_request_is_refused_with_what_is_wrong(get, target, says):
    refused = get(target)

    assert (refused.status, refused.json["status"]) == (400, "ERROR")
    assert says in refused.json["error"]


def test_what_is_not_there_is_not_found(get):
    for target in (
        "/v1/open-close/NOPE/2026-11-20",
        "/v3/reference/tickers/kimpl",
        "/vX/reference/tickers/NOPE/events",
    ):
        assert (get(target).status, get(target).json["status"]) == (404, "NOT_FOUND")
    assert (get("/v9/nothing").status, get("/v9/nothing").body) == (404, b"404 page not found\n")


def test_a_percent_encoded_ticker_is_the_ticker(get):
    assert get("/v2/aggs/ticker/I%3AVIX/prev").json["ticker"] == "I:VIX"
    assert get(range_of("I%3AVIX", "1/day", LAST, LAST)).rows


def test_search_filters_and_ranges_choose_tickers(get):
    def tickers(query: str) -> list[str]:
        return [row["ticker"] for row in get(f"/v3/reference/tickers?limit=1000&{query}").rows]

    assert tickers("search=realty") == ["KIMPL", "KIMpL"]
    assert tickers("type=ETF") == ["SAAA"]
    assert tickers("ticker=KIMpL") == ["KIMpL"]
    assert tickers("ticker.gte=SAAB&ticker.lt=SAAD") == ["SAAB", "SAAC"]
    assert tickers("market=crypto") == ["X:BTCUSD", "X:ETHUSD", "X:FAKUSD", "X:SYNUSD"]
    assert tickers("market=otc") == ["NSRGY", "SOTCF", "TCEHY"]
    assert tickers("order=desc") == tickers("order=asc")[::-1]


def at(day: date, zone: str, hour: int = 0) -> int:
    return int(datetime(day.year, day.month, day.day, hour, tzinfo=ZoneInfo(zone)).timestamp() * 1000)


@pytest.mark.parametrize(
    ("ticker", "zone", "days"),
    [
        ("X:SYNUSD", "UTC", [13, 14, 15, 16]),
        # The week's first two hours are a day of their own
        ("C:SYNUSD", "UTC", [13, 15, 16]),
        ("I:SYN", "America/Chicago", [13, 16]),
        ("I:VIX", "America/Chicago", [13, 16]),
        ("O:SAAA270115C00050000", "America/New_York", [13, 16]),
        ("SOTCF", "America/New_York", [13, 16]),
    ],
)
def test_each_market_has_its_own_days(get, vendor, ticker, zone, days):
    rows = get(range_of(ticker, "1/day", "2026-11-13", "2026-11-16")).rows

    known = vendor.truth.others_of(ticker, datetime(2026, 11, 21, tzinfo=UTC), timedelta())
    told = known.filter(pl.col("session").is_between(date(2026, 11, 13), date(2026, 11, 16)))
    assert [row["t"] for row in rows] == [at(date(2026, 11, day), zone) for day in days]
    values = told.with_columns(volume=pl.lit(None) if "volume" not in told.columns else pl.col("volume"))
    assert [(row["o"], row["c"], row.get("v")) for row in rows] == values.select("open", "close", "volume").rows()
    assert [row.get("otc") for row in rows] == [True if ticker == "SOTCF" else None] * len(days)


def test_a_day_of_utc_is_told_when_it_is_over(market):
    clock = ManualClock(datetime(2026, 11, 18, 23, 59, tzinfo=UTC))
    target = range_of("X:SYNUSD", "1/day", "2026-11-17", LAST)
    with fake_vendor(market, clock=clock) as vendor:
        before = len(ask(vendor.port, target).rows)
        clock.advance(60)
        after = len(ask(vendor.port, target).rows)

    assert (before, after) == (1, 2)


def test_other_markets_have_their_own_whole_days(get):
    crypto = get("/v2/aggs/grouped/locale/global/market/crypto/2026-11-15").rows
    stocks = get(f"{MARKET}/{LAST}").rows
    with_otc = get(f"{MARKET}/{LAST}?include_otc=true").rows

    assert [row["T"] for row in crypto] == ["X:SYNUSD", "X:FAKUSD"]
    assert crypto[0]["t"] == at(date(2026, 11, 16), "UTC") - 1
    assert with_otc[:-1] == stocks
    assert (with_otc[-1]["T"], with_otc[-1]["otc"]) == ("SOTCF", True)
    assert get("/v2/aggs/grouped/locale/us/market/bonds/2026-11-15").status == 404


def test_who_trades_in_sessions_has_minutes_that_make_the_day(get):
    day = get(range_of("SOTCF", "1/day", LAST, LAST)).rows[0]
    minutes = get(range_of("SOTCF", "1/minute", LAST, LAST, limit=50_000)).rows
    regular = [
        row
        for row in minutes
        if at(LAST, "America/New_York") + 34_200_000 <= row["t"] < at(LAST, "America/New_York", 16)
    ]

    assert (regular[0]["o"], regular[-1]["c"]) == (day["o"], day["c"])


@pytest.mark.parametrize(
    ("ticker", "first", "end", "minutes"),
    [
        # All of a day of UTC; 17:00 New York to 17:00, while it is five hours behind; the exchange's regular hours
        ("X:SYNUSD", datetime(2026, 11, 19, 0, tzinfo=UTC), datetime(2026, 11, 20, 0, tzinfo=UTC), 1_440),
        ("C:SYNUSD", datetime(2026, 11, 15, 22, tzinfo=UTC), datetime(2026, 11, 16, 22, tzinfo=UTC), 1_440),
        ("I:SYN", datetime(2026, 11, 19, 14, 30, tzinfo=UTC), datetime(2026, 11, 19, 21, tzinfo=UTC), 390),
    ],
)
def test_who_trades_all_the_time_has_every_minute_and_they_make_the_day(get, vendor, ticker, first, end, minutes):
    span = [int(each.timestamp() * 1000) for each in (first, end)]

    rows = get(range_of(ticker, "1/minute", span[0], span[1] - 1, limit=50_000)).rows

    (day,) = vendor.truth.other_bars.filter(ticker=ticker, ts_event=end).rows(named=True)
    assert [row["t"] for row in rows] == list(range(*span, 60_000))
    assert len(rows) == minutes
    assert (rows[0]["o"], rows[-1]["c"]) == (day["open"], day["close"])
    assert (max(row["h"] for row in rows), min(row["l"] for row in rows)) == (day["high"], day["low"])
    volumes = [row.get("v") for row in rows]
    assert volumes == [None] * 390 if ticker == "I:SYN" else sum(volumes) == pytest.approx(day["volume"], rel=1e-6)


def test_answers_are_compressed_only_for_who_takes_it(get):
    plain, packed = get(f"{MARKET}/{LAST}"), get(f"{MARKET}/{LAST}", Accept_Encoding="gzip")

    assert "Content-Encoding" not in plain.headers
    assert (packed.headers["Content-Encoding"], packed.body[:2]) == ("gzip", b"\x1f\x8b")


def test_a_market_of_500_starts_within_five_seconds_and_serves_a_page_within_one():
    began = time.perf_counter()
    with fake_vendor(large_market(500, 501, LAST), clock=FixedClock(NOW)) as vendor:
        assert ask(vendor.port, f"{MARKET}/{LAST}").json["resultsCount"] > 480
        started = time.perf_counter()
        page = ask(vendor.port, range_of("SAAA", "1/minute", "2024-11-21", LAST, limit=50_000))
        served = time.perf_counter()

    assert page.json["resultsCount"] == 50_000
    assert vendor.truth.sessions.height == 501
    assert (started - began < 5, served - started < 1) == (True, True)
