import pytest

from orion_assets.clock import FixedClock
from orion_assets.sources.synthetic.vendor.server import fake_vendor
from orion_assets.sources.synthetic.vendor.truth import large_market
from orion_assets_tests.unit.sources.erring import LAST, NOW, Around


@pytest.fixture(scope="session")
def market():
    return large_market(20, 90, LAST)


@pytest.fixture(scope="session")
def running(market):
    with fake_vendor(market, clock=FixedClock(NOW)) as vendor:
        yield vendor


@pytest.fixture
def vendor(running):
    """The fake vendor on a Saturday, without a fault before the test and after it."""
    yield running
    running.faults.clear()


@pytest.fixture
def around(vendor):
    return Around(vendor)
