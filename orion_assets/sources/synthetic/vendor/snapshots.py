"""The vendor's snapshots: what stocks and indices have told so far, cleared at 03:30 New York and filled from 04:00."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any, Final

import polars as pl

from orion_assets.sources.synthetic.vendor import aggregation
from orion_assets.sources.synthetic.vendor.bars import Bars
from orion_assets.sources.synthetic.vendor.others import OTHERS
from orion_assets.sources.synthetic.vendor.pages import Listed, page
from orion_assets.sources.synthetic.vendor.parameters import with_cursor
from orion_assets.sources.synthetic.vendor.reply import NEW_YORK, Refused, Reply, Request
from orion_assets.sources.synthetic.vendor.rights import Rights
from orion_assets.sources.synthetic.vendor.status import phases

_INDICES: Final = Listed("/v3/snapshot/indices", "ticker", ("ticker",), 10, 250)
_CLEARED: Final = time(3, 30)
_MINUTE: Final = timedelta(minutes=1)
_SHORT: Final = {"o": "open", "h": "high", "l": "low", "c": "close", "v": "volume", "vw": "vwap"}
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Snapshots:
    """Answers of the snapshot routes. Quotes and trades are not simulated, and are left out."""

    rights: Rights
    bars: Bars

    def stocks(self, request: Request) -> Reply:
        """Answer `/v2/snapshot/locale/us/markets/stocks/tickers`: who has traded since 04:00, by ticker."""
        wanted = [name for name in request.params.get("tickers", "").split(",") if name]
        told = [_stock(row) for row in self._so_far(request, wanted).iter_rows(named=True)]
        return Reply({"request_id": request.request_id, "status": "OK", "count": len(told), "tickers": told})

    def indices(self, request: Request) -> Reply:
        """Answer `/v3/snapshot/indices`: the last session that is over; whom it cannot answer for, with the reason.

        Raises:
            Refused: 400, more than 250 are asked for, or `limit` is wrong.
        """
        asked = with_cursor(request)
        known = [other.ticker for other in OTHERS.values() if other.kind == "indices"]
        wanted = [name for name in asked.params.get("ticker.any_of", "").split(",") if name] or known
        if len(wanted) > _INDICES.most:
            raise Refused(400, f"'ticker.any_of' names {len(wanted)} tickers; {_INDICES.most} are the most")
        return page(asked, _INDICES, [self._index(name, request, known) for name in dict.fromkeys(wanted)])

    def _so_far(self, request: Request, wanted: Sequence[str]) -> pl.DataFrame:
        """Give each ticker's last minute, with its day as `day_...` and the day before as `prev_...`, as traded then.

        Both days are in the units of the session that is shown.
        """
        now = request.now
        local = now.astimezone(NEW_YORK)
        shown = local.date() - timedelta(days=1) if local.time() < _CLEARED else local.date()
        truth = self.rights.truth
        sessions = truth.sessions["session"]
        if shown not in sessions:
            return pl.DataFrame(schema={"ticker": pl.String})
        of = pl.col("ticker").is_in(wanted) if wanted else pl.lit(value=True)
        day = self.bars.told_on(shown, now).filter(of)
        last = (
            truth.minutes_so_far(wanted or None, shown, self.rights.told_until(now))
            .group_by("ticker", maintain_order=True)
            .agg(pl.all().last(), so_far=pl.col("volume").sum().round(6))
        )
        before = sessions.filter(sessions < shown).to_list()
        prev = self.bars.told_on(before[-1] if before else date.min, now).filter(of)
        splits = truth.splits.filter(pl.col("ex_date") <= shown, pl.col("ts_known") <= now)
        return _joined(_joined(last, day, "day"), aggregation.adjusted(prev, splits), "prev").sort("ticker")

    def _index(self, name: str, request: Request, known: list[str]) -> dict[str, Any]:
        if name not in known:
            return {"ticker": name, "error": "NOT_FOUND", "message": "Ticker not found."}
        if "indices" in self.rights.plan.excluded:
            return {"ticker": name, "error": "NOT_ENTITLED", "message": "Not entitled to this ticker."}
        told = self.rights.truth.others_of(name, request.now, self.rights.terms.final_after).tail(2)
        if told.height < 2:
            return {"ticker": name, "error": "NOT_FOUND", "message": "Ticker not found."}
        before, last = told.iter_rows(named=True)
        return {
            "ticker": name,
            "name": OTHERS[name].name,
            "type": "indices",
            "market_status": "open" if phases(request.now, request.now.astimezone(NEW_YORK))[0] else "closed",
            "timeframe": "DELAYED" if self.rights.plan.delay else "REAL-TIME",
            "last_updated": _nanoseconds(last["ts_event"]),
            "value": last["close"],
            "session": {member: last[member] for member in ("open", "high", "low", "close")}
            | {"previous_close": before["close"]}
            | _change(last["close"], before["close"], "change", "change_percent"),
        }


def _joined(rows: pl.DataFrame, bars: pl.DataFrame, name: str) -> pl.DataFrame:
    told = bars.select("ticker", *(pl.col(member).alias(f"{name}_{member}") for member in _SHORT.values()))
    return rows.join(told, on="ticker", how="left", maintain_order="left")


def _stock(row: Row) -> dict[str, Any]:
    told: dict[str, Any] = {
        "ticker": row["ticker"],
        "day": _day(row, "day"),
        "min": {short: row[name] for short, name in _SHORT.items() if row[name] is not None}
        | {"av": row["so_far"], "t": int(row["ts_open"].timestamp() * 1000)}
        | ({"n": int(row["trade_count"])} if row["trade_count"] is not None else {}),
        "updated": _nanoseconds(row["ts_open"] + _MINUTE),
    }
    if row["prev_close"] is None:
        return told
    told["prevDay"] = _day(row, "prev")
    return told | _change(row["close"], row["prev_close"], "todaysChange", "todaysChangePerc")


def _day(row: Row, name: str) -> dict[str, float]:
    """Give a day's members: zeros, not nothing, where it has not begun; of a single trade there is no average."""
    members = {short: row[f"{name}_{member}"] for short, member in _SHORT.items()}
    if members["c"] is None:
        return dict.fromkeys(_SHORT, 0)
    return {short: value for short, value in members.items() if value is not None}


def _change(now: float, before: float, change: str, percent: str) -> dict[str, float]:
    return {change: round(now - before, 4), percent: round(100 * (now / before - 1), 4)}


def _nanoseconds(at: datetime) -> int:
    return int(at.timestamp()) * 1_000_000_000
