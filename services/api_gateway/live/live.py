"""All of it together: the gateway has one."""

from __future__ import annotations

import functools
import socket
import threading
import uuid
from dataclasses import dataclass, replace
from typing import Any

from services.api_gateway.config import ApiGatewaySettings
from services.api_gateway.live import told as messages
from services.api_gateway.live.counts import Counts, Figures
from services.api_gateway.live.hub import Hub
from services.api_gateway.live.reader import Reader, Start
from services.api_gateway.live.ring import Ring
from services.api_gateway.live.seats import Seats
from services.api_gateway.live.told import lost, position
from services.api_gateway.live.watching import Credential, Verdict, Watch
from services.api_gateway.live.wishes import Allowed, Wish, is_for
from services.api_gateway.ports import Services
from shared.core.errors import OdstError
from shared.runtime.bus.listening import Ear

MOST_KEPT_BYTES = 8 << 20
RETRY_MILLISECONDS = 2000
_UNKNOWN = "the event that you had last is not known here: too long ago, or before this gateway was started; some may be missing"


@dataclass(frozen=True, slots=True)
class Way:
    """How somebody is reached."""

    connection: socket.socket
    chunked: bool


class Live:
    """Live events of this gateway. Hears the bus as a `shared.runtime.bus.listening.Listener`."""

    def __init__(self, settings: ApiGatewaySettings, services: Services) -> None:
        """Nothing runs before `start`."""
        self._counts = Counts()
        self._seats = Seats(settings.events_readers, settings.events_readers_per_person)
        self._hub = Hub(Ring(settings.events_kept, MOST_KEPT_BYTES), settings.events_heartbeat_seconds)
        self._ear = Ear(settings.amqp_uri, self, settings.broker_timeout_seconds)
        self._watch = Watch(services, settings.events_recheck_seconds, self._judge)
        self._waiting: dict[socket.socket, Reader] = {}
        self._lock = threading.Lock()
        self._is_listening = False
        self._ever_joined = False

    def start(self) -> None:
        """Listen, write and watch from now on."""
        self._hub.start()
        self._watch.start()
        self._ear.start()

    def stop(self) -> None:
        """End all streams. Returns at once."""
        self._hub.stop()
        self._watch.stop()
        self._ear.stop()

    @property
    def running(self) -> bool:
        """Whether streams go on after their request."""
        return self._hub.running

    def heard(self, body: bytes) -> None:
        """As `Listener` has it."""
        one = messages.read(body)
        if one is not None:
            self._counts.heard_events += 1
            self._hub.tell(one)

    def listening(self) -> None:
        """As `Listener` has it."""
        if self._ever_joined:
            self._hub.gap("BROKER_AWAY", "this gateway did not hear the broker for a while; some events may be missing")
        self._hub.look(lambda ring: ring.anchor(str(uuid.uuid4())))
        self._is_listening = True

    def deaf(self, reason: str) -> None:
        """As `Listener` has it."""
        del reason
        if self._is_listening:
            self._hub.remark("the broker is away: nothing is heard until it is back")
        self._is_listening = False

    def missed(self) -> None:
        """As `Listener` has it."""
        self._hub.gap("GATEWAY_TOO_SLOW", "this gateway did not take events from the broker in time; some are missing")

    def known(self, allowed: Allowed, wish: Wish, after: str | None) -> bytes:
        """What is kept of what somebody wants, after an event or all, as one finite stream."""

        def pick(ring: Ring) -> bytes:
            start = _start(ring, after, from_start=True)
            return start.opening + b"".join(one.frame for one in ring.since(start.place) if is_for(one, allowed, wish))

        found: bytes = self._hub.look(pick)
        return found

    def seat(self, allowed: Allowed, wish: Wish, after: str | None, credential: Credential, way: Way) -> None:
        """Let somebody follow; the stream begins when their connection is handed over.

        Raises:
            TooMany, ServiceUnavailable: as `Seats.take` has it.
        """
        self._take_seat(allowed.person)
        self._ever_joined = True
        start: Start = self._hub.look(lambda ring: _start(ring, after, from_start=False))
        opening = f"retry: {RETRY_MILLISECONDS}\n\n".encode() + start.opening
        if not self._is_listening:
            opening += messages.comment("the broker is away: nothing is heard until it is back")
        start = replace(start, opening=opening, chunked=way.chunked)
        reader = Reader(allowed, wish, start, self._counts, lambda: self._left(reader, allowed.person))
        self._watch.add(reader, credential)
        with self._lock:
            self._waiting[way.connection] = reader

    def hand_over(self, connection: socket.socket) -> bool:
        """Take over a connection for which somebody was seated; False if nobody was. Its answer goes on without its thread."""
        with self._lock:
            reader = self._waiting.pop(connection, None)
        if reader is None:
            return False
        if self.running:
            self._hub.join(reader, connection)
        else:
            reader.close()
            connection.close()
        return True

    def figures(self) -> Figures:
        """Counts for metrics."""
        waiting, behind = self._hub.backlog()
        return Figures(self._counts, self._seats.taken, waiting, behind, self._is_listening)

    def _take_seat(self, person: str) -> None:
        try:
            self._seats.take(person)
        except OdstError as refusal:
            self._counts.refused[refusal.code] += 1
            raise

    def _left(self, reader: Reader, person: str) -> None:
        self._watch.remove(reader)
        self._seats.give_back(person)

    def _judge(self, reader: Any, verdict: Verdict) -> None:
        if isinstance(verdict, OdstError):
            self._hub.with_reader(reader, functools.partial(_refuse, error=verdict))
        else:
            self._hub.with_reader(reader, functools.partial(_allow, allowed=verdict))


def _refuse(reader: Reader, now: float, *, error: OdstError) -> None:
    reader.end(error.code, error.message, now)


def _allow(reader: Reader, now: float, *, allowed: Allowed) -> None:
    reader.allow(allowed, now)


def _start(ring: Ring, after: str | None, *, from_start: bool) -> Start:
    """Where somebody begins who had `after` last: there, or with all that is kept and a word that some may be missing."""
    found = ring.after(after) if after is not None else None
    if found is not None:
        return Start(found, b"")
    place = ring.first if from_start or after is not None else ring.end
    here = ring.id_before(place)
    word = b"" if after is None else lost("UNKNOWN_EVENT", _UNKNOWN).frame
    return Start(place, word + (position(here) if here else b""))
