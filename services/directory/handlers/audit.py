"""What the directory writes down: events becoming entries of the audit log."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from services.directory.domain.audit import MAX_PAGE, Entry, read_cursor
from services.directory.ports import AuditLog
from shared.contracts.events import Event
from shared.contracts.happening import Happening
from shared.core.times import rfc3339


@dataclass
class AuditTrail:
    """Events becoming entries of the audit log."""

    log: AuditLog

    def write_down(self, event: Event, happening: Happening) -> None:
        """Write an event down; seen twice, it is written once."""
        self.log.append(Entry.about(event, happening))

    def list_audit(self, after: Any, limit: int) -> dict[str, Any]:
        """Up to `limit` entries, newest first; `next`, given back as `after`, continues, and is none at the end.

        Raises:
            InvalidInput: CURSOR_INVALID.
        """
        size = max(1, min(MAX_PAGE, limit))
        found = self.log.page(read_cursor(after), size + 1)
        shown = found[:size]
        return {
            "items": [describe_entry(number, entry) for number, entry in shown],
            "next": str(shown[-1][0]) if len(found) > size else None,
        }

    def figures(self) -> dict[str, int]:
        """How many entries there are."""
        return {"audit_entries": self.log.count()}


def describe_entry(number: int, entry: Entry) -> dict[str, Any]:
    """An entry of the audit log as the Admin API shows it."""
    return {
        "number": number,
        "time": rfc3339(entry.time),
        "type": entry.type,
        "source": entry.source,
        "person": entry.person,
        "subject": entry.subject,
        "data": entry.data,
        "correlation_id": entry.correlation_id,
    }
