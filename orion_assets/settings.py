"""The only module that reads the environment and `.env`. Every setting has a default; nothing is read at import."""

from datetime import date
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from orion_assets.errors import SettingsError

NO_SOURCE: Final = "none"


class Settings(BaseSettings):
    """What a deployment decides. Names in the environment: ORION_ and the field in capitals, unless said otherwise."""

    model_config = SettingsConfigDict(env_prefix="ORION_", extra="ignore", populate_by_name=True)

    source: Literal["none", "files"] = NO_SOURCE
    files_mapping: Annotated[tuple[Path, ...], NoDecode] = ()
    files_root: Path | None = None
    tickers: Annotated[tuple[str, ...], NoDecode] = ()
    start: date = date(2024, 1, 2)
    lake_url: str = "./data/lake"
    store_url: str = "duckdb:///data/store.duckdb"
    state_url: str = "sqlite:///data/state.db"
    archive_url: str = "./data/archive"
    s3_endpoint_url: str = ""
    aws_access_key_id: SecretStr | None = Field(default=None, alias="AWS_ACCESS_KEY_ID")
    aws_secret_access_key: SecretStr | None = Field(default=None, alias="AWS_SECRET_ACCESS_KEY")
    aws_region: str = Field(default="us-east-1", alias="AWS_REGION")
    dagster_home: Path | None = Field(default=None, alias="DAGSTER_HOME")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["console", "json"] = "console"

    @field_validator("files_mapping", "tickers", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("files_root", mode="before")
    @classmethod
    def _blank_is_none(cls, value: object) -> object:
        return value or None

    def storage_options(self) -> dict[str, str]:
        """Give the object-store options for `s3://` URLs; empty for folders."""
        if not self.lake_url.startswith("s3://"):
            return {}
        options = {"AWS_REGION": self.aws_region}
        if self.aws_access_key_id and self.aws_secret_access_key:
            options["AWS_ACCESS_KEY_ID"] = self.aws_access_key_id.get_secret_value()
            options["AWS_SECRET_ACCESS_KEY"] = self.aws_secret_access_key.get_secret_value()
        if self.s3_endpoint_url:
            is_plain = self.s3_endpoint_url.startswith("http://")
            options |= {"AWS_ENDPOINT_URL": self.s3_endpoint_url, "AWS_ALLOW_HTTP": str(is_plain).lower()}
        return options


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
        lines = "; ".join(f"{_variable(error['loc'])} is {error['input']!r}: {error['msg']}" for error in e.errors())
        raise SettingsError(f"settings: {lines}. Correct it in the environment or .env") from e


def _variable(location: tuple[int | str, ...]) -> str:
    name = str(location[0])
    return name if name.isupper() else f"ORION_{name.upper()}"
