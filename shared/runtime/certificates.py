"""Certificates that people have to renew: read from where they are, and an alarm before they end.

Where a certificate is served, it is read in a handshake that trusts nobody: one that ended, or that only the organisation's own
authority vouches for, has to be read too. Nothing is sent to who answers, and of what he says only a date and a name are used. The
address is the operator's own, from the configuration, so it may be a private one.
"""

from __future__ import annotations

import datetime as dt
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from cryptography import x509

from shared.core.alarms import AlarmBook, AlarmKind, Condition, Severity
from shared.core.endings import Certificate, Lifetime
from shared.core.times import rfc3339
from shared.runtime.logging import get_logger
from shared.runtime.outbound import PORTS, CutOff, Limits, reason_of
from shared.runtime.settings import Settings

log = get_logger(__name__)
Reader = Callable[[], Sequence[Certificate]]
"""Raises OSError or ValueError if there is nothing to be read."""
_LIMITS = Limits()
_SHOWN_CHARACTERS = 120
_WORST_FIRST = (Severity.CRITICAL, Severity.WARNING)


def in_file(path: Path) -> Sequence[Certificate]:
    """All certificates in a PEM file.

    Raises:
        OSError, ValueError: if it cannot be read, or has none.
    """
    return [_of(certificate) for certificate in x509.load_pem_x509_certificates(path.read_bytes())]


def served_at(url: str, limits: Limits = _LIMITS) -> Sequence[Certificate]:
    """The one that a server shows who connects to this https address.

    Raises:
        OSError, ValueError: if nobody answers in time, or shows none.
    """
    parts = urlsplit(url)
    host, port = str(parts.hostname), parts.port or PORTS["https"]
    with CutOff(limits.total_seconds) as cut_off, socket.create_connection((host, port), limits.connect_seconds) as connection:
        cut_off.watch(connection)
        with _trusting_nobody().wrap_socket(connection, server_hostname=host) as tls:
            return [_of(x509.load_der_x509_certificate(tls.getpeercert(binary_form=True) or b""))]


def _trusting_nobody() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _of(certificate: x509.Certificate) -> Certificate:
    subject = "".join(letter for letter in certificate.subject.rfc4514_string() if letter.isprintable())
    lifetime = Lifetime(certificate.not_valid_before_utc, certificate.not_valid_after_utc)
    return Certificate(subject[:_SHOWN_CHARACTERS] or "without a name", lifetime)


@dataclass
class CertificateLook:
    """Finds certificates whose end is near. They are read anew every `every`; what cannot be read is as it was last."""

    sources: Mapping[str, Reader]
    """By the setting that names them."""
    alarms: AlarmBook
    warning: dt.timedelta
    every: dt.timedelta
    _known: dict[str, Sequence[Certificate]] = field(default_factory=dict)
    _read_at: dt.datetime | None = None

    @classmethod
    def of(cls, settings: Settings, sources: Mapping[str, Reader], alarms: AlarmBook) -> Self:
        """As a service is configured."""
        return cls(sources, alarms, settings.expiry_warning, dt.timedelta(seconds=settings.certificate_look_seconds))

    def __call__(self, now: dt.datetime) -> Iterator[Condition]:
        """What is the matter."""
        if self._read_at is None or not dt.timedelta(0) <= now - self._read_at < self.every:
            self._read_at = now
            for about in self.sources:
                self._read(about)
        for about in self.sources:
            yield from self._judge(about, now) if about in self._known else self._as_remembered(about)

    def _read(self, about: str) -> None:
        try:
            self._known[about] = self.sources[about]()
        except (OSError, ValueError) as error:
            log.info("certificate_not_read", setting=about, reason=reason_of(error))

    def _as_remembered(self, about: str) -> Iterator[Condition]:
        """It could not be read since the start."""
        mine = (alarm for alarm in self.alarms.present() if (alarm.kind, alarm.about) == (AlarmKind.CERTIFICATE_EXPIRING, about))
        return (alarm.condition for alarm in mine)

    def _judge(self, about: str, now: dt.datetime) -> Iterator[Condition]:
        ending = sorted(self._known[about], key=lambda one: one.lifetime.ends)
        found = {one: one.lifetime.nearing(now, self.warning) for one in ending}
        near = [one for one in ending if found[one]]
        if near:
            ends = near[0].lifetime.ends
            verb, more = "ended" if ends <= now else "ends", f", and {len(near) - 1} more" if len(near) > 1 else ""
            severity = next(one for one in _WORST_FIRST if one in found.values())
            detail = f"the certificate {near[0].subject} {verb} at {rfc3339(ends)}{more}"
            yield Condition(AlarmKind.CERTIFICATE_EXPIRING, about, severity, detail, mark=rfc3339(ends))


def files_and_their_settings(files: Mapping[str, Path | None]) -> dict[str, Reader]:
    """Readers of those files that are set, by the environment's name for the setting."""

    def reader(path: Path) -> Reader:
        return lambda: in_file(path)

    return {setting: reader(path) for setting, path in files.items() if path is not None}
