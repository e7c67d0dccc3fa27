"""Small random worlds in which everything that can go wrong with time does; every value from one seed."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl

from orion_assets import calendars
from orion_assets.ingest.moment import Moment
from orion_assets.schemas import RAW_TICKERS
from orion_assets.sources.protocols import TS_ASSUMED, TS_STATED
from orion_assets_tests.pipeline import DELAY, World, said

TICKERS = ("AAA", "BBB")
START, END = date(2014, 6, 20), date(2014, 7, 15)
WORDS = ("great", "terrible", "profit", "loss", "soars", "crash", "quarter", "report", "happy", "lawsuit")


def random_world(seed: int) -> World:
    """Two tickers over 16 sessions with a half-day: bars, splits, dividends, VIX and news, out of order at will."""
    rng = np.random.default_rng(seed)
    sessions = calendars.sessions(START, END)
    return World(
        said={
            "raw_daily_bars": said("raw_daily_bars", pl.DataFrame(_bars(rng, sessions), infer_schema_length=None)),
            "raw_vix": said("raw_vix", pl.DataFrame(_vix(rng, sessions), infer_schema_length=None)),
            "raw_news": said("raw_news", pl.DataFrame(_news(rng, sessions), infer_schema_length=None)),
            "raw_splits": said("raw_splits", pl.DataFrame(_splits(rng, sessions), infer_schema_length=None)),
            "raw_dividends": said("raw_dividends", pl.DataFrame(_dividends(rng, sessions), infer_schema_length=None)),
        },
        tickers=TICKERS,
        start=START,
        end=END,
        reference=_reference(rng, sessions) if seed % 2 else None,
    )


def live_world(seed: int) -> World:
    """The same world lived through: landed by morning and evening runs, some missed, some asking days anew."""
    world = replace(random_world(seed), has_clocks=seed % 2 == 0)
    for _ in _lived(world, seed, missed=0.3):
        pass
    return world


def answers_given(seed: int, after: Sequence[int]) -> tuple[World, list[tuple[datetime, dict[str, pl.DataFrame]]]]:
    """A vendor's world without a missed run; what was derived after some of the runs, and until when it stood.

    That is a tick before the next run: until then nobody could be answered otherwise.
    """
    # Who bears a ticker is told by the reference, which these runs do not land
    world = replace(random_world(seed), has_clocks=False, reference=None)
    given: list[tuple[datetime, dict[str, pl.DataFrame]]] = []
    stands: dict[str, pl.DataFrame] | None = None
    for number, now in enumerate(_lived(world, seed, missed=0.0)):
        if stands is not None:
            given.append((now - timedelta(microseconds=1), stands))
        stands = world.derive() if number in after else None
    return world, given


def _lived(world: World, seed: int, *, missed: float) -> Iterator[datetime]:
    rng = np.random.default_rng(seed + 2)
    sessions = calendars.sessions(START, END)
    days = sessions["session"].to_list()
    unasked = 0
    for number, row in enumerate(sessions.iter_rows(named=True)):
        for name in ("open", "close"):
            if rng.random() < missed:
                continue
            first = max(0, min(unasked, number - int(rng.integers(0, 4) if rng.random() < 0.3 else 0)))
            now = row[f"ts_{name}_cutoff"] + timedelta(minutes=int(rng.integers(0, 90)))
            world.land(Moment(now), days[first], days[number] + timedelta(days=1))
            unasked = number + (name == "close")
            yield now
    last = sessions["ts_close_cutoff"].to_list()[-1] + timedelta(days=int(rng.integers(0, 9)))
    world.land(Moment(last))
    yield last


def instants(seed: int, world: World, count: int) -> list[datetime]:
    """Moments worth looking at: clocks of rows, a tick before them, cut-offs and anything between."""
    rng = np.random.default_rng(seed + 1)
    said = pl.concat(frame.select(pl.coalesce(TS_STATED, TS_ASSUMED).alias("at")) for frame in world.said.values())
    landed = [frame["ts_known"].alias("at") for frame in (*world.held.values(), *world.coverage.values())]
    clocks = pl.concat([said["at"], *landed]).to_list()
    clocks += [clock - timedelta(microseconds=1) for clock in clocks]
    sessions = calendars.sessions(START, END)
    clocks += [*sessions["ts_open_cutoff"].to_list(), *sessions["ts_close_cutoff"].to_list()]
    return [clocks[i] for i in rng.choice(len(clocks), size=count, replace=False)]


def _version(row: dict, clock: datetime | None, *, is_deleted: bool = False) -> dict:
    return {**row, TS_STATED: clock, "is_deleted": is_deleted}


def _later(rng: np.random.Generator, after: datetime) -> datetime:
    return after + timedelta(minutes=int(rng.integers(1, 5 * 24 * 60)))


def _fate(rng: np.random.Generator, row: dict, change: dict) -> list[dict]:
    """The versions of one row: as is, corrected, there and back, withdrawn, withdrawn and returned."""
    versions = [_version(row, None)]
    clock = row[TS_ASSUMED]
    fate = rng.choice(["plain", "corrected", "back", "withdrawn", "returned"], p=[0.78, 0.08, 0.05, 0.05, 0.04])
    if fate == "plain":
        return versions
    # A stated first clock: a file that holds versions states all of them
    versions[0][TS_STATED] = clock
    clock = _later(rng, clock)
    is_withdrawal = fate in {"withdrawn", "returned"}
    versions.append(_version(row if is_withdrawal else {**row, **change}, clock, is_deleted=is_withdrawal))
    if fate in {"back", "returned"}:
        versions.append(_version(row, _later(rng, clock)))
    return versions


def _bars(rng: np.random.Generator, sessions: pl.DataFrame) -> list[dict]:
    rows: list[dict] = []
    for ticker in TICKERS:
        close = float(rng.integers(20, 200))
        for session, ts_close in sessions.select("session", "ts_close").iter_rows():
            if rng.random() < 0.05:
                continue
            close = round(close * float(np.exp(rng.normal(0, 0.03))), 2)
            is_late = rng.random() < 0.08
            row = {
                "ticker": ticker,
                "session": session,
                "open": close,
                "high": round(close * 1.01, 2),
                "low": round(close * 0.99, 2),
                "close": close,
                "volume": float(rng.integers(1, 1000)) * 100,
                "ts_event": ts_close,
                TS_ASSUMED: _later(rng, ts_close + DELAY) if is_late else ts_close + DELAY,
            }
            rows.extend(_fate(rng, row, {"close": round(close * 1.002, 2), "volume": 100.0}))
    return rows


def _vix(rng: np.random.Generator, sessions: pl.DataFrame) -> list[dict]:
    rows: list[dict] = []
    level = 15.0
    for session, ts_close in sessions.select("session", "ts_close").iter_rows():
        if rng.random() < 0.1:
            continue
        level = round(level * float(np.exp(rng.normal(0, 0.05))), 2)
        known = ts_close + 2 * DELAY
        row = {
            "date": session,
            "session": session,
            **dict.fromkeys(("open", "high", "low", "close"), level),
            "ts_event": ts_close + DELAY,
            TS_ASSUMED: _later(rng, known) if rng.random() < 0.1 else known,
        }
        rows.extend(_fate(rng, row, {"close": level + 1}))
    return rows


def _news(rng: np.random.Generator, sessions: pl.DataFrame) -> list[dict]:
    rows: list[dict] = []
    closes = sessions.select("session", "ts_close_cutoff").rows()
    first, last = closes[0][1], closes[-1][1]
    for number in range(25):
        published = first + timedelta(seconds=int(rng.integers(1, int((last - first).total_seconds()))))
        session = next(session for session, cutoff in closes if published <= cutoff)
        words = [WORDS[i] for i in rng.integers(0, len(WORDS), 4)]
        row = {
            "article_id": f"n{number:03d}",
            "session": session,
            "tickers": [t for t in TICKERS if rng.random() < 0.7] or [TICKERS[0]],
            "title": " ".join(words),
            "description": None if rng.random() < 0.5 else "more of it",
            "ts_event": published,
            TS_ASSUMED: _later(rng, published) if rng.random() < 0.1 else published + DELAY,
        }
        rows.extend(_fate(rng, row, {"title": "terrible lawsuit", "tickers": ["BBB"]}))
    return rows


def _splits(rng: np.random.Generator, sessions: pl.DataFrame) -> list[dict]:
    rows: list[dict] = []
    for ticker in TICKERS:
        for _ in range(int(rng.integers(0, 3))):
            session, ts_open = sessions.select("session", "ts_open").row(int(rng.integers(0, sessions.height)))
            is_late = rng.random() < 0.5
            after, before = [(2, 1), (1, 20), (3, 2), (7, 1)][int(rng.integers(0, 4))]
            row = {
                "event_id": f"{ticker}:{session}:split",
                "ticker": ticker,
                "session": session,
                "ex_date": session,
                "shares_after": after,
                "shares_before": before,
                "ts_event": ts_open,
                TS_ASSUMED: _later(rng, ts_open) if is_late else ts_open,
            }
            if all(row["event_id"] != other["event_id"] for other in rows):
                rows.extend(_fate(rng, row, {"shares_after": 5}))
    return rows or [_no_action("split", {"shares_after": 1, "shares_before": 1})]


_SPECIAL_TOO = 0.3


def _dividends(rng: np.random.Generator, sessions: pl.DataFrame) -> list[dict]:
    """A dividend, and in some worlds a special one beside it."""
    session, ts_open = sessions.select("session", "ts_open").row(int(rng.integers(0, sessions.height)))
    row = {
        "event_id": f"AAA:{session}:dividend",
        "ticker": "AAA",
        "session": session,
        "ex_date": session,
        "cash_amount": 0.5,
        "dividend_type": None,
        "ts_event": ts_open,
        TS_ASSUMED: ts_open,
    }
    told = _fate(rng, row, {"cash_amount": 0.6})
    if rng.random() < _SPECIAL_TOO:
        special = row | {"event_id": f"AAA:{session}:special", "cash_amount": 2.0, "dividend_type": "special"}
        told += _fate(rng, special, {"cash_amount": 2.5})
    return told


def _reference(rng: np.random.Generator, sessions: pl.DataFrame) -> pl.DataFrame:
    """Snapshots that list, rename, reuse, end, correct and take back whatever chance wants."""
    days = [None, None, *sessions["session"].to_list()]
    rows: dict[tuple[str, date], list[dict]] = {}
    for _ in range(int(rng.integers(1, 8))):
        ticker = TICKERS[int(rng.integers(0, 2))]
        snapshot, ts_open = sessions.select("session", "ts_open").row(int(rng.integers(0, sessions.height)))
        versions = rows.setdefault((ticker, snapshot), [])
        row = {
            "ticker": ticker,
            "snapshot": snapshot,
            "figi": [None, "F1", "F2"][int(rng.integers(0, 3))],
            "list_date": days[int(rng.integers(0, len(days)))] if rng.random() < 0.5 else None,
            "delist_date": days[int(rng.integers(0, len(days)))] if rng.random() < 0.3 else None,
            "source": "files",
            "source_file": "t.csv",
            "source_row": 1,
            "source_hash": "0" * 64,
            "problem": None,
            "is_deleted": bool(versions) and rng.random() < 0.3,
            "availability": "observed",
        }
        known = _later(rng, versions[-1]["ts_known"]) if versions else ts_open
        versions.append({**row, **dict.fromkeys(("ts_event", "ts_known", "ts_ingested"), known)})
    told = [row for versions in rows.values() for row in versions] + list(_said_again(rng, rows, sessions))
    return RAW_TICKERS.conform(
        pl.DataFrame(told, infer_schema_length=None)
        .with_columns(
            pl.lit(None, dtype).alias(name) for name, dtype in RAW_TICKERS.schema.items() if name not in told[0]
        )
        .select(pl.col(name).cast(dtype) for name, dtype in RAW_TICKERS.schema.items())
    )


def _said_again(
    rng: np.random.Generator, rows: dict[tuple[str, date], list[dict]], sessions: pl.DataFrame
) -> Iterator[dict]:
    """Follow snapshots by some that say the same, as a weekly list does of most of the market."""
    taken = {snapshot for _, snapshot in rows}
    said: list[dict] = []
    times = 0
    for snapshot, ts_open in sessions.select("session", "ts_open").iter_rows():
        if snapshot in taken:
            said = [versions[0] for (_, day), versions in rows.items() if day == snapshot]
            times = int(rng.integers(0, 5))
        elif said and times > 0:
            times -= 1
            clocks = dict.fromkeys(("ts_event", "ts_known", "ts_ingested"), ts_open)
            yield from ({**row, "snapshot": snapshot, **clocks} for row in said)


def _no_action(kind: str, values: dict) -> dict:
    clock = datetime(2014, 6, 20, 13, 30, tzinfo=UTC)
    row = {"event_id": f"ZZZ:{kind}", "ticker": "ZZZ", "session": START, "ex_date": START, **values}
    return _version({**row, "ts_event": clock, TS_ASSUMED: clock}, None)
