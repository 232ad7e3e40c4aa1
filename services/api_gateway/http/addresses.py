"""Where a request comes from: who is connected, or whom a proxy that we trust saw."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address, ip_network

from flask import Request

_UNKNOWN = "unknown"


class Addresses:
    """Reads addresses as far as they can be believed."""

    def __init__(self, trusted_proxies: Iterable[str]) -> None:
        """Networks of proxies that write `X-Forwarded-For`; whatever others write there is a claim, and not looked at."""
        self._trusted = [ip_network(network) for network in trusted_proxies]

    def of(self, request: Request) -> str:
        """The address nearest to the client of which we know."""
        address = _read(request.remote_addr)
        for claim in reversed(request.headers.get("X-Forwarded-For", "").split(",")):
            if not self._is_trusted(address) or not claim.strip():
                break
            address = _read(claim.strip())
        return address

    def _is_trusted(self, address: str) -> bool:
        return address != _UNKNOWN and any(ip_address(address) in network for network in self._trusted)


def _read(text: str | None) -> str:
    try:
        return str(ip_address(text or ""))
    except ValueError:
        return _UNKNOWN
