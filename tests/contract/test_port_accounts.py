"""The suite of accounts outside of the instance: in memory, and a real OpenLDAP by LDAPS."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

import pytest

from services.directory.adapters.ldap_accounts import LdapAccounts
from services.directory.domain.accounts import Recognised
from services.directory.domain.attempts import REFUSAL
from services.directory.domain.distinguished_names import dn_key
from services.directory.ports import Accounts
from shared.core.errors import ServiceUnavailable, Unauthenticated
from shared.testing.fakes.accounts import MOST_FAILURES, FakeAccount, FakeAccounts, somebody
from shared.testing.slapd import PrivateSlapd
from shared.testing.slapd_tree import ADAS_GROUPS, PASSWORD, PLAIN_NAMES, STRANGE_NAMES

WRONG = "not the password"
ADA = Recognised("ldap", "ada", "Ada Lovelace", "ada@example.org", ADAS_GROUPS)


@dataclass
class Source:
    """Accounts, and a way to take them away."""

    accounts: Accounts
    away: Callable[[], AbstractContextManager[None]]

    def refusal(self, name: str, password: str) -> str:
        """The sentence with which somebody is refused."""
        with pytest.raises(Unauthenticated) as caught:
            self.accounts.recognise(name, password)
        return str(caught.value)


@pytest.fixture(params=["fake", "ldap"])
def source(request: pytest.FixtureRequest) -> Source:
    """Each implementation of the port in turn."""
    return _in_memory() if request.param == "fake" else _by_ldap(request.getfixturevalue("slapd"))


def _in_memory() -> Source:
    others = [somebody(name, PASSWORD) for name in (*PLAIN_NAMES, *STRANGE_NAMES, "twin")]
    accounts = FakeAccounts([FakeAccount(ADA, PASSWORD), somebody("closed", PASSWORD, closed=True), *others])

    @contextmanager
    def away() -> Iterator[None]:
        accounts.is_away = True
        yield
        accounts.is_away = False

    return Source(accounts, away)


def _by_ldap(slapd: PrivateSlapd) -> Source:
    later = 0.0

    @contextmanager
    def away() -> Iterator[None]:
        nonlocal later
        with slapd.stopped():
            yield
        later += 3600  # a server that failed is left alone for a while

    return Source(LdapAccounts(slapd.plan(), lambda: time.monotonic() + later), away)


def test_the_right_password_tells_who_it_is(source: Source) -> None:
    """With the name as it is spelled there, and every group, nested ones too."""
    found = source.accounts.recognise("ADA", PASSWORD)

    assert (found.source, found.name, found.display_name, found.email) == ("ldap", "ada", "Ada Lovelace", "ada@example.org")
    assert set(map(dn_key, found.groups)) == set(map(dn_key, ADAS_GROUPS))


def test_whoever_is_refused_is_told_the_same(source: Source) -> None:
    """Wrong password, unknown name, nothing at all, an account that is closed, and a name that two have."""
    wrong = [("bert", WRONG), ("nobody", PASSWORD), ("", PASSWORD), ("bert", ""), ("", ""), ("closed", PASSWORD), ("twin", PASSWORD)]

    assert {source.refusal(name, password) for name, password in wrong} == {REFUSAL}


def test_no_password_is_remembered(source: Source) -> None:
    """Neither a wrong one against the next right one, nor the other way round."""
    source.refusal("carl", WRONG)
    assert source.accounts.recognise("carl", PASSWORD).name == "carl"

    assert source.refusal("carl", WRONG) == REFUSAL


@pytest.mark.parametrize("name", STRANGE_NAMES)
def test_strange_names_are_names(source: Source, name: str) -> None:
    """Whatever character a filter or a distinguished name would mean something by."""
    assert source.accounts.recognise(name, PASSWORD).name == name
    assert source.refusal(name, WRONG) == REFUSAL


@pytest.mark.parametrize(
    "name", ["*", "a*", "ada)(uid=*", "ada\x00", " ada", "ada ", "a" * 257, "ad\u200ba", "ada)(|(uid=*", "\\61da", "\ud800"]
)
def test_names_that_nobody_has_are_nobody(source: Source, name: str) -> None:
    """A pattern is no name; neither is what cannot be seen."""
    assert source.refusal(name, PASSWORD) == REFUSAL
    assert source.accounts.look_up(name) is None


@pytest.mark.parametrize("password", ["\x00", f"{PASSWORD}\x00", "x" * 1025, "\ud800", "\u00ad", "\x07", f" {PASSWORD}"])
def test_strange_passwords_are_wrong_and_nothing_more(source: Source, password: str) -> None:
    """None of them breaks anything: the next one is served."""
    assert source.refusal("dora", password) == REFUSAL
    assert source.accounts.recognise("dora", PASSWORD).name == "dora"


def test_people_are_looked_up_without_a_proof(source: Source) -> None:
    """And whoever is closed, unknown or not alone with the name is nobody."""
    found = source.accounts.look_up("Ada")

    assert found is not None
    assert (found.name, len(found.groups)) == ("ada", len(ADAS_GROUPS))
    assert [source.accounts.look_up(name) for name in ("closed", "nobody", "twin", "")] == [None] * 4


def test_too_many_wrong_passwords_lock_an_account(source: Source) -> None:
    """The source's own rule, which counts for the right password too."""
    for _ in range(MOST_FAILURES):
        source.refusal("lock", WRONG)

    assert source.refusal("lock", PASSWORD) == REFUSAL


def test_a_source_that_is_away_is_no_refusal(source: Source) -> None:
    """It is said to be away, whatever the password; when it is back, all is well."""
    with source.away():
        for password in (PASSWORD, WRONG):
            with pytest.raises(ServiceUnavailable):
                source.accounts.recognise("emil", password)
        with pytest.raises(ServiceUnavailable):
            source.accounts.look_up("emil")
        assert [finding.ok for finding in source.accounts.examine()][-1] is False

    assert source.accounts.recognise("emil", PASSWORD).name == "emil"


def test_an_examination_that_goes_well_says_so_in_each_step(source: Source) -> None:
    """And also looks for a person, if one is named."""
    assert all(finding.ok for finding in source.accounts.examine())
    assert all(finding.ok for finding in source.accounts.examine("ada"))

    assert [finding.step for finding in source.accounts.examine("nobody") if not finding.ok] == ["person"]
