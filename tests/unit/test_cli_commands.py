"""The `odst` command against a tiny HTTP server: what it asks, what it prints, how it fails."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from cli.main import main
from shared.contracts.admin.instance import ThisInstance
from shared.contracts.admin.mesh import Invitation, Peer
from shared.contracts.admin.packages import Package, Upload
from tests.unit.api_examples import example_of
from tests.unit.prepared_gateway import TOKEN, Gateway, a_prepared_gateway

UPLOADED = example_of(Upload, upload_id="u1", name="a b.pkg", size=3, state="received", package_id=None, error=None)


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    """A gateway made of prepared answers."""
    with a_prepared_gateway() as prepared:
        yield prepared


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A small file with a space in its name."""
    path = tmp_path / "a b.pkg"
    path.write_bytes(b"abc")
    return path


@pytest.mark.parametrize("arguments", [("--json", "peers"), ("peers", "--json")])
def test_json_is_accepted_before_and_after_the_command(gateway: Gateway, arguments: tuple[str, ...]) -> None:
    """Both places print the same JSON document."""
    document = {"items": [example_of(Peer, peer_id="P", name="berlin")]}
    gateway.answers["GET /api/v1/peers"] = (200, document)

    result = gateway.run(*arguments)

    assert json.loads(result.stdout) == document


def test_a_list_is_a_table_without_surprises(gateway: Gateway) -> None:
    """People read a table; square brackets in names are no markup."""
    gateway.answers["GET /api/v1/peers"] = (200, {"items": [example_of(Peer, peer_id="P", name="[bold]x", last_error=None)]})

    result = gateway.run("peers")

    assert result.exit_code == 0
    assert "[bold]x" in result.stdout
    assert "peer id" in result.stdout


def test_the_packages_of_all_pages_are_listed(gateway: Gateway) -> None:
    """The command follows `next` to the end."""
    gateway.answers["GET /api/v1/packages"] = (200, {"items": [example_of(Package, name="one")], "next": "k1"})
    gateway.answers["GET /api/v1/packages?after=k1"] = (200, {"items": [example_of(Package, name="two")], "next": None})

    result = gateway.run("packages", "--json")

    assert [item["name"] for item in json.loads(result.stdout)["items"]] == ["one", "two"]


def test_a_refusal_is_one_line_with_the_code(gateway: Gateway) -> None:
    """Problem details become `code: detail`, and exit code 1."""
    gateway.answers["POST /api/v1/invitations"] = (403, {"code": "FORBIDDEN", "detail": "this token may not administer"})

    result = gateway.run("invite")

    assert result.exit_code == 1
    assert "FORBIDDEN: this token may not administer" in result.stderr
    assert "Traceback" not in result.output


def test_a_missing_token_says_where_to_give_one(gateway: Gateway) -> None:
    """401 names the ways to give a token."""
    gateway.answers["GET /api/v1/peers"] = (401, {"code": "UNAUTHENTICATED", "detail": "no valid token"})

    assert "ODST_TOKEN_FILE" in gateway.run("peers").stderr


def test_an_instance_that_is_not_there_is_named() -> None:
    """A refused connection names the address and what to check."""
    result = CliRunner(env={"ODST_TOKEN": TOKEN}).invoke(main, ["--url", "http://127.0.0.1:9", "status"])

    assert result.exit_code == 1
    assert "http://127.0.0.1:9" in result.stderr
    assert "odst serve" in result.stderr


@pytest.mark.parametrize("url", ["localhost:8080", "http://", "nonsense"])
def test_a_malformed_address_is_no_traceback(url: str) -> None:
    """An address that is none is refused with an example."""
    result = CliRunner().invoke(main, ["--url", url, "status"])

    assert (result.exit_code, "URL_INVALID" in result.stderr) == (1, True)


def test_something_else_at_the_address_is_said(gateway: Gateway) -> None:
    """A web server that is no gateway is recognised."""
    gateway.answers["GET /api/v1/status"] = (200, b"<html>")

    assert "ANSWER_MALFORMED" in gateway.run("status").stderr


def test_the_token_is_sent_and_never_shown(gateway: Gateway) -> None:
    """The token goes into the Authorization header and nowhere else."""
    gateway.answers["GET /api/v1/peers"] = (500, b"broken")

    result = gateway.run("peers")

    assert gateway.asked[0][1]["Authorization"] == f"Bearer {TOKEN}"
    assert TOKEN not in result.output


def test_a_token_file_is_read(gateway: Gateway, tmp_path: Path) -> None:
    """`ODST_TOKEN_FILE` names a file that holds the token."""
    gateway.answers["GET /api/v1/peers"] = (200, {"items": []})
    file = tmp_path / "token"
    file.write_text("from-file\n")

    CliRunner(env={"ODST_URL": gateway.url, "ODST_TOKEN": None, "ODST_TOKEN_FILE": str(file)}).invoke(main, ["peers"])

    assert gateway.asked[0][1]["Authorization"] == "Bearer from-file"


