"""An HTTP client that hides nothing: what came over the socket, byte for byte, and how it ended."""

import json
import socket
import time
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Raw:
    """What was received. `ending` is "whole" (as long as announced), "closed", "reset" or "silent" (deadline)."""

    status: int
    headers: dict[str, str]
    body: bytes
    ending: str

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def rows(self) -> list[dict[str, Any]]:
        return self.json["results"]


def ask(port: int, target: str, *, key: str | None = "test", timeout_s: float = 5.0, **headers: str) -> Raw:
    """Send one GET and read until the announced length, the end of the connection, or the deadline."""
    told = {"Host": "127.0.0.1", **({"Authorization": f"Bearer {key}"} if key else {})}
    told |= {name.replace("_", "-"): value for name, value in headers.items()}
    request = f"GET {target} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in told.items()) + "\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout_s) as peer:
        received, ending = _received(peer, request.encode(), time.monotonic() + timeout_s)
    head, _, body = received.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    status = int(lines[0].split(" ")[1]) if head else 0
    return Raw(status, dict(line.split(": ", 1) for line in lines[1:]), body, ending)


def _received(peer: socket.socket, request: bytes, deadline: float) -> tuple[bytes, str]:
    received = b""
    try:
        peer.sendall(request)
        while not _is_whole(received):
            # Of the whole answer: each drop of a slow one would start a timeout of one read anew
            peer.settimeout(max(deadline - time.monotonic(), 1e-3))
            chunk = peer.recv(1 << 20)
            if not chunk:
                return received, "closed"
            received += chunk
    except ConnectionResetError:
        return received, "reset"
    except TimeoutError:
        return received, "silent"
    return received, "whole"


def _is_whole(received: bytes) -> bool:
    head, separator, body = received.partition(b"\r\n\r\n")
    lengths = [line.split(b": ")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")]
    return bool(separator and lengths) and len(body) >= int(lengths[0])
