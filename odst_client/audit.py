"""The audit log: who did what."""

from __future__ import annotations

from collections.abc import Iterator

from odst_client.operations import Group, operation
from shared.contracts.admin.instance import AuditEntry, AuditPage


class Audit(Group):
    """`client.audit`."""

    @operation("GET", "/api/v1/audit")
    def page(self, after: str | None = None, limit: int | None = None) -> AuditPage:
        """List the audit log, newest first: one page of at most `limit`. The next one is `after` the `next` of this one."""
        return self._read(self.page, AuditPage, query={"after": after, "limit": limit})

    def all(self) -> Iterator[AuditEntry]:
        """List all of it, newest first; page by page, as they are asked for."""
        page = self.page()
        yield from page.items
        while page.next:
            page = self.page(after=page.next)
            yield from page.items
