"""The only module that reads the environment and `.env`. Every setting has a default; nothing is read at import."""

import os
import re
from collections.abc import Iterable
from datetime import date
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from urllib.request import url2pathname

from dotenv import dotenv_values
from pydantic import AliasChoices, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from orion_assets.errors import SettingsError
from orion_assets.markets import EQUITIES, MarketName, market_of

SourceName = Literal["none", "files", "synthetic", "polygon", "alpaca", "alphavantage", "yahoo"]
PlanName = Literal["free", "starter", "developer", "advanced"]
DatasetName = Literal["daily", "minute", "vix", "news", "actions"]
NO_SOURCE: Final = "none"
SYNTHETIC: Final = "synthetic"
# Sources that cost nothing to ask and say all they know of everybody; the others are vendors
SAY_ALL: Final = frozenset({"files", SYNTHETIC})
# Read by docker-compose.yml alone
_OF_CONTAINERS: Final = ("ORION_FILES_DIR",)
_PASSWORD: Final = re.compile(r"(://[^:/@]*):.*@")
_POSTGRES: Final = re.compile(r"[\w+]+://([^:/@]*(:[^@]*)?@)?(\[[^]@]*\]|[^]:/?@[]*)(:\d*)?(/[^?@]*)?(\?.*)?")
# Where runs are remembered, if it stands where a command is run
HOME: Final = Path(".dagster")
_KEY: Final = re.compile("[!-~]+")


def _home_here() -> Path | None:
    home = HOME.absolute()
    return home if home.is_dir() else None


