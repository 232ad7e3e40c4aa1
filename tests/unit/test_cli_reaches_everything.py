"""The API, its client and the command line hold each other: what one can do, all can."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from cli.main import main
from odst_client import Client
from tests.unit.api_examples import DescribedApi, an_app
from tests.unit.prepared_gateway import Gateway

CONTENT = b"abc"
EVERYTHING = [
    ["upload", "{file}", "--tag", "test", "--tags", "production"],
    ["upload", "{file}", "--resumable"],
    ["uploads"],
    ["uploads", "list"],
    ["uploads", "show", "u1"],
    ["uploads", "cancel", "u1"],
    ["uploads", "show", "u1", "--wait"],
    ["packages"],
    ["packages", "--matrix"],
    *[["package", word, "x"] for word in ("show", "delete", "undelete", "history", "rollback", "raise")],
    ["package", "tag", "x", "test"],
    ["promote", "x"],
    ["promotions"],
    ["promotion", "show", "r1"],
    ["approve", "r1"],
    ["reject", "r1"],
    ["invite"],
    ["join", "odst1:x"],
    ["peers"],
    *[["peer", word, "x"] for word in ("show", "revoke")],
    ["peer", "tags", "x", "test"],
    ["peer", "steward", "x", "on"],
    ["pull"],
    ["plan"],
    ["instances"],
    ["key", "rotate", "--yes"],
    ["audit"],
    ["audit", "export"],
    ["audit", "verify"],
    ["audit", "acknowledge-restore", "--yes"],
    ["transfers"],
    *[["transfers", word, "t"] for word in ("show", "pause", "resume", "cancel")],
    ["transfers", "priority", "t", "high"],
    ["status"],
    ["completion", "zsh"],
    ["settings"],
    ["alarms"],
    ["roles"],
    ["ready"],
    ["openapi"],
    ["dead-letters"],
    ["dead-letters", "list"],
    ["dead-letters", "replay"],
    ["dead-letters", "discard", "7"],
    ["events"],
    ["events", "types"],
    ["events", "types", "package.published.v1"],
    ["subscribe", "http://x", "--events", "*"],
    ["subscriptions"],
    ["subscriptions", "list"],
    *[["subscriptions", word, "s"] for word in ("show", "pause", "resume", "take-over", "rotate-secret", "test")],
    ["subscriptions", "change", "s", "--url", "http://y"],
    ["subscriptions", "change", "s", "--teams", "-"],
    ["subscribe", "--email", "ada@example.org", "--pace", "daily", "--events", "*"],
    ["subscribe", "--slack", "-", "--events", "*"],
    ["unsubscribe", "s"],
    ["templates", "show", "slack"],
    ["templates", "set", "slack", "-"],
    ["templates", "reset", "slack"],
    ["templates", "preview", "slack", "package.published.v1"],
    *[["jamf", word, "s"] for word in ("test", "register-distribution-point", "drift")],
    ["jamf", "repair", "s", "App.pkg"],
    ["jamf", "change", "s", "--setting", "dry_run=false"],
    ["jamf", "subscribe", "https://x", "--client-id", "c", "--secret-file", "-"],
    ["deliveries"],
    ["deliveries", "list"],
    ["subscriptions", "replay", "s", "--since", "2026-11-24T22:00:00Z"],
    ["deliveries", "show", "d"],
    ["deliveries", "replay", "d"],
    ["token", "create", "ci", "--role", "viewer"],
    ["token", "list"],
    ["token", "revoke", "t"],
    *[["person", word, "ada"] for word in ("show", "disable", "enable", "delete", "password")],
    ["person", "create", "ada", "--role", "viewer"],
    ["person", "change", "ada", "--role", "viewer"],
    ["person", "list"],
    ["group", "grant", "cn=x", "viewer"],
    ["group", "list"],
    ["group", "revoke", "g"],
    ["ldap", "test"],
    ["oidc", "test"],
    ["login", "ada"],
    ["login", "--no-browser"],
    ["whoami"],
    ["password"],
    ["session", "list"],
    ["session", "end", "s"],
]
"""Every command that asks an instance."""
TYPED = {"login --no-browser": "http://127.0.0.1:1/?state=x&code=x\n"}
"""What is typed, where it is not two lines of anything."""
LOCAL = {"serve", "demo", "doctor", "config", "version", "conformance", "secrets keys", "secrets rotate", "secrets drop"}
"""Commands that ask nothing of the Admin API; or, as `doctor`, take what the examples say for an ill instance."""
NO_COMMAND = {
    "POST /api/v1/packages": "a form is for browsers; `odst upload` sends the bytes as they are",
    "GET /api/v1/docs": "a page for people",
    "GET /api/v1/session/oidc": "for browsers; `odst login --browser` is for programs",
    "GET /api/v1/session/oidc/callback": "for browsers that come from the provider",
    "POST /api/v1/uploads/{upload_id}": "for senders of tus that know no other method",
    "GET /healthz": "for whatever restarts processes; `odst ready` says more",
}


@pytest.fixture
def described(tmp_path: Path) -> DescribedApi:
    """The API of the real gateway."""
    return DescribedApi(an_app(tmp_path))


@pytest.fixture
def gateway(described: DescribedApi) -> Iterator[Gateway]:
    """A gateway that answers everything as it is described."""
    with described.gateway(len(CONTENT)) as answering:
        yield answering


def _leaves(command: click.Command, words: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    if not isinstance(command, click.Group):
        yield words
        return
    for name, child in command.commands.items():
        yield from _leaves(child, (*words, name))


def test_every_command_is_tried_here() -> None:
    """A new command must be listed above, or be one that asks nothing."""
    tried = {tuple(words[:length]) for words in EVERYTHING for length in (1, 2)}

    assert {leaf for leaf in _leaves(main) if leaf not in tried} == {tuple(name.split()) for name in LOCAL}


def test_every_operation_is_reached_by_a_command_through_its_method(
    gateway: Gateway, described: DescribedApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each command works on what is described; together they ask for every operation, and none goes round the typed client."""
    by_hand: list[tuple[Any, ...]] = []
    monkeypatch.setattr(Client, "_json", lambda _self, *asked, **_more: by_hand.append(asked))
    (tmp_path / "x.pkg").write_bytes(CONTENT)

    told = {
        " ".join(words): gateway.run(
            *[word.format(file=tmp_path / "x.pkg") for word in words], input=TYPED.get(" ".join(words), "one\ntwo\n")
        )
        for words in EVERYTHING
    }

    reached = {described.operation_at(*call.split()) for call, _, _ in gateway.asked}
    assert {words: result.output for words, result in told.items() if result.exit_code} == {}
    assert set(described.operations) - reached == set(NO_COMMAND)
    assert by_hand == []
    assert gateway.asked[0][1]["Ods-Tags"] == "test, production"
