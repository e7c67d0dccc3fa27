"""No secret of the settings becomes anything that Dagster keeps, sends or shows."""

from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.remote_representation.external_data import RepositorySnap
from dagster_shared.serdes import serialize_value

from orion_assets.cli.launch import Launch
from orion_assets.cli.run import execute, instance
from orion_assets.definitions import build_definitions
from orion_assets.schemas import RAW_DAILY_BARS
from orion_assets_tests import own_market
from orion_assets_tests.own_market import FOLLOWED, START
from orion_assets_tests.servers import S3Server, s3_server  # noqa: F401

KEY, SECRET, PASSWORD = "orion-key-7f3a", "orion-secret-91bc", "orion-password-d4e8"
UNREACHABLE = f"postgresql://orion:{PASSWORD}@127.0.0.1:1/none"


def on_s3(server: S3Server, **more: Any) -> dict[str, Any]:
    bucket = server.new_bucket()
    return {
        "lake_url": f"s3://{bucket}/lake",
        "archive_url": f"s3://{bucket}/archive",
        "s3_endpoint_url": server.endpoint,
        "aws_access_key_id": KEY,
        "aws_secret_access_key": SECRET,
        **more,
    }


def leaked(text: str | bytes) -> list[str]:
    found = text if isinstance(text, bytes) else text.encode()
    return [secret for secret in (KEY, SECRET, PASSWORD) if secret.encode() in found]


def kept(on: dg.DagsterInstance, home: Path) -> Iterator[tuple[str, str | bytes]]:
    """Give everything an instance keeps: what it answers about its runs, and the bytes of its files."""
    for run in on.get_runs():
        yield "run", serialize_value(run)
        yield "logs", "".join(serialize_value(entry) for entry in on.all_logs(run.run_id))
        # Kept compressed, so that the bytes of the file tell nothing
        yield "job", serialize_value(on.get_job_snapshot(run.job_snapshot_id))
        yield "plan", serialize_value(on.get_execution_plan_snapshot(run.execution_plan_snapshot_id))
    for path in home.rglob("*"):
        if path.is_file():
            yield str(path.relative_to(home)), path.read_bytes()


def recorded(market: own_market.OwnMarket, only: str, settings: Mapping[str, Any]) -> tuple[list[bool], dict]:
    """Run both jobs over one session; give whether they succeeded, and the secrets by the place they were found."""
    home = market.folder / "home"
    found = market.settings(dagster_home=home, **settings)
    with instance(found) as on:
        done = [
            execute(found, launch, on, show=False).is_done
            for launch in (Launch("reference"), Launch("daily", START, START + timedelta(days=1), only=(only,)))
        ]
        places = [(place, leaked(content)) for place, content in kept(on, home)]
        assert {place for place, _ in places} > {"run", "logs", "job", "plan"}
    return done, {place: secrets for place, secrets in places if secrets}


@pytest.fixture
def market(tmp_path):
    return own_market.write(tmp_path)


def test_what_the_ui_is_sent_holds_no_secret(market):
    settings = market.settings(
        lake_url="s3://bucket/lake",
        archive_url="s3://bucket/archive",
        state_url=UNREACHABLE,
        store_url=f"postgresql://orion:{PASSWORD}@host/db",
        aws_access_key_id=KEY,
        aws_secret_access_key=SECRET,
    )

    sent = serialize_value(RepositorySnap.from_def(build_definitions(settings).get_repository_def()))

    assert '"moment"' in sent
    assert leaked(sent) == []


def test_a_run_on_s3_leaves_no_secret_in_dagsters_home(market, s3_server):  # noqa: F811
    done, found = recorded(market, "BOLT", on_s3(s3_server))

    assert done == [True, True]
    assert found == {}


def test_a_run_that_fails_for_its_database_leaves_no_password_in_dagsters_home(market):
    done, found = recorded(market, "BOLT", {"state_url": UNREACHABLE})

    assert done[-1] is False
    assert found == {}


def test_a_run_may_be_limited_to_a_ticker_and_built_as_of_an_instant(market):
    settings = market.settings()
    launch = Launch("daily", START, START + timedelta(days=1), until="2014-06-16T20:30:00+00:00", only=("BOLT",))

    with dg.DagsterInstance.ephemeral() as on:
        outcome = execute(settings, launch, on, show=False)
        (run,) = on.get_runs()

    assert outcome.is_done, outcome.failure
    assert run.run_config["resources"] == {
        "moment": {"config": {"until": "2014-06-16T20:30:00+00:00"}},
        "universe": {"config": {"only": ["BOLT"]}},
    }
    bars = market.lake.read(RAW_DAILY_BARS)
    assert set(bars["ticker"]) == {"BOLT"}
    assert set(bars["session"]) == {date(2014, 6, 16)}
    assert set(FOLLOWED) > {"BOLT"}


def test_lake_and_archive_on_s3_take_their_keys_from_the_env_file(market, s3_server):  # noqa: F811
    where = on_s3(s3_server)
    bucket = where["lake_url"].split("/")[2]

    said = market.run(
        "backfill",
        "--to",
        "2014-06-17",
        ORION_LAKE_URL=where["lake_url"],
        ORION_ARCHIVE_URL=where["archive_url"],
        ORION_S3_ENDPOINT_URL=where["s3_endpoint_url"],
        AWS_ACCESS_KEY_ID=KEY,
        AWS_SECRET_ACCESS_KEY=SECRET,
    )

    assert said.code == 0, said.err
    assert leaked(said.out + said.err) == []
    listed = [each["Key"] for each in s3_server.client().list_objects_v2(Bucket=bucket)["Contents"]]
    assert {name.split("/")[0] for name in listed} == {"lake", "archive"}


@pytest.mark.parametrize(
    ("command", "lines"),
    [
        ("status", ("INFO", "console")),
        ("status", ("DEBUG", "console")),
        ("status", ("DEBUG", "json")),
        ("backfill", ("DEBUG", "console")),
        ("store rebuild", ("DEBUG", "console")),
    ],
)
def test_a_call_that_fails_for_its_database_says_which_without_the_password(market, command, lines):
    if command == "store rebuild":
        assert market.orion("backfill", "--to", "2014-06-17").code == 0

    level, form = lines
    said = market.run(*command.split(), ORION_STATE_URL=UNREACHABLE, ORION_LOG_LEVEL=level, ORION_LOG_FORMAT=form)

    assert (said.code, said.out) == (1, "")
    assert "127.0.0.1:1/none does not answer" in said.err
    assert leaked(said.err) == []
