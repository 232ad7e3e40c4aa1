"""Claims about the `odst` command as scripts and newcomers meet it: pages, one name for one option, errors of this machine, help."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from cli import output
from cli.main import main
from shared.contracts.admin.instance import Status
from shared.contracts.admin.mesh import Invitation, Peer, Plan, Transfer
from shared.contracts.admin.packages import Promotion, Upload
from shared.contracts.admin.subscriptions import Delivery, Subscription
from tests.unit.api_examples import example_of
from tests.unit.prepared_gateway import Gateway, a_prepared_gateway

PAGED = {"uploads": Upload, "transfers": Transfer, "promotions": Promotion, "deliveries": Delivery}


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    """A gateway made of prepared answers."""
    with a_prepared_gateway() as prepared:
        yield prepared


@pytest.mark.parametrize("name", PAGED)
def test_a_list_with_pages_says_where_it_goes_on(gateway: Gateway, name: str) -> None:
    """Programs have `next`, people have the command; `--after` asks for what follows."""
    item = example_of(PAGED[name])
    gateway.answers[f"GET /api/v1/{name}?limit=1"] = (200, {"items": [item], "next": "k1"})
    gateway.answers[f"GET /api/v1/{name}?after=k1&limit=1"] = (200, {"items": [], "next": None})
    gateway.answers[f"GET /api/v1/{name}?limit=1&after=k1"] = (200, {"items": [], "next": None})

    assert json.loads(gateway.run(name, "--limit", "1", "--json").stdout)["next"] == "k1"
    assert f"odst {name} --after k1" in gateway.run(name, "--limit", "1").stdout
    assert json.loads(gateway.run(name, "--limit", "1", "--after", "k1", "--json").stdout) == {"items": [], "next": None}


@pytest.mark.parametrize("name", ["uploads", "deliveries", "subscriptions", "dead-letters"])
def test_a_group_that_lists_takes_what_its_list_takes(gateway: Gateway, name: str) -> None:
    """`odst deliveries --json` is `odst deliveries list --json`."""
    gateway.otherwise = lambda _method, _path: (200, {"items": [], "next": None})

    short, long = gateway.run(name, "--json"), gateway.run(name, "list", "--json")

    assert short.exit_code == 0
    assert json.loads(short.stdout) == json.loads(long.stdout)
    assert gateway.asked[0][0] == gateway.asked[1][0]


def test_deliveries_of_one_subscriber_are_found_as_the_pages_say(gateway: Gateway) -> None:
    """The filters stand at the group too."""
    gateway.answers["GET /api/v1/deliveries?limit=50&subscription_id=s1&state=failed"] = (200, {"items": [], "next": None})

    assert "no such deliveries" in gateway.run("deliveries", "--subscription", "s1", "--state", "failed").stdout


@pytest.mark.parametrize(
    "tags",
    [
        ("--tag", "test", "--tag", "production"),
        ("--tags", "test,production"),
        ("--tag", "test, production"),
        ("--tags=test", "--tag=production"),
    ],
)
def test_tags_are_given_in_one_way_everywhere(gateway: Gateway, tmp_path: Path, tags: tuple[str, ...]) -> None:
    """`--tag`, several times or with commas; the older `--tags` is the same."""
    gateway.answers["POST /api/v1/invitations"] = (201, example_of(Invitation))
    gateway.answers["POST /api/v1/peers"] = (201, example_of(Peer))
    gateway.answers["GET /api/v1/plan?package=x&tags=test%2Cproduction"] = (200, example_of(Plan))
    gateway.answers["PUT /api/v1/packages/x.pkg"] = (202, example_of(Upload))
    file = tmp_path / "x.pkg"
    file.write_bytes(b"x")

    ended = [
        gateway.run(*words, *tags).exit_code
        for words in (["invite"], ["join", "odst1:x"], ["plan", "x"], ["upload", "--no-wait", str(file)])
    ]

    assert ended == [0, 0, 0, 0]
    assert gateway.bodies("POST /api/v1/invitations")[0]["tags"] == ["test", "production"]
    assert gateway.bodies("POST /api/v1/peers")[0]["tags"] == ["test", "production"]
    assert gateway.asked[-1][1]["Ods-Tags"] == "test, production"


def test_a_file_that_cannot_be_written_is_no_traceback(gateway: Gateway, tmp_path: Path) -> None:
    """What this machine refuses is one line too, with the file's name."""
    gateway.otherwise = lambda _method, _path: (200, {"token": "odst_x"})

    result = CliRunner().invoke(
        main, ["conformance", "http://127.0.0.1:9", "--invitation", "odst1:x", "--key", str(tmp_path / "no" / "key")]
    )
    secrets = CliRunner(env={"ODST_SECRETS_KEY_FILE": str(tmp_path)}).invoke(main, ["secrets", "keys"])

    assert [one.exit_code in (1, 2) and "Traceback" not in one.output for one in (result, secrets)] == [True, True]


