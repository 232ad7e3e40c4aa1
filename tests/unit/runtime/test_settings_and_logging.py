"""Claims about configuration and logs: faults are named at once, secrets never shown."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from services.replication.config import ReplicationSettings
from services.storage.config import StorageSettings
from shared.runtime import logging as runtime_logging
from shared.runtime.database import Database
from shared.runtime.logging import bind_correlation_id, bound, correlation_id, get_logger, redact
from shared.runtime.settings import ConfigurationError, explain

URI = {"ODST_AMQP_URI": "amqp://odst:hunter2@broker:5672/odst"}


def a_file(folder: Path, text: str) -> dict[str, str]:
    """An environment that names a configuration file."""
    path = folder / "odst.toml"
    path.write_text(text, encoding="utf-8")
    return URI | {"ODST_CONFIG": str(path)}


def test_the_environment_goes_before_the_file_before_defaults(tmp_path: Path) -> None:
    """The same keys in all three."""
    environment = a_file(tmp_path, 'sweep_seconds = 3\nstale_seconds = 4\nretry_delays_seconds = [1, 2]\ninstance_name = "Bremen"')

    settings = StorageSettings.load(environment | {"ODST_SWEEP_SECONDS": "7"})

    assert (settings.sweep_seconds, settings.stale_seconds, settings.free_space_floor_mib) == (7, 4, 256)
    assert settings.retry_delays_seconds == (1, 2)
    assert settings.instance_name == "Bremen"


@pytest.mark.parametrize("variable", ["ODST_APPROVAL_STAGES", "ODST_STAGING_TAGS"])
def test_a_stage_that_does_not_exist_is_a_typing_error(variable: str) -> None:
    """It would guard nothing, or bear nothing; `*` bears all."""
    with pytest.raises(ConfigurationError) as caught:
        StorageSettings.load(URI | {variable: "prodution"})

    assert variable in str(caught.value)
    assert "prodution" in str(caught.value)
    assert "production" in str(caught.value)
    assert StorageSettings.load(URI | {"ODST_STAGING_TAGS": "*"}).staging_tags == ("*",)


def test_lists_are_written_with_commas_in_the_environment() -> None:
    """As there is no other way."""
    assert StorageSettings.load(URI | {"ODST_RETRY_DELAYS_SECONDS": "0.5, 2"}).retry_delays_seconds == (0.5, 2)


def test_all_faults_are_named_at_once(tmp_path: Path) -> None:
    """With key, reason and where to change it, so that one start is enough to mend them."""
    environment = a_file(tmp_path, "stale_seconds = 0") | {
        "ODST_LOG_LEVEL": "LOUD",
        "ODST_LEASE_SECONDS": "soon",
        "ODST_PUBLIC_URL": "ftp://x",
    }
    del environment["ODST_AMQP_URI"]

    with pytest.raises(ConfigurationError) as caught:
        ReplicationSettings.load(environment)

    message = str(caught.value)
    for fault in ("amqp_uri", "ODST_AMQP_URI", "stale_seconds", "odst.toml", "ODST_LOG_LEVEL", "ODST_LEASE_SECONDS", "ODST_PUBLIC_URL"):
        assert fault in message


@pytest.mark.parametrize("text", ["sweep_seconds = ", "[", "\x00"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, text: str) -> None:
    """And so is one that is not there."""
    environment = a_file(tmp_path, text)
    with pytest.raises(ConfigurationError, match=r"odst\.toml"):
        StorageSettings.load(environment)
    with pytest.raises(ConfigurationError, match=r"missing\.toml"):
        StorageSettings.load(URI | {"ODST_CONFIG": str(tmp_path / "missing.toml")})


def test_what_is_in_force_is_explained_without_secrets(tmp_path: Path) -> None:
    """Each key with its value, its origin and who reads it; keys that nobody knows show as typing errors."""
    environment = a_file(tmp_path, "sweep_seconds = 3\nswep_seconds = 4") | {"ODST_DATABASE_URL": "postgresql://odst:hunter2@db/{service}"}

    rows = {row["key"]: row for row in explain({"storage": StorageSettings, "replication": ReplicationSettings}, environment)}

    assert rows["sweep_seconds"] == {
        "key": "sweep_seconds",
        "value": "3",
        "origin": f"file {tmp_path / 'odst.toml'}",
        "services": ["storage", "replication"],
    }
    assert rows["lease_seconds"]["services"] == ["replication"]
    assert rows["stale_seconds"]["origin"] == "default"
    assert "unknown key" in rows["swep_seconds"]["origin"]
    assert "hunter2" not in str(rows)


def test_each_service_has_its_own_database() -> None:
    """A file each, or what the URL makes of the service's name."""
    one = StorageSettings.load(URI | {"ODST_DATA": "/srv/odst"})
    other = StorageSettings.load(URI | {"ODST_DATABASE_URL": "postgresql://db/odst?options=-csearch_path%3D{service}"})

    assert one.database_url_for("storage") == "sqlite:////srv/odst/databases/storage.sqlite3"
    assert other.database_url_for("notify").endswith("%3Dnotify")


