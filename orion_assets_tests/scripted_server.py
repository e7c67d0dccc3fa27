"""A server on loopback that answers, request by request, with whatever bytes a test says, at the pace it says."""

import gzip
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

# What to do with a connection once a request was read; it is closed afterwards
Step = Callable[[socket.socket], None]


@dataclass
class ScriptedServer:
    """Serves the steps in turn, the last one for ever; remembers the head and the time of every request."""

    port: int = 0
    steps: list[Step] = field(default_factory=list)
    heads: list[str] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    ending: threading.Event = field(default_factory=threading.Event)
    tls: ssl.SSLContext | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def requests(self) -> int:
        return len(self.heads)

    def say(self, *steps: Step) -> "ScriptedServer":
        self.steps = list(steps)
        return self

    def handle(self, accepted: socket.socket) -> None:
        try:
            connection = self.tls.wrap_socket(accepted, server_side=True) if self.tls else accepted
        except OSError:
            # The client does not trust the certificate
            accepted.close()
            return
        with connection:
            head = b""
            while b"\r\n\r\n" not in head:
                got = connection.recv(65536)
                if not got:
                    return
                head += got
            step = self.steps[min(len(self.heads), len(self.steps) - 1)]
            self.times.append(time.monotonic())
            self.heads.append(head.decode())
            try:
                step(connection)
            except OSError:
                # The client gave up; that is its right
                return


def answer(
    body: bytes = b"", status: str = "200 OK", *, headers: str = "", length: int | None = None, is_packed: bool = False
) -> Step:
    """Answer whole; `length` is what Content-Length claims where it lies."""
    sent = gzip.compress(body) if is_packed else body
    return raw(sent, status, headers=headers + ("Content-Encoding: gzip\r\n" if is_packed else ""), length=length)


def raw(sent: bytes, status: str = "200 OK", *, headers: str = "", length: int | None = None) -> Step:
    """Send these bytes as the body."""
    claimed = len(sent) if length is None else length
    head = f"HTTP/1.1 {status}\r\nContent-Length: {claimed}\r\nConnection: close\r\n{headers}\r\n"
    return lambda connection: connection.sendall(head.encode() + sent)


def reset(sent: bytes = b"") -> Step:
    """Send the beginning of an answer, then reset the connection."""

    def step(connection: socket.socket) -> None:
        if sent:
            connection.sendall(sent)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    return step


@contextmanager
def scripted() -> Iterator[ScriptedServer]:
    """Run a server on a free port until the block ends."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = ScriptedServer(listener.getsockname()[1])
    threads: list[threading.Thread] = []

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=server.handle, args=(connection,), daemon=True)
            thread.start()
            threads.append(thread)

    acceptor = threading.Thread(target=accept, daemon=True)
    acceptor.start()
    try:
        yield server
    finally:
        server.ending.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        acceptor.join(5)
        for thread in threads:
            thread.join(5)


def silent(server: ScriptedServer) -> Step:
    """Say nothing until the test ends."""
    return lambda connection: server.ending.wait(30) and None


def dripping(server: ScriptedServer) -> Step:
    """Say a byte of a long body every twentieth of a second, until the test ends."""

    def step(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while not server.ending.wait(0.05):
            connection.sendall(b" ")

    return step
