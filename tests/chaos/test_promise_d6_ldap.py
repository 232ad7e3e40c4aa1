"""D6: a directory that is away, frozen, false or lied to means no, soon, and never a stack trace.

How long "soon" is, the adapter's own deadline says, which no setting can raise to 5 s; a test that hangs is ended by its mark.
"""

from __future__ import annotations

import contextlib
import itertools
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from services.directory.adapters.deadlines import Deadline
from services.directory.adapters.ldap_accounts import LdapAccounts
from services.directory.adapters.ldap_connection import ServerFault, opened
from services.directory.adapters.ldap_plan import trusted
from services.directory.domain.attempts import REFUSAL
from services.directory.domain.distinguished_names import dn_key
from shared.core.errors import ServiceUnavailable, Unauthenticated
from shared.testing.certificates import Authority
from shared.testing.fakes.accounts import MOST_FAILURES
from shared.testing.slapd import PrivateSlapd
from shared.testing.slapd_tree import JANE, PASSWORD, READER, RING_A, RING_B, person
from shared.testing.waiting import wait_for

pytestmark = [pytest.mark.promise("D6"), pytest.mark.timeout(60)]
WAYS = ("ldaps", "starttls", "plain")
INJECTIONS = [
    *("*", "ad*", "*)(uid=*", "*))%00", "(uid=ada)", ")(", "&", "|", "!"),
    *("ada)(|(uid=*", "ada)(objectClass=*))(&(uid=*", "ada)(userPassword=*", "admin)(!(&(1=0", "x)(|(cn=*)"),
    *("ada,ou=people,dc=example,dc=org", "uid=ada,ou=people,dc=example,dc=org", "ada;x", "ada#", '"ada"'),
    *("ada\x00", "ada\n", "ada\\00", "\\61da", "\\2A)(uid=\\2a", "${jndi:ldap://127.0.0.1/x}"),
]


def by(way: str, slapd: PrivateSlapd, **changes: object) -> LdapAccounts:
    """The adapter, over one of the three ways."""
    url = slapd.url("ldaps" if way == "ldaps" else "ldap")
    return LdapAccounts(slapd.plan(url, starttls=way == "starttls", **changes))


def assert_away(accounts: LdapAccounts, name: str = "fritz") -> None:
    """Nobody gets in, it is said that the directory is away, and the password is in nothing that could be shown."""
    with capture_logs() as logs, pytest.raises(ServiceUnavailable) as caught:
        accounts.recognise(name, PASSWORD)

    chain = itertools.takewhile(bool, _causes(caught.value))
    assert PASSWORD not in str(logs) + str(caught.value) + "".join(map(repr, chain))
    assert [log["event"] for log in logs] == ["ldap_server_failed"] * len(logs) != []


def _causes(error: BaseException) -> Iterator[BaseException | None]:
    seen: BaseException | None = error
    while True:
        yield seen
        seen = (seen.__cause__ or seen.__context__) if seen else None


def refused(accounts: LdapAccounts, name: str, password: str) -> bool:
    """True if refused in the sentence for everybody."""
    with pytest.raises(Unauthenticated) as caught:
        accounts.recognise(name, password)
    return str(caught.value) == REFUSAL


@pytest.mark.parametrize("way", WAYS)
def test_all_three_ways_are_ways(slapd: PrivateSlapd, way: str) -> None:
    """D6 is worth something only if the same plan lets in who is right."""
    assert by(way, slapd).recognise("fritz", PASSWORD).name == "fritz"


@pytest.mark.parametrize("way", WAYS)
def test_a_directory_that_is_stopped_means_no(slapd: PrivateSlapd, way: str) -> None:
    """D6: nothing listens."""
    accounts = by(way, slapd)

    with slapd.stopped():
        assert_away(accounts)


@pytest.mark.parametrize("way", WAYS)
def test_a_frozen_directory_means_no_when_the_time_is_up(slapd: PrivateSlapd, way: str) -> None:
    """D6: the kernel accepts connections, and nobody ever answers."""
    accounts = by(way, slapd, timeout_seconds=0.3)

    with slapd.frozen():
        assert_away(accounts)


