"""`orion fake-vendor`: the synthetic market as a vendor would serve it, to try the whole path without a key."""

import signal
import socket
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from orion_assets.calendars import NEW_YORK
from orion_assets.cli.context import instant, now
from orion_assets.cli.output import ERR, OUT, Exit, refuse
from orion_assets.clock import Clock, SystemClock

if TYPE_CHECKING:
    from orion_assets.sources.synthetic.vendor.server import FakeVendor

JournalFile = Annotated[
    Path | None, typer.Option(metavar="FILE", dir_okay=False, help="Append every request as a JSON line.")
]
Now = Annotated[
    str | None, typer.Option("--now", metavar="INSTANT", help="What the vendor's clock says when it starts.")
]


FlatFilesTo = Annotated[
    str | None,
    typer.Option(
        "--flat-files", metavar="URL", help="Put the last sessions as Flat Files onto an S3 server of this machine."
    ),
]


def fake_vendor(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on 127.0.0.1; 0 for any that is free.")] = 8151,
    tickers: Annotated[int, typer.Option(help="Tickers of a larger market; 0 for the small one.")] = 0,
    sessions: Annotated[int, typer.Option(help="With --tickers: its last real exchange sessions.")] = 501,
    plan: Annotated[
        Literal["open", "free", "starter", "developer", "advanced"], typer.Option(help="What a key may ask.")
    ] = "open",
    calls_per_minute: Annotated[int | None, typer.Option(min=1, help="Budget of a key; default: the plan's.")] = None,
    mode: Annotated[Literal["sliding", "fixed"], typer.Option(help="Windows of the budget.")] = "sliding",
    faults: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", dir_okay=False, help="What goes wrong, and how the vendor behaves where nobody knows: TOML."
        ),
    ] = None,
    journal: JournalFile = None,
    at: Now = None,
    flat_files: FlatFilesTo = None,
    flat_file_sessions: Annotated[int, typer.Option(min=1, help="With --flat-files: the last sessions.")] = 20,
) -> None:
    """Serve a market that never was over the wire formats of Polygon, until interrupted. Nothing of it is real.

    Faults, terms and their names: docs/reference/fake-vendor.md.
    """
    # Imported where it runs: other commands start without a server
    from orion_assets.sources.synthetic.vendor.plan_file import load_plan  # noqa: PLC0415
    from orion_assets.sources.synthetic.vendor.server import fake_vendor as run  # noqa: PLC0415
    from orion_assets.sources.synthetic.vendor.terms import PLANS, Terms  # noqa: PLC0415
    from orion_assets.sources.synthetic.vendor.truth import large_market  # noqa: PLC0415

    if journal is not None and not journal.absolute().parent.is_dir():
        refuse(f"--journal {journal}: there is no folder {journal.absolute().parent}; make it, or name another file")
    clock = _clock(at)
    today = clock.now().astimezone(NEW_YORK).date()
    market = large_market(tickers, sessions, today) if tickers else None
    chosen = PLANS[plan] if calls_per_minute is None else replace(PLANS[plan], calls=calls_per_minute)
    told = load_plan(faults) if faults else None
    usual = Terms(chosen, mode=mode)
    terms = told.on(usual) if told else usual
    try:
        # Told to end before anybody can know that it runs, it ends as well
        with (
            _ending() as ends,
            run(
                market, terms=terms, faults=told.faults if told else None, clock=clock, journal=journal, port=port
            ) as vendor,
        ):
            _serve(vendor, _files(vendor, flat_files, flat_file_sessions), ends)
    except OSError as e:
        refuse(f"fake-vendor: port {port} cannot be listened on ({e.strerror}); name another with --port", Exit.FAILED)


def _files(vendor: "FakeVendor", endpoint: str | None, sessions: int) -> list[str]:
    if endpoint is None:
        return []
    from orion_assets.cli.fake_files import put_flat_files  # noqa: PLC0415 - boto3 takes its time to load

    return put_flat_files(endpoint, vendor.truth, sessions)


def _serve(vendor: "FakeVendor", more: Sequence[str], ends: socket.socket) -> None:
    """Say where it is, and return when the process is interrupted or asked to end."""
    first, last = vendor.truth.sessions["session"][0], vendor.truth.sessions["session"][-1]
    count, plan = vendor.truth.daily_bars["ticker"].n_unique(), vendor.terms.plan.name
    ERR.print(f"fake vendor: {count} tickers, sessions {first} to {last}, plan {plan}. Nothing of it is real.")
    OUT.print("\n".join([f"ORION_POLYGON_BASE_URL={vendor.base_url}", "POLYGON_API_KEY=anything", *more]))
    ends.recv(1)
    ERR.print(f"fake vendor: {len(vendor.journal)} requests answered")


def _clock(at: str | None) -> Clock:
    started = instant("--now", at)
    if started is None:
        return SystemClock()
    from orion_assets.sources.synthetic.vendor.terms import ShiftedClock  # noqa: PLC0415

    return ShiftedClock(SystemClock(), started - now())


@contextmanager
def _ending() -> Generator[socket.socket]:
    """Give what holds a byte once the process was interrupted or asked to end.

    Who waits by himself misses a signal that comes just before, or to another thread; a process that was started to
    ignore them misses those that come before it asks for them.
    """
    told, tells = socket.socketpair()
    with told, tells:
        tells.setblocking(False)
        other = signal.set_wakeup_fd(tells.fileno())
        before = {each: signal.signal(each, _noted) for each in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield told
        finally:
            for each, handler in before.items():
                signal.signal(each, handler if handler is not None else signal.SIG_DFL)
            signal.set_wakeup_fd(other)


def _noted(_: int, __: FrameType | None) -> None:
    """Let a signal end nothing by itself."""
