"""Puts the hashing service together: the only place that knows both handlers and adapters."""

from __future__ import annotations

from dataclasses import dataclass

from services.hashing.adapters.files import ClaimedBlobs, ClaimedFiles
from services.hashing.adapters.ticking import every_seconds
from services.hashing.config import HashingSettings
from services.hashing.handlers import FurtherHandlers, HashingHandlers
from shared.runtime.bus.dispatcher import BusDispatcher
from shared.runtime.bytestore.filesystem import FilesystemByteStore
from shared.runtime.loops import Loop
from shared.runtime.offload import offload_all


@dataclass
class Hashing:
    """The wired service."""

    handlers: HashingHandlers
    further: FurtherHandlers
    loops: tuple[Loop, ...] = ()

    def close(self) -> None:
        """Nothing is held."""


def build(settings: HashingSettings) -> Hashing:
    """The hashing service as configured."""
    store = FilesystemByteStore(settings.layout)
    dispatcher = BusDispatcher(settings.bus.publisher("hashing"))
    handlers = HashingHandlers(ClaimedFiles(store), dispatcher, offload_all, every_seconds(settings.hash_progress_seconds))
    return Hashing(handlers, FurtherHandlers(ClaimedBlobs(store), dispatcher, offload_all))
