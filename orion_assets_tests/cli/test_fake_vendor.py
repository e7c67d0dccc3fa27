"""`orion fake-vendor` as a user runs it: in a process of its own, until it is interrupted."""

import json
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from orion_assets_tests import own_market
from orion_assets_tests.raw_http import ask

ORION = Path(sys.executable).parent / "orion"


@contextmanager
def running(folder: Path, *arguments: str):
    process = subprocess.Popen(
        [ORION, "fake-vendor", "--port", "0", *arguments],
        cwd=folder,
        env=own_market.bare_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            warning = process.stderr.readline()
            yield process, warning, dict(process.stdout.readline().rstrip("\n").split("=", 1) for _ in range(2))
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=30)


def test_it_prints_two_settings_serves_and_ends_when_it_is_told_to(tmp_path):
    plan = tmp_path / "plan.toml"
    plan.write_text('[[fault]]\nname = "server_error"\nroute = "grouped"\nnth = [1]\nstatus = 502\n')
    arguments = ["--tickers", "14", "--sessions", "20", "--now", "2026-11-21T18:00Z", "--plan", "free"]
    arguments += ["--calls-per-minute", "3", "--faults", str(plan), "--journal", "journal.jsonl"]

    with running(tmp_path, *arguments) as (process, warning, printed):
        port = int(printed["ORION_POLYGON_BASE_URL"].rpartition(":")[2])
        grouped = "/v2/aggs/grouped/locale/us/market/stocks/2026-11-20"
        got = [ask(port, grouped, key=printed["POLYGON_API_KEY"]) for _ in range(4)]

    lines = [json.loads(line) for line in (tmp_path / "journal.jsonl").read_text().splitlines()]
    assert [each.status for each in got] == [line["status"] for line in lines] == [502, 200, 200, 429]
    assert got[1].headers["Date"].startswith("Sat, 21 Nov 2026 18:0")
    assert lines[0]["faults"] == ["server_error"]
    assert warning == "fake vendor: 14 tickers, sessions 2026-10-26 to 2026-11-20, plan free. Nothing of it is real.\n"
    assert process.returncode == 0


# Of another thread's signal the waiting one hears nothing by itself
SIGNALLED = """
import os, signal, threading
from orion_assets.cli.fake_vendor import _ending

def waits():
    return open(f"/proc/self/task/{os.getpid()}/stat").read().rpartition(")")[2].split()[0] == "S"

def tell():
    seen = 0
    while seen < 200:
        seen = seen + 1 if waits() else 0
    signal.pthread_kill(threading.get_ident(), signal.SIGTERM)
    threading.Event().wait()

with _ending() as ends:
    threading.Thread(target=tell, daemon=True).start()
    ends.recv(1)
print("ended")
"""


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="tells that a thread waits by /proc")
def test_it_ends_whichever_thread_the_signal_comes_to():
    done = subprocess.run([sys.executable, "-c", SIGNALLED], capture_output=True, text=True, timeout=60, check=False)

    assert (done.returncode, done.stdout) == (0, "ended\n"), done.stderr


def test_it_ends_at_once_where_it_was_started_to_ignore_that(tmp_path):
    # As Dagster leaves a process whose interrupts are ignored, which a shell's background jobs are
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with running(tmp_path, "--tickers", "14", "--sessions", "20") as (process, _, _):
            pass
    finally:
        signal.signal(signal.SIGTERM, before)

    assert process.returncode == 0


def test_a_port_that_is_taken_is_named():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        said = own_market.orion("fake-vendor", "--port", port)

    assert said.code == 1
    assert f"port {port} cannot be listened on" in said.err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--tickers", "3"], "crowd: needs 14 tickers and 20 sessions, was asked for 3 and 501"),
        (["--faults", "gone.toml"], "vendor plan gone.toml"),
        (["--plan", "golden"], "golden"),
        (["--journal", "/gone/journal.jsonl"], "there is no folder /gone; make it"),
        (["--now", "noon"], "noon"),
    ],
)
def test_a_wrong_call_is_refused(arguments, says):
    said = own_market.orion("fake-vendor", *arguments)

    assert (said.code, said.out) == (2, "")
    assert says in said.err
