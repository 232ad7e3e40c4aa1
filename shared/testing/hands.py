"""Many changes in little time: what people do at an instance, done by its own handlers while it does not run."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import delete

from services.storage.adapters.schema import outbox
from services.storage.config import StorageSettings
from services.storage.wiring import Handlers, build
from shared.contracts.events import PackageHashedV1
from shared.runtime.bytestore.filesystem import FilesystemByteStore
from shared.testing.builders import chunk_digests, file_digests
from shared.testing.instance import Instance
from shared.testing.seeding import unsynced

_PERSON = "tests"


@dataclass(frozen=True)
class Hands:
    """People at one instance."""

    do: Handlers
    store: FilesystemByteStore

    def upload(self, name: str, content: bytes) -> str:
        """A package, published; its id."""
        upload_id = str(self.do.uploads.begin(name, len(content), _PERSON)["upload_id"])
        self.store.reserve(upload_id, len(content))
        with self.store.open_incoming(upload_id) as file:
            self.store.write(file, memoryview(content))
        self.store.write_chunk_list(upload_id, chunk_digests(content))
        self.do.uploads.finish(upload_id, len(content), None)
        self.do.uploads.take_digests(PackageHashedV1(upload_id=upload_id, digests=file_digests(content)))
        return str(self.do.uploads.show(upload_id)["package_id"])

    def retag(self, package_id: str, *tags: str) -> None:
        """Let it have these staging tags."""
        self.do.stewards.retag(package_id, list(tags), _PERSON)

    def delete(self, package_id: str) -> None:
        """Into the trash."""
        self.do.stewards.delete(package_id, _PERSON)

    def undelete(self, package_id: str) -> None:
        """And out of it."""
        self.do.stewards.undelete(package_id, _PERSON)

    def make_current(self, package_id: str) -> None:
        """A roll-back, or forth."""
        self.do.stewards.raise_(package_id, _PERSON)


@contextmanager
def hands_on(instance: Instance) -> Iterator[Hands]:
    """Hands at an instance that does not run. When it starts, its own services are taken to have heard of it all before."""
    settings = StorageSettings.load(instance.settings)
    with Path(os.devnull).open("w") as unread, redirect_stdout(unread), closing(build(settings)) as storage, unsynced(storage.database):
        yield Hands(storage.do, FilesystemByteStore(settings.layout))
        with storage.database.write() as connection:
            connection.execute(delete(outbox))
