"""Where the lake's contract tests keep their lakes: a folder, and a bucket of a real S3 server."""

import pytest

from orion_assets.store.lake import Lake
from orion_assets_tests.contracts.lake_writers import Place
from orion_assets_tests.servers import s3_server  # noqa: F401


@pytest.fixture(params=["local", "s3"])
def lake_place(request, tmp_path) -> Place:
    if request.param == "local":
        return Place(str(tmp_path / "the lake"))
    server = request.getfixturevalue("s3_server")
    return Place(f"s3://{server.new_bucket()}/a/prefix", server.storage_options)


@pytest.fixture
def lake(lake_place) -> Lake:
    return lake_place.lake()
