"""Claims about what `odst` says of people, tokens and sessions: grants as people write them, and passwords that nobody sees."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shared.contracts.admin.people import GroupGrant, Me, NewToken, Person
from tests.unit.api_examples import example_of
from tests.unit.prepared_gateway import TOKEN, Gateway, a_prepared_gateway

API = "/api/v1"
PASSWORD = "quiet rivers carry stones"
GRANT = {"role": "uploader", "tags": ["test"], "instances": ["Hamburg"]}
ADA = example_of(Person, name="ada", display_name="", grants=[GRANT])
UPLOADER = {"role": "uploader", "tags": [], "instances": []}


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    """A gateway made of prepared answers."""
    with a_prepared_gateway() as prepared:
        yield prepared


@pytest.mark.parametrize(
    ("options", "grants"),
    [
        ([], None),
        (["--role", "uploader"], [UPLOADER]),
        (["--grant", "uploader:test@Hamburg"], [GRANT]),
        (
            ["--grant", "promoter:test, production", "--grant", "auditor@Lyon,Porto"],
            [
                {"role": "promoter", "tags": ["test", "production"], "instances": []},
                {"role": "auditor", "tags": [], "instances": ["Lyon", "Porto"]},
            ],
        ),
        (["--role", "uploader", "--grant", "viewer"], [UPLOADER, {"role": "viewer", "tags": [], "instances": []}]),
    ],
)
def test_grants_are_written_in_a_word(gateway: Gateway, options: list[str], grants: list[Any] | None) -> None:
    """Role, tags after a colon, instances after an at sign."""
    gateway.answers[f"POST {API}/people"] = (201, ADA)

    result = gateway.run("person", "create", "ada", *options, input=f"{PASSWORD}\n")

    (sent,) = gateway.bodies(f"POST {API}/people")
    assert result.exit_code == 0, result.output
    assert sent.get("grants") == grants
    assert (sent["name"], sent["password"]) == ("ada", PASSWORD)
    assert "uploader:test@Hamburg" in result.stdout
    assert PASSWORD not in result.output


def test_a_service_is_asked_for_no_password(gateway: Gateway) -> None:
    """It has none."""
    gateway.answers[f"POST {API}/people"] = (201, {**ADA, "source": "service"})

    gateway.run("person", "create", "ci", "--service", "--role", "uploader")

    assert gateway.bodies(f"POST {API}/people") == [{"name": "ci", "grants": [UPLOADER], "service": True}]


def test_a_change_says_what_is_to_change(gateway: Gateway) -> None:
    """And nothing else; nothing at all is a mistake."""
    gateway.answers[f"PATCH {API}/people/a%40b"] = (200, ADA)

    assert gateway.run("person", "change", "a@b", "--display-name", "Ada").exit_code == 0
    assert gateway.run("person", "change", "a@b").exit_code == 2
    assert gateway.bodies(f"PATCH {API}/people/a%40b") == [{"display_name": "Ada"}]


@pytest.mark.parametrize("word", ["create", "password"])
def test_no_password_is_an_argument(gateway: Gateway, word: str) -> None:
    """Everybody on the machine could read it."""
    assert gateway.run("person", word, "ada", "--password", PASSWORD).exit_code == 2
    assert gateway.run("person", word, "ada", PASSWORD).exit_code == 2


def test_passwords_are_read_line_by_line(gateway: Gateway) -> None:
    """Spaces at their ends are theirs."""
    gateway.answers[f"POST {API}/session/password"] = (204, b"")
    gateway.answers[f"POST {API}/people/ada/password"] = (200, ADA)

    assert gateway.run("password", input=f"{PASSWORD}\r\n a new one \n").exit_code == 0
    assert gateway.run("person", "password", "ada", input="another").exit_code == 0

    assert gateway.bodies(f"POST {API}/session/password") == [{"password": PASSWORD, "new_password": " a new one "}]
    assert gateway.bodies(f"POST {API}/people/ada/password") == [{"password": "another"}]


@pytest.fixture
def logging_in(gateway: Gateway) -> Gateway:
    """One that lets Ada in, for a token."""
    gateway.answers[f"POST {API}/session"] = (201, example_of(Me, person="ada", csrf_token="proof"))
    gateway.answers[f"POST {API}/tokens"] = (201, example_of(NewToken, token="odst_new"))
    gateway.answers[f"DELETE {API}/session"] = (204, b"")
    return gateway


def test_logging_in_gives_a_token_and_leaves_no_session(logging_in: Gateway) -> None:
    """The token that was there is not sent; each change bears the session's proof."""
    result = logging_in.run("login", "ada", "--valid-hours", "1", input=f"{PASSWORD}\n")

    assert result.stdout == "odst_new\n"
    assert [call for call, _, _ in logging_in.asked] == [f"POST {API}/session", f"POST {API}/tokens", f"DELETE {API}/session"]
    assert all(TOKEN not in str(headers) for _, headers, _ in logging_in.asked)
    assert [headers.get("X-Ods-Csrf") for _, headers, _ in logging_in.asked] == [None, "proof", "proof"]
    assert logging_in.bodies(f"POST {API}/tokens") == [{"name": "odst login", "valid_seconds": 3600}]


