import re
import traceback
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

import pytest
from pydantic import AliasChoices

from orion_assets import settings
from orion_assets.clock import FixedClock, SystemClock
from orion_assets.errors import SettingsError, SourceRejected, SourceUnavailable
from orion_assets.settings import Settings


@pytest.fixture(autouse=True)
def _clean(monkeypatch, tmp_path):
    """No name of the machine's own environment and no `.env` of the working directory."""
    import os

    for name in os.environ:
        if name.startswith(("ORION_", "AWS_")) or name == "DAGSTER_HOME":
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def test_every_setting_has_a_default():
    found = settings.load()

    assert found.source == "synthetic"
    assert found.tickers == ()
    assert found.files_mapping == ()
    assert found.start == date(2024, 1, 2)
    assert found.lake_url == "./data/lake"
    assert found.store_url == "duckdb:///data/store.duckdb"
    assert found.log_level == "INFO"
    assert found.dagster_home is None


def test_lists_are_split_at_commas_and_blanks_fall_out(monkeypatch):
    monkeypatch.setenv("ORION_TICKERS", " AAPL, BRK.B ,,KIMpL,")
    monkeypatch.setenv("ORION_FILES_MAPPING", "a.toml, sub/b.toml")
    monkeypatch.setenv("ORION_FILES_ROOT", "")

    found = settings.load()

    assert found.tickers == ("AAPL", "BRK.B", "KIMpL")
    assert found.files_mapping == (Path("a.toml"), Path("sub/b.toml"))
    assert found.files_root is None


def test_the_environment_comes_before_the_file_and_the_file_before_the_defaults(monkeypatch, tmp_path):
    file = tmp_path / "orion.env"
    file.write_text("ORION_TICKERS=AAPL\nORION_LOG_LEVEL=DEBUG\nUNRELATED=1\n")
    monkeypatch.setenv("ORION_TICKERS", "MSFT")

    found = settings.load(file)

    assert found.tickers == ("MSFT",)
    assert found.log_level == "DEBUG"


def test_the_env_file_of_the_working_directory_is_read(tmp_path):
    (tmp_path / ".env").write_text("ORION_START=2014-01-02\n")

    assert settings.load().start == date(2014, 1, 2)


def test_a_named_file_must_be_there():
    with pytest.raises(SettingsError, match=r"^settings: gone\.env is not a file; name an existing one or leave it"):
        settings.load(Path("gone.env"))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        (
            "ORION_SOURCE",
            "bloomberg",
            "settings: ORION_SOURCE is 'bloomberg': Input should be 'none', 'files', 'synthetic', 'polygon'",
        ),
        ("ORION_START", "soon", "settings: ORION_START is 'soon': Input should be a valid date"),
        ("ORION_LOG_LEVEL", "LOUD", "settings: ORION_LOG_LEVEL is 'LOUD': Input should be 'DEBUG', 'INFO'"),
        ("ORION_LOG_FORMAT", "xml", "settings: ORION_LOG_FORMAT is 'xml': Input should be 'console' or 'json'"),
    ],
)
def test_a_value_that_cannot_be_read_is_named_with_its_variable(monkeypatch, name, value, message):
    monkeypatch.setenv(name, value)

    with pytest.raises(SettingsError) as raised:
        settings.load()

    assert str(raised.value).startswith(message)
    assert str(raised.value).endswith(". Correct it in the environment or .env")


def test_all_wrong_values_are_named_at_once(monkeypatch):
    monkeypatch.setenv("ORION_SOURCE", "x")
    monkeypatch.setenv("ORION_START", "y")

    with pytest.raises(SettingsError, match=r"ORION_SOURCE is 'x': .*; ORION_START is 'y': "):
        settings.load()


