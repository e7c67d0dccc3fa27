"""An answer as bytes, and the way in which they leave: at once, drop by drop, in part, or not at all."""

import gzip
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from http import HTTPStatus
from typing import Final, Literal

from orion_assets.sources.synthetic.vendor.reply import Reply

# After the last byte: wait for the next request, close, reset (RST), or hold the connection open and say nothing
Ending = Literal["keep", "close", "reset", "hold"]
_WORTH_COMPRESSING: Final = 512
_LEVEL: Final = 1


@dataclass(frozen=True)
class Transmission:
    """What is written to the socket.

    Attributes:
        status: HTTP status; 0 where not even a status line is sent.
        headers: In order; `Content-Length` may lie.
        body: As sent, compressed where a header says so.
        plain: Before compression.
        more: Sent after the body, made while it is sent.
        wait_s: Before the first byte.
        drop: Bytes written at once; 0 for all.
        pause_s: Between drops.
        ending: What follows the last byte.
        hold_s: How long `hold` holds; 0 until the client leaves.
    """

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    plain: bytes
    more: Iterable[bytes] = field(default=())
    wait_s: float = 0.0
    drop: int = 0
    pause_s: float = 0.0
    ending: Ending = "keep"
    hold_s: float = 0.0

    @property
    def sha256(self) -> str:
        """Of the body before compression."""
        return hashlib.sha256(self.plain).hexdigest()

    def head(self) -> bytes:
        """Write status line and headers; nothing where there is no status."""
        if not self.status:
            return b""
        try:
            reason = HTTPStatus(self.status).phrase
        except ValueError:
            reason = "Unknown"
        lines = [f"HTTP/1.1 {self.status} {reason}", *(f"{name}: {value}" for name, value in self.headers)]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")

    def with_header(self, name: str, value: str) -> tuple[tuple[str, str], ...]:
        """Give the headers with one of them replaced, or added."""
        kept = tuple(each for each in self.headers if each[0].lower() != name.lower())
        return (*kept, (name, value))


def sent(reply: Reply, now: datetime, request_id: str, *, takes_gzip: bool) -> Transmission:
    """Make an answer ready to be sent, compressed where the client takes it."""
    plain = reply.body()
    is_compressed = takes_gzip and len(plain) >= _WORTH_COMPRESSING
    body = gzip.compress(plain, _LEVEL, mtime=0) if is_compressed else plain
    headers = {
        "Server": "nginx/1.19.2",
        "Date": http_date(now),
        "Content-Type": reply.content_type,
        "Content-Length": str(len(body)),
        "X-Request-Id": request_id,
        "Vary": "Accept-Encoding",
        **({"Content-Encoding": "gzip"} if is_compressed else {}),
        **reply.headers,
    }
    return Transmission(reply.status, tuple(headers.items()), body, plain)


def http_date(at: datetime) -> str:
    """Write an instant as HTTP does."""
    return format_datetime(at.astimezone(UTC).replace(microsecond=0), usegmt=True)
