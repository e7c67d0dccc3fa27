"""What commands do for markets other than equities: each has its own sessions, its own job, its own tables."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any

import polars as pl

from orion_assets.calendars import NEW_YORK
from orion_assets.cli.context import Call
from orion_assets.cli.launch import Launch, Outcome
from orion_assets.cli.output import ERR, OUT, called, counted, frame, refuse
from orion_assets.cli.plan import Planning, kept, less
from orion_assets.cli.report import line
from orion_assets.ingest.plan import Plan
from orion_assets.market_hours import sessions_of
from orion_assets.markets import EQUITIES, MARKETS, Market, market_of
from orion_assets.schemas import RAW_DAILY_BARS, RAW_MINUTE_BARS, table_of
from orion_assets.settings import Settings
from orion_assets.sources.protocols import Source

_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Errand:
    """What is to be filled of one market.

    Attributes:
        market: The market.
        tickers: Those followed of it, or those of them that were named.
        span: Its sessions [start, end).
        datasets: Its raw tables that the source is asked for.
        only: Whether `tickers` are not all that are followed.
    """

    market: Market
    tickers: tuple[str, ...]
    span: tuple[date, date]
    datasets: tuple[str, ...]
    only: bool = False


@dataclass(frozen=True)
class Done:
    """What came of an errand, and the plan that was made of it."""

    errand: Errand
    outcome: Outcome
    work: Plan

    def as_json(self) -> dict[str, Any]:
        """Give it as plain values."""
        findings = sorted(self.outcome.findings, key=lambda each: (each.asset, each.check))
        told = {**asdict(self.outcome), "findings": [asdict(each) for each in findings]}
        sessions = sessions_of(self.errand.market, *self.errand.span).height
        return {**told, "market": self.errand.market.name, "range": self.errand.span, "sessions": sessions}

    def show(self) -> None:
        """Print a few lines for people; what the checks found goes to stderr."""
        (start, end), name = self.errand.span, self.errand.market.name
        sessions = sessions_of(self.errand.market, start, end).height
        OUT.print(f"{name}: filled {counted(sessions, 'session')}, [{start}, {end})")
        frame(pl.DataFrame({"table": list(self.outcome.rows), "rows": list(self.outcome.rows.values())}), as_json=False)
        for finding in self.outcome.findings:
            ERR.print(line(finding))
        if not self.outcome.findings:
            OUT.print("every check passed")
        OUT.print(f"next: {called()} bars {self.errand.tickers[0]} --from {start} --to {end}")


@dataclass(frozen=True)
class Errands:
    """The markets' part of a call.

    Attributes:
        has_equities: Whether equities are meant too.
        work: One for each other market that is meant and has sessions in the range.
    """

    has_equities: bool
    work: Sequence[Errand] = field(default_factory=list[Errand])


def meant(
    call: Call, settings: Settings, bounds: tuple[date | None, date | None], instant: datetime, only: Sequence[str] = ()
) -> Errands:
    """Say which markets a call means, of whom, and which sessions of theirs have begun.

    Args:
        call: The call.
        settings: Which markets are loaded, and where they begin.
        bounds: --from and --to.
        instant: Later sessions are not meant.
        only: Tickers that were named; none means all that are followed.
    """
    demand_loaded(settings, only)
    followed = {market: _followed(call, settings, market) for market in _loaded(settings)}
    work: list[Errand] = []
    for market, tickers in followed.items():
        named = tuple(ticker for ticker in only if market_of(ticker) is market)
        demand_followed(named, tickers)
        mine = named if only else tickers
        span = _span(market, settings, bounds, instant) if mine else None
        if span:
            tables = (table_of(table, market).name for table in (RAW_DAILY_BARS, RAW_MINUTE_BARS))
            datasets = tuple(name for name in tables if name in call.source().datasets)
            work.append(Errand(market, mine, span, datasets, only=bool(named)))
    is_named = any(market_of(ticker) is EQUITIES for ticker in only)
    is_followed = bool(call.state().universe() or settings.equities or not any(followed.values()))
    return Errands(is_named if only else is_followed, work)


def demand_loaded(settings: Settings, tickers: Sequence[str]) -> None:
    """Refuse tickers of markets that the settings do not load, and those not written as their market's are.

    Raises:
        ValueError: A ticker is not written so.
    """
    for ticker in tickers:
        market = market_of(ticker)
        if market is not EQUITIES and market.name not in settings.loaded_markets:
            names = ",".join(sorted({*settings.markets, market.name}))
            refuse(f"ticker {ticker} is of the market {market.name}, which is not loaded: set ORION_MARKETS={names}")
        market.check(ticker)


def demand_followed(named: Sequence[str], followed: Sequence[str]) -> None:
    """Refuse to be limited to tickers that are not followed."""
    if unknown := sorted(set(named) - set(followed)):
        names = " ".join(unknown)
        refuse(f"--tickers {', '.join(unknown)}: not followed. Follow them first: orion tickers add {names}")


def due(call: Call, settings: Settings, source: Source, instant: datetime, *, is_replay: bool) -> Errands:
    """Say which sessions of which markets lack an answer that somebody may give by now, or are asked for again."""
    found = meant(call, settings, (None, None), instant)
    planning = _planning(call, source, instant, is_replay=is_replay)
    return replace(found, work=list(_lacking(planning, found.work)))


def run(
    call: Call,
    settings: Settings,
    source: Source,
    errands: Sequence[Errand],
    launch: Launch,
    *,
    instant: datetime,
    max_calls: int | None = None,
    max_tickers: int | None = None,
    show: bool = True,
) -> list[Done]:
    """Fill the errands, one market after the other; prints the plan of each first.

    Args:
        call: The call.
        settings: The deployment.
        source: Whom to ask.
        errands: What to fill.
        launch: What all of them share: the instant of a replay, and whether withdrawals are accepted.
        instant: The time, UTC.
        max_calls: Make no more calls than these in all.
        max_tickers: Ask for no more tickers than these of each market.
        show: Whether to draw progress and print plans.
    """
    done: list[Done] = []
    left = max_calls
    for errand in errands:
        _demand_supplied(source, errand)
        planning = _planning(call, source, instant, is_replay=bool(launch.until))
        asked = errand.span, errand.tickers, errand.datasets
        work = planning.of(*asked, is_partial=errand.only, max_calls=left, max_tickers=max_tickers)
        for told in planning.lines(work, *asked):
            ERR.print(f"{errand.market.name}: {told}")
        mine = replace(
            launch,
            job=f"daily_{errand.market.name}",
            start=errand.span[0],
            end=errand.span[1],
            only=kept(errand.tickers, work) if errand.only or work.left_out.height else (),
            max_calls={} if left is None else {name: work.calls_of(name) for name in errand.datasets},
        )
        left = less(left, work.calls)
        done.append(Done(errand, _executed(settings, mine, show=show), work))
    return done


def _planning(call: Call, source: Source, instant: datetime, *, is_replay: bool) -> Planning:
    return Planning(call, source.routes(instant.astimezone(NEW_YORK).date()), instant, is_replay)


def _executed(settings: Settings, launch: Launch, *, show: bool) -> Outcome:
    from orion_assets.cli.run import execute, instance  # noqa: PLC0415 - Dagster takes seconds to load

    with instance(settings) as on:
        return execute(settings, launch, on, show=show)


def _loaded(settings: Settings) -> list[Market]:
    return [market for name, market in MARKETS.items() if name in settings.loaded_markets]


def _followed(call: Call, settings: Settings, market: Market) -> tuple[str, ...]:
    wanted = tuple(ticker for ticker in settings.tickers if market_of(ticker) is market)
    return call.state().universe(market) or wanted


def _span(
    market: Market, settings: Settings, bounds: tuple[date | None, date | None], instant: datetime
) -> tuple[date, date] | None:
    start, end = bounds[0] or settings.start, bounds[1]
    if start < settings.start:
        refuse(f"--from {start} is before ORION_START {settings.start}; set ORION_START to that date or earlier")
    if end is not None and start >= end:
        refuse(f"--from {start} --to {end}: the range is empty; --to is the first session after the range")
    begun = sessions_of(market, start, end).filter(pl.col("ts_open") <= instant)["session"]
    return (begun[0], begun[-1] + _DAY) if begun.len() else None


def _lacking(planning: Planning, errands: Sequence[Errand]) -> Iterator[Errand]:
    for errand in errands:
        asked = errand.span, errand.tickers, errand.datasets
        days = pl.concat([planning.holes(*asked), planning.again(*asked)])["session"].sort()
        if days.len():
            yield replace(errand, span=(days[0], days[-1] + _DAY))


def _demand_supplied(source: Source, errand: Errand) -> None:
    if not errand.datasets:
        refuse(
            f"the source {source.name} has no {errand.market.name}; set ORION_SOURCE=polygon, or leave"
            f" {errand.tickers[0]} out"
        )
