"""Claims about `odst alarms --check`: monitoring plug-ins have four exit codes, and a first line that says why."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from shared.contracts.admin.alarms import Alarm
from tests.unit.api_examples import example_of
from tests.unit.prepared_gateway import BREAK_OFF, Gateway, a_prepared_gateway

CALL = "GET /api/v1/alarms"
OK, WARNING, CRITICAL, UNKNOWN = range(4)


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    """A gateway made of prepared answers."""
    with a_prepared_gateway() as prepared:
        yield prepared


def an_alarm(severity: str, detail: str = "why") -> dict[str, Any]:
    """As the instance tells it."""
    return example_of(Alarm, kind="disk.low", severity=severity, detail=detail, since="2026-11-03T12:00:00Z")


@pytest.mark.parametrize(
    ("severities", "silent", "code", "first_line"),
    [
        ([], [], OK, "OK: Nothing is the matter."),
        (["warning"], [], WARNING, "WARNING: disk.low: why"),
        (["warning", "critical"], [], CRITICAL, "CRITICAL: disk.low: why; disk.low: why"),
        (["of tomorrow"], [], CRITICAL, "CRITICAL: disk.low: why"),
        ([], ["notify"], UNKNOWN, "UNKNOWN: Nothing is the matter. Did not answer: notify"),
        (["warning"], ["notify"], WARNING, "WARNING: disk.low: why Did not answer: notify"),
    ],
)
def test_the_exit_code_is_the_worst_that_is_known(
    gateway: Gateway, severities: list[str], silent: list[str], code: int, first_line: str
) -> None:
    """0 nothing, 1 warnings, 2 critical; 3 if nothing is the matter, as far as those who answered know."""
    gateway.answers[CALL] = (200, {"items": [an_alarm(severity) for severity in severities], "silent": silent})

    checked, listed = gateway.run("alarms", "--check"), gateway.run("alarms")
    as_json = gateway.run("alarms", "--check", "--json")

    assert (checked.exit_code, checked.stdout.splitlines()[0]) == (code, first_line)
    assert (as_json.exit_code, len(json.loads(as_json.stdout)["items"])) == (code, len(severities))
    assert listed.exit_code == 0


@pytest.mark.parametrize("answer", [BREAK_OFF, (401, {"code": "UNAUTHENTICATED", "detail": "no"}), (503, {"code": "AWAY", "detail": "no"})])
def test_an_instance_that_does_not_say_is_unknown(gateway: Gateway, answer: tuple[int, Any]) -> None:
    """Unreachable, not let in, broken: one line on standard output, where monitoring looks for it."""
    gateway.answers[CALL] = answer

    checked, listed = gateway.run("alarms", "--check"), gateway.run("alarms")

    assert checked.exit_code == UNKNOWN
    assert checked.stdout.startswith("UNKNOWN: ")
    assert len(checked.stdout.splitlines()) == 1
    assert listed.exit_code == 1


def test_what_is_told_stays_one_line_without_figures(gateway: Gateway) -> None:
    """Monitoring takes what follows a bar for figures, and the second line for something else."""
    gateway.answers[CALL] = (200, {"items": [an_alarm("warning", "a|b\nc")], "silent": []})

    checked = gateway.run("alarms", "--check")

    assert checked.stdout.splitlines()[0] == "WARNING: disk.low: a/b c"
