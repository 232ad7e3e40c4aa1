"""Planning and ending transfers. Step 5 of the seed."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from services.replication.domain.catalogue import WANTED, Holding
from services.replication.domain.peer import Peer
from services.replication.domain.records import portions
from services.replication.domain.refusals import SourceLacks
from services.replication.domain.sources import LackBook
from services.replication.domain.transfer import ENDED_STATES, OPEN_STATES, Transfer, TransferState
from services.replication.ports import PeerClient, Peers, StorageService, TransferChanges, Transfers
from shared.contracts import events
from shared.core.digest import RECORD_SIZE, ChunkDigests, chunk_count
from shared.core.errors import InsufficientSpace, ManifestInvalid, PeerLied, PeerUnreachable
from shared.core.manifest import Manifest
from shared.core.slices import plan
from shared.runtime.bytestore.port import ByteStore
from shared.runtime.logging import bound, correlation_id, get_logger

log = get_logger(__name__)
_PORTION = 200
"""Packages in one question to storage; it answers no more."""


@dataclass
class PlanningHandlers:
    """From a wanted package to slices on the list, and from a published one to the end of its transfer."""

    peers: Peers
    transfers: Transfers
    client: PeerClient
    storage: StorageService
    store: ByteStore
    clock: Any
    open_manifest: Callable[[bytes], Manifest]
    offload: Callable[..., Any]
    ring_workers: Callable[[], None]
    slice_chunks: int
    lacking: LackBook = field(default_factory=LackBook)

    def plan_wanted(self, event: events.PackageWantedV1) -> None:
        """Reserve space, get the chunk list, cut the slices. Knowing the package already is success.

        With no room, or no source that answers and whose feed is read to its end, nothing is planned: storage rings again while the
        package is wanted. Nor is it for a package whose transfer was cancelled here, however often storage rings.
        """
        with self.transfers.changing() as changes:
            known = changes.of_package(event.package_id)
        if known and known.state not in ENDED_STATES:
            self.ring_workers()
            return
        if known and known.state is TransferState.CANCELLED:
            log.info("transfer_not_planned", package_id=event.package_id, code="CANCELLED_HERE")
            return
        if self.storage.state_of(event.package_id) != WANTED:
            log.info("transfer_not_planned", package_id=event.package_id, code="NOT_WANTED")
            return
        able = able_sources(self.peers, self.lacking, event.package_id, self.clock())
        sources = [peer for peer in able if not peer.catching_up]
        if not sources:
            log.info("transfer_waits_for_source", package_id=event.package_id, name=event.name)
            return
        manifest = self.open_manifest(self.storage.manifest(event.package_id))
        transfer = self._new_transfer(manifest)
        try:
            self.offload(self.store.reserve, transfer.transfer_id, manifest.size)
        except InsufficientSpace as error:
            self.store.drop_incoming(transfer.transfer_id)
            log.warning("transfer_waits_for_space", package_id=event.package_id, size=manifest.size, error=str(error))
            return
        self._begin(transfer, manifest, sources)

    def _begin(self, transfer: Transfer, manifest: Manifest, sources: list[Peer]) -> None:
        try:
            self.store.write_chunk_list(transfer.transfer_id, self._chunk_list(manifest, sources))
        except (PeerUnreachable, InsufficientSpace) as error:
            self.store.drop_incoming(transfer.transfer_id)
            log.warning("transfer_not_planned", package_id=transfer.package_id, code=error.code, error=str(error))
            return
        slices = plan(manifest.size, self.slice_chunks)
        with self.transfers.changing() as changes:
            rival = changes.of_package(manifest.package_id)
            if rival is None or (rival.state in ENDED_STATES and rival.state is not TransferState.CANCELLED):
                changes.save(transfer)
                changes.add_slices(transfer.transfer_id, slices)
                rival = None
                if not slices:
                    assemble(changes, transfer, self.clock())
        if rival is not None:
            self.store.drop_incoming(transfer.transfer_id)
            return
        log.info("transfer_planned", transfer_id=transfer.transfer_id, name=transfer.name, size=transfer.size, slices=len(slices))
        self.ring_workers()

    def _chunk_list(self, manifest: Manifest, sources: list[Peer]) -> ChunkDigests:
        for peer in sources:
            try:
                packed = self.client.chunk_digests(peer, manifest.package_id, chunk_count(manifest.size) * RECORD_SIZE)
                chunks = ChunkDigests(packed)
                manifest.check_chunk_list(chunks)
            except SourceLacks as error:
                leave_source(self.lacking, peer, manifest.package_id, error, self.clock())
            except (PeerUnreachable, PeerLied, ManifestInvalid) as error:
                log.warning("chunk_list_refused", peer_id=str(peer.peer_id), package_id=manifest.package_id, error=str(error))
            else:
                return chunks
        raise PeerUnreachable(f"none of {len(sources)} sources gave the chunk list of {manifest.name}")

    def _new_transfer(self, manifest: Manifest) -> Transfer:
        now = self.clock()
        return Transfer(
            str(uuid.uuid4()),
            manifest.package_id,
            manifest.name.text,
            manifest.size,
            manifest.sha256,
            manifest.sha1,
            correlation_id(),
            now,
            now,
        )

    def close(self, event: events.PackagePublishedV1) -> None:
        """The package is published here: its transfer, if there was one, is done."""
        self._end(event.package_id, TransferState.DONE, None)

    def fail(self, event: events.PackageQuarantinedV1) -> None:
        """The package was refused here."""
        self._end(event.package_id, TransferState.FAILED, f"{event.code}: {event.reason}")

    def stop(self, event: events.PackageDeletedV1 | events.PackageWithdrawnV1) -> None:
        """The package is not to be here: what was fetched of it is dropped."""
        self._end(event.package_id, TransferState.FAILED, event.type.split(".")[1], drop=True)

    def _end(self, package_id: str, state: TransferState, error: str | None, *, drop: bool = False) -> None:
        now = self.clock()
        with self.transfers.changing() as changes:
            transfer = changes.of_package(package_id)
            if transfer is None or (transfer.state in ENDED_STATES and not _is_overtaken(transfer, state)):
                return
            changes.save(replace(transfer, state=state, finished=now, changed=now, error=error, paused=False))
        if drop or transfer.state in OPEN_STATES:
            self.store.drop_incoming(transfer.transfer_id)

    def sweep(self, stale_seconds: float) -> None:
        """Ring again for what was assembled and not verified since; end what storage has settled, if its word was lost."""
        before = self.clock() - dt.timedelta(seconds=stale_seconds)
        old = [*self.transfers.stale_assembled(before), *self.transfers.open_since(before)]
        for portion in portions(old, _PORTION):
            here = self.storage.holdings([transfer.package_id for transfer in portion])
            for transfer in portion:
                with bound(correlation_id=transfer.correlation_id):
                    self._revive(transfer, here.get(transfer.package_id))

    def _revive(self, transfer: Transfer, here: Holding | None) -> None:
        if here is not None and here.bytes_here:
            self._end(transfer.package_id, TransferState.DONE, None)
        elif here is None or here.state != WANTED:
            state = here.state if here else "unknown"
            self._end(transfer.package_id, TransferState.FAILED, f"the package is not wanted any more: it is {state}", drop=True)
        elif transfer.state is TransferState.ASSEMBLED:
            with self.transfers.changing() as changes:
                assemble(changes, transfer, self.clock())


def _is_overtaken(transfer: Transfer, state: TransferState) -> bool:
    """It was cancelled, and its package came here by another way: nothing is to be remembered of that."""
    return transfer.state is TransferState.CANCELLED and state is TransferState.DONE


def able_sources(peers: Peers, lacking: LackBook, package_id: str, now: dt.datetime) -> list[Peer]:
    """Who has the bytes of a package, by its feed, and may be asked for them now."""
    known = [peer for peer in peers.sources_of(package_id) if peer.is_source(now)]
    return [peer for peer in known if not lacking.is_left_alone(str(peer.peer_id), package_id, now)]


def leave_source(lacking: LackBook, peer: Peer, package_id: str, error: SourceLacks, now: dt.datetime) -> None:
    """This peer says that it lacks the package, or does not give it to us: it is left alone for a while."""
    lacking.lacks(str(peer.peer_id), package_id, now)
    log.warning("source_left", peer_id=str(peer.peer_id), package_id=package_id, error=str(error))


def assemble(changes: TransferChanges, transfer: Transfer, now: dt.datetime) -> None:
    """All chunks are on disk: have the whole verified."""
    changes.save(replace(transfer, state=TransferState.ASSEMBLED, changed=now, paused=False))
    changes.dispatch(
        events.PackageAssembledV1(
            package_id=transfer.package_id,
            transfer_id=transfer.transfer_id,
            size=transfer.size,
            sha256=transfer.sha256.hex,
            sha1=transfer.sha1.hex,
        )
    )
