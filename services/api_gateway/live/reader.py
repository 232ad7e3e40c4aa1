"""One connection of somebody who follows: what it was sent, and what is due.

A reader has no queue of its own but a place in the ring, and one portion that is on its way. So whoever does not read costs no more
than whoever does; and has been too slow when the ring forgets what comes next at its place.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from services.api_gateway.live.counts import LEFT, STALLED, TOO_SLOW, Counts
from services.api_gateway.live.ring import Ring
from services.api_gateway.live.told import ENDED, about_stream, comment, position
from services.api_gateway.live.wishes import Allowed, Wish, is_for
from shared.runtime.logging import get_logger

log = get_logger(__name__)
PORTION_BYTES: Final = 32 * 1024
"""So much is on its way at once, and one event more."""
SOCKET_BYTES: Final = 64 * 1024
"""So much waits in the system for a reader that does not read."""
STALLED_SECONDS: Final = 60.0
"""A connection that takes nothing for so long is cut."""
FAREWELL_SECONDS: Final = 5.0
"""For so long it is tried to say why."""
TRUSTED_SECONDS: Final = 55.0
"""For so long after they were last found to be allowed, a reader is told events; then only that the connection lives."""


@dataclass(frozen=True, slots=True)
class Start:
    """Where and how a reader begins."""

    place: int
    """In the ring."""
    opening: bytes
    """What is sent first."""
    chunked: bool = True
    """Whether the other side knows chunks (HTTP/1.1)."""


class Reader:
    """Used by one thread: that of the hub."""

    def __init__(self, allowed: Allowed, wish: Wish, start: Start, counts: Counts, left: Callable[[], None]) -> None:
        """Sends `start.opening`, then what is wanted from there on; `left` is called once, at the end."""
        self.allowed, self.wish = allowed, wish
        self.place, self._chunked = start.place, start.chunked
        self._out = memoryview(b"")
        self._due: list[bytes] = [start.opening]
        self._counts, self._left = counts, left
        self._ended_by = LEFT
        self._has_ended = False
        self._socket: socket.socket | None = None
        self._sent = self._checked = self._moved = 0.0
        self._said_id: str | None = None
        self._until: float | None = None

    def begin(self, connection: socket.socket, now: float) -> None:
        """From now on this is its connection."""
        self._socket = connection
        self._sent = self._checked = self._moved = now
        with contextlib.suppress(OSError):
            connection.setblocking(False)  # noqa: FBT003 - its only argument
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SOCKET_BYTES)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if hasattr(socket, "TCP_USER_TIMEOUT"):
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(STALLED_SECONDS * 1000))

    @property
    def blocked(self) -> bool:
        """Whether something waits until the connection takes it."""
        return bool(self._out)

    @property
    def waiting_bytes(self) -> int:
        """So much waits until the connection takes it."""
        return len(self._out)

    @property
    def ending(self) -> bool:
        """Whether it was told why it ends."""
        return self._until is not None

    def allow(self, allowed: Allowed, now: float) -> None:
        """They were found to be allowed this."""
        self.allowed, self._checked = allowed, now

    def say(self, message: bytes) -> None:
        """Send this next."""
        self._due.append(message)

    def end(self, reason: str, detail: str, now: float) -> None:
        """Say why, and cut the connection."""
        if not self.ending:
            self._cut(reason)
            self._due = [about_stream(ENDED, reason, detail)]
            self._until = now + FAREWELL_SECONDS

    def _cut(self, reason: str) -> None:
        log.info("live_reader_cut", person=self.allowed.person, reason=reason)
        self._ended_by = reason

    def is_gone(self) -> bool:
        """Whether the other side has closed; what it still says is thrown away."""
        assert self._socket is not None
        try:
            return self._socket.recv(4096) == b""
        except BlockingIOError:
            return False
        except TimeoutError:  # the system noticed before us: TCP_USER_TIMEOUT
            self._cut(STALLED)
            return True
        except OSError:
            return True

    def advance(self, ring: Ring, now: float, heartbeat: float) -> bool:
        """Send what is due and can be sent now; False if the connection is to be closed.

        Raises:
            OSError: if it is gone.
        """
        if self.place < ring.first and self._trusted(now):
            self.end(TOO_SLOW, f"{ring.first - self.place} events were not read in time; come back with Last-Event-ID", now)
        for _ in range(64):  # so that one that comes far behind does not keep the others waiting
            if not self._out:
                self._out = memoryview(self._framed(self._next(ring, now, heartbeat)))
            if not self._out:
                return not self.ending
            if not self._send(now):
                break
        if now - self._moved > STALLED_SECONDS and not self.ending:
            self._cut(STALLED)
            return False
        return self._until is None or now < self._until

    def _send(self, now: float) -> bool:
        """Some of what is on its way; False if the connection takes no more."""
        assert self._socket is not None
        try:
            sent = self._socket.send(self._out)
        except BlockingIOError:
            return False
        self._out = self._out[sent:]
        self._counts.sent_bytes += sent
        self._sent = self._moved = now
        return True

    def _framed(self, message: bytes) -> bytes:
        """A chunk of the answer (RFC 9112, section 7.1); after the last message, the end of all chunks, once."""
        if not self._chunked:
            return message
        if message:
            return b"%x\r\n%b\r\n" % (len(message), message)
        ends, self._has_ended = self.ending and not self._has_ended, self.ending
        return b"0\r\n\r\n" if ends else b""

    def _next(self, ring: Ring, now: float, heartbeat: float) -> bytes:
        if self._due:
            due, self._due = b"".join(self._due), []
            return due
        if self.ending:
            return b""
        self._moved = now
        events = self._events(ring) if self._trusted(now) else b""
        if events or now - self._sent < heartbeat:
            return events
        return comment("alive") + self._place_if_new(ring)

    def _trusted(self, now: float) -> bool:
        return now - self._checked <= TRUSTED_SECONDS

    def _events(self, ring: Ring) -> bytes:
        found: list[bytes] = []
        size = 0
        for told in ring.since(self.place):
            if size >= PORTION_BYTES:
                break
            self.place += 1
            if is_for(told, self.allowed, self.wish):
                found.append(told.frame)
                self._counts.sent_events += 1
                size += len(told.frame)
                self._said_id = told.event_id or self._said_id
        return b"".join(found)

    def _place_if_new(self, ring: Ring) -> bytes:
        """Whoever wants little is told from time to time where they are, so that they are not far behind when they come back."""
        event_id = ring.id_before(self.place)
        if event_id is None or event_id == self._said_id:
            return b""
        self._said_id = event_id
        return position(event_id)

    def close(self) -> None:
        """End the connection."""
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_WR)
            self._socket.close()
        self._counts.ended[self._ended_by] += 1
        self._left()
