"""LDAP under eventlet, as it runs in the service: TLS works, and a directory that is frozen holds up nobody else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from shared.testing.slapd import PrivateSlapd
from shared.testing.slapd_tree import ADAS_GROUPS, BASE, PASSWORD, READER

_BEGIN = """
import eventlet
eventlet.monkey_patch()
import sys
from pathlib import Path
from services.directory.adapters.ldap_accounts import LdapAccounts
from services.directory.adapters.ldap_plan import Endpoint, LdapPlan
from shared.core.errors import ServiceUnavailable

url, authority, reader, secret, base, password, *_ = sys.argv[1:]

def by(url, seconds, starttls=False):
    server = (Endpoint.parse(url),)
    return LdapAccounts(LdapPlan(server, base, starttls, Path(authority), reader, secret, timeout_seconds=seconds))
"""
_BOTH_WAYS = f"""{_BEGIN}
print(len(by(url, 30).recognise("ada", password).groups), len(by(sys.argv[7], 30, True).recognise("ada", password).groups))
"""
_FROZEN = f"""{_BEGIN}
accounts = by(url, 1)

def log_in():
    try:
        accounts.recognise("ada", password)
    except ServiceUnavailable:
        return "no"

waiting, steps = eventlet.spawn(log_in), 0
while not waiting.dead:
    eventlet.sleep(0.01)
    steps += 1
print(waiting.wait(), "others went on" if steps > 10 else f"others stood still: {{steps}}")
"""


def _run(program: str, slapd: PrivateSlapd) -> tuple[int, str, str]:
    plan = slapd.plan()
    arguments = [slapd.url(), str(plan.ca_file), READER, plan.bind_password, BASE, PASSWORD, slapd.url("ldap")]
    command = [sys.executable, "-W", "ignore", "-c", program, *arguments]
    ended = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60, cwd=Path(__file__).parents[2])
    return ended.returncode, ended.stdout.splitlines()[-1] if ended.stdout else "", ended.stderr


def test_people_log_in_over_both_kinds_of_tls(slapd: PrivateSlapd) -> None:
    """LDAPS and StartTLS, on green sockets."""
    code, said, errors = _run(_BOTH_WAYS, slapd)

    assert (code, said) == (0, f"{len(ADAS_GROUPS)} {len(ADAS_GROUPS)}"), errors


def test_a_frozen_directory_holds_up_nobody_else(slapd: PrivateSlapd) -> None:
    """While one green thread waits for its deadline, the others of its process run."""
    with slapd.frozen():
        code, said, errors = _run(_FROZEN, slapd)

    assert (code, said) == (0, "no others went on"), errors
