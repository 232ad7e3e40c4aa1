"""Handing mail to a server by SMTP.

The standard library's `smtplib` speaks; each conversation is a connection of its own with one limit for all of it, so that a server
that drips or hangs costs no more than that. TLS is asked for before anything else is said, and the certificate must be the host's.
"""

from __future__ import annotations

import contextlib
import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from services.notify.domain.deliveries import Answer
from services.notify.domain.facts import visible
from shared.runtime.logging import get_logger
from shared.runtime.outbound import CutOff, Limits, Route, resolve_by_system

log = get_logger(__name__)
_REFUSED_FOR_GOOD = 500
_MOST_SAID = 200
_REFUSALS = {smtplib.SMTPAuthenticationError: "the login", smtplib.SMTPSenderRefused: "the sender"}


class Security(StrEnum):
    """How what is said to the server is kept from others."""

    STARTTLS = "starttls"
    """TLS within the conversation, or nothing is sent."""
    TLS = "tls"
    """From the first byte."""
    NONE = "none"
    """Not at all: for a server on the same machine."""


@dataclass(frozen=True)
class SmtpPlan:
    """A mail server and how to talk to it."""

    host: str
    port: int
    security: Security
    sender: str
    """Address in the envelope: where mail that cannot be delivered comes back to."""
    name: str
    """What we call ourselves."""
    limits: Limits
    tls: ssl.SSLContext = field(repr=False)
    user: str | None = None
    password: str = field(default="", repr=False)


class SmtpRelay:
    """`Mailer` by SMTP."""

    def __init__(self, plan: SmtpPlan) -> None:
        """Nothing is connected to before there is mail."""
        self._plan = plan

    def send(self, to: str, mail: bytes) -> Answer:
        """Hand over one mail. Whatever goes wrong is an answer, not an error."""
        is_begun = False
        with CutOff(self._plan.limits.total_seconds) as cut_off:
            try:
                with _conversation(self._plan, cut_off) as server:
                    is_begun = True
                    server.sendmail(self._plan.sender, [to], mail)
                answer = Answer(status=250)
            except (smtplib.SMTPException, OSError, ValueError) as error:
                answer = _answer(error)
                if cut_off.fired:
                    answer = Answer(error=f"the mail server did not finish within {self._plan.limits.total_seconds:g} s")
                # Once it is begun, only a refusal in so many words says that the server has not taken it.
                answer = replace(answer, is_untaken=not is_begun or answer.status is not None)
        log.info("mail_sent", host=self._plan.host, status=answer.status, error=answer.error, is_final=answer.is_final)
        return answer


@contextmanager
def _conversation(plan: SmtpPlan, cut_off: CutOff) -> Iterator[smtplib.SMTP]:
    server = _Watched(plan, cut_off)
    try:
        server.connect(plan.host, plan.port)
        if plan.security is Security.STARTTLS:
            server.starttls(context=plan.tls)
        if plan.user:
            server.login(plan.user, plan.password)
        yield server
        with contextlib.suppress(smtplib.SMTPException, OSError):
            server.quit()
    finally:
        server.close()


class _Watched(smtplib.SMTP):
    """A conversation that ends when its time is up."""

    def __init__(self, plan: SmtpPlan, cut_off: CutOff) -> None:
        super().__init__(local_hostname=plan.name, timeout=plan.limits.total_seconds)
        self._plan, self._cut_off = plan, cut_off
        self._host = plan.host  # by which starttls checks the certificate

    def _get_socket(self, host: str, port: int, timeout: float) -> Any:
        route = Route(resolve_by_system(host, port), port, self._cut_off)
        connection = route.connect(self._plan.limits.connect_seconds)
        connection.settimeout(timeout)
        if self._plan.security is Security.TLS:
            return self._plan.tls.wrap_socket(connection, server_hostname=host)
        return connection


def _answer(error: Exception) -> Answer:
    """What a refusal means. For good is only what the server says of this recipient or this mail; else it is set up wrong, and may pass."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        status, said = next(iter(error.recipients.values()))
        return _refused("the mail server refused the recipient", status, said, may_be_final=True)
    if isinstance(error, smtplib.SMTPDataError):
        return _refused("the mail server refused the mail", error.smtp_code, error.smtp_error, may_be_final=True)
    if isinstance(error, smtplib.SMTPResponseException):
        what = next((what for kind, what in _REFUSALS.items() if isinstance(error, kind)), "to talk")
        return _refused(f"the mail server refused {what}", error.smtp_code, error.smtp_error)
    if isinstance(error, ssl.SSLCertVerificationError):
        return Answer(error=f"the mail server's certificate is not trusted: {error.verify_message}; see ODST_SMTP_CA_FILE")
    return Answer(error=f"{type(error).__name__}: {visible(error, _MOST_SAID)}")


def _refused(what: str, status: int, said: bytes | str, *, may_be_final: bool = False) -> Answer:
    text = visible(said.decode("utf-8", "replace") if isinstance(said, bytes) else said, _MOST_SAID)
    return Answer(status, error=f"{what} ({status}): {text}", text=text, is_final=may_be_final and status >= _REFUSED_FOR_GOOD)
