"""The `odst ldap` commands against a tiny HTTP server."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.unit.prepared_gateway import Gateway, a_prepared_gateway

WELL = {"step": "connect", "ok": True, "detail": "ldaps://one:636: answers"}
AMISS = {"step": "tls", "ok": False, "detail": "its certificate has expired: renew it there"}


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    """A gateway made of prepared answers."""
    with a_prepared_gateway() as prepared:
        yield prepared


@pytest.mark.parametrize(("items", "code"), [([WELL], 0), ([WELL, AMISS], 1)])
def test_a_test_of_the_connection_is_a_table_and_an_exit_code(gateway: Gateway, items: list[dict[str, object]], code: int) -> None:
    """Exit code 1 if a step failed, with what to do about it."""
    gateway.answers["POST /api/v1/directory/test"] = (200, {"items": items})

    result = gateway.run("ldap", "test")

    assert result.exit_code == code
    assert all(str(item["detail"]) in result.stdout for item in items)
    assert gateway.bodies("POST /api/v1/directory/test") == [{}]


def test_a_person_can_be_looked_for(gateway: Gateway) -> None:
    """And programs get JSON, with the same exit code."""
    gateway.answers["POST /api/v1/directory/test"] = (200, {"items": [AMISS]})

    result = gateway.run("ldap", "test", "--user", "ada", "--json")

    assert (result.exit_code, json.loads(result.stdout)) == (1, {"items": [AMISS]})
    assert gateway.bodies("POST /api/v1/directory/test") == [{"name": "ada"}]
