"""Events: as they happen, and what can happen."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

import requests
from pydantic import ValidationError

from odst_client.event_stream import Place, Reading
from odst_client.failures import CallFailed, malformed, unreachable
from odst_client.operations import Group, given, operation, operation_of
from shared.contracts.admin.base import LENIENT
from shared.contracts.admin.events import EventType, EventTypeDescription, EventTypeList, LiveEvent

LOST = "events.lost"
"""Type of the message that says that some events may be missing here."""
ENDED = "events.ended"
"""Type of the message that says why the instance ends the stream."""
_PASSES = (requests.codes.too_many_requests, requests.codes.service_unavailable, requests.codes.gateway_timeout, requests.codes.bad_gateway)
_LONGEST_PAUSE_SECONDS = 30.0


class Events(Group):
    """`client.events`."""

    @operation("GET", "/api/v1/events")
    def stream(
        self,
        *,
        types: Sequence[str] = (),
        names: Sequence[str] = (),
        tags: Sequence[str] = (),
        after: str | None = None,
        live: bool = True,
    ) -> Iterator[LiveEvent]:
        """Events over one connection, until that ends; with `live=False`, those that the instance still knows, and then the end.

        Args:
            types: types, or patterns such as `package.*`; none for all.
            names: of packages.
            tags: staging tags of packages; one of them is enough.
            after: the id of the event that was received last; those since then come first.
            live: whether what happens from now on follows.

        Raises:
            CallFailed: EVENT_PATTERN_INVALID, TOO_MANY_READERS, READERS_FULL; UNREACHABLE, if the connection breaks.
        """
        yield from self._messages(_query(types, names, tags, live=live), Place(after))

    def follow(
        self, *, types: Sequence[str] = (), names: Sequence[str] = (), tags: Sequence[str] = (), after: str | None = None
    ) -> Iterator[LiveEvent]:
        """Events as they happen, for ever: what breaks is connected again, and goes on where it was.

        Between them may stand a message of type `events.lost`: the instance does not know any more what happened since then.

        Raises:
            CallFailed: if the instance cannot be reached at the beginning, or refuses: it does so when the token ends.
        """
        place, query, pause, connected = Place(after), _query(types, names, tags, live=True), 0.0, False
        while True:
            try:
                for event in self._messages(query, place):
                    connected, pause = True, 0.0
                    if event.type != ENDED:
                        yield event
                connected = True
            except CallFailed as failure:
                if not (connected and (failure.code == "UNREACHABLE" or failure.status in _PASSES)):
                    raise
            # As long as the instance asks for (`retry`), longer each time: an instance that starts anew is not run down.
            time.sleep(max(pause, place.retry_seconds))
            pause = min(_LONGEST_PAUSE_SECONDS, max(pause, place.retry_seconds) * 2)

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

    def _messages(self, query: dict[str, Any], place: Place) -> Iterator[LiveEvent]:
        asked = operation_of(self.stream)
        headers = {"Last-Event-ID": place.event_id} if place.event_id else {}
        url = self._transport.url
        with self._transport.done(asked.method, asked.path, repeats=True, params=query, headers=headers, stream=True) as answer:
            try:
                for message in Reading(place).messages(answer.iter_content(None)):
                    yield LiveEvent.model_validate_json(message.data, context=LENIENT)
            except ValidationError as error:
                raise malformed(url, error) from error
            except requests.RequestException as error:
                raise unreachable(url, error) from error


def _query(types: Sequence[str], names: Sequence[str], tags: Sequence[str], *, live: bool) -> dict[str, Any]:
    lists = {"types": ",".join(types) or None, "names": ",".join(names) or None, "tags": ",".join(tags) or None}
    return given({**lists, "live": None if live else "false"})
