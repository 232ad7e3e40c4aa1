"""The `odst` command against real instances: an administrator's first afternoon."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from cli.main import main
from shared.testing.instance import Instance

LISTS = {
    "packages": "/packages",
    "packages --matrix": "/matrix",
    "package history Tool-1.0.pkg": "/names/Tool-1.0.pkg/history",
    "peers": "/peers",
    "transfers": "/transfers",
    "instances": "/instances",
    "token list": "/tokens",
}
"""Commands that print lists, and where the lists come from."""


def _in_order(items: list[dict[str, Any]]) -> list[list[tuple[str, Any]]]:
    """Fields in the order in which they came; but for ages, which go on."""
    return [[(key, value) for key, value in item.items() if key not in ("last_contact", "last_pull", "last_used")] for item in items]


def _odst(instance: Instance, *words: str) -> str:
    result = CliRunner().invoke(main, words, env={"ODST_URL": instance.url, "ODST_TOKEN": instance.token}, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def _json(instance: Instance, *words: str) -> Any:
    return json.loads(_odst(instance, *words, "--json"))


def test_an_afternoon_with_two_sites(make_instance: Callable[..., Instance], tmp_path: Path) -> None:
    """Invite, join, upload, look, and everything that is said is so; `--json` is what the instance said."""
    a, b = make_instance("A"), make_instance("B")
    for instance in (a, b):
        instance.start()
    for instance in (a, b):
        instance.wait_ready()
    data = bytes(range(256)) * 9000
    (tmp_path / "Tool-1.0.pkg").write_bytes(data)

    invitation = _odst(a, "invite").strip()
    assert _json(b, "join", invitation)["name"] == "A"
    assert _json(a, "peers")["items"][0]["name"] == "B"
    _odst(a, "upload", str(tmp_path / "Tool-1.0.pkg"))
    b.published("Tool-1.0.pkg", hashlib.sha256(data).hexdigest())
    shown = _json(b, "package", "show", "Tool-1.0.pkg")

    assert (shown["state"], shown["sha1"]) == ("published", hashlib.sha1(data, usedforsecurity=False).hexdigest())
    assert [package["name"] for package in _json(b, "packages")["items"]] == ["Tool-1.0.pkg"]
    assert _json(b, "transfers")["items"][0]["bytes_fetched"] == len(data)
    assert _json(b, "dead-letters", "list")["items"] == []
    assert all(service["state"] == "up" for service in _json(a, "status")["services"].values())
    assert "Tool-1.0.pkg" in _odst(b, "packages")
    token = _json(a, "token", "create", "ci", "--role", "uploader")
    assert {one["name"] for one in _json(a, "token", "list")["items"]} >= {"ci"}
    _odst(a, "token", "revoke", token["token_id"])
    for words, path in LISTS.items():
        assert _in_order(_json(b, *words.split())["items"]) == _in_order(b.api("GET", path).json()["items"]), words
    assert "ready" in _odst(a, "ready")
    assert "/api/v1/packages" in _json(a, "openapi")["paths"]
