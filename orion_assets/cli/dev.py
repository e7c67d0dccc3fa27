"""`orion dev`: Dagster's UI and daemon on the settings of a folder, whether or not it is a clone of Orion."""

import os
import sys
from typing import Annotated, Final

import typer

from orion_assets.cli.context import Call
from orion_assets.cli.home import make_home
from orion_assets.cli.output import OUT
from orion_assets.settings import HOME, exported

# That `dg dev` supersedes it holds for who has dg, a tool of development, and a project of its making
_QUIET: Final = "ignore:Function `dev_command` is superseded"


def dev(
    ctx: typer.Context,
    host: Annotated[str, typer.Option(metavar="ADDRESS", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(metavar="N", min=1, max=65535, help="Port to listen on.")] = 3000,
) -> None:
    """Open Dagster's UI on these settings, its daemon beside it; Ctrl-C ends both.

    Runs are remembered in DAGSTER_HOME, which is .dagster of this folder unless set. Where .dagster stands, what
    orion backfill and orion update do is remembered there too; else such a run is forgotten, its data is not.
    """
    call: Call = ctx.obj
    settings = call.settings
    home = make_home(settings.dagster_home or HOME)
    OUT.print(f"source {settings.source}, runs remembered in {home}; the UI will be on http://{host}:{port}")
    sys.stdout.flush()
    environment = exported(settings, call.env_file) | {"DAGSTER_HOME": str(home)}
    command = [sys.executable, "-W", _QUIET, "-m", "dagster", "dev", "-m", "orion_assets.definitions"]
    # Where Dagster stands it reads `.env`, and puts that before the environment and before --env-file
    os.chdir(home)
    os.execve(sys.executable, [*command, "-h", host, "-p", str(port)], environment)  # noqa: S606
