"""When the reference of tickers and FIGIs was last answered, by which route; it has no sessions, so no cells.

One row a route and subject. Forgotten, it is asked for once more.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Final

import sqlalchemy as sa

from orion_assets.store.database import Database, instant_of, micros
from orion_assets.store.state_tables import REFERENCE

_C: Final = REFERENCE.c


class ReferenceLog:
    """The answers about reference, in the state database."""

    def __init__(self, database: Database) -> None:
        """Keep the log in a database; nothing is opened or made."""
        self._database = database

    def note(self, route: str, subjects: Iterable[str], ts_answered: datetime) -> None:
        """Say when the reference of some subjects, tickers or FIGIs, was answered by a route."""
        instant = micros(ts_answered)
        rows = [{"route": route, "subject": each, "ts_answered": instant} for each in sorted(set(subjects))]
        if not rows:
            return
        given = self._database.insert(REFERENCE)
        told = given.on_conflict_do_update(
            index_elements=["route", "subject"], set_={"ts_answered": given.excluded.ts_answered}
        )
        with self._database.begin() as connection:
            connection.execute(told, rows)

    def answered(self, route: str) -> dict[str, datetime]:
        """Give when each subject of a route was last answered."""
        query = sa.select(_C.subject, _C.ts_answered).where(_C.route == route)
        with self._database.begin() as connection:
            return {subject: instant_of(at) for subject, at in connection.execute(query)}
