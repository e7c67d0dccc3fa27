import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from orion_assets_tests import own_market
from orion_assets_tests.own_market import OwnMarket
from orion_assets_tests.postgres_server import database, postgres  # noqa: F401


@pytest.fixture(scope="session")
def filled(tmp_path_factory):
    """A market filled by `orion backfill`; tests only read it."""
    market = own_market.write(tmp_path_factory.mktemp("own"))
    said = market.orion("backfill", "--to", own_market.END)
    assert said.code == 0, said.err
    return market


@pytest.fixture
def market(tmp_path):
    return own_market.write(tmp_path)


@pytest.fixture
def in_terminal():
    """Give a call of `orion` whose stdout is a terminal of some width; its stderr is a pipe."""
    return _in_terminal


def _in_terminal(market: OwnMarket, *arguments: object, columns: int) -> tuple[str, str]:
    ours, theirs = pty.openpty()
    command = [Path(sys.executable).parent / "orion", "--env-file", market.env_file(), *map(str, arguments)]
    process = subprocess.Popen(
        command,
        cwd=market.folder,
        env=own_market.bare_environment(COLUMNS=str(columns), TERM="xterm"),
        stdout=theirs,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(theirs)
    shown = b""
    # A terminal whose other end was closed answers with an error, not with an end of file
    while chunk := _read(ours):
        shown += chunk
    os.close(ours)
    _, err = process.communicate(timeout=60)
    return shown.decode().replace("\r\n", "\n"), err


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except OSError:
        return b""
