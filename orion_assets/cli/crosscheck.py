"""What `orion quality crosscheck` does: read what is held, ask a second source for the same, compare, remember."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import polars as pl

from orion_assets.cli import context
from orion_assets.cli.context import Call
from orion_assets.cli.fetch import tell_calls, tell_unreadable
from orion_assets.cli.live import board
from orion_assets.cli.output import ERR, OUT, Exit, counted, document, frame, refuse
from orion_assets.ingest.fetching import Bars, Basis, Fetch, Wanted, fetched, prepared
from orion_assets.quality.crosscheck import Allowed, differences
from orion_assets.quality.verdicts import judge_crosscheck
from orion_assets.schemas import RAW_DAILY_BARS
from orion_assets.settings import SYNTHETIC, Settings
from orion_assets.store.protocols import FeatureReader

# Of so many the lines under the table tell
_CAUSES = 12
_KEY = ["ticker", "session"]
_BAR = [*_KEY, "open", "high", "low", "close", "volume"]


@dataclass(frozen=True)
class Checked:
    """What was compared, and what came of it.

    Attributes:
        source: Whom it was held against.
        work: What was asked of it.
        tickers: Those of which both sides have bars, sorted.
        untold: Those of which the source has none, sorted.
        compared: `ticker`, `session` and `is_bar`: what was asked for of `tickers` and told readably; `is_bar` is false
            where neither side has a bar.
        unreadable: Rows of the source that were left out: `ticker`, `session`, `problem`.
        failure: Why a call failed, whose answer and those after it are not here; empty where none did.
        unheard: What they were to bring: `ticker`, `first` and `last` (sessions), one row a ticker, sorted.
        bars: How many both sides have.
        columns: Those compared.
        found: As `differences` gives it.
    """

    source: str
    work: Fetch
    tickers: Sequence[str]
    untold: Sequence[str]
    compared: pl.DataFrame
    unreadable: pl.DataFrame
    failure: str
    unheard: pl.DataFrame
    bars: int
    columns: Sequence[str]
    found: pl.DataFrame


def refuse_synthetic(call: Call, source: str) -> None:
    """Refuse to compare where either side is invented: each difference would be true, and say nothing."""
    if SYNTHETIC in {source, call.settings.source, *call.state().sources()}:
        refuse(
            f"quality crosscheck: nothing of the synthetic market is real, and these bars or those of {source} are"
            " its. Compare real bars with real ones: set ORION_SOURCE, ORION_LAKE_URL and ORION_STATE_URL to yours"
        )


def checked(
    call: Call, tickers: Sequence[str] | None, span: tuple[date, date], allowed: Allowed, max_calls: int | None
) -> Checked:
    """Ask the source of a call for what the store holds, and compare; leaves where nothing could be."""
    source, settings = call.source(), call.settings
    basis: Basis = "none" if RAW_DAILY_BARS.name in source.datasets else "split"
    now = context.now()
    with call.store() as store:
        own, traded = (_held(store, tickers, span, each, now) for each in (basis, "none"))
    if own.is_empty():
        refuse(
            f"quality crosscheck: no bar of [{span[0]}, {span[1]}) is held; fill it with: orion backfill", Exit.FAILED
        )
    names = own["ticker"].unique().sort().to_list()
    work = prepared(Wanted(tuple(names), *span, "1d", basis), source, now)
    tell_calls(work, max_calls)
    with board(show=True):
        told = fetched(work, source, keeps=True)
    tell_unreadable(told)
    other = told.rows.select(_BAR)
    asked = _asked(names, work, told)
    mine, theirs = (rows.join(asked, on=_KEY, how="semi") for rows in (own, other))
    both_have = mine.join(theirs, on="ticker", how="semi")["ticker"].unique().sort().to_list()
    mine, theirs = (rows.filter(pl.col("ticker").is_in(both_have)) for rows in (mine, theirs))
    found = differences(mine, traded, theirs, allowed, _venue(settings))
    both = mine.join(theirs, on=_KEY, suffix="_other")
    columns = [name for name in _BAR[2:] if both[f"{name}_other"].count()]
    bars = pl.concat([mine.select(_KEY), theirs.select(_KEY)]).unique().with_columns(is_bar=pl.lit(value=True))
    pairs = asked.filter(pl.col("ticker").is_in(both_have)).join(bars, on=_KEY, how="left")
    compared = pairs.with_columns(pl.col("is_bar").fill_null(value=False))
    sessions = pl.col("session")
    unheard = told.unasked.group_by("ticker").agg(first=sessions.min(), last=sessions.max()).sort("ticker")
    return Checked(
        source=source.name,
        work=work,
        tickers=both_have,
        untold=sorted(set(names).difference(both_have, unheard["ticker"])),
        compared=compared,
        unreadable=told.unreadable,
        failure=told.failure,
        unheard=unheard,
        bars=both.height,
        columns=columns,
        found=found,
    )


def _held(
    store: FeatureReader, tickers: Sequence[str] | None, span: tuple[date, date], basis: Basis, now: datetime
) -> pl.DataFrame:
    """Give the bars that the store holds, in the units of today where the basis is not `none`."""
    return store.bars(tickers or None, start=span[0], end=span[1], adjusted=basis, as_of=now).select(_BAR)


def _asked(tickers: Sequence[str], work: Fetch, told: Bars) -> pl.DataFrame:
    """Give the tickers and sessions that the source was asked for and told readably: of no other is silence absence."""
    closed = work.sessions.select("session")
    asked = pl.DataFrame({"ticker": list(tickers)}, {"ticker": pl.String()}).join(closed, how="cross")
    unasked = work.work.unanswerable.select(_KEY) if work.work else told.unreadable.select(_KEY).clear()
    return asked.join(pl.concat([unasked, told.unreadable.select(_KEY), told.unasked]), on=_KEY, how="anti")


def _venue(settings: Settings) -> str:
    if settings.source != "alpaca" or settings.alpaca_feed == "sip":
        return ""
    return f"the feed {settings.alpaca_feed} does not tell the trades of the whole market; ORION_ALPACA_FEED=sip does"


def remember(call: Call, done: Checked) -> None:
    """Keep what was found for the quality report; what was not compared this time keeps what was said of it last."""
    judge_crosscheck(call.state(), done.found, done.compared, done.source, context.now())


def show(done: Checked, span: tuple[date, date], *, as_json: bool) -> None:
    """Say what was compared and where the two differ."""
    if as_json:
        document(_as_json(done, span))
        return
    if done.untold:
        ERR.print(f"not compared, since {done.source} has no bars of them: {', '.join(done.untold)}")
    if done.failure:
        spans = [f"{ticker} [{first}, {last}]" for ticker, first, last in done.unheard.iter_rows()]
        ERR.print(f"not compared, since a call failed: {_listed(spans)}. {done.failure}")
    basis = "as traded" if done.work.wanted.basis == "none" else "in today's units, after every split"
    what = f"{counted(done.bars, 'bar')} of {counted(len(done.tickers), 'ticker')}, {', '.join(done.columns)} {basis}"
    if done.found.is_empty():
        OUT.print(f"no difference: {what}, held and at {done.source}")
        return
    frame(done.found, as_json=False, title=f"{counted(done.found.height, 'difference')} from {done.source} in {what}")
    causes = done.found.group_by("ticker", "likely_cause").len().sort("len", "ticker", descending=[True, False])
    for ticker, cause, count in causes.head(_CAUSES).iter_rows():
        OUT.print(f"{ticker}: {counted(count, 'value')}: {cause}")
    if causes.height > _CAUSES:
        OUT.print(f"and {counted(causes.height - _CAUSES, 'cause')} more, as the table says")
    OUT.print(
        "A split or payout that is lacking here: add it to the source, then orion backfill. A bar that is wrong here:"
        " ask again with orion backfill; correct it in files of your own. Which side is right, a third source says:"
        " orion fetch --source."
    )


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _CAUSES} more" if len(names) > _CAUSES else ""
    return f"{', '.join(names[:_CAUSES])}{more}"


def _as_json(done: Checked, span: tuple[date, date]) -> dict[str, Any]:
    return {
        "source": done.source,
        "start": span[0],
        "end": span[1],
        "adjusted": done.work.wanted.basis,
        "calls": done.work.calls,
        "tickers": done.tickers,
        "tickers_not_compared": done.untold,
        "not_heard": done.unheard.to_dicts(),
        "failure": done.failure or None,
        "bars": done.bars,
        "columns": done.columns,
        "unreadable": done.unreadable.to_dicts(),
        "differences": done.found.to_dicts(),
    }
