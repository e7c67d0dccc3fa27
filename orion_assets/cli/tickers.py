"""`orion tickers`: the followed universe."""

import polars as pl
import typer

from orion_assets.cli.context import Call, now
from orion_assets.cli.discover import discover
from orion_assets.cli.markets import demand_loaded
from orion_assets.cli.options import Json, Named
from orion_assets.cli.output import ERR, OUT, document, frame, refuse
from orion_assets.ingest.universe import follow
from orion_assets.markets import EQUITIES, market_of
from orion_assets.schemas import SECURITIES
from orion_assets.sources.protocols import Listing
from orion_assets.store.arguments import near_or_all
from orion_assets.transforms.versions import visible

app = typer.Typer(no_args_is_help=True, help="The followed universe: discover, list, add, remove.")
app.command()(discover)


@app.command("list")
def listed(ctx: typer.Context, json: Json = False) -> None:
    """Show the followed tickers, and on stderr under which others the same companies traded."""
    call: Call = ctx.obj
    followed = call.state().universe(None)
    shown = pl.DataFrame({"ticker": followed}, schema={"ticker": pl.String})
    markets = [market_of(ticker).name for ticker in followed]
    # Who follows equities alone need not be told
    frame(shown.with_columns(market=pl.Series(markets)) if set(markets) - {EQUITIES.name} else shown, as_json=json)
    borne = visible(call.lake().read(SECURITIES), SECURITIES.key).select("ticker", "security_id")
    mine = borne.filter(pl.col("ticker").is_in(list(followed)))["security_id"]
    others = sorted(set(borne.filter(pl.col("security_id").is_in(mine.implode()))["ticker"]) - set(followed))
    if others:
        names = " ".join(others)
        ERR.print(f"the same companies traded as {names}; for those bars too: orion tickers add {names}")


@app.command()
def add(ctx: typer.Context, tickers: Named, json: Json = False) -> None:
    """Follow tickers; the next backfill of a range fills the holes they make."""
    call: Call = ctx.obj
    source, at = call.source(), now()
    others = [ticker for ticker in tickers if market_of(ticker) is not EQUITIES]
    demand_loaded(call.settings, others)
    # A source lists equities, and a vendor nobody unasked: whether it knows a ticker shows when its bars are asked for
    known = source.listed_tickers() if isinstance(source, Listing) else tuple(tickers)
    if unknown := sorted(set(tickers) - set(others) - set(known)):
        refuse(f"tickers add {' '.join(unknown)}: the source lists no such ticker; {near_or_all(unknown, known)}")
    _said("added", follow(call.state(), tickers, call.settings.tickers, at), json=json)


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