def test_a_token_can_be_written_to_a_file_that_only_its_owner_reads(logging_in: Gateway, tmp_path: Path) -> None:
    """Then it is not shown."""
    file = tmp_path / "token"

    result = logging_in.run("login", "ada", "--token-file", str(file), input=f"{PASSWORD}\n")

    assert file.read_text() == "odst_new\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "odst_new" not in result.output


def test_a_session_ends_also_if_there_is_no_token(logging_in: Gateway) -> None:
    """It says why there is none."""
    logging_in.answers[f"POST {API}/tokens"] = (403, {"code": "FORBIDDEN", "detail": "no"})

    result = logging_in.run("login", "ada", input=f"{PASSWORD}\n")

    assert (result.exit_code, "FORBIDDEN: no" in result.output) == (1, True)
    assert logging_in.asked[-1][0] == f"DELETE {API}/session"


def test_a_wrong_password_is_told_as_it_is(gateway: Gateway) -> None:
    """Without advice about tokens."""
    gateway.answers[f"POST {API}/session"] = (401, {"code": "UNAUTHENTICATED", "detail": "the name or the password is wrong"})

    result = gateway.run("login", "ada", input="a guess\n")

    assert result.exit_code == 1
    assert "the name or the password is wrong" in result.output
    assert "ODST_TOKEN" not in result.output


def test_a_token_is_made_as_it_is_wished(gateway: Gateway) -> None:
    """What is not said is not sent."""
    gateway.answers[f"POST {API}/tokens"] = (201, example_of(NewToken))

    gateway.run("token", "create", "ci", "--grant", "uploader:test@Hamburg", "--right", "upload", "--for", "ci", "--never-expires")
    gateway.run("token", "create", "mine", "--valid-days", "0.5")

    assert gateway.bodies(f"POST {API}/tokens") == [
        {"name": "ci", "grants": [GRANT], "rights": ["upload"], "person": "ci", "never_expires": True},
        {"name": "mine", "valid_seconds": 43200},
    ]


def test_who_one_is_says_what_one_may(gateway: Gateway) -> None:
    """With the tags within which."""
    me = example_of(Me, role="", expires=None, rights={"upload": ["test"], "view": None})
    gateway.answers[f"GET {API}/session"] = (200, me)

    assert "upload (test), view" in gateway.run("whoami").stdout


def test_a_group_is_granted_a_role(gateway: Gateway) -> None:
    """By its distinguished name, as it is."""
    gateway.answers[f"POST {API}/group-grants"] = (201, example_of(GroupGrant))

    gateway.run("group", "grant", "CN=Packagers, DC=org", "uploader", "--tag", "test", "--instance", "Hamburg")

    assert gateway.bodies(f"POST {API}/group-grants") == [{"group": "CN=Packagers, DC=org", **GRANT}]
