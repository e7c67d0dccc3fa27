"""`orion features` and `orion bars`: what the feature store answers, as of any instant."""

from typing import Annotated, Final, Literal

import typer

from orion_assets.cli import answers, context
from orion_assets.cli.context import Call
from orion_assets.cli.options import AsOf, Columns, From, Json, Tickers, To
from orion_assets.cli.output import document
from orion_assets.cli.showing import in_order
from orion_assets.ingest.ledger import PUBLISHED
from orion_assets.markets import EQUITIES
from orion_assets.schemas import (
    CLEAN_DAILY_BARS,
    CLEAN_MINUTE_BARS,
    FEATURE_MATRIX,
    RAW_DAILY_BARS,
    RAW_MINUTE_BARS,
    table_of,
)
from orion_assets.store.market_bars import market_asked, market_bars
from orion_assets.store.minutes import LakeMinutes

_OF_TIMEFRAME: Final = {"1d": (CLEAN_DAILY_BARS, RAW_DAILY_BARS), "1m": (CLEAN_MINUTE_BARS, RAW_MINUTE_BARS)}


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
    else:
        answers.show(call, in_order(rows), FEATURE_MATRIX.key, PUBLISHED, tickers, (start, end), as_of)


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
    if market is not EQUITIES:
        # They need no feature store, which whoever follows no equity does not have
        lake = LakeMinutes(call.lake)
        rows = market_bars(lake, tickers, start=start, end=end, timeframe=timeframe, as_of=known)
    else:
        with call.store() as store:
            rows = store.bars(tickers, start=start, end=end, timeframe=timeframe, adjusted=adjusted, as_of=known)
    if json:
        document(rows.to_dicts())
    else:
        clean, raw = _OF_TIMEFRAME[timeframe]
        dataset = table_of(raw, market).name
        answers.show(call, rows, table_of(clean, market).key, dataset, tickers, (start, end), as_of)
