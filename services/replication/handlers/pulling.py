"""Pulling: reading a peer's change feed and handing the manifests to storage. Step 4 of the seed."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import Any

from services.replication.domain.peer import Peer, PeerState
from services.replication.ports import FeedItems, PeerClient, Peers, StorageService
from shared.contracts import events
from shared.core.errors import ManifestInvalid, OdstError, PeerLied, PeerUnreachable
from shared.runtime.logging import get_logger

log = get_logger(__name__)
_RETRY_SECONDS = 30.0


@dataclass
class PullingHandlers:
    """Everything about learning what peers have. `alone` gives a lock for a key, within this process."""

    peers: Peers
    client: PeerClient
    storage: StorageService
    clock: Any
    poll_seconds: float
    alone: Callable[[str], AbstractContextManager[Any]]
    chance: random.Random = field(default_factory=random.Random)

    def heard(self, event: events.PeerAnnouncedV1) -> None:
        """A peer said that it has news. If it cannot be reached now, a poll will find them."""
        peer = self.peers.get(event.peer_id)
        if peer is not None and not (peer.epoch == event.epoch and peer.cursor >= event.seq):
            self._pull_or_wait(event.peer_id)

    def poll_due(self) -> None:
        """Read the feed of each peer whose time has come. One that is away does not keep the others waiting for long."""
        for peer in self.peers.due_for_poll(self.clock()):
            self._pull_or_wait(str(peer.peer_id))

    def _pull_or_wait(self, peer_id: str) -> None:
        try:
            self.pull(peer_id)
        except (PeerUnreachable, PeerLied) as error:
            log.warning("pull_failed", peer_id=peer_id, code=error.code, error=str(error))

    def pull_all(self) -> None:
        """Have the feeds of all peers read at the next sweep."""
        with self.peers.changing() as changes:
            for peer in changes.active_peers():
                changes.save_peer(replace(peer, next_poll=self.clock()))

    def pull(self, peer_id: str) -> None:
        """Read a peer's feed from our cursor to its end.

        Raises:
            PeerUnreachable: if it does not answer; what was read until then is kept.
        """
        with self.alone(peer_id):
            try:
                while self._pull_page(peer_id):
                    pass
            except OdstError as error:
                self._note(peer_id, error)
                raise
            self._note(peer_id, None)

    def _pull_page(self, peer_id: str) -> bool:
        peer = self.peers.get(peer_id)
        if peer is None or peer.state is not PeerState.ACTIVE:
            return False
        page = self.client.changes(peer, peer.epoch, peer.cursor)
        for package_id in page.package_ids:
            self._take(peer, package_id)
        self._advance(peer_id, page)
        return page.more

    def _take(self, peer: Peer, package_id: str) -> None:
        with self.peers.changing() as changes:
            changes.add_sources(str(peer.peer_id), [package_id])
        if self.storage.state_of(package_id) is not None:
            return
        try:
            envelope = self.client.manifest(peer, package_id)
            self.storage.offer_manifest(envelope, str(peer.peer_id))
        except (ManifestInvalid, PeerLied) as error:
            # The stack would be ours; the fault is the peer's.
            log.error("manifest_refused", peer_id=str(peer.peer_id), package_id=package_id, error=str(error))  # noqa: TRY400

    def _advance(self, peer_id: str, page: FeedItems) -> None:
        with self.peers.changing() as changes:
            peer = changes.peer(peer_id)
            if peer:
                changes.save_peer(replace(peer, epoch=page.epoch, cursor=page.next))

    def _note(self, peer_id: str, error: OdstError | None) -> None:
        now = self.clock()
        seconds = min(self.poll_seconds, _RETRY_SECONDS) if error else self.poll_seconds
        wait = seconds * self.chance.uniform(0.8, 1.2)
        with self.peers.changing() as changes:
            peer = changes.peer(peer_id)
            if peer is None:
                return
            peer = replace(peer, next_poll=now + dt.timedelta(seconds=wait), last_error=str(error)[:300] if error else None)
            changes.save_peer(peer if error else replace(peer, last_contact=now))
