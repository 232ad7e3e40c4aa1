"""Configuration: the environment (`ODST_…`), then an optional TOML file, then defaults; validated at start, all faults at once.

The file is named by `ODST_CONFIG` and holds the same keys in lower case without the prefix. Units are in the names.
"""

from __future__ import annotations

import datetime as dt
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    FilePath,
    PrivateAttr,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from shared.core.alarms import Patience
from shared.core.errors import InvalidInput
from shared.core.layout import Layout
from shared.runtime.bus.settings import BusSettings
from shared.runtime.settings_shown import as_text, described, is_secret, unknown_keys

PREFIX = "ODST_"
CONFIG_VARIABLE = "ODST_CONFIG"
_RESERVED = {CONFIG_VARIABLE, "ODST_URL", "ODST_TOKEN", "ODST_TOKEN_FILE", "ODST_CA_FILE"}
"""Variables with the prefix that are no settings of a server: the file's name, and what the `odst` command reads."""


def _split(value: Any) -> Any:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


COMMA_SEPARATED = BeforeValidator(_split)
"""For a setting with several values: the environment has them in one text, the file may have a list."""


TagText = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]


def known_stages(value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
    """For a setting that names stages: one that is not among `stages` is a typing error, and would guard or bear nothing."""
    stages = info.data.get("stages")
    unknown = [tag for tag in value if stages is not None and tag != "*" and tag not in stages]
    if unknown:
        raise ValueError(f"{', '.join(unknown)}: no stage of this organisation; its stages are {', '.join(stages or ()) or 'none'}")
    return value


class ConfigurationError(InvalidInput):
    """The configuration cannot be used; the message names every fault."""

    default_code = "CONFIGURATION_INVALID"


class Settings(BaseModel):
    """What every service needs. A service's own settings are a subclass in its `config.py`."""

    model_config = ConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True)
    _origins: dict[str, str] = PrivateAttr(default_factory=dict)

    amqp_uri: Annotated[str, StringConstraints(pattern=r"^amqps?://\S+$")]
    """Where RabbitMQ is, with user, password and virtual host. Set by `odst serve` if it starts a private broker."""
    data: Path = Path("data")
    """Folder of everything that this instance keeps."""
    database_url: str | None = None
    """SQLAlchemy URL in which `{service}` is replaced; if it is not set, a SQLite file for each service below `data`."""
    instance_name: Annotated[str, StringConstraints(min_length=1, max_length=60, pattern=r"^[\w .-]+$")] = "odst"
    """What people call this instance."""
    public_url: Annotated[str, StringConstraints(pattern=r"^https?://[^\s/?#]+/?$")] = "http://127.0.0.1:8080"
    """The address by which peers and clients reach this instance; without a path, because signatures cover the path as sent."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """The least important lines that are logged."""
    log_format: Literal["json", "console"] = "json"
    """How lines are logged: `json`, or `console` for people."""
    rpc_timeout_seconds: Annotated[float, Field(gt=0, le=300)] = 10
    """Longest wait for an answer of another service."""
    broker_timeout_seconds: Annotated[float, Field(gt=0, le=60)] = 10
    """Longest wait for the broker at each step of connecting and publishing."""
    retry_delays_seconds: Annotated[tuple[Annotated[float, Field(ge=0.1, le=86400)], ...], COMMA_SEPARATED] = (1, 5, 30, 120, 600)
    """Waits between tries of a message whose handler fails; after the last it is a dead letter."""
    sweep_seconds: Annotated[float, Field(ge=0.2, le=3600)] = 10
    """How often each owner of state looks for work that a lost message left behind."""
    stale_seconds: Annotated[float, Field(ge=0.2, le=3600)] = 20
    """How long work may wait for its message before a sweep rings again."""
    stages: Annotated[tuple[TagText, ...], COMMA_SEPARATED] = ("development", "test", "production")
    """Staging tags that this organisation knows, in the order of promotion; the doors refuse others."""
    staging_tags: Annotated[tuple[TagText | Literal["*"], ...], COMMA_SEPARATED] = ()
    """Staging tags that this instance bears: which tagged packages it wants. `*` bears all; packages without tags come anyway."""
    peer_protocols: Annotated[tuple[Annotated[int, Field(ge=1, le=2)], ...], COMMA_SEPARATED, Field(min_length=1)] = (1, 2)
    """Versions of the peer protocol that this instance speaks."""
    secrets_key_file: FilePath | None = None
    """Keys by which secrets in the databases are encrypted; if not set, `secrets/vault.keys` below `data`, made at the first start."""
    free_space_floor_mib: Annotated[int, Field(ge=0)] = 256
    """Space in MiB on the data disk that is never used."""
    alarm_settle_seconds: Annotated[float, Field(ge=0, le=86400)] = 120
    """How long what is the matter must be there before it is an alarm, and be gone before the alarm is over."""
    alarm_repeat_seconds: Annotated[float, Field(ge=1, le=30 * 86400)] = 86400
    """An alarm that lasts is told again after so long."""
    expiry_warning_days: Annotated[float, Field(ge=0, le=366)] = 14
    """A certificate or an API token that ends within so many days is an alarm; 0: never."""
    certificate_look_seconds: Annotated[float, Field(ge=1, le=86400)] = 3600
    """How often certificates are read that may be near their end."""

    _borne_are_stages = field_validator("staging_tags", mode="after")(known_stages)

    @field_validator("data", mode="after")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @field_validator("database_url", mode="after")
    @classmethod
    def _apart(cls, value: str | None) -> str | None:
        by_schema = value is None or (value.startswith("postgresql") and "options=" not in value)
        if not by_schema and "{service}" not in str(value):
            raise ValueError("services never share tables: {service} must be in it")
        return value

    @property
    def layout(self) -> Layout:
        """Paths below the data folder."""
        return Layout(self.data)

    @property
    def bus(self) -> BusSettings:
        """What the bus needs."""
        return BusSettings(self.amqp_uri, self.retry_delays_seconds, self.broker_timeout_seconds)

    @property
    def alarm_patience(self) -> Patience:
        """How long is waited before an alarm is told, and told again."""
        return Patience(dt.timedelta(seconds=self.alarm_settle_seconds), dt.timedelta(seconds=self.alarm_repeat_seconds))

    @property
    def expiry_warning(self) -> dt.timedelta:
        """How long before its end something is an alarm."""
        return dt.timedelta(days=self.expiry_warning_days)

    @property
    def vault_keys(self) -> Path:
        """Where the keys are by which secrets in the databases are encrypted."""
        return self.secrets_key_file or self.layout.vault_keys

    def database_url_for(self, service: str) -> str:
        """SQLAlchemy URL of one service's own database; in PostgreSQL, of its schema, unless the URL has options of its own."""
        if not self.database_url:
            return f"sqlite:///{self.layout.databases / service}.sqlite3"
        url = self.database_url.replace("{service}", service)
        if not url.startswith("postgresql") or "options=" in url:
            return url
        return f"{url}{'&' if '?' in url else '?'}options=-csearch_path%3D{service}"

    @classmethod
    def load(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """Read the environment and the file that it names.

        Raises:
            ConfigurationError: naming every fault, with the variable or key to change.
        """
        values, origins = read_sources(environment)
        try:
            settings = cls.model_validate(values)
        except ValidationError as error:
            raise ConfigurationError(_faults(error, origins)) from error
        settings._origins.update(origins)  # noqa: SLF001 - its own class
        return settings

    def in_effect(self) -> dict[str, Any]:
        """What this process goes by since it was started: `{items, unknown}`, as `described` and `unknown_keys` have them.

        Of secrets it is said whether they are set.
        """
        fields = type(self).model_fields
        items = [described(key, field, getattr(self, key), self._origins.get(key, "default")) for key, field in fields.items()]
        return {"items": items, "unknown": unknown_keys(self._origins, fields)}


def read_sources(environment: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, str]]:
    """All values that are set, by field name, and for each where it came from.

    Raises:
        ConfigurationError: if the file cannot be read.
    """
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    path = environment.get(CONFIG_VARIABLE)
    if path:
        try:
            document = tomllib.loads(Path(path).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ConfigurationError(f"the configuration file {path} cannot be read: {error}") from error
        for key, value in document.items():
            values[key], origins[key] = value, f"file {path}"
    for variable, value in environment.items():
        if variable.startswith(PREFIX) and variable not in _RESERVED:
            key = variable.removeprefix(PREFIX).lower()
            values[key], origins[key] = value, f"environment {variable}"
    return values, origins


def _faults(error: ValidationError, origins: Mapping[str, str]) -> str:
    lines = []
    for fault in error.errors(include_url=False):
        key = str(fault["loc"][0])
        where = origins.get(key, f"set {PREFIX}{key.upper()}")
        lines.append(f"  {key}: {fault['msg']} ({where})")
    return "the configuration has faults:\n" + "\n".join(lines)


def explain(models: Mapping[str, type[Settings]], environment: Mapping[str, str] = os.environ) -> list[dict[str, Any]]:
    """What is in force and where it came from: rows of key, value, origin, services. Passwords are replaced.

    Keys that no service knows are listed with origin and without services, so that a typing error shows.
    """
    values, origins = read_sources(environment)
    rows: dict[str, dict[str, Any]] = {}
    for service, model in models.items():
        for key, field in model.model_fields.items():
            default = None if field.is_required() else field.get_default(call_default_factory=True)
            value = _shown(values.get(key, default), field.annotation)
            row = rows.setdefault(key, {"key": key, "value": value, "origin": origins.get(key, "default"), "services": []})
            row["services"].append(service)
    for key in sorted(set(origins) - set(rows)):
        rows[key] = {"key": key, "value": "", "origin": origins[key] + " (unknown key)", "services": []}
    return [rows[key] for key in sorted(rows)]


def _shown(value: Any, kind: Any) -> str:
    return "***" if is_secret(kind) and value else str(as_text(value))
