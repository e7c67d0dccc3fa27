"""Which daily bars were last held against those of a second source, and whose: a verdict reaches no further."""

from datetime import date
from typing import Final

import polars as pl
import sqlalchemy as sa

from orion_assets.store.database import Database
from orion_assets.store.state_tables import COMPARISONS

_C: Final = COMPARISONS.c


class ComparisonLog:
    """The bars that were compared, in the state database: one row a ticker and session."""

    def __init__(self, database: Database) -> None:
        """Keep the log in a database; nothing is opened or made."""
        self._database = database

    def record(self, compared: pl.DataFrame, source: str) -> None:
        """Say what was compared, and with whom; the last word on a ticker and session wins.

        Args:
            compared: `ticker`, `session` and `is_bar`: false where neither side has a bar.
            source: Whom it was held against.
        """
        given = self._database.insert(COMPARISONS)
        told = {name: given.excluded[name] for name in ("source", "is_bar")}
        rows = compared.select("ticker", "session", "is_bar", source=pl.lit(source)).to_dicts()
        if rows:
            with self._database.begin() as connection:
                connection.execute(given.on_conflict_do_update(index_elements=["ticker", "session"], set_=told), rows)

    def between(self, start: date, end: date) -> pl.DataFrame:
        """Count the bars of the sessions [start, end) that were compared.

        Returns:
            `source`, `bars` and `tickers` (counts), `first` and `last` (sessions), one row a source, sorted by it; none
            where no bar was compared.
        """
        of_source = sa.select(
            _C.source,
            sa.func.count().label("bars"),
            sa.func.count(_C.ticker.distinct()).label("tickers"),
            sa.func.min(_C.session).label("first"),
            sa.func.max(_C.session).label("last"),
        )
        is_within = (_C.session >= start) & (_C.session < end) & _C.is_bar
        with self._database.begin() as connection:
            rows = connection.execute(of_source.where(is_within).group_by(_C.source).order_by(_C.source)).all()
        schema = {
            "source": pl.String(),
            "bars": pl.Int64(),
            "tickers": pl.Int64(),
            "first": pl.Date(),
            "last": pl.Date(),
        }
        return pl.DataFrame([tuple(row) for row in rows], schema=schema, orient="row")
