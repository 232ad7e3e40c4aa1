"""A mesh in memory: instances made of the real handlers of storage and replication, over fakes of what is outside.

Everything happens when it is told to, in one thread: a pull is one call, and time stands still between calls. What travels
between instances has the shapes of the RPC contract, and is read by the same code that reads the answers of real peers.
"""

from __future__ import annotations

import base64
import copy
import datetime as dt
import functools
import random
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.replication.adapters.storage import RpcStorage
from services.replication.domain.peer import Peer
from services.replication.handlers.drifting import DriftingHandlers
from services.replication.handlers.learning import LearningHandlers
from services.replication.handlers.pulling import PullingHandlers
from services.replication.handlers.relations import RelationsHandlers
from services.replication.handlers.rotating import RotatingHandlers
from services.storage.config import StorageSettings
from services.storage.domain.package import Package, PackageState
from services.storage.ports import KeptRotation
from services.storage.service import StorageService
from services.storage.wiring import Storage, assemble
from shared.contracts import events
from shared.contracts.rpc import ANSWERS
from shared.core.clock import MAX_AHEAD, Stamp
from shared.core.errors import Forbidden, NotFound, PeerUnreachable
from shared.core.identity import InstanceId
from shared.core.manifest import mint_id
from shared.core.staging import Stages, Tags, entitled
from shared.runtime.keys import InstanceKey, open_rotation
from shared.testing.builders import a_manifest, chunk_digests, file_digests
from shared.testing.fakes.bytestore import FakeByteStore
from shared.testing.fakes.catalogue import FakeCatalogue
from shared.testing.fakes.clock import NOON
from shared.testing.fakes.peers import FakePeers
from shared.testing.fakes.people import FakePeople
from shared.testing.fakes.storage_files import FakeRecordFiles, FakeSigner, FakeToldFile
from shared.testing.mesh_checks import expected_facts
from shared.testing.mesh_client import ModelClient, through_json

STAGES = Stages(("development", "test", "production"))
_MOST_ROUNDS = 40
"""Rounds within which a healed mesh must come to rest."""
_NEVER = 1e9
"""Seconds: polls and drift checks are told to happen, or do not."""
FAR_AHEAD = dt.timedelta(days=40)
"""How far a clock is ahead that is wrong beyond all waiting."""
_LONG = 30 * 86400.0
_digests = functools.cache(file_digests)
_chunks = functools.cache(chunk_digests)


@dataclass
class Snapshot:
    """The databases of an instance at one moment."""

    catalogue: Any
    peers: Any


class ModelPeers(FakePeers):
    """Peers that can be restored from a backup."""

    def snapshot(self) -> Any:
        """Everything as it is now."""
        with self.changing() as changes:
            return changes

    def restore(self, snapshot: Any) -> None:
        """Everything as it was then."""
        self._truth = copy.copy(snapshot)


class ModelSigner(FakeSigner):
    """Real signatures with keys that are the same in each run."""

    def __init__(self, chance: random.Random) -> None:
        """`chance` makes this key and all that follow."""
        super().__init__(_made_key(chance))
        self._chance = chance

    def prepare_rotation(self, stamp: Stamp) -> KeptRotation:
        """Make the next key."""
        self.successor = self.successor or _made_key(self._chance)
        return super().prepare_rotation(stamp)


def _made_key(chance: random.Random) -> InstanceKey:
    return InstanceKey(Ed25519PrivateKey.from_private_bytes(chance.randbytes(32)))


