"""`orion`: the commands put together, and the one place where an error becomes a line and an exit code."""

import logging
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import version
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from orion_assets.cli import market, quality, store, tickers, vendor
from orion_assets.cli.backfill import backfill
from orion_assets.cli.context import Call
from orion_assets.cli.demo import demo
from orion_assets.cli.dev import dev
from orion_assets.cli.doctor import doctor
from orion_assets.cli.fake_vendor import fake_vendor
from orion_assets.cli.fetch import fetch
from orion_assets.cli.history import history
from orion_assets.cli.logs import configure
from orion_assets.cli.output import OUT, Exit, complain
from orion_assets.cli.plan import plan
from orion_assets.cli.read import bars, features
from orion_assets.cli.status import status
from orion_assets.cli.update import update
from orion_assets.errors import OrionError, SettingsError
from orion_assets.settings import unread

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help=(
        "Orion: market data to features that say when they became known.\n\n"
        "First: orion backfill, then orion features. Later, once a session: orion update. Settings come from the"
        " environment or .env; .env.example lists them."
    ),
)
for each in (demo, doctor, plan, fetch, backfill, update, status, features, bars, history, dev, fake_vendor):
    app.command()(each)
app.add_typer(tickers.app, name="tickers")
app.add_typer(market.app, name="market")
app.add_typer(store.app, name="store")
app.add_typer(quality.app, name="quality")
app.add_typer(vendor.app, name="vendor")

# It tells them in its own words; these read no settings
_NOT_TOLD = ("doctor", "demo", "fake-vendor")


def _print_version(*, is_asked: bool) -> None:
    if is_asked:
        OUT.print(f"orion {version('orion-assets')}")
        raise typer.Exit


@app.callback()
def orion(
    ctx: typer.Context,
    env_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", exists=True, dir_okay=False, help="File of settings to read in place of ./.env."),
    ] = None,
    _: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    """Take what all commands share."""
    call = Call(env_file)
    ctx.obj = call
    # Whoever wrote them believes that they hold
    for name, near in unread(env_file).items() if ctx.invoked_subcommand not in _NOT_TOLD else ():
        if near:
            complain(f"{name} is set and nothing reads it; did you mean {near}?")
    # Help, and what needs no settings, must work where they are wrong; whoever needs them reads them again
    with suppress(SettingsError):
        configure(call.settings)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; errors that Orion raises on purpose are one line, without a traceback.

    Args:
        arguments: What follows the command's name; those of the process when None.
    """
    # A locale that lacks a character of a text gets a question mark for it, and the rest
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    try:
        app(arguments)
    except ValueError as e:
        complain(str(e))
        sys.exit(Exit.WRONG_CALL)
    except OrionError as e:
        logging.getLogger(__name__).debug("failed", exc_info=e)
        complain(str(e))
        sys.exit(Exit.WRONG_CALL if isinstance(e, SettingsError) else Exit.FAILED)


def command() -> NoReturn:
    """Be the console script `orion`."""
    try:
        main()
    except SystemExit as e:
        leave(e.code if isinstance(e.code, int) else Exit.FAILED)
    leave(Exit.DONE)


def leave(code: int) -> NoReturn:
    """End the process at once: DuckDB's bindings count leaks on stderr while Python tears a Dagster run down."""
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
