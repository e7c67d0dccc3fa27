"""What Orion takes for granted about Dagster, Polars and delta-rs; red after an upgrade, look who relies on it."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import dagster as dg
import deltalake
import polars as pl
import pytest

NEW_YORK = "America/New_York"
WEEKENDS = "0 0 * * 0,6"
# Thanksgiving 2024 fell on 28 November, a Thursday
THANKSGIVING = datetime(2024, 11, 28, tzinfo=ZoneInfo(NEW_YORK))
MORNING = datetime(2024, 11, 27, 14, tzinfo=UTC)


def sessions(end_offset: int = 0) -> dg.DailyPartitionsDefinition:
    """Sessions of November 2024 in New York time, with the holiday left out."""
    return dg.DailyPartitionsDefinition(
        start_date="2024-11-21",
        timezone=NEW_YORK,
        exclusions=[WEEKENDS, THANKSGIVING],
        end_offset=end_offset,
    )


def upstream_of(key: str, mapping: dg.TimeWindowPartitionMapping) -> list[str]:
    """The keys that `key` reads through the mapping, with both sides on sessions."""
    mapped = mapping.get_upstream_mapped_partitions_result_for_partitions(
        sessions().subset_with_partition_keys([key]), sessions(), sessions(), datetime(2024, 12, 10, tzinfo=UTC)
    )
    return sorted(mapped.partitions_subset.get_partition_keys())


def test_exclusions_leave_one_partition_per_session():
    keys = sessions().get_partition_keys(datetime(2024, 12, 4, 12, tzinfo=UTC))

    assert keys == [
        *("2024-11-21", "2024-11-22", "2024-11-25", "2024-11-26", "2024-11-27"),
        *("2024-11-29", "2024-12-02", "2024-12-03"),
    ]


def test_an_excluded_key_is_not_refused_but_maps_to_the_next_session():
    holiday = sessions().time_window_for_partition_key("2024-11-28")
    next_session = sessions().time_window_for_partition_key("2024-11-29")

    assert holiday == next_session


def test_without_an_end_offset_the_session_under_way_has_no_key():
    assert sessions().get_partition_keys(MORNING)[-1] == "2024-11-26"


@pytest.mark.parametrize(
    ("instant", "key"),
    [
        (MORNING, "2024-11-27"),
        (datetime(2024, 11, 28, 14, tzinfo=UTC), "2024-11-29"),
        (datetime(2024, 11, 30, 14, tzinfo=UTC), "2024-12-02"),
    ],
    ids=["a session", "a holiday", "a Saturday"],
)
def test_an_end_offset_of_one_gives_the_session_under_way_or_the_next_one(instant, key):
    assert sessions(end_offset=1).get_partition_keys(instant)[-1] == key


def test_the_start_offset_of_a_mapping_counts_sessions():
    look_back = dg.TimeWindowPartitionMapping(start_offset=-2, allow_nonexistent_upstream_partitions=True)

    assert upstream_of("2024-12-02", look_back) == ["2024-11-27", "2024-11-29", "2024-12-02"]


def test_a_look_back_past_the_first_session_is_cut_and_not_refused():
    look_back = dg.TimeWindowPartitionMapping(start_offset=-99, allow_nonexistent_upstream_partitions=True)

    assert upstream_of("2024-11-22", look_back) == ["2024-11-21", "2024-11-22"]


def test_a_reversed_range_of_keys_is_silently_empty():
    backwards = dg.PartitionKeyRange("2024-11-26", "2024-11-22")

    assert list(sessions().get_partition_keys_in_range(backwards)) == []


def test_check_specs_on_a_frame_want_an_iterator_of_results():
    @dg.asset(check_specs=[dg.AssetCheckSpec("rows", asset="bars")])
    def bars() -> Iterator[dg.MaterializeResult[pl.DataFrame]]:
        frame = pl.DataFrame({"close": [1.0]})
        yield dg.MaterializeResult(value=frame, check_results=[dg.AssetCheckResult(check_name="rows", passed=True)])

    run = dg.materialize([bars], resources={"io_manager": dg.mem_io_manager})

    assert run.output_for_node("bars").shape == (1, 1)
    assert [evaluation.passed for evaluation in run.get_asset_check_evaluations()] == [True]


def test_check_specs_with_a_returned_generic_result_fail_at_definition():
    with pytest.raises(dg.DagsterInvariantViolationError, match="Expected Tuple annotation"):

        @dg.asset(check_specs=[dg.AssetCheckSpec("rows", asset="bars")])
        def bars() -> dg.MaterializeResult[pl.DataFrame]: ...


def test_a_blocking_check_fails_after_the_write():
    written = []

    class Recorder(dg.IOManager):
        def handle_output(self, context, obj):
            written.append(obj.height)

        def load_input(self, context): ...

    @dg.asset(check_specs=[dg.AssetCheckSpec("rows", asset="bars", blocking=True)])
    def bars() -> Iterator[dg.MaterializeResult[pl.DataFrame]]:
        failed = dg.AssetCheckResult(check_name="rows", passed=False)
        yield dg.MaterializeResult(value=pl.DataFrame({"close": [1.0]}), check_results=[failed])

    run = dg.materialize([bars], resources={"io_manager": Recorder()}, raise_on_error=False)

    assert not run.success
    assert written == [1]


def test_a_range_run_hands_the_io_manager_every_key_in_one_call():
    calls = []

    class Recorder(dg.IOManager):
        def handle_output(self, context, obj):
            calls.append(list(context.asset_partition_keys))

        def load_input(self, context): ...

    @dg.asset(partitions_def=sessions(), backfill_policy=dg.BackfillPolicy.single_run())
    def bars() -> int:
        return 1

    tags = {
        "dagster/asset_partition_range_start": "2024-11-27",
        "dagster/asset_partition_range_end": "2024-12-02",
    }
    dg.materialize([bars], resources={"io_manager": Recorder()}, tags=tags)

    assert calls == [["2024-11-27", "2024-11-29", "2024-12-02"]]


def test_a_retry_policy_retries_bugs_as_well():
    attempts = []

    @dg.asset(retry_policy=dg.RetryPolicy(max_retries=1))
    def bars() -> None:
        attempts.append(1)
        raise TypeError

    run = dg.materialize([bars], raise_on_error=False)

    assert not run.success
    assert len(attempts) == 2


def test_a_left_join_keeps_the_order_of_the_left_frame_when_told_to():
    bars = pl.DataFrame({"session": [date(2024, 11, 29), date(2024, 11, 28), date(2024, 11, 27)]})
    opened = pl.DataFrame({"session": [date(2024, 11, 27), date(2024, 11, 29)], "is_half_day": [False, True]})

    joined = bars.join(opened, on="session", how="left", maintain_order="left")

    assert joined["is_half_day"].to_list() == [True, None, False]


def test_an_expression_over_the_ticker_never_reads_another_ticker():
    bars = pl.DataFrame({"ticker": ["A", "B", "A", "B"], "close": [1.0, 10.0, 2.0, 30.0]})

    changes = bars.select(pl.col("close").diff().over("ticker"))["close"].to_list()

    assert changes == [None, None, 1.0, 20.0]


def test_an_overwrite_by_predicate_replaces_one_session_in_one_commit(tmp_path):
    first = pl.DataFrame({"session": [date(2024, 11, 27), date(2024, 11, 29)], "close": [1.0, 2.0]})
    again = pl.DataFrame({"session": [date(2024, 11, 29)], "close": [3.0]})
    first.write_delta(tmp_path / "bars", mode="append")

    options = {"predicate": "session = '2024-11-29'"}
    again.write_delta(tmp_path / "bars", mode="overwrite", delta_write_options=options)

    assert pl.read_delta(str(tmp_path / "bars")).sort("session")["close"].to_list() == [1.0, 3.0]
    assert deltalake.DeltaTable(tmp_path / "bars").version() == 1
    assert pl.read_delta(str(tmp_path / "bars"), version=0).sort("session")["close"].to_list() == [1.0, 2.0]


def test_instants_come_back_from_delta_in_utc_microseconds(tmp_path):
    known = pl.Series("ts_known", [datetime(2024, 11, 27, 21, 15, 0, 1, tzinfo=UTC)], pl.Datetime("us", "UTC"))
    pl.DataFrame([known]).write_delta(tmp_path / "bars")

    stored = pl.read_delta(str(tmp_path / "bars"))["ts_known"]

    assert stored.dtype == pl.Datetime("us", "UTC")
    assert stored.to_list() == known.to_list()
