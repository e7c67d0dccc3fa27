"""Versions of the code behind the assets: Dagster shows as stale what other code derived.

A version is what the functions say: those of the modules that derive a table, of all transforms that they import, and
the columns of the table. Comments, docstrings and layout say nothing of a number, and do not count.
"""

import ast
import sys
from collections.abc import Iterable
from functools import cache
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import Final, NamedTuple

from orion_assets.tables import Table

# What lands or shows rows and derives none: a raw row is what its source said, whatever code reads it by now
UNDERIVED: Final = "1"
_TRANSFORMS: Final = "orion_assets.transforms"
_DIGITS: Final = 12


def code_of(tables: Iterable[Table], *modules: ModuleType) -> str:
    """Give the version of the code that derives some tables.

    Args:
        tables: The tables.
        modules: Of the transforms, those whose functions derive them.
    """
    digest = sha256()
    for table in tables:
        digest.update(f"{table.name} {table.schema}\n".encode())
    for name in sorted(_reached([each.__name__ for each in modules])):
        digest.update(f"{name}\n{_code(name).text}\n".encode())
    return digest.hexdigest()[:_DIGITS]


def _reached(names: Iterable[str]) -> set[str]:
    """Name some modules and all transforms that they import, and those in turn."""
    found, left = set[str](), list(names)
    while left:
        name = left.pop()
        if name not in found:
            found.add(name)
            left.extend(_imported(name))
    return found


def _imported(name: str) -> list[str]:
    return [each for each in _code(name).mentions if each in sys.modules]


class _Code(NamedTuple):
    """A module's code without its docstrings.

    Attributes:
        text: The code, written anew.
        mentions: The transforms that it imports from, and what it imports of them, which may be modules too.
    """

    text: str
    mentions: tuple[str, ...]


@cache
def _code(name: str) -> _Code:
    """Read a module; each command builds the definitions more than once, so once a process."""
    tree = ast.parse(Path(str(sys.modules[name].__file__)).read_text(encoding="utf-8"))
    mentions: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(_TRANSFORMS):
            mentions += [str(node.module), *(f"{node.module}.{each.name}" for each in node.names)]
    return _Code(ast.unparse(tree), tuple(mentions))
