"""Moving slices: claim, fetch, verify in memory, write, sync, mark. Step 6 of the seed.

A chunk is hashed and written in a real thread while the next one comes in from the wire. Nothing unverified is ever written,
and nothing is marked before it is synced. A slice that was tried before begins at the first chunk that is not on disk yet.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, BinaryIO

from services.replication.domain.peer import Peer
from services.replication.domain.refusals import SourceLacks
from services.replication.domain.sources import LackBook, SourceBook, is_too_slow
from services.replication.domain.transfer import OPEN_STATES, Claim, TransferState
from services.replication.handlers.planning import able_sources, assemble, leave_source
from services.replication.ports import Background, PeerClient, Peers, StartBackground, StorageService, Transfers
from shared.contracts import events
from shared.core.digest import CHUNK_SIZE, ChunkDigests, chunk_length
from shared.core.errors import InsufficientSpace, NotFound, PeerLied, PeerUnreachable
from shared.runtime.bytestore.port import ByteStore
from shared.runtime.logging import bound, get_logger

log = get_logger(__name__)
_NO_SOURCE_WAIT = dt.timedelta(seconds=5)
_DISK_WAIT = dt.timedelta(seconds=10)
_LONGEST_WAIT = 5
"""As a power of two in seconds: how long the only source of a slice is left alone after it failed again."""
_SUSPECT_PEERS = 2
"""The same chunk bad from so many different peers means that not the peers are wrong, but the manifest."""


class BadChunk(PeerLied):
    """A chunk whose digests are not those that the origin signed."""

    default_code = "CHUNK_INVALID"

    def __init__(self, index: int) -> None:
        """`index` is the number of the chunk."""
        super().__init__(f"chunk {index} is not what the origin signed")
        self.index = index


class ClaimLost(PeerUnreachable):
    """The lease ran out and another worker has the slice."""

    default_code = "CLAIM_LOST"


@dataclass(frozen=True)
class MovingLimits:
    """How patient a worker is."""

    lease: dt.timedelta
    slow_bytes_per_second: int
    strikes_allowed: int
    ban: dt.timedelta


@dataclass
class MovingHandlers:
    """One replication worker's hands."""

    worker: str
    peers: Peers
    transfers: Transfers
    client: PeerClient
    storage: StorageService
    store: ByteStore
    clock: Any
    background: StartBackground
    sources: SourceBook
    limits: MovingLimits
    lacking: LackBook = field(default_factory=LackBook)

    def step(self) -> bool:
        """Move one slice, if there is one to move."""
        claim = self.transfers.claim(self.worker, self.clock(), self.limits.lease)
        if claim is None:
            return False
        with bound(correlation_id=claim.correlation_id, transfer_id=claim.transfer_id, slice=claim.slice.index):
            self._try(claim)
        return True

    def _try(self, claim: Claim) -> None:
        candidates = able_sources(self.peers, self.lacking, claim.package_id, self.clock())
        peer = self.sources.choose(candidates, time.monotonic())
        if peer is None:
            log.info("slice_waits_for_source")
            self.transfers.give_back(claim, self.clock() + _NO_SOURCE_WAIT)
            return
        try:
            with self._busy(peer):
                self._move(claim, peer)
        except BadChunk as error:
            self._strike(claim, peer, error)
        except ClaimLost:
            log.info("slice_claim_lost")
        except SourceLacks as error:
            leave_source(self.lacking, peer, claim.package_id, error, self.clock())
            self.transfers.give_back(claim, self.clock())
        except (PeerUnreachable, PeerLied) as error:
            self.sources.failed(str(peer.peer_id), time.monotonic())
            wait = dt.timedelta(seconds=0 if len(candidates) > 1 else 2 ** min(claim.attempts, _LONGEST_WAIT))
            log.warning("slice_failed", peer_id=str(peer.peer_id), code=error.code, error=str(error), attempt=claim.attempts + 1)
            self.transfers.give_back(claim, self.clock() + wait)
        except (InsufficientSpace, OSError) as error:
            log.warning("slice_waits_for_disk", error=str(error))
            self.transfers.give_back(claim, self.clock() + _DISK_WAIT)
        except NotFound as error:
            self._fail(claim, error)

    @contextmanager
    def _busy(self, peer: Peer) -> Iterator[None]:
        self.sources.began(str(peer.peer_id))
        try:
            yield
        finally:
            self.sources.ended(str(peer.peer_id))

    def _move(self, claim: Claim, peer: Peer) -> None:
        chunks = self.store.read_chunk_list(claim.transfer_id)
        if chunks is None:
            raise NotFound("the transfer's chunk list is gone")
        with self.store.open_incoming(claim.transfer_id) as file:
            first = self._first_missing(claim, file, chunks)
            fetched = self._fetch(claim, peer, file, chunks, first) if first < claim.slice.stop_chunk else 0
            self.background(self.store.sync, file).wait()
        self._finish(claim, fetched)

    def _first_missing(self, claim: Claim, file: BinaryIO, chunks: ChunkDigests) -> int:
        first = claim.slice.first
        if claim.attempts == 0:
            return first
        for index in range(first, claim.slice.stop_chunk):
            if not self.background(_is_on_disk, file.fileno(), index, claim.slice.size, chunks).wait():
                return index
        return claim.slice.stop_chunk

    def _fetch(self, claim: Claim, peer: Peer, file: BinaryIO, chunks: ChunkDigests, first: int) -> int:
        watch = _Watch(self, claim)
        writing: Background | None = None
        fetched = 0
        try:
            with self.client.content(peer, claim.package_id, claim.slice, first) as content:
                for index, chunk in content.chunks(watch.saw):
                    if writing is not None:
                        writing.wait()
                    writing = self.background(_verify_and_write, file.fileno(), index, chunk, chunks)
                    fetched += len(chunk)
            if writing is not None:
                writing.wait()
        except BaseException:
            if writing is not None:
                _settle(writing)
            self._count(claim, fetched)
            raise
        return fetched

    def _count(self, claim: Claim, fetched: int) -> None:
        with self.transfers.changing() as changes:
            changes.add_fetched(claim.transfer_id, fetched)

    def _finish(self, claim: Claim, fetched: int) -> None:
        with self.transfers.changing() as changes:
            changes.add_fetched(claim.transfer_id, fetched)
            if not changes.finish_slice(claim):
                raise ClaimLost("another worker has this slice")
            transfer = changes.get(claim.transfer_id)
            if transfer and transfer.state in OPEN_STATES and changes.slices_left(claim.transfer_id) == 0:
                assemble(changes, transfer, self.clock())

    def _fail(self, claim: Claim, error: NotFound) -> None:
        """Its files are gone: the transfer ended meanwhile, or is to be planned anew when storage rings again."""
        now = self.clock()
        with self.transfers.changing() as changes:
            transfer = changes.get(claim.transfer_id)
            was_open = transfer is not None and transfer.state in OPEN_STATES
            if transfer and was_open:
                changes.save(replace(transfer, state=TransferState.FAILED, finished=now, changed=now, error=str(error)))
        if was_open:
            self.store.drop_incoming(claim.transfer_id)
        log.warning("slice_dropped", error=str(error))

    def _strike(self, claim: Claim, peer: Peer, error: BadChunk) -> None:
        now = self.clock()
        self.sources.failed(str(peer.peer_id), time.monotonic())
        with self.transfers.changing() as changes:
            liars = changes.note_bad_chunk(claim.transfer_id, error.index, str(peer.peer_id))
            transfer = changes.get(claim.transfer_id)
            suspect = liars >= _SUSPECT_PEERS and transfer is not None and transfer.state in OPEN_STATES
            if transfer and suspect:
                changes.save(replace(transfer, state=TransferState.SUSPECT, finished=now, changed=now, error=str(error)))
                changes.dispatch(events.TransferSuspectV1(transfer_id=claim.transfer_id, package_id=claim.package_id, chunk=error.index))
        log.error("chunk_rejected", peer_id=str(peer.peer_id), chunk=error.index, liars=liars)
        if suspect:
            self.storage.give_up(claim.package_id, "MANIFEST_SUSPECT", f"different peers gave the same wrong chunk {error.index}")
        if liars >= _SUSPECT_PEERS:
            return
        self._ban_if_due(peer, error, now)
        self.transfers.give_back(claim, now)

    def _ban_if_due(self, peer: Peer, error: BadChunk, now: dt.datetime) -> None:
        until = now + self.limits.ban
        with self.peers.changing() as changes:
            known = changes.peer(str(peer.peer_id))
            fresh = known and known.struck(self.limits.strikes_allowed, until)
            if fresh is not None:
                changes.save_peer(fresh)
            if fresh is not None and fresh.banned_until == until:
                changes.dispatch(events.PeerBannedV1(peer_id=str(peer.peer_id), reason=str(error), until=until))
                log.error("peer_banned", peer_id=str(peer.peer_id), until=until.isoformat())