def test_an_empty_input_for_a_password_says_how_to_give_one(gateway: Gateway) -> None:
    """Nothing is sent."""
    result = gateway.run("person", "create", "ada", "--role", "uploader", input="")

    assert (result.exit_code, gateway.asked) == (2, [])
    assert "standard input" in result.stderr


def test_help_has_every_command_with_a_whole_sentence() -> None:
    """By subject, in a window of 80 columns."""
    text = CliRunner().invoke(main, ["--help"], terminal_width=80, env={"COLUMNS": "80"}).stdout

    assert "..." not in text.partition("Packages:")[2]
    assert [name for name in main.commands if f"\n  {name} " not in text] == []
    assert "Exit codes" in text
    assert max(len(line) for line in text.splitlines()) <= 80


@pytest.mark.parametrize(("shell", "word"), [("bash", "complete"), ("zsh", "compdef"), ("fish", "complete")])
def test_a_shell_can_complete(shell: str, word: str) -> None:
    """The script names the command and how it is asked."""
    script = CliRunner().invoke(main, ["completion", shell]).stdout

    assert word in script
    assert "_ODST_COMPLETE" in script


def test_every_option_of_every_command_has_a_help_text() -> None:
    """Nobody has to guess."""
    commands, silent = [main], []
    for command in commands:
        commands.extend(getattr(command, "commands", {}).values())
        silent += [(command.name, option.opts) for option in command.params if isinstance(option, click.Option) and not option.help]
        silent += [] if command.help else [(command.name, [])]

    assert silent == []


def test_what_holds_others_is_told_line_by_line(gateway: Gateway) -> None:
    """No notation of a programming language."""
    gateway.answers["GET /api/v1/subscriptions/s"] = (
        200,
        example_of(
            Subscription,
            channel={"kind": "webhook", "settings": {"url": "http://x"}},
            filters={"tags": ["test"], "names": [], "origins": []},
        ),
    )

    lines = [line.split() for line in gateway.run("subscriptions", "show", "s").stdout.splitlines()]

    assert ["channel", "kind", "webhook"] in lines
    assert ["channel", "settings", "url", "http://x"] in lines
    assert ["filters", "tags", "test"] in lines


def test_grants_in_a_cell_are_told_without_what_is_empty() -> None:
    """A list of several things fits into a line."""
    assert output.shown("grants", [{"role": "uploader", "tags": ["test"], "instances": []}]) == "role=uploader tags=test"


def test_the_status_has_what_waits_and_names_the_next_command(gateway: Gateway) -> None:
    """Seventy queues in which nothing waits help nobody; `--all` has them."""
    queues = [{"name": "odst.idle", "ready": 0, "consumers": 1}, {"name": "odst.busy", "ready": 3, "consumers": 1}]
    services = {"storage": {"state": "up", "alarms_disk_low": 1, "hashed_seconds": 0.012834582998038968, "uploads_open": 0}}
    gateway.answers["GET /api/v1/status"] = (200, example_of(Status, queues=queues, services=services, dead_letters=2))

    brief, whole = gateway.run("status").stdout, gateway.run("status", "--all").stdout

    assert "odst.busy" in brief
    assert [word for word in ("odst.idle", "uploads_open") if word in brief or word not in whole] == []
    assert [word for word in ("odst alarms", "odst dead-letters", "hashed_seconds 0.0128") if word not in brief] == []


@pytest.mark.parametrize(
    "words",
    [
        ["package", "show", "a\udcff"],
        ["uploads", "--name", "a\udcff"],
        ["upload", "{file}", "--at-once", "--tag", "日本"],
        ["package", "delete", ""],
    ],
)
def test_characters_that_cannot_be_sent_are_no_traceback(gateway: Gateway, tmp_path: Path, words: list[str]) -> None:
    """Shells hand over whatever bytes there were."""
    (tmp_path / "x.pkg").write_bytes(b"x")

    result = gateway.run(*[word.format(file=tmp_path / "x.pkg") for word in words])

    assert (result.exit_code, "BODY_INVALID" in result.stderr) == (1, True)


def test_a_subscription_is_not_changed_by_saying_nothing(gateway: Gateway) -> None:
    """What can be said is named; filters and none at once are a mistake."""
    silent, both = gateway.run("subscriptions", "change", "s"), gateway.run("subscriptions", "change", "s", "--no-filters", "--tag", "test")

    assert (silent.exit_code, both.exit_code, gateway.asked) == (2, 2, [])
    assert "--events" in silent.stderr


def test_a_key_file_that_is_not_there_is_told_with_where_to_name_it(tmp_path: Path) -> None:
    """Most often the command was called in another folder."""
    result = CliRunner().invoke(main, ["secrets", "keys", "--data", str(tmp_path)])

    assert result.exit_code == 1
    assert "--data" in result.stderr
