"""The vendor's own clients, old name and new, read the fake over the socket and get its truth row by row.

What they get is also what Orion's adapter gets of the same fake, row by row.
"""

from datetime import UTC, date, datetime, timedelta

import massive
import polars as pl
import polygon
import pytest
from polars.testing import assert_frame_equal

from orion_assets.clock import FixedClock
from orion_assets.sources.polygon.routes import RIGHTS
from orion_assets.sources.polygon.source import PolygonSource
from orion_assets.sources.polygon.words import judge
from orion_assets.sources.protocols import Ask
from orion_assets.sources.synthetic.vendor.server import fake_vendor
from orion_assets.sources.synthetic.vendor.truth import large_market
from orion_assets_tests.far_sides import transport_to

LAST = date(2026, 11, 20)
NOW = datetime(2026, 11, 21, 18, tzinfo=UTC)
VALUES = ("open", "high", "low", "close", "volume", "vwap", "trade_count")
BAR = dict.fromkeys(VALUES, pl.Float64) | {"t": pl.Int64}


@pytest.fixture(scope="module")
def vendor():
    with fake_vendor(large_market(30, 140, LAST), clock=FixedClock(NOW)) as running:
        yield running


@pytest.fixture(scope="module", params=["polygon", "massive"])
def client(request, vendor):
    library = {"polygon": polygon, "massive": massive}[request.param]
    made = library.RESTClient("anything", base=vendor.base_url, retries=0)
    yield made
    made.client.clear()


@pytest.fixture(scope="module")
def truth(vendor):
    return vendor.truth


def frame(aggs) -> pl.DataFrame:
    names = ("open", "high", "low", "close", "volume", "vwap", "transactions", "timestamp")
    rows = [tuple(getattr(agg, name) for name in names) for agg in aggs]
    return pl.DataFrame(rows, schema=BAR, orient="row")


def midnight(zone: str = "America/New_York", hour: int = 0) -> pl.Expr:
    local = pl.col("session").dt.combine(datetime.min.time().replace(hour=hour))
    return local.dt.replace_time_zone(zone).dt.epoch("ms").alias("t")


def test_daily_bars_of_a_ticker_come_as_traded_at_midnight_in_new_york(client, truth):
    for ticker in ("SAAC", "KIMPL", "KIMpL", "SAAI", "SAAL"):
        got = frame(client.list_aggs(ticker, 1, "day", "2020-01-01", "2026-11-21", adjusted=False, limit=40))

        assert_frame_equal(got, truth.daily_bars.filter(ticker=ticker).select(*VALUES, midnight()))


