"""One GET over kept connections: a whole answer before a deadline, or why there is none. No retries, no meaning."""

import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Final

import anyio
import httpx
from anyio.from_thread import BlockingPortal, start_blocking_portal

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
        self._open: tuple[ExitStack, BlockingPortal, httpx.AsyncClient] | None = None

    def get(self, url: httpx.URL) -> Reply:
        """Send one request; redirects are answers, not followed.

        Raises:
            Unreachable: No connection, no whole answer, or not in time.
            AnswerDistrusted: The body is larger than allowed, or packed as nobody asked.
            SettingsError: The other side cannot prove who it is.
        """
        portal, client = self._opened()
        try:
            return portal.call(self._get, client, url)
        except TimeoutError as e:
            raise Unreachable(f"no whole answer within {self._deadline_s:g} s") from e
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
        """End the connections; the next request opens new ones."""
        with self._lock:
            opened, self._open = self._open, None
        if opened is not None:
            opened[0].close()

    def _opened(self) -> tuple[BlockingPortal, httpx.AsyncClient]:
        with self._lock:
            if self._open is None:
                stack = ExitStack()
                portal = stack.enter_context(start_blocking_portal())
                client = httpx.AsyncClient(headers=self._headers, follow_redirects=False, timeout=self._deadline_s)
                stack.enter_context(portal.wrap_async_context_manager(client))
                self._open = stack, portal, client
            return self._open[1], self._open[2]

    async def _get(self, client: httpx.AsyncClient, url: httpx.URL) -> Reply:
        with anyio.fail_after(self._deadline_s):
            async with client.stream("GET", url) as response:
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
