"""The tutorial as a reader follows it: files are written, commands run in order, and what is shown is what they say."""

import os
import re
import subprocess
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest

from orion_assets import calendars
from orion_assets_tests.dagster_servers import BIN, ROOT
from orion_assets_tests.own_market import bare_environment

PAGES = sorted((ROOT / "docs" / "tutorial").glob("*.md"))
_BLOCK = re.compile(r"^```(\w+) ?(\S*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    kind: str
    name: str
    text: str


def blocks(page: Path) -> list[Block]:
    return [Block(*found.groups()) for found in _BLOCK.finditer(page.read_text())]


def plain(line: str) -> str:
    return " ".join(line.split())


def run(command: list[str], folder: Path) -> str:
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        command,
        cwd=folder,
        env=bare_environment(PATH=path),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, f"{command}: {done.stdout}"
    return done.stdout


def follow(block: Block, folder: Path) -> None:
    """Do what a block says; of a console, hold what is shown against what is said."""
    if block.kind == "python":
        run([str(BIN / "python"), "-c", block.text], folder)
    elif block.kind == "console":
        for called in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
            command, *shown = called.splitlines()
            said = [plain(line) for line in run(["sh", "-c", command], folder).splitlines()]
            for line in map(plain, shown):
                start = line.removesuffix(" ...").removesuffix("...").rstrip()
                is_whole = start == line
                assert any(each == line if is_whole else each.startswith(start) for each in said), (command, line, said)
    else:
        assert block.name, f"a block of {block.kind} names no file"
        (folder / block.name).write_text(block.text)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_page_holds_when_it_is_followed(page, tmp_path):
    found = blocks(page)
    assert {"console", "python", "toml"} <= {block.kind for block in found}

    for block in found:
        follow(block, tmp_path)


def test_the_readme_holds_on_files_of_ones_own(tmp_path):
    """Prices of two tickers, with a split, as the mapping in the README describes them."""
    found = blocks(ROOT / "README.md")
    first = next(place for place, block in enumerate(found) if block.kind == "toml")
    mapping, commands, reading = found[first : first + 3]
    (tmp_path / "prices").mkdir()
    for ticker in ("AAPL", "MSFT"):
        days = calendars.sessions(date(2014, 5, 1), date(2014, 6, 11))["session"].to_list()
        rows = [f"{ticker},{day},{90 + n},{92 + n},{89 + n},{91 + n},{1000 + n},1" for n, day in enumerate(days)]
        head = "symbol,date,open,high,low,close,volume,split_ratio"
        (tmp_path / "prices" / f"{ticker}.csv").write_text("\n".join([head, *rows]) + "\n")
    (tmp_path / "mapping.toml").write_text(mapping.text)
    (tmp_path / ".venv").symlink_to(BIN.parent)

    script = "\n".join(line.removeprefix("$ ") for line in commands.text.splitlines())
    said = run(["sh", "-ec", script], tmp_path)
    run(
        [str(BIN / "python"), "-c", f"{reading.text}\nassert features.height and then.height and bars.height"], tmp_path
    )

    assert "rsi_14" in said


@pytest.mark.parametrize(
    "page", [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))], ids=lambda page: page.stem
)
def test_every_link_and_picture_of_a_page_is_there(page):
    linked = re.findall(r"\]\(([^)#\s]+)", page.read_text())

    missing = [link for link in linked if "://" not in link and not (page.parent / link).exists()]

    assert missing == []
