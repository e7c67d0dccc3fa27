"""What `--json` prints: one document, whatever the values are."""

import json
import subprocess
import sys
from datetime import UTC, date, datetime

import pytest

from orion_assets.cli.context import Call
from orion_assets.cli.launch import Finding, Launch, Outcome
from orion_assets.cli.output import document
from orion_assets.cli.report import Report
from orion_assets_tests import own_market
from orion_assets_tests.own_market import bare_environment


def test_numbers_that_json_does_not_know_are_told_all_the_same(capsys):
    infinite, nothing = float("inf"), float("nan")

    document({"rows": [{"rsi_14": infinite}, {"rsi_14": -infinite}], "of": (nothing, 1.5), "at": {"now": nothing}})

    assert json.loads(capsys.readouterr().out, parse_constant=refuse) == {
        "rows": [{"rsi_14": "inf"}, {"rsi_14": "-inf"}],
        "of": ["nan", 1.5],
        "at": {"now": "nan"},
    }


def test_dates_and_instants_are_iso_8601(capsys):
    document([date(2014, 6, 2), datetime(2014, 6, 2, 20, 30, tzinfo=UTC)])

    assert json.loads(capsys.readouterr().out) == ["2014-06-02", "2014-06-02T20:30:00Z"]


def test_a_run_that_found_an_infinite_value_is_one_document(tmp_path, capsys):
    market = own_market.write(tmp_path)
    found = Finding("feature_matrix", "sound", 1, ({"ticker": "AAA", "rsi_14": float("inf")},))
    outcome = Outcome(is_done=False, failure="feature_matrix: blocked", findings=[found])

    Report(Call(fixed=market.settings()), Launch("daily", date(2024, 1, 2), date(2024, 1, 3)), outcome).document()

    (told,) = json.loads(capsys.readouterr().out, parse_constant=refuse)["findings"]
    assert told["accused"] == [{"ticker": "AAA", "rsi_14": "inf"}]


def refuse(name):
    raise AssertionError(f"{name} is no JSON")


@pytest.mark.parametrize(("encoding", "rule"), [("latin-1", "---"), ("ascii", "---"), ("utf-8", "───")])
def test_tables_and_texts_are_printed_in_any_encoding(encoding, rule):
    """A German machine or a bare container: what its encoding lacks must not cost the answer."""
    script = (
        "import polars as pl; from orion_assets.cli import app, output\n"
        "said = pl.DataFrame({'title': ['\\u00e9t\\u00e9 \\u2192 \\u03b1\\u4e2d']})\n"
        "app.app = lambda _: output.frame(said, as_json=False)\n"
        "app.main([])"
    )
    environment = bare_environment(PYTHONIOENCODING=encoding)

    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, check=False)

    assert done.returncode == 0, done.stderr
    said = done.stdout.decode(encoding).split("\n")
    assert said[1].startswith(rule)
    assert said[2] == "été → α中".encode(encoding, "replace").decode(encoding)


def test_a_command_starts_without_what_it_does_not_need():
    told = "import sys, orion_assets.cli.app; print(*{'pandas', 'numba', 'dagster', 'yfinance'} & set(sys.modules))"

    answer = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)

    assert answer.stdout.strip() == ""
