"""Trying a connection to Jamf Pro step by step. Nothing is written."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from services.notify.adapters.jamf import pro
from services.notify.adapters.jamf.server import HttpJamfServer
from services.notify.domain.jamf.records import Finding
from services.notify.ports import Web
from shared.core.errors import InvalidInput, OutsideFailed

NEEDED = tuple(f"{action} {what}" for what in ("Packages", "Distribution Points") for action in ("Create", "Read", "Update"))


@dataclass
class Examination:
    """One try. A step is taken if those that it needs succeeded."""

    web: Web
    server: HttpJamfServer
    findings: list[Finding] = field(default_factory=list)

    def run(self) -> list[Finding]:
        """What came of each step."""
        steps = (("address", self._address), ("connection", self._connection), ("token", self._token), ("version", self._version))
        if all(self._took(name, step) for name, step in steps):
            for name, step in (
                ("read packages", lambda: self._generation(pro.PACKAGES)),
                ("read distribution points", lambda: self._generation(pro.POINTS)),
                ("privileges", self._privileges),
            ):
                self._took(name, step)
        return self.findings

    def _took(self, name: str, step: Callable[[], str]) -> bool:
        try:
            finding = Finding(name, ok=True, detail=step())
        except (OutsideFailed, InvalidInput) as error:
            finding = Finding(name, ok=False, detail=str(error))
        self.findings.append(finding)
        return finding.ok

    def _address(self) -> str:
        self.web.check(self.server.session.channel.url)
        return "the name resolves to addresses to which this instance may go"

    def _connection(self) -> str:
        answer = self.server.session.exchange("GET", "/api/v1/jamf-pro-version", None, {"accept": "application/json"})
        return f"TLS is good, and it speaks HTTP (without a token it answers {answer.status}, as it should)"

    def _token(self) -> str:
        self.server.session.log_in()
        return "it gave a token"

    def _version(self) -> str:
        return f"Jamf Pro {self.server.version()}"

    def _generation(self, path: str) -> str:
        is_classic = self.server.generations.is_classic(self.server.session, path)
        if not is_classic:
            return f"can be read, by {path}"
        server = self.server.packages if path == pro.PACKAGES else None
        if server is not None:
            server.page(0, 1)
        return f"this server has no {path}: the Classic API is used"

    def _privileges(self) -> str:
        has = set(_privileges(self.server.session.ask("GET", "/api/v1/auth", absent_ok=True).content))
        if not has:
            return f"it does not say which it gave; needed are: {', '.join(NEEDED)}"
        missing = [one for one in NEEDED if one not in has]
        if missing:
            raise InvalidInput(f"missing: {', '.join(missing)}; give the API role these privileges", "JAMF_PRIVILEGE_MISSING")
        return "all that are needed"


def _privileges(content: bytes) -> Iterator[str]:
    """Every privilege that an answer of `/api/v1/auth` names, for all sites, of the account or its groups."""
    try:
        document = json.loads(content)
        accounts = [document.get("account"), *(document.get("accountGroups") or [])]
    except (ValueError, AttributeError, TypeError):
        return
    for account in accounts:
        by_site = account.get("privilegesBySite") if isinstance(account, dict) else None
        for names in (by_site or {}).values() if isinstance(by_site, dict) else ():
            yield from (str(name) for name in names if isinstance(names, list))
