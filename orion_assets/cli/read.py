"""`orion features` and `orion bars`: what the feature store answers, as of any instant."""

from contextlib import ExitStack
from functools import partial
from typing import Annotated, Final, Literal

import typer

from orion_assets.cli import context
from orion_assets.cli.answers import Asked, show
from orion_assets.cli.context import Call
from orion_assets.cli.options import AsOf, Columns, From, Json, Tickers, To
from orion_assets.cli.output import document
from orion_assets.cli.showing import in_order
from orion_assets.markets import EQUITIES
from orion_assets.schemas import CLEAN_DAILY_BARS, CLEAN_MINUTE_BARS, FEATURE_MATRIX, table_of
from orion_assets.store.market_bars import market_asked, market_bars
from orion_assets.store.minutes import LakeMinutes

_OF_TIMEFRAME: Final = {
    "1d": (CLEAN_DAILY_BARS, "orion backfill"),
    "1m": (CLEAN_MINUTE_BARS, "orion backfill --datasets daily,minute"),
}


def features(
    ctx: typer.Context,
    tickers: Tickers = None,
    start: From = None,
    end: To = None,
    cutoff: Annotated[
        Literal["open", "close", "both"],
        typer.Option(help="Instant of the decision: open is 09:25 New York, close is 30 minutes after the close."),
    ] = "close",
    columns: Columns = None,
    as_of: AsOf = None,
    json: Json = False,
) -> None:
    """Show features: a row for a ticker, session and cut-off, as it is known now or was known at --as-of.

    Sessions run from --from up to, not including, --to; without them, all that are stored.
    """
    call: Call = ctx.obj
    wanted = context.names(columns) or None
    known = context.instant("--as-of", as_of)
    with call.store() as store:
        rows = store.features(tickers, start=start, end=end, columns=wanted, cutoff=cutoff, as_of=known)
        if json:
            document(rows.to_dicts())
            return
        asked = Asked(tickers, start, end, as_of, is_daily=cutoff != "open")
        whole = partial(store.features, tickers, columns=["close"], cutoff=cutoff)
        show(call, in_order(rows), FEATURE_MATRIX.key, asked, whole)


def bars(
    ctx: typer.Context,
    tickers: Tickers = None,
    start: From = None,
    end: To = None,
    timeframe: Annotated[
        Literal["1d", "1m"], typer.Option(help="Bars of a session, or of a minute with its phase: pre, regular, post.")
    ] = "1d",
    adjusted: Annotated[
        Literal["none", "split", "total_return"],
        typer.Option(help="Prices as traded, or adjusted for splits, or for dividends too."),
    ] = "none",
    as_of: AsOf = None,
    json: Json = False,
) -> None:
    """Show bars: prices as traded, or of daily ones in the units of the last session known.

    A ticker tells its market by its prefix, and with it whose sessions are meant: X:BTCUSD, C:EURUSD, I:SPX, O:...

    Sessions run from --from up to, not including, --to; without them, all that are stored.
    """
    call: Call = ctx.obj
    known = context.instant("--as-of", as_of)
    market = market_asked(tickers, adjusted)
    with ExitStack() as opened:
        # Other markets need no feature store, which whoever follows no equity does not have
        read = (
            partial(opened.enter_context(call.store()).bars, tickers, timeframe=timeframe, adjusted=adjusted)
            if market is EQUITIES
            else partial(market_bars, LakeMinutes(call.lake), tickers, timeframe=timeframe)
        )
        rows = read(start=start, end=end, as_of=known)
        if json:
            document(rows.to_dicts())
            return
        clean, remedy = _OF_TIMEFRAME[timeframe]
        is_daily = market is EQUITIES and timeframe == "1d"
        asked = Asked(tickers, start, end, as_of, is_daily, remedy)
        show(call, rows, table_of(clean, market).key, asked, read)
