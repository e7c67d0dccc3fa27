"""Minutes as a user asks for them: not unasked, by one option or one setting, and by the plan that was shown."""

import json
from contextlib import suppress
from datetime import timedelta

import pytest
from botocore.exceptions import ClientError

from orion_assets.schemas import CLEAN_MINUTE_BARS, RAW_MINUTE_BARS
from orion_assets.sources.synthetic.vendor import flatfiles
from orion_assets.sources.synthetic.vendor.server import fake_vendor
from orion_assets_tests.accept_runs import Deployment, on_vendor, recent_market, undisturbed
from orion_assets_tests.faults.world import KEY
from orion_assets_tests.s3_gate import gate_before
from orion_assets_tests.servers import s3_server  # noqa: F401

FOLLOWED = ("SAAA", "SAAB", "SAAC")
SECRET = "s3-secret-never-seen-4b1d"


@pytest.fixture
def vendor():
    with undisturbed(), fake_vendor(recent_market(24, 24)) as running:
        yield running


def opened(folder, vendor, tickers=FOLLOWED, **more) -> tuple[Deployment, tuple[str, ...]]:
    sessions = vendor.truth.sessions["session"]
    made = on_vendor(folder, vendor, tickers, sessions[-4], POLYGON_API_KEY=KEY, **more)
    return made, ("--from", str(sessions[-4]), "--to", str(sessions[-1]))


def asked(vendor, what: str = "/1/minute/") -> list[str]:
    return [entry.path for entry in vendor.journal if what in entry.path]


def test_nobody_who_does_not_ask_for_minutes_is_charged_for_them(vendor, tmp_path):
    made, span = opened(tmp_path, vendor)

    shown = json.loads(made.done("plan", *span, "--json"))
    made.done("backfill", *span, "--json")

    assert "minute_window" not in shown["calls_by_route"]
    assert asked(vendor) == []
    assert not made.lake.exists(RAW_MINUTE_BARS)


def test_minutes_asked_for_by_name_are_planned_fetched_and_clean(vendor, tmp_path):
    made, span = opened(tmp_path, vendor)

    shown = json.loads(made.done("plan", *span, "--datasets", "minute", "--json"))
    told = json.loads(made.done("backfill", *span, "--datasets", "minute", "--json"))

    assert shown["calls_by_route"] == {"minute_window": 3}
    # Side by side: which of them comes first at the vendor is nobody's to say
    assert sorted(path.split("/")[4] for path in asked(vendor)) == list(FOLLOWED)
    assert {entry.route for entry in vendor.journal} <= {"range", "tickers", "events"}, "nothing else was asked for"
    days = vendor.truth.sessions["session"]
    truth = sum(vendor.truth.minute_bars(ticker, days[-4], days[-1]).height for ticker in FOLLOWED)
    assert told["rows"]["raw_minute_bars"] == told["rows"]["clean_minute_bars"] == truth
    assert made.of_lake("clean_minute_bars").height == truth
    assert json.loads(made.done("plan", *span, "--datasets", "minute", "--json"))["calls"] == 0


def test_a_setting_asks_for_minutes_every_time_and_an_update_goes_on_with_them(vendor, tmp_path):
    made, span = opened(tmp_path, vendor, ORION_DATASETS="daily,minute,actions")
    made.done("backfill", *span, "--json")
    before = asked(vendor)

    made.done("update", "--json")

    assert len(before) == 3
    assert len(asked(vendor)) > 3
    assert {entry.route for entry in vendor.journal} <= {"grouped", "range", "splits", "dividends", "tickers", "events"}
    assert made.lake.exists(CLEAN_MINUTE_BARS)


