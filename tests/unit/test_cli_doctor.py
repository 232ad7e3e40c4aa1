"""Claims about `odst doctor`: it names what is wrong and what to do, goes as far as it can, and its exit code is for programs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from click.testing import CliRunner

from cli.main import main
from shared.contracts.admin.alarms import AlarmList
from shared.contracts.admin.instance import Status
from shared.contracts.admin.mesh import Peer
from shared.contracts.admin.people import Me
from tests.unit.api_examples import example_of
from tests.unit.prepared_gateway import TOKEN, Gateway, a_prepared_gateway


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    """An instance at which all is well."""
    with a_prepared_gateway() as prepared:
        instance = example_of(Status)["instance"] | {"public_url": prepared.url}
        prepared.answers = {
            "GET /readyz": (200, {"status": "ready", "faults": {}}),
            "GET /api/v1/session": (200, example_of(Me, person="ada")),
            "GET /api/v1/status": (200, example_of(Status, instance=instance, services={}, dead_letters=0, free_bytes=1 << 30)),
            "GET /api/v1/alarms": (200, {"items": [], "silent": []}),
            "GET /api/v1/peers": (200, {"items": [example_of(Peer, state="active", last_error=None, banned_until=None)]}),
        }
        yield prepared


def _findings(gateway: Gateway) -> tuple[int, dict[str, dict[str, Any]]]:
    result = gateway.run("doctor", "--json")
    return result.exit_code, {one["step"]: one for one in json.loads(result.stdout)["items"]}


def test_where_all_is_well_nothing_is_to_be_done(gateway: Gateway) -> None:
    """Exit code 0, and each look is told."""
    code, found = _findings(gateway)

    assert code == 0
    assert list(found) == ["reach", "token", "version", "public url", "disk", "messages", "alarms", "peers"]
    assert all(one["ok"] for one in found.values())


@pytest.mark.parametrize(
    ("call", "answer", "step", "advice"),
    [
        ("GET /readyz", (503, {"status": "not ready", "faults": {"storage": "AWAY"}}), "reach", "storage AWAY"),
        ("GET /api/v1/session", (401, {"code": "UNAUTHENTICATED", "detail": "expired"}), "token", "ODST_TOKEN_FILE"),
        ("GET /api/v1/alarms", (200, example_of(AlarmList)), "alarms", "odst alarms"),
        ("GET /api/v1/peers", (200, {"items": [example_of(Peer, name="lyon", state="active", last_error="x")]}), "peers", "odst peer show"),
    ],
)
def test_what_is_wrong_is_told_with_what_to_do(gateway: Gateway, call: str, answer: tuple[int, Any], step: str, advice: str) -> None:
    """Exit code 1; what comes after is looked at as far as it can be."""
    gateway.answers[call] = answer

    code, found = _findings(gateway)

    assert code == 1
    assert [name for name, one in found.items() if not one["ok"]] == [step]
    assert advice in found[step]["detail"]


def test_a_full_disk_and_lost_messages_are_found(gateway: Gateway) -> None:
    """Both from the status."""
    status = gateway.answers["GET /api/v1/status"][1]
    gateway.answers["GET /api/v1/status"] = (200, status | {"dead_letters": 3, "free_bytes": 0})

    code, found = _findings(gateway)

    assert code == 1
    assert "ODST_FREE_SPACE_FLOOR_MIB" in found["disk"]["detail"]
    assert "odst dead-letters" in found["messages"]["detail"]


def test_the_token_is_shown_to_nobody_but_the_instance_that_was_named(gateway: Gateway) -> None:
    """The public URL may be anybody's: it is asked without."""
    with a_prepared_gateway() as other:
        other.answers["GET /readyz"] = (200, {"status": "ready", "faults": {}})
        status = gateway.answers["GET /api/v1/status"][1]
        gateway.answers["GET /api/v1/status"] = (200, status | {"instance": status["instance"] | {"public_url": other.url}})

        code, _ = _findings(gateway)

        assert code == 0
        assert [headers.get("Authorization") for _, headers, _ in other.asked] == [None]


def test_where_nothing_answers_that_is_all_that_is_said() -> None:
    """One finding, with what to check."""
    result = CliRunner(env={"ODST_TOKEN": TOKEN}).invoke(main, ["--url", "http://127.0.0.1:9", "doctor", "--json"])

    assert result.exit_code == 1
    assert [one["step"] for one in json.loads(result.stdout)["items"]] == ["reach"]
    assert TOKEN not in result.output
