"""Jamf Pro in the Admin API: trying a connection, registering as a distribution point, comparing, mending."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import StringConstraints

from shared.contracts.admin.base import Answer, Body, Query

_Name = Annotated[str, StringConstraints(min_length=1, max_length=255)]


class PointWishBody(Body):
    """Make this instance a distribution point in Jamf Pro."""

    dry_run: bool = False
    """Only say what would be written."""


class RecordWish(Body):
    """Make the record of what clients get under this name right, or make it."""

    name: _Name
    dry_run: bool = False
    """Only say what would be written."""


class DriftPlace(Query):
    """Where to go on."""

    after: Annotated[str, StringConstraints(min_length=1, max_length=600)] | None = None


class JamfChange(Answer):
    """One field that becomes another. Passwords are not shown."""

    field: str
    before: Any
    after: Any


class JamfWrite(Answer):
    """One request that changes something in Jamf Pro."""

    method: str
    url: str
    changes: list[JamfChange]


class JamfWrites(Answer):
    """What was written, or would be; none if everything is right already."""

    sent: bool
    """False for a dry run, and if there was nothing to write."""
    writes: list[JamfWrite]


class JamfDrift(Answer):
    """One difference between the records of Jamf Pro and the files here."""

    difference: str
    """`file_missing`, `record_missing`, `hash_wrong`, `hash_missing`, `hash_unknown` or `file_name_wrong`."""
    record_id: str | None
    """In Jamf Pro."""
    record_name: str | None
    file_name: str
    """As the record has it; if there is no record, as it is here."""
    package_id: str | None
    """Of the file here."""
    detail: str


class JamfDriftPage(Answer):
    """Differences, first by records, then by files. A page may be empty and have a `next`."""

    items: list[JamfDrift]
    next: str | None
