import pytest

from orion_assets.ingest.universe import Universe
from orion_assets.store.state import State
from orion_assets_tests.unit.transforms.rows import MON, utc

NOW = utc(MON, 12)


class Lister:
    """A source that lists tickers and is not asked for more."""

    name = "lister"
    datasets = frozenset()

    def __init__(self, *tickers: str) -> None:
        self.tickers = tickers

    def listed_tickers(self):
        return self.tickers


@pytest.fixture
def state(tmp_path):
    made = State(f"sqlite:///{tmp_path}/state.db")
    yield made
    made.close()


def test_nobody_is_followed_before_the_first_run(state):
    assert Universe(state, ("AAA",)).followed() == ()


def test_the_first_run_follows_the_tickers_of_the_settings(state):
    assert Universe(state, ("BBB", "AAA")).seed(Lister("ZZZ"), NOW) == ("AAA", "BBB")


def test_without_any_in_the_settings_it_follows_all_that_the_source_lists(state):
    assert Universe(state).seed(Lister("ZZZ", "AAA"), NOW) == ("AAA", "ZZZ")


def test_later_runs_follow_who_is_followed_whatever_the_settings_say(state):
    Universe(state, ("AAA",)).seed(Lister(), NOW)

    assert Universe(state, ("BBB",)).seed(Lister("ZZZ"), NOW) == ("AAA",)


def test_a_run_may_be_limited_to_some_of_the_followed(state):
    Universe(state, ("AAA", "BBB", "CCC")).seed(Lister(), NOW)

    assert Universe(state, only=("CCC", "AAA")).asked(Lister(), NOW) == ("AAA", "CCC")
    assert Universe(state).asked(Lister(), NOW) == ("AAA", "BBB", "CCC")


def test_a_run_limited_to_tickers_that_nobody_follows_is_refused_and_does_not_ask_for_all(state):
    Universe(state, ("AAA",)).seed(Lister(), NOW)

    with pytest.raises(ValueError, match="ZZZ"):
        Universe(state, only=("ZZZ",)).asked(Lister(), NOW)
