import re
from datetime import date
from pathlib import Path

import pytest

from orion_assets.sources.files.options import BLOCKS
from orion_assets.sources.files.source import FilesSource
from orion_assets_tests.files_worlds import ask

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "reference" / "files-mapping.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"```(\w+)(?: (\S+))?\n(.*?)```", re.DOTALL)
FILES = [(name, text) for _, name, text in BLOCK.findall(PAGE) if name]
MAPPINGS = [text for kind, _, text in BLOCK.findall(PAGE) if kind == "toml"]


@pytest.mark.parametrize("number", range(len(MAPPINGS)))
def test_an_example_of_the_reference_loads_without_a_problem(tmp_path, number):
    for name, text in FILES:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "m.toml").write_text(MAPPINGS[number])
    reader = FilesSource([tmp_path / "m.toml"])

    rows = [reader.read(ask(name)).rows for name in sorted(reader.datasets)]
    compared = reader.reconciliation([], date(2014, 1, 1), date(2015, 1, 1))

    assert sum(frame.height for frame in rows) + compared.height > 0
    assert all(frame["problem"].null_count() == frame.height for frame in rows)


@pytest.mark.parametrize("table", BLOCKS)
def test_every_option_and_column_is_in_the_reference(table):
    block = BLOCKS[table]

    missing = [name for name in block.model_fields if f"`{name}" not in PAGE]
    row = next(line for line in PAGE.splitlines() if line.startswith(f"| `[[{table}]]`"))
    columns = [name for name in (*block.REQUIRED, *block.OPTIONAL) if name not in row]
    assert (missing, columns) == ([], [])