@pytest.mark.parametrize("content", [b"", b"abc", b"x" * (1024 * 1024 + 1)])
def test_an_upload_sends_the_bytes_and_waits_until_it_is_published(gateway: Gateway, package: Path, content: bytes) -> None:
    """PUT with a length and no chunked encoding, then the upload is asked for until it has ended."""
    package.write_bytes(content)
    gateway.answers["PUT /api/v1/packages/a%20b.pkg"] = (202, UPLOADED)
    gateway.answers["GET /api/v1/uploads/u1"] = (200, {**UPLOADED, "state": "published", "package_id": "p1", "bytes_hashed": 3})

    result = gateway.run("upload", str(package), "--json")

    assert json.loads(result.stdout)["package_id"] == "p1"
    _, headers, body = gateway.asked[0]
    assert (body, headers["Content-Length"], headers.get("Transfer-Encoding")) == (content, str(len(content)), None)
    assert "Content-Digest" not in headers


def test_a_declared_digest_is_sent_when_asked_for(gateway: Gateway, package: Path) -> None:
    """`--digest` adds the SHA-256 of the bytes as RFC 9530 writes it."""
    gateway.answers["PUT /api/v1/packages/a%20b.pkg"] = (202, UPLOADED)

    gateway.run("upload", str(package), "--digest", "--no-wait")

    expected = base64.b64encode(hashlib.sha256(b"abc").digest()).decode()
    assert gateway.asked[0][1]["Content-Digest"] == f"sha-256=:{expected}:"


def test_a_rejected_upload_fails_the_command(gateway: Gateway, package: Path) -> None:
    """What the instance found wrong after the upload ends in exit code 1 with its code."""
    gateway.answers["PUT /api/v1/packages/a%20b.pkg"] = (202, UPLOADED)
    gateway.answers["GET /api/v1/uploads/u1"] = (
        200,
        {**UPLOADED, "state": "rejected", "bytes_hashed": 3, "error": {"code": "DIGEST_INVALID", "reason": "differs"}},
    )

    result = gateway.run("upload", str(package))

    assert result.exit_code == 1
    assert "DIGEST_INVALID: differs" in result.stderr


def test_a_hostile_name_is_refused_before_anything_is_sent(gateway: Gateway, package: Path) -> None:
    """The name is checked here too, so that no byte travels for nothing."""
    result = gateway.run("upload", str(package), "--name", "../../etc/passwd")

    assert "NAME_INVALID" in result.stderr
    assert gateway.asked == []


def test_an_invitation_can_be_piped_into_join(gateway: Gateway) -> None:
    """`join -` reads what `invite` printed alone on a line."""
    gateway.answers["POST /api/v1/invitations"] = (201, example_of(Invitation, invitation="odst1:x"))
    gateway.answers["POST /api/v1/peers"] = (201, example_of(Peer, peer_id="P"))

    invited = gateway.run("invite", "--valid-hours", "2")
    gateway.run("join", "-", input=invited.stdout)

    assert json.loads(gateway.asked[0][2]) == {"valid_seconds": 7200}
    assert json.loads(gateway.asked[1][2]) == {"invitation": "odst1:x"}


def test_dead_letters_are_listed_replayed_and_discarded(gateway: Gateway) -> None:
    """Without a subcommand they are listed; replay takes one or all; discard takes one."""
    gateway.answers["GET /api/v1/dead-letters?limit=50"] = (200, {"items": []})
    gateway.answers["POST /api/v1/dead-letters/replay"] = (200, {"replayed": 2})
    gateway.answers["DELETE /api/v1/dead-letters/7"] = (204, b"")

    outputs = [gateway.run(*command).stdout for command in (["dead-letters"], ["dead-letters", "replay"], ["dead-letters", "discard", "7"])]

    assert outputs == ["There are no dead letters.\n", "replayed 2\n", "discarded 7\n"]


def test_status_says_what_waits_where(gateway: Gateway) -> None:
    """Instance, services and queues appear."""
    gateway.answers["GET /api/v1/status"] = (
        200,
        {
            "instance": example_of(ThisInstance, name="berlin"),
            "services": {"storage": {"state": "up", "packages": 3}},
            "queues": [{"name": "q.storage", "ready": 4, "consumers": 1}],
            "dead_letters": 0,
            "free_bytes": 2048,
        },
    )

    shown = gateway.run("status").stdout

    assert all(text in shown for text in ("berlin", "storage", "packages 3", "q.storage", "2.0 KiB"))


def test_every_command_accepts_json() -> None:
    """`--json` is an option of each command, at every depth."""
    commands = [main]
    leaves = []
    for command in commands:
        children = getattr(command, "commands", None)
        (commands.extend(children.values()) if children else leaves.append(command))

    assert [leaf.name for leaf in leaves if not any("--json" in option.opts for option in leaf.params)] == []


@pytest.mark.parametrize("tag", ['"v1.a"', "v1.a"])
def test_a_change_can_be_made_under_a_condition(gateway: Gateway, tag: str) -> None:
    """`show --json` tells the tag; it goes back with its quotes, also if a shell took them. A table has none."""
    gateway.headers["ETag"] = '"v1.a"'
    gateway.answers["GET /api/v1/packages/x"] = (200, example_of(Package))
    gateway.answers["POST /api/v1/packages/x/tags"] = (412, {"code": "PRECONDITION_FAILED", "detail": "it was changed"})

    told = json.loads(gateway.run("package", "show", "x", "--json").stdout)
    table = gateway.run("package", "show", "x").stdout
    changed = gateway.run("package", "tag", "x", "test", "--if-match", tag)

    assert told["etag"] == '"v1.a"'
    assert "etag" not in table
    assert gateway.asked[-1][1]["If-Match"] == '"v1.a"'
    assert (changed.exit_code, "PRECONDITION_FAILED" in changed.stderr) == (1, True)
