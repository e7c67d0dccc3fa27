"""Real servers on loopback for tests, and what breaks the way to them.

Import the fixtures explicitly: `from orion_assets_tests.servers import s3_server  # noqa: F401`.
"""

import os
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import boto3
import pytest
from botocore.config import Config


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_until(condition: Callable[[], bool], what: str, *, deadline_s: float = 30.0) -> None:
    """Return as soon as the condition holds; fail with its name when it never does."""
    end = time.monotonic() + deadline_s
    tick = threading.Event()
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: not within {deadline_s} s")
        tick.wait(0.005)


@dataclass(frozen=True)
class S3Server:
    """An S3 server on its own port; `through` gives the same server behind another port."""

    port: int

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def storage_options(self) -> dict[str, str]:
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "orion",
            "AWS_SECRET_ACCESS_KEY": "orion-secret",
            "AWS_REGION": "us-east-1",
            "AWS_ALLOW_HTTP": "true",
        }

    def client(self):
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            aws_access_key_id="orion",
            aws_secret_access_key="orion-secret",
            region_name="us-east-1",
            config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 1}),
        )

    def new_bucket(self) -> str:
        name = f"orion-{uuid4().hex[:12]}"
        self.client().create_bucket(Bucket=name)
        return name

    def through(self, port: int) -> "S3Server":
        return S3Server(port)


@contextmanager
def run_s3(folder: Path) -> Iterator[S3Server]:
    """Run ministack over a folder until the block ends."""
    server = S3Server(free_port())
    environment = {
        **os.environ,
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(server.port),
        "SERVICES": "s3",
        "S3_PERSIST": "1",
        "S3_DATA_DIR": str(folder),
        "IOT_MTLS_ENABLED": "0",  # else it listens on 0.0.0.0:8883 as well
    }
    binary = Path(sys.executable).with_name("ministack")
    with (folder.parent / f"{folder.name}.log").open("wb") as log:
        process = subprocess.Popen([binary], env=environment, stdout=log, stderr=log, cwd=folder)
        try:
            wait_until(lambda: _answers(server, process), f"ministack (log: {log.name})")
            yield server
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _answers(server: S3Server, process: subprocess.Popen) -> bool:
    if process.poll() is not None:
        raise RuntimeError(f"ministack ended with {process.returncode}")
    try:
        with urllib.request.urlopen(f"{server.endpoint}/_ministack/health", timeout=5) as answer:
            return answer.status == 200
    except OSError:
        return False


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory) -> Iterator[S3Server]:
    with run_s3(tmp_path_factory.mktemp("s3")) as server:
        yield server


@dataclass
class CuttingProxy:
    """Passes bytes to a server, and cuts the connections of the requests that it is told to cut.

    Attributes:
        port: Where it listens.
        cuts: Requests it has cut since `cut` was called.
    """

    target: int
    port: int = 0
    cuts: int = 0
    _match: bytes | None = None
    _after: str = "request"
    _left: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def cut(self, match: bytes, *, after: str, times: int) -> None:
        """Cut the next requests whose first bytes match.

        Args:
            match: Bytes in the request's head, e.g. b"_delta_log/".
            after: "request": half of the PUT's body passes; "response": all of it passes, and the answer is lost.
            times: How many of them.
        """
        with self._lock:
            self._match, self._after, self._left, self.cuts = match, after, times, 0

    def mend(self) -> None:
        with self._lock:
            self._match = None

    def _doom(self, head: bytes) -> str | None:
        with self._lock:
            is_meant = self._match is not None and self._left > 0 and head.startswith(b"PUT ") and self._match in head
            if not is_meant:
                return None
            self._left -= 1
            self.cuts += 1
            return self._after

    def serve(self, client: socket.socket) -> None:
        """Relay one connection, a request at a time."""
        with client, socket.create_connection(("127.0.0.1", self.target)) as server:
            while request := _message(client):
                doom = self._doom(request.split(b"\r\n\r\n", 1)[0])
                if doom == "request":
                    server.sendall(request[: len(request) - max(1, len(request.split(b"\r\n\r\n", 1)[1]) // 2)])
                    return
                server.sendall(request)
                answer = _message(server, is_head=request.startswith(b"HEAD "))
                if doom == "response" or not answer:
                    return
                client.sendall(answer)


def _message(peer: socket.socket, *, is_head: bool = False) -> bytes:
    """Read one whole HTTP message, or b"" where the peer went away."""
    buffer = b""
    while b"\r\n\r\n" not in buffer:
        chunk = peer.recv(65536)
        if not chunk:
            return b""
        buffer += chunk
    head, body = buffer.split(b"\r\n\r\n", 1)
    fields = dict(line.lower().split(b":", 1) for line in head.split(b"\r\n")[1:])
    if is_head or head.startswith((b"HTTP/1.1 204", b"HTTP/1.1 304")):
        return buffer
    if b"chunked" in fields.get(b"transfer-encoding", b""):
        while not buffer.endswith(b"0\r\n\r\n"):
            buffer += peer.recv(65536)
        return buffer
    missing = int(fields.get(b"content-length", b"0")) - len(body)
    while missing > 0:
        chunk = peer.recv(65536)
        if not chunk:
            return b""
        buffer += chunk
        missing -= len(chunk)
    return buffer


@contextmanager
def cutting_proxy(target: int) -> Iterator[CuttingProxy]:
    """Run a proxy in front of a port until the block ends."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        proxy = CuttingProxy(target, listener.getsockname()[1])
        is_over = threading.Event()

        def relay(client: socket.socket) -> None:
            with suppress(OSError):
                proxy.serve(client)

        def accept() -> None:
            while True:
                client, _ = listener.accept()
                if is_over.is_set():
                    client.close()
                    return
                threading.Thread(target=relay, args=(client,), daemon=True).start()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield proxy
        finally:
            is_over.set()
            socket.create_connection(("127.0.0.1", proxy.port)).close()
            thread.join(5)
