"""The synthetic exchange as it truly was: bars, actions, VIX and listings of the cast, before anything goes wrong."""

from collections.abc import Iterator, Sequence
from datetime import date, datetime, time
from functools import cached_property
from typing import Final

import numpy as np
import polars as pl

from orion_assets import calendars
from orion_assets.sources.synthetic import paths
from orion_assets.sources.synthetic.cast import CAST, END, FIRST, Listed, new_york
from orion_assets.sources.synthetic.paths import Floats, Paths

SEED: Final = 151
FRACTIONAL_SINCE: Final = date(2026, 2, 23)
_VIX: Final = 2**31
_VIX_AT: Final = time(16, 15)


class Market:
    """The exchange of one seed. Frames have the columns of the raw tables, less provenance and clocks of landing."""

    def __init__(self, seed: int = SEED, cast: Sequence[Listed] = CAST, first: date = FIRST, end: date = END) -> None:
        self.seed: Final = seed
        self.cast: Final = tuple(cast)
        self.first: Final = first
        self.end: Final = end

    @cached_property
    def sessions(self) -> pl.DataFrame:
        """calendars.sessions() rows of its years."""
        return calendars.sessions(self.first, self.end)

    @cached_property
    def bars(self) -> pl.DataFrame:
        """One row a security and session, as traded: its `number`, RAW_DAILY_BARS values, `ts_event`.

        Sorted by ticker and session.
        """
        made = [self._bars_of(number, path) for number, path in enumerate(self._paths())]
        clocks = self.sessions.select("session", ts_event="ts_close")
        return pl.concat(made).join(clocks, on="session").sort("ticker", "session")

    @cached_property
    def returns(self) -> Floats:
        """The market's log return of each session."""
        return paths.market(self.seed, self.sessions.height)[0]

    @cached_property
    def vix(self) -> pl.DataFrame:
        """RAW_VIX values of each session, and `ts_event`: high when the market was stormy, up when it falls."""
        returns, deviations = paths.market(self.seed, self.sessions.height)
        rng = np.random.default_rng([self.seed, _VIX, 1])
        draws = rng.standard_normal((len(returns), 4))
        # A fall frightens for some days
        fear = paths.fading(-6.0 * returns, 0.85)
        level = 100 * np.sqrt(252) * deviations * 1.15 * np.exp(fear + 0.025 * draws[:, 0])
        before = np.concatenate((level[:1], level[:-1]))
        opened = before * np.exp(0.3 * np.log(level / before) + 0.015 * draws[:, 1])
        high = np.maximum(opened, level) * np.exp(0.03 * np.abs(draws[:, 2]))
        low = np.minimum(opened, level) * np.exp(-0.03 * np.abs(draws[:, 3]))
        columns: dict[str, Floats] = {"open": opened, "high": high, "low": low, "close": level}
        at = pl.when("is_half_day").then(time(13, 15)).otherwise(_VIX_AT)
        return self.sessions.select(
            "session", date="session", ts_event=_instant(pl.col("session").dt.combine(at))
        ).with_columns(pl.Series(name, values.round(2), dtype=pl.Float64) for name, values in columns.items())

    @cached_property
    def splits(self) -> pl.DataFrame:
        """RAW_SPLITS values of the splits that the exchange announces, `ts_event`, and `ts_late` where it was late."""
        rows = [
            {
                "event_id": f"split-{number:02d}-{split.ex_date:%Y%m%d}",
                "ticker": ticker_on(listed, split.ex_date),
                "session": split.ex_date,
                "ex_date": split.ex_date,
                "shares_after": split.after,
                "shares_before": split.before,
                "ts_event": new_york(split.ex_date, 9, 30),
                "ts_late": split.known,
            }
            for number, listed in enumerate(self.cast)
            for split in listed.splits
            if split.is_announced
        ]
        return pl.DataFrame(rows, infer_schema_length=None)

    @cached_property
    def dividends(self) -> pl.DataFrame:
        """RAW_DIVIDENDS values and `ts_event`; an ex-date on a closed day moves to the next session."""
        rows = [
            {
                "event_id": f"dividend-{number:02d}-{ex_date:%Y%m%d}{f'-{dividend.type}' if dividend.type else ''}",
                "ticker": ticker_on(listed, ex_date),
                "session": ex_date,
                "ex_date": ex_date,
                "cash_amount": dividend.amount,
                "dividend_type": dividend.type,
                "currency": None,
                "ts_event": new_york(ex_date, 9, 30),
            }
            for number, listed in enumerate(self.cast)
            for dividend in listed.dividends
            for ex_date in [calendars.session_at_or_after(dividend.ex_date)]
        ]
        words = pl.col("dividend_type", "currency").cast(pl.String)
        return pl.DataFrame(rows, infer_schema_length=None).with_columns(words)

    @cached_property
    def listings(self) -> pl.DataFrame:
        """RAW_TICKERS values, a row for each listing, rename and delisting, dated that day, and `ts_event`."""
        rows = [row for number, listed in enumerate(self.cast) for row in _listings(number, listed, self.first)]
        return pl.DataFrame(rows, infer_schema_length=None)

    def _paths(self) -> Iterator[Paths]:
        """Give one security's path at a time, shape (sessions,)."""
        for block in paths.paths(self.seed, [listed.traits for listed in self.cast], self.sessions.height):
            for column in range(block.close.shape[1]):
                yield Paths(*(getattr(block, name)[:, column] for name in ("open", "high", "low", "close", "volume")))

    def _bars_of(self, number: int, path: Paths) -> pl.DataFrame:
        listed = self.cast[number]
        days = self.sessions["session"]
        # The price of the cast is that of the day before the first
        first = int((days < listed.since).sum())
        factor = np.full(self.sessions.height, path.close[first - 1] / listed.traits.price if first else 1.0)
        shares = np.ones(self.sessions.height)
        for split in listed.splits:
            shares[(days >= split.ex_date).to_numpy()] *= split.after / split.before
        kept = np.ones(self.sessions.height)
        if listed.spinoff:
            kept[(days >= listed.spinoff.ex_date).to_numpy()] = 1 - listed.spinoff.share
        quoted = {
            n: paths.as_quoted(getattr(path, n) / factor / shares * kept) for n in ("open", "high", "low", "close")
        }
        volume = self._with_fractions(np.maximum(np.round(path.volume * shares), 1.0), number)
        is_listed = pl.col("session").is_between(listed.since, listed.until or self.end, closed="left")
        rng = np.random.default_rng([self.seed, number, 2])
        is_traded = rng.random(self.sessions.height) < listed.trades_on
        return (
            pl.DataFrame({"session": days, **quoted, "volume": volume, "_is_traded": is_traded})
            .with_columns(
                number=pl.lit(number),
                ticker=_ticker(listed),
                vwap=pl.Series(paths.vwap(*(quoted[name] for name in ("open", "high", "low", "close")))),
                trade_count=pl.Series(paths.trade_count(volume)),
            )
            .filter(is_listed & pl.col("_is_traded") & ~pl.col("session").is_in(listed.halted))
            .drop("_is_traded")
        )

    def _with_fractions(self, shares: Floats, number: int) -> Floats:
        """Add parts of shares to the volumes of the sessions in which the tapes tell of them."""
        drawn = np.random.default_rng([self.seed, number, 4]).random(len(shares))
        is_told = (self.sessions["session"] >= FRACTIONAL_SINCE).to_numpy()
        return np.where(is_told, np.round(shares + drawn, 6), shares)


