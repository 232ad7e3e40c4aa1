"""Testing a connection to the directory: which step fails for which mistake, and what it says to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from services.directory.adapters import ldap_connection
from services.directory.adapters.ldap_accounts import LdapAccounts
from services.directory.config import DirectorySettings
from services.directory.domain.accounts import Finding
from services.directory.wiring import build
from shared.runtime.ports import free_port
from shared.testing.certificates import Authority
from shared.testing.slapd import PrivateSlapd
from shared.testing.slapd_tree import ADA, ADAS_GROUPS, BASE, EVERYTHING, PACKAGERS, READER, UNIQUE, UNIX

ALL = ["resolve", "connect", "tls", "bind", "kind", "people", "groups"]


def examined(slapd: PrivateSlapd, *urls: str, name: str | None = None, **changes: Any) -> list[Finding]:
    """What a test of the connection finds with a changed plan."""
    return LdapAccounts(slapd.plan(*urls, **changes)).examine(name)


def faults(findings: list[Finding]) -> list[tuple[str, str]]:
    """What is not well."""
    return [(finding.step, finding.detail) for finding in findings if not finding.ok]


def test_each_server_is_tried_in_each_step(slapd: PrivateSlapd) -> None:
    """Also the second one, which no log-in may have asked yet."""
    findings = examined(slapd, slapd.url(), slapd.url("ldap", "127.0.0.1"))

    assert [finding.step for finding in findings] == ALL + ALL
    assert faults(findings) == []
    assert "valid until" in findings[2].detail
    assert "NOT USED" in findings[9].detail


def test_a_person_is_shown_with_all_groups(slapd: PrivateSlapd) -> None:
    """As they would be after logging in."""
    found = examined(slapd, name="ada")[-1]

    assert (found.step, found.ok) == ("person", True)
    assert f"{ADA}, in {len(ADAS_GROUPS)} groups: " in found.detail
    assert all(group in found.detail for group in (PACKAGERS, EVERYTHING, UNIX, UNIQUE))


def test_the_settings_reach_the_service(slapd: PrivateSlapd, tmp_path: Path) -> None:
    """From the environment over the wiring to a real answer."""
    environment = {
        "ODST_AMQP_URI": "amqp://nobody:nothing@127.0.0.1:1/",
        "ODST_DATA": str(tmp_path),
        "ODST_LDAP_SERVERS": slapd.url("ldap"),
        "ODST_LDAP_STARTTLS": "true",
        "ODST_LDAP_CA_FILE": str(slapd.plan().ca_file),
        "ODST_LDAP_BIND_DN": READER,
        "ODST_LDAP_BIND_PASSWORD": slapd.reader_password,
        "ODST_LDAP_BASE_DN": BASE,
    }
    wired = build(DirectorySettings.load(environment))

    assert [item["ok"] for item in wired.do.outside.examine_ldap("ada")["items"]] == [True] * (len(ALL) + 1)
    wired.close()


MISTAKES: list[tuple[str, dict[str, Any], str]] = [
    ("bind", {"bind_password": "wrong"}, "ODST_LDAP_BIND_DN"),
    ("people", {"base_dn": f"ou=nowhere,{BASE}", "group_base_dn": BASE}, "no such base DN"),
    ("people", {"user_filter": "(employeeNumber={name})"}, "ODST_LDAP_USER_FILTER"),
    ("people", {"name_attribute": "employeeNumber"}, "ODST_LDAP_NAME_ATTRIBUTE"),
    ("people", {"name_attribute": "mail", "user_filter": "(uid={name})"}, "does not find it"),
    ("groups", {"group_base_dn": f"ou=people,{BASE}"}, "ODST_LDAP_GROUP_BASE_DN"),
    ("people", {"bind_dn": None, "group_base_dn": BASE}, "no such base DN"),
]


@pytest.mark.parametrize(("step", "change", "advice"), MISTAKES)
def test_a_mistake_in_a_setting_is_found_and_named(slapd: PrivateSlapd, step: str, change: dict[str, Any], advice: str) -> None:
    """In the first step that it breaks; no secret is in any of them."""
    findings = examined(slapd, **change)

    found_step, detail = faults(findings)[0]
    assert (found_step, advice in detail) == (step, True), detail
    assert slapd.reader_password not in str(findings)


@pytest.mark.parametrize(
    ("url", "step", "advice"),
    [
        ("ldaps://does-not-exist.invalid", "resolve", "not known"),
        ("ldaps://127.0.0.1:{free}", "connect", "nothing listens"),
        ("ldaps://127.0.0.1:{tls}", "tls", "another name"),
        ("ldaps://localhost:{plain}", "tls", "ODST_LDAP_STARTTLS"),
        ("ldap://localhost:{tls}", "bind", "broke off"),
    ],
)
def test_a_mistake_in_an_address_is_found_and_named(slapd: PrivateSlapd, url: str, step: str, advice: str) -> None:
    """Nothing after it is tried, and what went well before it is said."""
    findings = examined(slapd, url.format(tls=slapd.tls_port, plain=slapd.port, free=free_port()), timeout_seconds=2)

    assert [finding.step for finding in findings] == ALL[: ALL.index(step) + 1]
    assert [(found, advice in detail) for found, detail in faults(findings)] == [(step, True)], findings


def test_an_authority_that_is_not_known_is_said(slapd: PrivateSlapd, tmp_path: Path) -> None:
    """With the setting that makes it known."""
    findings = examined(slapd, ca_file=Authority(tmp_path, "Another").file)

    assert [(step, "ODST_LDAP_CA_FILE" in detail) for step, detail in faults(findings)] == [("tls", True)]


def test_an_address_that_leads_nowhere_hides_nothing(slapd: PrivateSlapd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two addresses of one name, nobody listens at one: what is said is what is wrong at the other, whichever comes first."""
    for places in (["127.0.0.1", "127.0.0.2"], ["127.0.0.2", "127.0.0.1"]):
        monkeypatch.setattr(ldap_connection, "addresses", lambda _host, _port, _seconds, places=places: places)
        findings = examined(slapd, ca_file=Authority(tmp_path, "Another").file)

        assert [(step, "ODST_LDAP_CA_FILE" in detail) for step, detail in faults(findings)] == [("tls", True)]


@pytest.mark.parametrize(("way", "step"), [("ldaps", "tls"), ("starttls", "tls"), ("plain", "bind")])
def test_a_frozen_server_is_told_from_one_that_is_not_there(slapd: PrivateSlapd, way: str, step: str) -> None:
    """It accepts connections, and says nothing in time."""
    url = slapd.url("ldaps" if way == "ldaps" else "ldap")

    with slapd.frozen():
        findings = examined(slapd, url, starttls=way == "starttls", timeout_seconds=0.5)

    assert [(found, "frozen" in detail) for found, detail in faults(findings)] == [(step, True)], findings


@pytest.mark.parametrize("name", ["nobody", "twin", "closed", "double", "*", ""])
def test_somebody_who_cannot_log_in_is_said_to(slapd: PrivateSlapd, name: str) -> None:
    """Whatever the reason: nobody, two, closed, two names, no name at all."""
    assert [step for step, _ in faults(examined(slapd, name=name))] == ["person"]
