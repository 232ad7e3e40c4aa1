"""The mesh by the `odst` command, on two real instances: who gets what, when, and how it is taken back."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from cli.main import main
from shared.testing.instance import Instance
from shared.testing.people import token_of
from shared.testing.waiting import wait_for

pytestmark = [pytest.mark.mesh, pytest.mark.slow]
STAGES = "test,production"


def _run(instance: Instance, *words: str, token: str | None = None) -> Result:
    environment = {"ODST_URL": instance.url, "ODST_TOKEN": token or instance.token, "ODST_TOKEN_FILE": None}
    return CliRunner(env=environment).invoke(main, words, catch_exceptions=False)


def _odst(instance: Instance, *words: str, token: str | None = None) -> str:
    result = _run(instance, *words, token=token)
    assert result.exit_code == 0, result.output
    return result.stdout


def _json(instance: Instance, *words: str, token: str | None = None) -> Any:
    return json.loads(_odst(instance, *words, "--json", token=token))


def _refused(instance: Instance, code: str, *words: str, token: str | None = None) -> bool:
    result = _run(instance, *words, token=token)
    assert result.exit_code == 1, result.output
    return code in result.stderr


def _wait_in_state(instance: Instance, package_id: str, state: str) -> None:
    def so() -> bool:
        result = _run(instance, "package", "show", package_id, "--json")
        return result.exit_code == 0 and json.loads(result.stdout)["state"] == state

    wait_for(so, f"{package_id} is {state} at {instance.name}")


def _seen_at(instance: Instance, package_id: str) -> dict[str, str]:
    """State of a package by the names of instances, as `instance` sees them."""
    found = _json(instance, "packages", "--matrix")
    names = {one["instance_id"]: one["name"] for one in found["instances"]}
    row = next(item for item in found["items"] if item["package_id"] == package_id)
    return {names[instance_id]: cell["state"] for instance_id, cell in row["at"].items()}


@pytest.fixture
def sites(make_instance: Callable[..., Instance], request: pytest.FixtureRequest) -> tuple[Instance, Instance]:
    """A, where stages may need a second person, and B, which bears production; B joined A and may see both stages."""
    a = make_instance("A", settings={"ODST_STAGES": STAGES, "ODST_APPROVAL_STAGES": getattr(request, "param", "")})
    b = make_instance("B", settings={"ODST_STAGES": STAGES, "ODST_STAGING_TAGS": "production"})
    for instance in (a, b):
        instance.start()
    for instance in (a, b):
        instance.wait_ready()
    _odst(b, "join", _odst(a, "invite", "--tags", STAGES).strip(), "--tags", "*")
    return a, b


def _upload(instance: Instance, folder: Path, name: str, data: bytes, *options: str) -> str:
    (folder / name).write_bytes(data)
    return str(_json(instance, "upload", str(folder / name), *options)["package_id"])


@pytest.mark.parametrize("sites", ["production"], indirect=True)
def test_a_package_reaches_production_when_a_second_person_agrees(sites: tuple[Instance, Instance], tmp_path: Path) -> None:
    """Before that the other site has no byte of it; the plan says what will move; no other way leads there."""
    a, b = sites
    data = b"tool" * 100_000
    package_id = _upload(a, tmp_path, "Tool.pkg", data, "--tags", "test")
    _wait_in_state(b, package_id, "withheld")

    assert _seen_at(a, package_id) == {"A": "there", "B": "not_entitled"}
    assert _json(a, "plan", "Tool.pkg")["items"] == []
    (move,) = _json(a, "plan", "Tool.pkg", "--to", "production")["items"]
    assert (move["package_id"], move["bytes"]) == (package_id, len(data))
    assert _refused(a, "APPROVAL_NEEDED", "package", "tag", "Tool.pkg", "test", "production")
    assert _refused(a, "STAGE_UNKNOWN", "promote", "Tool.pkg", "--to", "staging")

    promotion = _json(a, "promote", "Tool.pkg")
    assert (promotion["stage"], promotion["state"]) == ("production", "waits_for_approval")
    assert _refused(a, "SAME_PERSON", "approve", promotion["promotion_id"])
    again = _json(a, "token", "create", "grace", "--role", "administrator")["token"]
    assert _refused(a, "SAME_PERSON", "approve", promotion["promotion_id"], token=again)
    second = token_of(a, "grace", "promoter")
    assert "promoted Tool.pkg" in _odst(a, "approve", promotion["promotion_id"], token=second)

    b.published("Tool.pkg", hashlib.sha256(data).hexdigest())
    assert _json(a, "promotions")["items"][0]["state"] == "done"
    assert _seen_at(a, package_id) == {"A": "there", "B": "there"}
    entry = next(item for item in _json(a, "audit")["items"] if item["type"] == "package.retagged.v1")
    assert "grace" in entry["person"]


def test_versions_go_back_and_deletions_are_taken_back_at_both_sites(sites: tuple[Instance, Instance], tmp_path: Path) -> None:
    """Roll back, forward, delete, undelete at one; the other follows without another byte."""
    a, b = sites
    first = _upload(a, tmp_path, "Free.pkg", b"first" * 1000)
    b.published("Free.pkg", hashlib.sha256(b"first" * 1000).hexdigest())
    second = _upload(a, tmp_path, "Free.pkg", b"second" * 1000)
    b.published("Free.pkg", hashlib.sha256(b"second" * 1000).hexdigest())
    moved = len(_json(b, "transfers")["items"])

    assert _json(a, "package", "rollback", "Free.pkg")["package_id"] == first
    _wait_in_state(b, first, "published")
    assert [item["package_id"] for item in _json(b, "package", "history", "Free.pkg")["items"]] == [first, second]
    assert _refused(a, "NOTHING_BEFORE", "package", "rollback", "Free.pkg")
    _odst(a, "package", "raise", second)
    _wait_in_state(b, second, "published")

    assert second in _odst(a, "package", "delete", "Free.pkg")
    _wait_in_state(b, second, "deleted")
    _wait_in_state(b, first, "superseded")
    assert [item["package_id"] for item in _json(b, "packages", "--deleted")["items"]] == [second]
    _odst(a, "package", "undelete", second)
    _wait_in_state(b, second, "published")
    assert len(_json(b, "transfers")["items"]) == moved


def test_a_peer_deletes_only_when_it_is_made_a_steward(sites: tuple[Instance, Instance], tmp_path: Path) -> None:
    """Authority comes from the origin, can be given later, and what a peer may see can be narrowed."""
    a, b = sites
    package_id = _upload(a, tmp_path, "Ours.pkg", b"ours" * 1000)
    b.published("Ours.pkg")

    assert _refused(b, "NOT_STEWARD", "package", "delete", "Ours.pkg")
    assert _json(a, "peer", "steward", "B", "on")["steward"] is True

    def deleted() -> bool:
        return _run(b, "package", "delete", package_id).exit_code == 0

    wait_for(deleted, "B heard that it is a steward")
    _wait_in_state(a, package_id, "deleted")
    assert _json(a, "peer", "tags", "B", "--none")["tags"] == []
    assert _json(a, "peers")["items"][0]["protocol"] == 2
    assert {one["name"] for one in _json(a, "instances")["items"]} == {"A", "B"}
