"""Where the directory of accounts is and how it is asked: the settings, as values."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

_PORTS = {"ldap": 389, "ldaps": 636}
DEFAULT_USER_FILTER = "(|(uid={name})(sAMAccountName={name})(userPrincipalName={name}))"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One server."""

    host: str
    port: int
    tls: bool
    """True for LDAPS; otherwise the conversation begins in plain text, and StartTLS may follow."""

    @classmethod
    def parse(cls, url: str) -> Self:
        """Read `ldap://host[:port]` or `ldaps://host[:port]`.

        Raises:
            ValueError: saying what is wrong with it.
        """
        parts = urlsplit(url)
        if parts.scheme not in _PORTS or not parts.hostname:
            raise ValueError(f"{url[:80]!r} is no address of a directory: write ldaps://host or ldap://host, with :port if need be")
        if parts.path.strip("/") or parts.query or parts.fragment or parts.username is not None:
            raise ValueError(f"{parts.scheme}://{parts.hostname} stands alone: the base DN and the account have settings of their own")
        return cls(parts.hostname, parts.port or _PORTS[parts.scheme], parts.scheme == "ldaps")

    def __str__(self) -> str:
        """As an address, for people."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'ldaps' if self.tls else 'ldap'}://{host}:{self.port}"


class GroupStyle(StrEnum):
    """How the groups of a person are found."""

    AUTO = "auto"
    """`ad` if the server says that it is Active Directory; else what `memberof` and `member` find together."""
    MEMBEROF = "memberof"
    """From the attribute `memberOf` of the person upwards."""
    MEMBER = "member"
    """Groups that name the person, and groups that name those, upwards."""
    AD = "ad"
    """By Active Directory's matching rule, which looks through nested groups itself."""


@dataclass(frozen=True, slots=True)
class LdapPlan:
    """Everything that the adapter needs to know."""

    servers: tuple[Endpoint, ...]
    base_dn: str
    starttls: bool = False
    ca_file: Path | None = None
    bind_dn: str | None = None
    bind_password: str = field(default="", repr=False)
    user_filter: str = DEFAULT_USER_FILTER
    name_attribute: str | None = None
    """Where the name is, that a person is known by; none: `sAMAccountName` in Active Directory, `uid` elsewhere."""
    mail_attribute: str = "mail"
    display_attribute: str = "displayName"
    group_base_dn: str | None = None
    """Where groups are, if not below `base_dn`."""
    group_style: GroupStyle = GroupStyle.AUTO
    timeout_seconds: float = 4
    """For everything that one log-in asks of all servers together."""
    group_cache_seconds: float = 60

    @property
    def groups_below(self) -> str:
        """The base DN for groups."""
        return self.group_base_dn or self.base_dn


def trusted(ca_file: Path | None) -> ssl.SSLContext:
    """Certificates and host names are checked, always; against the authorities of this file alone, if there is one.

    Raises:
        ValueError: if the file cannot be used.
    """
    try:
        return ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=ca_file)
    except OSError as error:  # an SSLError is one
        raise ValueError(f"{ca_file} has no certificates that can be read: it must be a PEM file") from error
