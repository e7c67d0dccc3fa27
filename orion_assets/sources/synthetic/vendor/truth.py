"""What the fake vendor holds: the rows it serves as valid, whatever faults then do to an answer.

Tests compare what arrived with these frames. Nothing of HTTP or JSON belongs here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from typing import Final

import polars as pl

from orion_assets import calendars
from orion_assets.sources.synthetic.cast import new_york
from orion_assets.sources.synthetic.crowd import crowd
from orion_assets.sources.synthetic.market import SEED, Market, figi, ticker_on
from orion_assets.sources.synthetic.minutes import minute_bars
from orion_assets.sources.synthetic.news import news
from orion_assets.sources.synthetic.vendor import aggregation
from orion_assets.sources.synthetic.vendor.others import OTHERS, opens_of, other_bars
from orion_assets.sources.synthetic.vendor.steady import steady_minutes

_VALUES: Final = ("open", "high", "low", "close", "volume", "vwap", "trade_count")
_ANNOUNCED: Final = timedelta(days=30)
_MINUTE: Final = timedelta(minutes=1)
# Minutes under their daily bars as the exchange's own shares have them
_LIKE_SHARES: Final = ("options", "otc")


@dataclass(frozen=True)
class Listing:
    """One ticker of one security: [since, until), and whether its end was the security's own."""

    number: int
    ticker: str
    name: str
    type: str
    since: date
    until: date | None
    is_delisted: bool

    @property
    def figi(self) -> str:
        """Permanent id of the security."""
        return figi(self.number)

    def is_active(self, day: date) -> bool:
        """Say whether the security trades under the ticker on a date."""
        return self.since <= day and (self.until is None or day < self.until)


def large_market(tickers: int, sessions: int, today: date, seed: int = SEED) -> Market:
    """Give a market of so many tickers over the last sessions up to and including a date.

    Raises:
        ValueError: Fewer than 14 tickers or 20 sessions, or the calendar has not so many.
    """
    days = calendars.sessions(end=today + timedelta(days=1))["session"].tail(sessions).to_list()
    if len(days) < sessions:
        raise ValueError(f"market: the calendar has {len(days)} sessions up to {today}, {sessions} were asked for")
    return Market(seed, crowd(seed, tickers, days), days[0], days[-1] + timedelta(days=1))


