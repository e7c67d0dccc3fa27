"""Bars for somebody who only looks at them: which calls bring them, and what they say. Nothing is stored.

The calls are those of a plan, within the budget of the key; bars that no source tells are made of shorter ones.
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final, Literal

import polars as pl

from orion_assets.calendars import NEW_YORK
from orion_assets.errors import NotFound, OrionError
from orion_assets.ingest.ahead import Ahead, lanes
from orion_assets.ingest.ledger import planned_cells
from orion_assets.ingest.plan import HOLES, Plan, pace
from orion_assets.ingest.planner import plan
from orion_assets.ingest.progress import Progress, label_of, tell
from orion_assets.market_hours import sessions_of
from orion_assets.markets import EQUITIES, Market, market_of
from orion_assets.schemas import RAW_DAILY_BARS, RAW_MINUTE_BARS, RAW_SPLITS, TABLES, table_of
from orion_assets.sources.protocols import TS_ASSUMED, TS_STATED, Adjusting, Answer, Ask, Source, said_schema
from orion_assets.sources.routes import Budget, Route
from orion_assets.store.market_bars import market_asked
from orion_assets.transforms.actions import told_twice
from orion_assets.transforms.adjust import back_adjusted
from orion_assets.transforms.resample import MINUTES, VALUES, Timeframe, from_days, from_minutes

LOG: Final = logging.getLogger(__name__)
Basis = Literal["none", "split"]


@dataclass(frozen=True)
class Wanted:
    """What is to be looked at.

    Attributes:
        tickers: Of whom, all of one market; as the source spells them.
        start: First session, of that market.
        end: First session no longer wanted.
        timeframe: Length of a bar.
        basis: `none`: prices as traded; `split`: in today's units.
    """

    tickers: tuple[str, ...]
    start: date
    end: date
    timeframe: Timeframe
    basis: Basis

    @property
    def market(self) -> Market:
        """The market of the tickers."""
        return market_of(self.tickers[0])

    @property
    def dataset(self) -> str:
        """The raw table whose rows the bars are made of."""
        table = RAW_MINUTE_BARS if self.timeframe in MINUTES else RAW_DAILY_BARS
        return table_of(table, self.market).name

    def closed(self, now: datetime) -> pl.DataFrame:
        """Give the sessions to ask for: closed by now, and of weeks and months that are over all of them."""
        if self.timeframe not in ("1w", "1mo"):
            sessions = sessions_of(self.market, self.start, self.end)
            return sessions.filter(pl.col("ts_close_cutoff") <= now)
        period = pl.col("session").dt.truncate(self.timeframe)
        inside = sessions_of(self.market, self.start, self.end).select(period)
        whole = sessions_of(self.market).filter(period.is_in(inside["session"].unique().to_list()))
        return whole.filter((pl.col("ts_close_cutoff") <= now).all().over(period))


@dataclass(frozen=True)
class Fetch:
    """The calls that bring what is wanted.

    Attributes:
        wanted: What is to be looked at.
        sessions: market_hours.sessions_of() rows that are asked for.
        now: The time.
        asks: What a source is asked.
        work: The plan behind the asks; None where asking costs nothing, or one call a ticker.
        calls: Requests to expect.
        budgets: What they are counted against.
    """

    wanted: Wanted
    sessions: pl.DataFrame
    now: datetime
    asks: Sequence[Ask]
    work: Plan | None
    calls: int
    budgets: Sequence[Budget] = ()

    def lines(self) -> list[str]:
        """Give the calls as lines for people; none where asking costs nothing."""
        if self.work is not None:
            return self.work.lines() if self.work.work.height else []
        if not self.budgets:
            return []
        return [f"{self.calls:,} calls, one a ticker", *(pace(budget, self.calls) for budget in self.budgets)]


@dataclass(frozen=True)
class Bars:
    """What came of it.

    Attributes:
        rows: `ticker`, `session`, `ts_open` (of minutes), `ts_event` (the bar's end), VALUES; sorted.
        unreadable: Rows of the source with a problem, which are left out: `ticker`, `session`, `problem`.
        failure: Why a call failed, before which the rest of them stand; empty where none did.
        unasked: What that call and those after it were to bring: `ticker`, `session`.
    """

    rows: pl.DataFrame
    unreadable: pl.DataFrame
    failure: str
    unasked: pl.DataFrame


def prepared(wanted: Wanted, source: Source, now: datetime) -> Fetch:
    """Find the calls that bring what is wanted; nothing is asked.

    Raises:
        ValueError: The source does not tell it; the tickers are of several markets, not written as their market's are,
            or expired before the first session; or bars of another market than equities are to be adjusted.
    """
    _refuse_tickers(wanted)
    sessions = wanted.closed(now)
    if wanted.dataset not in source.datasets:
        _refuse_other_market(wanted, source)
        return _adjusted_by_vendor(wanted, source, sessions, now)
    asks = _asks(wanted, source, sessions, now)
    routes = _for_few(source.routes(now.astimezone(NEW_YORK).date()))
    if not routes or not asks:
        return Fetch(wanted, sessions, now, asks, None, 0)
    cells = [planned_cells(ask.dataset, ask.tickers, ask.start, ask.end).select(HOLES.keys()) for ask in asks]
    span = min(ask.start for ask in asks), max(ask.end for ask in asks)
    axis = sessions_of(wanted.market, *span)
    closed = axis.filter(pl.col("ts_close_cutoff") <= now)["session"]
    # A split counts from the morning of its session on
    is_told = pl.col("session").is_in(closed.to_list()) | (pl.col("dataset") == RAW_SPLITS.name)
    work = plan(pl.concat(cells).filter(is_told), routes, axis)
    return Fetch(wanted, sessions, now, [call.ask(now) for call in work], work, work.calls, work.budgets)


def fetched(fetch: Fetch, source: Source, *, keeps: bool = False) -> Bars:
    """Make the calls and give the bars.

    Args:
        fetch: The calls.
        source: Who is asked.
        keeps: Give what was told before a call that fails, in place of nothing; not where it fails at the first, where
            prices wait for splits to be in today's units, or bars are made of those of several sessions.

    Returns:
        The bars. A ticker that the vendor does not know has none.

    Raises:
        OrionError: As `Source.read`, where nothing is kept.
    """
    wanted, heard = fetch.wanted, list[tuple[Ask, Answer | None]]()
    failure = ""
    try:
        heard.extend(_told(fetch, source))
    except OrionError as e:
        needs_all = wanted.timeframe in ("1w", "1mo") or any(ask.dataset == RAW_SPLITS.name for ask in fetch.asks)
        if not keeps or not heard or needs_all:
            raise
        failure = str(e)
    told = [(ask, answer) for ask, answer in heard if answer is not None]
    is_wanted = pl.col("ticker").is_in(wanted.tickers) & pl.col("session").is_in(fetch.sessions["session"].to_list())
    said = _last_words(told, wanted.dataset).filter(is_wanted)
    if any(ask.dataset == RAW_SPLITS.name for ask in fetch.asks):
        said = _in_todays_units(said, _last_words(told, RAW_SPLITS.name), fetch.now)
    rows = said.filter(pl.col("problem").is_null())
    unreadable = said.filter(pl.col("problem").is_not_null()).select("ticker", "session", "problem")
    return Bars(_of_length(rows, wanted), unreadable, failure, _cells(fetch, fetch.asks[len(heard) :]))


def _refuse_tickers(wanted: Wanted) -> None:
    market = market_asked(list(wanted.tickers), wanted.basis)
    for ticker in wanted.tickers if market is not EQUITIES else ():
        market.check(ticker)
        last = market.last_date(ticker)
        if last is not None and last < wanted.start:
            raise ValueError(f"fetch: {ticker} expired on {last}, before {wanted.start}; name an earlier --from")


def _refuse_other_market(wanted: Wanted, source: Source) -> None:
    if wanted.market is not EQUITIES:
        raise ValueError(f"{source.name}: it has no {wanted.market.name}; another one: --source polygon")


def _asks(wanted: Wanted, source: Source, sessions: pl.DataFrame, now: datetime) -> list[Ask]:
    if sessions.is_empty():
        return []
    days = sessions["session"].to_list()
    asks = [Ask(wanted.dataset, days[0], days[-1] + timedelta(days=1), wanted.tickers, now, is_partial=True)]
    if wanted.basis == "none":
        return asks
    if RAW_SPLITS.name not in source.datasets:
        raise ValueError(
            f"{source.name}: it tells no splits, so that nothing can be adjusted for them; leave out --adjusted split"
        )
    # Today's units: every split since the first bar counts
    tomorrow = now.astimezone(NEW_YORK).date() + timedelta(days=1)
    return [*asks, Ask(RAW_SPLITS.name, days[0], tomorrow, (), now)]


def _adjusted_by_vendor(wanted: Wanted, source: Source, sessions: pl.DataFrame, now: datetime) -> Fetch:
    if not isinstance(source, Adjusting) or wanted.timeframe in MINUTES:
        is_intraday = wanted.timeframe in MINUTES
        word, others = (
            ("minutes", "polygon, alpaca or files") if is_intraday else ("daily bars", "polygon, alpaca or files")
        )
        raise ValueError(f"{source.name}: it tells no {word}; another one: --source {others}")
    if wanted.basis == "none":
        raise ValueError(f"{source.name}: it tells no prices as traded; take them as they are with --adjusted split")
    if sessions.is_empty():
        return Fetch(wanted, sessions, now, (), None, 0)
    days = sessions["session"].to_list()
    end = days[-1] + timedelta(days=1)
    asks = [Ask(wanted.dataset, days[0], end, (ticker,), now, is_partial=True) for ticker in wanted.tickers]
    routes = source.routes(now.astimezone(NEW_YORK).date())
    budgets = tuple({route.budget.name: route.budget for route in routes}.values())
    return Fetch(wanted, sessions, now, asks, None, len(asks), budgets)


def _for_few(routes: Sequence[Route]) -> list[Route]:
    """Leave out answers about the whole market where single tickers can be asked for: it is not kept."""
    by_name = {route.dataset for route in routes if route.scope != "market"}
    return [route for route in routes if route.scope != "market" or route.dataset not in by_name]


def _cells(fetch: Fetch, asks: Sequence[Ask]) -> pl.DataFrame:
    """Give what asks are to bring."""
    days = fetch.sessions.select("session")
    cells = [
        pl.DataFrame({"ticker": ask.tickers or fetch.wanted.tickers}, {"ticker": pl.String()}).join(
            days.filter(pl.col("session").is_between(ask.start, ask.end, closed="left")), how="cross"
        )
        for ask in asks
    ]
    return pl.concat([pl.DataFrame(schema={"ticker": pl.String(), "session": pl.Date()}), *cells]).unique()


def _told(fetch: Fetch, source: Source) -> Iterator[tuple[Ask, Answer | None]]:
    """Make the calls, some at a time where their budget lets them; None of a ticker that the vendor does not know."""
    is_raw = fetch.wanted.dataset in source.datasets
    read = source.read if is_raw or not isinstance(source, Adjusting) else source.read_adjusted
    name = fetch.wanted.dataset
    tell(Progress("planned", name, calls=fetch.calls, rate=fetch.budgets[0].rate if fetch.budgets else None))
    with Ahead(read, lanes(fetch.work, fetch.asks) if fetch.work else ()) as ahead:
        for ask in fetch.asks:
            try:
                yield ask, ahead.read(ask)
            except NotFound as e:
                if len(ask.tickers) != 1:
                    raise
                # What the others have is worth having; who has nothing is named by its absence
                LOG.warning("%s", e)
                yield ask, None
            tell(Progress("landed", name, label_of(ask)))
    tell(Progress("ended", name))


def _last_words(told: Sequence[tuple[Ask, Answer]], dataset: str) -> pl.DataFrame:
    """Give what answers say last of each key of a raw table."""
    table = TABLES[dataset]
    rows = [pl.DataFrame(schema=said_schema(table)), *(answer.rows for ask, answer in told if ask.dataset == dataset)]
    ordered = pl.concat(rows).sort(pl.coalesce(TS_STATED, TS_ASSUMED), maintain_order=True)
    return ordered.unique(table.key, keep="last", maintain_order=True).filter(~pl.col("is_deleted"))


def _in_todays_units(bars: pl.DataFrame, splits: pl.DataFrame, now: datetime) -> pl.DataFrame:
    """Adjust bars for the splits that have come by today; a split told twice, of one date or of two, counts once.

    Bars before a split that cannot be believed are in units that nobody knows: they get a problem.
    """
    today = now.astimezone(NEW_YORK).date()
    told = splits.filter(pl.col("ex_date") <= today).sort("ex_date", "event_id").with_columns(problem=_doubts())
    doubted = told.filter(pl.col("problem").is_not_null()).unique("ticker", keep="last", maintain_order=True)
    wrong = doubted.select(
        "ticker",
        _known_from="ex_date",
        _doubt=pl.format("not known in today's units: the split of {}: {}", "ex_date", "problem"),
    )
    is_unknown = (pl.col("session") < pl.col("_known_from")).fill_null(value=False)
    marked = bars.join(wrong, on="ticker", how="left", maintain_order="left").with_columns(
        problem=pl.coalesce("problem", pl.when(is_unknown).then("_doubt"))
    )
    once = told.filter(pl.col("problem").is_null()).unique(["ticker", "ex_date"], keep="last", maintain_order=True)
    named = once.with_columns(security_id="ticker", kind=pl.lit("split"), _told=pl.coalesce(TS_STATED, TS_ASSUMED))
    actions = named.join(told_twice(named), on="event_id", how="anti").select(
        "ex_date", "shares_after", "shares_before", "security_id", "kind", cash_amount=pl.lit(0.0)
    )
    is_readable = pl.col("problem").is_null()
    named = marked.filter(is_readable).with_columns(security_id="ticker")
    adjusted = back_adjusted(named, actions, "split", on=today)
    return pl.concat([each.select(bars.columns) for each in (adjusted, marked.filter(~is_readable))])


def _doubts() -> pl.Expr:
    """Say of RAW_SPLITS rows what is wrong with them: their own problem, no ratio, or two on one date."""
    is_ratio = pl.all_horizontal(pl.col("shares_after", "shares_before").fill_null(0) > 0)
    ratios = pl.struct("shares_after", "shares_before").n_unique().over("ticker", "ex_date")
    return (
        pl.when(pl.col("problem").is_not_null())
        .then("problem")
        .when(~is_ratio)
        .then(pl.lit("it has no ratio"))
        .when(ratios > 1)
        .then(pl.lit("it is told with two ratios"))
    )


def _of_length(rows: pl.DataFrame, wanted: Wanted) -> pl.DataFrame:
    timeframe = wanted.timeframe
    if timeframe in MINUTES:
        hours = sessions_of(wanted.market).select("session", "ts_open", "ts_close")
        return from_minutes(rows, hours, MINUTES[timeframe])
    days = rows.select("ticker", "session", "ts_event", *VALUES).sort("ticker", "session")
    return from_days(days, timeframe) if timeframe == "1w" or timeframe == "1mo" else days  # noqa: PLR1714 - narrows
