"""Claims about certificates that people have to renew: read where they are served and where they lie, and told before they end."""

from __future__ import annotations

import datetime as dt
import socket
import ssl
from collections.abc import Sequence
from pathlib import Path

import pytest

from shared.core.alarms import AlarmKind, Patience, Severity
from shared.core.endings import Certificate, Lifetime
from shared.runtime.certificates import CertificateLook, Reader, in_file, served_at
from shared.runtime.outbound import Limits
from shared.testing.certificates import Authority, Issued
from shared.testing.fakes.alarms import FakeAlarmBook
from shared.testing.fakes.clock import NOON, FakeClock
from tests.integration.notify_receivers import raw_receiver, receiver

DAY = dt.timedelta(days=1)
HOUR = dt.timedelta(hours=1)
SETTING = "ODST_PUBLIC_URL"


def serving(issued: Issued) -> ssl.SSLContext:
    """A server's TLS with this certificate."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(issued.certificate, issued.key)
    return context


@pytest.mark.parametrize(("name", "expired"), [("localhost", False), ("another.example.org", False), ("localhost", True)])
def test_a_certificate_is_read_where_it_is_served(authority: Authority, name: str, *, expired: bool) -> None:
    """Whoever signed it, whatever its name is, and also if it has ended: the handshake trusts nobody, and says nothing."""
    issued = authority.issue(name, expired=expired, days=5)
    with receiver(tls=serving(issued)) as server:
        (found,) = served_at(server.url)
        sent = list(server.requests)

    assert [found] == list(in_file(issued.certificate))
    assert found.subject == f"CN={name}"
    assert (found.lifetime.ends < dt.datetime.now(dt.UTC)) is expired
    assert sent == []


def hang(connection: socket.socket) -> None:
    """Take what comes, and say nothing."""
    while connection.recv(4096):
        pass


def drip(connection: socket.socket) -> None:
    """Begin a TLS record that never ends."""
    connection.sendall(b"\x16\x03\x03\x40\x00")
    while connection.recv(4096):
        connection.sendall(b"\x00")


@pytest.mark.parametrize("behave", [hang, drip, lambda connection: connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")])
def test_who_hangs_or_does_not_speak_tls_is_left(behave: object) -> None:
    """Within the time, and with an error that counts as not read."""
    with raw_receiver(behave) as url, pytest.raises((OSError, ValueError)):  # type: ignore[arg-type]
        served_at(url.replace("http:", "https:"), Limits(connect_seconds=2, total_seconds=0.5))


def test_files_without_certificates_are_not_read(tmp_path: Path) -> None:
    """Missing, empty or of another kind."""
    (tmp_path / "empty.pem").write_bytes(b"")
    for name in ("missing.pem", "empty.pem"):
        with pytest.raises((OSError, ValueError)):
            in_file(tmp_path / name)


class Door:
    """A certificate at an address that can be away, with a service that looks at it each minute."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.book = FakeAlarmBook("notify", Patience(dt.timedelta(0), 300 * DAY))
        self.certificates: Sequence[Certificate] | None = [ending(100)]
        self.reads = 0
        self.restart()

    def restart(self) -> None:
        """A service that knows only what its alarms are."""
        sources: dict[str, Reader] = {SETTING: self._read}
        self.look = CertificateLook(sources, self.book, 14 * DAY, HOUR)

    def _read(self) -> Sequence[Certificate]:
        self.reads += 1
        if self.certificates is None:
            raise ConnectionRefusedError("nobody listens")
        return self.certificates

    def passes(self, time: dt.timedelta) -> list[tuple[str, str]]:
        """Time; what is raised then, and how bad it is."""
        now = self.clock.pass_seconds(time.total_seconds())
        self.book.note((AlarmKind.CERTIFICATE_EXPIRING,), list(self.look(now)), now)
        return [(alarm.about, alarm.severity.value) for alarm in self.book.present()]

    @property
    def said(self) -> list[str]:
        """What was told."""
        return [event.type.split(".")[1] for event in self.book.dispatched]


def ending(days: float, name: str = "CN=hamburg.example.org") -> Certificate:
    """A certificate that lives for 100 days, and ends so many days after noon."""
    return Certificate(name, Lifetime(NOON + (days - 100) * DAY, NOON + days * DAY))


@pytest.fixture
def door() -> Door:
    """With a fresh certificate."""
    return Door()


def test_a_certificate_is_told_before_it_ends_and_when_it_was_renewed(door: Door) -> None:
    """A fortnight before, critical in the last two days, and over when another one is served."""
    fresh = door.passes(85 * DAY)
    near = door.passes(2 * DAY)
    urgent = door.passes(11.5 * DAY)
    (alarm,) = door.book.present()
    door.certificates = [ending(200)]
    renewed = door.passes(HOUR)

    assert (fresh, near, urgent, renewed) == ([], [(SETTING, "warning")], [(SETTING, "critical")], [])
    assert alarm.detail == "the certificate CN=hamburg.example.org ends at 2027-02-11T12:00:00Z"
    assert door.said == ["raised", "cleared"]


def test_certificates_are_read_once_an_hour(door: Door) -> None:
    """However often the service looks, and whatever its clock does."""
    for _ in range(121):
        door.passes(dt.timedelta(minutes=1))
    regular = door.reads
    door.passes(-DAY)

    assert (regular, door.reads) == (3, 4)


def test_an_address_that_does_not_answer_says_nothing_new(door: Door) -> None:
    """What was raised stays so, also over a restart, and nothing is raised about a certificate that nobody has seen."""
    door.certificates = None
    never_seen = door.passes(90 * DAY)
    door.certificates = [ending(100)]
    raised = door.passes(HOUR)
    door.certificates = None
    away = door.passes(HOUR)
    door.restart()
    after_a_restart = door.passes(HOUR)

    assert (never_seen, raised, away, after_a_restart) == ([], *3 * [[(SETTING, "warning")]])
    assert door.said == ["raised"]


def test_of_several_in_a_file_the_first_to_end_is_told(door: Door) -> None:
    """With how many more are near; one that is far is no excuse for one that has ended."""
    door.certificates = [ending(300), ending(5, "CN=old"), ending(-1, "CN=gone")]

    found = door.passes(HOUR)

    assert found == [(SETTING, Severity.CRITICAL.value)]
    assert door.book.present()[0].detail == "the certificate CN=gone ended at 2026-11-02T12:00:00Z, and 1 more"