class Site:
    """One instance. `offset` is how far its clock is ahead of the true time."""

    def __init__(self, mesh: Mesh, name: str, **settings: Any) -> None:
        """With a database that is empty."""
        self.mesh, self.name, self.offset = mesh, name, dt.timedelta()
        self.catalogue, self.store, self.told, self.files = FakeCatalogue(), FakeByteStore(), FakeToldFile(), FakeRecordFiles()
        self.peers, self.signer = ModelPeers(), ModelSigner(mesh.chance)
        self.ids, self.keys = [self.signer.identity[0]], [self.signer.key]
        self.settings = StorageSettings(amqp_uri="amqp://nowhere", instance_name=name, charter_seconds=_LONG, **settings)
        self.storage = RpcStorage(self)  # type: ignore[arg-type]
        self.client = ModelClient(self)
        self._delivered = 0
        self.start()

    def now(self) -> dt.datetime:
        """What its clock says."""
        return self.mesh.time + self.offset

    @property
    def is_far_ahead(self) -> bool:
        """True if its clock is wrong by weeks."""
        return self.offset >= FAR_AHEAD

    # Its processes

    def start(self) -> None:
        """Start the processes on the databases as they are."""
        store: Any = self.store  # the part of a byte store that handlers use
        self.do = assemble(self.settings, self.catalogue, store, self.signer, self.now, self.told, self.files, FakePeople())
        no_alarms: Any = SimpleNamespace(sweep=lambda: None)
        self._hosted = SimpleNamespace(wired=Storage(self.settings, self.do, no_alarms, None, None, ()))  # type: ignore[arg-type]
        self.relations = RelationsHandlers(self.peers, self.storage, self.now, STAGES, lambda: None)
        learning = LearningHandlers(self.peers, self.client, self.storage, self.now)  # type: ignore[arg-type]
        chance = random.Random(0)
        drifting = DriftingHandlers(self.peers, self.client, self.storage, learning, self.now, _NEVER, chance)  # type: ignore[arg-type]
        self.rotating = RotatingHandlers(self.peers, self.client, self.storage, None, self.relations, self.now, open_rotation)  # type: ignore[arg-type]
        self.pulling = PullingHandlers(
            self.peers,
            self.client,  # type: ignore[arg-type]
            learning,
            drifting,
            self.rotating,
            self.now,
            _NEVER,
            (1, 2),
            lambda: None,
            chance,
        )
        self.do.healing.start()
        self.deliver()

    def call(self, service: str, method: str, _timeout_seconds: float = 0, **arguments: Any) -> Any:
        """An RPC call to a service of this instance; like on the bus, everything becomes JSON on the way."""
        assert service == "storage"
        unlimited = {"within": None} if "within" in ANSWERS["storage"][method] else {}
        answer = getattr(StorageService, method)(self._hosted, **through_json(unlimited | arguments))
        return through_json(answer)

    def deliver(self) -> None:
        """Deliver the events that were committed since the last time to who listens."""
        while self._delivered < len(self.catalogue.dispatched):
            event = self.catalogue.dispatched[self._delivered]
            self._delivered += 1
            self._hear(event)

    def _hear(self, event: events.Event) -> None:
        if isinstance(event, events.InstanceRotatedV1):
            self.rotating.rotated(event)
            self.relations.follow_stewards()
        elif isinstance(event, events.InstanceRevokedV1):
            self.relations.follow_stewards()
        elif isinstance(event, events.CatalogueChangedV1):
            self.storage.feed_position()  # as whoever announces does
        elif isinstance(event, events.CatalogueRestoredV1 | events.TrustChangedV1):
            self.relations.follow_stewards()
            self.pulling.start_anew()

    def sweep(self) -> None:
        """What every process does once in a while."""
        self._hosted.wired.sweep()
        self.relations.declare()
        self.relations.follow_stewards()
        self.deliver()

    # What its administrators do

    def upload(self, name: str, content: bytes, tags: Collection[str]) -> str:
        """Upload a file; the id of the package."""
        begun = self.call("storage", "begin_upload", name=name, size=len(content), uploaded_by="anna", tags=sorted(tags))
        upload_id = begun["upload_id"]
        self.store.bring(upload_id, content, _chunks(content))
        self.call("storage", "finish_upload", upload_id=upload_id, size=len(content), sha256=None)
        self.do.uploads.take_digests(events.PackageHashedV1(upload_id=upload_id, digests=_digests(content)))
        self.deliver()
        return str(self.call("storage", "show_upload", upload_id=upload_id)["package_id"])

    def ask(self, method: str, **arguments: Any) -> Any:
        """An RPC call that an administrator's request leads to."""
        try:
            return self.call("storage", method, **arguments)
        finally:
            self.deliver()

    def rotate(self) -> None:
        """Another key."""
        self.ids.append(self.ask("rotate_key", person="anna")["new"])
        self.keys.append(self.signer.key)
        self.settle()

    def take_stolen(self, key: InstanceKey, mint: str, name: str, content: bytes, created: dt.datetime) -> None:
        """Somebody gives this instance what was signed with a stolen key, bytes and all."""
        about = {"package_id": mint_id(key.public_bytes, mint), "mint": mint, "created": created.replace(microsecond=0)}
        manifest = a_manifest(content, name, key, **about)
        document = {"id": manifest.package_id, "manifest": base64.b64encode(key.sign_manifest(manifest)).decode(), "meta": []}
        self.mesh.given.add((self.name, manifest.package_id))
        self.ask("offer_records", packages=[document], charters=[], rotations=[], peer_id=str(self.peers.all()[0].peer_id))
        known = self.catalogue.package(manifest.package_id)
        if known is not None and known.state is PackageState.WANTED:
            self._bring(known, content)
        self.settle()

    def register(self, other: Site, *, tags: Tags | None = None, steward: bool | None = None) -> None:
        """Change what a registration lets the other see or say."""
        listed = None if tags is None else sorted(tags)
        self.relations.change_peer(str(self.registration(other).peer_id), listed, steward, "anna")
        self.settle()

    # Moving

    def registration(self, other: Site) -> Peer:
        """How another one is registered here."""
        return next(peer for peer in self.peers.all() if str(peer.peer_id) in other.ids)

    def pull(self, other: Site) -> None:
        """Read the other's feed to its end."""
        with suppress(PeerUnreachable):
            self.pulling.pull(str(self.registration(other).peer_id))
        self.settle()
        self.do.healing.sweep()
        self.deliver()

    def settle(self) -> None:
        """Deliver events, and look again where trust or the clock changed, as the sweep does a little later."""
        self.deliver()
        self.do.healing.sweep()
        self.deliver()

    def fetch(self) -> bool:
        """Get the bytes of what is wanted from whoever gives them; True if something came."""
        wanted = [one for one in self.packages() if one.state is PackageState.WANTED and one.rung is not None]
        came = [self._fetch(package) for package in wanted]
        return any(came)

    def _fetch(self, package: Package) -> bool:
        for peer in self.peers.sources_of(package.package_id):
            other = self.mesh.site_of(str(peer.peer_id))
            with suppress(PeerUnreachable, NotFound, Forbidden):
                self._bring(package, self.client.content(other, package))
                return True
        return False

    def _bring(self, package: Package, content: bytes) -> None:
        self.store.bring(package.package_id, content, _chunks(content))
        told = events.PackageVerifiedV1(package_id=package.package_id, transfer_id=package.package_id, digests=_digests(content))
        self.do.packages.publish_verified(told)
        self.deliver()

    def packages(self) -> Sequence[Package]:
        """All that it knows."""
        return list(self.catalogue.outline(None, 10_000))

    # Misfortune

    def snapshot(self) -> Snapshot:
        """A backup of its databases."""
        return Snapshot(self.catalogue.snapshot(), self.peers.snapshot())

    def restore(self, snapshot: Snapshot, *, only_peers: bool = False) -> None:
        """Start again on a backup, or on that of replication alone; bytes, keys and what lies beside the databases stay as they are."""
        if not only_peers:
            self.catalogue.restore(snapshot.catalogue)
        self.peers.restore(snapshot.peers)
        self._delivered = len(self.catalogue.dispatched)
        self.start()
        self.settle()


