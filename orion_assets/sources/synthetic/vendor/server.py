"""The fake vendor as a server: sockets on 127.0.0.1, requests parsed by h11, answers written as bytes.

Bytes are written here and nowhere else, so that an answer may lie about its length, end in its middle or never come.
"""

import asyncio
import socket
import struct
from collections.abc import Coroutine, Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread
from typing import Any, Final

import h11

from orion_assets.clock import Clock, SystemClock
from orion_assets.sources.synthetic.market import Market
from orion_assets.sources.synthetic.source import SyntheticSource
from orion_assets.sources.synthetic.vendor.answering import Answering, Asked
from orion_assets.sources.synthetic.vendor.faults import FaultPlan
from orion_assets.sources.synthetic.vendor.journal import Journal
from orion_assets.sources.synthetic.vendor.terms import Terms
from orion_assets.sources.synthetic.vendor.transmission import Transmission
from orion_assets.sources.synthetic.vendor.truth import Truth

HOST: Final = "127.0.0.1"
_CHUNK: Final = 65_536
_PATIENCE_S: Final = 30.0


class FakeVendor:
    """A fake vendor on a port of this machine.

    Attributes:
        truth: What it serves as valid.
        terms: How it behaves.
        faults: What goes wrong; rules may be added while it runs.
        journal: What was asked.
        port: Where it listens; 0 before it has started.
    """

    def __init__(self, truth: Truth, terms: Terms, faults: FaultPlan, journal: Journal, clock: Clock) -> None:
        self.truth: Final = truth
        self.terms: Final = terms
        self.faults: Final = faults
        self.journal: Final = journal
        self.port = 0
        self._answering: Final = Answering(truth, terms, faults, journal, clock)
        self._loop: Final = asyncio.new_event_loop()
        self._thread: Final = Thread(target=self._loop.run_forever, name="fake-vendor", daemon=True)
        self._talks: Final[set[asyncio.Task[None]]] = set()
        self._server: asyncio.Server | None = None

    @property
    def base_url(self) -> str:
        """Where it listens: what ORION_POLYGON_BASE_URL is set to."""
        return f"http://{HOST}:{self.port}"

    def start(self, port: int = 0) -> None:
        """Listen, in a thread of its own; a port of 0 is any that is free.

        Raises:
            OSError: The port is taken.
        """
        self._thread.start()
        try:
            self._run(self._listen(port))
        except OSError:
            self.stop()
            raise

    def stop(self) -> None:
        """Close everything; what is under way is cut off."""
        self._run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_PATIENCE_S)
        self._loop.close()

    @contextmanager
    def down(self) -> Generator[None]:
        """Refuse connections while the block runs, as a host that is down; then listen on the same port again."""
        self._run(self._close())
        try:
            yield
        finally:
            self._run(self._listen(self.port))

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(_PATIENCE_S)

    async def _listen(self, port: int) -> None:
        self._server = await asyncio.start_server(self._talk, HOST, port, backlog=512)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
        for talk in tuple(self._talks):
            talk.cancel()
        await asyncio.gather(*self._talks, return_exceptions=True)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection, one after the other."""
        talk = asyncio.current_task()
        if talk is not None:
            self._talks.add(talk)
        try:
            with suppress(ConnectionError, h11.RemoteProtocolError, asyncio.CancelledError):
                if self._answering.accepts():
                    await self._answer_all(reader, writer)
        finally:
            writer.close()
            if talk is not None:
                self._talks.discard(talk)

    async def _answer_all(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        rest = b""
        while True:
            asked, rest, is_last = await _read(reader, rest)
            if asked is None:
                return
            number, made = self._answering.answer(asked)
            try:
                await _write(writer, made)
                if made.ending == "hold":
                    await _hold(reader, made.hold_s)
            finally:
                self._answering.ended(number)
            if made.ending == "reset":
                _reset(writer)
            if made.ending != "keep" or is_last:
                return


async def _read(reader: asyncio.StreamReader, rest: bytes) -> tuple[Asked | None, bytes, bool]:
    """Read one request.

    Returns:
        It, or None where the client has left; bytes that belong to the next one; whether it is to be the last.
    """
    parser = h11.Connection(h11.SERVER)
    if rest:
        parser.receive_data(rest)
    request: h11.Request | None = None
    while True:
        event = parser.next_event()
        if event is h11.NEED_DATA:
            received = await reader.read(_CHUNK)
            if not received:
                return None, b"", True
            parser.receive_data(received)
        elif isinstance(event, h11.Request):
            request = event
        elif isinstance(event, h11.EndOfMessage) and request is not None:
            return _asked(request), parser.trailing_data[0], parser.their_state is h11.MUST_CLOSE
        elif isinstance(event, h11.ConnectionClosed):
            return None, b"", True


def _asked(request: h11.Request) -> Asked:
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in request.headers}
    return Asked(
        request.method.decode("latin-1"),
        request.target.decode("latin-1"),
        headers.get("authorization", ""),
        "gzip" in headers.get("accept-encoding", ""),
    )


async def _write(writer: asyncio.StreamWriter, made: Transmission) -> None:
    if made.wait_s:
        await asyncio.sleep(made.wait_s)
    writer.write(made.head())
    drop = made.drop or len(made.body) or 1
    for at in range(0, len(made.body), drop):
        writer.write(made.body[at : at + drop])
        await writer.drain()
        if made.pause_s:
            await asyncio.sleep(made.pause_s)
    for more in made.more:
        writer.write(more)
        await writer.drain()
    await writer.drain()


async def _hold(reader: asyncio.StreamReader, seconds: float) -> None:
    """Say nothing until the client leaves, or for so long."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds or None):
            while await reader.read(_CHUNK):
                pass


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close with RST, so that the client sees a reset and not an end."""
    connection: socket.socket = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


@contextmanager
def fake_vendor(
    market: Market | None = None,
    *,
    terms: Terms | None = None,
    faults: FaultPlan | None = None,
    clock: Clock | None = None,
    journal: Path | None = None,
    port: int = 0,
) -> Generator[FakeVendor]:
    """Run a fake vendor while the block runs.

    Args:
        market: What it serves; the synthetic market of `SyntheticSource` when None.
        terms: How it behaves; everything allowed, without a limit, when None.
        faults: What goes wrong; nothing when None.
        clock: The server's clock; the machine's when None.
        journal: A file for the journal's JSON lines.
        port: Where it listens; any that is free when 0.

    Raises:
        OSError: The port is taken.
    """
    truth = Truth(market or SyntheticSource().market)
    vendor = FakeVendor(truth, terms or Terms(), faults or FaultPlan(), Journal(journal), clock or SystemClock())
    vendor.start(port)
    try:
        yield vendor
    finally:
        vendor.stop()
