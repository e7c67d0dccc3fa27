"""The vendor's bar routes: ranges of a ticker, a whole market day, the day before, open and close."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import polars as pl

from orion_assets.sources.synthetic.vendor import aggregation
from orion_assets.sources.synthetic.vendor.corrections import as_told
from orion_assets.sources.synthetic.vendor.others import OTHERS, Other
from orion_assets.sources.synthetic.vendor.parameters import (
    cursor_of,
    day,
    flag,
    instant_ms,
    number,
    one_of,
    with_cursor,
)
from orion_assets.sources.synthetic.vendor.reply import NEW_YORK, VENDOR_HOST, Refused, Reply, Request, decoded
from orion_assets.sources.synthetic.vendor.rights import Rights
from orion_assets.sources.synthetic.vendor.wire import bar_objects

_MOST: Final = 50_000
# Sessions whose minutes are made at once
_CHUNK: Final = 64
_SPARE: Final = 1_000
_DAY: Final = timedelta(days=1)
_NOT_FOUND: Final = "Data not found."


@dataclass(frozen=True)
class _Range:
    """What a range request asks: base bars with start <= t <= end (ms), sorted, at most `limit` of them a page."""

    ticker: str
    zone: str
    every: aggregation.Every
    start: int
    end: int
    limit: int
    is_descending: bool
    is_adjusted: bool


@dataclass(frozen=True)
class Bars:
    """Answers of the bar routes."""

    rights: Rights

    def aggregates(self, request: Request, *parts: str) -> Reply:
        """Answer `/v2/aggs/ticker/{ticker}/range/{multiplier}/{timespan}/{from}/{to}`; both ends are included."""
        asked = self._asked(with_cursor(request), *parts)
        first, last = (
            datetime.fromtimestamp(ms / 1000, ZoneInfo(asked.zone)).date() for ms in (asked.start, asked.end)
        )
        base, rest = self._page(asked, *self._span(asked.ticker, first, last, request), request.now)
        base = self._adjusted(base, request, asked=asked.is_adjusted)
        rows = base if asked.every.is_base else aggregation.aggregated(base, asked.every, asked.zone)
        rows = rows.reverse() if asked.is_descending else rows
        head = {
            "ticker": asked.ticker,
            "queryCount": base.height,
            "resultsCount": rows.height,
            "adjusted": asked.is_adjusted,
            "status": self._status(last, request),
            "request_id": request.request_id,
        }
        if rows.is_empty():
            return Reply(head)
        if "volume" not in rows.columns:
            # An index
            head.pop("resultsCount")
        head["count"] = rows.height
        if rest is not None:
            head["next_url"] = _next_url(asked, rest, parts)
        return Reply(head, bar_objects(rows.drop("ticker", strict=False)))

    def grouped(self, request: Request, locale: str, market: str, text: str) -> Reply:
        """Answer `/v2/aggs/grouped/locale/{locale}/market/{market}/{date}`."""
        if (locale, market) not in (("us", "stocks"), ("global", "crypto"), ("global", "fx")):
            raise Refused(404, _NOT_FOUND, "NOT_FOUND", "message")
        asked, is_adjusted = day("date", text), flag(request, "adjusted", default=True)
        if market == "stocks":
            _, last = self.rights.span(asked, asked, request.today, request.now)
            bars = self.told_on(asked, request.now) if last == asked else self.rights.truth.bars_on(date.min)
            bars = self._adjusted(bars, request, asked=is_adjusted).with_columns(t=_at(16))
            if flag(request, "include_otc", default=False):
                bars = pl.concat([bars, self._others_on("otc", asked, request)], how="diagonal")
        else:
            bars = self._others_on(market, asked, request)
        head = {
            "queryCount": bars.height,
            "resultsCount": bars.height,
            "adjusted": is_adjusted,
            "status": self._status(asked, request),
            "request_id": request.request_id,
        }
        if bars.is_empty():
            return Reply(head)
        return Reply({**head, "count": bars.height}, bar_objects(bars))

    def previous(self, request: Request, ticker: str) -> Reply:
        """Answer `/v2/aggs/ticker/{ticker}/prev`: the last final bar, at 16:00 New York; others' at its start."""
        name, is_adjusted = decoded(ticker), flag(request, "adjusted", default=True)
        if name in OTHERS:
            self.rights.cover(OTHERS[name].kind)
        at = _at(0, OTHERS[name].zone) if name in OTHERS else _at(16)
        last = self.rights.last_final(request.now)
        bars = self._adjusted(self._held(name, date.min, last, request.now).tail(1), request, asked=is_adjusted)
        head = {
            "ticker": name,
            "queryCount": bars.height,
            "resultsCount": bars.height,
            "adjusted": is_adjusted,
            "status": "OK",
            "request_id": request.request_id,
        }
        if bars.is_empty():
            return Reply(head)
        return Reply({**head, "count": bars.height}, bar_objects(bars.with_columns(t=at)))

    def open_close(self, request: Request, ticker: str, text: str) -> Reply:
        """Answer `/v1/open-close/{ticker}/{date}`: a flat object; an index's `from` is an instant."""
        name, asked = decoded(ticker), day("date", text)
        is_adjusted = flag(request, "adjusted", default=True)
        self.rights.span(asked, asked, request.today, request.now)
        if name in OTHERS:
            return self._other_open_close(request, OTHERS[name], asked)
        bars = self.rights.truth.bars_of(name, asked, asked + _DAY)
        if bars.is_empty() or asked > self.rights.last_final(request.now):
            raise Refused(404, _NOT_FOUND, "NOT_FOUND", "message")
        minutes = self.rights.truth.minute_bars(name, asked, asked + _DAY)
        times = self.rights.truth.sessions.filter(session=asked)
        before = minutes.filter(pl.col("ts_open") < times["ts_open"][0])
        after = minutes.filter(pl.col("ts_open") >= times["ts_close"][0])
        bar = self._adjusted(bars, request, asked=is_adjusted).row(0, named=True)
        head = {"status": "OK", "from": text, "symbol": name}
        head |= {member: bar[member] for member in ("open", "high", "low", "close", "volume")}
        head |= {} if after.is_empty() else {"afterHours": after["close"][-1]}
        return Reply(head | ({} if before.is_empty() else {"preMarket": before["open"][0]}))

    def _other_open_close(self, request: Request, other: Other, asked: date) -> Reply:
        self.rights.cover(other.kind)
        bars = self._held(other.ticker, asked, asked, request.now).filter(session=asked)
        if bars.is_empty():
            raise Refused(404, _NOT_FOUND, "NOT_FOUND", "message")
        at = datetime.combine(asked, datetime.min.time(), ZoneInfo(other.zone))
        bar = bars.row(0, named=True)
        told = {member: bar[member] for member in ("open", "high", "low", "close", "volume") if member in bar}
        when = at.isoformat() if other.kind == "indices" else asked.isoformat()
        return Reply({"status": "OK", "from": when, "symbol": other.ticker, **told})

    def _span(self, ticker: str, start: date, end: date, request: Request) -> tuple[date, date]:
        """Hold a range against the plan; days of UTC are told when they are over."""
        if ticker in OTHERS:
            self.rights.cover(OTHERS[ticker].kind)
        if ticker in OTHERS and OTHERS[ticker].has_own_days:
            return self.rights.floored(start, end, request.today), end
        return self.rights.span(start, end, request.today, request.now)

    def _others_on(self, kind: str, asked: date, request: Request) -> pl.DataFrame:
        """Give the bars of another market on a day, with the `t` of its end."""
        self.rights.cover(kind)
        self.rights.floored(asked, asked, request.today)
        here = [other.ticker for other in OTHERS.values() if other.kind == kind]
        told = pl.concat([self._held(ticker, asked, asked, request.now) for ticker in here]).filter(session=asked)
        if kind == "otc":
            return told.with_columns(t=_at(16), otc=pl.lit(value=True))
        return told.with_columns(t=_at(24, "UTC") - 1)

    def _asked(self, request: Request, *parts: str) -> _Range:
        ticker, multiplier, timespan, start, end = parts
        every = aggregation.Every(number("multiplier", multiplier, 1, 1_000), aggregation.timespan(timespan))
        name = decoded(ticker)
        zone = OTHERS[name].zone if name in OTHERS else str(NEW_YORK)
        first = every.snapped(instant_ms("from", start, zone), zone)
        last = instant_ms("to", end, zone, is_end=True)
        if last < first:
            raise Refused(400, f"The parameter 'to' cannot be a time that occurs before 'from': {start} to {end}")
        limit = number("limit", request.params.get("limit", "5000"), 1, _MOST)
        is_descending = one_of(request, "sort", ("asc", "desc")) == "desc"
        is_adjusted = flag(request, "adjusted", default=True)
        return _Range(name, zone, every, first, last, limit, is_descending, is_adjusted)

    def _page(self, asked: _Range, start: date, end: date, now: datetime) -> tuple[pl.DataFrame, int | None]:
        """Give the base bars of one page, oldest first, and the instant at which the next one starts (or ends)."""
        found: list[pl.DataFrame] = []
        count = 0
        for rows in self._base(asked, start, end, now):
            found.append(rows.filter(pl.col("t").is_between(asked.start, asked.end)))
            count += found[-1].height
            # What is left over tells where the longer bar at the edge ends
            if count > asked.limit + _SPARE:
                break
        rows = pl.concat(found[::-1] if asked.is_descending else found)
        if count <= asked.limit:
            return rows, None
        kept = rows.tail(asked.limit) if asked.is_descending else rows.head(asked.limit)
        return aggregation.cut(rows, kept, asked.every, asked.zone, is_descending=asked.is_descending)

    def _base(self, asked: _Range, start: date, end: date, now: datetime) -> Iterator[pl.DataFrame]:
        """Give base bars with their `t` (ms), chunk by chunk in the order in which pages take them."""
        bars = self._held(asked.ticker, start, end, now).filter(pl.col("session").is_between(start, end))
        if asked.every.base == "day":
            yield bars.with_columns(t=_at(0, asked.zone))
            return
        is_other = asked.ticker in OTHERS
        days = self.rights.truth.sessions_of(asked.ticker, start, end, now) if is_other else bars["session"]
        chunks = [days[at : at + _CHUNK] for at in range(0, len(days), _CHUNK)]
        # An empty frame of the right columns, where nothing traded
        yield self._minutes(asked.ticker, date.min, date.min, now).head(0)
        for chunk in reversed(chunks) if asked.is_descending else chunks:
            yield self._minutes(asked.ticker, chunk[0], chunk[-1], now)

    def _minutes(self, ticker: str, start: date, end: date, now: datetime) -> pl.DataFrame:
        made = self.rights.truth.minute_bars(ticker, start, end + _DAY)
        under_way = self.rights.under_way(now)
        if under_way is not None and start <= under_way <= end:
            is_told = pl.col("ts_open") + timedelta(minutes=1) <= self.rights.told_until(now)
            made = made.filter((pl.col("session") < under_way) | is_told)
        return made.with_columns(t=pl.col("ts_open").dt.epoch("ms"))

    def _held(self, ticker: str, start: date, end: date, now: datetime) -> pl.DataFrame:
        """Give the daily bars of one ticker from start to end, both included, the last of them perhaps not final.

        Of another market, all that are known.
        """
        if ticker in OTHERS:
            after = timedelta() if OTHERS[ticker].has_own_days else self.rights.terms.final_after
            told = self.rights.truth.others_of(ticker, now, after)
            return told.with_columns(otc=pl.lit(value=True)) if OTHERS[ticker].kind == "otc" else told
        bars = self._told(self.rights.truth.bars_of(ticker, start, end + _DAY), now)
        under_way = self.rights.under_way(now)
        if under_way is None or not start <= under_way <= end:
            return bars
        return pl.concat([bars.filter(pl.col("session") < under_way), self._so_far(ticker, under_way, now)])

    def told_on(self, session: date, now: datetime) -> pl.DataFrame:
        """Give the daily bars of a session as they are told, those of one under way so far."""
        return (
            self._so_far(None, session, now)
            if session == self.rights.under_way(now)
            else self._told(self.rights.truth.bars_on(session), now)
        )

    def _told(self, bars: pl.DataFrame, now: datetime) -> pl.DataFrame:
        return as_told(bars, now) if self.rights.terms.corrects else bars

    def _so_far(self, ticker: str | None, session: date, now: datetime) -> pl.DataFrame:
        """Give the bars of a session under way: what its regular minutes have made of it."""
        until = self.rights.told_until(now)
        minutes = self.rights.truth.minutes_so_far(None if ticker is None else [ticker], session, until)
        opens = self.rights.truth.sessions.filter(session=session)["ts_open"][0]
        made = aggregation.folded(minutes.filter(pl.col("ts_open") >= opens), "ticker", "session", "number")
        return made.select(self.rights.truth.daily_bars.columns)

    def _adjusted(self, bars: pl.DataFrame, request: Request, *, asked: bool) -> pl.DataFrame:
        if not asked or "number" not in bars.columns:
            return bars
        splits = self.rights.truth.splits.filter(pl.col("ex_date") <= request.today, pl.col("ts_known") <= request.now)
        return aggregation.adjusted(bars, splits)

    def _status(self, last: date, request: Request) -> str:
        return "DELAYED" if self.rights.plan.delay and last >= request.today else "OK"


def _at(hour: int, zone: str = "America/New_York") -> pl.Expr:
    local = pl.col("session").cast(pl.Datetime("us")).dt.offset_by(f"{hour}h")
    return local.dt.replace_time_zone(zone).dt.epoch("ms")


def _next_url(asked: _Range, rest: int, parts: tuple[str, ...]) -> str:
    """Give the next page as the vendor does: the new start in the path, limit and sort in the cursor."""
    told = {"limit": str(asked.limit), "sort": "desc" if asked.is_descending else "asc"}
    # Nobody outside knows how the vendor keeps it; a fault loses it
    told |= {} if asked.is_adjusted else {"adjusted": "false"}
    ticker, multiplier, timespan, start, end = parts
    first, last = (start, str(rest)) if asked.is_descending else (str(rest), end)
    path = f"/v2/aggs/ticker/{ticker}/range/{multiplier}/{timespan}/{first}/{last}"
    return f"{VENDOR_HOST}{path}?cursor={cursor_of(told)}"
