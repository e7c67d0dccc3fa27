"""Rows of any table of which a test names only the columns it cares about; June 2014, New York four hours behind."""

from datetime import UTC, date, datetime, timedelta

import polars as pl

from orion_assets import calendars
from orion_assets.schemas import RAW_COVERAGE
from orion_assets.tables import UTC_US, Table

MON, TUE, WED, THU, FRI = (date(2014, 6, day) for day in (2, 3, 4, 5, 6))
NEXT_MON, NEXT_TUE = date(2014, 6, 9), date(2014, 6, 10)
HOUR = timedelta(hours=1)
TICK = timedelta(microseconds=1)


def utc(session: date, hour: int, minute: int = 0) -> datetime:
    return datetime(session.year, session.month, session.day, hour, minute, tzinfo=UTC)


def open_cutoff(session: date) -> datetime:
    return utc(session, 13, 25)


def close_cutoff(session: date) -> datetime:
    return utc(session, 20, 30)


def rows(table: Table, *given: dict) -> pl.DataFrame:
    """Fill what a row leaves out: null where it may be, else a value of the dtype; clocks follow the session."""
    fill = {pl.String(): "", pl.Boolean(): False, pl.Float64(): 1.0, pl.Int64(): 1, pl.Int32(): 0, pl.Date(): MON}

    def value(row: dict, column) -> object:
        if column.name in row:
            return row[column.name]
        if column.dtype == UTC_US and not column.is_nullable:
            return close_cutoff(row.get("session", row.get("ex_date", row.get("snapshot", MON))))
        return None if column.is_nullable else fill.get(column.dtype)

    full = [{column.name: value(row, column) for column in table.columns} for row in given]
    return pl.DataFrame(full, schema=dict(table.schema), orient="row")


def bar(session: date, close: float, known: datetime | None = None, *, ticker: str = "AAA", **more) -> dict:
    """A flat bar; known at its close cut-off."""
    prices = dict.fromkeys(("open", "high", "low", "close"), close)
    known = known or close_cutoff(session)
    return {"ticker": ticker, "session": session, "volume": 100.0, "ts_known": known, **prices, **more}


def split(ex_date: date, after: int, before: int, known: datetime, *, ticker: str = "AAA", **more) -> dict:
    return {
        "security_id": f"files:{ticker}",
        "ticker": ticker,
        "ex_date": ex_date,
        "session": ex_date,
        "kind": "split",
        "shares_after": after,
        "shares_before": before,
        "ts_known": known,
        **more,
    }


def dividend(ex_date: date, cash: float, known: datetime | None = None, *, ticker: str = "AAA", **more) -> dict:
    return {
        "security_id": f"files:{ticker}",
        "ticker": ticker,
        "ex_date": ex_date,
        "session": ex_date,
        "kind": "dividend",
        "cash_amount": cash,
        "ts_known": known or utc(ex_date, 13, 30),
        **more,
    }


def answered(dataset: str, *cells: tuple[date, str], known: datetime | None = None, state: str = "data"):
    """RAW_COVERAGE rows of cells answered for the whole market, known at their cut-off unless said otherwise."""
    cutoffs = {"open": open_cutoff, "close": close_cutoff}
    return rows(
        RAW_COVERAGE,
        *(
            {
                "dataset": dataset,
                "ticker": "*",
                "session": session,
                "cutoff": cutoff,
                "state": state,
                "ts_known": known or cutoffs[cutoff](session),
            }
            for session, cutoff in cells
        ),
    )


def both(*sessions: date) -> list[tuple[date, str]]:
    return [(session, cutoff) for session in sessions for cutoff in ("open", "close")]


def june() -> pl.DataFrame:
    return calendars.sessions(date(2014, 5, 28), date(2014, 6, 20))


def told(frame: pl.DataFrame, *names: str) -> list[tuple]:
    """The named columns as tuples, in the frame's order."""
    return frame.select(names).rows()
