"""Reading Server-Sent Events (WHATWG HTML, section 9.2.6): lines become messages, and the place to come back to is remembered.

By hand, because the clients that there are do not hand out an id that comes without data; by that, whoever wants little is told how
far the stream is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Message:
    """One message."""

    event: str
    data: str


@dataclass
class Place:
    """Where a reader is, over all its connections."""

    event_id: str | None = None
    """Of the last event that was received."""
    retry_seconds: float = 2.0
    """How long to wait before connecting again."""


@dataclass
class Reading:
    """One connection."""

    place: Place
    _event: str = ""
    _data: list[str] = field(default_factory=list)
    _id: str | None = None

    def messages(self, blocks: Iterable[bytes]) -> Iterator[Message]:
        """Messages out of the bytes of the answer; what is incomplete at the end is nothing."""
        for line in _lines(blocks):
            if line:
                self._take(line)
                continue
            self.place.event_id = self._id or self.place.event_id
            message = Message(self._event or "message", "\n".join(self._data)) if self._data else None
            self._event, self._data = "", []
            if message:
                yield message

    def _take(self, line: str) -> None:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "event":
            self._event = value
        elif name == "data":
            self._data.append(value)
        elif name == "id" and "\0" not in value:
            self._id = value
        elif name == "retry" and value.isascii() and value.isdigit():
            self.place.retry_seconds = int(value[:9]) / 1000


def _lines(blocks: Iterable[bytes]) -> Iterator[str]:
    """Lines that end with LF or CR LF, as ODST ends them."""
    rest = b""
    for block in blocks:
        *lines, rest = (rest + block).split(b"\n")
        for line in lines:
            yield line.removesuffix(b"\r").decode("utf-8", "replace")
