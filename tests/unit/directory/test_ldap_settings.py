"""Claims about the settings for LDAP: what is unsafe or half said is named at start."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.directory.adapters.ldap_plan import Endpoint, GroupStyle
from services.directory.config import DirectorySettings
from shared.runtime.settings import ConfigurationError, explain

URI = {"ODST_AMQP_URI": "amqp://odst@broker/odst"}
GOOD = URI | {"ODST_LDAP_SERVERS": "ldaps://one.example.org, ldaps://two.example.org:3269", "ODST_LDAP_BASE_DN": "dc=example,dc=org"}
BOUND = GOOD | {"ODST_LDAP_BIND_DN": "cn=reader,dc=example,dc=org", "ODST_LDAP_BIND_PASSWORD": "hunter2"}


def test_without_servers_there_is_no_ldap() -> None:
    """And nothing of it is asked for."""
    assert DirectorySettings.load(URI).ldap is None


def test_settings_become_a_plan() -> None:
    """Several servers in order, each with its port."""
    plan = DirectorySettings.load(BOUND | {"ODST_LDAP_GROUP_STYLE": "ad"}).ldap

    assert plan is not None
    assert plan.servers == (Endpoint("one.example.org", 636, tls=True), Endpoint("two.example.org", 3269, tls=True))
    assert (plan.bind_password, plan.group_style, plan.groups_below) == ("hunter2", GroupStyle.AD, "dc=example,dc=org")


def test_the_password_may_be_in_a_file(tmp_path: Path) -> None:
    """Its first line."""
    file = tmp_path / "password"
    file.write_text("hunter2\n")
    environment = GOOD | {"ODST_LDAP_BIND_DN": "cn=r,dc=x", "ODST_LDAP_BIND_PASSWORD_FILE": str(file)}

    plan = DirectorySettings.load(environment).ldap

    assert plan is not None
    assert plan.bind_password == "hunter2"


@pytest.mark.parametrize(
    ("changes", "variable"),
    [
        ({"ODST_LDAP_SERVERS": "ldap://one.example.org"}, "ODST_LDAP_STARTTLS"),
        ({"ODST_LDAP_SERVERS": "https://one.example.org"}, "ODST_LDAP_SERVERS"),
        ({"ODST_LDAP_SERVERS": "ldaps://one.example.org/dc=x"}, "ODST_LDAP_SERVERS"),
        ({"ODST_LDAP_SERVERS": "ldaps://me:secret@one.example.org"}, "ODST_LDAP_SERVERS"),
        ({"ODST_LDAP_SERVERS": "ldaps://one:70000"}, "ODST_LDAP_SERVERS"),
        ({"ODST_LDAP_BASE_DN": ""}, "ODST_LDAP_BASE_DN"),
        ({"ODST_LDAP_BIND_DN": "cn=r,dc=x"}, "ODST_LDAP_BIND_PASSWORD_FILE"),
        (
            {"ODST_LDAP_BIND_DN": "cn=r,dc=x", "ODST_LDAP_BIND_PASSWORD": "a", "ODST_LDAP_BIND_PASSWORD_FILE": __file__},
            "BIND_PASSWORD_FILE",
        ),
        ({"ODST_LDAP_BIND_DN": "cn=r,dc=x", "ODST_LDAP_BIND_PASSWORD": ""}, "ODST_LDAP_BIND_PASSWORD"),
        ({"ODST_LDAP_USER_FILTER": "(uid=*)"}, "ODST_LDAP_USER_FILTER"),
        ({"ODST_LDAP_USER_FILTER": "(|(uid={name})"}, "ODST_LDAP_USER_FILTER"),
        ({"ODST_LDAP_CA_FILE": __file__}, "ODST_LDAP_CA_FILE"),
        ({"ODST_LDAP_CA_FILE": "/nowhere"}, "ODST_LDAP_CA_FILE"),
        ({"ODST_LDAP_TIMEOUT_SECONDS": "5"}, "ODST_LDAP_TIMEOUT_SECONDS"),
        ({"ODST_LDAP_GROUP_STYLE": "magic"}, "ODST_LDAP_GROUP_STYLE"),
        ({"ODST_LDAP_NAME_ATTRIBUTE": "uid)(x="}, "ODST_LDAP_NAME_ATTRIBUTE"),
    ],
)
def test_a_fault_names_its_variable(changes: dict[str, str], variable: str) -> None:
    """So that one start is enough to mend it. No secret is in the message."""
    with pytest.raises(ConfigurationError, match=variable) as caught:
        DirectorySettings.load(GOOD | changes)

    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("way", [{"ODST_LDAP_STARTTLS": "true"}, {"ODST_LDAP_ALLOW_PLAINTEXT": "true"}])
def test_plain_addresses_need_starttls_or_a_word(way: dict[str, str]) -> None:
    """Passwords in the clear are nobody's default."""
    assert DirectorySettings.load(GOOD | {"ODST_LDAP_SERVERS": "ldap://[::1]"} | way).ldap_servers == ("ldap://[::1]:389",)


def test_the_password_is_shown_nowhere() -> None:
    """Neither by the plan, nor by the settings, nor by `odst config`."""
    settings = DirectorySettings.load(BOUND)

    assert "hunter2" not in repr(settings) + repr(settings.ldap) + str(explain({"directory": DirectorySettings}, BOUND))