def test_a_folder_needs_no_storage_options(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")

    assert settings.load().storage_options("./data/lake") == {}


def test_a_bucket_without_keys_leaves_them_to_the_machine(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")

    assert settings.load().storage_options("s3://bucket/lake") == {"AWS_REGION": "us-east-1"}


@pytest.mark.parametrize(("endpoint", "allows"), [("http://minio:9000", "true"), ("https://s3.test", "false")])
def test_a_bucket_elsewhere_gets_keys_region_and_endpoint(monkeypatch, endpoint, allows):
    monkeypatch.setenv("ORION_S3_ENDPOINT_URL", endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_REGION", "eu-central-1")

    assert settings.load().storage_options("s3://bucket/lake") == {
        "AWS_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ALLOW_HTTP": allows,
    }


def test_a_secret_is_not_shown(monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hush")

    assert "hush" not in repr(settings.load())


@pytest.mark.parametrize("name", ["ORION_STATE_URL", "ORION_STORE_URL"])
def test_a_password_in_a_url_is_not_shown(monkeypatch, name):
    monkeypatch.setenv(name, "postgresql://orion:hush@host/db")

    found = settings.load()

    assert "hush" not in repr(found) + str(found)
    assert "postgresql://orion:***@host/db" in repr(found)
    assert getattr(found, name.removeprefix("ORION_").lower()) == "postgresql://orion:hush@host/db"


@pytest.mark.parametrize("value", ["postgresql://orion:hush@host/db", "postgresql://orion:hu@hush/hush@host/db"])
def test_a_password_that_landed_in_another_setting_is_not_shown(monkeypatch, value):
    monkeypatch.setenv("ORION_START", value)

    with pytest.raises(SettingsError, match=r"ORION_START \(not shown\): ") as raised:
        settings.load()

    assert "hush" not in "".join(traceback.format_exception(raised.value))


@pytest.mark.parametrize("sign", ["\u200b", "\ufeff", "\u00e9", "\x7f", "\x01"])
def test_a_key_with_a_sign_that_no_header_carries_is_refused_and_not_shown(monkeypatch, sign):
    monkeypatch.setenv("POLYGON_API_KEY", f"hush{sign}")

    with pytest.raises(SettingsError, match=r"POLYGON_API_KEY \(not shown\): holds white space, or a sign") as raised:
        settings.load()

    assert "hush" not in "".join(traceback.format_exception(raised.value))


def test_a_secret_that_cannot_be_read_is_named_and_not_shown(monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hush hush")

    with pytest.raises(SettingsError, match=r"AWS_SECRET_ACCESS_KEY \(not shown\): holds white space") as raised:
        settings.load()

    assert "hush" not in "".join(traceback.format_exception(raised.value))


@pytest.mark.parametrize("name", ["ORION_STATE_URL", "ORION_STORE_URL"])
@pytest.mark.parametrize(
    "value",
    [
        "postgresql://orion:hush@hush@host/db",
        "postgresql://orion:hush@hush/hush@host/db",
        "postgresql://orion:hush@host:port/db",
        "postgresql://orion:hush/db",
    ],
)
def test_a_url_that_would_be_taken_apart_within_its_password_is_refused_without_it(monkeypatch, name, value):
    monkeypatch.setenv(name, value)

    with pytest.raises(SettingsError, match=rf"{name} \(not shown\): .*percent-encode") as raised:
        settings.load()

    assert "hush" not in "".join(traceback.format_exception(raised.value))


@pytest.mark.parametrize(
    "value",
    [
        "postgresql://orion:hu%40sh@host:5432/db?sslmode=require",
        "postgresql+psycopg2://orion:hu/sh?:@host",
        "postgresql://host/db",
        "postgresql://orion@[::1]:5432/db",
        "postgresql:///db?host=/run/postgres@here",
        "sqlite:////home/a@b/state.db",
    ],
)
def test_a_url_that_is_whole_is_taken_as_it_is(monkeypatch, value):
    monkeypatch.setenv("ORION_STATE_URL", value)

    assert settings.load().state_url == value


def test_the_machines_clock_speaks_utc():
    assert SystemClock().now().tzinfo is UTC


def test_a_fixed_clock_stands_still_in_utc():
    clock = FixedClock(datetime(2014, 6, 6, 9, 25, tzinfo=timezone(timedelta(hours=-4))))

    assert clock.now() == datetime(2014, 6, 6, 13, 25, tzinfo=UTC)
    assert clock.now().tzinfo is UTC


def test_a_fixed_clock_without_a_zone_is_refused():
    with pytest.raises(ValueError, match="clock: the instant needs a time zone, was 2014-06-06T13:25:00"):
        FixedClock(datetime(2014, 6, 6, 13, 25))  # noqa: DTZ001


def test_errors_carry_their_facts():
    assert SourceUnavailable("busy").retry_after_s == 60.0
    rejected = SourceRejected("bars.csv: row 3", file="bars.csv", row=3, column="close")
    assert (rejected.file, rejected.row, rejected.column) == ("bars.csv", 3, "close")


def test_who_maps_files_means_files(monkeypatch):
    monkeypatch.setenv("ORION_FILES_MAPPING", "mapping.toml")
    assert settings.load().source == "files"

    monkeypatch.setenv("ORION_SOURCE", "synthetic")
    assert settings.load().source == "synthetic"


PLACES = ("lake_url", "features_url", "archive_url")


@pytest.mark.parametrize("name", PLACES)
@pytest.mark.parametrize(
    ("value", "place"),
    [
        ("file:///srv/the%20lake", "/srv/the lake"),
        ("~/lake", "/home/ann/lake"),
        ("./data/lake", "./data/lake"),
        ("s3://bucket/lake", "s3://bucket/lake"),
    ],
)
def test_a_place_is_one_folder_however_it_is_written(monkeypatch, name, value, place):
    monkeypatch.setenv("HOME", "/home/ann")
    monkeypatch.setenv(f"ORION_{name.upper()}", value)

    assert getattr(settings.load(), name) == place


@pytest.mark.parametrize("value", ["file://host/lake", "gs://bucket/lake", "postgresql://orion:hush@host/db"])
def test_a_place_that_nothing_can_write_to_is_refused_without_its_password(monkeypatch, value):
    monkeypatch.setenv("ORION_LAKE_URL", value)

    with pytest.raises(SettingsError, match=r"LAKE_URL .*write a folder, file:///folder or s3://bucket/pre") as raised:
        settings.load()

    assert "hush" not in "".join(traceback.format_exception(raised.value))


def test_databases_and_folders_may_lie_at_home(monkeypatch):
    monkeypatch.setenv("HOME", "/home/ann")
    urls = {"ORION_STATE_URL": "sqlite:///~/state.db", "ORION_STORE_URL": "duckdb:///~/store.duckdb"}
    for name, value in (urls | {"ORION_REPORT_FOLDER": "~/report"}).items():
        monkeypatch.setenv(name, value)

    found = settings.load()

    assert found.state_url == "sqlite:////home/ann/state.db"
    assert found.store_url == "duckdb:////home/ann/store.duckdb"
    assert found.report_folder == Path("/home/ann/report")


def test_a_plain_path_of_a_store_may_lie_at_home(monkeypatch):
    monkeypatch.setenv("HOME", "/home/ann")
    monkeypatch.setenv("ORION_STORE_URL", "~/store.duckdb")

    assert settings.load().store_url == "/home/ann/store.duckdb"


def test_the_example_shows_every_setting():
    named = {
        one
        for name, field in Settings.model_fields.items()
        for alias in [field.validation_alias or f"ORION_{name.upper()}"]
        for one in (alias.choices[:1] if isinstance(alias, AliasChoices) else [alias])
    }
    shown = set(re.findall(r"^# ([A-Z0-9_]+)=", (Path(__file__).parents[2] / ".env.example").read_text(), re.MULTILINE))

    assert named <= shown


def test_runs_are_remembered_in_the_folder_where_there_is_a_place_for_them(tmp_path, monkeypatch):
    before = settings.load().dagster_home
    (tmp_path / ".dagster").mkdir()

    assert before is None
    assert settings.load().dagster_home == tmp_path / ".dagster"
    monkeypatch.setenv("DAGSTER_HOME", "")
    assert settings.load().dagster_home is None
    monkeypatch.setenv("DAGSTER_HOME", ".dagster")
    with pytest.raises(SettingsError, match=r"DAGSTER_HOME is '.dagster': write a path from the root"):
        settings.load()


def test_what_is_exported_is_read_alike_from_any_folder_and_whatever_lies_there(tmp_path, monkeypatch):
    (tmp_path / "mine.env").write_text(
        "ORION_FILES_MAPPING=one.toml,/two.toml\nORION_LAKE_URL=s3://bucket/lake\nORION_TICKERS=ACME\n"
    )
    monkeypatch.setenv("ORION_START", "2020-01-02")
    here = settings.load(tmp_path / "mine.env")

    told = settings.exported(here, tmp_path / "mine.env")

    (tmp_path / "home").mkdir()
    (tmp_path / "home" / ".env").write_text("ORION_TICKERS=ZZZZ\nORION_START=1999-01-04\n")
    monkeypatch.chdir(tmp_path / "home")
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    there = settings.load()
    changed = {name for name in Settings.model_fields if getattr(here, name) != getattr(there, name)}
    places = {"files_mapping", "features_url", "report_folder", "store_url", "state_url", "archive_url"}
    assert changed == places
    assert there.files_mapping == (tmp_path / "one.toml", Path("/two.toml"))
    assert there.state_url == f"sqlite:///{tmp_path}/data/state.db"
    assert there.store_url == f"duckdb:///{tmp_path}/data/store.duckdb"


def test_a_field_that_has_a_vendors_name_is_read_under_its_own_too_and_nobody_is_told_otherwise(tmp_path, monkeypatch):
    file = tmp_path / "orion.env"
    file.write_text("ORION_POLYGON_API_KEY=k\nORION_AWS_REGION=eu-west-1\nORION_TICKER=A\n")
    monkeypatch.chdir(tmp_path)

    found = settings.load(file)

    assert found.polygon_api_key.get_secret_value() == "k"
    assert settings.unread(file) == {"ORION_TICKER": "ORION_TICKERS"}
