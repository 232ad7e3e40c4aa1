"""The sources of accounts outside of this instance: trying the connection to them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from services.directory.ports import Accounts, IdentityProvider
from shared.core.errors import Conflict


@dataclass
class AccountsOutside:
    """The sources of accounts outside, if there are any."""

    sources: Sequence[Accounts]
    provider: IdentityProvider | None = None
    callback: str = ""
    """Where the provider sends browsers back to."""

    def examine_ldap(self, name: Any = None) -> dict[str, Any]:
        """What came of each step of a test of the connection, as `items`; with a name, also what is known of that person.

        Raises:
            Conflict: LDAP_NOT_CONFIGURED.
        """
        if not self.sources:
            raise Conflict("this instance has no directory of accounts: set ODST_LDAP_SERVERS and ODST_LDAP_BASE_DN", "LDAP_NOT_CONFIGURED")
        return {"items": [dataclasses.asdict(finding) for source in self.sources for finding in source.examine(name)]}

    def examine_oidc(self) -> dict[str, Any]:
        """The same, of a test of the connection to the provider of OpenID Connect.

        Raises:
            Conflict: OIDC_NOT_CONFIGURED.
        """
        return {"items": [dataclasses.asdict(finding) for finding in self.provider_here().examine(self.callback)]}

    def provider_here(self) -> IdentityProvider:
        """The provider.

        Raises:
            Conflict: OIDC_NOT_CONFIGURED.
        """
        if self.provider is None:
            raise Conflict("this instance has no single sign-on: set ODST_OIDC_ISSUER and ODST_OIDC_CLIENT_ID", "OIDC_NOT_CONFIGURED")
        return self.provider

    def ways(self) -> dict[str, Any]:
        """How one can log in, for pages and programs that offer it: by password always; `oidc` says what its button says, or null."""
        return {"password": True, "oidc": None if self.provider is None else {"name": self.provider.shown_as}}
