"""The sources of accounts outside of this instance: trying the connection to them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from services.directory.ports import Accounts
from shared.core.errors import Conflict


@dataclass
class AccountsOutside:
    """The sources of accounts outside, if there are any."""

    sources: Sequence[Accounts]

    def examine_ldap(self, name: Any = None) -> dict[str, Any]:
        """What came of each step of a test of the connection, as `items`; with a name, also what is known of that person.

        Raises:
            Conflict: LDAP_NOT_CONFIGURED.
        """
        if not self.sources:
            raise Conflict("this instance has no directory of accounts: set ODST_LDAP_SERVERS and ODST_LDAP_BASE_DN", "LDAP_NOT_CONFIGURED")
        return {"items": [dataclasses.asdict(finding) for source in self.sources for finding in source.examine(name)]}
