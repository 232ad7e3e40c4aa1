"""Learning: from a page of a peer's change feed to records in storage. Many at a time, as catalogues are large.

What storage does not take is remembered: it is tried again later, unless it is forged. One refused record keeps no others.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from services.replication.domain.catalogue import WANTED
from services.replication.domain.peer import Peer, PeerState
from services.replication.domain.records import (
    ALL,
    CHARTER,
    FORGED,
    GONE,
    NOT_DELIVERED,
    PACKAGE,
    RECORD,
    ROTATION,
    Deferred,
    FeedPage,
    Key,
    Records,
    Refusal,
    portions,
)
from services.replication.domain.sources import LackBook
from services.replication.ports import PeerChanges, PeerClient, Peers, StorageService
from shared.contracts import events
from shared.core.errors import PeerLied, PermanentError
from shared.runtime.logging import get_logger

log = get_logger(__name__)
PORTION = 200
"""Records in one question to a peer."""
_VAIN_TRIES = 2
_MOST_DEFERRED = 10_000
"""Records of one peer that are remembered as refused; beyond that they are only logged, and come again when the feed is read anew."""
_SECOND = 2
_FEW_TRIES = 8
"""A record that a peer names and does not give is forgotten after so many tries; the drift check would find it."""

Versions = Mapping[Key, str]
"""Records that are to be fetched, with the version that the peer says it has."""


@dataclass
class LearningHandlers:
    """Fetches what a feed names and hands it to storage."""

    peers: Peers
    client: PeerClient
    storage: StorageService
    clock: Any
    lacking: LackBook = field(default_factory=LackBook)

    def take_page(self, peer: Peer, page: FeedPage) -> None:
        """Take care of all items of a page in the second version of the protocol."""
        peer_id = str(peer.peer_id)
        if page.epoch != peer.epoch:
            self._learn_who_is_who(peer)
        self._note_sources(peer_id, page)
        named = [item for item in page.items if item.kind != GONE]
        wanted = self.storage.compare_records(named) if named else set()
        versions = {item.key: item.version for item in named if item.key in wanted}
        self.learn_new(peer, versions)
        self.ring_known([package_id for package_id in page.ids(PACKAGE) if (PACKAGE, package_id) not in wanted])
        self._take_gone(peer, page.ids(GONE))

    def _learn_who_is_who(self, peer: Peer) -> None:
        """All charters and rotations before anything else: packages are judged by them. Those that are refused come again in the feed."""
        records = self.client.records(peer, [], ALL, ALL)
        if records:
            for refusal in self.storage.offer_records(Records((), records.charters, records.rotations), str(peer.peer_id)):
                log.info("record_refused", peer_id=str(peer.peer_id), kind=refusal.key[0], record_id=refusal.key[1], code=refusal.code)

    def _note_sources(self, peer_id: str, page: FeedPage) -> None:
        with self.peers.changing() as changes:
            if _is_active(changes, peer_id):
                changes.add_sources(peer_id, page.ids(PACKAGE))
                changes.add_sources(peer_id, page.ids(RECORD), has_bytes=False)
                changes.drop_sources(peer_id, page.ids(GONE))
        self.lacking.named(peer_id, page.ids(PACKAGE))

    def ring_known(self, package_ids: Sequence[str]) -> None:
        """What was known before its bytes were to be had here may be waiting for just this source."""
        if package_ids:
            self.storage.ring_wanted(package_ids)

    def _without_refused(self, peer_id: str, versions: Versions) -> dict[Key, str]:
        refused = {one.key: one.version for one in self.peers.deferred_among(peer_id, [key[1] for key in versions])}
        return {key: version for key, version in versions.items() if refused.get(key) != version}

    def learn_new(self, peer: Peer, versions: Versions) -> set[Key]:
        """`learn`, but not what was refused in the same version before: that is tried again at its own times."""
        return self.learn(peer, self._without_refused(str(peer.peer_id), versions))

    def learn(self, peer: Peer, versions: Versions) -> set[Key]:
        """Fetch and offer these; those that storage took. The rest is remembered as refused."""
        taken: set[Key] = set()
        for portion in portions(sorted(versions.items(), key=_who_is_who_first), PORTION):
            taken |= self._learn_portion(peer, dict(portion))
        return taken

    def _learn_portion(self, peer: Peer, versions: Versions) -> set[Key]:
        missing, refused = set(versions), dict[Key, Refusal]()
        vain = 0
        while missing and vain < _VAIN_TRIES:
            records = self._ask(peer, missing)
            if records:
                for refusal in self.storage.offer_records(records, str(peer.peer_id)):
                    # Of several reasons in one package, one that may pass decides: forged is what is tried never again.
                    refused[refusal.key] = min(refusal, refused.get(refusal.key, refusal), key=lambda one: one.code in FORGED)
                missing -= records.keys
            else:
                vain += 1
        refused |= {key: Refusal(key, NOT_DELIVERED, "the peer named this record and did not give it") for key in missing}
        self._remember(peer, versions, refused)
        return set(versions) - set(refused)

    def _ask(self, peer: Peer, wanted: set[Key]) -> Records:
        ids = {kind: [record_id for of, record_id in wanted if of == kind] for kind in (PACKAGE, CHARTER, ROTATION)}
        return self.client.records(peer, ids[PACKAGE], ids[CHARTER], ids[ROTATION]).only(wanted)

    def _remember(self, peer: Peer, versions: Versions, refused: Mapping[Key, Refusal]) -> None:
        peer_id, now = str(peer.peer_id), self.clock()
        known = {one.key: one for one in self.peers.deferred_among(peer_id, [key[1] for key in versions])}
        taken = set(versions) - set(refused)
        knows_more = any(kind in (CHARTER, ROTATION) for kind, _ in taken)
        if not (refused or known or knows_more):
            return
        full = bool(refused) and self.peers.deferred_count(peer_id) >= _MOST_DEFERRED
        with self.peers.changing() as changes:
            if knows_more:
                changes.retry_refused(now)
            if not _is_active(changes, peer_id):
                return  # It was revoked meanwhile, or has another id: nothing of it is waited for.
            changes.drop_deferred(peer_id, [key for key in known if key in taken])
            for key in versions.keys() & refused.keys():
                self._defer(changes, known.get(key), Deferred.first(peer_id, refused[key], versions[key], now), full=full)

    def _defer(self, changes: PeerChanges, before: Deferred | None, fresh: Deferred, *, full: bool) -> None:
        again = before is not None and before.version == fresh.version
        if before is not None and again and before.attempts >= _FEW_TRIES and fresh.code == NOT_DELIVERED:
            changes.drop_deferred(fresh.peer_id, [fresh.key])
            _drop_source(changes, fresh)
            return
        if before is not None or not full:
            changes.save_deferred([before.again(fresh.code, fresh.reason, fresh.first_seen) if before is not None and again else fresh])
        else:
            _drop_source(changes, fresh)
        if before is None or not again or before.code == NOT_DELIVERED:
            _tell(changes, fresh, full=before is None and full)

    def retry_deferred(self, peer: Peer, due: dt.datetime) -> bool:
        """Ask again for a portion of what was refused and may be right by now, the oldest first; False if nothing was `due` then."""
        portion = self.peers.deferred_due(str(peer.peer_id), due, PORTION)
        learn = self.learn if peer.protocol >= _SECOND else self._learn_manifests
        if portion:
            learn(peer, {one.key: one.version for one in portion})
        return bool(portion)

    def _take_gone(self, peer: Peer, package_ids: Sequence[str]) -> None:
        """What this peer shows no longer: its meta records say why; if nobody else shows it either, storage is told."""
        for portion in portions(package_ids, PORTION):
            given = self.client.records(peer, portion, (), ()).only({(PACKAGE, package_id) for package_id in portion})
            records = Records(tuple(one for one in given.packages if one.meta))
            if records:
                self.storage.offer_records(records, str(peer.peer_id))
            withdrawn = sorted(set(portion) - self.peers.shown_among(portion))
            if withdrawn:
                self.storage.withdraw_packages(withdrawn, str(peer.peer_id))

    def take_page_of_first_version(self, peer: Peer, page: FeedPage) -> None:
        """One manifest at a time, from a peer that knows no records."""
        self._note_sources(str(peer.peer_id), replace(page, items=tuple(item for item in page.items if item.kind == PACKAGE)))
        for item in page.items:
            if item.kind != PACKAGE:
                continue
            state = self.storage.state_of(item.id)
            if state is None:
                self._learn_manifests(peer, self._without_refused(str(peer.peer_id), {item.key: item.version}))
            elif state == WANTED:
                self.storage.ring_wanted([item.id])

    def _learn_manifests(self, peer: Peer, versions: Versions) -> set[Key]:
        """`learn` from a peer that knows no records."""
        asked = {key: self._take_manifest(peer, key) for key in versions}
        refused = {key: refusal for key, refusal in asked.items() if refusal is not None}
        self._remember(peer, versions, refused)
        return set(versions) - set(refused)

    def _take_manifest(self, peer: Peer, key: Key) -> Refusal | None:
        kind, record_id = key
        if kind != PACKAGE:
            return Refusal(key, NOT_DELIVERED, "the peer does not speak of such records any more")
        try:
            self.storage.offer_manifest(self.client.manifest(peer, record_id), str(peer.peer_id))
        except PeerLied as error:
            return Refusal(key, NOT_DELIVERED, str(error)[:300])
        except PermanentError as error:
            return Refusal(key, error.code, str(error)[:300])
        return None


def _is_active(changes: PeerChanges, peer_id: str) -> bool:
    peer = changes.peer(peer_id)
    return peer is not None and peer.state is PeerState.ACTIVE


def _drop_source(changes: PeerChanges, deferred: Deferred) -> None:
    """Nobody waits for this package: that a peer names it is not kept, or it could name millions."""
    kind, record_id = deferred.key
    if kind == PACKAGE:
        changes.drop_sources(deferred.peer_id, [record_id])


def _tell(changes: PeerChanges, deferred: Deferred, *, full: bool) -> None:
    (kind, record_id), code, reason = deferred.key, deferred.code, deferred.reason
    log.warning("record_refused", peer_id=deferred.peer_id, kind=kind, record_id=record_id, code=code, reason=reason)
    if code != NOT_DELIVERED and not full:
        changes.dispatch(events.RecordRefusedV1(peer_id=deferred.peer_id, kind=kind, record_id=record_id, code=code, reason=reason))


def _who_is_who_first(entry: tuple[Key, str]) -> tuple[int, Key]:
    return (0 if entry[0][0] == ROTATION else 1 if entry[0][0] == CHARTER else 2), entry[0]
