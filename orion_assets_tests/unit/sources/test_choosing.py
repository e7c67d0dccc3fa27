from datetime import UTC, date, datetime
from typing import get_args

import polars as pl
import pytest

from orion_assets.settings import SAY_ALL, SourceName
from orion_assets.sources.alpaca.source import AlpacaSource
from orion_assets.sources.alphavantage import AlphaVantageSource
from orion_assets.sources.choosing import chosen
from orion_assets.sources.files.source import FilesSource
from orion_assets.sources.limiter import Rate
from orion_assets.sources.none import NoSource
from orion_assets.sources.polygon.source import PolygonSource
from orion_assets.sources.protocols import Answer, Ask
from orion_assets.sources.routes import Budget, Route
from orion_assets.sources.synthetic.source import SyntheticSource
from orion_assets.sources.yahoo.source import YahooSource

DAY, NOW = date(2026, 11, 18), datetime(2026, 11, 19, tzinfo=UTC)
ALL = ("raw_daily_bars", "raw_minute_bars", "raw_vix", "raw_news", "raw_splits", "raw_dividends", "raw_tickers")


class Teller:
    name = "teller"
    is_local = False
    datasets = frozenset(ALL)

    def routes(self, today):
        budget = Budget("any", Rate(5))
        return [
            Route(name=name, dataset=name, scope="market", budget=budget, rows_per_session=1, window=1) for name in ALL
        ]

    def read(self, ask):
        return Answer(pl.DataFrame(), (), "told")

    def last_session(self, dataset):
        return DAY

    def reconciliation(self, tickers, start, end):
        return pl.DataFrame({"of": [tickers]})

    def listed_tickers(self):
        return ("AAPL",)


class Owner(Teller):
    name = "owner"
    is_local = True


def ask(dataset):
    return Ask(dataset, DAY, DAY, (), NOW)


@pytest.mark.parametrize(
    ("source", "words", "left_out"),
    [
        (Teller, (), {"raw_minute_bars"}),
        (Owner, (), set()),
        (Teller, ("minute",), {"raw_daily_bars", "raw_vix", "raw_news", "raw_splits", "raw_dividends"}),
        (Owner, ("daily", "vix"), {"raw_minute_bars", "raw_news", "raw_splits", "raw_dividends"}),
        (Teller, ("daily", "minute", "vix", "news", "actions"), set()),
    ],
)
def test_what_is_not_asked_for_is_not_there(source, words, left_out):
    found = chosen(source(), words)

    assert found.datasets == set(ALL) - left_out
    assert {route.dataset for route in found.routes(DAY)} == found.datasets
    for dataset in ALL:
        if dataset in left_out:
            with pytest.raises(ValueError, match=f"{source.name}: {dataset} is not asked for.* ORION_DATASETS"):
                found.read(ask(dataset))
        else:
            assert found.read(ask(dataset)).evidence == "told"


def test_whatever_is_chosen_the_source_is_itself_in_all_else():
    found = chosen(Teller(), ("daily",))

    assert (found.name, found.is_local, found.listed_tickers()) == ("teller", False, ("AAPL",))
    assert found.last_session("raw_daily_bars") == DAY
    assert found.reconciliation(("AAPL",), DAY, DAY).height == 1
    whole = Owner()
    assert chosen(whole, ()) is whole


def test_the_settings_name_the_sources_that_cost_nothing_to_ask():
    known = (AlpacaSource, AlphaVantageSource, FilesSource, NoSource, PolygonSource, SyntheticSource, YahooSource)

    assert {each.name for each in known if each.is_local} == SAY_ALL
    assert {each.name for each in known} == set(get_args(SourceName))
