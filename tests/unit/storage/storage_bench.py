"""Storage with its outside faked: the catalogue in memory, the clock still, the byte store a real folder."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from services.storage.adapters.signer import KeySigner
from services.storage.domain.package import Package, PackageState
from services.storage.handlers.packages import PackageHandlers
from services.storage.handlers.publishing import Publishing
from services.storage.handlers.questions import Questions
from services.storage.handlers.uploads import UploadHandlers
from shared.contracts.events import Event, PackageHashedV1, PackageVerifiedV1
from shared.core.layout import Layout
from shared.core.names import PackageName
from shared.runtime.bytestore.filesystem import FilesystemByteStore
from shared.runtime.keys import InstanceKey
from shared.testing.builders import Signed, chunk_digests, file_digests
from shared.testing.fakes.catalogue import FakeCatalogue, FakeChanges
from shared.testing.fakes.clock import FakeClock

TRANSFER = "c4a7e9d2-6b80-4f15-8e3c-9d0b1a2f3e4c"


class Crash(Exception):
    """The process ended here."""


class CrashingCatalogue(FakeCatalogue):
    """A catalogue whose process can die just before a commit."""

    def __init__(self) -> None:
        """It lives."""
        super().__init__()
        self.crashes: Callable[[FakeChanges], bool] = lambda _: False

    @contextmanager
    def changing(self) -> Iterator[FakeChanges]:
        """A transaction, of which nothing stays if it crashes."""
        with super().changing() as changes:
            yield changes
            if self.crashes(changes):
                raise Crash


class Bench:
    """The handlers of one storage service."""

    def __init__(self, folder: Path, *, free_floor_bytes: int = 0) -> None:
        self.clock, self.catalogue = FakeClock(), CrashingCatalogue()
        self.store = FilesystemByteStore(Layout(folder), free_floor_bytes=free_floor_bytes)
        self.key = InstanceKey.generate()
        signer = KeySigner(self.key)
        publishing = Publishing(self.catalogue, self.store, self.clock, lambda function, *arguments: function(*arguments))
        self.uploads = UploadHandlers(self.catalogue, self.store, signer, self.clock, publishing)
        self.packages = PackageHandlers(self.catalogue, self.store, signer, self.clock, publishing)
        self.questions = Questions(self.catalogue, self.store)

    @property
    def said(self) -> list[str]:
        """Types of the events that were said, in order."""
        return [event.type for event in self.catalogue.dispatched]

    def last(self, kind: type[Event]) -> Any:
        """The latest event of a kind."""
        return [event for event in self.catalogue.dispatched if isinstance(event, kind)][-1]

    def bring(self, content: bytes, incoming_id: str) -> None:
        """Put bytes with their chunk list into the incoming area, as the door, replication and hashing do."""
        self.store.reserve(incoming_id, len(content))
        with self.store.open_incoming(incoming_id) as file:
            self.store.write(file, memoryview(content))
        self.store.write_chunk_list(incoming_id, chunk_digests(content))

    def receive(self, content: bytes, name: str = "App.pkg", sha256: str | None = None) -> str:
        """An upload up to the point where hashing begins; its id."""
        upload_id: str = self.uploads.begin(name, len(content), "admin")["upload_id"]
        self.bring(content, upload_id)
        self.uploads.finish(upload_id, len(content), sha256)
        return upload_id

    def upload(self, content: bytes, name: str = "App.pkg") -> dict[str, Any]:
        """A whole upload; how it ended."""
        upload_id = self.receive(content, name)
        self.uploads.take_digests(PackageHashedV1(upload_id=upload_id, digests=file_digests(content)))
        return self.uploads.show(upload_id)

    def offer(self, package: Signed, peer_id: str = "PEER") -> str:
        """A peer's manifest; the state that is answered."""
        answer = self.packages.offer(base64.b64encode(package.envelope).decode(), peer_id)
        return str(answer["state"])

    def verify(self, package: Signed, content: bytes | None = None) -> None:
        """The bytes of a wanted package came, and hashing found what is really there."""
        came = package.content if content is None else content
        self.bring(came, TRANSFER)
        digests = file_digests(came)
        self.packages.publish_verified(PackageVerifiedV1(package_id=package.package_id, transfer_id=TRANSFER, digests=digests))

    def package(self, package_id: str) -> Package:
        """A record that must be there."""
        found = self.catalogue.package(package_id)
        assert found is not None
        return found

    def state_of(self, package: Signed) -> PackageState:
        """Where a package is."""
        return self.package(package.package_id).state

    def public(self, name: str = "App.pkg") -> bytes | None:
        """What clients would get from the folder."""
        path = self.store.layout.public_file(PackageName.parse(name))
        return path.read_bytes() if path.exists() else None
