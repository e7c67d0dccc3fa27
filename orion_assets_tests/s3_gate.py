"""What stands before a real S3 server as a vendor's rights do: keys that may be listed and not downloaded, and faults.

Every request is written down, so that what was asked can be held against what was planned.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

_DENIED = b'<?xml version="1.0" encoding="UTF-8"?><Error><Code>%s</Code><Message>no</Message></Error>'


@dataclass
class Gate:
    """A server on loopback that passes requests on to an S3 server.

    Attributes:
        target: Port of the S3 server.
        lists: Prefixes that were listed, in order.
        gets: Keys that were asked for, in order.
        heads: The head of every request, as text.
        denied: Keys, or the beginnings of keys, whose download is answered 403.
        denies_lists: Listing is answered 403.
        code: The error code of a 403.
        cuts: How many of the next downloads end after half of their bytes.
        fails: How many of the next requests are answered 503.
    """

    target: int
    lists: list[str] = field(default_factory=list)
    gets: list[str] = field(default_factory=list)
    heads: list[str] = field(default_factory=list)
    denied: tuple[str, ...] = ()
    denies_lists: bool = False
    code: str = "AccessDenied"
    cuts: int = 0
    fails: int = 0
    port: int = 0

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """Pass one GET on, or refuse it."""
        parts = urlsplit(request.path)
        key = unquote(parts.path).lstrip("/").partition("/")[2]
        self.heads.append(f"{request.requestline}\n{request.headers}")
        (self.gets if key else self.lists).append(key or parse_qs(parts.query).get("prefix", [""])[0])
        is_denied = key.startswith(self.denied) if key and self.denied else not key and self.denies_lists
        if self.fails or is_denied:
            status = 503 if self.fails else 403
            self.fails = max(0, self.fails - 1)
            _send(request, status, {}, _DENIED % (b"SlowDown" if status == 503 else self.code.encode()))
            return
        status, headers, body = self._passed_on(request)
        whole = not (key and status == 200 and self.cuts)
        self.cuts = max(0, self.cuts - (not whole))
        _send(request, status, headers, body, sent=len(body) if whole else len(body) // 2)

    def _passed_on(self, request: BaseHTTPRequestHandler) -> tuple[int, dict[str, str], bytes]:
        connection = HTTPConnection("127.0.0.1", self.target, timeout=30)
        try:
            connection.request("GET", request.path, headers=dict(request.headers))
            answer = connection.getresponse()
            body = answer.read()
        finally:
            connection.close()
        named = {name.lower(): value for name, value in answer.getheaders()}
        kept = ("content-type", "etag", "last-modified")
        return answer.status, {name: named[name] for name in kept if name in named}, body


@contextmanager
def gate_before(port: int) -> Iterator[Gate]:
    """Run a gate in front of an S3 server until the block ends."""
    gate = Gate(port)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            gate.answer(self)

        def handle(self) -> None:
            with suppress(ConnectionError):  # the client gave up; that is its right
                super().handle()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    gate.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield gate
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _send(
    request: BaseHTTPRequestHandler, status: int, headers: dict[str, str], body: bytes, *, sent: int | None = None
) -> None:
    request.send_response(status)
    for name, value in {**headers, "content-length": str(len(body))}.items():
        request.send_header(name, value)
    request.end_headers()
    request.wfile.write(body[:sent])
    request.close_connection = sent is not None and sent < len(body)
