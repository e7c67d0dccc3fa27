"""`orion store compact`: fewer files, the same rows."""

import json

from orion_assets.schemas import RAW_DAILY_BARS, TABLES
from orion_assets_tests.own_market import END, SPLIT


def test_a_lake_of_many_files_becomes_one_of_few_with_the_same_rows_and_versions(market):
    assert market.orion("backfill", "--to", SPLIT).code == 0
    assert market.orion("backfill", "--to", END).code == 0
    lake, tables = market.lake, [table for table in TABLES.values() if market.lake.exists(table)]
    before = {table: (lake.file_count(table), lake.version(table), lake.read(table)) for table in tables}
    said = market.orion("store", "hash").out

    compacted = market.orion("store", "compact", "--json")

    told = {row["table"]: (row["files_before"], row["files"]) for row in json.loads(compacted.out)}
    # June lay in one file, July in two
    assert (compacted.code, told[RAW_DAILY_BARS.name]) == (0, (3, 2))
    for table, (files, version, rows) in before.items():
        assert told.get(table.name, (files, files)) == (files, lake.file_count(table))
        assert lake.read(table).equals(rows)
        assert lake.read(table, version=version).equals(rows)
    assert market.orion("store", "hash").out == said
    assert market.orion("update").code == 0


def test_where_no_month_lies_in_several_files_there_is_nothing_to_do(market):
    empty = market.orion("store", "compact")
    assert market.orion("backfill", "--to", END).code == 0
    market.orion("store", "compact")

    again = market.orion("store", "compact")

    assert [(said.code, said.out.startswith("nothing to do: ")) for said in (empty, again)] == [(0, True)] * 2
    assert json.loads(market.orion("store", "compact", "--json").out) == []
