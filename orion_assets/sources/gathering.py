"""The pages of one answer, put together: documents, provenance, and every key once or not at all."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Final

import polars as pl

from orion_assets.errors import AnswerDistrusted
from orion_assets.sources import filing
from orion_assets.sources.protocols import TS_ASSUMED, Answer, Ask, Document, said_schema, spoken_by
from orion_assets.sources.responses import Response
from orion_assets.sources.transport import DISTRUSTED
from orion_assets.tables import Table

_EACH: Final = ("source_file", "source_row", "source_hash")


class Gathering:
    """Collects what the pages of one answer say of one raw table."""

    def __init__(self, table: Table, source: str, delay: timedelta = filing.DELAY) -> None:
        """Begin an answer.

        Args:
            table: The raw table.
            source: Who says it.
            delay: From an event to the first instant at which it could be read.
        """
        self._table = table
        self._source = source
        self._delay = delay
        self._said = [pl.DataFrame(schema=said_schema(table))]
        self._documents: list[Document] = []

    def add(self, rows: pl.DataFrame, response: Response) -> None:
        """Take a page: rows as `filing.said` wants them, and the bytes that they were read from."""
        # The vendor's host may be one of several; what was asked is the path
        name = response.url.partition("://")[2].partition("/")[2]
        self._documents.append(Document(name, response.sha256, response.body))
        if rows.height:
            said = filing.said(
                self._table, rows, source=self._source, name=name, sha256=response.sha256, delay=self._delay
            )
            self._said.append(said)

    def answer(
        self,
        ask: Ask,
        spoken_of: Sequence[str] = (),
        *,
        through: date | None = None,
        ends: Mapping[str, date] | None = None,
    ) -> Answer:
        """Give the answer: what was known by the ask's `now`, each key once.

        Args:
            ask: What was asked.
            spoken_of: Tickers that the answer speaks of; none means the whole market.
            through: Last session that the source can speak of.
            ends: As `Answer.ends`.

        Raises:
            AnswerDistrusted: Two pages, or two rows, tell one key differently.
        """
        said = pl.concat(self._said)
        alike = said.unique([name for name in said.columns if name not in _EACH], keep="first", maintain_order=True)
        clashes = alike.filter(pl.struct(*self._table.key, TS_ASSUMED).is_duplicated())
        if clashes.height:
            key = " ".join(str(clashes[name][0]) for name in self._table.key)
            raise AnswerDistrusted(f"{self._source}: {self._table.name}: two rows tell {key} differently. {DISTRUSTED}")
        # What changed while its pages were read stands on two of them: the later version is how it reads
        known = spoken_by(alike, ask.now).sort(TS_ASSUMED, maintain_order=True)
        rows = known.unique(self._table.key, keep="last", maintain_order=True)
        first = self._documents[0].sha256 if self._documents else ""
        return Answer(rows, tuple(self._documents), first, tuple(spoken_of), through, ends or {})
