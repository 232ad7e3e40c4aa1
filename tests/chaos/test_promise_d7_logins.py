"""Promise D7: whoever guesses passwords is slowed down, and learns not even which names there are."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from services.directory.adapters.register import DatabaseRegister
from services.directory.adapters.sessions import DatabaseAttempts, DatabaseGroupGrants, DatabaseSessions
from services.directory.wiring import assemble
from shared.core.errors import OdstError, Unauthenticated
from tests.contract.port_databases import KINDS, migrated
from tests.unit.directory.desk import PASSWORD, Desk, Elsewhere, sha256

pytestmark = pytest.mark.promise("D7")
ATTACKER = "203.0.113.9"


class House(Desk):
    """A directory on a real database, which can be started again; hashes are counted instead of timed."""

    def __init__(self, url: str, **more: Any) -> None:
        super().__init__(**more)
        self._url = url
        self.start()

    def start(self) -> None:
        """As after a restart: nothing is left but the database."""
        if hasattr(self, "_open"):
            self._open.__exit__(None, None, None)
        self._open = migrated("directory", self._url)
        database = self._open.__enter__()
        kept = DatabaseSessions(database), DatabaseAttempts(database), DatabaseGroupGrants(database)
        self.do = assemble(self.settings, self._outside(DatabaseRegister(database), *kept))

    def guess(self, name: str, password: str = "a guess", address: str = ATTACKER) -> tuple[str, int]:
        """What somebody who guesses sees, and how many hashes it cost."""
        before = self.passwords.computed
        try:
            seen = str(self.do.sessions.log_in(name, password, sha256("x"), address, ""))
        except OdstError as error:
            seen = f"{type(error).__name__} {error.code}: {error}"
        return seen, self.passwords.computed - before


@pytest.fixture(params=KINDS)
def house(request: pytest.FixtureRequest, new_database: Callable[[str], str]) -> Iterator[House]:
    """On each kind of database: an administrator, Ada, somebody disabled, a service; and a source outside that knows Grace."""
    accounts = Elsewhere()
    accounts.put("grace", PASSWORD, "cn=viewers")
    made = House(new_database(request.param), sources=[accounts])
    for name in ("root", "ada", "disabled"):
        made.person(name, "administrator")
    made.person("ci", "uploader", service=True)
    made.log_in("root")
    made.do.people.set_state("disabled", "disabled", "root")
    yield made
    made._open.__exit__(None, None, None)


def test_guessing_at_one_name_is_slowed_down_from_wherever_it_comes(house: House) -> None:
    """D7: three guesses are free; then 5 minutes, 10, 20, up to an hour, over restarts. The right password waits too."""
    for number in range(3):
        assert house.guess("ada", address=f"198.51.100.{number}")[0].startswith("Unauthenticated")
    waited = []

    for number in range(6):
        house.start()
        waited.append(house.waits("ada", address=f"192.0.2.{number}"))
        assert house.guess("ada", PASSWORD, f"192.0.2.{number + 100}") == (f"{{'wait_seconds': {waited[-1]}}}", 0)
        house.clock.pass_seconds(waited[-1])
        house.guess("ada", address=f"198.51.100.{number}")

    assert waited == [300, 600, 1200, 2400, 3600, 3600]
    assert house.waits("root", address="192.0.2.250") == 0


def test_no_more_guesses_reach_a_name_than_a_directory_counts(house: House) -> None:
    """D7: within any fifteen minutes fewer than the five at which a directory usually locks an account, however hard somebody tries."""
    reached, start = [], house.clock.now

    while house.clock.now - start < dt.timedelta(hours=3):
        if house.guess("grace")[1]:
            reached.append(house.clock.now)
        house.clock.pass_seconds(150 if len(reached) > 2 else 1)

    window = dt.timedelta(minutes=15)
    assert max(sum(first <= one < first + window for one in reached) for first in reached) < 5
    assert len(reached) > 5


def test_guessing_from_one_address_is_slowed_down_whatever_the_names(house: House) -> None:
    """D7: twenty names, one guess each; then the address waits, over a restart too, and others do not."""
    for number in range(20):
        assert house.guess(f"name{number}")[1] == 1
    house.start()

    assert house.guess("another") == ("{'wait_seconds': 300}", 0)
    assert house.waits("ada", address="198.51.100.1") == 0


def test_thirty_guesses_at_once_are_not_thirty_free_ones(house: House) -> None:
    """D7: each counts before it is looked at."""
    with ThreadPoolExecutor(10) as pool:
        seen = list(pool.map(lambda number: house.guess("ada", f"guess {number}", f"198.51.100.{number}")[0], range(30)))

    assert sum(one.startswith("Unauthenticated") for one in seen) == 3
    assert sum("wait_seconds" in one for one in seen) == 27


@pytest.mark.parametrize("house", ["sqlite"], indirect=True)
@pytest.mark.parametrize("name", ["ada", "disabled", "ci", "grace", "nobody", "ci@example.org", "ADA"])
def test_no_answer_tells_whether_there_is_such_a_name(house: House, name: str) -> None:
    """D7: the same words, waits and number of hashes, whoever it is; also for the right password of who is disabled."""
    expected = house.guess("somebody else", address="192.0.2.77")

    assert expected == ("Unauthenticated UNAUTHENTICATED: the name or the password is wrong, or this account may not log in", 1)
    guesses = [house.guess(name, PASSWORD if name == "disabled" else "a guess") for _ in range(4)]
    assert guesses == [expected] * 3 + [("{'wait_seconds': 300}", 0)]


def test_a_right_password_makes_its_name_free_again_and_not_its_address(house: House) -> None:
    """D7: who has an account of their own cannot go on guessing at others by logging in between."""
    for _ in range(4):
        for _ in range(2):
            house.guess("ada")
        house.log_in("ada", address=ATTACKER)
    for number in range(12):
        house.guess(f"name{number}")

    assert house.waits("ada", address=ATTACKER) == 300
    with pytest.raises(Unauthenticated):
        house.do.sessions.log_in("ada", "a guess", sha256("y"), "192.0.2.3", "")