class Mesh:
    """Sites that are registered with each other, and the true time. Links may be cut."""

    def __init__(self) -> None:
        """Nobody yet."""
        self.time, self.chance = NOON, random.Random(0)
        self.sites: list[Site] = []
        self.edges: set[frozenset[Site]] = set()
        self.away: frozenset[Site] = frozenset()
        """One part of the mesh, while it is parted in two."""
        self.given: set[tuple[str, str]] = set()
        """Who was given which package by somebody who might."""

    def add(self, name: str, **settings: Any) -> Site:
        """One more instance."""
        self.sites.append(Site(self, name, **settings))
        return self.sites[-1]

    def join(self, joiner: Site, inviter: Site, *, tags: Tags, steward: bool) -> None:
        """A registration: who joins makes the inviter a steward; the inviter makes the joiner one if it says so."""
        self.edges.add(frozenset({joiner, inviter}))
        for site, other, is_steward in ((joiner, inviter, True), (inviter, joiner, steward)):
            peer = Peer(InstanceId(other.ids[-1]), other.signer.identity[1], other.name, "http://model", site.now(), protocol=2)
            with site.peers.changing() as changes:
                changes.save_peer(replace(peer.seeing(tags), steward=is_steward))
            site.relations.declare()
            site.deliver()

    def are_linked(self, one: Site, other: Site) -> bool:
        """True if they can reach each other, and their clocks do not keep them apart: what they sign is only good for a time."""
        if abs(one.offset - other.offset) > MAX_AHEAD:
            return False
        return frozenset({one, other}) in self.edges and (one in self.away) == (other in self.away)

    def neighbours(self, site: Site) -> list[Site]:
        """Whom a site is registered with."""
        return [other for other in self.sites if frozenset({site, other}) in self.edges]

    def site_of(self, instance_id: str) -> Site:
        """By any id that it ever had."""
        return next(site for site in self.sites if instance_id in site.ids)

    def bring_to_rest(self) -> None:
        """Let everybody sweep, pull and fetch, and an hour pass, until nothing changes any more."""
        before = None
        for _ in range(_MOST_ROUNDS):
            self.time += dt.timedelta(minutes=61)
            for site in self.sites:
                site.sweep()
            for site in self.sites:
                for other in self.neighbours(site):
                    site.pull(other)
                site.fetch()
            state = [(site.catalogue.feed_position(), [(peer.epoch, peer.cursor) for peer in site.peers.all()]) for site in self.sites]
            if state == before:
                return
            before = state
        raise AssertionError("the mesh does not come to rest")

    def gave(self, giver: Site, taker: Site, package_id: str) -> None:
        """A package is about to go from one to the other: may it, by all that the giver knows?"""
        package = giver.catalogue.package(package_id)
        assert package is not None
        tags = expected_facts(giver, package).tags
        assert entitled(tags, giver.registration(taker).tags), f"{giver.name} gave {taker.name} a package with tags {sorted(tags)}"
        self.given.add((taker.name, package_id))
