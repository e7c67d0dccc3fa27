"""`orion fake-vendor --flat-files`: objects in a bucket, and the settings with which they are read."""

import gzip

import pytest
from botocore.exceptions import ClientError

from orion_assets_tests import own_market
from orion_assets_tests.cli.test_fake_vendor import running
from orion_assets_tests.servers import free_port, s3_server  # noqa: F401

MARKET = ("--tickers", "14", "--sessions", "20", "--now", "2026-11-21T18:00Z")


def test_the_last_sessions_are_put_as_objects_and_the_settings_are_printed(tmp_path, s3_server):  # noqa: F811
    wanted = ("--flat-files", s3_server.endpoint, "--flat-file-sessions", "2")

    with running(tmp_path, *MARKET, *wanted) as (process, first, _):
        printed = dict(process.stdout.readline().rstrip("\n").split("=", 1) for _ in range(4))

    assert first == "fake vendor: 22 objects in s3://flatfiles\n"
    assert printed == {
        "ORION_POLYGON_S3_ENDPOINT_URL": s3_server.endpoint,
        "POLYGON_S3_ACCESS_KEY": "anything",
        "POLYGON_S3_SECRET_KEY": "anything",
        "ORION_POLYGON_PLAN": "starter",
    }
    client = s3_server.client()
    for length in ("day", "minute"):
        for day in ("2026-11-19", "2026-11-20"):
            key = f"us_stocks_sip/{length}_aggs_v1/2026/11/{day}.csv.gz"
            text = gzip.decompress(client.get_object(Bucket="flatfiles", Key=key)["Body"].read())
            assert text.startswith(b"ticker,volume,open,close,high,low,window_start,transactions\n")
    # A session of currencies begins in the object of the day before
    for folder, day in (("global_crypto", 20), ("global_forex", 18), ("us_indices", 19)):
        key = f"{folder}/minute_aggs_v1/2026/11/2026-11-{day}.csv.gz"
        assert client.get_object(Bucket="flatfiles", Key=key)["Body"].read()
    with pytest.raises(ClientError):
        client.get_object(Bucket="flatfiles", Key="us_stocks_sip/day_aggs_v1/2026/11/2026-11-18.csv.gz")


def test_a_market_that_never_was_is_put_nowhere_but_on_this_machine():
    said = own_market.orion("fake-vendor", "--port", 0, *MARKET, "--flat-files", "https://files.massive.com")

    assert (said.code, said.out) == (2, "")
    assert "not a server on this machine" in said.err


def test_a_server_that_is_not_there_is_named():
    endpoint = f"http://127.0.0.1:{free_port()}"

    said = own_market.orion("fake-vendor", "--port", 0, *MARKET, "--flat-files", endpoint)

    assert (said.code, said.out) == (1, "")
    assert endpoint in said.err
