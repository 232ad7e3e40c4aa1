"""Events: what can happen at an instance."""

from __future__ import annotations

from odst_client.operations import Group, operation
from shared.contracts.admin.events import EventType, EventTypeDescription, EventTypeList


class Events(Group):
    """`client.events`."""

    @operation("GET", "/api/v1/event-types")
    def types(self) -> list[EventType]:
        """List every event that the instance knows: what it means, who says it, who hears it."""
        return self._read(self.types, EventTypeList).items

    @operation("GET", "/api/v1/event-types/{event_type}")
    def type(self, event_type: str) -> EventTypeDescription:
        """One event, such as `package.published.v1`, with the JSON schema of its data and an example.

        Raises:
            CallFailed: NOT_FOUND.
        """
        return self._read(self.type, EventTypeDescription, event_type=event_type)
