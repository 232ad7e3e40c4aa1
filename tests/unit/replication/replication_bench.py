"""Replication with its outside faked: peers, storage and transfers in memory, the byte store a real folder."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.replication.domain.peer import Peer
from services.replication.domain.sources import SourceBook
from services.replication.domain.transfer import Transfer
from services.replication.handlers.announcing import AnnouncingHandlers
from services.replication.handlers.moving import MovingHandlers, MovingLimits
from services.replication.handlers.planning import PlanningHandlers
from services.replication.handlers.pulling import PullingHandlers
from shared.contracts.events import Event, PackagePublishedV1, PackageWantedV1
from shared.core.layout import Layout
from shared.runtime.bytestore.filesystem import FilesystemByteStore
from shared.runtime.keys import open_manifest
from shared.testing.builders import Signed, a_peer
from shared.testing.fakes.clock import FakeClock
from shared.testing.fakes.peer_client import FakePeerClient, FakeSite, FakeStorageService
from shared.testing.fakes.peers import FakePeers
from shared.testing.fakes.transfers import FakeTransfers

LIMITS = MovingLimits(dt.timedelta(seconds=15), 0, 3, dt.timedelta(hours=1))


@dataclass
class Done:
    """`Background` that was done at once."""

    result: Any = None
    error: Exception | None = None

    def wait(self) -> Any:
        """What it gave, or raised."""
        if self.error:
            raise self.error
        return self.result


def at_once(function: Callable[..., Any], *arguments: Any) -> Done:
    """Run it now; what it raises comes out when it is waited for, as from a thread."""
    try:
        return Done(function(*arguments))
    except Exception as error:  # noqa: BLE001 - handed on
        return Done(error=error)


class Bench:
    """The handlers of one replication service."""

    def __init__(self, folder: Path, *, free_floor_bytes: int = 0, slice_chunks: int = 2) -> None:
        self.clock, self.peers, self.transfers = FakeClock(), FakePeers(), FakeTransfers()
        self.client, self.storage = FakePeerClient(), FakeStorageService()
        self.store = FilesystemByteStore(Layout(folder), free_floor_bytes=free_floor_bytes)
        self.rings = 0
        common = (self.peers, self.client, self.storage)
        self.announcing = AnnouncingHandlers(*common, self.clock, self._ring)
        self.pulling = PullingHandlers(*common, self.clock, 300, lambda _key: nullcontext())
        self.planning = PlanningHandlers(
            self.peers, self.transfers, self.client, self.storage, self.store, self.clock, open_manifest, _now, self._ring, slice_chunks
        )
        self.moving = self.worker("worker")

    def worker(self, name: str) -> MovingHandlers:
        """One more worker on the same lists."""
        return MovingHandlers(
            name,
            self.peers,
            self.transfers,
            self.client,
            self.storage,
            self.store,
            self.clock,
            at_once,
            SourceBook(),
            LIMITS,
        )

    def _ring(self) -> None:
        self.rings += 1

    @property
    def said(self) -> list[Event]:
        """What was said, about peers and about transfers."""
        return [*self.peers.dispatched, *self.transfers.dispatched]

    def meet(self, name: str, *packages: Signed, **fields: Any) -> tuple[Peer, FakeSite]:
        """A registered peer that has these packages, and is known to."""
        peer = a_peer(name, **fields)
        with self.peers.changing() as changes:
            changes.save_peer(peer)
            changes.add_sources(str(peer.peer_id), [package.package_id for package in packages])
        site = self.client.site(peer)
        site.has(*packages)
        return peer, site

    def peer(self, peer: Peer) -> Peer:
        """A peer as it is known now."""
        found = self.peers.get(str(peer.peer_id))
        assert found is not None
        return found

    def want(self, package: Signed) -> None:
        """Storage wants this package and rings."""
        self.storage.wants(package)
        manifest = package.manifest
        self.planning.plan_wanted(PackageWantedV1(package_id=manifest.package_id, name=manifest.name.text, size=manifest.size))

    def transfer(self) -> Transfer:
        """The newest transfer."""
        return self.transfers.listed(1)[0][0]

    def move_all(self, workers: Sequence[MovingHandlers] = ()) -> int:
        """Let workers step in turn until nobody finds anything. Returns the number of steps that did something."""
        steps = 0
        while sum(worker.step() for worker in workers or (self.moving,)):
            steps += 1
            assert steps < 100, "the workers go round in circles"
        return steps

    def moved(self) -> bytes:
        """What lies in the incoming area for the newest transfer."""
        with self.store.open_incoming(self.transfer().transfer_id) as file:
            return file.read()


def _now(function: Callable[..., Any], *arguments: Any) -> Any:
    return function(*arguments)


def published(package: Signed) -> PackagePublishedV1:
    """The package is downloadable here."""
    manifest = package.manifest
    return PackagePublishedV1(
        package_id=manifest.package_id, name=manifest.name.text, size=manifest.size, sha256=manifest.sha256.hex, origin=str(manifest.origin)
    )
