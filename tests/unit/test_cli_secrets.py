"""The `odst secrets` commands, on a key file and against a tiny HTTP server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shared.runtime.vault import Vault
from tests.unit.prepared_gateway import Gateway, a_prepared_gateway

STATUS: dict[str, Any] = {
    "instance": {"instance_id": "I", "instance_id_grouped": "I", "name": "Bonn", "public_url": "http://x", "version": "0"},
    "queues": [],
    "dead_letters": 0,
    "free_bytes": 1,
}
DONE = {"state": "up", "secrets_outdated": 0}
BEHIND = {"state": "up", "secrets_outdated": 1}
AWAY = {"state": "SERVICE_UNAVAILABLE", "reason": "no answer"}


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    """A gateway made of prepared answers."""
    with a_prepared_gateway() as prepared:
        yield prepared


def test_a_key_is_rotated_and_dropped_when_it_is_not_needed(gateway: Gateway, tmp_path: Path) -> None:
    """While a service is behind, or away, the older one stays; no key is ever shown."""
    path = tmp_path / "secrets" / "vault.keys"
    old = Vault.load_or_create(path).newest
    where = ("--data", str(tmp_path), "--json")

    new = json.loads(gateway.run("secrets", "rotate", *where).stdout)["key_id"]
    listed = gateway.run("secrets", "keys", *where)
    content = path.read_bytes()
    refused = []
    for notify in (BEHIND, AWAY):
        gateway.answers["GET /api/v1/status"] = (200, STATUS | {"services": {"notify": notify}})
        refused.append(gateway.run("secrets", "drop", old, *where))
    assert path.read_bytes() == content
    gateway.answers["GET /api/v1/status"] = (200, STATUS | {"services": {"notify": DONE, "hashing": {"state": "up"}}})
    dropped = gateway.run("secrets", "drop", old, *where)

    assert json.loads(listed.stdout)["items"] == [{"key_id": new, "encrypts": True}, {"key_id": old, "encrypts": False}]
    assert [(result.exit_code, "notify" in result.output) for result in refused] == [(1, True), (1, True)]
    assert (dropped.exit_code, Vault(path).newest, len(path.read_text().splitlines())) == (0, new, 1)
    assert not [line for line in content.decode().split() if line in listed.output + dropped.output]


def test_a_file_that_is_not_there_is_named(gateway: Gateway, tmp_path: Path) -> None:
    """It is made by services, not by a command that was given the wrong folder."""
    result = gateway.run("secrets", "rotate", "--data", str(tmp_path))

    assert result.exit_code == 1
    assert "vault.keys" in result.output
    assert list(tmp_path.iterdir()) == []


def test_a_setting_that_cannot_be_used_is_named(gateway: Gateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As every other command does it: in a sentence, not as a stack."""
    monkeypatch.setenv("ODST_LOG_LEVEL", "LOUD")

    result = gateway.run("secrets", "keys", "--data", str(tmp_path))

    assert result.exit_code == 1
    assert "CONFIGURATION_INVALID" in result.output
    assert "ODST_LOG_LEVEL" in result.output
