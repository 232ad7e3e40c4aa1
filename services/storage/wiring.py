"""Puts the storage service together: the only place that knows both handlers and adapters."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

from services.storage.adapters.catalogue import SqlCatalogue
from services.storage.adapters.schema import outbox
from services.storage.adapters.signer import KeySigner
from services.storage.config import StorageSettings
from services.storage.handlers.packages import PackageHandlers
from services.storage.handlers.publishing import Publishing
from services.storage.handlers.questions import Questions
from services.storage.handlers.uploads import UploadHandlers
from shared.runtime import migrations
from shared.runtime.bytestore.filesystem import FilesystemByteStore
from shared.runtime.database import Database
from shared.runtime.keys import InstanceKey
from shared.runtime.loops import Loop
from shared.runtime.offload import offload
from shared.runtime.outbox import Outbox


@dataclass
class Storage:
    """The wired service."""

    settings: StorageSettings
    uploads: UploadHandlers
    packages: PackageHandlers
    questions: Questions
    database: Database
    loops: tuple[Loop, ...]

    def sweep(self) -> None:
        """Look for work that a lost message or a crash left behind."""
        self.uploads.sweep(self.settings.stale_seconds, self.settings.upload_idle_seconds)
        self.packages.sweep(self.settings.stale_seconds)

    def close(self) -> None:
        """Close the database."""
        self.database.close()


def build(settings: StorageSettings) -> Storage:
    """The storage service as configured."""
    database = Database(settings.database_url_for("storage"))
    migrations.upgrade(database, Path(__file__).parent / "migrations")
    store = FilesystemByteStore(settings.layout, free_floor_bytes=settings.free_space_floor_mib << 20)
    events = Outbox(database, outbox, settings.bus.publisher("storage"))
    relay = events.as_loop(settings.sweep_seconds)
    catalogue = SqlCatalogue(database, events)
    signer = KeySigner(InstanceKey.load_or_create(settings.layout))
    publishing = Publishing(catalogue, store, _now, offload)
    return Storage(
        settings,
        UploadHandlers(catalogue, store, signer, _now, publishing),
        PackageHandlers(catalogue, store, signer, _now, publishing),
        Questions(catalogue, store),
        database,
        (relay,),
    )


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
