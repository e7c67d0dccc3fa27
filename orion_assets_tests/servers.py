"""Real servers on loopback for tests, and what breaks the way to them.

Import the fixtures explicitly: `from orion_assets_tests.servers import s3_server  # noqa: F401`.
"""

import multiprocessing
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
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


class CuttingProxy:
    """Passes bytes to a server, and cuts the connections of the requests that it is told to cut.

    It lives in a process of its own: `DeltaTable.history` keeps the GIL while it waits for an answer.
    """

    def __init__(self, port: int, control) -> None:
        self.port = port
        self._control = control

    def cut(self, match: bytes, *, after: str, times: int) -> None:
        """Cut the next requests whose first bytes match.

        Args:
            match: Bytes in a PUT's head, e.g. b"_delta_log/".
            after: "request": half of the body passes; "response": all of it passes, and the answer is lost.
            times: How many of them.
        """
        self._control.send((match, after, times))
        self._control.recv()

    def mend(self) -> int:
        """Cut no more; give the number of requests cut since `cut`."""
        self._control.send((b"", "", 0))
        return self._control.recv()


class _Cutter:
    def __init__(self, target: int) -> None:
        self._target = target
        self._order = (b"", "", 0)
        self._cuts = 0
        self._lock = threading.Lock()

    def take(self, order: tuple[bytes, str, int]) -> int:
        with self._lock:
            cuts, self._cuts, self._order = self._cuts, 0, order
            return cuts

    def _doom(self, head: bytes) -> str:
        with self._lock:
            match, after, times = self._order
            if self._cuts >= times or not head.startswith(b"PUT ") or match not in head:
                return ""
            self._cuts += 1
            return after

    def serve(self, client: socket.socket) -> None:
        """Relay one connection, a request at a time."""
        with suppress(OSError), client, socket.create_connection(("127.0.0.1", self._target)) as server:
            while request := _message(client):
                head, body = request.split(b"\r\n\r\n", 1)
                doom = self._doom(head)
                if doom == "request":
                    server.sendall(request[: len(request) - len(body) // 2 - 1])
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


def _run_proxy(target: int, control) -> None:
    cutter = _Cutter(target)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            while True:
                client, _ = listener.accept()
                threading.Thread(target=cutter.serve, args=(client,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        control.send(listener.getsockname()[1])
        with suppress(EOFError):
            while True:
                control.send(cutter.take(control.recv()))


@contextmanager
def cutting_proxy(target: int) -> Iterator[CuttingProxy]:
    """Run a proxy in front of a port until the block ends."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_run_proxy, args=(target, theirs), daemon=True)
    process.start()
    theirs.close()
    try:
        yield CuttingProxy(ours.recv(), ours)
    finally:
        # Where the signal to end is ignored, as it is behind a shell's `&`, a polite word would be waited on for ever
        process.kill()
        process.join()
        ours.close()
