"""The demo as a stranger runs it: from nothing, in a process of its own, with somebody's settings lying about."""

import json
import re
import shutil
import subprocess
import sys
import time
from datetime import date
from pathlib import Path

import pytest

from orion_assets.cli import demo as demo_command
from orion_assets.schemas import TICKER_BARS, TICKER_FEATURES
from orion_assets.store.duckdb import DuckDBStore
from orion_assets.store.history import HistoryFiles
from orion_assets_tests.dagster_servers import CHROMIUM, run_browser
from orion_assets_tests.own_market import bare_environment, orion

STRANGERS = "ORION_SOURCE=files\nORION_FILES_MAPPING=mine.toml\nORION_LAKE_URL=./mine\nORION_TICKERS=MINE\n"
ORION = Path(sys.executable).parent / "orion"


def hash_of(text: str) -> str:
    return re.search(r"content hash ([0-9a-f]{64})", text).group(1)


def called(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess:
    """Run `orion` in a process of its own, as somebody whose environment steers it elsewhere."""
    return subprocess.run(
        [ORION, *arguments],
        cwd=cwd,
        env=bare_environment(**environment),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """A demo run where somebody has settings of his own, in a folder whose name is no single word."""
    here = tmp_path_factory.mktemp("demo") / "some body's project"
    here.mkdir()
    (here / ".env").write_text(STRANGERS)
    mine = {"ORION_STORE_URL": "duckdb:///mine.duckdb", "DAGSTER_HOME": str(here / "mine_dagster")}
    return here, called("demo", cwd=here, **mine)


def test_it_succeeds_and_says_plainly_that_the_market_is_synthetic(demo):
    _, done = demo

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("The market of this demo is synthetic: nothing of it is real.")
    assert len(done.stdout.splitlines()) <= 80
    assert "Traceback" not in done.stderr


def test_nothing_of_the_settings_leaks_in_and_nothing_is_written_elsewhere(demo):
    here, _ = demo

    assert sorted(path.name for path in here.iterdir()) == [".env", "data"]
    assert [path.name for path in (here / "data").iterdir()] == ["demo"]
    assert "MINE" not in (here / "data/demo/orion.env").read_text()


def test_every_planted_fault_is_found_and_nothing_else(demo):
    _, done = demo

    told = re.search(r"Planted faults: (\d+) of (\d+) accusations made, (\d+) of anything else", done.stdout)
    made, planted, others = map(int, told.groups())
    assert (made, others) == (planted, 0)
    assert planted >= 25


def test_it_shows_a_correction_with_its_clocks_and_a_leak_that_was_caught(demo):
    _, done = demo

    before, after = [line.split() for line in done.stdout.splitlines() if line.startswith("DUNE     2024-11-12")]
    assert (before[3], after[3]) == ("50.81", "50.16")
    assert before[7:9] == ["2024-11-13", "12:00Z"] == after[5:7]
    assert after[-1] == "-"
    assert re.search(r"^sma_20 +DUNE +2024-", done.stdout, re.MULTILINE)


def test_the_next_command_reads_what_was_built(demo):
    here, done = demo
    told = [line.split("orion ", 1)[1].split() for line in done.stdout.splitlines() if "--env-file" in line]

    said, shown = called(*told[0], cwd=here), called(*told[1], "--help", cwd=here)

    assert (said.returncode, shown.returncode) == (0, 0), said.stderr + shown.stderr
    assert "AURA" in said.stdout
    assert "Open Dagster's UI" in shown.stdout


LOOKS = {
    "light": {"color_scheme": "light", "viewport": {"width": 1280, "height": 900}},
    "dark": {"color_scheme": "dark", "viewport": {"width": 1280, "height": 900}},
    "phone": {"color_scheme": "light", "viewport": {"width": 390, "height": 844}, "is_mobile": True},
}


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine; apt-get install chromium")
def test_the_report_opens_from_disk_without_a_network_and_everybody_can_read_it(demo):
    from axe_playwright_python.sync_playwright import Axe

    here, _ = demo
    (place,) = (here / "data" / "demo" / "quality").glob("*.html")
    complaints: list[str] = []
    with run_browser() as browser:
        for look, how in LOOKS.items():
            context = browser.new_context(offline=True, **how)
            page = context.new_page()
            said, asked = [], []
            page.on("console", lambda each, said=said: said.append(each))
            page.on("request", lambda each, asked=asked: asked.append(each))
            page.goto(place.as_uri())
            found = Axe().run(page).response["violations"]
            complaints += [f"{look}: {each['id']}, {each['impact']}" for each in found]
            wide = page.evaluate("document.documentElement.scrollWidth")
            complaints += [f"{look}: {wide} wide"] if wide > how["viewport"]["width"] else []
            complaints += [f"{look}: {each.text}" for each in said]
            complaints += [f"{look}: asked for {each.url}" for each in asked if each.url != place.as_uri()]
            context.close()

    assert complaints == []


@pytest.mark.parametrize("name", ["quality.html", ".quality.html.0f3a.part", "store.duckdb.lock", ".state.db.part"])
def test_what_commands_left_in_the_folder_of_a_demo_goes_with_it(tmp_path, name):
    (tmp_path / demo_command.SETTINGS_FILE).write_text(f"{demo_command._MARK}\n")
    (tmp_path / name).write_text("")

    demo_command._clear(tmp_path)

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["thesis.txt", "lake", "state.db"])
def test_a_folder_that_holds_something_else_is_refused_and_left_alone(tmp_path, name):
    (tmp_path / name).write_text("years of work")

    said = orion("demo", "--folder", tmp_path)

    assert said.code == 2
    assert f"holds {name}, which no demo made; name an empty folder with --folder" in said.err
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_the_history_of_every_ticker_is_written(demo):
    here, _ = demo
    files = HistoryFiles(str(here / "data/demo/features"))

    assert files.read(TICKER_FEATURES, "FLXA")["session"].min() == date(2024, 9, 16)
    bars = files.read(TICKER_BARS, "LYNX").select("session", "close", "close_split").sort("session")
    before = bars.filter(session=date(2024, 10, 18)).row(0)
    assert before[2] == pytest.approx(before[1] / 3)


# Python reads the locale as it starts. The clock is Dagster's too; who travels takes the zone of where he goes to
ELSEWHERE = """
import json, locale, os, sys, time
from datetime import timedelta
from zoneinfo import ZoneInfo
import time_machine
from orion_assets.cli.app import main
from orion_assets.clock import SystemClock

locale.setlocale(locale.LC_ALL, "")
then = (SystemClock().now() + timedelta(days=1690, hours=7)).astimezone(ZoneInfo(os.environ["TZ"]))
with time_machine.travel(then, tick=True):
    here = {"zone": time.tzname[0], "encoding": locale.getpreferredencoding(False), "point": f"{0.5:n}"[1]}
    print(json.dumps({**here, "now": SystemClock().now().timestamp()}), file=sys.stderr)
    main(sys.argv[1:])
"""


def foreign(folder: Path) -> dict[str, str]:
    """Give the environment of somebody with another decimal point and encoding, as far as this machine knows any.

    A locale is made where glibc's sources of them stand, else taken from those installed; where all of these are C's
    and English, only the encoding is another.
    """
    made = folder / "de_DE.ISO-8859-1"
    if shutil.which("localedef"):
        subprocess.run(["localedef", "-i", "de_DE", "-f", "ISO-8859-1", made], capture_output=True, check=False)
    if made.is_dir():
        return {"LC_ALL": made.name, "LANG": made.name, "LC_NUMERIC": made.name, "LOCPATH": str(folder)}
    listed = subprocess.run(["locale", "-a"], capture_output=True, text=True, check=False).stdout.split()
    others = [name for name in listed if not name.startswith(("C", "POSIX", "en_"))]
    name = others[0] if others else "POSIX"
    return {"LC_ALL": name, "LANG": name, "LC_NUMERIC": name, "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


@pytest.mark.accept
def test_another_path_zone_locale_and_clock_give_the_same_bytes(demo, tmp_path):
    _, first = demo
    place = foreign(tmp_path)

    said = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, "demo", "--folder", tmp_path / "elsewhere"],
        env=bare_environment(TZ="Pacific/Kiritimati", **place),
        capture_output=True,
        text=True,
        errors="replace",
        timeout=300,
        check=False,
    )

    assert said.returncode == 0, said.stderr
    there = json.loads(said.stderr.splitlines()[0])
    assert (there["zone"], there["now"] - time.time() > 1689 * 86400) == ("+14", True)
    assert (there["encoding"].upper(), there["point"]) != ("UTF-8", ".")
    assert hash_of(said.stdout) == hash_of(first.stdout)
    with DuckDBStore(tmp_path / "elsewhere/store.duckdb") as store:
        assert store.content_hash() == hash_of(said.stdout)
