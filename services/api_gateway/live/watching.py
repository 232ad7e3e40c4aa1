"""Whether those who follow still may: asked again and again while their streams are open.

::

    still allowed            what they are told follows what they may now
    not any more             the stream ends: token revoked, session over, person disabled, right taken
    nobody can be asked      they are told nothing more for now (`reader.TRUSTED_SECONDS`), until somebody can
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from services.api_gateway.live.wishes import Allowed
from shared.core.errors import Forbidden, OdstError, Unauthenticated
from shared.runtime.logging import get_logger
from shared.runtime.threads import Turning

log = get_logger(__name__)
RIGHT = "view"


class Credential(Protocol):
    """With what somebody came; equal ones are one."""

    def principal(self, services: Any, right: str) -> dict[str, Any]:
        """What directory says of them. Raises as `auth.Credential` does."""


Verdict = Allowed | OdstError


class Watch:
    """A thread that asks."""

    def __init__(self, services: Any, every_seconds: float, verdict: Callable[[Any, Verdict], None]) -> None:
        """`verdict` is told of each key what became of it: what they may, or why they may not."""
        self._services, self._every, self._verdict = services, every_seconds, verdict
        self._watched: dict[Any, Credential] = {}
        self._lock = threading.Lock()
        self._turning = Turning("live-watch", self._turn)

    def start(self) -> None:
        """Begin to ask."""
        self._turning.start()

    def stop(self) -> None:
        """Ask no more. Returns at once."""
        self._turning.stop()

    def add(self, key: Any, credential: Credential) -> None:
        """Ask about this from now on."""
        with self._lock:
            self._watched[key] = credential

    def remove(self, key: Any) -> None:
        """Ask no more about this."""
        with self._lock:
            self._watched.pop(key, None)

    def _turn(self) -> None:
        self._turning.pause(self._every)
        if not self._turning.stopping:
            self.ask()

    def ask(self) -> None:
        """Ask about everybody once. Those with the same credential are one question."""
        with self._lock:
            watched = dict(self._watched)
        found: dict[Credential, Verdict] = {}
        for credential in set(watched.values()):
            try:
                found[credential] = self._one(credential)
            except OdstError as error:
                log.warning("live_events_watch_failed", code=error.code)
                break
        self._say(watched, found)

    def _one(self, credential: Credential) -> Verdict:
        try:
            return Allowed.to(credential.principal(self._services, RIGHT))
        except (Unauthenticated, Forbidden) as refusal:
            return refusal

    def _say(self, watched: Mapping[Any, Credential], found: Mapping[Credential, Verdict]) -> None:
        for key, credential in watched.items():
            if credential in found:
                self._verdict(key, found[credential])
