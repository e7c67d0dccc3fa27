"""A raw table that is landed upon, and the rows a source would say of June 2014."""

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

import polars as pl

from orion_assets import calendars
from orion_assets.ingest.landing import Landing
from orion_assets.ingest.moment import Moment
from orion_assets.schemas import RAW_COVERAGE, RAW_DAILY_BARS
from orion_assets.sources.protocols import TS_ASSUMED, TS_STATED, Answer
from orion_assets.tables import Table
from orion_assets_tests.pipeline import said
from orion_assets_tests.unit.transforms.rows import (
    MON,
    utc,
)

SATURDAY = date(2014, 6, 7)
YEARS_LATER = utc(date(2026, 1, 5), 12)
DELAY = timedelta(minutes=15)


@dataclass
class Raw:
    """One raw table and its coverage, landed upon as the lake would."""

    table: Table = RAW_DAILY_BARS
    held: pl.DataFrame = field(default_factory=pl.DataFrame)
    coverage: pl.DataFrame = field(default_factory=RAW_COVERAGE.empty)

    def land(self, now: datetime, *given: dict, start=MON, end=SATURDAY, asked=("AAA",), is_replay=False, **answer):
        """Land an answer; gives the versions and the coverage rows that were added."""
        held = self.held if self.held.width else self.table.empty()
        count = calendars.sessions(start, end).height
        about = Landing(
            self.table,
            Answer(answer_rows(self.table, *given), (), "evidence", **answer),
            calendars.sessions(start).head(count + 1),
            Moment(now, is_replay),
        )
        in_range = pl.col("session").is_between(start, end, closed="left")
        mine = held.filter(in_range) if "session" in self.table.key else held
        news = self.table.conform(about.new_versions(mine, self.coverage.filter(in_range)))
        cells = RAW_COVERAGE.conform(about.new_coverage(asked, self.coverage.filter(in_range), mine))
        self.held = self.table.conform(pl.concat([held, news]))
        self.coverage = RAW_COVERAGE.conform(pl.concat([self.coverage, cells]))
        return news.sort(*self.table.key, "ts_known"), cells.sort("ts_event", "ticker")


def answer_rows(table: Table, *given: dict) -> pl.DataFrame:
    if not given:
        return said(table.name, pl.DataFrame(schema={"session": pl.Date}))
    rows = [{"is_deleted": False, **row} for row in given]
    return said(table.name, pl.DataFrame(rows, infer_schema_length=None))


def bar(session: date, close: float = 10.0, stated: datetime | None = None, *, ticker="AAA", **more) -> dict:
    prices = dict.fromkeys(("open", "high", "low", "close"), close)
    clocks = {"ts_event": utc(session, 20), TS_ASSUMED: utc(session, 20) + DELAY, TS_STATED: stated}
    return {"ticker": ticker, "session": session, "volume": 100.0, **prices, **clocks, **more}


def article(number: str, session: date, *tickers: str, **more) -> dict:
    clocks = {"ts_event": utc(session, 16), TS_ASSUMED: utc(session, 16) + DELAY}
    return {"article_id": number, "session": session, "tickers": list(tickers), "title": "Results", **clocks, **more}


def split(event: str, ex_date: date, *, ticker="AAA", **more) -> dict:
    shares = {"shares_after": 2, "shares_before": 1}
    clocks = {"ts_event": utc(ex_date, 13, 30), TS_ASSUMED: utc(ex_date, 13, 30)}
    return {"event_id": event, "ticker": ticker, "session": ex_date, "ex_date": ex_date, **shares, **clocks, **more}


VERSION = ("close", "ts_known", "availability", "is_deleted")
