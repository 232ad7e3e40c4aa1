"""What to do about a server that does not answer as it should: one sentence for each way in which that happens."""

from __future__ import annotations

import socket
import ssl

from services.directory.adapters.certificate_advice import about_a_certificate
from services.directory.adapters.ldap_connection import NO_SUCH_OBJECT, RefusesUs, ServerFault

_BUSY, _UNAVAILABLE = 51, 52
_CONFIDENTIALITY_REQUIRED, _STRONGER_AUTH_REQUIRED = 13, 8
_OPERATIONS_ERROR, _REFERRAL, _INSUFFICIENT_ACCESS = 1, 10, 50
_CODES = {
    _OPERATIONS_ERROR: "the server wants to know who asks: set ODST_LDAP_BIND_DN and its password",
    _STRONGER_AUTH_REQUIRED: "the server accepts passwords over TLS only: use ldaps:// or ODST_LDAP_STARTTLS",
    _CONFIDENTIALITY_REQUIRED: "the server accepts passwords over TLS only: use ldaps:// or ODST_LDAP_STARTTLS",
    _REFERRAL: "the server sends us to another one, which is not followed: is this base DN one of its own?",
    NO_SUCH_OBJECT: "there is no such base DN, or the account of ODST_LDAP_BIND_DN may not see it",
    _INSUFFICIENT_ACCESS: "the account of ODST_LDAP_BIND_DN may not read this",
    _BUSY: "the server says that it is busy: try again",
    _UNAVAILABLE: "the server says that it is shutting down or off-line",
}


def advice(fault: ServerFault) -> str:
    """What was found, and what to do."""
    if isinstance(fault, RefusesUs):
        return f"the server refuses the account of ODST_LDAP_BIND_DN ({fault.said}): check the DN and its password"
    if fault.code is not None:
        return f"{_CODES.get(fault.code, 'the server answered with an error')} ({fault})"
    if fault.step == "tls":
        return _about_tls(fault.cause)
    return _about_the_way(fault)


def _about_tls(cause: Exception | None) -> str:
    if isinstance(cause, ssl.SSLCertVerificationError):
        return about_a_certificate(cause, "ODST_LDAP_CA_FILE", "ODST_LDAP_SERVERS")
    if isinstance(cause, TimeoutError):
        return "the server accepts connections, but does not begin TLS in time: is it frozen, or does this port speak TLS at all?"
    if isinstance(cause, OSError):
        return f"TLS did not begin ({_short(cause)}): ldaps:// is for port 636 as a rule; for 389, use ldap:// with ODST_LDAP_STARTTLS=true"
    return "the server does not offer StartTLS: use ldaps://, or give it a certificate"


def _about_the_way(fault: ServerFault) -> str:
    cause = fault.cause
    if isinstance(cause, TimeoutError):
        return f"no answer in time in the step {fault.step}: is the server frozen, or does a firewall drop what is sent there?"
    if isinstance(cause, socket.gaierror) or fault.step == "resolve":
        return "the name is not known here: check its spelling, and the DNS of this machine"
    if isinstance(cause, ConnectionRefusedError):
        return "nothing listens at that port: is the server running, and is it the right port?"
    return f"the conversation broke off in the step {fault.step} ({_short(cause)})"


def _short(cause: Exception | None) -> str:
    return str(cause)[:200] or type(cause).__name__
