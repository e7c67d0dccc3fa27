"""How far back keys were found to reach, in the state database; who looks, and when, is not decided here."""

from collections.abc import Mapping

import sqlalchemy as sa

from orion_assets.sources.routes import Floor
from orion_assets.store.database import Database
from orion_assets.store.state_tables import FLOORS


class StoredFloors:
    """The floors of every key, on SQLite or Postgres; safe for threads and processes."""

    def __init__(self, url: str) -> None:
        """Point at a state database; nothing is opened or made.

        Args:
            url: `sqlite:///path` or `postgresql://…`.

        Raises:
            SettingsError: The URL is of another kind.
        """
        self._database = Database(url)

    def of(self, budget: str) -> Mapping[str, Floor]:
        """Give the floors of a key by raw table; none where nobody looked."""
        c = FLOORS.c
        found = sa.select(c.dataset, c.first_session, c.probed_on, c.is_rolling).where(c.budget == budget)
        with self._database.begin() as connection:
            rows = connection.execute(found).all()
        return {dataset: Floor(first, on, is_rolling=is_rolling) for dataset, first, on, is_rolling in rows}

    def record(self, budget: str, dataset: str, floor: Floor) -> None:
        """Say how far back a key reaches in a raw table; the last word wins."""
        told = {"first_session": floor.first, "is_rolling": floor.is_rolling, "probed_on": floor.on}
        given = self._database.insert(FLOORS).values(budget=budget, dataset=dataset, **told)
        with self._database.begin() as connection:
            connection.execute(given.on_conflict_do_update(index_elements=["budget", "dataset"], set_=told))
