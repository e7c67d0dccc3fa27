import pytest

from orion_assets.ingest.freshness import cells_now, settle
from orion_assets.ingest.moment import Moment
from orion_assets.ingest.universe import Universe, land_universe
from orion_assets.schemas import RAW_UNIVERSE
from orion_assets.store.lake import Lake
from orion_assets.store.state import State
from orion_assets_tests.unit.transforms.rows import HOUR, MON, TUE, told, utc

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


def test_who_is_followed_is_landed_once_and_every_change_is_a_version(tmp_path, state):
    lake = Lake(str(tmp_path / "lake"))

    counts = [
        land_universe(lake, state, followed, Moment(NOW + hours * HOUR))
        for hours, followed in enumerate((("AAA", "BBB"), ("BBB", "AAA"), ("AAA",), ("AAA", "BBB")))
    ]

    assert counts == [2, 0, 1, 1]
    assert told(lake.read(RAW_UNIVERSE), "ticker", "ts_known", "is_deleted") == [
        ("AAA", NOW, False),
        ("BBB", NOW, False),
        ("BBB", NOW + 2 * HOUR, True),
        ("BBB", NOW + 3 * HOUR, False),
    ]


def test_what_was_published_awaits_derivation_when_somebody_is_followed_anew(tmp_path, state):
    lake = Lake(str(tmp_path / "lake"))
    land_universe(lake, state, ("AAA",), Moment(NOW))
    settle(state, MON, TUE, Moment(NOW + HOUR, run="first"))

    land_universe(lake, state, ("AAA",), Moment(NOW + 2 * HOUR))
    before = cells_now(state)["state"].to_list()
    land_universe(lake, state, ("AAA", "BBB"), Moment(NOW + 2 * HOUR))

    assert (before, cells_now(state)["state"].to_list()) == (["data"], ["not_yet"])