@pytest.mark.parametrize(
    ("words", "named"), [("hourly", "--datasets hourly: unknown"), ("", "--datasets nothing: unknown")]
)
@pytest.mark.parametrize("command", ["plan", "backfill"])
def test_a_dataset_that_is_none_is_refused(vendor, tmp_path, command, words, named):
    made, span = opened(tmp_path, vendor)

    said = made.orion(command, *span, "--datasets", words)

    assert (said.code, said.out) == (2, "")
    assert named in said.err
    assert "daily, minute, vix, news, actions" in said.err


@pytest.fixture
def gate(vendor, s3_server):  # noqa: F811
    """A gate before the bucket that holds the objects of the market's last sessions."""
    client = s3_server.client()
    # The server is shared, and another test may have made it
    with suppress(ClientError):
        client.create_bucket(Bucket=flatfiles.BUCKET)
    flatfiles.put_sessions(client, vendor.truth, vendor.truth.sessions["session"].tail(4), ("minute",))
    with gate_before(s3_server.port) as running:
        yield running


def with_files(gate, **more) -> dict[str, str]:
    keys = {"POLYGON_S3_ACCESS_KEY": "an-id", "POLYGON_S3_SECRET_KEY": SECRET}
    return {**keys, "ORION_POLYGON_S3_ENDPOINT_URL": gate.endpoint, **more}


def test_with_keys_to_the_files_minutes_come_as_objects_and_a_replaced_one_is_found_by_update(
    vendor,
    gate,
    tmp_path,
    s3_server,  # noqa: F811
):
    last = vendor.truth.daily_bars.filter(session=vendor.truth.sessions["session"][-1])["ticker"]
    made, span = opened(tmp_path, vendor, tuple(last.head(12)), **with_files(gate, ORION_DATASETS="minute"))

    shown = json.loads(made.done("plan", *span, "--json"))
    made.done("backfill", *span, "--json")

    assert shown["calls_by_route"] == {"minute_file": 3}
    days = vendor.truth.sessions["session"].tail(4).to_list()[:3]
    assert gate.gets == [flatfiles.key_of(day, "minute") for day in reversed(days)]
    assert asked(vendor) == []
    rows = made.of_lake("clean_minute_bars").height
    assert rows == sum(vendor.truth.minute_bars(name, days[0], days[2] + timedelta(1)).height for name in last.head(12))

    told = flatfiles.told(vendor.truth, days[0], "minute")
    fewer = told.filter((told["ticker"] != last[0]) | (told["window_start"] != told["window_start"].min()))
    s3_server.client().put_object(
        Bucket=flatfiles.BUCKET, Key=flatfiles.key_of(days[0], "minute"), Body=flatfiles.packed(fewer)
    )
    made.done("update", "--json")

    assert gate.gets[3:].count(flatfiles.key_of(days[0], "minute")) == 1
    assert flatfiles.key_of(days[1], "minute") not in gate.gets[3:]
    for file in (tmp_path / "own").rglob("*"):
        assert not file.is_file() or file == made.env or SECRET.encode() not in file.read_bytes(), file
    assert not [head for head in gate.heads if SECRET in head]


@pytest.mark.parametrize(
    ("more", "named"),
    [
        ({"POLYGON_S3_ACCESS_KEY": "an-id"}, "one of two keys is set"),
        (
            {
                "POLYGON_S3_ACCESS_KEY": "an-id",
                "POLYGON_S3_SECRET_KEY": SECRET,
                "ORION_POLYGON_S3_ENDPOINT_URL": "http://files.massive.com",
            },
            "is not https://host",
        ),
        ({"POLYGON_S3_ACCESS_KEY": "an id", "POLYGON_S3_SECRET_KEY": SECRET}, "holds white space"),
    ],
)
def test_keys_that_cannot_be_used_are_refused_before_anything_is_asked(vendor, tmp_path, more, named):
    made, span = opened(tmp_path, vendor, **more)

    said = made.orion("backfill", *span)

    assert (said.code, said.out) == (2, "")
    assert named in said.err
    assert SECRET not in said.err
    assert len(vendor.journal) == 0
