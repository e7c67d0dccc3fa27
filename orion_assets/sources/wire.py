"""One GET over kept connections: a whole answer before a deadline, or why there is none. No retries, no meaning."""

import asyncio
import ssl
import threading
import weakref
from collections.abc import Coroutine, Iterator, Mapping
from concurrent.futures import CancelledError, Future
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

from orion_assets.errors import SettingsError
from orion_assets.sources.unpacking import Torn, Unpacker

# What the other side may say of itself; nothing else of its headers is kept
_KEPT: Final = ("content-type", "content-length", "date", "etag", "last-modified", "location", "retry-after")


class Unreachable(Exception):
    """No whole answer came; asking again may bring one."""


@dataclass(frozen=True)
class Reply:
    """A whole answer of any status: the kept headers in lower case, the body unpacked."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


class _Loop:
    """An event loop in a thread of its own, with the connections that live in it.

    Who lets go of it waits for nobody. A collector may do so within another wire's loop and hold a lock that this one
    needs to end: waiting there would be for ever.
    """

    def __init__(self, headers: Mapping[str, str], deadline_s: float) -> None:
        client = httpx.AsyncClient(headers=headers, follow_redirects=False, timeout=deadline_s)
        begun: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Future()
        self.client: Final = client
        self.thread: Final = threading.Thread(
            target=lambda: asyncio.run(_living(client, begun)), name="wire", daemon=True
        )
        self.thread.start()
        self.loop, ending = begun.result()
        self.end: Final = weakref.finalize(self, _end, self.loop, ending)

    def run(self, work: Coroutine[Any, Any, Reply]) -> Reply:
        """Wait for some work in the loop; what ends the waiting ends the work."""
        future = asyncio.run_coroutine_threadsafe(work, self.loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise


def _end(loop: asyncio.AbstractEventLoop, ending: asyncio.Event) -> None:
    with suppress(RuntimeError):  # it is closed
        loop.call_soon_threadsafe(ending.set)


async def _living(client: httpx.AsyncClient, begun: "Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]]") -> None:
    async with client:
        ending = asyncio.Event()
        begun.set_result((asyncio.get_running_loop(), ending))
        await ending.wait()


class Wire:
    """Connections to one vendor, shared by threads; they live in an event loop of their own, so that deadlines hold."""

    def __init__(self, headers: Mapping[str, str], *, deadline_s: float, most_bytes: int) -> None:
        """Prepare; nothing is opened before the first request.

        Args:
            headers: Sent with every request; one of them carries the key.
            deadline_s: Seconds from the connection to the last byte.
            most_bytes: Bytes of a body, unpacked, at most.
        """
        self._headers = {**headers, "Accept-Encoding": "gzip"}
        self._deadline_s = deadline_s
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        self._open: _Loop | None = None

    def get(self, url: httpx.URL) -> Reply:
        """Send one request; redirects are answers, not followed.

        Raises:
            Unreachable: No connection, no whole answer, or not in time.
            AnswerDistrusted: The body is larger than allowed, or packed as nobody asked.
            SettingsError: The other side cannot prove who it is.
        """
        opened = self._opened()
        try:
            return opened.run(self._get(opened.client, url))
        except TimeoutError as e:
            raise Unreachable(f"no whole answer within {self._deadline_s:g} s") from e
        except CancelledError as e:
            raise Unreachable("the connections were closed meanwhile") from e
        except Torn as e:
            raise Unreachable(str(e)) from e
        except httpx.TransportError as e:
            if any(isinstance(cause, ssl.SSLError) for cause in _causes(e)):
                raise SettingsError(
                    f"{url.host}: its certificate is not trusted: {e}. Nothing was sent. Check clock, network and"
                    " SSL_CERT_FILE"
                ) from e
            raise Unreachable(f"{type(e).__name__}: {e}" if str(e) else type(e).__name__) from e

    def close(self) -> None:
        """End the connections, and wait until they are; the next request opens new ones."""
        with self._lock:
            opened, self._open = self._open, None
        if opened is not None:
            opened.end()
            opened.thread.join()

    def _opened(self) -> _Loop:
        with self._lock:
            if self._open is None:
                self._open = _Loop(self._headers, self._deadline_s)
            return self._open

    async def _get(self, client: httpx.AsyncClient, url: httpx.URL) -> Reply:
        async with asyncio.timeout(self._deadline_s), client.stream("GET", url) as response:
            body = Unpacker(response.headers.get("content-encoding", ""), self._most_bytes)
            async for chunk in response.aiter_raw():
                body.feed(chunk)
            kept = {name: response.headers[name] for name in _KEPT if name in response.headers}
            return Reply(response.status_code, kept, body.whole())


def _causes(error: BaseException) -> Iterator[BaseException]:
    while True:
        yield error
        cause = error.__cause__ or error.__context__
        if cause is None:
            return
        error = cause