def test_a_directory_that_was_just_found_frozen_is_not_waited_for(slapd: PrivateSlapd) -> None:
    """D6: whoever comes next is told at once, without a conversation, so that workers stay free for tokens."""
    accounts = by("ldaps", slapd, timeout_seconds=0.3)

    with slapd.frozen():
        assert_away(accounts)
        with capture_logs() as logs, pytest.raises(ServiceUnavailable):
            accounts.recognise("fritz", PASSWORD)

    assert logs == []


def test_a_first_server_that_is_dead_leaves_time_for_the_second(slapd: PrivateSlapd) -> None:
    """D6: it is asked once, and then left alone for a while."""
    with _listening(lambda _: None) as dead:
        accounts = LdapAccounts(slapd.plan(f"ldaps://127.0.0.1:{dead}", slapd.url(), timeout_seconds=5))
        with capture_logs() as first:
            assert accounts.recognise("fritz", PASSWORD).name == "fritz"
        with capture_logs() as second:
            assert accounts.recognise("fritz", PASSWORD).name == "fritz"

    assert ([log["event"] for log in first], second) == (["ldap_server_failed"], [])


def test_a_server_that_drips_is_cut(slapd: PrivateSlapd) -> None:
    """D6: one byte at a time never ends; the deadline is for the whole, not for each byte."""
    done = threading.Event()

    def drip(connection: socket.socket) -> None:
        connection.sendall(b"\x30\x84\x00\x10\x00\x00")
        while not done.wait(0.02):
            connection.sendall(b"\x02")

    with _listening(drip) as port:
        assert_away(LdapAccounts(slapd.plan(f"ldap://127.0.0.1:{port}", timeout_seconds=1)))
        done.set()


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x30\x03\x02\x01\x01", b"\x30\x80\x00\x00", b"\xff" * 64])
def test_what_does_not_speak_ldap_means_no(slapd: PrivateSlapd, said: bytes) -> None:
    """D6: whatever it says, and a library that stumbles over it."""

    def answer(connection: socket.socket) -> None:
        connection.recv(1024)
        connection.sendall(said)
        connection.shutdown(socket.SHUT_WR)

    with _listening(answer) as port:
        assert_away(LdapAccounts(slapd.plan(f"ldap://127.0.0.1:{port}", timeout_seconds=2)))


@pytest.mark.parametrize("way", ["ldaps", "starttls"])
def test_a_certificate_of_somebody_else_means_no(slapd: PrivateSlapd, way: str, tmp_path: Path) -> None:
    """D6: another authority than ours signed it; and no setting at all believes the machine's own."""
    assert_away(by(way, slapd, ca_file=Authority(tmp_path, "Another").file))
    assert_away(by(way, slapd, ca_file=None))


@pytest.mark.parametrize("way", ["ldaps", "starttls"])
@pytest.mark.parametrize("fault", ["expired", "other host"])
def test_a_certificate_that_is_not_right_means_no(authority: Authority, slapd: PrivateSlapd, way: str, fault: str) -> None:
    """D6: it has expired, or is for another host."""
    assert slapd.pid, "skipped without slapd"
    issued = authority.issue("localhost", expired=True) if fault == "expired" else authority.issue("ldap.example.org", "10.0.0.1")

    with PrivateSlapd(authority, issued) as other:
        assert_away(by(way, other))


def test_a_server_without_starttls_gets_no_password(slapd: PrivateSlapd) -> None:
    """D6: somebody in between who takes StartTLS away gets nothing to read."""
    heard: list[bytes] = []

    def refuse(connection: socket.socket) -> None:
        heard.append(connection.recv(4096))
        connection.sendall(b"\x30\x0c\x02\x01" + heard[0][4:5] + b"\x78\x07\x0a\x01\x02\x04\x00\x04\x00")
        heard.append(connection.recv(4096))

    with _listening(refuse) as port:
        assert_away(LdapAccounts(slapd.plan(f"ldap://127.0.0.1:{port}", starttls=True, timeout_seconds=2)))

    assert b"1.3.6.1.4.1.1466.20037" in heard[0]
    assert slapd.reader_password.encode() not in b"".join(heard)