class Settings(BaseSettings):
    """What a deployment decides. Names in the environment: ORION_ and the field in capitals, unless said otherwise."""

    model_config = SettingsConfigDict(
        env_prefix="ORION_", extra="ignore", populate_by_name=True, hide_input_in_errors=True
    )

    source: SourceName = SYNTHETIC
    files_mapping: Annotated[tuple[Path, ...], NoDecode] = ()
    files_root: Path | None = None
    tickers: Annotated[tuple[str, ...], NoDecode] = ()
    datasets: Annotated[tuple[DatasetName, ...], NoDecode] = ()
    markets: Annotated[tuple[MarketName, ...], NoDecode] = ()
    start: date = date(2024, 1, 2)
    lake_url: str = "./data/lake"
    features_url: str = "./data/features"
    report_folder: Path = Path("./data/quality")
    store_url: str = "duckdb:///data/store.duckdb"
    state_url: str = "sqlite:///data/state.db"
    archive_url: str = "./data/archive"
    polygon_api_key: SecretStr | None = Field(
        default=None, validation_alias=AliasChoices("POLYGON_API_KEY", "MASSIVE_API_KEY")
    )
    polygon_base_url: str = "https://api.massive.com"
    polygon_plan: PlanName = "free"
    audit_sessions: Annotated[int, Field(ge=0)] = 1
    polygon_s3_access_key: SecretStr | None = Field(default=None, alias="POLYGON_S3_ACCESS_KEY")
    polygon_s3_secret_key: SecretStr | None = Field(default=None, alias="POLYGON_S3_SECRET_KEY")
    polygon_s3_endpoint_url: str = "https://files.massive.com"
    flat_files_kept: Literal["whole", "rows"] = "whole"
    alpaca_api_key: SecretStr | None = Field(default=None, validation_alias="ALPACA_API_KEY")
    alpaca_secret_key: SecretStr | None = Field(default=None, validation_alias="ALPACA_SECRET_KEY")
    alpaca_base_url: str = "https://data.alpaca.markets"
    alpaca_plan: Literal["free", "plus"] = "free"
    alpaca_feed: Literal["sip", "iex", "delayed_sip", "otc", "boats", "overnight"] = "sip"
    alphavantage_api_key: SecretStr | None = Field(default=None, validation_alias="ALPHAVANTAGE_API_KEY")
    alphavantage_base_url: str = "https://alpha-vantage.p.rapidapi.com"
    alphavantage_full: bool = False
    max_in_flight: Annotated[int, Field(ge=1, le=64)] = 8
    calls_per_minute: Annotated[int, Field(ge=1)] | Literal["unlimited"] | None = None
    s3_endpoint_url: str = ""
    aws_access_key_id: SecretStr | None = Field(default=None, alias="AWS_ACCESS_KEY_ID")
    aws_secret_access_key: SecretStr | None = Field(default=None, alias="AWS_SECRET_ACCESS_KEY")
    aws_region: str = Field(default="us-east-1", alias="AWS_REGION")
    dagster_home: Path | None = Field(default_factory=_home_here, alias="DAGSTER_HOME")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["console", "json"] = "console"

    @field_validator("files_mapping", "tickers", "datasets", "markets", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("files_root", "dagster_home", mode="before")
    @classmethod
    def _blank_is_none(cls, value: object) -> object:
        return value or None

    @field_validator("lake_url", "features_url", "archive_url")
    @classmethod
    def _is_a_place(cls, value: str) -> str:
        if value.startswith("s3://"):
            return value
        if value.startswith("file:///"):
            return url2pathname(value.removeprefix("file://"))
        if "://" in value:
            raise ValueError("write a folder, file:///folder or s3://bucket/prefix")
        return _at_home(value)

    @field_validator("report_folder", "files_root")
    @classmethod
    def _is_at_home(cls, value: Path | None) -> Path | None:
        return value and value.expanduser()

    @field_validator("dagster_home")
    @classmethod
    def _is_absolute(cls, value: Path | None) -> Path | None:
        # Dagster reads it too, from the environment and from `.env`, and refuses any other
        if value is not None and not value.is_absolute():
            raise ValueError(
                "write a path from the root; where it is unset, .dagster of the folder is taken if there is one"
            )
        return value

    @field_validator("state_url", "store_url")
    @classmethod
    def _is_whole(cls, value: str) -> str:
        # Else the rest of the password would be taken, and shown, as host, port or name of the database
        if value.startswith("postgres") and not _POSTGRES.fullmatch(value):
            raise ValueError("write postgresql://user:password@host:port/name; percent-encode @ : / in the password")
        if re.search(r"[?&]password=", value):
            # Libraries hide the password of the user part alone
            raise ValueError("write the password as postgresql://user:password@host:port/name, not after the ?")
        scheme, mark, path = value.rpartition(":///")
        return f"{scheme}{mark}{_at_home(path)}"

    @field_validator(
        *("aws_access_key_id", "aws_secret_access_key", "polygon_api_key"),
        *("polygon_s3_access_key", "polygon_s3_secret_key"),
        *("alpaca_api_key", "alpaca_secret_key", "alphavantage_api_key"),
    )
    @classmethod
    def _is_one_word(cls, value: SecretStr | None) -> SecretStr | None:
        # What travels in a header; a blank, or a mark of width zero, came along from where it was copied
        if value and not _KEY.fullmatch(value.get_secret_value()):
            raise ValueError("holds white space, or a sign that is not printable ASCII; a key has none, paste it anew")
        return value

    @model_validator(mode="before")
    @classmethod
    def _source_where_unsaid(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Take the files that somebody mapped, else the vendor whose key he has, where he does not say which source."""
        if "source" in values:
            return values
        if values.get("files_mapping"):
            return {**values, "source": "files"}
        is_key_set = any(values.get(name) for name in ("POLYGON_API_KEY", "MASSIVE_API_KEY", "polygon_api_key"))
        return {**values, "source": "polygon"} if is_key_set else values

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        """Give what `repr` shows: every setting, without the passwords that URLs hold."""
        return [(name, _without_password(value)) for name, value in super().__repr_args__()]

    @property
    def equities(self) -> tuple[str, ...]:
        """Give the tickers of ORION_TICKERS that are equities."""
        return tuple(ticker for ticker in self.tickers if market_of(ticker) is EQUITIES)

    @property
    def loaded_markets(self) -> frozenset[str]:
        """Name the markets beside equities: those of ORION_MARKETS, and those of the tickers in ORION_TICKERS."""
        of_tickers = {market_of(ticker).name for ticker in self.tickers} - {EQUITIES.name}
        return frozenset(self.markets) | of_tickers

    def storage_options(self, url: str) -> dict[str, str]:
        """Give the object-store options for an `s3://` URL; empty for a folder."""
        if not url.startswith("s3://"):
            return {}
        options = {"AWS_REGION": self.aws_region}
        if self.aws_access_key_id and self.aws_secret_access_key:
            options["AWS_ACCESS_KEY_ID"] = self.aws_access_key_id.get_secret_value()
            options["AWS_SECRET_ACCESS_KEY"] = self.aws_secret_access_key.get_secret_value()
        if self.s3_endpoint_url:
            is_plain = self.s3_endpoint_url.startswith("http://")
            options |= {"AWS_ENDPOINT_URL": self.s3_endpoint_url, "AWS_ALLOW_HTTP": str(is_plain).lower()}
        return options


def _at_home(path: str) -> str:
    """Write out a leading `~`, which the shell does not see behind a quote, in `.env` or in a URL."""
    return str(Path(path).expanduser()) if path.startswith("~") else path


class _Fixed(Settings):
    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)


def fixed(**values: Any) -> Settings:  # noqa: ANN401 - whatever the fields take
    """Give settings that follow neither the environment nor `.env`: what is not said here has its default.

    Of these `dagster_home` alone goes by the working folder.
    """
    return _Fixed(**values)


def export_dagster_home(home: Path) -> None:
    """Put DAGSTER_HOME into the environment, where Dagster's own configuration looks for it, if only `.env` says it."""
    os.environ["DAGSTER_HOME"] = str(home)


def export_batches(size: int) -> None:
    """Let Dagster hand several events at once to a log that takes them, as it does by its own variable alone."""
    os.environ.setdefault("DAGSTER_EVENT_BATCH_SIZE", str(size))


def load(env_file: Path | None = None) -> Settings:
    """Read the settings: the environment first, then the file, then the defaults.

    Args:
        env_file: A file of NAME=value lines; `.env` of the working directory when None, which may be absent.

    Raises:
        SettingsError: The file is absent though named, or a value cannot be read.
    """
    if env_file is not None and not env_file.is_file():
        raise SettingsError(f"settings: {env_file} is not a file; name an existing one or leave it out")
    try:
        return Settings(_env_file=env_file or ".env")  # pyright: ignore[reportCallIssue]
    except ValidationError as e:
        lines = "; ".join(_fault(error) for error in e.errors())
        raise SettingsError(f"settings: {lines}. Correct it in the environment or .env") from e


def exported(settings: Settings, env_file: Path | None = None) -> dict[str, str]:
    """Give the environment in which a process reads these settings wherever it stands, told of no file.

    Args:
        settings: What was read here.
        env_file: Whence, as for `load`.

    Returns:
        The environment, what the file says where the environment says nothing, and every place as a whole path.
    """
    said = dict(dotenv_values(env_file or ".env")) | dict(os.environ)
    places = {
        "files_mapping": ",".join(str(path.absolute()) for path in settings.files_mapping),
        "files_root": settings.files_root.absolute() if settings.files_root else "",
        "report_folder": settings.report_folder.absolute(),
    }
    for name in ("lake_url", "features_url", "archive_url", "store_url", "state_url"):
        scheme, mark, path = getattr(settings, name).rpartition(":///")
        is_local = scheme.partition("+")[0] in {"", "sqlite", "duckdb"} and "://" not in path
        places[name] = f"{scheme}{mark}{Path(path).absolute() if is_local else path}"
    return {name: value for name, value in said.items() if value is not None} | {
        f"ORION_{name.upper()}": str(value) for name, value in places.items()
    }


def forget() -> None:
    """Take every setting out of this process's environment, so that a file alone is read from here on."""
    aliases = [field.validation_alias for field in Settings.model_fields.values()]
    given = {
        str(one) for each in aliases if each for one in (each.choices if isinstance(each, AliasChoices) else [each])
    }
    for name in list(os.environ):
        if name.upper().startswith("ORION_") or name.upper() in given:
            del os.environ[name]


def unread(env_file: Path | None = None) -> dict[str, str]:
    """Find names that look like settings and that nothing reads: mistyped ones are passed over in silence.

    Args:
        env_file: As for `load`.

    Returns:
        The nearest setting by the name found, empty where none is near.
    """
    known = [f"ORION_{name.upper()}" for name, field in Settings.model_fields.items() if not field.validation_alias]
    file = env_file or Path(".env")
    found = {*os.environ, *(dotenv_values(file) if file.is_file() else {})}
    # A field that has a vendor's name for it is read under its own too
    is_ours = {*(f"ORION_{name.upper()}" for name in Settings.model_fields), *_OF_CONTAINERS}
    strange = sorted(name for name in found if name.upper().startswith("ORION_") and name.upper() not in is_ours)
    return {name: next(iter(get_close_matches(name.upper(), known, n=1, cutoff=0.7)), "") for name in strange}


def _fault(error: ErrorDetails) -> str:
    place = str(error["loc"][0])
    variable = place if place.isupper() else f"ORION_{place.upper()}"
    found = str(error["input"])
    # Whatever landed there, a key or a URL with a password must not reach a log
    is_shown = "://" not in found and not variable.startswith("AWS_") and not variable.endswith("_KEY")
    return f"{variable} {f'is {found!r}' if is_shown else '(not shown)'}: {error['msg'].removeprefix('Value error, ')}"


def _without_password(value: object) -> object:
    return _PASSWORD.sub(r"\1:***@", value) if isinstance(value, str) else value
