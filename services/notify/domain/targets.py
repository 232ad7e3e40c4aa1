"""Where webhooks may go: the form of a URL, and which addresses are refused.

Only public unicast addresses pass, judged for what they reach in the end: an IPv4 address inside an IPv6 one (mapped, RFC 4291; NAT64,
RFC 6052) is judged as that IPv4 address. Tunnels that hide where they lead (6to4, Teredo, local NAT64) never pass. What the administrator
allows in the configuration passes before all this.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any
from urllib.parse import urlsplit

from shared.core.errors import InvalidInput

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
MAX_URL_CHARACTERS = 2000
_PLAIN = re.compile(r"[!-\[\]-~]+")  # printable ASCII but space and backslash, which readers of URLs disagree about
_NAT64 = IPv6Network("64:ff9b::/96")
_REFUSED: tuple[Network, ...] = (
    IPv4Network("168.63.129.16/32"),  # a cloud's host, at a public address
    IPv4Network("192.0.0.0/24"),  # protocol assignments, among them a cloud's metadata
    IPv4Network("192.88.99.0/24"),  # the former 6to4 relays
    IPv6Network("::/96"),  # IPv4-compatible, out of use
    IPv6Network("::ffff:0:0:0/96"),  # IPv4-translated, out of use
    IPv6Network("64:ff9b:1::/48"),  # local NAT64
    IPv6Network("2001::/32"),  # Teredo
    IPv6Network("2002::/16"),  # 6to4
    IPv6Network("fec0::/10"),  # site-local, out of use
)


def checked_url(value: Any) -> str:
    """A webhook's URL, by its form alone.

    Raises:
        InvalidInput: WEBHOOK_URL_INVALID, with the rule that it breaks.
    """
    broken = _broken_rule(value)
    if broken:
        raise InvalidInput(f"this URL cannot be a webhook's: {broken}", "WEBHOOK_URL_INVALID")
    return str(value)


def _broken_rule(value: Any) -> str | None:
    if not isinstance(value, str) or not 0 < len(value) <= MAX_URL_CHARACTERS:
        return f"it has 1 to {MAX_URL_CHARACTERS} characters"
    if not _PLAIN.fullmatch(value):
        return "it holds a space, a backslash, a control character or one outside ASCII; write an international name as xn--…"
    try:
        parts, port = urlsplit(value), urlsplit(value).port
    except ValueError:
        return "its host or port cannot be read"
    if parts.scheme.lower() not in {"http", "https"} or not parts.hostname or port == 0:
        return "it begins with http:// or https:// and names a host"
    if "@" in parts.netloc:
        return "it holds a user name or a password"
    return "it has a fragment (#…)" if parts.fragment else None


def check_address(text: str, allowed: Sequence[Network]) -> None:
    """Let pass an address that a name resolved to.

    Raises:
        InvalidInput: WEBHOOK_TARGET_FORBIDDEN, if it is neither public nor in one of the `allowed` networks.
    """
    address = ip_address(text)
    reached = _reached(address)
    if any(one in network for network in allowed for one in (address, reached)):
        return
    if not reached.is_global or reached.is_multicast or reached.is_reserved or any(reached in network for network in _REFUSED):
        raise InvalidInput(
            f"webhooks are not sent to {address}, which is no public address; "
            "for a receiver inside, name its network in ODST_WEBHOOK_ALLOWED_NETWORKS",
            "WEBHOOK_TARGET_FORBIDDEN",
        )


def _reached(address: Address) -> Address:
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address
