"""How far back a key reaches is kept by key and raw table, on either database."""

from datetime import date

from orion_assets.sources.limiter import budget_of
from orion_assets.sources.routes import Floor
from orion_assets.store.floors import StoredFloors

TODAY = date(2024, 12, 31)


def kept(url):
    floors = StoredFloors(url)
    one, other = budget_of("polygon", "one"), budget_of("polygon", "other")
    floors.record(one, "raw_daily_bars", Floor(date(2023, 1, 3), TODAY, is_rolling=True))
    floors.record(one, "raw_daily_bars", Floor(date(2023, 1, 4), TODAY, is_rolling=False))
    floors.record(other, "raw_daily_bars", Floor(date(2020, 1, 2), TODAY, is_rolling=True))

    assert StoredFloors(url).of(one) == {"raw_daily_bars": Floor(date(2023, 1, 4), TODAY, is_rolling=False)}
    assert StoredFloors(url).of(other) == {"raw_daily_bars": Floor(date(2020, 1, 2), TODAY, is_rolling=True)}
    assert StoredFloors(url).of("nobody") == {}


def test_each_key_keeps_its_own_floors_and_the_last_word_wins(tmp_path):
    kept(f"sqlite:///{tmp_path}/state.db")


def test_floors_are_kept_on_postgres_too(database):
    kept(database)