@pytest.mark.parametrize("url", ["postgresql://db/odst", "postgresql+psycopg://db/odst?sslmode=verify-full"])
def test_in_one_postgresql_each_service_has_its_own_schema(url: str) -> None:
    """Without a word from the operator."""
    settings = StorageSettings.load(URI | {"ODST_DATABASE_URL": url})

    assert [Database(settings.database_url_for(service)).schema for service in ("storage", "notify")] == ["storage", "notify"]


@pytest.mark.parametrize("url", ["sqlite:////srv/odst.sqlite3", "postgresql://db/odst?options=-cstatement_timeout%3D5000"])
def test_a_database_that_services_would_share_is_refused(url: str) -> None:
    """Their tables would have the same names."""
    with pytest.raises(ConfigurationError, match=r"\{service\}"):
        StorageSettings.load(URI | {"ODST_DATABASE_URL": url})


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("amqp://odst:hunter2@broker/odst", "amqp://odst:***@broker/odst"),
        ("amqp://:hunter2@broker", "amqp://:***@broker"),
        ("cannot reach amqps://a:b@c/ and amqp://d:e@f/", "cannot reach amqps://a:***@c/ and amqp://d:***@f/"),
        ("amqp://odst:hun@ter@2@broker/odst", "amqp://odst:***@broker/odst"),
        ("amqp://odst:hun/ter@2@broker/odst", "amqp://odst:***@broker/odst"),
        ("ldap://a:p@ss@b,ldap://c:d@e", "ldap://a:***@b,ldap://c:***@e"),
        ("http://peer.example/a:b@c", "http://peer.example/a:b@c"),
        ("nothing", "nothing"),
    ],
)
def test_passwords_in_addresses_are_replaced(text: str, shown: str) -> None:
    """And nothing else is."""
    assert redact(text) == shown


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """Where the logs of this process go, as JSON lines; put back afterwards."""
    stream, root = io.StringIO(), logging.getLogger()
    handlers, level, before = root.handlers[:], root.level, structlog.get_config()
    monkeypatch.setattr(runtime_logging.sys, "stderr", stream)
    runtime_logging.configure("test", "INFO", "json")
    yield stream
    root.handlers[:], root.level = handlers, level
    structlog.configure(**before)
    structlog.contextvars.clear_contextvars()


def test_secrets_never_reach_the_log(lines: io.StringIO) -> None:
    """By the name of the field, and by the form of the value, errors and stacks included."""
    log = get_logger("test.secrets")
    try:
        raise OSError("amqp://odst:hunter2@broker refused")  # noqa: TRY301 - for its stack
    except OSError as error:
        log.exception(
            "something_happened",
            token="hunter2",
            webhook_secret="hunter2",
            Authorization="Bearer hunter2",
            invitation="odst1:hunter2",
            amqp_uri="hunter2",
            password="hunter2",
            error=str(error),
            name="shown",
        )

    assert "hunter2" not in lines.getvalue()
    assert json.loads(lines.getvalue())["name"] == "shown"


def test_lines_of_libraries_are_redacted_too(lines: io.StringIO) -> None:
    """They use Python's own logging."""
    logging.getLogger("some.library").warning("lost %s", "amqp://odst:hunter2@broker")

    (line,) = lines.getvalue().splitlines()
    assert json.loads(line)["event"] == "lost amqp://odst:***@broker"


def test_an_event_is_a_line_with_fields(lines: io.StringIO) -> None:
    """Name, time, level, logger, process, correlation id."""
    with bound(correlation_id="of-the-request", transfer_id="t1"):
        get_logger("test.fields").info("chunk_rejected", index=7)

    line = json.loads(lines.getvalue())
    assert {key: line[key] for key in ("event", "level", "process", "correlation_id", "transfer_id", "index")} == {
        "event": "chunk_rejected",
        "level": "info",
        "process": "test",
        "correlation_id": "of-the-request",
        "transfer_id": "t1",
        "index": 7,
    }
    assert line["timestamp"].endswith("Z")


@pytest.mark.parametrize("hostile", [None, "", "short", "x" * 65, "line\nbreak", 'a"quote-in-it', "späße-und-mehr"])
def test_a_correlation_id_from_outside_is_a_plain_token_or_a_new_one(hostile: str | None) -> None:
    """Nobody writes into our logs."""
    with structlog.contextvars.bound_contextvars():
        given = bind_correlation_id(hostile)

        assert given != hostile
        assert len(given) == 32
        assert correlation_id() == given
    structlog.contextvars.clear_contextvars()


def test_a_proper_correlation_id_is_kept() -> None:
    """So that a package can be followed from site to site."""
    assert bind_correlation_id("5a4b3c2d-1e0f") == correlation_id() == "5a4b3c2d-1e0f"
    structlog.contextvars.clear_contextvars()
