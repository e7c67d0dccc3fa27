"""A desk over a real lake, archive and state database, and a source that says what a test lets it say."""

from dataclasses import dataclass, field
from datetime import date, datetime

import polars as pl
import pytest

from orion_assets.ingest.moment import Moment
from orion_assets.ingest.runner import Desk, land
from orion_assets.schemas import RAW_DAILY_BARS, RAW_TICKERS, TABLES
from orion_assets.sources.protocols import TS_ASSUMED, TS_STATED, Answer, Ask, Document
from orion_assets.sources.routes import Route
from orion_assets.store.archive import FolderArchive
from orion_assets.store.lake import Lake
from orion_assets.store.state import State
from orion_assets_tests.pipeline import said
from orion_assets_tests.unit.transforms.rows import MON, WED, utc

YEARS_LATER = utc(date(2026, 1, 5), 12)
BYTES = b"ticker,session\n"
SHA = "5f78c33274e43fa9de5659265c1d917e25c03722dcb0b8d27db8d5feaa813953"


@dataclass
class Teller:
    """A source that says the rows it was given, of the asked range."""

    rows: list[dict] = field(default_factory=list)
    error: Exception | None = None
    ends: dict[str, date] = field(default_factory=dict)
    name = "teller"

    @property
    def datasets(self) -> frozenset[str]:
        return frozenset({RAW_TICKERS.name})

    def routes(self, today: date) -> tuple[Route, ...]:
        return ()

    def read(self, ask: Ask) -> Answer:
        if self.error:
            raise self.error
        filled = [{"is_deleted": False, TS_STATED: None, **row} for row in self.rows]
        empty = pl.DataFrame(schema={"session": pl.Date, "snapshot": pl.Date})
        frame = pl.DataFrame(filled, infer_schema_length=None) if filled else empty
        rows = said(ask.dataset, frame)
        if "session" in TABLES[ask.dataset].names:
            rows = rows.filter(pl.col("session").is_between(ask.start, ask.end, closed="left"))
        return Answer(rows, (Document("bars.csv", SHA, BYTES),), "evidence", ask.tickers, None, self.ends)


@pytest.fixture
def desk(tmp_path):
    made = Desk(Lake(str(tmp_path / "lake")), FolderArchive(tmp_path / "archive"), State(f"sqlite:///{tmp_path}/s.db"))
    yield made
    made.state.close()


def bar(session: date, close: float = 10.0, ticker: str = "AAA") -> dict:
    prices = dict.fromkeys(("open", "high", "low", "close"), close)
    clocks = {"ts_event": utc(session, 20), TS_ASSUMED: utc(session, 20, 15)}
    return {"ticker": ticker, "session": session, "volume": 100.0, **prices, **clocks}


def reference(ticker: str, name: str | None = None, snapshot: date = MON, stated: datetime | None = None) -> dict:
    clocks = {"ts_event": utc(snapshot, 4), TS_ASSUMED: utc(snapshot, 4), TS_STATED: stated}
    return {"ticker": ticker, "snapshot": snapshot, "name": name, **clocks}


def asked(desk: Desk, source, now: datetime = YEARS_LATER, *, table=RAW_DAILY_BARS, end=WED, **more):
    ask = Ask(table.name, MON, end, more.pop("tickers", ("AAA",)), now)
    return land(desk, source, ask, table, Moment(now, **more))
