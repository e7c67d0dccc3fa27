"""Metadata of many partitions in one go: Dagster lists a run's partitions and copies what was said anew for each."""

from collections.abc import Mapping
from typing import Any

import dagster as dg
from dagster._core.execution.context.metadata_logging import AssetMetadataHandle, OutputMetadataAccumulator


def say_of_partitions(context: dg.AssetExecutionContext, asset: str, told: Mapping[str, Mapping[str, Any]]) -> None:
    """Add metadata to partitions of an asset, as `context.add_asset_metadata` does one by one.

    Args:
        context: Of the step that makes them.
        asset: Its name.
        told: By partition key.

    Raises:
        ValueError: The run does not make one of these partitions.
    """
    if strange := sorted(told.keys() - set(context.partition_keys)):
        raise ValueError(f"metadata of {asset}: this run does not make {', '.join(strange[:10])}")
    # Dagster has no way of its own to say it once
    step: Any = context.get_step_execution_context()
    key, held = dg.AssetKey(asset), step._metadata_accumulator.per_output_metadata  # noqa: SLF001
    said = dict(held)
    for partition, metadata in told.items():
        handle = AssetMetadataHandle(asset_key=key, partition_key=partition)
        said[handle] = {**held.get(handle, {}), **metadata}
    step._metadata_accumulator = OutputMetadataAccumulator(per_output_metadata=said)  # noqa: SLF001
