"""`orion tickers`: the followed universe."""

import polars as pl
import typer

from orion_assets.cli.context import Call, now
from orion_assets.cli.markets import demand_loaded
from orion_assets.cli.options import Json, Named
from orion_assets.cli.output import OUT, document, frame, refuse
from orion_assets.markets import EQUITIES, market_of

app = typer.Typer(no_args_is_help=True, help="The followed universe: list, add, remove.")


@app.command("list")
def listed(ctx: typer.Context, json: Json = False) -> None:
    """Show the followed tickers."""
    call: Call = ctx.obj
    followed = call.state().universe(None)
    shown = pl.DataFrame({"ticker": followed}, schema={"ticker": pl.String})
    markets = [market_of(ticker).name for ticker in followed]
    # Who follows equities alone need not be told
    frame(shown.with_columns(market=pl.Series(markets)) if set(markets) - {EQUITIES.name} else shown, as_json=json)


@app.command()
def add(ctx: typer.Context, tickers: Named, json: Json = False) -> None:
    """Follow tickers; the next backfill of a range fills the holes they make."""
    call: Call = ctx.obj
    others = [ticker for ticker in tickers if market_of(ticker) is not EQUITIES]
    demand_loaded(call.settings, others)
    mine = sorted(set(tickers) - set(others))
    # A source lists equities; of other markets a ticker is believed that is written as theirs are
    known = call.source().listed_tickers() if mine else ()
    unknown = sorted(set(mine) - set(known))
    if unknown:
        refuse(f"tickers add {' '.join(unknown)}: the source lists no such ticker; it has {', '.join(known[:20])}")
    state = call.state()
    if not state.universe(None):
        # What a first run would follow; else one ticker more would replace those of ORION_TICKERS
        state.add_tickers(call.settings.tickers, ts_added=now())
    _said("added", state.add_tickers(tickers, ts_added=now()), json=json)


@app.command()
def remove(ctx: typer.Context, tickers: Named, json: Json = False) -> None:
    """Stop following tickers; what was stored stays."""
    call: Call = ctx.obj
    unknown = sorted(set(tickers) - set(call.state().universe(None)))
    if unknown:
        refuse(f"tickers remove {' '.join(unknown)}: not followed; see orion tickers list")
    _said("removed", call.state().remove_tickers(tickers, ts_removed=now()), json=json)


def _said(verb: str, tickers: tuple[str, ...], *, json: bool) -> None:
    if json:
        document({verb: list(tickers)})
    else:
        OUT.print(f"{verb}: {', '.join(tickers) or 'none, nothing changed'}")
