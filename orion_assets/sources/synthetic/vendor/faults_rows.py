"""Faults of rows: numbers that are none, bars that never were, what is missing, doubled or told twice."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final

from orion_assets.sources.synthetic.vendor.hit import Fault, Hit, fault_of
from orion_assets.sources.synthetic.vendor.parameters import with_cursor
from orion_assets.sources.synthetic.vendor.reply import NEW_YORK, Reply
from orion_assets.sources.synthetic.vendor.wire import compact

Row = dict[str, Any]
# Bytes that are no UTF-8, as the surrogates that stand for them
_GARBAGE: Final = b"\xff\xfe\x00AB\xc3\x28".decode("utf-8", "surrogateescape")
_DAY_MS: Final = 86_400_000


def wrong_ticker(reply: Reply, _: Hit, *, ticker: str = "WRONG", rows: int = 1) -> Reply:
    """So many rows name another ticker."""
    return _first(reply, rows, lambda row: row | {"T" if "T" in row or "o" in row else "ticker": ticker})


def out_of_range(reply: Reply, _: Hit, *, days: int = -365, rows: int = 1) -> Reply:
    """So many rows are of days that nobody asked for."""
    return _first(reply, rows, lambda row: row | {"t": row["t"] + days * _DAY_MS} if "t" in row else row)


def out_of_order(reply: Reply, hit: Hit) -> Reply:
    """The rows come shuffled."""
    return replace(reply, rows=hit.rng.sample(reply.rows, len(reply.rows))) if reply.rows else reply


def overlap(reply: Reply, hit: Hit, *, rows: int = 10) -> Reply:
    """The page starts with the last rows of the page before."""
    before = (hit.before[1].rows or []) if hit.before else []
    return replace(reply, rows=before[-rows:] + reply.rows) if reply.rows and before else reply


def duplicate_row(reply: Reply, _: Hit, *, row: int = 0, factor: float = 1.01) -> Reply:
    """A row comes twice, the second time with another close; a factor of 1 repeats it as it is."""
    if not reply.rows:
        return reply
    other = _changed(reply.rows[row], lambda told: told | _times(told, factor, "c"))
    return _with_rows(reply, [*reply.rows, other if factor != 1 else reply.rows[row]])


def bad_number(reply: Reply, _: Hit, *, value: str = "NaN", member: str = "c", row: int = 0) -> Reply:
    """A member of a row has this text as its number: NaN, Infinity, null, "12.5", 1e400, ...."""
    if not reply.rows or member not in json.loads(reply.rows[row]):
        return reply
    told = json.loads(reply.rows[row], parse_float=str, parse_int=str)
    members = [f"{compact(name)}:{_token(name, value if name == member else each)}" for name, each in told.items()]
    return _with_rows(reply, [*reply.rows[:row], "{" + ",".join(members) + "}", *reply.rows[row + 1 :]])


def impossible(reply: Reply, _: Hit, *, kind: str = "negative_price", rows: int = 1) -> Reply:
    """A bar that cannot be: `negative_price`, `zero_price`, `negative_volume`, `high_below_low`, `vw_outside`."""
    return _first(reply, rows, lambda row: row | _IMPOSSIBLE[kind](row) if "o" in row else row)


def huge(reply: Reply, _: Hit, *, value: float = 1e13, rows: int = 1) -> Reply:
    """Prices of so many dollars."""
    return _first(reply, rows, lambda row: row | dict.fromkeys("ohlc", value) if "o" in row else row)


def garbage_ticker(reply: Reply, _: Hit, *, rows: int = 1) -> Reply:
    """A ticker of bytes that are no text."""
    return _first(reply, rows, lambda row: row | {"T" if "o" in row else "ticker": _GARBAGE})


def epoch(reply: Reply, _: Hit, *, unit: str = "s") -> Reply:
    """Times in `s`, `us` or `ns` in place of milliseconds."""
    scale = {"s": 0.001, "us": 1_000, "ns": 1_000_000}[unit]
    return _every(reply, lambda row: row | {"t": int(row["t"] * scale)} if "t" in row else row)


def missing(reply: Reply, hit: Hit, *, share: float = 0.5) -> Reply:
    """A share of the rows is left out, the counts with them."""
    if not reply.rows:
        return reply
    return _with_rows(reply, [text for text in reply.rows if hit.rng.random() >= share])


def late_start(reply: Reply, _: Hit, *, rows: int = 1) -> Reply:
    """So many of the first rows are left out, the counts with them: the list begins later than was asked."""
    return _with_rows(reply, reply.rows[rows:]) if reply.rows else reply


def short_list(reply: Reply, _: Hit, *, rows: int = 1) -> Reply:
    """So many of the last rows are left out, and the counts still count them."""
    return replace(reply, rows=reply.rows[:-rows]) if reply.rows else reply


def restated(reply: Reply, _: Hit, *, ticker: str, session: date | str, factor: float = 1.01) -> Reply:
    """The bar of a ticker and session has other prices than were told before."""
    day = date.fromisoformat(str(session))

    def other(row: Row) -> Row:
        is_meant = row.get("T", reply.head.get("ticker")) == ticker and _session(row) == day
        return row | _times(row, factor, *"ohlc") if is_meant else row

    return _every(reply, other)


def duplicate_split(reply: Reply, hit: Hit, *, days: int = 7) -> Reply:
    """Every split comes twice, the second time on another date and under another id."""

    def again(row: Row) -> Row:
        moved = date.fromisoformat(row["execution_date"]) + timedelta(days=days)
        return row | {"id": f"{row['id']}-again", "execution_date": moved.isoformat()}

    def dated(text: str) -> str:
        return str(json.loads(text)["execution_date"])

    if not reply.rows or "execution_date" not in json.loads(reply.rows[0]):
        return reply
    # Told as any other row of the list: on dates that were asked for, and in the order of the list
    asked = with_cursor(hit.request).params
    first, last = asked.get("execution_date.gte", ""), asked.get("execution_date.lte", "9999-12-31")
    more = [text for text in (_changed(each, again) for each in reply.rows) if first <= dated(text) <= last]
    told = [*reply.rows, *more]
    return _with_rows(reply, sorted(told, key=dated) if asked.get("sort") == "execution_date.asc" else told)


def cancelled_split(reply: Reply, _: Hit, *, ticker: str) -> Reply:
    """The splits of a ticker are told no longer."""
    if not reply.rows or "execution_date" not in json.loads(reply.rows[0]):
        return reply
    return _with_rows(reply, [text for text in reply.rows if json.loads(text)["ticker"] != ticker])


def doubled_volumes(reply: Reply, _: Hit, *, factor: float = 2.0) -> Reply:
    """Every volume is so many times too large."""
    return _every(reply, lambda row: row | _times(row, factor, "v"))


def minute_hole(reply: Reply, _: Hit, *, at: str = "10:31", minutes: int = 1) -> Reply:
    """Minutes from a time of New York on are missing, for every ticker that is asked for."""
    if not reply.rows or "t" not in json.loads(reply.rows[0]):
        return reply
    start = datetime.combine(date.min, time.fromisoformat(at))
    hole = {(start + timedelta(minutes=each)).time() for each in range(minutes)}
    return _with_rows(reply, [text for text in reply.rows if _local(json.loads(text)["t"]).time() not in hole])


def news_edited(reply: Reply, _: Hit, *, text: str = "CORRECTED: ") -> Reply:
    """Titles have been edited under the same ids."""
    return _every(reply, lambda row: row | {"title": text + row["title"]} if "title" in row else row)


def news_backdated(reply: Reply, _: Hit, *, hours: float = 48.0) -> Reply:
    """Articles say that they were published so much earlier than they first came."""
    return _every(reply, lambda row: row | _published(row, lambda at: at - timedelta(hours=hours)))


def news_midnight(reply: Reply, _: Hit) -> Reply:
    """Articles are dated only: 00:00:00Z."""
    return _every(reply, lambda row: row | _published(row, lambda at: at.replace(hour=0, minute=0, second=0)))


def news_same_id(reply: Reply, _: Hit, *, row: int = 0) -> Reply:
    """An article comes twice under one id, the second time with another text."""
    if not reply.rows or "title" not in json.loads(reply.rows[row]):
        return reply
    other = _changed(reply.rows[row], lambda told: told | {"title": "Another article", "description": "Of its own."})
    return _with_rows(reply, [*reply.rows, other])


_IMPOSSIBLE: Final[Mapping[str, Callable[[Row], Row]]] = {
    "negative_price": lambda row: {"c": -row["c"]},
    "zero_price": lambda row: {**row, **dict.fromkeys("ohlc", 0)},
    "negative_volume": lambda row: {"v": -row.get("v", 1)},
    "high_below_low": lambda row: {"h": row["l"], "l": row["h"] + 1},
    "vw_outside": lambda row: {"vw": round(row["h"] * 1.1, 4)},
}


def _every(reply: Reply, change: Callable[[Row], Row]) -> Reply:
    return _first(reply, len(reply.rows or []), change)


def _first(reply: Reply, rows: int, change: Callable[[Row], Row]) -> Reply:
    if not reply.rows:
        return reply
    changed = [_changed(text, change) for text in reply.rows[:rows]]
    # Whoever changed nothing is not told as a fault
    return reply if changed == reply.rows[:rows] else replace(reply, rows=changed + reply.rows[rows:])


def _changed(text: str, change: Callable[[Row], Row]) -> str:
    told = json.loads(text)
    other = change(told)
    return text if other == told else compact(other)


def _with_rows(reply: Reply, rows: list[str]) -> Reply:
    if rows == reply.rows:
        return reply
    names = ("queryCount", "resultsCount", "count")
    head = {name: len(rows) if name in names else value for name, value in reply.head.items()}
    return replace(reply, head=head, rows=rows)


def _token(name: str, value: object) -> str:
    # Numbers were read as their text; of a bar, only the ticker is text itself
    return compact(value) if name == "T" or not isinstance(value, str) else value


def _times(row: Row, factor: float, *names: str) -> Row:
    return {name: round(row[name] * factor, 6) for name in names if name in row}


def _published(row: Row, change: Callable[[datetime], datetime]) -> Row:
    if "published_utc" not in row:
        return {}
    at = change(datetime.fromisoformat(row["published_utc"]).astimezone(UTC))
    return {"published_utc": at.strftime("%Y-%m-%dT%H:%M:%SZ")}


def _local(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, NEW_YORK)


def _session(row: Row) -> date | None:
    return _local(row["t"]).date() if "t" in row else None


FAULTS: Final[tuple[Fault, ...]] = tuple(
    fault_of("reply", each)
    for each in (
        *(wrong_ticker, out_of_range, out_of_order, overlap, duplicate_row, bad_number, impossible, huge),
        *(
            garbage_ticker,
            epoch,
            missing,
            late_start,
            short_list,
            restated,
            duplicate_split,
            cancelled_split,
            doubled_volumes,
        ),
        *(minute_hole, news_edited, news_backdated, news_midnight, news_same_id),
    )
)
