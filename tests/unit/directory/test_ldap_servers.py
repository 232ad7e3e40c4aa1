"""Claims about several servers, about little time, and about what servers say when they refuse."""

from __future__ import annotations

import pytest

from services.directory.adapters.deadlines import Deadline, addresses
from services.directory.adapters.ldap_connection import Found
from services.directory.adapters.ldap_entries import is_disabled, names_of
from services.directory.adapters.ldap_plan import Endpoint, LdapPlan
from services.directory.adapters.ldap_reasons import PASSWORD_POLICY, refusal_of
from services.directory.adapters.ldap_servers import Ring

ONE, TWO = Endpoint("one", 636, tls=True), Endpoint("two", 636, tls=True)


class Clock:
    """Seconds that pass when told."""

    now = 1000.0

    def __call__(self) -> float:
        """The present second."""
        return self.now


def a_ring(clock: Clock) -> Ring:
    """Two servers."""
    return Ring((ONE, TWO), clock)


def test_servers_are_asked_in_order() -> None:
    """That of the settings."""
    assert a_ring(Clock()).candidates() == [ONE, TWO]


def test_a_server_that_failed_is_left_alone_for_a_while() -> None:
    """It costs one caller its time limit, and not everybody."""
    clock = Clock()
    ring = a_ring(clock)
    ring.note_failure(ONE)
    assert ring.candidates() == [TWO]

    clock.now += 31

    assert ring.candidates() == [ONE, TWO]
    assert ring.candidates() == [TWO]  # somebody else is trying the first one


def test_a_server_that_answers_is_well_again() -> None:
    """For everybody, at once."""
    ring = a_ring(Clock())
    ring.note_failure(ONE)
    ring.note_answer(ONE)

    assert ring.candidates() == [ONE, TWO]


def test_if_all_failed_a_moment_ago_nobody_waits_for_them() -> None:
    """A few seconds later one caller tries them."""
    clock = Clock()
    ring = a_ring(clock)
    ring.note_failure(ONE)
    ring.note_failure(TWO)
    assert ring.candidates() == []

    clock.now += 4

    assert ring.candidates() == [ONE, TWO]
    assert ring.candidates() == []


def test_a_deadline_is_shared_and_then_over() -> None:
    """Each server gets an equal part of what is left."""
    clock = Clock()
    deadline = Deadline(4, clock)
    assert deadline.share(2).remaining() == 2

    clock.now += 4

    with pytest.raises(TimeoutError):
        deadline.remaining()
    with pytest.raises(TimeoutError):
        deadline.share(2).remaining()


@pytest.mark.parametrize("host", ["does-not-exist.invalid", "a" * 70 + ".org", ".."])
def test_a_name_that_nobody_knows_is_an_error_of_the_system(host: str) -> None:
    """Never another one, whatever the name looks like."""
    with pytest.raises(OSError):  # noqa: PT011 - each system has its own words
        addresses(host, 636, 30)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("525", "unknown"),
        ("52e", "wrong_password"),
        ("532", "password_expired"),
        ("533", "disabled"),
        ("701", "account_expired"),
        ("773", "password_must_change"),
        ("775", "locked"),
        ("57", "data_57"),
    ],
)
def test_active_directory_says_why_in_its_diagnostic_text(code: str, reason: str) -> None:
    """As a Windows error in hex."""
    text = f"80090308: LdapErr: DSID-0C090449, comment: AcceptSecurityContext error, data {code}, v4563\x00"

    assert refusal_of({"result": 49, "message": text}) == reason


@pytest.mark.parametrize(
    ("value", "code", "reason"),
    [
        (b"\x30\x00", 0, None),
        (b"\x30\x05\xa0\x03\x80\x01\x0a", 0, None),
        (b"\x30\x03\x81\x01\x02", 0, "password_must_change"),
        (b"\x30\x08\xa0\x03\x81\x01\x02\x81\x01\x00", 49, "password_expired"),
        (b"\x30\x03\x81\x01\x01", 49, "locked"),
        (b"\x30\x00", 49, "wrong_password"),
        (b"", 49, "wrong_password"),
        (b"\x30\x03\x81", 49, "wrong_password"),
        (b"\x30\x03\x81\x00", 49, "wrong_password"),
    ],
)
def test_a_password_policy_says_why_in_a_control(value: bytes, code: int, reason: str | None) -> None:
    """A password that must be changed refuses, although the bind succeeds; seconds until it expires do not."""
    assert refusal_of({"result": code, "message": "", "controls": {PASSWORD_POLICY: {"value": value}}}) == reason


@pytest.mark.parametrize(("code", "reason"), [(49, "wrong_password"), (53, "inactive"), (19, "locked"), (32, "unknown_dn")])
def test_other_servers_have_their_codes(code: int, reason: str) -> None:
    """Without a control or a text that is known."""
    assert refusal_of({"result": code, "message": "no", "controls": {}}) == reason


@pytest.mark.parametrize(
    ("values", "disabled"),
    [
        ({"useraccountcontrol": ("512",)}, False),
        ({"useraccountcontrol": ("514",)}, True),
        ({"useraccountcontrol": ("66050",)}, True),
        ({"useraccountcontrol": ("nonsense",)}, False),
        ({"pwdaccountlockedtime": ("000001010000Z",)}, True),
        ({"pwdaccountlockedtime": ("20261101120000Z",)}, False),
        ({"nsaccountlock": ("TRUE",)}, True),
        ({"nsaccountlock": ("false",)}, False),
        ({}, False),
    ],
)
def test_an_entry_says_whether_it_is_disabled(values: dict[str, tuple[str, ...]], disabled: bool) -> None:  # noqa: FBT001
    """In the words of Active Directory, OpenLDAP, or 389 and FreeIPA."""
    assert is_disabled(Found("cn=x", values)) is disabled


def test_the_name_is_where_the_kind_of_server_has_it() -> None:
    """Unless a setting says otherwise."""
    entry = Found("cn=x", {"samaccountname": ("ada",), "uid": ("ada.l",), "employeenumber": ("7",)})
    plan = LdapPlan((ONE,), "dc=x")

    assert names_of(entry, plan, is_active_directory=True) == ("ada",)
    assert names_of(entry, plan, is_active_directory=False) == ("ada.l",)
    assert names_of(entry, LdapPlan((ONE,), "dc=x", name_attribute="employeeNumber"), is_active_directory=True) == ("7",)
