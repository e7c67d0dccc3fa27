"""What derives a table gives its version: other code is another one, other words about it are not."""

import importlib.util
import sys
from datetime import date

import pytest

from orion_assets import schemas
from orion_assets.definitions import defs
from orion_assets.defs import code_versions, partitions
from orion_assets.defs.assets.features import feature_assets
from orion_assets.defs.code_versions import UNDERIVED, code_of
from orion_assets.transforms import daily, market, sentiment
from orion_assets.transforms.indicators import kernels

OTHER_CODE = code_versions._Code("A = 1", ())
TABLE, OTHER = schemas.FEATURE_INDICATORS, schemas.FEATURE_MARKET
NAME = "orion_assets.transforms.of_a_test"
CODE = '''"""Doubles."""

def twice(value: float) -> float:
    """Double a value."""
    return 2 * value
'''


@pytest.fixture
def version(tmp_path, monkeypatch):
    """Give the version of a module of this text, each time under the same name."""
    path = tmp_path / "module.py"

    def of(text, table=TABLE):
        path.write_text(text)
        spec = importlib.util.spec_from_file_location(NAME, path)
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, NAME, module)
        code_versions._code.cache_clear()
        return code_of([table], module)

    yield of
    code_versions._code.cache_clear()


@pytest.mark.parametrize(
    "words",
    [
        CODE.replace("Double a value.", "Give twice a value."),
        CODE.replace('"""Doubles."""\n', ""),
        CODE.replace("return 2 * value", "# As the name says\n    return (2 *\n        value)"),
    ],
)
def test_comments_docstrings_and_layout_are_no_other_version(version, words):
    assert version(words) == version(CODE)


@pytest.mark.parametrize(
    "code", [CODE.replace("2 *", "3 *"), CODE.replace("2 * value", "value + value"), f"{CODE}A = 1\n"]
)
def test_other_code_is_another_version(version, code):
    assert version(code) != version(CODE)


def test_other_columns_are_another_version(version):
    assert version(CODE, OTHER) != version(CODE, TABLE)


def test_what_the_code_imports_counts_and_what_it_does_not_import_does_not(monkeypatch):
    before = code_of([TABLE], daily), code_of([TABLE], sentiment)
    own = code_versions._code

    def other(name):
        return OTHER_CODE if name == kernels.__name__ else own(name)

    monkeypatch.setattr(code_versions, "_code", other)

    assert code_of([TABLE], daily) != before[0]
    assert code_of([TABLE], sentiment) == before[1]


def test_the_matrix_has_the_version_of_what_makes_its_cells_too(monkeypatch):
    def version():
        made = feature_assets(partitions.sessions(date(2024, 6, 3)))
        return {asset.key.path[-1]: asset.code_versions_by_key[asset.key] for asset in made}

    before, own = version(), code_versions._code
    monkeypatch.setattr(code_versions, "_code", lambda name: OTHER_CODE if name == market.__name__ else own(name))

    assert {name for name, each in version().items() if each != before[name]} == {
        "feature_market",
        "feature_matrix",
        "feature_sentiment",
    }


def test_each_asset_that_derives_has_the_version_of_its_code_and_what_was_landed_keeps_one():
    nodes = {node.key.path[-1]: node.code_version for node in defs().resolve_asset_graph().asset_nodes}

    landed = {name for name in nodes if name.startswith("raw_")} | {"feature_store", "quality_report"}
    derived = [version for name, version in nodes.items() if name not in landed]
    assert {nodes[name] for name in landed} == {UNDERIVED}
    assert {len(version) for version in derived} == {12}
    assert len(set(derived)) == len(derived) > 10
