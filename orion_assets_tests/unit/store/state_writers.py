"""What the state database's tests run in other processes."""

from datetime import UTC, date, datetime

import polars as pl

from orion_assets.store.state import LEDGER_SCHEMA, State

ROUNDS = 25
INSTANT = datetime(2014, 6, 3, 20, 30, tzinfo=UTC)


def work(url: str, number: int, barrier) -> None:
    """Fail a shared cell, and say one of the process's own, in every round."""
    barrier.wait(60)
    state = State(url)
    state.add_tickers(["shared", f"T{number}"], ts_added=INSTANT)
    for n in range(ROUNDS):
        cells = {
            "dataset": "raw_daily_bars",
            "ticker": ["shared", f"{number}-{n}"],
            "session": date(2014, 6, 2),
            "state": ["failed", "data"],
            "rows": 0,
            "source": "files",
            "evidence": None,
            "attempts": 0,
            "ts_known": None,
            "ts_updated": INSTANT,
            "detail": None,
        }
        state.record(pl.DataFrame(cells, schema=LEDGER_SCHEMA))
