"""The graph as the UI shows it. After a change on purpose: ORION_UPDATE_GOLDEN=1 pytest orion_assets_tests/defs"""

import difflib
import os
import warnings
from datetime import date
from pathlib import Path

import dagster as dg
import pytest
from dagster import BackfillPolicy

from orion_assets import schemas
from orion_assets.definitions import build_definitions
from orion_assets.settings import Settings
from orion_assets.tables import DTYPE_NAMES

GOLDEN = Path(__file__).with_name("golden_graph.txt")
PUBLICATIONS = ("feature_store", "quality_report")


def unset() -> Settings:
    return Settings(source="none", files_mapping=(), tickers=(), start=date(2024, 1, 2), dagster_home=None)


DEFINITIONS = build_definitions(unset())
GRAPH = DEFINITIONS.resolve_asset_graph()
NODES = {key.path[-1]: GRAPH.get(key) for key in sorted(GRAPH.get_all_asset_keys(), key=str)}
each_asset = pytest.mark.parametrize("name", NODES)


def line(name: str) -> str:
    node = NODES[name]
    mappings = {key.path[-1]: mapping for key, mapping in node.partition_mappings.items()}
    axis = {
        dg.DailyPartitionsDefinition: "sessions",
        dg.DynamicPartitionsDefinition: "tickers",
        type(None): "none",
    }[type(node.partitions_def)]
    deps = [
        f"{dep}{mappings[dep].start_offset}" if hasattr(mappings.get(dep), "start_offset") else dep
        for dep in sorted(key.path[-1] for key in node.parent_keys)
    ]
    checks = sorted(f"{key.name}{'!' if GRAPH.get(key).blocking else ''}" for key in node.check_keys)
    facts = {"group": [node.group_name], "axis": [axis], "kinds": sorted(node.kinds), "from": deps, "checks": checks}
    return f"{name}: " + "; ".join(f"{what} {' '.join(values) or '-'}" for what, values in facts.items())


def test_the_graph_is_the_golden_one():
    found = "".join(f"{line(name)}\n" for name in NODES)
    if os.environ.get("ORION_UPDATE_GOLDEN"):
        GOLDEN.write_text(found)

    expected = GOLDEN.read_text()

    diff = "".join(difflib.unified_diff(expected.splitlines(True), found.splitlines(True), GOLDEN.name, "definitions"))
    assert not diff, f"the graph changed; if on purpose: ORION_UPDATE_GOLDEN=1 pytest {Path(__file__).parent}\n{diff}"


def test_definitions_load_without_a_source_and_without_a_warning():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        definitions = build_definitions(unset())
        dg.Definitions.validate_loadable(definitions)

    assert [str(each.message) for each in caught if "Series." not in str(each.message)] == []


def test_there_are_three_jobs_that_cover_every_asset_once():
    jobs = {name: DEFINITIONS.resolve_job_def(name) for name in ("daily", "reference", "history")}

    made = {name: {key.path[-1] for key in job.asset_layer.executable_asset_keys} for name, job in jobs.items()}

    assert made["reference"] == {"raw_tickers", "securities"}
    assert made["history"] == {"ticker_bars", "ticker_features"}
    assert made["daily"] == set(NODES) - made["reference"] - made["history"]


@each_asset
def test_an_asset_says_its_grain_and_not_its_schedule(name):
    description = NODES[name].description

    assert description.startswith("One ")
    assert not {"daily run", "every day", "weekly", "schedule", "nightly"} & set(description.lower().split())
    assert description.endswith(".")


@each_asset
def test_an_asset_takes_a_range_in_one_run(name):
    assert NODES[name].backfill_policy == BackfillPolicy.single_run()


@each_asset
def test_the_group_follows_from_the_name(name):
    prefixes = {"raw": "raw", "clean": "clean", "feature": "features", "ticker": "history"}
    spans = {"corporate_actions": "clean", "securities": "clean", "feature_store": "store", "quality_report": "store"}

    assert NODES[name].group_name == spans.get(name, prefixes.get(name.partition("_")[0]))


@pytest.mark.parametrize("name", [name for name in NODES if name not in PUBLICATIONS])
def test_the_columns_tab_is_the_declared_table(name):
    table = {**schemas.TABLES, **{each.name: each for each in schemas.HISTORY}}[name]

    shown = NODES[name].metadata["dagster/column_schema"]

    assert [column.name for column in shown.columns] == list(table.names)
    assert [column.type for column in shown.columns] == [DTYPE_NAMES[dtype] for dtype in table.schema.values()]
    assert [column.constraints.nullable for column in shown.columns] == [c.is_nullable for c in table.columns]
    assert all(column.description for column in shown.columns)
    assert NODES[name].metadata["orion/key"] == ", ".join(table.key)


def test_a_look_back_stays_below_what_staleness_is_computed_for():
    mappings = [mapping for node in NODES.values() for mapping in node.partition_mappings.values()]
    by_session = [each for each in mappings if isinstance(each, dg.TimeWindowPartitionMapping)]

    assert min(each.start_offset for each in by_session) == -99
    assert all(each.allow_nonexistent_upstream_partitions for each in by_session)
