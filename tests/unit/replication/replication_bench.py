"""Replication with its outside faked: peers, storage and transfers in memory, the byte store a real folder."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from services.replication.adapters.signatures import KeySignatures
from services.replication.domain.peer import Peer
from services.replication.domain.sources import LackBook, SourceBook
from services.replication.domain.transfer import Transfer
from services.replication.handlers.announcing import AnnouncingHandlers
from services.replication.handlers.drifting import DriftingHandlers
from services.replication.handlers.foreseeing import ForeseeingHandlers
from services.replication.handlers.learning import LearningHandlers
from services.replication.handlers.moving import MovingHandlers, MovingLimits
from services.replication.handlers.planning import PlanningHandlers
from services.replication.handlers.pulling import PullingHandlers
from services.replication.handlers.relations import RelationsHandlers
from services.replication.handlers.rotating import RotatingHandlers
from services.replication.handlers.steering import SteeringHandlers
from services.replication.handlers.surveying import SurveyingHandlers
from shared.contracts.events import Event, PackagePublishedV1, PackageWantedV1
from shared.core.errors import OdstError
from shared.core.layout import Layout
from shared.core.staging import Stages
from shared.runtime.bytestore.filesystem import FilesystemByteStore
from shared.runtime.keys import InstanceKey, open_manifest, open_rotation
from shared.testing.builders import Signed, a_peer
from shared.testing.fakes.clock import FakeClock
from shared.testing.fakes.peer_client import FakePeerClient, FakeSite
from shared.testing.fakes.peers import FakePeers
from shared.testing.fakes.storage_service import FakeStorageService
from shared.testing.fakes.transfers import FakeTransfers

STAGES = Stages(("development", "test", "production"))
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
        self.key = InstanceKey.generate()
        self.signatures = KeySignatures(self.key)
        self.announcing = AnnouncingHandlers(*common, self.clock, self._ring)
        self.relations = RelationsHandlers(self.peers, self.storage, self.clock, STAGES, self._ring)
        self.rotating = RotatingHandlers(*common, self.signatures, self.relations, self.clock, open_rotation)
        self.lacking = LackBook()
        self.learning = LearningHandlers(*common, self.clock, self.lacking)
        self.drifting = DriftingHandlers(*common, self.learning, self.clock, 86400)
        self.pulling = self.puller((1, 2))
        looking = (self.peers, self.transfers, self.client, self.storage, self.signatures, together)
        self.surveying = SurveyingHandlers(*looking, "US")
        self.foreseeing = ForeseeingHandlers(
            self.peers,
            self.transfers,
            self.client,
            self.storage,
            together,
            STAGES,
            "US",
            frozenset({"test"}),
            lambda: self.signatures.identity[0],
        )
        fetching = (self.peers, self.transfers, self.client, self.storage, self.store, self.clock)
        self.planning = PlanningHandlers(*fetching, open_manifest, _now, self._ring, slice_chunks, self.lacking)
        self.moving = self.worker("worker")
        self.steering = SteeringHandlers(self.transfers, self.storage, self.store, self.clock, self._ring)

    def puller(self, protocols: tuple[int, ...]) -> PullingHandlers:
        """A reader of feeds that speaks these versions."""
        parts = (self.learning, self.drifting, self.rotating)
        return PullingHandlers(self.peers, self.client, *parts, self.clock, 300, protocols, self._ring, random.Random(1))

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
            self.lacking,
        )

    def _ring(self) -> None:
        self.rings += 1

    @property
    def said(self) -> list[Event]:
        """What was said, about peers and about transfers."""
        return [*self.peers.dispatched, *self.transfers.dispatched]

    @staticmethod
    def later() -> dt.datetime:
        """An hour after the clock's start."""
        return FakeClock().pass_seconds(3600)

    def meet(self, name: str, *packages: Signed, key: InstanceKey | None = None, **fields: Any) -> tuple[Peer, FakeSite]:
        """A registered peer that has these packages, and is known to."""
        peer = a_peer(name, key, **fields)
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

    def change(self, peer: Peer, **fields: Any) -> Peer:
        """A peer as it is known now, with other fields."""
        changed = replace(self.peer(peer), **fields)
        with self.peers.changing() as changes:
            changes.save_peer(changed)
        return changed

    def rename(self, peer: Peer) -> Peer:
        """Let a peer be known by a new key, once; as it is known now."""
        with self.peers.changing() as changes:
            known = changes.peer(str(peer.peer_id))
            renewed = a_peer(peer.name, None, url=peer.url)
            if known is not None:
                renewed = replace(known, peer_id=renewed.peer_id, public_key=renewed.public_key)
                changes.rename_peer(str(peer.peer_id), renewed)
        return renewed

    def revoke(self, peer: Peer) -> None:
        """Let a peer be one no longer."""
        self.relations.revoke(str(peer.peer_id), "admin")

    def pull(self, peer: Peer) -> None:
        """Read its feed."""
        self.pulling.pull(str(peer.peer_id))

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


def together(functions: Sequence[Callable[[], Any]], _seconds: float) -> list[Any]:
    """`Together`, one after the other."""
    return [_or_none(function) for function in functions]


def _or_none(function: Callable[[], Any]) -> Any:
    try:
        return function()
    except OdstError:
        return None


def _now(function: Callable[..., Any], *arguments: Any) -> Any:
    return function(*arguments)


def published(package: Signed) -> PackagePublishedV1:
    """The package is downloadable here."""
    manifest = package.manifest
    return PackagePublishedV1(
        package_id=manifest.package_id, name=manifest.name.text, size=manifest.size, sha256=manifest.sha256.hex, origin=str(manifest.origin)
    )
