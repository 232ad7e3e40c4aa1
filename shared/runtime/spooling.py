"""Dispatching for a process that keeps nothing else: what the broker does not take now is put on the disk, and said later.

A service with a database has an outbox, which is better: it commits the event with the change. This is for the doors, which only tell
what they answered.
"""

from __future__ import annotations

import os
import threading
import uuid
from pathlib import Path

from pydantic import ValidationError

from shared.contracts.events import Envelope, Event
from shared.core.errors import ServiceUnavailable
from shared.runtime.bus.dispatcher import publish_event
from shared.runtime.bus.publisher import Publisher
from shared.runtime.logging import correlation_id, get_logger

log = get_logger(__name__)
_AGAIN_SECONDS = 5.0


class SpoolingDispatcher:
    """Publishes with a confirm; else a file in `folder`, which a thread of its own publishes when the broker is back."""

    def __init__(self, publisher: Publisher, folder: Path, *, again_seconds: float = _AGAIN_SECONDS) -> None:
        """Files that an earlier process left are said too, after `again_seconds`."""
        self._publisher, self._folder, self._again_seconds = publisher, folder, again_seconds
        self._lock, self._stopping = threading.Lock(), threading.Event()
        self._thread: threading.Thread | None = None
        if any(folder.glob("*.json")):
            self._say_later()

    def dispatch(self, event: Event) -> None:
        """Have it said, now or later. If neither broker nor disk takes it, it is in the log of the process, and nowhere else."""
        envelope = Envelope.around(event, correlation_id())
        try:
            publish_event(self._publisher, envelope)
        except ServiceUnavailable as error:
            log.warning("event_spooled", type=envelope.type, error=str(error))
            self._keep(envelope)

    def waiting(self) -> int:
        """How many events wait on the disk."""
        return len(list(self._folder.glob("*.json")))

    def close(self) -> None:
        """Stop saying; what waits is there at the next start."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
        self._publisher.close()

    def _keep(self, envelope: Envelope) -> None:
        path = self._folder / f"{envelope.id}.json"
        temporary = path.with_suffix(f".{uuid.uuid4().hex}.tmp")
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with temporary.open("w", encoding="utf-8") as file:
                file.write(envelope.model_dump_json())
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
            self._sync_folder()
        except OSError as error:
            log.exception("event_lost", error=str(error), event_type=envelope.type, data=envelope.data)
            return
        self._say_later()

    def _sync_folder(self) -> None:
        descriptor = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _say_later(self) -> None:
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._say, name="unsaid", daemon=True)
                self._thread.start()

    def _say(self) -> None:
        while not self._stopping.wait(self._again_seconds):
            if self._say_all():
                return

    def _say_all(self) -> bool:
        """Say what waits, oldest first; True if nothing is left."""
        for path in sorted(self._folder.glob("*.json"), key=lambda one: one.stat().st_mtime_ns):
            try:
                publish_event(self._publisher, Envelope.model_validate_json(path.read_bytes()))
            except ServiceUnavailable:
                return False
            except (OSError, ValidationError) as error:
                log.warning("event_unreadable", file=path.name, error=str(error))
                path.replace(path.with_suffix(".unreadable"))
                continue
            path.unlink(missing_ok=True)
        return True