def test_minutes_come_page_after_page_without_a_gap(client, truth, vendor):
    before = len(vendor.journal)
    got = frame(client.list_aggs("SAAB", 1, "minute", "2026-06-01", "2026-08-01", adjusted=False, limit=3000))

    told = truth.minute_bars("SAAB", date(2026, 6, 1), date(2026, 8, 2))
    assert_frame_equal(got, told.select(*VALUES, t=pl.col("ts_open").dt.epoch("ms")))
    assert len(vendor.journal) - before == -(-told.height // 3000) > 3


def test_descending_pages_are_the_ascending_ones_turned_round(client, truth):
    got = frame(
        client.list_aggs("SAAB", 1, "minute", "2026-06-01", "2026-06-12", adjusted=False, limit=1111, sort="desc")
    )

    told = truth.minute_bars("SAAB", date(2026, 6, 1), date(2026, 6, 13))
    assert_frame_equal(got.reverse(), told.select(*VALUES, t=pl.col("ts_open").dt.epoch("ms")))


def test_the_whole_market_of_a_day_comes_in_one_call_at_four(client, truth):
    for session in (date(2026, 7, 2), LAST):
        aggs = client.get_grouped_daily_aggs(session, adjusted=False)

        told = truth.bars_on(session)
        assert [agg.ticker for agg in aggs] == told["ticker"].to_list()
        assert_frame_equal(frame(aggs), told.select(*VALUES, midnight(hour=16)))


def test_adjusted_bars_are_in_units_of_today(client, truth):
    split = truth.splits.filter(ticker="SAAB").row(0, named=True)
    ratio = split["shares_after"] / split["shares_before"]

    got = frame(client.list_aggs("SAAB", 1, "day", "2020-01-01", "2026-11-21"))

    told = truth.daily_bars.filter(ticker="SAAB")
    factor = pl.when(pl.col("session") < split["ex_date"]).then(ratio).otherwise(1.0)
    assert got["close"].to_list() == told.select((pl.col("close") / factor).round(4))["close"].to_list()
    assert got["volume"].to_list() == pytest.approx(told.select(pl.col("volume") * factor)["volume"].to_list())


def test_every_ticker_is_listed_as_of_a_day(client, truth):
    for day in (truth.sessions["session"][0], truth.sessions["session"][70], LAST):
        listed = client.list_tickers(market="stocks", date=str(day), limit=7)
        got = {(each.ticker, each.composite_figi) for each in listed}

        bars = truth.bars_on(day)
        assert {ticker for ticker, _ in got} >= set(bars["ticker"])
        assert got == {(each.ticker, each.figi) for each in truth.listings if each.is_active(day)}


def test_delisted_tickers_say_when(client, truth):
    got = {(each.ticker, each.delisted_utc[:10]) for each in client.list_tickers(active=False, limit=1000)}

    assert got == {(each.ticker, str(each.until)) for each in truth.listings if each.is_delisted}
    assert len(got) == 2


def test_a_rename_is_an_event_of_who_bears_the_ticker_now(client):
    found = client.get_ticker_events("RAAF")

    assert [event["ticker_change"]["ticker"] for event in found.events] == ["RAAF", "SAAF"]


def test_details_tell_cases_apart(client):
    assert client.get_ticker_details("KIMpL").type == "PFD"
    assert client.get_ticker_details("KIMPL").type == "CS"


def test_news_of_a_window_comes_whole_in_both_orders(client, truth):
    since, until = "2026-08-03T00:00:00Z", "2026-09-15T13:30:00Z"
    inside = pl.col("ts_event").is_between(datetime.fromisoformat(since), datetime.fromisoformat(until), closed="left")
    told = truth.news.filter(inside).sort("ts_event", "article_id")["article_id"].to_list()

    for order, expected in (("asc", told), ("desc", told[::-1])):
        window = {"published_utc_gte": since, "published_utc_lt": until}
        got = list(client.list_ticker_news(**window, order=order, limit=10))

        assert [each.id for each in got] == expected
    assert len(told) > 30


def test_articles_hold_what_the_truth_says(client, truth):
    told = {row["article_id"]: row for row in truth.news.iter_rows(named=True)}

    got = list(client.list_ticker_news("SAAA", limit=1000))

    assert len(got) > 20
    assert {ticker for row in told.values() for ticker in row["tickers"]} <= {each.ticker for each in truth.listings}
    for article in got:
        row = told[article.id]
        assert (article.title, article.description, article.tickers) == (
            row["title"],
            row["description"],
            row["tickers"],
        )
        assert datetime.fromisoformat(article.published_utc) == row["ts_event"]
        assert (article.publisher.name, article.article_url) == (row["publisher"], row["url"])


def test_splits_and_dividends_come_whole(client, truth):
    splits = [(s.ticker, s.execution_date, s.split_to, s.split_from) for s in client.list_splits(limit=2, order="asc")]
    dividends = [(d.ticker, d.ex_dividend_date, d.cash_amount) for d in client.list_dividends(limit=5, order="asc")]

    columns = ("ticker", pl.col("ex_date").cast(pl.String))
    assert sorted(splits) == sorted(truth.splits.select(*columns, "shares_after", "shares_before").rows())
    assert sorted(dividends) == sorted(truth.dividends.select(*columns, "cash_amount").rows())
    assert len(splits) > 3
    assert len(dividends) > 10


def test_the_index_comes_without_volumes_at_midnight_in_chicago(client, truth):
    got = frame(client.list_aggs("I:VIX", 1, "day", "2020-01-01", "2026-11-21"))

    told = truth.vix.rename({"date": "session"})
    prices = ("open", "high", "low", "close")
    assert_frame_equal(got.select(*prices, "t"), told.select(*prices, midnight("America/Chicago")))
    assert got["volume"].is_null().all()
    assert got["trade_count"].is_null().all()


def test_the_day_before_and_open_and_close_agree_with_the_bar(client, truth):
    bar = truth.bars_on(LAST).filter(ticker="SAAA").row(0, named=True)

    before = client.get_previous_close_agg("SAAA", adjusted=False)[0]
    told = client.get_daily_open_close_agg("SAAA", LAST, adjusted=False)

    assert (before.open, before.close, before.volume) == (bar["open"], bar["close"], bar["volume"])
    assert (told.open, told.high, told.low, told.close) == tuple(bar[name] for name in ("open", "high", "low", "close"))
    minutes = truth.minute_bars("SAAA", LAST, LAST + timedelta(days=1))
    assert (told.pre_market, told.after_hours) == (minutes["open"][0], minutes["close"][-1])


def test_the_market_is_closed_on_a_saturday_and_shortens_the_friday_after_thanksgiving(client):
    status = client.get_market_status()
    days = [(day.date, day.status, day.close) for day in client.get_market_holidays() if day.exchange == "NYSE"]

    assert (status.market, status.exchanges.nyse) == ("closed", "closed")
    assert ("2026-11-26", "closed", None) in days
    assert ("2026-11-27", "early-close", "2026-11-27T18:00:00.000Z") in days


@pytest.fixture(scope="module")
def orion(vendor):
    headers = {"Authorization": "Bearer anything"}
    with transport_to(vendor.base_url, "polygon", judge, headers, aliases=("api.massive.com",)) as transport:
        yield PolygonSource(transport, RIGHTS["advanced"])


def ours(orion, dataset: str, start: date, end: date, *tickers: str, route: str = "") -> pl.DataFrame:
    rows = orion.read(Ask(dataset, start, end, tickers, NOW, route=route)).rows
    assert rows.height
    assert rows["problem"].is_null().all()
    return rows


def test_orion_reads_the_days_of_every_ticker_as_the_client_does(client, orion, truth):
    first, end = truth.sessions["session"][0], LAST + timedelta(days=1)
    for ticker in truth.daily_bars["ticker"].unique():
        theirs = frame(client.list_aggs(ticker, 1, "day", first, LAST, adjusted=False, limit=50_000))

        mine = ours(orion, "raw_daily_bars", first, end, ticker)

        assert_frame_equal(mine.select(*VALUES, midnight()), theirs, check_exact=True)
        assert set(mine["ticker"]) == {ticker}


def test_orion_reads_whole_days_of_the_market_as_the_client_does(client, orion, truth):
    for session in truth.sessions["session"].gather_every(10):
        theirs = client.get_grouped_daily_aggs(session, adjusted=False)

        mine = ours(orion, "raw_daily_bars", session, session + timedelta(days=1), route="grouped")

        assert mine["ticker"].to_list() == [agg.ticker for agg in theirs]
        assert_frame_equal(mine.select(*VALUES, midnight(hour=16)), frame(theirs), check_exact=True)


def test_orion_reads_the_index_as_the_client_does(client, orion, truth):
    first, end = truth.sessions["session"][1], LAST + timedelta(days=1)
    theirs = frame(client.list_aggs("I:VIX", 1, "day", truth.sessions["session"][0] + timedelta(days=1), LAST))

    mine = ours(orion, "raw_vix", first, end).rename({"session": "filed", "date": "session"})

    prices = ("open", "high", "low", "close")
    assert_frame_equal(mine.select(*prices, midnight("America/Chicago")), theirs.select(*prices, "t"), check_exact=True)


def test_orion_reads_articles_as_the_client_does(client, orion, truth):
    cutoffs = truth.sessions["ts_close_cutoff"].dt.strftime("%Y-%m-%dT%H:%M:%SZ")
    window = {"published_utc_gt": cutoffs[40], "published_utc_lte": cutoffs[80]}
    theirs = {
        each.id: (
            datetime.fromisoformat(each.published_utc),
            each.title,
            each.description,
            sorted(each.tickers),
            each.publisher.name,
            each.article_url,
        )
        for each in client.list_ticker_news(**window, order="asc", limit=10)
    }

    mine = ours(orion, "raw_news", truth.sessions["session"][41], truth.sessions["session"][81])

    columns = ("article_id", "ts_event", "title", "description", "tickers", "publisher", "url")
    assert {row[0]: row[1:] for row in mine.select(columns).iter_rows()} == theirs


def test_orion_reads_actions_as_the_client_does(client, orion, truth):
    span = truth.sessions["session"][0], LAST + timedelta(days=1)
    splits = [(s.ticker, s.execution_date, s.split_to, s.split_from) for s in client.list_splits(limit=1000)]
    dividends = [(d.ticker, d.ex_dividend_date, d.cash_amount) for d in client.list_dividends(limit=1000)]

    dated = ("ticker", pl.col("ex_date").cast(pl.String))
    mine = ours(orion, "raw_splits", *span).select(*dated, "shares_after", "shares_before")
    assert sorted(mine.rows()) == sorted(each for each in splits if each[1] >= str(span[0]))
    mine = ours(orion, "raw_dividends", *span).select(*dated, "cash_amount")
    assert sorted(mine.rows()) == sorted(each for each in dividends if each[1] >= str(span[0]))


def test_orion_reads_the_listing_as_the_client_does(client, orion):
    listed = client.list_tickers(market="stocks", date=str(LAST), active=True, limit=1000)
    theirs = {(each.ticker, each.composite_figi, each.name, each.type, each.primary_exchange) for each in listed}

    mine = ours(orion, "raw_tickers", LAST, LAST)

    assert set(mine.select("ticker", "figi", "name", "type", "exchange").iter_rows()) == theirs
