"""How a provider of OpenID Connect is reached and asked, as the settings say it."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from services.directory.adapters.ldap_plan import trusted
from shared.runtime.outbound import trusted_authorities

_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


@dataclass(frozen=True, slots=True)
class OidcPlan:
    """Everything that the adapter needs to know."""

    issuer: str
    client_id: str
    client_secret: str | None = field(default=None, repr=False)
    """None for a client that is protected by PKCE alone."""
    scopes: tuple[str, ...] = ("openid", "profile", "email")
    name_claim: str = "preferred_username"
    groups_claim: str = "groups"
    ca_file: Path | None = None
    shown_as: str = "Single sign-on"
    timeout_seconds: float = 4
    """For all that one call asks of the provider."""

    @property
    def discovery(self) -> str:
        """Where the provider describes itself (OpenID Connect Discovery 1.0, 4)."""
        return f"{self.issuer.rstrip('/')}/.well-known/openid-configuration"


def broken_rule(url: object) -> str | None:
    """What is wrong with an address of the provider's; none if it may be asked."""
    if not isinstance(url, str) or not url.isascii() or not url.isprintable() or any(one in url for one in ' \\"<>'):
        return "it is no address"
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return "its host or port cannot be read"
    if not host or port == 0 or "@" in parts.netloc or parts.fragment:
        return "it names a host, and neither a user nor a fragment"
    if parts.scheme == "https" or (parts.scheme == "http" and host in _LOOPBACK):
        return None
    return "it begins with https:// (http:// is for a provider at a loopback address, in tests)"


def authorities(plan: OidcPlan) -> ssl.SSLContext:
    """Certificates and names are checked; against the authorities of the plan's file alone, if there is one.

    Raises:
        ValueError: if the file cannot be used.
    """
    return trusted(plan.ca_file) if plan.ca_file else trusted_authorities()
