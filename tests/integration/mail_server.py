"""A mail server on a real socket, with TLS and a login."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from shared.testing.certificates import Authority
from shared.testing.instance import free_port

PASSWORD = "correct horse"


@dataclass
class MailServer:
    """A mail server that remembers what it took, and answers to the next mails as told: at RCPT, or after DATA."""

    at_recipient: list[str] = field(default_factory=list)
    at_data: list[str] = field(default_factory=list)
    """`drop` ends the connection instead."""
    taken: list[EmailMessage] = field(default_factory=list)
    dropped: list[EmailMessage] = field(default_factory=list)
    port: int = 0

    async def handle_RCPT(  # noqa: N802 - aiosmtpd calls it so
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: Any
    ) -> str:
        """Take the recipient, if nothing else is said."""
        if self.at_recipient:
            return self.at_recipient.pop(0)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - the same
        """Take the mail, if nothing else is said."""
        assert isinstance(envelope.content, bytes)
        mail = message_from_bytes(envelope.content, policy=policy.default)
        if self.at_data and self.at_data[0] == "drop":
            self.at_data.pop(0)
            self.dropped.append(mail)
            server.transport.abort()
            return "421 dropped"
        if self.at_data:
            return self.at_data.pop(0)
        self.taken.append(mail)
        return "250 OK"


def _login(_server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, data: Any) -> AuthResult:
    return AuthResult(success=data == LoginPassword(b"odst", PASSWORD.encode()), handled=False)


@contextmanager
def mail_server(authority: Authority, *, first_byte: bool = False) -> Iterator[MailServer]:
    """A mail server with TLS and a login."""
    issued = authority.issue("localhost")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(issued.certificate, issued.key)
    made = MailServer(port=free_port())
    ways: dict[str, Any] = {"authenticator": _login, "auth_required": not first_byte, "port": made.port, "hostname": "localhost"}
    ways |= {"ssl_context": tls, "auth_require_tls": False} if first_byte else {"tls_context": tls, "require_starttls": True}
    controller = Controller(made, **ways)
    controller.start()
    try:
        yield made
    finally:
        controller.stop()


def variables(server: MailServer, authority: Authority) -> dict[str, str]:
    """The configuration of an instance that sends its mail by this server."""
    return {
        "ODST_SMTP_HOST": "localhost",
        "ODST_SMTP_PORT": str(server.port),
        "ODST_SMTP_USER": "odst",
        "ODST_SMTP_PASSWORD": PASSWORD,
        "ODST_SMTP_CA_FILE": str(authority.file),
        "ODST_SMTP_FROM": "odst@example.org",
    }
