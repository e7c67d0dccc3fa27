"""A bucket of Flat Files before a world: its objects on a real S3 server, behind a gate that counts and refuses."""

from datetime import date

import polars as pl
import pytest

from orion_assets.schemas import RAW_MINUTE_BARS
from orion_assets.sources.limiter import Limiter, Rate
from orion_assets.sources.polygon.bucket import Bucket, Patience, open_client
from orion_assets.sources.polygon.files import FlatFiles
from orion_assets.sources.routes import Rights
from orion_assets.sources.synthetic.vendor import flatfiles
from orion_assets.store.call_log import SharedCallLog
from orion_assets_tests.faults.world import RATE, truth_rows
from orion_assets_tests.s3_gate import gate_before

RIGHTS = Rights(RATE, years=None, has_flat_files=True, has_today=True)
SECRET = "s3-secret-never-seen-9f2c"
MINUTES = "us_stocks_sip/minute_aggs_v1/"


class Files:
    """A bucket behind a gate, filled with the objects of a world's sessions."""

    def __init__(self, made, gate, client, bucket, objects, **more):
        self.made, self.gate, self.client, self.bucket, self.objects = made, gate, client, bucket, objects
        log = SharedCallLog(f"sqlite:///{made.folder}/state.db", made.uptime)
        limiter = Limiter(log, "polygon_files", Rate(100, 1.0), lease_s=60, pause=made.pause)
        patience = Patience(attempts=2, silence_s=5.0)
        reader = open_client(("an-id", SECRET), gate.endpoint, patience)
        found = Bucket(reader, limiter, patience, made.pause, uptime=made.uptime, name=bucket)
        made.files, made.rights = FlatFiles(found, **more), RIGHTS

    @property
    def days(self) -> list[date]:
        sessions = self.made.vendor.truth.sessions["session"]
        return [day for day in sessions if self.made.span[0] <= day < self.made.span[1]]

    def put(self, *days: date) -> None:
        for day in days or self.days:
            for length in flatfiles.LENGTHS:
                key = flatfiles.key_of(day, length)
                self.client.put_object(Bucket=self.bucket, Key=key, Body=self.objects[key])

    def replace(self, day: date, content: bytes) -> None:
        key = flatfiles.key_of(day, "minute")
        self.client.put_object(Bucket=self.bucket, Key=key, Body=content)

    def whole(self, day: date) -> bytes:
        return self.objects[flatfiles.key_of(day, "minute")]

    def told(self, day: date) -> pl.DataFrame:
        return flatfiles.told(self.made.vendor.truth, day, "minute")

    def gets(self) -> list[str]:
        """Give the dates of the objects that were asked for, in order."""
        return [key.rpartition("/")[2].partition(".")[0] for key in self.gate.gets]


@pytest.fixture
def gate(s3_server):
    with gate_before(s3_server.port) as running:
        yield running


@pytest.fixture(scope="session")
def objects(truth, s3_server):
    """The objects of the last sessions as the fake vendor puts them into a bucket, by key."""
    client, bucket = s3_server.client(), s3_server.new_bucket()
    keys = flatfiles.put_sessions(client, truth, truth.sessions["session"].tail(3), bucket=bucket)
    return {key: client.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys}


@pytest.fixture
def opened(worlds, truth, gate, s3_server, objects):
    def start(table=RAW_MINUTE_BARS, *, least_tickers=1, keeps_bytes=True, tickers=(), **more) -> Files:
        made = worlds(table, tickers=traded(truth) if tickers == () else tickers, **more)
        client = s3_server.client()
        bucket = s3_server.new_bucket()
        return Files(made, gate, client, bucket, objects, least_tickers=least_tickers, keeps_bytes=keeps_bytes)

    return start


def traded(truth) -> tuple[str, ...]:
    """Give who has bars in each of the last three sessions."""
    last = truth.daily_bars.filter(pl.col("session").is_in(truth.sessions["session"].tail(3).to_list()))
    return tuple(last.group_by("ticker").len().filter(pl.col("len") == 3)["ticker"].sort())


def assert_told(files) -> None:
    """The raw rows are the market's, less what objects never hold: a vwap."""
    made = files.made
    rows = made.rows()
    key = list(made.table.key)
    names = [*dict.fromkeys([*key, "session"]), "open", "high", "low", "close", "volume", "trade_count"]
    truth = truth_rows(made).with_columns(pl.col("trade_count").fill_null(1.0)).select(names).sort(key)
    assert rows.select(names).cast(dict(truth.schema)).equals(truth)
    assert rows["vwap"].null_count() == rows.height
    assert rows["problem"].null_count() == rows.height
