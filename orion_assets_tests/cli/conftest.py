import pytest

from orion_assets_tests import own_market


@pytest.fixture(scope="session")
def filled(tmp_path_factory):
    """A market filled by `orion backfill`; tests only read it."""
    market = own_market.write(tmp_path_factory.mktemp("own"))
    said = market.orion("backfill", "--to", own_market.END)
    assert said.code == 0, said.err
    return market


@pytest.fixture
def market(tmp_path):
    return own_market.write(tmp_path)
