"""D6, as a whole service: people of a real directory log in by their groups, the break-glass account while it is frozen, and guesses
stop before the directory would lock anybody out.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from services.directory.adapters.ldap_accounts import LdapAccounts
from services.directory.config import DirectorySettings
from services.directory.wiring import Directory, build
from shared.core.errors import Forbidden, ServiceUnavailable, Unauthenticated
from shared.testing.slapd import MOST_FAILURES, PrivateSlapd
from shared.testing.slapd_tree import BASE, PASSWORD, READER, WEST, person

pytestmark = [pytest.mark.promise("D6"), pytest.mark.timeout(90)]
ADDRESS = "192.0.2.7"


class House:
    """A directory service on a database and a real slapd, and its first administrator."""

    def __init__(self, folder: Path, slapd: PrivateSlapd) -> None:
        """Two wrong passwords are free, which is less than the directory allows."""
        environment = {
            "ODST_AMQP_URI": "amqp://nobody:nothing@127.0.0.1:1/",
            "ODST_DATA": str(folder),
            "ODST_LOGIN_TRIES": str(MOST_FAILURES - 1),
            "ODST_LDAP_SERVERS": slapd.url(),
            "ODST_LDAP_CA_FILE": str(slapd.plan().ca_file),
            "ODST_LDAP_BIND_DN": READER,
            "ODST_LDAP_BIND_PASSWORD": slapd.reader_password,
            "ODST_LDAP_BASE_DN": BASE,
            "ODST_LDAP_TIMEOUT_SECONDS": "4",
        }
        settings = DirectorySettings.load(environment)
        self.wired: Directory = build(settings)
        self.first = json.loads(settings.first_admin_file.read_text())

    def log_in(self, name: str, password: str) -> dict[str, Any]:
        """As the gateway asks."""
        sha256 = hashlib.sha256(f"{name} {password}".encode()).hexdigest()
        found: dict[str, Any] = self.wired.do.sessions.log_in(name, password, sha256, ADDRESS, "a test")
        return found


@pytest.fixture
def house(tmp_path: Path, slapd: PrivateSlapd) -> Iterator[House]:
    """One, closed at the end."""
    made = House(tmp_path, slapd)
    yield made
    made.wired.close()


def test_people_come_in_by_a_nested_group_however_it_is_spelled(house: House) -> None:
    """D6: the other side of it: who is right is let in, and only to what a group was granted."""
    with pytest.raises(Forbidden) as caught:
        house.log_in("ada", PASSWORD)
    assert caught.value.code == "NO_GRANT"
    house.wired.do.groups.grant(WEST.replace("\\, ", "\\2C ").upper(), {"role": "viewer"}, "admin")

    found = house.log_in("Ada", PASSWORD)

    assert (found["person"], found["source"], sorted(found["rights"])) == ("ada", "ldap", ["self", "view"])


def test_the_break_glass_account_works_while_the_directory_is_frozen(house: House, slapd: PrivateSlapd) -> None:
    """D6: a local account asks nobody; others are told that the directory is away, and it counts as no guess."""
    with slapd.frozen():
        assert "administer" in house.log_in(house.first["user"], house.first["password"])["rights"]
        for _ in range(MOST_FAILURES + 1):
            with pytest.raises(ServiceUnavailable, match="local accounts"):
                house.log_in("ada", PASSWORD)


def test_guesses_end_before_the_directory_locks_the_account(house: House, slapd: PrivateSlapd) -> None:
    """D6: our throttle is below its lockout: whoever guesses here shuts nobody out there."""
    dn = person("gina")
    for _ in range(MOST_FAILURES - 1):
        with pytest.raises(Unauthenticated):
            house.log_in("gina", "a guess")

    waits = [house.log_in("gina", "a guess")["wait_seconds"] for _ in range(5)]

    assert min(waits) > 0
    assert slapd.failures_of(dn) == MOST_FAILURES - 1
    assert LdapAccounts(slapd.plan()).recognise("gina", PASSWORD).name == "gina"
