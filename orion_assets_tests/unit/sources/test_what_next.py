"""Each error of a source ends with what its reader does next: those written down, and those that statuses make."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from orion_assets import errors, sources
from orion_assets.errors import OrionError
from orion_assets.sources import transport
from orion_assets_tests.far_sides import says_what_next
from orion_assets_tests.scripted_server import answer
from orion_assets_tests.unit.sources.wired import bucket, pauses, server, whole  # noqa: F401
from orion_assets_tests.unit.sources.wired import transport as transport_to  # noqa: F401

ROOT = Path(sources.__path__[0])
# Their texts are the beginnings of others': whoever asked puts vendor, path and what comes next around them
INNER = {"AnswerDistrusted", "SourceRejected", "SchemaMismatch"}
TYPED = {
    name
    for name, found in vars(errors).items()
    if isinstance(found, type) and issubclass(found, OrionError) and found is not OrionError
}


def written() -> Iterator[tuple[str, str]]:
    """Give where each typed error of a network source is made, and its text; what is put in is `{}`."""
    for path in sorted(ROOT.rglob("*.py")):
        if {"files", "synthetic"} & set(path.relative_to(ROOT).parts[:1]):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.args):
                continue
            if node.func.id in TYPED - INNER:
                yield f"{path.relative_to(ROOT)}:{node.lineno} {node.func.id}", text_of(node.args[0], path)


def text_of(node: ast.expr, path: Path) -> str:
    """Give the text of an expression: constants as they are, constants of transport.py by name, all else as `{}`."""
    if isinstance(node, ast.JoinedStr):
        return "".join(text_of(part, path) for part in node.values)
    if isinstance(node, ast.FormattedValue):
        return text_of(node.value, path)
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.Name):
        return assigned(node.id, path)
    return "{}"


def assigned(name: str, path: Path) -> str:
    """Give the one text that a module gives to a name; where it is given none, or several, `{}`."""
    if name.isupper() and hasattr(transport, name):
        return str(getattr(transport, name))
    found = [
        text_of(node.value, path)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Assign | ast.AnnAssign)
        and isinstance(node.value, ast.JoinedStr | ast.Constant)
        and name
        in {each.id for each in ast.walk(node) if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)}
    ]
    return found[0] if len(found) == 1 else "{}"


WRITTEN = dict(written())


@pytest.mark.parametrize("where", WRITTEN)
def test_every_error_that_is_written_down_says_what_comes_next(where):
    assert says_what_next(WRITTEN[where]), WRITTEN[where]


def test_there_are_as_many_as_the_sources_make():
    kinds = {where.rpartition(" ")[2] for where in WRITTEN}

    assert len(WRITTEN) > 25
    assert kinds >= {"KeyRefused", "NotEntitled", "NotFound", "NotYet", "RequestRejected", "SourceUnavailable"}


@pytest.mark.parametrize(
    "status",
    ["301 Moved", "400 Bad Request", "401 Unauthorized", "403 Forbidden", "404 Not Found", "409 Conflict",
     "429 Too Many Requests", "500 Internal Server Error", "503 Service Unavailable"],
)  # fmt: skip
def test_whatever_a_status_says_the_error_says_what_comes_next(server, transport_to, status):  # noqa: F811
    server.say(answer(b'{"error": "no"}', status, headers="Location: https://elsewhere.test/\r\n"))

    with pytest.raises(OrionError) as caught:
        transport_to(refusals=1).get("/a", {}, whole)

    assert says_what_next(str(caught.value)), str(caught.value)


@pytest.mark.parametrize(
    ("text", "is_told"),
    [
        ("polygon: /v2/aggs: HTTP 404, none", False),
        ("alpaca: its pages go round; nothing of the answer is landed", False),
        ("acme: HTTP 400, bad. Asking again is in vain", False),
        ("acme: it is not asked", False),
        ("acme: HTTP 503. The next run asks again", True),
        ("acme: no key; set ACME_KEY in the environment", True),
    ],
)
def test_the_test_knows_a_remedy_from_none(text, is_told):
    assert says_what_next(text) is is_told
