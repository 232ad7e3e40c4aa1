"""The one thread that writes to all who follow. Nothing in it waits for anybody: sockets take what they take.

Whoever does not read is passed over until the connection takes more. So a hundred readers need one thread, and none of them can hold
another one up, nor the threads of the API.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from services.api_gateway.live.reader import Reader
from services.api_gateway.live.ring import Ring
from services.api_gateway.live.told import Told, comment, lost
from shared.runtime.threads import Turning

_TICK_SECONDS = 1.0
_STOPPING_SECONDS = 2.0


class Hub:
    """Readers, and the ring that they read."""

    def __init__(self, ring: Ring, heartbeat_seconds: float) -> None:
        """Nothing runs yet."""
        self._ring, self._heartbeat = ring, heartbeat_seconds
        self._lock = threading.Lock()
        self._orders: deque[Callable[[float], None]] = deque()
        self._selector = selectors.DefaultSelector()
        self._bell, self._rung = os.pipe()
        for end in (self._bell, self._rung):
            os.set_blocking(end, False)
        self._is_rung = False
        self._readers: dict[Reader, socket.socket] = {}
        self._turning = Turning("live-events", self._turn, self._say_farewell)

    def start(self) -> None:
        """Begin to write."""
        self._selector.register(self._bell, selectors.EVENT_READ)
        self._turning.start()

    @property
    def running(self) -> bool:
        """Whether somebody would write."""
        return self._turning.running

    def stop(self) -> None:
        """Say to all readers that this ends. Returns at once."""
        self._turning.stop()
        self._ring_bell()

    def look(self, act: Callable[[Ring], Any]) -> Any:
        """What `act` finds in the ring, which does not change meanwhile."""
        with self._lock:
            return act(self._ring)

    def backlog(self) -> tuple[int, int]:
        """Bytes that wait for connections, and events that the reader who is the furthest behind was not told of."""
        readers, end = tuple(self._readers), self._ring.end
        behind = max((end - reader.place for reader in readers), default=0)
        return sum(reader.waiting_bytes for reader in readers), max(0, behind)

    def tell(self, told: Told) -> None:
        """One more event."""
        with self._lock:
            self._ring.add(told)
        self._ring_bell()

    def gap(self, reason: str, detail: str) -> None:
        """Say at this place that events may be missing."""
        self.tell(lost(reason, detail))

    def remark(self, text: str) -> None:
        """A comment to all."""
        self._order(lambda _now: self._say_to_all(comment(text)))

    def join(self, reader: Reader, connection: socket.socket) -> None:
        """One more reader; the connection is the hub's from now on."""

        def admit(now: float) -> None:
            reader.begin(connection, now)
            self._readers[reader] = connection
            with contextlib.suppress(OSError, ValueError):
                self._selector.register(connection, selectors.EVENT_READ, reader)

        self._order(admit)

    def with_reader(self, reader: Reader, act: Callable[[Reader, float], None]) -> None:
        """Do something with a reader, in the hub's own thread, if it is still there."""
        self._order(lambda now: act(reader, now) if reader in self._readers else None)

    def _say_to_all(self, message: bytes) -> None:
        for reader in self._readers:
            reader.say(message)

    def _order(self, act: Callable[[float], Any]) -> None:
        self._orders.append(act)
        self._ring_bell()

    def _ring_bell(self) -> None:
        if not self._is_rung:
            self._is_rung = True
            with contextlib.suppress(OSError):
                os.write(self._rung, b"\0")

    def _turn(self) -> None:
        for key, _ in self._selector.select(min(_TICK_SECONDS, self._heartbeat)):
            if key.data is None:
                with contextlib.suppress(BlockingIOError):
                    os.read(self._bell, 64)
                self._is_rung = False
            elif key.data in self._readers and key.data.is_gone():
                self._drop(key.data)
        now = time.monotonic()
        while self._orders:
            self._orders.popleft()(now)
        for reader in list(self._readers):
            self._advance(reader, now)

    def _advance(self, reader: Reader, now: float) -> None:
        try:
            with self._lock:
                stays = reader.advance(self._ring, now, self._heartbeat)
        except OSError:
            stays = False
        if not stays:
            self._drop(reader)
            return
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if reader.blocked else 0)
        connection = self._readers[reader]
        if self._selector.get_key(connection).events != wanted:
            self._selector.modify(connection, wanted, reader)

    def _drop(self, reader: Reader) -> None:
        connection = self._readers.pop(reader, None)
        if connection is not None:
            with contextlib.suppress(KeyError, ValueError, OSError):
                self._selector.unregister(connection)
            reader.close()

    def _say_farewell(self) -> None:
        now = time.monotonic()
        for reader in self._readers:
            reader.end("STOPPING", "this instance stops or starts anew; come back with Last-Event-ID", now)
        while self._readers and time.monotonic() < now + _STOPPING_SECONDS:
            for reader in list(self._readers):
                self._advance(reader, time.monotonic())
            time.sleep(0.02)  # for who has gone is always readable: waiting at the selector would not wait
        for reader in list(self._readers):
            self._drop(reader)
