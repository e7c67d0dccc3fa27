"""`orion history`: files of single tickers, from the first session to the last."""

import typer

from orion_assets.cli.context import Call
from orion_assets.cli.launch import Outcome
from orion_assets.cli.options import Json, Tickers
from orion_assets.cli.output import ERR, OUT, Exit, counted, document, refuse
from orion_assets.cli.report import line
from orion_assets.settings import Settings


def history(ctx: typer.Context, tickers: Tickers = None, json: Json = False) -> None:
    """Write bars in every basis and all features of tickers as Parquet files, recomputed from raw in one pass.

    Features are written only where they equal, bit for bit, what the sessions wrote. Without tickers, of all followed.
    """
    call: Call = ctx.obj
    followed = call.state().universe()
    asked = tuple(tickers or followed)
    if not asked:
        refuse("history: nobody is followed yet; start with: orion backfill", Exit.FAILED)
    if unknown := sorted(set(asked) - set(followed)):
        refuse(f"history {' '.join(unknown)}: not followed. Follow them first: orion tickers add {' '.join(unknown)}")
    outcome = write(call.settings, asked, show=not json)
    if json:
        document({"tickers": sorted(asked), "files": call.settings.features_url, "is_done": outcome.is_done})
    for finding in outcome.findings:
        ERR.print(line(finding))
    if not outcome.is_done:
        refuse(
            outcome.failure or "history: some tickers differ from what the sessions wrote; their files stay",
            Exit.FAILED,
        )
    if not json:
        OUT.print(f"wrote the files of {counted(len(asked), 'ticker')} to {call.settings.features_url}")


def write(settings: Settings, tickers: tuple[str, ...], *, show: bool) -> Outcome:
    """Run the job `history` on the instance of the settings."""
    from orion_assets.cli.run import instance, write_history  # noqa: PLC0415 - Dagster takes seconds to load

    with instance(settings) as on:
        return write_history(settings, tickers, on, show=show)
