"""The latest events, in the order in which they were heard. What is older is forgotten."""

from __future__ import annotations

from collections.abc import Iterator

from services.api_gateway.live.told import Told


class Ring:
    """Events by their place: 0, 1, 2, … Not safe to share between threads: the hub locks."""

    def __init__(self, most: int, most_bytes: int) -> None:
        """Keeps `most` events, of `most_bytes` in all."""
        self._most, self._most_bytes = most, most_bytes
        self._kept: dict[int, Told] = {}
        self._places: dict[str, int] = {}
        self._bytes = 0
        self._anchor: tuple[int, str] | None = None
        self.first = 0
        """The place of the oldest that is kept."""
        self.end = 0
        """The place that the next will have."""

    def add(self, told: Told) -> bool:
        """Keep one; False if it is here already."""
        if told.event_id is not None:
            if told.event_id in self._places:
                return False
            self._places[told.event_id] = self.end
        self._kept[self.end] = told
        self._bytes += len(told.frame)
        self.end += 1
        while len(self._kept) > self._most or self._bytes > self._most_bytes:
            self._forget()
        return True

    def anchor(self, event_id: str) -> None:
        """From now on, `event_id` means the end as it is now, as if an event of this id had been the last."""
        if self._anchor is not None:
            self._places.pop(self._anchor[1], None)
        self._anchor = self.end - 1, event_id
        self._places[event_id] = self.end - 1

    def after(self, event_id: str) -> int | None:
        """The place that follows an event; None if that is not known here any more."""
        place = self._places.get(event_id)
        return None if place is None or place + 1 < self.first else place + 1

    def since(self, place: int) -> Iterator[Told]:
        """What is kept from a place on."""
        for number in range(max(place, self.first), self.end):
            yield self._kept[number]

    def id_before(self, place: int) -> str | None:
        """The id by which somebody who is at a place finds it again, if there is one."""
        told = self._kept.get(place - 1)
        if told is not None and told.event_id is not None:
            return told.event_id
        return self._anchor[1] if self._anchor is not None and self._anchor[0] == place - 1 else None

    def _forget(self) -> None:
        told = self._kept.pop(self.first)
        self._bytes -= len(told.frame)
        if told.event_id is not None:
            del self._places[told.event_id]
        self.first += 1
