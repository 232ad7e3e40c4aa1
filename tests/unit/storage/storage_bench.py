"""Storage with its outside faked: the catalogue in memory, the clock still, the byte store a real folder."""

from __future__ import annotations

import base64
import datetime as dt
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from services.storage.config import StorageSettings
from services.storage.domain.package import Package, PackageState
from services.storage.handlers.watching import WatchingHandlers
from services.storage.wiring import Storage, assemble
from shared.contracts.events import CatalogueChangedV1, Event, PackageHashedV1, PackageVerifiedV1
from shared.core.alarms import Patience
from shared.core.clock import Stamp
from shared.core.layout import Layout
from shared.core.names import PackageName
from shared.runtime.bytestore.filesystem import FilesystemByteStore
from shared.runtime.keys import InstanceKey
from shared.testing.builders import Signed, chunk_digests, file_digests
from shared.testing.fakes.alarms import FakeAlarmBook
from shared.testing.fakes.catalogue import FakeCatalogue, FakeChanges
from shared.testing.fakes.clock import FakeClock
from shared.testing.fakes.people import FakePeople
from shared.testing.fakes.storage_files import FakeRecordFiles, FakeSigner, FakeToldFile
from tests.unit.storage.speaking import Author, texts

E = TypeVar("E", bound=Event)
View = dict[str, Any]
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


def _since(stamps: dict[Author, Stamp]) -> list[dict[str, str]]:
    return [{"instance_id": one.id, "since": str(since)} for one, since in stamps.items()]


class Bench:
    """The handlers of one storage service."""

    def __init__(self, folder: Path, *, free_floor_bytes: int = 0, **settings: Any) -> None:
        self.clock, self.catalogue = FakeClock(), CrashingCatalogue()
        self.store = FilesystemByteStore(Layout(folder), free_floor_bytes=free_floor_bytes)
        self.signer, self.told, self.files = FakeSigner(), FakeToldFile(), FakeRecordFiles()
        self.people = FakePeople()
        self.alarms = FakeAlarmBook("storage", Patience(dt.timedelta(minutes=1), dt.timedelta(days=1)))
        self.settings = StorageSettings.model_validate({"amqp_uri": "amqp://nobody", "data": folder, **settings})
        self.start()

    def start(self) -> None:
        """The handlers as after a start of the service."""
        self.do = assemble(self.settings, self.catalogue, self.store, self.signer, self.clock, self.told, self.files, self.people)
        self.do.healing.start()
        self.watching = WatchingHandlers(self.catalogue, self.store, self.alarms, self.clock, self.settings.disk_low_mib << 20)
        self.uploads, self.packages, self.questions = self.do.uploads, self.do.packages, self.do.questions

    @property
    def key(self) -> InstanceKey:
        """The instance's key."""
        return self.signer.key

    @property
    def said(self) -> list[str]:
        """Types of the events that were said, in order; but for the doorbell, which follows everything."""
        return [event.type for event in self.catalogue.dispatched if not isinstance(event, CatalogueChangedV1)]

    def last(self, kind: type[Event]) -> Any:
        """The latest event of a kind."""
        return [event for event in self.catalogue.dispatched if isinstance(event, kind)][-1]

    def bring(self, content: bytes, incoming_id: str) -> None:
        """Put bytes with their chunk list into the incoming area, as the door, replication and hashing do."""
        self.store.reserve(incoming_id, len(content))
        with self.store.open_incoming(incoming_id) as file:
            self.store.write(file, memoryview(content))
        self.store.write_chunk_list(incoming_id, chunk_digests(content))

    def receive(self, content: bytes, name: str = "App.pkg", sha256: str | None = None, tags: Iterable[str] = ()) -> str:
        """An upload up to the point where hashing begins; its id."""
        upload_id: str = self.uploads.begin(name, len(content), "admin", list(tags))["upload_id"]
        self.bring(content, upload_id)
        self.uploads.finish(upload_id, len(content), sha256)
        return upload_id

    def upload(self, content: bytes, name: str = "App.pkg", tags: Iterable[str] = ()) -> dict[str, Any]:
        """A whole upload; how it ended."""
        upload_id = self.receive(content, name, tags=tags)
        self.uploads.take_digests(PackageHashedV1(upload_id=upload_id, digests=file_digests(content)))
        return self.uploads.show(upload_id)

    def uploaded(self, content: bytes, name: str = "App.pkg", tags: Iterable[str] = ()) -> str:
        """A whole upload; the id of its package."""
        return str(self.upload(content, name, tags)["package_id"])

    def offer(self, package: Signed, peer_id: str = "PEER") -> str:
        """A peer's manifest; the state that is answered."""
        answer = self.do.records.offer_manifest(base64.b64encode(package.envelope).decode(), peer_id)
        return str(answer["state"])

    def learn(
        self, *documents: dict[str, Any], charters: Iterable[bytes] = (), rotations: Iterable[bytes] = (), peer_id: str = "PEER"
    ) -> list[tuple[str, str]]:
        """What a peer relays; kind and code of each record that was refused."""
        answer = self.do.records.offer(documents, texts(charters), texts(rotations), peer_id)
        return [(one["kind"], one["code"]) for one in answer["refused"]]

    def declare(
        self,
        *stewards: Author,
        until: dict[Author, Stamp] | None = None,
        revoked: dict[Author, Stamp] | None = None,
        registered: dict[Author, Stamp] | None = None,
    ) -> None:
        """What replication says about our registrations."""
        named = [{"instance_id": one.id, "until": None} for one in stewards]
        named += [{"instance_id": one.id, "until": str(stamp)} for one, stamp in (until or {}).items()]
        self.do.relations.declare_peers(named, _since(revoked or {}), _since(registered or {}))

    def sweep(self) -> None:
        """Everything that the service looks for once in a while."""
        Storage(self.settings, self.do, self.watching, None, None, ()).sweep()  # type: ignore[arg-type]

    def have(self, package: Signed) -> None:
        """A package from a peer, with its bytes."""
        self.offer(package)
        self.verify(package)

    def events(self, kind: type[E]) -> list[E]:
        """Events of a kind that were said, in order."""
        return [event for event in self.catalogue.dispatched if isinstance(event, kind)]

    def verify(self, package: Signed, content: bytes | None = None) -> None:
        """The bytes of a wanted package came, and hashing found what is really there."""
        came = package.content if content is None else content
        self.bring(came, TRANSFER)
        digests = file_digests(came)
        self.packages.publish_verified(PackageVerifiedV1(package_id=package.package_id, transfer_id=TRANSFER, digests=digests))

    def feed(self, view: View | None = None) -> list[dict[str, Any]]:
        """All items of the change feed, as one registration shows it."""
        items: list[dict[str, Any]] = self.do.feed.changes(None, 0, 1000, view)["items"]
        return items

    def package(self, package_id: str) -> Package:
        """A record that must be there."""
        found = self.catalogue.package(package_id)
        assert found is not None
        return found

    def state_of(self, package: Signed | str) -> PackageState:
        """Where a package is."""
        return self.package(package if isinstance(package, str) else package.package_id).state

    def public(self, name: str = "App.pkg") -> bytes | None:
        """What clients would get from the folder."""
        path = self.store.layout.public_file(PackageName.parse(name))
        return path.read_bytes() if path.exists() else None
