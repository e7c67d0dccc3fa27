"""Which version of which object was landed: what a store of files replaces is then read again, and nothing else is.

One row a raw table and session. Knows neither where objects lie nor what they hold.
"""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Final

import sqlalchemy as sa

from orion_assets.sources.protocols import ObjectRead
from orion_assets.store.database import Database
from orion_assets.store.state_tables import OBJECTS

_C: Final = OBJECTS.c


class ObjectLog:
    """The objects that were landed, in the state database."""

    def __init__(self, database: Database) -> None:
        """Keep the log in a database; nothing is opened or made."""
        self._database = database

    def between(self, dataset: str, start: date, end: date) -> dict[date, ObjectRead]:
        """Give what was read of a raw table's sessions in [start, end), by session."""
        mine = (_C.dataset == dataset) & (_C.session >= start) & (_C.session < end)
        query = sa.select(_C.session, _C.version, _C.tickers).where(mine).order_by(_C.session)
        with self._database.begin() as connection:
            return {row.session: ObjectRead(row.version, row.tickers) for row in connection.execute(query)}

    def record(self, dataset: str, objects: Mapping[date, ObjectRead], ts_read: datetime) -> None:
        """Say that objects were landed; the last word on a session counts."""
        given = self._database.insert(OBJECTS)
        names = ("version", "tickers", "ts_read")
        upsert = given.on_conflict_do_update(
            index_elements=["dataset", "session"], set_={name: given.excluded[name] for name in names}
        )
        instant = int(ts_read.timestamp() * 1_000_000)
        rows = [
            {"dataset": dataset, "session": day, "version": each.version, "tickers": each.tickers, "ts_read": instant}
            for day, each in sorted(objects.items())
        ]
        if rows:
            with self._database.begin() as connection:
                connection.execute(upsert, rows)