class _Watch:
    """Keeps the lease alive while bytes come, and gives a slow source up."""

    def __init__(self, handlers: MovingHandlers, claim: Claim) -> None:
        self._handlers, self._claim = handlers, claim
        self._started = self._renewed = time.monotonic()

    def saw(self, bytes_done: int) -> None:
        """More bytes came.

        Raises:
            ClaimLost: if the slice is no longer ours.
            PeerUnreachable: if the source is too slow to wait for.
        """
        limits, now = self._handlers.limits, time.monotonic()
        if now - self._renewed > limits.lease.total_seconds() / 3:
            if not self._handlers.transfers.renew(self._claim, self._handlers.clock() + limits.lease):
                raise ClaimLost("another worker has this slice")
            self._renewed = now
        if is_too_slow(bytes_done, now - self._started, limits.slow_bytes_per_second):
            raise PeerUnreachable("the source is slower than the floor")


def _verify_and_write(descriptor: int, index: int, chunk: memoryview, chunks: ChunkDigests) -> None:
    sha1 = hashlib.sha1(chunk, usedforsecurity=False).digest()
    if not chunks.matches(index, sha1, hashlib.sha256(chunk).digest()):
        raise BadChunk(index)
    offset = index * CHUNK_SIZE
    while chunk:
        written = os.pwrite(descriptor, chunk, offset)
        chunk, offset = chunk[written:], offset + written


def _is_on_disk(descriptor: int, index: int, size: int, chunks: ChunkDigests) -> bool:
    data = os.pread(descriptor, chunk_length(index, size), index * CHUNK_SIZE)
    return chunks.matches(index, hashlib.sha1(data, usedforsecurity=False).digest(), hashlib.sha256(data).digest())


def _settle(writing: Background) -> None:
    """Let a write end before its file is closed; the first fault is already on its way."""
    try:
        writing.wait()
    except (BadChunk, OSError) as error:
        log.info("write_failed_too", error=str(error))
