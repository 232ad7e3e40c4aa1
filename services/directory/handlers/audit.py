"""What happened, written down, and found again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from services.directory.domain.audit import MAX_PAGE, WINDOW, Entry, Kept, read_cursor
from services.directory.domain.search import Search
from services.directory.ports import AuditLog, Head
from shared.contracts.events import Event
from shared.contracts.happening import Happening
from shared.core.audit_chain import Position
from shared.core.times import rfc3339


@dataclass
class AuditTrail:
    """Events becoming entries of the audit log."""

    log: AuditLog
    head: Head

    def write_down(self, event: Event, happening: Happening) -> None:
        """Write an event down; seen twice, it is written once."""
        link = self.log.append(Entry.about(event, happening))
        if link is not None:
            self.head.advance(link, self._is_known)

    def _is_known(self, position: Position) -> bool:
        # What was sealed meanwhile cannot be looked up here; it was part of the log when it was sealed.
        found = self.log.hashes([position.number]).get(position.number)
        return found == position.hash if found is not None else position.number < self._oldest()

    def _oldest(self) -> int:
        first = self.log.links(0, 1)
        return first[0].number if first else 0

    def list_audit(self, after: Any, limit: int, filters: Any) -> dict[str, Any]:
        """Up to `limit` entries that are looked for, newest first; `next`, given back as `after`, continues, and is none at the end.

        A page may have less, or nothing, and still not be the last.

        Raises:
            InvalidInput: CURSOR_INVALID, QUERY_INVALID.
        """
        search, size, below = Search.read(filters), _size(limit), read_cursor(after)
        floor = 0 if search.text is None else max(0, (below or self.log.newest().number + 1) - 1 - WINDOW)
        found = self.log.page(search, size + 1, above=floor, below=below)
        shown = found[:size]
        following = shown[-1].number if len(found) > size else floor + 1 if floor else None
        return {"items": [describe_entry(kept) for kept in shown], "next": None if following is None else str(following)}

    def export_audit(self, after: Any, limit: int, filters: Any) -> dict[str, Any]:
        """Up to `limit` entries that are looked for as `lines`, oldest first; `next` as above.

        Raises:
            InvalidInput: CURSOR_INVALID, QUERY_INVALID.
        """
        search, size, above = Search.read(filters), _size(limit), read_cursor(after) or 0
        ceiling = None if search.text is None else above + WINDOW + 1
        found = self.log.page(search, size + 1, above=above, below=ceiling, oldest_first=True)
        shown = found[:size]
        following = shown[-1].number if len(found) > size else None
        if following is None and ceiling is not None and ceiling <= self.log.newest().number:
            following = ceiling - 1
        return {"lines": [kept.link.line for kept in shown], "next": None if following is None else str(following)}

    def figures(self) -> dict[str, int]:
        """How many entries there are, or were."""
        return {"audit_entries": self.log.newest().number}


def _size(limit: int) -> int:
    return max(1, min(MAX_PAGE, limit))


def describe_entry(kept: Kept) -> dict[str, Any]:
    """An entry of the audit log as the Admin API shows it."""
    entry = kept.entry
    return {
        "number": kept.number,
        "time": rfc3339(entry.time),
        "type": entry.type,
        "source": entry.source,
        "person": entry.person,
        "subject": entry.subject,
        "data": entry.data,
        "correlation_id": entry.correlation_id,
        "hash": kept.hash,
    }
