"""A whole instance with a real directory: from the settings to a session, and what a frozen directory does to everybody else."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests
from click.testing import CliRunner, Result

from cli.main import main
from shared.testing.instance import Instance
from shared.testing.slapd import PrivateSlapd
from shared.testing.slapd_tree import BASE, EVERYTHING, PASSWORD, READER
from shared.testing.waiting import wait_for

pytestmark = pytest.mark.promise("D6")


def odst(instance: Instance, *words: str) -> Result:
    """The command, as the first administrator."""
    return CliRunner().invoke(main, words, env={"ODST_URL": instance.url, "ODST_TOKEN": instance.token}, catch_exceptions=False)


def log_in(instance: Instance, name: str) -> requests.Response:
    """As a browser would."""
    return requests.post(f"{instance.url}/api/v1/session", json={"name": name, "password": PASSWORD}, timeout=60)


def by_ldap(slapd: PrivateSlapd) -> dict[str, Any]:
    """The settings of an operator."""
    return {
        "ODST_LDAP_SERVERS": slapd.url("ldap"),
        "ODST_LDAP_STARTTLS": "true",
        "ODST_LDAP_CA_FILE": str(slapd.plan().ca_file),
        "ODST_LDAP_BIND_DN": READER,
        "ODST_LDAP_BIND_PASSWORD": slapd.reader_password,
        "ODST_LDAP_BASE_DN": BASE,
        "ODST_LDAP_TIMEOUT_SECONDS": "4.9",
    }


def test_people_of_a_directory_come_in_and_hold_up_nobody(make_instance: Callable[..., Instance], slapd: PrivateSlapd) -> None:
    """D6: its people log in by their groups; while it is frozen they get 503, and tokens are answered all the while."""
    instance = make_instance("A", settings=by_ldap(slapd)).start().wait_ready()
    assert odst(instance, "group", "grant", EVERYTHING.upper(), "viewer").exit_code == 0
    # A machine that is busy enough may miss the time limit of a real setting: that is not what this is about.
    wait_for(lambda: odst(instance, "ldap", "test", "--user", "ada").exit_code == 0, "all steps are well")
    wait_for(lambda: log_in(instance, "ada").json().get("source") == "ldap", "Ada is let in")

    with slapd.frozen(), ThreadPoolExecutor(8) as pool:
        logins = [pool.submit(log_in, instance, f"guest{number}") for number in range(8)]
        listed = [odst(instance, "packages").exit_code for _ in range(3)]
        refused = {login.result().status_code for login in logins}

    assert (listed, refused) == ([0, 0, 0], {503})
    log = "".join(path.read_text("utf-8", "replace") for path in instance.folder.glob("*.log"))
    assert "ldap_server_failed" in log
    assert not [word for word in (PASSWORD, slapd.reader_password, "Traceback") if word in log]
