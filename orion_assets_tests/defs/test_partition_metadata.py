"""What is said of many partitions at once is what Dagster's own way says one by one."""

import dagster as dg
import pytest

from orion_assets.defs.event_log import forgetful_instance
from orion_assets.defs.partition_metadata import say_of_partitions

DAYS = dg.DailyPartitionsDefinition("2014-06-02", end_date="2014-07-01")
SPAN = {"dagster/asset_partition_range_start": "2014-06-03", "dagster/asset_partition_range_end": "2014-06-05"}


def one_by_one(context, asset, told):
    for partition, metadata in told.items():
        context.add_asset_metadata(metadata, asset_key=asset, partition_key=partition)


def run(say, *told):
    @dg.asset(partitions_def=DAYS, backfill_policy=dg.BackfillPolicy.single_run())
    def bars(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        for each in told:
            say(context, "bars", each)
        return dg.MaterializeResult(metadata={"of all": 1})

    job = dg.Definitions([bars], jobs=[dg.define_asset_job("all", "*")]).resolve_job_def("all")
    with forgetful_instance() as instance:
        done = job.execute_in_process(instance=instance, tags=SPAN, raise_on_error=False)
        made = done.asset_materializations_for_node("bars") if done.success else []
        error = "" if done.success else str(done.all_events)
    return {each.partition: {name: value.value for name, value in each.metadata.items()} for each in made}, error


def test_it_is_said_as_dagster_says_it():
    told = {"2014-06-03": {"rows": 3, "kept": "a"}, "2014-06-05": {"rows": 5}}, {"2014-06-03": {"rows": 4}}

    said, _ = run(say_of_partitions, *told)

    assert said == run(one_by_one, *told)[0]
    assert said["2014-06-03"] == {"rows": 4, "kept": "a", "of all": 1}


def test_a_partition_that_the_run_does_not_make_is_refused():
    said, error = run(say_of_partitions, {"2014-06-03": {"rows": 3}, "2014-06-06": {"rows": 6}})

    assert said == {}
    assert "this run does not make 2014-06-06" in error


@pytest.mark.parametrize("told", [(), ({},)])
def test_saying_nothing_says_nothing(told):
    said, _ = run(say_of_partitions, *told)

    assert set(said) == {"2014-06-03", "2014-06-04", "2014-06-05"}
