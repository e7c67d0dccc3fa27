"""Dagster for real: a webserver on a free port of the loopback, a daemon beside it, and a browser before them."""

import json
import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orion_assets_tests.own_market import bare_environment
from orion_assets_tests.servers import free_port, wait_until

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
_QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
          "--disable-component-update", "--disable-sync"]  # fmt: skip


@dataclass(frozen=True)
class Dagster:
    """A running Dagster over one deployment."""

    port: int
    logs: tuple[Path, ...]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        """Ask its GraphQL."""
        request = urllib.request.Request(
            f"{self.url}/graphql",
            json.dumps({"query": query, "variables": variables}).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as response:
            told = json.load(response)
        assert "errors" not in told, told["errors"]
        return told["data"]

    def noted(self) -> list[str]:
        """Warnings and errors of its processes."""
        lines = [line for log in self.logs for line in log.read_text().splitlines()]
        return [line for line in lines if "Warning" in line or "ERROR" in line]


@contextmanager
def run_dagster(folder: Path, settings: Mapping[str, str], *, with_daemon: bool = False) -> Iterator[Dagster]:
    """Run a webserver, and a daemon where asked, over the definitions with some settings, until the block ends.

    Args:
        folder: Where they run and log; `home` in it is DAGSTER_HOME, with the project's own dagster.yaml.
        settings: ORION_* and the like; nothing else of this process's settings reaches them.
        with_daemon: Whether backfills, sensors and queued runs go on.
    """
    home = folder / "home"
    home.mkdir(exist_ok=True)
    (home / "dagster.yaml").write_text((ROOT / "dagster.yaml").read_text())
    environment = bare_environment(**{**settings, "DAGSTER_HOME": str(home)})
    port = free_port()
    location = ("-m", "orion_assets.definitions")
    commands = {"webserver": [BIN / "dagster-webserver", *location, "--host", "127.0.0.1", "--port", str(port)]}
    if with_daemon:
        commands["daemon"] = [BIN / "dagster-daemon", "run", *location]
    logs = {name: folder / f"{name}.log" for name in commands}
    with ExitStack() as stack:
        servers = [
            stack.enter_context(_process(command, folder, environment, logs[name]))
            for name, command in commands.items()
        ]
        dagster = Dagster(port, tuple(logs.values()))
        wait_until(lambda: _answers(dagster, servers[0], logs["webserver"]), "the webserver", deadline_s=180)
        yield dagster


@contextmanager
def _process(command: list[Any], folder: Path, environment: Mapping[str, str], log: Path) -> Iterator[subprocess.Popen]:
    with log.open("w") as out:
        server = subprocess.Popen(command, cwd=folder, env=environment, stdout=out, stderr=subprocess.STDOUT)
    try:
        yield server
    finally:
        server.send_signal(signal.SIGINT)
        try:
            server.wait(30)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _answers(dagster: Dagster, server: subprocess.Popen, log: Path) -> bool:
    assert server.poll() is None, log.read_text()
    try:
        with urllib.request.urlopen(f"{dagster.url}/server_info", timeout=2):
            return True
    except (urllib.error.URLError, TimeoutError, ConnectionError):
        return False


@contextmanager
def run_browser() -> Iterator[Any]:
    """Run a headless Chromium of the machine."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=_QUIET)
        try:
            yield browser
        finally:
            browser.close()