def ticker_on(listed: Listed, day: date) -> str:
    """Give the ticker a security trades under on a date."""
    return listed.renamed[1] if listed.renamed and day >= listed.renamed[0] else listed.ticker


def figi(number: int) -> str:
    """Give a security's permanent id, which nobody can take for a real one."""
    return f"SYNTHETIC{number:03d}"


def _ticker(listed: Listed) -> pl.Expr:
    if listed.renamed is None:
        return pl.lit(listed.ticker)
    return (
        pl.when(pl.col("session") >= listed.renamed[0]).then(pl.lit(listed.renamed[1])).otherwise(pl.lit(listed.ticker))
    )


def _instant(local: pl.Expr) -> pl.Expr:
    return local.dt.replace_time_zone("America/New_York").dt.convert_time_zone("UTC").dt.cast_time_unit("us")


def _listings(number: int, listed: Listed, first: date) -> Iterator[dict[str, object]]:
    began = None if listed.since == first else listed.since
    told = {"figi": figi(number), "type": listed.type, "exchange": "XSYN", "list_date": began, "delist_date": None}
    events: list[tuple[date, dict[str, object]]] = [(listed.since, {"ticker": listed.ticker, "name": listed.name})]
    if listed.renamed:
        day, ticker, name = listed.renamed
        events.append((day, {"ticker": ticker, "name": name}))
    if listed.until:
        events.append((listed.until, {**events[-1][1], "delist_date": listed.until}))
    for day, facts in events:
        yield {"snapshot": day, **told, **facts, "ts_event": _midnight(day)}


def _midnight(day: date) -> datetime:
    return new_york(day, 0)