def test_a_connection_that_broke_off_is_not_opened_anew(slapd: PrivateSlapd) -> None:
    """D6: the library would do so by itself, without StartTLS, and send the password in the clear."""
    plan = slapd.plan(slapd.url("ldap"), starttls=True)
    deadline = Deadline(plan.timeout_seconds, time.monotonic)

    with opened(plan.servers[0], plan, trusted(plan.ca_file), deadline) as session:
        session._connection.strategy.close()
        with pytest.raises(ServerFault, match="closed"):
            session.bind(READER, slapd.reader_password)


@pytest.mark.parametrize("name", INJECTIONS)
def test_no_name_means_more_than_itself(slapd: PrivateSlapd, name: str) -> None:
    """D6: a name is never a filter, a pattern or a distinguished name, although everybody here has this password."""
    accounts = by("ldaps", slapd)

    assert refused(accounts, name, PASSWORD)
    assert accounts.look_up(name) is None


def test_an_empty_password_is_no_password(slapd: PrivateSlapd) -> None:
    """D6: this directory lets in whoever sends a name and no password. It is never sent."""
    accounts = by("ldaps", slapd)

    with slapd.stopped():
        assert refused(accounts, "fritz", "")


@pytest.mark.parametrize("name", ["closed", "reset", "expired", "nameless", "double", "admin"])
def test_an_account_that_may_not_log_in_means_no(slapd: PrivateSlapd, name: str) -> None:
    """D6: closed, to be changed, expired, without a name, or with two: the log says why, the caller learns nothing."""
    accounts = by("ldaps", slapd)

    with capture_logs() as logs:
        assert refused(accounts, name, PASSWORD)

    assert [log["event"] for log in logs] == ["ldap_login_refused"]
    assert PASSWORD not in str(logs)


def test_a_locked_account_means_no(slapd: PrivateSlapd) -> None:
    """D6: after three wrong passwords the right one does not help; each attempt of ours was counted once there."""
    accounts = by("ldaps", slapd)
    dn = person("emil")
    try:
        for count in range(MOST_FAILURES):
            assert slapd.failures_of(dn) == count
            assert refused(accounts, "emil", "wrong")
        with capture_logs() as logs:
            assert refused(accounts, "emil", PASSWORD)
    finally:
        slapd.unlock(dn)

    assert (logs[0]["reason"], logs[0]["dn"]) == ("locked", dn)
    assert accounts.recognise("emil", PASSWORD).name == "emil"


def test_groups_in_a_ring_are_each_there_once(slapd: PrivateSlapd) -> None:
    """D6: a loop of groups ends."""
    found = by("ldaps", slapd).recognise("jane", PASSWORD)

    assert sorted(map(dn_key, found.groups)) == sorted([dn_key(RING_A), dn_key(RING_B)])
    assert found.display_name == "Doe, Jane"
    assert dn_key(JANE) == dn_key("cn=doe\\, jane,ou=people,dc=example,dc=org")


def test_too_many_at_once_are_told_at_once(slapd: PrivateSlapd) -> None:
    """D6: while six wait for a frozen directory, others do not join them: workers stay free for tokens."""
    waiting: list[bytes] = []
    thaw = threading.Event()

    def freeze(connection: socket.socket) -> None:
        waiting.append(connection.recv(1024))
        thaw.wait()
        connection.close()

    with _listening(freeze) as port, ThreadPoolExecutor(6) as pool:
        accounts = LdapAccounts(slapd.plan(f"ldap://127.0.0.1:{port}"))
        first = [pool.submit(accounts.recognise, "fritz", PASSWORD) for _ in range(6)]
        wait_for(lambda: len(waiting) == len(first), "six conversations are under way")
        with capture_logs() as logs, pytest.raises(ServiceUnavailable):
            accounts.recognise("fritz", PASSWORD)
        thaw.set()

    assert ([log["event"] for log in logs], len(waiting)) == (["ldap_too_many_at_once"], 6)
    assert all(isinstance(one.exception(), ServiceUnavailable) for one in first)


@contextlib.contextmanager
def _listening(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """A port whose connections are given to `serve`, and closed at the end."""
    opened: list[socket.socket] = []

    def accept(listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                opened.append(connection)
                threading.Thread(target=_quietly, args=(serve, connection), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, args=(listener,), daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
    for connection in opened:
        connection.close()


def _quietly(serve: Callable[[socket.socket], None], connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        serve(connection)
