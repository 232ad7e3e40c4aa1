"""The audit log: who did what, an export of it, and whether it is what it was."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Any, Literal, TypedDict, Unpack

import requests

from odst_client.failures import CallFailed
from odst_client.operations import Group, in_query, operation, operation_of, wish
from odst_client.sending import BLOCK
from shared.contracts.admin.audit import AcknowledgedRestore, AuditEntry, AuditPage, AuditReport, AuditVerification


class Search(TypedDict, total=False):
    """What is looked for; all that is given must be so."""

    person: str | None
    type_: str | None
    """Of the entry; `*` stands for anything: `package.*`, `act.*`."""
    subject: str | None
    correlation_id: str | None
    since: dt.datetime | None
    until: dt.datetime | None
    """The first moment that is not meant any more."""
    text: str | None
    """Somewhere in person, subject or data."""


class Audit(Group):
    """`client.audit`."""

    @operation("GET", "/api/v1/audit")
    def page(self, after: str | None = None, limit: int | None = None, **search: Unpack[Search]) -> AuditPage:
        """List the audit log, newest first: one page of at most `limit`. The next one is `after` the `next` of this one.

        Where something is looked for, a page may be empty and not the last.
        """
        return self._read(self.page, AuditPage, query={"after": after, "limit": limit, **_query(search)})

    def all(self, **search: Unpack[Search]) -> Iterator[AuditEntry]:
        """List all of it, newest first; page by page, as they are asked for."""
        page = self.page(**search)
        yield from page.items
        while page.next:
            page = self.page(after=page.next, **search)
            yield from page.items

    @operation("GET", "/api/v1/audit/export")
    def export(self, form: Literal["jsonl", "csv"] = "jsonl", **search: Unpack[Search]) -> Iterator[bytes]:
        """The log, oldest first, in blocks: JSON lines that can be checked offline, or CSV.

        Raises:
            CallFailed: INCOMPLETE, if it broke off.
        """
        asked = operation_of(self.export)
        query = in_query({"format": form, **_query(search)})
        with self._transport.done(asked.method, asked.path, repeats=asked.repeats, params=query, stream=True) as answer:
            try:
                yield from answer.iter_content(BLOCK)
            except requests.RequestException as error:
                raise CallFailed("INCOMPLETE", "the answer broke off; what was written so far is not all of it") from error

    @operation("POST", "/api/v1/audit/verify")
    def verify(self, after: str | None = None, *, witnesses: bool = False) -> AuditReport:
        """Check a portion of the log: the first one, or the one `after` the `next` of the portion before.

        Args:
            after: where the portion begins.
            witnesses: whether peers are asked, after the last portion, what they were told of the log.
        """
        return self._read(self.verify, AuditReport, wish(AuditVerification, after=after, witnesses=witnesses))

    @operation("POST", "/api/v1/audit/acknowledge-restore")
    def acknowledge_restore(self) -> AcknowledgedRestore:
        """Say that the log was cut by a restored backup: it is guarded from its present end on."""
        return self._read(self.acknowledge_restore, AcknowledgedRestore)


def _query(search: Mapping[str, Any]) -> dict[str, Any]:
    return {"type" if name == "type_" else name: value for name, value in search.items()}
