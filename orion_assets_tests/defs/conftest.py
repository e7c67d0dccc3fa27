from dataclasses import dataclass

import dagster as dg
import pytest

from orion_assets_tests import own_market
from orion_assets_tests.own_market import OwnMarket


@dataclass(frozen=True)
class Filled:
    """A market filled by one run of each job, and what the run of `daily` said."""

    market: OwnMarket
    daily: dg.ExecuteInProcessResult


@pytest.fixture(scope="session")
def filled(tmp_path_factory):
    market = own_market.write(tmp_path_factory.mktemp("filled"))
    assert market.materialize(job="reference").success
    return Filled(market, market.materialize())


@pytest.fixture
def market(tmp_path):
    made = own_market.write(tmp_path)
    assert made.materialize(job="reference").success
    return made
