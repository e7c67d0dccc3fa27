"""What checks last said that a run alone can judge, by what they judged: what they accuse is in no table of the lake.

One row an asset, a check and a subject: a session, or a ticker. Forgotten, it is judged again with the next derivation.
"""

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final, Literal

import polars as pl
import sqlalchemy as sa

from orion_assets.store.database import Database, instant_of, micros
from orion_assets.store.state_tables import VERDICTS

# An asset, and a check of it
Check = tuple[str, str]
# Of each subject so many rows are kept by most checks; more tell no more
KEPT_ROWS: Final = 20
_C: Final = VERDICTS.c


class VerdictLog:
    """The last verdicts, in the state database."""

    def __init__(self, database: Database) -> None:
        """Keep the log in a database; nothing is opened or made."""
        self._database = database

    def judge(
        self,
        check: Check,
        accused: pl.DataFrame,
        subjects: Iterable[object],
        ts_judged: datetime,
        *,
        by: Literal["session", "ticker"] = "session",
        most: int | None = KEPT_ROWS,
    ) -> None:
        """Say what a check came to; its former verdict on each subject is replaced.

        Args:
            check: The asset and the check.
            accused: Rows that it accuses; the first `most` of each subject are kept.
            subjects: What was judged; who has no row has passed.
            ts_judged: When, UTC.
            by: What the subjects are, and in which column of the rows they stand.
            most: None where all are kept, since what a later verdict leaves standing is made of them.
        """
        kept: dict[str, list[dict[str, Any]]] = {str(each): [] for each in subjects}
        for row in json.loads(accused.write_json()):
            of = kept.get(row[by], [])
            if most is None or len(of) < most:
                of.append(row)
        named = {"asset": check[0], "check": check[1], "ts_judged": micros(ts_judged)}
        rows = [{**named, "subject": each, "accused": json.dumps(kept[each])} for each in sorted(kept)]
        if not rows:
            return
        given = self._database.insert(VERDICTS)
        later = given.on_conflict_do_update(
            index_elements=["asset", "check", "subject"],
            set_={"accused": given.excluded.accused, "ts_judged": given.excluded.ts_judged},
        )
        with self._database.begin() as connection:
            connection.execute(later, rows)

    def forget(self, check: Check, subjects: Iterable[object], *, passed_only: bool = False) -> None:
        """Take back what a check said of subjects that it did not judge again; with `passed_only`, that they passed."""
        of_check = sa.delete(VERDICTS).where(_C.asset == check[0], _C.check == check[1])
        query = of_check.where(_C.accused == "[]") if passed_only else of_check
        rows = [{"_subject": str(each)} for each in subjects]
        if rows:
            with self._database.begin() as connection:
                connection.execute(query.where(_C.subject == sa.bindparam("_subject")), rows)

    def accused(self, check: Check) -> dict[str, list[dict[str, Any]]]:
        """Give the rows that a check accuses as it last judged, by subject; dates and instants are text."""
        query = sa.select(_C.subject, _C.accused).where(_C.asset == check[0], _C.check == check[1], _C.accused != "[]")
        with self._database.begin() as connection:
            return {subject: json.loads(rows) for subject, rows in connection.execute(query.order_by(_C.subject))}

    def subjects(self, check: Check) -> dict[str, datetime]:
        """Give what a check judged, and when it last did."""
        query = sa.select(_C.subject, _C.ts_judged).where(_C.asset == check[0], _C.check == check[1])
        with self._database.begin() as connection:
            return {subject: instant_of(at) for subject, at in connection.execute(query)}