class Truth:
    """All that the vendor would say of a market without faults; frames are as traded."""

    def __init__(self, market: Market) -> None:
        self.market: Final = market
        self._folded_days: Final[dict[str, pl.DataFrame]] = {}

    @cached_property
    def sessions(self) -> pl.DataFrame:
        """calendars.sessions() rows of the market."""
        return self.market.sessions

    @cached_property
    def daily_bars(self) -> pl.DataFrame:
        """`ticker`, `session`, prices (USD), `volume` (shares), `vwap`, `trade_count`, `number` of the security.

        Sorted by ticker and session. A bar of a single trade has neither `vwap` nor `trade_count`: vendors leave them
        out at times.
        """
        return _without_thin(self.market.bars.select("ticker", "session", *_VALUES, "number")).rechunk()

    def bars_of(self, ticker: str, start: date, end: date) -> pl.DataFrame:
        """Give the daily bars of one ticker in [start, end)."""
        first, count = self._places.get(ticker, (0, 0))
        return self.daily_bars.slice(first, count).filter(pl.col("session").is_between(start, end, closed="left"))

    def bars_on(self, session: date) -> pl.DataFrame:
        """Give the daily bars of one session, sorted by ticker."""
        return self.daily_bars.filter(session=session)

    def minute_bars(self, ticker: str, start: date, end: date) -> pl.DataFrame:
        """Give the minutes of one ticker in [start, end): as `daily_bars`, and `ts_open` (UTC).

        Sessions of other markets are their own: those of currencies begin on the evening before.
        """
        if ticker not in OTHERS:
            return self._minutes(self.bars_of(ticker, start, end))
        kind = OTHERS[ticker].kind
        bars = self.other_bars.filter(pl.col("session").is_between(start, end, closed="left"), ticker=ticker)
        if kind in _LIKE_SHARES:
            return self._minutes(bars.with_columns(number=pl.lit(None, pl.Int32)))
        made = steady_minutes(self.market.seed, opens_of(kind, bars, self.sessions))
        return made.drop("volume", "vwap", "trade_count") if kind == "indices" else made

    @cached_property
    def other_bars(self) -> pl.DataFrame:
        """Daily bars of other markets, I:VIX among them; see `others.other_bars`."""
        return _without_thin(other_bars(self.market))

    def others_of(self, ticker: str, now: datetime, after: timedelta) -> pl.DataFrame:
        """Give the daily bars of a ticker of another market that are known some time after their end.

        Of currencies the vendor's days are those of UTC, Sunday's last hours a day of their own.
        """
        if OTHERS[ticker].kind == "fx":
            return self._utc_days(ticker).filter(pl.col("ts_event") <= now)
        told = self.other_bars.filter(pl.col("ts_event") + after <= now, ticker=ticker)
        return told.drop("volume", "vwap", "trade_count") if told["volume"].is_null().all() else told

    def sessions_of(self, ticker: str, start: date, end: date, now: datetime) -> pl.Series:
        """List the sessions of a ticker of another market that hold any of the dates [start, end] and are over."""
        after = end + timedelta(days=3) if OTHERS[ticker].kind == "fx" else end
        is_over = pl.col("ts_event") <= now
        return self.other_bars.filter(is_over, pl.col("session").is_between(start, after), ticker=ticker)["session"]

    def _utc_days(self, ticker: str) -> pl.DataFrame:
        if ticker not in self._folded_days:
            minutes = self.minute_bars(ticker, date.min, date.max)
            days = aggregation.folded(minutes.with_columns(session=pl.col("ts_open").dt.date()), "ticker", "session")
            ends = pl.col("session").dt.offset_by("1d").cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
            self._folded_days[ticker] = days.with_columns(ts_event=ends)
        return self._folded_days[ticker]

    @cached_property
    def vix(self) -> pl.DataFrame:
        """`date`, prices in points, `ts_event`; one row a session."""
        return self.market.vix.drop("session")

    @cached_property
    def news(self) -> pl.DataFrame:
        """RAW_NEWS values with `ts_event`, the publication; sorted by it."""
        return news(self.market)

    @cached_property
    def splits(self) -> pl.DataFrame:
        """`event_id`, `ticker`, `ex_date`, `shares_after`, `shares_before`, `number`, `ts_known`; sorted by ex-date."""
        rows = [
            {
                "event_id": f"split-{number:02d}-{split.ex_date:%Y%m%d}",
                "ticker": ticker_on(listed, split.ex_date),
                "ex_date": split.ex_date,
                "shares_after": split.after,
                "shares_before": split.before,
                "number": number,
                "ts_known": (split.known or new_york(split.ex_date - _ANNOUNCED, 9)).astimezone(UTC),
            }
            for number, listed in enumerate(self.market.cast)
            for split in listed.splits
            if split.is_announced
        ]
        return pl.DataFrame(rows, infer_schema_length=None).sort("ex_date", "ticker")

    @cached_property
    def dividends(self) -> pl.DataFrame:
        """`event_id`, `ticker`, `ex_date`, `cash_amount` (USD a share as traded), `dividend_type`, `number`.

        Sorted by ex-date.
        """
        number = pl.col("event_id").str.split("-").list.get(1).cast(pl.Int64)
        return self.market.dividends.drop("session", "ts_event").sort("ex_date", "ticker").with_columns(number=number)

    @cached_property
    def listings(self) -> Sequence[Listing]:
        """Every ticker that any security ever bore, sorted by ticker and date."""
        made = [each for number in range(len(self.market.cast)) for each in self._listings_of(number)]
        return sorted(made, key=lambda listing: (listing.ticker, listing.since))

    def last_final(self, now: datetime, after_close: timedelta) -> date:
        """Give the last session whose bars are final at an instant; the day before the first where none is."""
        done = self.sessions.filter(pl.col("ts_close") + after_close <= now)["session"]
        return done[-1] if done.len() else self.sessions["session"][0] - timedelta(days=1)

    def minutes_so_far(self, tickers: Sequence[str] | None, session: date, until: datetime) -> pl.DataFrame:
        """Give the minutes of a session that ended by an instant, of some tickers or of all."""
        bars = self.bars_on(session)
        bars = bars if tickers is None else bars.filter(pl.col("ticker").is_in(tickers))
        return self._minutes(bars).filter(pl.col("ts_open") + _MINUTE <= until)

    def _minutes(self, bars: pl.DataFrame) -> pl.DataFrame:
        made = _without_thin(minute_bars(self.market.seed, bars, self.sessions))
        # A ticker is one security in a session
        return made.join(bars.select("ticker", "session", "number"), on=["ticker", "session"], maintain_order="left")

    @cached_property
    def _places(self) -> dict[str, tuple[int, int]]:
        rows = self.daily_bars.with_row_index().group_by("ticker").agg(pl.col("index").first(), count=pl.len())
        return {ticker: (first, count) for ticker, first, count in rows.iter_rows()}

    def _listings_of(self, number: int) -> list[Listing]:
        listed = self.market.cast[number]
        is_over = listed.until is not None
        if listed.renamed is None:
            told = (number, listed.ticker, listed.name, listed.type, listed.since, listed.until, is_over)
            return [Listing(*told)]
        day, ticker, name = listed.renamed
        return [
            Listing(number, listed.ticker, listed.name, listed.type, listed.since, day, is_delisted=False),
            Listing(number, ticker, name, listed.type, day, listed.until, is_delisted=is_over),
        ]


def _without_thin(bars: pl.DataFrame) -> pl.DataFrame:
    is_thin = pl.col("trade_count") < 2
    return bars.with_columns(pl.when(~is_thin).then(name).alias(name) for name in ("vwap", "trade_count"))
