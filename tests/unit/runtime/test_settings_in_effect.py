"""Claims about settings as a running service tells them: what it was started with, what it means, and no secret."""

from __future__ import annotations

import importlib
import os
from pathlib import Path

import pytest

from services.directory.config import DirectorySettings
from services.storage.config import StorageSettings
from shared.runtime.settings import Settings

URI = {"ODST_AMQP_URI": "amqp://odst:hunter2@broker:5672/odst"}
CLASSES = {
    service: getattr(importlib.import_module(f"services.{service}.config"), f"{name}Settings")
    for service, name in {
        "api_gateway": "ApiGateway",
        "directory": "Directory",
        "hashing": "Hashing",
        "notify": "Notify",
        "replication": "Replication",
        "storage": "Storage",
    }.items()
}


def in_effect(settings: Settings) -> dict[str, dict[str, object]]:
    """By key."""
    return {item["key"]: item for item in settings.in_effect()["items"]}


def test_a_service_tells_value_default_origin_and_unit(tmp_path: Path) -> None:
    """From the environment, from the file, by default; as it would be written in the environment."""
    file = tmp_path / "odst.toml"
    file.write_text("stages = ['test', 'live']\nsweep_seconds = 2.5", encoding="utf-8")

    found = in_effect(StorageSettings.load(URI | {"ODST_CONFIG": str(file), "ODST_SUPERSEDED_KEPT": "7"}))

    assert (found["superseded_kept"]["value"], found["superseded_kept"]["default"]) == ("7", "3")
    assert found["superseded_kept"]["origin"] == "environment ODST_SUPERSEDED_KEPT"
    assert (found["stages"]["value"], found["stages"]["origin"]) == ("test,live", f"file {file}")
    assert (found["sweep_seconds"]["value"], found["sweep_seconds"]["unit"]) == ("2.5", "s")
    assert (found["trash_seconds"]["value"], found["trash_seconds"]["origin"]) == ("2592000", "default")
    assert (found["database_url"]["value"], found["log_level"]["meaning"]) == (None, "The least important lines that are logged.")


def test_a_running_service_tells_what_it_was_started_with(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not what a start would read by now."""
    monkeypatch.setenv("ODST_AMQP_URI", URI["ODST_AMQP_URI"])
    monkeypatch.setenv("ODST_SUPERSEDED_KEPT", "7")
    started = StorageSettings.load(os.environ)
    monkeypatch.setenv("ODST_SUPERSEDED_KEPT", "9")

    assert in_effect(started)["superseded_kept"]["value"] == "7"


def test_no_secret_is_told() -> None:
    """Whether it is set, and no more; passwords in addresses are replaced."""
    secret = {"ODST_LDAP_BIND_PASSWORD": "hunter2", "ODST_DATABASE_URL": "postgresql://odst:hunter2@db/{service}?password=hunter2"}

    told = DirectorySettings.load(URI | secret).in_effect()

    found = {item["key"]: item for item in told["items"]}
    assert "hunter2" not in str(told)
    assert (found["ldap_bind_password"]["value"], found["ldap_bind_password"]["secret"]) == ("set", True)
    assert found["amqp_uri"]["value"] == "amqp://odst:***@broker:5672/odst"
    assert in_effect(DirectorySettings.load(URI))["ldap_bind_password"]["value"] == "not set"


def test_a_key_that_is_not_ones_own_is_named() -> None:
    """Whether it is another service's or a typing error, the gateway finds out."""
    assert StorageSettings.load(URI | {"ODST_SWEP_SECONDS": "1"}).in_effect()["unknown"] == ["swep_seconds"]


@pytest.mark.parametrize("service", CLASSES)
def test_every_setting_says_what_it_means(service: str) -> None:
    """By its docstring, in one line or some."""
    silent = [key for key, field in CLASSES[service].model_fields.items() if not field.description]

    assert silent == []
