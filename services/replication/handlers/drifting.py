"""The drift check: once a day everything that a peer shows us is compared by digests with what is here of it.

A change feed that works brings everything, so whatever this finds is an alarm; it is fetched all the same. What is on its way
between two lists is not drift: the feed is read once more between them. Nor is what we have beyond what the peer shows: where
registrations let one side see more than the other, that is so every day. Digests only say where to look; the peer's list decides.
At most, each of the 256 buckets is listed once a check, and those in which something lacked once more.
"""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from services.replication.domain.peer import Peer
from services.replication.domain.records import PACKAGE, Versions, unlike
from services.replication.handlers.learning import LearningHandlers
from services.replication.ports import PeerClient, Peers, StorageService
from shared.contracts import events
from shared.core.errors import PeerLied, PeerUnreachable
from shared.core.staging import EVERY_TAG
from shared.runtime.logging import get_logger

log = get_logger(__name__)
_ALL = (EVERY_TAG,)
_LONGEST_RETRY_SECONDS = 3600.0
_LONGEST_JITTER = 1.2


@dataclass
class DriftingHandlers:
    """Compares catalogues."""

    peers: Peers
    client: PeerClient
    storage: StorageService
    learning: LearningHandlers
    clock: Any
    check_seconds: float
    chance: random.Random = field(default_factory=random.Random)

    def check_if_due(self, peer_id: str, read_feed: Callable[[], None]) -> None:
        """Compare with this peer if it is time to; the first time is within one interval after the registration.

        A plan that is further away than one interval was made with another setting, or with a clock that was ahead: it is made anew.
        """
        now, peer = self.clock(), self.peers.get(peer_id)
        if peer is None:
            return
        if peer.next_drift_check is None or peer.next_drift_check > now + dt.timedelta(seconds=self.check_seconds * _LONGEST_JITTER):
            self._plan(peer_id, self.check_seconds * self.chance.random())
        elif peer.next_drift_check <= now:
            self._check(peer, read_feed)

    def _check(self, peer: Peer, read_feed: Callable[[], None]) -> None:
        peer_id = str(peer.peer_id)
        try:
            missing, different = self._find_and_fetch(peer, read_feed)
        except (PeerUnreachable, PeerLied) as error:
            log.warning("drift_check_failed", peer_id=peer_id, code=error.code, error=str(error))
            self._plan(peer_id, min(self.check_seconds, _LONGEST_RETRY_SECONDS))
            return
        self._plan(peer_id, self.check_seconds * self.chance.uniform(0.8, _LONGEST_JITTER), missing, different)

    def _plan(self, peer_id: str, seconds: float, missing: int | None = None, different: int = 0) -> None:
        """When to compare next, and what was found if it was compared."""
        with self.peers.changing() as changes:
            peer = changes.peer(peer_id)
            if peer is None:
                return
            peer = replace(peer, next_drift_check=self.clock() + dt.timedelta(seconds=seconds))
            if missing is not None:
                found = missing + different
                peer = replace(peer, drift_checks=peer.drift_checks + 1, drift_found=peer.drift_found + found)
                if found:
                    changes.dispatch(events.CatalogueDriftedV1(peer_id=peer_id, missing=missing, different=different))
                    log.error("catalogue_drifted", peer_id=peer_id, missing=missing, different=different)
            changes.save_peer(peer)

    def _find_and_fetch(self, peer: Peer, read_feed: Callable[[], None]) -> tuple[int, int]:
        """How many packages were missing here, and how many were different, that the check brought."""
        theirs = self.client.buckets(peer, _ALL)
        ours = self.storage.digest_buckets(_ALL, theirs.tags)
        first = self._unlike(peer, [number for number, digest in enumerate(theirs.digests) if digest != ours[number]])
        if not first:
            return 0, 0
        read_feed()
        second = self._unlike(peer, first_bytes(first))
        lasting = {package_id: version for package_id, version in second.items() if first.get(package_id) == version}
        before = self._here(lasting)
        self.learning.learn_new(peer, {(PACKAGE, package_id): ".".join(version) for package_id, version in lasting.items()})
        after = self._here(lasting)
        missing = sum(package_id in after and package_id not in before for package_id in lasting)
        different = sum(package_id in before and after.get(package_id) != before[package_id] for package_id in lasting)
        return missing, different

    def _unlike(self, peer: Peer, numbers: Iterable[int]) -> dict[str, tuple[str, str]]:
        """What the peer lists in these buckets, and we lack or have differently; whatever tags it bears here."""
        found: dict[str, tuple[str, str]] = {}
        for number in numbers:
            listed = self.client.bucket(peer, number, _ALL)
            in_it = {package_id: version for package_id, version in listed.items() if first_byte(package_id) == number}
            found |= unlike(self.storage.list_bucket(number, _ALL, _ALL), in_it)
        return found

    def _here(self, package_ids: Iterable[str]) -> Versions:
        wanted = set(package_ids)
        listed = [self.storage.list_bucket(number, _ALL, _ALL) for number in first_bytes(wanted)]
        return {package_id: version for bucket in listed for package_id, version in bucket.items() if package_id in wanted}


def first_byte(package_id: str) -> int:
    """The bucket of a package."""
    return int(package_id[:2], 16)


def first_bytes(package_ids: Iterable[str]) -> list[int]:
    """The buckets of some packages."""
    return sorted({first_byte(package_id) for package_id in package_ids})
