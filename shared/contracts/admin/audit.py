"""The audit log in the Admin API."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, Field, StringConstraints

from shared.contracts.admin.base import Answer, Body, Page, Query, Sha256, Time

_Text = Annotated[str, StringConstraints(min_length=1, max_length=500)]


class _Filters(Query):
    """What is looked for; all that is given must be so."""

    person: _Text | None = None
    type: Annotated[_Text | None, Field(description="`*` stands for anything: `package.*`, `act.*`")] = None
    subject: Annotated[_Text | None, Field(description="the name of a package, the id of an instance or a token, …")] = None
    correlation_id: _Text | None = None
    text: Annotated[_Text | None, Field(description="somewhere in person, subject or data")] = None
    since: AwareDatetime | None = None
    until: Annotated[AwareDatetime | None, Field(description="the first moment that is not meant any more")] = None

    @property
    def filters(self) -> dict[str, str]:
        """What was given, as directory is asked for it."""
        names = ("person", "type", "subject", "correlation_id", "text")
        texts = {name: getattr(self, name) for name in names if getattr(self, name) is not None}
        times = {name: time.isoformat() for name, time in (("since", self.since), ("until", self.until)) if time is not None}
        return texts | times


class AuditQuery(_Filters, Page):
    """A page of the audit log."""


class AuditExportQuery(_Filters):
    """The form of an export, and what is to be in it."""

    format: Literal["jsonl", "csv"] = "jsonl"


class AuditEntry(Answer):
    """One entry of the audit log."""

    number: Annotated[int, Field(ge=1)]
    time: Time
    type: str
    source: str
    person: str | None
    subject: str | None
    data: dict[str, Any]
    correlation_id: str
    hash: Sha256


class AuditPage(Answer):
    """A page of the audit log, newest first; `next` is null at the end. A page may be empty and not the last."""

    items: list[AuditEntry]
    next: str | None


class AuditVerification(Body):
    """Which portion of the log is to be checked: that after the `next` of the portion before; and whether peers are asked at the end."""

    after: Annotated[str, StringConstraints(max_length=200)] | None = None
    witnesses: bool = False


class AuditFault(Answer):
    """Something that is wrong with the log, and the entries that it is about."""

    kind: Literal["edited", "missing", "swapped", "moved", "rewritten", "cut", "unreadable"]
    first: int
    last: int
    detail: str


class AuditWitness(Answer):
    """What a peer holds of what it was told of the log."""

    peer_id: str
    name: str
    state: Literal["agrees", "contradicts", "holds_nothing", "silent"]
    checkpoints: int
    newest: int | None
    faults: list[AuditFault]


class AcknowledgedRestore(Answer):
    """Where the log ended, as it was remembered, and where it ends now."""

    remembered: int
    hash: Sha256
    number: int


class AuditReport(Answer):
    """What a check of a portion found; `next` is null after the last. `witnesses` are there if they were asked."""

    first: int | None
    last: int | None
    entries: int
    checkpoints: int
    other_keys: int
    faults: list[AuditFault]
    more_faults: int
    next: str | None
    witnesses: list[AuditWitness] | None = None
