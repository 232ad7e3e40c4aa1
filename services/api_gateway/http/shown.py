"""Packages as the Admin API shows them."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from services.api_gateway.config import ApiGatewaySettings


class Shown:
    """Adds the address where clients find what is current under a package's name."""

    def __init__(self, settings: ApiGatewaySettings) -> None:
        """The public address is a setting."""
        self._base = f"{settings.public_url.rstrip('/')}/packages/"

    def package(self, package: dict[str, Any]) -> dict[str, Any]:
        """One."""
        return package | {"url": self._base + quote(package["name"])}

    def page(self, page: dict[str, Any]) -> dict[str, Any]:
        """All `items` of a list; the rest of it stays."""
        return page | {"items": [self.package(package) for package in page["items"]]}
